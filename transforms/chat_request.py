"""What makes a chat completion request well-formed, whoever is to answer it.

A routed call is checked here once, before any provider sees it, so that the transforms may
trust the shapes. Calls that are not routed are never judged.

Source: OpenAI API reference, "Create chat completion" (2026-09), and the openai SDK's types.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from typing import Any

from transforms.contract import JSON
from transforms.errors import RequestError, unsupported

INSTRUCTIONS = ("system", "developer")
"""Roles of system prompts."""

_CALL_MEMBERS = frozenset({"id", "type", "function", "custom", "index"})

NEUTRAL: JSON = {
    "n": 1,
    "presence_penalty": 0,
    "frequency_penalty": 0,
    "logit_bias": {},
    "logprobs": False,
    "top_logprobs": 0,
    "metadata": {},
    "modalities": ["text"],
    "parallel_tool_calls": True,
    "service_tier": "auto",
    "store": False,
    "verbosity": "medium",
}
"""Values that ask for what happens anyway, with nearly every provider."""

REFUSED: Mapping[str, str] = {
    "n": "gives one choice per request",
    "modalities": "answers in text only",
    "audio": "answers in text only",
    "functions": "takes functions as `tools`",
    "function_call": "takes functions as `tools`",
}
"""Parameters whose absence would change what the client gets, with what is so instead at nearly
every provider."""

ROLES = ("system", "developer", "user", "assistant", "tool", "function")


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_integer(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_text_or_texts(value: object) -> bool:
    return isinstance(value, str) or (
        isinstance(value, list) and all(isinstance(item, str) for item in value)
    )


def _is_text_or_object(value: object) -> bool:
    return isinstance(value, str | dict)


def _is_list_of_objects(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(item, dict) for item in value)


_Check = tuple[Callable[[object], bool], str]

_NUMBER: _Check = (_is_number, "a number")
_INTEGER: _Check = (_is_integer, "an integer")
_BOOLEAN: _Check = (lambda value: isinstance(value, bool), "a boolean")
_STRING: _Check = (lambda value: isinstance(value, str), "a string")
_OBJECT: _Check = (lambda value: isinstance(value, dict), "an object")

_TYPES: dict[str, _Check] = {
    "model": _STRING,
    "stream": _BOOLEAN,
    "stream_options": _OBJECT,
    "max_completion_tokens": _INTEGER,
    "max_tokens": _INTEGER,
    "temperature": _NUMBER,
    "top_p": _NUMBER,
    "n": _INTEGER,
    "stop": (_is_text_or_texts, "a string or a list of strings"),
    "seed": _INTEGER,
    "presence_penalty": _NUMBER,
    "frequency_penalty": _NUMBER,
    "logit_bias": _OBJECT,
    "logprobs": _BOOLEAN,
    "top_logprobs": _INTEGER,
    "response_format": _OBJECT,
    "tools": (_is_list_of_objects, "a list of objects"),
    "tool_choice": (_is_text_or_object, "a string or an object"),
    "parallel_tool_calls": _BOOLEAN,
    "functions": (_is_list_of_objects, "a list of objects"),
    "function_call": (_is_text_or_object, "a string or an object"),
    "reasoning_effort": _STRING,
    "verbosity": _STRING,
    "modalities": (_is_text_or_texts, "a list of strings"),
    "audio": _OBJECT,
    "prediction": _OBJECT,
    "web_search_options": _OBJECT,
    "metadata": _OBJECT,
    "store": _BOOLEAN,
    "user": _STRING,
    "safety_identifier": _STRING,
    "prompt_cache_key": _STRING,
    "prompt_cache_options": _OBJECT,
    "prompt_cache_retention": _STRING,
    "service_tier": _STRING,
    "moderation": _OBJECT,
}


def check_request(body: object, checked: int = 0) -> JSON:
    """The body itself, once it is known to be a well-formed chat completion request.

    The first `checked` messages are known to be valid, and where there are any, so is all else but
    the rest of the messages.

    Raises:
        RequestError: names the parameter, what it holds and what is accepted.
    """
    if not isinstance(body, dict):
        raise RequestError("The request body is not a JSON object.")
    if not checked:
        _check_members(body)
    _check_messages(body["messages"], checked)
    return body


def _check_members(body: JSON) -> None:
    for required in ("model", "messages"):
        if body.get(required) is None:
            raise RequestError(
                f"`{required}` is missing.", param=required, code="missing_required_parameter"
            )
    for name, value in body.items():
        if value is not None and name in _TYPES:
            accepts, accepted = _TYPES[name]
            if not accepts(value):
                raise _wrong_type(name, value, accepted)
    _check_tools(body.get("tools") or [])


def present(request: JSON) -> JSON:
    """The parameters that say something: null, and an empty list of tools, equal absence."""
    return {name: value for name, value in request.items() if value is not None and value != []}


def saying_something(request: JSON, neutral: JSON) -> JSON:
    """The parameters that say something, without those whose `neutral` value asks for what
    happens anyway."""
    return {
        name: value
        for name, value in request.items()
        if value is not None and value != [] and (name not in neutral or value != neutral[name])
    }


def says_something(value: object) -> bool:
    """Whether a value that is passed over is worth telling of.

    Null is not, nor is an empty text, list or object: clients send back every member of an
    answer, such as OpenAI's own `annotations: []`. False and 0 are, for what they switch off may
    be on by itself.
    """
    return bool(value) or value == 0


def drop_unknown(mapping: JSON, known: AbstractSet[str], place: str, dropped: list[str]) -> None:
    """Adds to `dropped` what a mapping holds beside the known and that says something.

    It is named in the mapping's own order, after the `place` of the mapping in the request.
    """
    if mapping.keys() <= known:
        return
    dropped += [
        f"{place}.{name}"
        for name, value in mapping.items()
        if name not in known and says_something(value)
    ]


def drop_beside_content(part: JSON, dropped: list[str]) -> None:
    """Adds to `dropped` what a content part holds beside its type and its content."""
    if len(part) > 2:
        drop_unknown(part, {"type", part["type"]}, "messages[].content[]", dropped)


def drop_beside_call(
    call: JSON, dropped: list[str], carried: AbstractSet[str] = frozenset()
) -> None:
    """Adds to `dropped` what a call of a function holds beside OpenAI's members and what is
    carried; the `index` is only that of a chunk."""
    if not call.keys() <= _CALL_MEMBERS:
        drop_unknown(call, _CALL_MEMBERS | carried, "messages[].tool_calls[]", dropped)


def unknown_parameters(request: JSON, known: AbstractSet[str]) -> list[str]:
    """The names of a request's parameters beside the known that say something.

    An empty `web_search_options` does: it asks for a search.
    """
    return [
        name
        for name, value in request.items()
        if name not in known and (says_something(value) or name == "web_search_options")
    ]


def refuse(asked: JSON, refused: Mapping[str, str], provider: str) -> None:
    """Holds parameters that say something to what a provider can do.

    Raises:
        RequestError: one that is refused.
    """
    for name, reason in refused.items():
        if name in asked:
            raise unsupported(name, f"cannot be sent to {provider}, which {reason}")


def legacy(param: str) -> RequestError:
    """The error for what belongs to function calling as it was before tools."""
    return unsupported(
        param,
        "belongs to function calling as it was before tools; send `tools`, `tool_calls` and"
        " messages of role `tool`",
    )


def content_parts(content: object, param: str) -> list[JSON]:
    """Message content as a list of content parts, a bare string being one text part.

    Raises:
        RequestError: a part that is not an object with a `type`.
    """
    if content is None:
        return []
    if isinstance(content, str):
        return [{"type": "text", "text": content}]
    if not isinstance(content, list):
        raise _wrong_type(param, content, "a string or a list of content parts")
    for position, part in enumerate(content):
        _check_part(part, f"{param}[{position}]")
    return content


def _wrong_type(param: str, value: object, accepted: str) -> RequestError:
    kind = {dict: "an object", list: "a list", str: "a string", bool: "a boolean"}
    found = kind.get(type(value), "null" if value is None else "a number")
    return RequestError(
        f"`{param}` is {found}; it must be {accepted}.", param=param, code="invalid_type"
    )


def _check_messages(messages: object, checked: int) -> None:
    if not isinstance(messages, list):
        raise _wrong_type("messages", messages, "a list of messages")
    if not messages:
        raise RequestError(
            "`messages` is empty; at least one message is needed.",
            param="messages",
            code="empty_array",
        )
    for position in range(checked, len(messages)):
        _check_message(messages[position], f"messages[{position}]")
    _check_pairing(messages, checked)


def _check_message(message: object, param: str) -> None:
    if not isinstance(message, dict):
        raise _wrong_type(param, message, "an object")
    role = message.get("role")
    if role not in ROLES:
        raise RequestError(
            f"`{param}.role` is {role!r}; it must be one of {', '.join(ROLES)}.",
            param=f"{param}.role",
            code="invalid_value",
        )
    content = message.get("content")
    if not isinstance(content, str):
        content_parts(content, f"{param}.content")
    calls = message.get("tool_calls")
    if calls is not None:
        if not _is_list_of_objects(calls):
            raise _wrong_type(f"{param}.tool_calls", calls, "a list of objects")
        for position, call in enumerate(calls):
            _check_tool_call(call, f"{param}.tool_calls[{position}]")
    if content is None and role not in {"assistant", "function"}:
        raise RequestError(
            f"`{param}.content` is missing.",
            param=f"{param}.content",
            code="missing_required_parameter",
        )


_PART_FIELDS: dict[str, tuple[str, type | tuple[type, ...]]] = {
    "text": ("text", str),
    "image_url": ("image_url", (str, dict)),
    "input_audio": ("input_audio", dict),
    "file": ("file", dict),
    "refusal": ("refusal", str),
}


def _check_part(part: object, param: str) -> None:
    if not isinstance(part, dict):
        raise _wrong_type(param, part, "an object")
    kind = part.get("type")
    if not isinstance(kind, str):
        raise _wrong_type(f"{param}.type", kind, "a string")
    field, types = _PART_FIELDS.get(kind, ("type", str))
    if not isinstance(part.get(field), types):
        raise _wrong_type(f"{param}.{field}", part.get(field), f"what a `{kind}` part carries")


def _check_tool_call(call: JSON, param: str) -> None:
    kind = call.get("type", "function")
    if not isinstance(call.get("id"), str):
        raise _wrong_type(f"{param}.id", call.get("id"), "a string")
    function = call.get("function")
    if kind != "function" and function is None:
        return
    if not isinstance(function, dict) or not isinstance(function.get("name"), str):
        raise _wrong_type(f"{param}.function", function, "an object with `name` and `arguments`")
    if not isinstance(function.get("arguments", ""), str):
        raise _wrong_type(f"{param}.function.arguments", function["arguments"], "a JSON text")


def _check_pairing(messages: list[JSON], checked: int) -> None:
    """Every call is answered before the next turn, and every result has its call."""
    awaited: dict[str, str] = {}
    for position in range(_start_of_turn(messages, checked), len(messages)):
        message = messages[position]
        if message["role"] == "tool":
            _take_result(message, awaited, f"messages[{position}].tool_call_id")
            continue
        _check_answered(awaited)
        calls = message.get("tool_calls")
        awaited = _calls(message, calls, f"messages[{position}].tool_calls") if calls else {}
    _check_answered(awaited)


def _start_of_turn(messages: list[JSON], position: int) -> int:
    """The place of the last message before a position that is no result of a tool."""
    start = max(position - 1, 0)
    while start and messages[start]["role"] == "tool":
        start -= 1
    return start


def _calls(message: JSON, calls: list[JSON], param: str) -> dict[str, str]:
    """The ids of a message's calls, each with the parameter to name if it goes unanswered."""
    ids = [call["id"] for call in calls]
    if message["role"] != "assistant":
        raise RequestError(
            f"`{param}` is in a `{message['role']}` message; only the assistant calls.", param=param
        )
    for call_id in ids:
        if ids.count(call_id) > 1:
            raise RequestError(f"`{param}` holds the id `{call_id}` twice.", param=param)
    return dict.fromkeys(ids, param)


def _take_result(message: JSON, awaited: dict[str, str], param: str) -> None:
    call_id = message.get("tool_call_id")
    if not isinstance(call_id, str):
        raise _wrong_type(param, call_id, "a string")
    if call_id not in awaited:
        raise RequestError(
            f"`{param}` is `{call_id}`, which no tool call of the assistant message before it has.",
            param=param,
        )
    del awaited[call_id]


def _check_answered(awaited: dict[str, str]) -> None:
    for call_id, param in awaited.items():
        raise RequestError(
            f"The tool call `{call_id}` has no tool message with its result after it.", param=param
        )


def _check_tools(tools: list[JSON]) -> None:
    for param, function in _functions(tools):
        if not isinstance(function, dict) or not isinstance(function.get("name"), str):
            raise _wrong_type(param, function, "an object with a `name`")
        parameters = function.get("parameters")
        if parameters is not None and not isinstance(parameters, dict):
            raise _wrong_type(f"{param}.parameters", parameters, "a JSON schema object")


def _functions(tools: list[JSON]) -> Iterator[tuple[str, Any]]:
    for position, tool in enumerate(tools):
        if tool.get("type", "function") == "function":
            yield f"tools[{position}].function", tool.get("function")
