"""`POST /model/{modelId}/converse` from a chat completion request.

Written down here, because both sides give a number another meaning: a `temperature` above 1 is
sent as 1; a thinking budget is added to `maxTokens` where it would not fit inside; Nova, told to
think hard, takes neither a limit nor sampling. What is changed so is named among the dropped.

Source: Amazon Bedrock Runtime API reference, "Converse" and "ConverseStream" (2026-09).
"""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import quote

from transforms.bedrock.content import PLACEHOLDER, Scope
from transforms.bedrock.messages import build_messages
from transforms.bedrock.models import ModelRules, rules_for
from transforms.bedrock.reasoning import reasoning_fields
from transforms.bedrock.schemas import enforced_schema
from transforms.bedrock.tools import Tools, build_tools
from transforms.beside import ENFORCED, unknown_members
from transforms.chat_request import NEUTRAL, REFUSED, refuse, saying_something, unknown_parameters
from transforms.claude import goes_with_thinking, has_budget, is_on, limit_beside
from transforms.contract import JSON, Call, ProviderRequest
from transforms.errors import RequestError
from transforms.json_text import dumps
from transforms.schemas import JSON_ONLY, wanted_schema, wants_json

_OWN = (
    "guardrailConfig",
    "additionalModelResponseFieldPaths",
    "performanceConfig",
    "promptVariables",
    "requestMetadata",
)
"""Converse's own parameters, by which clients that know it ask for more."""

_CARRIED = frozenset(
    {"model", "messages", "stream", "stream_options", "max_completion_tokens", "max_tokens"}
    | {"temperature", "top_p", "stop", "response_format", "reasoning_effort"}
    | {"tools", "tool_choice", "parallel_tool_calls", "metadata", "service_tier"}
    | {"top_k", "thinking", "additionalModelRequestFields", *_OWN}
)
"""What the functions below answer for; all else is dropped by name."""

_RANGES = {"temperature": (0, 2), "top_p": (0, 1)}

_SERVICE_TIERS = frozenset({"default", "priority", "flex", "reserved"})

_METADATA_KEY = re.compile(r"[a-zA-Z0-9\s:_@$#=/+,.-]{1,256}")
_METADATA_VALUE = re.compile(r"[a-zA-Z0-9\s:_@$#=/+,.-]{0,256}")
_METADATA_PAIRS = 16


def build_request(call: Call) -> ProviderRequest:
    """The Converse request for a chat completion.

    Drops: what only tunes (seed, penalties, `logit_bias`, `logprobs`, ...), and what the model
    does not take.

    Raises:
        RequestError: what would change the answer if it were ignored: several choices, audio,
            a schema the model does not keep to, legacy functions, parts and tools of other kinds.
    """
    asked = saying_something(call.request, NEUTRAL)
    _refuse(asked)
    rules = rules_for(call.model)
    dropped = unknown_parameters(asked, _CARRIED)
    schema = ENFORCED | {"description"}
    dropped += unknown_members(asked, schema=schema, tool={"cache_control"})
    scope = Scope(rules, dropped, {*call.names})
    system, turns = build_messages(asked["messages"], scope)
    # The nearest thing to JSON mode, for which the API has no switch.
    system += [{"text": JSON_ONLY}] if wants_json(asked) else []
    tools = build_tools(asked, turns, scope)
    reasoning = reasoning_fields(asked, rules, turns, tools, dropped)
    body = {
        "messages": turns if rules.system else _with_system(system, turns),
        "system": system if rules.system else [],
        "inferenceConfig": _inference_config(asked, rules, reasoning, dropped),
        "toolConfig": tools.config,
        "outputConfig": _output_config(asked, rules),
        "additionalModelRequestFields": _fields(asked, rules, tools, reasoning, dropped),
        **_own(asked, call.streams, dropped),
        "serviceTier": _service_tier(asked, dropped),
    }
    said = {name: value for name, value in body.items() if value not in (None, [], {})}
    return ProviderRequest(
        _path(call),
        said,
        dropped=tuple(dict.fromkeys(dropped)),
        names=frozenset(scope.document_names),
    )


def _path(call: Call) -> str:
    """The model is one segment of the path, whatever is in its name."""
    operation = "converse-stream" if call.streams else "converse"
    return f"/model/{quote(call.model, safe='')}/{operation}"


def _refuse(asked: JSON) -> None:
    refuse(asked, REFUSED, "Bedrock")
    for name, (least, most) in _RANGES.items():
        if not least <= asked.get(name, least) <= most:
            raise RequestError(
                f"`{name}` is {asked[name]}; it must be between {least} and {most}.",
                param=name,
                code="invalid_value",
            )


def _with_system(system: list[JSON], turns: list[JSON]) -> list[JSON]:
    first, *rest = turns
    content = [block for block in first["content"] if block != {"text": PLACEHOLDER} or not system]
    return [{**first, "content": [*system, *content]}, *rest]


def _inference_config(asked: JSON, rules: ModelRules, reasoning: JSON, dropped: list[str]) -> JSON:
    config = {
        "maxTokens": _max_tokens(asked, rules, reasoning.get("thinking"), dropped),
        "temperature": None,
        "topP": None,
        "stopSequences": _stop_sequences(asked, rules, dropped),
        **_sampling(asked, rules, reasoning, dropped),
    }
    if _thinks_hard(reasoning):
        _drop_limits(asked, config, dropped)
    return {name: value for name, value in config.items() if value is not None and value != []}


def _thinks_hard(reasoning: JSON) -> bool:
    return bool(reasoning.get("reasoningConfig", {}).get("maxReasoningEffort") == "high")


