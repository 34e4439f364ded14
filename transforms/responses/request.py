"""`POST /v1/responses` from a chat completion request.

Written down here, because the API takes no less: a limit below 16 tokens is sent as 16, and named
among the dropped.

Source: Responses API reference, "Create a model response" (2026-09).
"""

from __future__ import annotations

from transforms.beside import STREAM_OPTIONS
from transforms.chat_request import (
    REFUSED,
    drop_unknown,
    refuse,
    saying_something,
    unknown_parameters,
)
from transforms.contract import JSON, Call, ProviderRequest
from transforms.errors import RequestError
from transforms.responses.continuation import is_wanted, known
from transforms.responses.items import Conversation, build_input
from transforms.responses.tools import build_tools, custom_names

PATH = "/v1/responses"

_SAME_NAME = (
    "temperature",
    "top_p",
    "top_logprobs",
    "parallel_tool_calls",
    "metadata",
    "user",
    "safety_identifier",
    "prompt_cache_key",
    "prompt_cache_options",
    "prompt_cache_retention",
    "service_tier",
    "moderation",
)

_MAPPED = frozenset(
    {"model", "messages", "stream", "stream_options", "max_completion_tokens", "max_tokens"}
    | {"response_format", "verbosity", "tools", "tool_choice", "web_search_options"}
    | {"reasoning_effort", "reasoning", "logprobs", "store"}
    | {*_SAME_NAME}
)
"""What the functions below answer for; all else is dropped by name."""

_NEUTRAL: JSON = {
    "n": 1,
    "stop": "",
    "presence_penalty": 0,
    "frequency_penalty": 0,
    "logit_bias": {},
    "modalities": ["text"],
}
"""Values that ask for what happens anyway."""

_REFUSED = {**REFUSED, "stop": "has no stop sequences"}
"""Parameters whose absence would change what the client gets."""

_LEAST_TOKENS = 16

_WITHOUT_REASONING = ("gpt-3.5", "gpt-4", "chatgpt-4o", "gpt-5-chat")
"""Families that refuse `reasoning`, and sealed reasoning in `include`. A model nobody has heard
of is newer, and reasons.
Source: models pages (2026-09); ShishirPatil/gorilla issue 1148 has the answer of status 400."""

_REASONING_FIELDS = frozenset({"effort", "summary", "generate_summary", "context", "mode"})


def build_request(call: Call) -> ProviderRequest:
    """The request of a response for a chat completion; `reasoning` in the API's own words is
    carried too.

    Drops: what only tunes and has no counterpart (seed, penalties, `logit_bias`, `prediction`).

    Raises:
        RequestError: what would change the answer if it were ignored: several choices, stop
            sequences, audio, legacy functions, parts and tools of other kinds.
    """
    asked = _asked(call.request)
    dropped = unknown_parameters(asked, _MAPPED)
    drop_unknown(asked.get("stream_options", {}), STREAM_OPTIONS, "stream_options", dropped)
    reasons = not _is_of(call.model, _WITHOUT_REASONING)
    stores = asked.get("store") is True or is_wanted(call)
    before = known(call)
    tools = build_tools(asked, dropped)
    # With the items stored, a message without its id would be refused after its reasoning.
    talk = Conversation(custom_names(tools), reasons and not stores, dropped)
    body = {
        "model": call.model,
        "stream": call.streams or None,
        "stream_options": _stream_options(asked, call.streams),
        # The API keeps everything unless it is told not to.
        "store": stores,
        "include": _include(asked, reasons),
        "previous_response_id": before.response_id if before else None,
        **build_input(asked["messages"], talk, before.messages if before else 0),
        **tools,
        "max_output_tokens": _max_output_tokens(asked, dropped),
        "reasoning": _reasoning(asked, reasons, dropped),
        "text": _text(asked, dropped),
        **{name: asked[name] for name in _SAME_NAME if name in asked},
    }
    return ProviderRequest(PATH, _said(body), dropped=tuple(dict.fromkeys(dropped)))


def _asked(request: JSON) -> JSON:
    asked = saying_something(request, _NEUTRAL)
    refuse(asked, _REFUSED, "the Responses API")
    return asked


def _said(body: JSON) -> JSON:
    return {name: value for name, value in body.items() if value is not None}


def _is_of(model: str, families: tuple[str, ...]) -> bool:
    """Whether a model belongs to one of the families, also where a host puts its maker first."""
    return model.lower().rpartition("/")[2].startswith(families)


def _stream_options(asked: JSON, streams: bool) -> JSON | None:
    """Padding alone: usage comes without being asked for."""
    padding = asked.get("stream_options", {}).get("include_obfuscation")
    return {"include_obfuscation": padding} if streams and padding is not None else None


def _include(asked: JSON, reasons: bool) -> list[str] | None:
    include = ["reasoning.encrypted_content"] if reasons else []
    if asked.get("logprobs"):
        include.append("message.output_text.logprobs")
    return include or None


def _max_output_tokens(asked: JSON, dropped: list[str]) -> int | None:
    name = "max_completion_tokens" if "max_completion_tokens" in asked else "max_tokens"
    limit = asked.get(name)
    if limit is None:
        return None
    if limit < 1:
        raise RequestError(
            f"`{name}` is {limit}; it must be at least 1.", param=name, code="invalid_value"
        )
    if asked.get("max_tokens", limit) != limit:
        dropped.append("max_tokens")
    if limit < _LEAST_TOKENS:
        dropped.append(name)
    return max(int(limit), _LEAST_TOKENS)


def _reasoning(asked: JSON, reasons: bool, dropped: list[str]) -> JSON | None:
    own = asked.get("reasoning", {})
    if not isinstance(own, dict):
        raise RequestError("`reasoning` is not an object.", param="reasoning", code="invalid_type")
    effort = asked.get("reasoning_effort")
    if not reasons:
        dropped.extend(name for name in ("reasoning_effort", "reasoning") if name in asked)
        return None
    told = {
        name: value
        for name, value in own.items()
        if name in _REASONING_FIELDS and value is not None
    }
    drop_unknown(own, _REASONING_FIELDS, "reasoning", dropped)
    if effort is not None and told.get("effort", effort) != effort:
        dropped.append("reasoning_effort")
    return _said({"effort": effort, **told}) or None


def _text(asked: JSON, dropped: list[str]) -> JSON | None:
    wanted = asked.get("response_format", {})
    drop_unknown(wanted, {"type", "json_schema"}, "response_format", dropped)
    told = {"format": _format(asked.get("response_format")), "verbosity": asked.get("verbosity")}
    return _said(told) or None


def _format(response_format: JSON | None) -> JSON | None:
    """The form of the answer; what describes a schema stands beside its kind here."""
    match response_format:
        case None:
            return None
        case {"type": "text" | "json_object" as kind}:
            return {"type": kind}
        case {"type": "json_schema", "json_schema": {"name": str(), "schema": dict()} as named}:
            told = {key: value for key, value in named.items() if value is not None}
            return {"type": "json_schema", "strict": False, **told}
        case _:
            raise RequestError(
                f"`response_format.type` is {response_format.get('type')!r}; it must be `text`,"
                " `json_object`, or `json_schema` with `name` and `schema` in its `json_schema`.",
                param="response_format",
                code="invalid_value",
            )
