"""`POST /v1/messages` from a chat completion request.

Written down here, because both sides give a number another meaning: a `temperature` above 1 is
sent as 1; a thinking budget is added to `max_tokens` where it would not fit inside. What is
changed so is named among the dropped.

Source: Messages API reference (2023-06-01).
"""

from __future__ import annotations

import hashlib
from typing import Any

from transforms.anthropic.messages import build_messages
from transforms.anthropic.models import ModelRules, rules_for
from transforms.anthropic.tools import build_tools, closed_schema
from transforms.chat_request import present
from transforms.contract import JSON, Call, ProviderRequest
from transforms.errors import RequestError

PATH = "/v1/messages"
HEADERS = {"anthropic-version": "2023-06-01"}

_CARRIED = frozenset(
    {
        "model",
        "messages",
        "stream",
        "stream_options",
        "max_completion_tokens",
        "max_tokens",
        "temperature",
        "top_p",
        "n",
        "stop",
        "response_format",
        "tools",
        "tool_choice",
        "parallel_tool_calls",
        "reasoning_effort",
        "modalities",
        "user",
        "safety_identifier",
        "service_tier",
        # Anthropic's own, by which clients that know it ask for more.
        "top_k",
        "thinking",
        "cache_control",
    }
)
"""What the functions below answer for; all else is dropped by name."""

_NOTHING_IF_FALSE = frozenset(
    {
        "presence_penalty",
        "frequency_penalty",
        "logit_bias",
        "logprobs",
        "top_logprobs",
        "metadata",
        "store",
    }
)
"""Zero, false and empty say the same as absence here."""

_LEGACY = ("functions", "function_call")

_PLAIN_MAX_TOKENS = 21_333
"""What a model writes in about ten minutes; an unstreamed answer that takes longer is cut off."""

_BUDGETS = {
    "minimal": 1024,
    "low": 2048,
    "medium": 10_000,
    "high": 16_384,
    "xhigh": 32_768,
    "max": 32_768,
}
"""`reasoning_effort` -> tokens of thinking, for models that take no effort."""

_LEAST_BUDGET = 1024
_LEAST_TOP_P_WITH_THINKING = 0.95

_SERVICE_TIERS = {"auto": "auto", "default": "standard_only"}

_USER_ID_LENGTH = 256

_JSON_ONLY = "Answer with one JSON object and nothing else: no prose around it, no code fence."


def build_request(call: Call) -> ProviderRequest:
    """The Messages request for a chat completion.

    Drops: what only tunes (seed, penalties, `logit_bias`, `logprobs`, ...), and what the model
    does not take.

    Raises:
        RequestError: what would change the answer if it were ignored: several choices, audio,
            legacy functions, parts and tools of other kinds.
    """
    asked = present(call.request)
    rules = rules_for(call.model)
    _refuse(asked)
    dropped = [name for name, value in asked.items() if _is_dropped(name, value)]
    system, turns = build_messages(asked["messages"], rules, dropped)
    tools = build_tools(asked, turns, rules, dropped)
    max_tokens = _max_tokens(asked, rules, call.streams, dropped)
    thinking = _thinking(asked, rules, turns, tools, max_tokens, dropped)
    body = {
        "model": call.model,
        "max_tokens": _raised(max_tokens, thinking, asked, rules, dropped),
        "stream": call.streams or None,
        "system": [*system, *_json_sentence(asked)],
        "messages": turns,
        **tools,
        "thinking": thinking,
        "output_config": _output_config(asked, rules, dropped),
        **_sampling(asked, rules, _is_on(thinking), dropped),
        "stop_sequences": _stop_sequences(asked, dropped),
        "metadata": _metadata(asked, dropped),
        "service_tier": _service_tier(asked, dropped),
        "cache_control": asked.get("cache_control"),
    }
    return ProviderRequest(PATH, _said(body), HEADERS, tuple(dict.fromkeys(dropped)))


def _is_dropped(name: str, value: object) -> bool:
    return name not in _CARRIED and not (name in _NOTHING_IF_FALSE and not value)


def _said(body: JSON) -> JSON:
    return {name: value for name, value in body.items() if value is not None and value != []}


def _refuse(asked: JSON) -> None:
    for name in _LEGACY:
        if name in asked:
            raise _unsupported(name, "belongs to an older API; send `tools` and `tool_choice`")
    if asked.get("n", 1) != 1:
        raise _unsupported("n", f"is {asked['n']}; Anthropic gives one choice per call")
    if "audio" in asked or "audio" in asked.get("modalities", ()):
        name = "audio" if "audio" in asked else "modalities"
        raise _unsupported(name, "asks for audio; Anthropic's models answer in text alone")


def _unsupported(param: str, why: str) -> RequestError:
    return RequestError(f"`{param}` {why}.", param=param, code="unsupported_parameter")


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
    return max(budget + 1, min(budget + max_tokens, rules.max_output))


