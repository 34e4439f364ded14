"""What makes a chat completion request well-formed, whoever is to answer it.

A routed call is checked here once, before any provider sees it, so that the transforms may
trust the shapes. Calls that are not routed are never judged.

Source: OpenAI API reference, "Create chat completion" (2026-09), and the openai SDK's types.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from transforms.contract import JSON
from transforms.errors import RequestError

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
    "service_tier": _STRING,
}


def check_request(body: object) -> JSON:
    """The body itself, once it is known to be a well-formed chat completion request.

    Raises:
        RequestError: names the parameter, what it holds and what is accepted.
    """
    if not isinstance(body, dict):
        raise RequestError("The request body is not a JSON object.")
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
    _check_messages(body["messages"])
    _check_tools(body.get("tools") or [])
    return body


def present(request: JSON) -> JSON:
    """The parameters that say something: null, and an empty list of tools, equal absence."""
    return {name: value for name, value in request.items() if value is not None and value != []}


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


def _check_messages(messages: object) -> None:
    if not isinstance(messages, list):
        raise _wrong_type("messages", messages, "a list of messages")
    if not messages:
        raise RequestError(
            "`messages` is empty; at least one message is needed.",
            param="messages",
            code="empty_array",
        )
    for position, message in enumerate(messages):
        _check_message(message, f"messages[{position}]")
    _check_pairing(messages)


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


def _check_pairing(messages: list[JSON]) -> None:
    """Every call is answered before the next turn, and every result has its call."""
    awaited: dict[str, str] = {}
    for position, message in enumerate(messages):
        if message["role"] == "tool":
            _take_result(message, awaited, f"messages[{position}].tool_call_id")
            continue
        _check_answered(awaited)
        calls = message.get("tool_calls")
        awaited = _calls(message, calls, f"messages[{position}].tool_calls") if calls else {}
    _check_answered(awaited)


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
