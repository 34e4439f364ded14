"""`POST /v2/chat` from a chat completion request.

Written down here, because the ranges differ: `top_p` lies between 0.01 and 0.99 and is brought
to the nearer end, but for 1, which is left out; a penalty above 1 is sent as 1, a negative one
not at all. What is changed so is named among the dropped.

Source: Chat API reference, version 2 (2026-09).
"""

from __future__ import annotations

from transforms.beside import ENFORCED, unknown_members
from transforms.chat_request import NEUTRAL, REFUSED, refuse, saying_something, unknown_parameters
from transforms.cohere.messages import build_messages
from transforms.cohere.models import thinks
from transforms.cohere.tools import build_tools
from transforms.contract import JSON, Call, ProviderRequest
from transforms.errors import RequestError, unsupported

PATH = "/v2/chat"

_RENAMED = {
    "max_tokens": "max_tokens",
    "max_completion_tokens": "max_tokens",
    "temperature": "temperature",
    "top_k": "k",
    "seed": "seed",
    "logprobs": "logprobs",
}
"""Parameter -> field. Of two that mean the same, the later wins."""

_OWN = ("documents", "citation_options", "safety_mode", "priority", "strict_tools", "thinking")
"""Cohere's own fields, by which clients that know it ask for more."""

_PENALTIES = ("presence_penalty", "frequency_penalty")

_CARRIED = frozenset(
    {"model", "messages", "stream", "stream_options", "top_p", "stop", "response_format"}
    | {"tools", "tool_choice", "reasoning_effort"}
    | {*_RENAMED, *_OWN, *_PENALTIES}
)
"""What the functions below answer for; all else is dropped by name."""

_NEUTRAL: JSON = {**NEUTRAL, "top_p": 1}
"""Values that ask for what happens anyway."""

_REFUSED = {**REFUSED, "web_search_options": "does not search the web"}
"""Parameters whose absence would change what the client gets."""

_MOST_STOPS = 5
_LEAST_P, _MOST_P = 0.01, 0.99

_BUDGETS: dict[str, int | None] = {
    "minimal": 512,
    "low": 2048,
    "medium": 8192,
    "high": None,
    "xhigh": None,
    "max": None,
}
"""`reasoning_effort` -> tokens of thinking; without a budget a model thinks as long as it likes."""


def build_request(call: Call) -> ProviderRequest:
    """The body of `/v2/chat`; fields outside OpenAI's that Cohere knows are carried too.

    Drops: what only tunes and has no counterpart, effort where the model does not think, names
    of participants, the description of a response format.

    Raises:
        RequestError: a parameter, part or tool that Cohere cannot do.
    """
    asked = saying_something(call.request, _NEUTRAL)
    refuse(asked, _REFUSED, "Cohere")
    dropped = unknown_parameters(asked, _CARRIED)
    dropped += unknown_members(asked, schema=ENFORCED)
    body: JSON = {
        "model": call.model,
        "messages": build_messages(asked["messages"], thinks(call.model), dropped),
        "stream": call.streams,
        **build_tools(asked, dropped),
        **_response_format(asked),
        **_sampling(asked, dropped),
        **_thinking(asked, call.model, dropped),
        **{name: asked[name] for name in _OWN if name in asked},
    }
    return ProviderRequest(PATH, body, dropped=tuple(dict.fromkeys(dropped)))


def _response_format(asked: JSON) -> JSON:
    """`response_format`; a schema sits in it directly, not one level deeper as OpenAI has it."""
    wanted = asked.get("response_format", {"type": "text"})
    if wanted.get("type") == "text":
        return {}
    for other in ("tools", "documents"):
        if other in asked:
            raise unsupported(
                "response_format",
                f"does not go together with `{other}` at Cohere; leave one out",
            )
    match wanted:
        case {"type": "json_schema", "json_schema": {"schema": dict(schema)}}:
            return {"response_format": {"type": "json_object", "json_schema": schema}}
        case {"type": "json_object"} | {"type": "json_schema", "json_schema": {}}:
            return {"response_format": {"type": "json_object"}}
        case _:
            raise RequestError(
                f"`response_format.type` is {wanted.get('type')!r}; it must be `text`,"
                " `json_object` or `json_schema` with its `json_schema`.",
                param="response_format",
                code="invalid_value",
            )


def _sampling(asked: JSON, dropped: list[str]) -> JSON:
    fields: JSON = {field: asked[name] for name, field in _RENAMED.items() if name in asked}
    if "max_tokens" in asked and fields["max_tokens"] != asked["max_tokens"]:
        dropped.append("max_tokens")
    if "stop" in asked:
        fields["stop_sequences"] = _stop_sequences(asked["stop"])
    if "top_p" in asked:
        fields["p"] = min(max(asked["top_p"], _LEAST_P), _MOST_P)
        if fields["p"] != asked["top_p"]:
            dropped.append("top_p")
    for name in _PENALTIES:
        penalty = asked.get(name, 0)
        if not 0 <= penalty <= 1:
            dropped.append(name)
        if penalty > 0:
            fields[name] = min(penalty, 1)
    return fields


def _stop_sequences(stop: str | list[str]) -> list[str]:
    sequences = [stop] if isinstance(stop, str) else stop
    if len(sequences) > _MOST_STOPS:
        raise RequestError(
            f"`stop` holds {len(sequences)} sequences; Cohere takes up to {_MOST_STOPS}.",
            param="stop",
            code="invalid_value",
        )
    return sequences


def _thinking(asked: JSON, model: str, dropped: list[str]) -> JSON:
    effort = asked.get("reasoning_effort")
    if effort is None:
        return {}
    if effort != "none" and effort not in _BUDGETS:
        raise RequestError(
            f"`reasoning_effort` is `{effort}`; it must be one of none, {', '.join(_BUDGETS)}.",
            param="reasoning_effort",
            code="invalid_value",
        )
    if "thinking" in asked or not thinks(model):
        if effort != "none":
            dropped.append("reasoning_effort")
        return {}
    if effort == "none":
        return {"thinking": {"type": "disabled"}}
    budget = _BUDGETS[effort]
    thinking: JSON = {"type": "enabled"}
    return {"thinking": thinking if budget is None else {**thinking, "token_budget": budget}}