def _thinking(
    asked: JSON,
    rules: ModelRules,
    turns: list[JSON],
    tools: JSON,
    max_tokens: int,
    dropped: list[str],
) -> JSON | None:
    """The `thinking` object, or None where the request must do without.

    A forced tool excludes a budget. An open tool loop must begin with the thinking that led to
    it, and a beginning to go on from cannot; where that thinking is lost, the call goes on
    without rather than fail.
    """
    if "thinking" in asked:
        name, thinking = "thinking", asked["thinking"]
    else:
        name, thinking = "reasoning_effort", _thinking_for_effort(asked, rules, max_tokens, dropped)
    if thinking is not None and not isinstance(thinking, dict):
        raise RequestError("`thinking` must be an object.", param="thinking", code="invalid_type")
    forced = tools.get("tool_choice", {}).get("type") in {"any", "tool"}
    has_budget = thinking is not None and thinking.get("type") == "enabled"
    if _is_on(thinking) and ((forced and has_budget) or _thinking_is_lost(turns)):
        dropped.append(name)
        return None
    return thinking


def _is_on(thinking: JSON | None) -> bool:
    return thinking is not None and thinking.get("type") != "disabled"


def _thinking_is_lost(turns: list[JSON]) -> bool:
    """Whether the last assistant turn must begin with thinking, and does not."""
    if turns[-1]["role"] == "assistant":
        return True
    spoken = [turn["content"] for turn in turns if turn["role"] == "assistant"]
    if not spoken or isinstance(spoken[-1], str):
        return False
    kinds = [block["type"] for block in spoken[-1]]
    return "tool_use" in kinds and kinds[0] not in {"thinking", "redacted_thinking"}


def _thinking_for_effort(
    asked: JSON, rules: ModelRules, max_tokens: int, dropped: list[str]
) -> JSON | None:
    effort = asked.get("reasoning_effort")
    if effort is None:
        return None
    if effort != "none" and effort not in _BUDGETS:
        accepted = ", ".join(["none", *_BUDGETS])
        raise RequestError(
            f"`reasoning_effort` is `{effort}`; it must be one of {accepted}.",
            param="reasoning_effort",
        )
    if rules.thinking == "adaptive":
        return _adaptive(effort, rules, dropped)
    if effort == "none":
        return None
    if rules.thinking == "never":
        dropped.append("reasoning_effort")
        return None
    room = max(rules.max_output, max_tokens) - _LEAST_BUDGET
    return {"type": "enabled", "budget_tokens": min(_BUDGETS[effort], room)}


def _adaptive(effort: str, rules: ModelRules, dropped: list[str]) -> JSON | None:
    if effort != "none":
        return {"type": "adaptive"}
    if rules.stays_thinking:
        dropped.append("reasoning_effort")
        return None
    return {"type": "disabled"}


def _output_config(asked: JSON, rules: ModelRules, dropped: list[str]) -> JSON | None:
    config = {"effort": _effort(asked, rules, dropped), "format": _format(asked, rules)}
    return _said(config) or None


def _effort(asked: JSON, rules: ModelRules, dropped: list[str]) -> str | None:
    effort = asked.get("reasoning_effort")
    if effort in (None, "none"):
        return None
    if not rules.efforts:
        if "thinking" in asked:
            dropped.append("reasoning_effort")
        return None
    level = rules.level(effort, asked.get("thinking"))
    if level != rules.level(effort):
        dropped.append("reasoning_effort")
    return level


def _format(asked: JSON, rules: ModelRules) -> JSON | None:
    """The schema the answer must keep to.

    Drops: the schema's `name`, `description` and `strict`, which change nothing.
    """
    wanted = asked.get("response_format", {"type": "text"})
    kind = wanted.get("type")
    if kind in ("text", "json_object"):
        return None
    if kind != "json_schema":
        raise RequestError(
            f"`response_format.type` is `{kind}`; it must be text, json_object or json_schema.",
            param="response_format.type",
        )
    if not rules.structured:
        raise _unsupported("response_format", "asks for a schema, which this model does not keep")
    named = wanted.get("json_schema")
    schema = named.get("schema") if isinstance(named, dict) else None
    if not isinstance(schema, dict):
        raise RequestError(
            "`response_format.json_schema.schema` must be a JSON schema object.",
            param="response_format.json_schema.schema",
        )
    return {"type": "json_schema", "schema": closed_schema(schema)}


def _json_sentence(asked: JSON) -> list[JSON]:
    """The nearest thing to `json_object`, for which the API has no switch."""
    wanted = asked.get("response_format", {}).get("type")
    return [{"type": "text", "text": _JSON_ONLY}] if wanted == "json_object" else []


def _sampling(asked: JSON, rules: ModelRules, thinks: bool, dropped: list[str]) -> JSON:
    """`temperature`, `top_p` and `top_k`, as far as the model takes them."""
    taken: JSON = {}
    for name in ("temperature", "top_p", "top_k"):
        value = asked.get(name)
        if value is None:
            continue
        refused = (
            rules.sampling == "none"
            or (thinks and not _goes_with_thinking(name, value))
            or (rules.sampling == "one" and name == "top_p" and "temperature" in taken)
        )
        if not refused:
            taken[name] = value
        if refused or (name == "temperature" and value > 1):
            dropped.append(name)
    if taken.get("temperature", 0) > 1:
        taken["temperature"] = 1
    return taken


def _goes_with_thinking(name: str, value: Any) -> bool:
    if name == "temperature":
        return bool(value == 1)
    return name == "top_p" and bool(value >= _LEAST_TOP_P_WITH_THINKING)


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
