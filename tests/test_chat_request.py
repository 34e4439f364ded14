"""What makes a chat completion request well-formed."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from transforms.chat_request import (
    check_request,
    content_parts,
    drop_unknown,
    legacy,
    present,
    refuse,
    saying_something,
    unknown_parameters,
)
from transforms.contract import CHAT_PARAMETERS
from transforms.errors import RequestError

USER = {"role": "user", "content": "Hello"}


def call(call_id: str) -> dict[str, Any]:
    return {"id": call_id, "type": "function", "function": {"name": "f", "arguments": "{}"}}


def calling(*ids: str) -> dict[str, Any]:
    return {"role": "assistant", "content": None, "tool_calls": [call(each) for each in ids]}


def result(call_id: str) -> dict[str, Any]:
    return {"role": "tool", "tool_call_id": call_id, "content": "7"}


def part(**members: Any) -> dict[str, Any]:
    return {"model": "m", "messages": [{"role": "user", "content": [members]}]}


def request(*messages: Any, **parameters: Any) -> dict[str, Any]:
    return {"model": "m", "messages": list(messages or [USER]), **parameters}


WELL_FORMED = {
    "smallest": request(),
    "null parameters": request(tools=None, stop=None, stream=None, temperature=None),
    "empty tools": request(tools=[]),
    "unknown parameter": request(top_k=40),
    "integer for a number": request(temperature=0),
    "stop as a list": request(stop=["a", "b"]),
    "several system messages": request(
        {"role": "system", "content": "a"}, {"role": "developer", "content": "b"}, USER
    ),
    "bare string for an image": part(type="image_url", image_url="data:image/png;base64,AA=="),
    "part of an unknown type": part(type="hologram", hologram={}),
    "assistant without content": request(USER, {"role": "assistant"}, USER),
    "results in any order": request(USER, calling("a", "b"), result("b"), result("a")),
    "same id in two turns": request(USER, calling("a"), result("a"), calling("a"), result("a")),
    "tool with a schema": request(
        tools=[{"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}]
    ),
    "custom tool": request(tools=[{"type": "custom", "custom": {"name": "c"}}]),
    "custom tool call": request(
        USER,
        {"role": "assistant", "tool_calls": [{"id": "a", "type": "custom", "custom": {}}]},
        result("a"),
    ),
    "legacy result without content": request(USER, {"role": "function", "name": "f"}),
    "call without arguments": request(
        USER,
        {"role": "assistant", "tool_calls": [{"id": "a", "function": {"name": "f"}}]},
        result("a"),
    ),
}


NUMBERS = {"temperature", "top_p", "presence_penalty", "frequency_penalty"}


@pytest.mark.parametrize("name", CHAT_PARAMETERS)
def test_every_parameter_of_openais_has_a_type(name: str) -> None:
    wrong = "7.5" if name in NUMBERS else 7.5

    with pytest.raises(RequestError, match=f"`{name}` is a .*; it must be") as caught:
        check_request({**request(), name: wrong})
    assert caught.value.answer().param == name


@pytest.mark.parametrize("body", WELL_FORMED.values(), ids=WELL_FORMED)
def test_well_formed_request_is_given_back_unchanged(body: dict[str, Any]) -> None:
    before = copy.deepcopy(body)

    assert check_request(body) is body
    assert body == before


REFUSED: dict[str, tuple[object, str | None, str | None, str]] = {
    "not an object": ([], None, None, "The request body is not a JSON object."),
    "no model": (
        {"messages": [USER]},
        "model",
        "missing_required_parameter",
        "`model` is missing.",
    ),
    "no messages": (
        {"model": "m"},
        "messages",
        "missing_required_parameter",
        "`messages` is missing.",
    ),
    "model is no text": (
        {"model": 7, "messages": [USER]},
        "model",
        "invalid_type",
        "`model` is a number; it must be a string.",
    ),
    "messages are no list": (
        {"model": "m", "messages": {}},
        "messages",
        "invalid_type",
        "`messages` is an object; it must be a list of messages.",
    ),
    "messages are empty": (
        {"model": "m", "messages": []},
        "messages",
        "empty_array",
        "`messages` is empty; at least one message is needed.",
    ),
    "message is no object": (
        request(USER, "Hello"),
        "messages[1]",
        "invalid_type",
        "`messages[1]` is a string; it must be an object.",
    ),
    "unknown role": (
        request({"role": "robot", "content": ""}),
        "messages[0].role",
        "invalid_value",
        "`messages[0].role` is 'robot'; it must be one of system, developer, user, assistant,"
        " tool, function.",
    ),
    "role that is no text": (
        request({"role": ["user"], "content": ""}),
        "messages[0].role",
        "invalid_value",
        "`messages[0].role` is ['user']; it must be one of system, developer, user, assistant,"
        " tool, function.",
    ),
    "user without content": (
        request({"role": "user"}),
        "messages[0].content",
        "missing_required_parameter",
        "`messages[0].content` is missing.",
    ),
    "content is a number": (
        request({"role": "user", "content": 7}),
        "messages[0].content",
        "invalid_type",
        "`messages[0].content` is a number; it must be a string or a list of content parts.",
    ),
    "part is no object": (
        request({"role": "user", "content": ["a"]}),
        "messages[0].content[0]",
        "invalid_type",
        "`messages[0].content[0]` is a string; it must be an object.",
    ),
    "part without type": (
        part(text="a"),
        "messages[0].content[0].type",
        "invalid_type",
        "`messages[0].content[0].type` is null; it must be a string.",
    ),
    "text part without text": (
        part(type="text"),
        "messages[0].content[0].text",
        "invalid_type",
        "`messages[0].content[0].text` is null; it must be what a `text` part carries.",
    ),
    "file part of text": (
        part(type="file", file="a"),
        "messages[0].content[0].file",
        "invalid_type",
        "`messages[0].content[0].file` is a string; it must be what a `file` part carries.",
    ),
    "temperature is a truth value": (
        request(temperature=True),
        "temperature",
        "invalid_type",
        "`temperature` is a boolean; it must be a number.",
    ),
    "seed is a fraction": (
        request(seed=1.5),
        "seed",
        "invalid_type",
        "`seed` is a number; it must be an integer.",
    ),
    "stream is text": (
        request(stream="true"),
        "stream",
        "invalid_type",
        "`stream` is a string; it must be a boolean.",
    ),
    "stop holds a number": (
        request(stop=["a", 7]),
        "stop",
        "invalid_type",
        "`stop` is a list; it must be a string or a list of strings.",
    ),
    "tools are an object": (
        request(tools={}),
        "tools",
        "invalid_type",
        "`tools` is an object; it must be a list of objects.",
    ),
    "tool without function": (
        request(tools=[{"type": "function"}]),
        "tools[0].function",
        "invalid_type",
        "`tools[0].function` is null; it must be an object with a `name`.",
    ),
    "tool with text for a schema": (
        request(tools=[{"function": {"name": "f", "parameters": "{}"}}]),
        "tools[0].function.parameters",
        "invalid_type",
        "`tools[0].function.parameters` is a string; it must be a JSON schema object.",
    ),
    "calls are no list": (
        request({"role": "assistant", "tool_calls": {}}),
        "messages[0].tool_calls",
        "invalid_type",
        "`messages[0].tool_calls` is an object; it must be a list of objects.",
    ),
    "call without id": (
        request({"role": "assistant", "tool_calls": [{"function": {"name": "f"}}]}),
        "messages[0].tool_calls[0].id",
        "invalid_type",
        "`messages[0].tool_calls[0].id` is null; it must be a string.",
    ),
    "call without function": (
        request({"role": "assistant", "tool_calls": [{"id": "a"}]}),
        "messages[0].tool_calls[0].function",
        "invalid_type",
        "`messages[0].tool_calls[0].function` is null; it must be an object with `name` and"
        " `arguments`.",
    ),
    "arguments as an object": (
        request(
            {
                "role": "assistant",
                "tool_calls": [{"id": "a", "function": {"name": "f", "arguments": {}}}],
            }
        ),
        "messages[0].tool_calls[0].function.arguments",
        "invalid_type",
        "`messages[0].tool_calls[0].function.arguments` is an object; it must be a JSON text.",
    ),
    "result without its call": (
        request(USER, result("a")),
        "messages[1].tool_call_id",
        None,
        "`messages[1].tool_call_id` is `a`, which no tool call of the assistant message before it"
        " has.",
    ),
    "result of an earlier turn's call": (
        request(USER, calling("a"), result("a"), USER, result("a")),
        "messages[4].tool_call_id",
        None,
        "`messages[4].tool_call_id` is `a`, which no tool call of the assistant message before it"
        " has.",
    ),
    "result given twice": (
        request(USER, calling("a"), result("a"), result("a")),
        "messages[3].tool_call_id",
        None,
        "`messages[3].tool_call_id` is `a`, which no tool call of the assistant message before it"
        " has.",
    ),
    "result without id": (
        request(USER, calling("a"), {"role": "tool", "content": "7"}),
        "messages[2].tool_call_id",
        "invalid_type",
        "`messages[2].tool_call_id` is null; it must be a string.",
    ),
    "call without its result": (
        request(USER, calling("a", "b"), result("a"), USER),
        "messages[1].tool_calls",
        None,
        "The tool call `b` has no tool message with its result after it.",
    ),
    "call without its result at the end": (
        request(USER, calling("a")),
        "messages[1].tool_calls",
        None,
        "The tool call `a` has no tool message with its result after it.",
    ),
    "two calls of one id": (
        request(USER, calling("a", "a"), result("a")),
        "messages[1].tool_calls",
        None,
        "`messages[1].tool_calls` holds the id `a` twice.",
    ),
    "user who calls": (
        request({**USER, "tool_calls": [call("a")]}, result("a")),
        "messages[0].tool_calls",
        None,
        "`messages[0].tool_calls` is in a `user` message; only the assistant calls.",
    ),
}


@pytest.mark.parametrize(("body", "param", "code", "message"), REFUSED.values(), ids=REFUSED)
def test_malformed_request_is_refused_by_the_name_of_the_parameter(
    body: object, param: str | None, code: str | None, message: str
) -> None:
    with pytest.raises(RequestError) as caught:
        check_request(body)

    answer = caught.value.answer()
    assert (answer.status, answer.body()) == (
        400,
        {
            "error": {
                "message": message,
                "type": "invalid_request_error",
                "param": param,
                "code": code,
            }
        },
    )


def test_null_and_empty_lists_are_not_present() -> None:
    assert present({"a": None, "b": [], "c": 0, "d": "", "e": False}) == {
        "c": 0,
        "d": "",
        "e": False,
    }


@pytest.mark.parametrize(
    ("content", "parts"),
    [
        (None, []),
        ("", [{"type": "text", "text": ""}]),
        ("a", [{"type": "text", "text": "a"}]),
        ([{"type": "text", "text": "a"}], [{"type": "text", "text": "a"}]),
    ],
    ids=["null", "empty", "text", "parts"],
)
def test_content_is_read_as_parts(content: object, parts: list[dict[str, Any]]) -> None:
    assert content_parts(content, "messages[0].content") == parts


@pytest.mark.parametrize(
    ("mapping", "named"),
    [
        ({"role": "user"}, []),
        ({"z": 0, "role": "user", "a": False}, ["messages[].z", "messages[].a"]),
        ({"null": None, "list": [], "object": {}, "text": "", "role": "user"}, []),
    ],
    ids=["known", "in their own order", "saying nothing"],
)
def test_what_is_not_known_is_named(mapping: dict[str, Any], named: list[str]) -> None:
    dropped = ["seed"]

    drop_unknown(mapping, {"role", "content"}, "messages[]", dropped)

    assert dropped == ["seed", *named]


def test_neutral_values_say_nothing() -> None:
    body = {"n": 1, "seed": None, "stop": [], "top_p": 1, "temperature": 0}

    assert saying_something(body, {"n": 1, "top_p": 0.5}) == {"top_p": 1, "temperature": 0}


def test_legacy_functions_are_refused_by_name() -> None:
    assert legacy("messages[0].function_call").answer().body()["error"] == {
        "message": "`messages[0].function_call` belongs to function calling as it was before"
        " tools; send `tools`, `tool_calls` and messages of role `tool`.",
        "type": "invalid_request_error",
        "param": "messages[0].function_call",
        "code": "unsupported_parameter",
    }


def test_unknown_parameters_are_named_where_they_say_something() -> None:
    body = request(USER, z=0, user="", metadata={}, web_search_options={}, stop=["a"], seed=None)

    assert unknown_parameters(body, {"model", "messages", "stop"}) == ["z", "web_search_options"]


CHAIN = (USER, calling("a"), result("a"), calling("b", "c"), result("b"), result("c"), USER)


@pytest.mark.parametrize("checked", range(len(CHAIN) + 1))
@pytest.mark.parametrize("missing", range(len(CHAIN) + 1))
def test_a_checked_beginning_changes_nothing_of_what_is_found_after_it(
    checked: int, missing: int
) -> None:
    """However the conversation goes on after the beginning, one of its messages left out."""
    messages = [*CHAIN[:checked], *(CHAIN[checked:missing] + CHAIN[missing + 1 :])]
    if missing < checked:
        messages = [*CHAIN]
    told = []
    for known in (0, checked):
        try:
            told.append(check_request(request(*messages), known) and None)
        except RequestError as exc:
            told.append(exc.answer().message)
    assert told[0] == told[1]


def test_checked_messages_are_not_looked_at_again() -> None:
    body = request({"role": "nobody"}, USER)
    with pytest.raises(RequestError):
        check_request(body)

    assert check_request(body, checked=1) is body


def test_a_parameter_that_is_refused_says_what_is_so_instead() -> None:
    refuse({"model": "m"}, {"n": "gives one choice per request"}, "Acme")

    with pytest.raises(RequestError, match="`n` cannot be sent to Acme, which gives one") as caught:
        refuse({"n": 2}, {"n": "gives one choice per request"}, "Acme")
    assert caught.value.answer().code == "unsupported_parameter"