def _drop_limits(asked: JSON, config: JSON, dropped: list[str]) -> None:
    """Nova at its highest effort refuses a limit and sampling."""
    for name in ("maxTokens", "temperature", "topP"):
        config[name] = None
    names = ("max_completion_tokens", "max_tokens", "temperature", "top_p")
    dropped.extend(name for name in names if name in asked)


def _max_tokens(
    asked: JSON, rules: ModelRules, thinking: JSON | None, dropped: list[str]
) -> int | None:
    """Tokens, with the thinking budget added where the answer would not fit beside it."""
    name = "max_completion_tokens" if "max_completion_tokens" in asked else "max_tokens"
    limit = asked.get(name)
    if limit is not None and limit != asked.get("max_tokens", limit):
        dropped.append("max_tokens")
    if limit is not None and limit < 1:
        raise RequestError(f"`{name}` is {limit}; it must be at least 1.", param=name)
    budget = (thinking or {}).get("budget_tokens")
    if rules.claude is None or not has_budget(thinking) or not isinstance(budget, int):
        return rules.default_max_tokens if limit is None else int(limit)
    if limit is None:
        return max(budget + 1, rules.claude.max_output)
    if budget < limit:
        return int(limit)
    dropped.append(name)
    return limit_beside(budget, int(limit), rules.claude)


def _sampling(asked: JSON, rules: ModelRules, reasoning: JSON, dropped: list[str]) -> JSON:
    """`temperature` and `topP`, as far as the model takes them."""
    taken: JSON = {}
    for name, own_name in (("temperature", "temperature"), ("top_p", "topP")):
        value = asked.get(name)
        if value is None:
            continue
        if _is_refused(name, value, taken, rules, reasoning):
            dropped.append(name)
            continue
        if value > 1:
            dropped.append(name)
        taken[own_name] = min(value, 1)
    return taken


def _is_refused(name: str, value: Any, taken: JSON, rules: ModelRules, reasoning: JSON) -> bool:
    claude = rules.claude
    if claude is None:
        return False
    if claude.sampling == "none" or (claude.sampling == "one" and taken):
        return True
    if not is_on(reasoning.get("thinking")):
        return False
    return not goes_with_thinking(name, value)


def _stop_sequences(asked: JSON, rules: ModelRules, dropped: list[str]) -> list[str]:
    stop = asked.get("stop", [])
    stops = [stop] if isinstance(stop, str) else stop
    # Empty ones are refused everywhere, white space by Claude.
    kept = [each for each in stops if (each.strip() if rules.claude else each)]
    if not rules.stops:
        kept = []
    if len(kept) < len(stops):
        dropped.append("stop")
    return kept


def _output_config(asked: JSON, rules: ModelRules) -> JSON | None:
    """The schema the answer must keep to.

    Drops: `strict`, which changes nothing.
    """
    named = wanted_schema(asked, rules.structured)
    if named is None:
        return None
    told = {name: named[name] for name in ("name", "description") if named.get(name)}
    told["schema"] = dumps(enforced_schema(named["schema"])).decode("utf-8", "replace")
    return {"textFormat": {"type": "json_schema", "structure": {"jsonSchema": told}}}


def _fields(
    asked: JSON, rules: ModelRules, tools: Tools, reasoning: JSON, dropped: list[str]
) -> JSON:
    """What only this model's family knows; what the client says in its words wins."""
    own = asked.get("additionalModelRequestFields", {})
    if not isinstance(own, dict):
        name = "additionalModelRequestFields"
        raise RequestError(f"`{name}` is not an object.", param=name, code="invalid_type")
    return {**_top_k(asked, rules, reasoning, dropped), **tools.fields, **reasoning, **own}


def _top_k(asked: JSON, rules: ModelRules, reasoning: JSON, dropped: list[str]) -> JSON:
    top_k = asked.get("top_k")
    if top_k is None:
        return {}
    refused = rules.claude is not None and (
        rules.claude.sampling == "none" or is_on(reasoning.get("thinking"))
    )
    if rules.top_k == "none" or refused or _thinks_hard(reasoning):
        dropped.append("top_k")
        return {}
    return {"top_k": top_k} if rules.top_k == "flat" else {"inferenceConfig": {"topK": top_k}}


def _own(asked: JSON, streams: bool, dropped: list[str]) -> JSON:
    """Converse's own parameters, with `metadata` as `requestMetadata`."""
    own = {name: asked[name] for name in _OWN if name in asked}
    guardrail = own.get("guardrailConfig")
    if isinstance(guardrail, dict) and not streams:
        # How a guardrail reads a stream means nothing here, and is refused.
        own["guardrailConfig"] = {
            name: value for name, value in guardrail.items() if name != "streamProcessingMode"
        }
    metadata = _metadata(asked, dropped)
    return {"requestMetadata": metadata, **own} if metadata else own


def _metadata(asked: JSON, dropped: list[str]) -> JSON:
    """The pairs whose characters the API takes."""
    pairs = asked.get("metadata", {})
    kept = {
        key: value
        for key, value in pairs.items()
        if _METADATA_KEY.fullmatch(key)
        and isinstance(value, str)
        and _METADATA_VALUE.fullmatch(value)
    }
    kept = dict([*kept.items()][:_METADATA_PAIRS])
    if len(kept) < len(pairs):
        dropped.append("metadata")
    return kept


def _service_tier(asked: JSON, dropped: list[str]) -> JSON | None:
    tier = asked.get("service_tier")
    if tier in _SERVICE_TIERS:
        return {"type": tier}
    if tier is not None:
        dropped.append("service_tier")
    return None
