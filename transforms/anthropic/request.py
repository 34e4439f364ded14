"""`POST /v1/messages` from a chat completion request.

Written down here, because both sides give a number another meaning: a `temperature` above 1 is
sent as 1; a thinking budget is added to `max_tokens` where it would not fit inside. What is
changed so is named among the dropped.

Source: Messages API reference (2023-06-01).
"""

from __future__ import annotations

import hashlib

from transforms.anthropic.content import text_block
from transforms.anthropic.messages import build_messages
from transforms.anthropic.tools import build_tools, closed_schema
from transforms.beside import ENFORCED, unknown_members
from transforms.chat_request import NEUTRAL, REFUSED, refuse, saying_something, unknown_parameters
from transforms.claude import (
    BUDGETS,
    ModelRules,
    build_thinking,
    effort_level,
    goes_with_thinking,
    is_on,
    limit_beside,
    rules_for,
)
from transforms.contract import JSON, Call, ProviderRequest
from transforms.errors import RequestError
from transforms.schemas import JSON_ONLY, wanted_schema, wants_json

PATH = "/v1/messages"
HEADERS = {"anthropic-version": "2023-06-01"}

_CARRIED = frozenset(
    {"model", "messages", "stream", "stream_options", "max_completion_tokens", "max_tokens"}
    | {"temperature", "top_p", "stop", "response_format", "reasoning_effort"}
    | {"tools", "tool_choice", "parallel_tool_calls"}
    | {"user", "safety_identifier", "service_tier"}
    # Anthropic's own, by which clients that know it ask for more.
    | {"top_k", "thinking", "cache_control"}
)
"""What the functions below answer for; all else is dropped by name."""

_PLAIN_MAX_TOKENS = 21_333
"""What a model writes in about ten minutes; an unstreamed answer that takes longer is cut off."""

_SERVICE_TIERS = {"default": "standard_only"}

_USER_ID_LENGTH = 256


def build_request(call: Call) -> ProviderRequest:
    """The Messages request for a chat completion.

    Drops: what only tunes (seed, penalties, `logit_bias`, `logprobs`, ...), and what the model
    does not take.

    Raises:
        RequestError: what would change the answer if it were ignored: several choices, audio,
            legacy functions, parts and tools of other kinds.
    """
    asked = saying_something(call.request, NEUTRAL)
    rules = rules_for(call.model)
    refuse(asked, REFUSED, "Anthropic")
    dropped = unknown_parameters(asked, _CARRIED)
    dropped += unknown_members(asked, schema=ENFORCED, tool={"cache_control"})
    system, turns = build_messages(asked["messages"], rules, dropped)
    tools = build_tools(asked, turns, rules, dropped)
    max_tokens = _max_tokens(asked, rules, call.streams, dropped)
    thinking = _thinking(asked, rules, turns, tools, max_tokens, dropped)
    body = {
        "model": call.model,
        "max_tokens": _raised(max_tokens, thinking, asked, rules, dropped),
        "stream": call.streams or None,
        # A sentence is the nearest thing to JSON mode, for which the API has no switch.
        "system": [*system, *([text_block(JSON_ONLY)] if wants_json(asked) else ())],
        "messages": turns,
        **tools,
        "thinking": thinking,
        "output_config": _output_config(asked, rules, dropped),
        **_sampling(asked, rules, is_on(thinking), dropped),
        "stop_sequences": _stop_sequences(asked, dropped),
        "metadata": _metadata(asked, dropped),
        "service_tier": _service_tier(asked, dropped),
        "cache_control": asked.get("cache_control"),
    }
    return ProviderRequest(PATH, _said(body), HEADERS, tuple(dict.fromkeys(dropped)))


def _said(body: JSON) -> JSON:
    return {name: value for name, value in body.items() if value is not None and value != []}


def _max_tokens(asked: JSON, rules: ModelRules, streams: bool, dropped: list[str]) -> int:
    """Tokens. The API demands a limit, so the model's own stands in for none."""
    limit = asked.get("max_completion_tokens", asked.get("max_tokens"))
    if limit is None:
        return rules.max_output if streams else min(rules.max_output, _PLAIN_MAX_TOKENS)
    if limit != asked.get("max_tokens", limit):
        dropped.append("max_tokens")
    if limit < 1:
        name = _limit_name(asked)
        raise RequestError(f"`{name}` is {limit}; it must be at least 1.", param=name)
    return int(limit)


def _limit_name(asked: JSON) -> str:
    return "max_completion_tokens" if "max_completion_tokens" in asked else "max_tokens"


def _raised(
    max_tokens: int, thinking: JSON | None, asked: JSON, rules: ModelRules, dropped: list[str]
) -> int:
    """Tokens, with the thinking budget added where the answer would not fit beside it."""
    budget = (thinking or {}).get("budget_tokens")
    if not isinstance(budget, int) or budget < max_tokens:
        return max_tokens
    if _limit_name(asked) in asked:
        dropped.append(_limit_name(asked))
    return limit_beside(budget, max_tokens, rules)


def _thinking(
    asked: JSON,
    rules: ModelRules,
    turns: list[JSON],
    tools: JSON,
    max_tokens: int,
    dropped: list[str],
) -> JSON | None:
    effort = asked.get("reasoning_effort", "none")
    if effort != "none" and effort not in BUDGETS:
        raise RequestError(
            f"`reasoning_effort` is `{effort}`; it must be one of none, {', '.join(BUDGETS)}.",
            param="reasoning_effort",
            code="invalid_value",
        )
    return build_thinking(
        asked,
        rules,
        max(rules.max_output, max_tokens),
        dropped,
        forced=tools.get("tool_choice", {}).get("type") in {"any", "tool"},
        is_lost=lambda: _thinking_is_lost(turns),
    )


def _thinking_is_lost(turns: list[JSON]) -> bool:
    """Whether the last assistant turn must begin with thinking, and does not."""
    if turns[-1]["role"] == "assistant":
        return True
    spoken = [turn["content"] for turn in turns if turn["role"] == "assistant"]
    if not spoken or isinstance(spoken[-1], str):
        return False
    kinds = [block["type"] for block in spoken[-1]]
    return "tool_use" in kinds and kinds[0] not in {"thinking", "redacted_thinking"}


def _output_config(asked: JSON, rules: ModelRules, dropped: list[str]) -> JSON | None:
    config = {"effort": effort_level(asked, rules, dropped), "format": _format(asked, rules)}
    return _said(config) or None


def _format(asked: JSON, rules: ModelRules) -> JSON | None:
    """The schema the answer must keep to.

    Drops: the schema's `name`, `description` and `strict`, which change nothing.
    """
    named = wanted_schema(asked, rules.structured)
    return named and {"type": "json_schema", "schema": closed_schema(named["schema"])}


def _sampling(asked: JSON, rules: ModelRules, thinks: bool, dropped: list[str]) -> JSON:
    """`temperature`, `top_p` and `top_k`, as far as the model takes them."""
    taken: JSON = {}
    for name in ("temperature", "top_p", "top_k"):
        value = asked.get(name)
        if value is None:
            continue
        refused = (
            rules.sampling == "none"
            or (thinks and not goes_with_thinking(name, value))
            or (rules.sampling == "one" and name == "top_p" and "temperature" in taken)
        )
        if not refused:
            taken[name] = value
        if refused or (name == "temperature" and value > 1):
            dropped.append(name)
    if taken.get("temperature", 0) > 1:
        taken["temperature"] = 1
    return taken


def _stop_sequences(asked: JSON, dropped: list[str]) -> list[str]:
    stop = asked.get("stop", [])
    stops = [stop] if isinstance(stop, str) else stop
    # The API refuses sequences of white space.
    kept = [sequence for sequence in stops if sequence.strip()]
    if len(kept) < len(stops):
        dropped.append("stop")
    return kept


def _metadata(asked: JSON, dropped: list[str]) -> JSON | None:
    """The end user. What is too long or looks like an address goes as a digest of it, since the
    API refuses both."""
    user = asked.get("safety_identifier") or asked.get("user")
    if not user:
        return None
    if asked.get("user", user) != user:
        dropped.append("user")
    if len(user) > _USER_ID_LENGTH or "@" in user:
        user = hashlib.sha256(user.encode("utf-8", "surrogatepass")).hexdigest()
    return {"user_id": user}


def _service_tier(asked: JSON, dropped: list[str]) -> str | None:
    tier = asked.get("service_tier")
    if tier is not None and tier not in _SERVICE_TIERS:
        dropped.append("service_tier")
    return _SERVICE_TIERS.get(tier or "")
