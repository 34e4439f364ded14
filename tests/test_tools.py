"""What providers take alike of tools, choices and calls."""

from __future__ import annotations

import pytest

from transforms.errors import RequestError
from transforms.tools import (
    Remembered,
    arguments_object,
    bad_choice,
    function_call,
    is_forced,
    name_of,
    named_tools,
    order_results,
)

TOOLS = [{"type": "function", "function": {"name": name}} for name in ("one", "two", "three")]


@pytest.mark.parametrize(
    ("tool", "name"),
    [(TOOLS[0], "one"), ({"type": "custom"}, None), ({"function": {"name": []}}, None), (1, None)],
    ids=["function", "custom", "list", "number"],
)
def test_a_name_is_found_where_there_is_one(tool, name):
    assert name_of(tool) == name


def test_chosen_tools_keep_the_order_in_which_they_were_offered():
    assert named_tools(TOOLS, ["three", "one"]) == [TOOLS[0], TOOLS[2]]


def test_a_choice_of_what_is_not_offered_is_refused():
    with pytest.raises(RequestError, match="`four`, which is not in `tools`") as caught:
        named_tools(TOOLS, ["four"])
    assert caught.value.answer().param == "tool_choice"


def test_a_choice_of_nothing_is_refused():
    with pytest.raises(RequestError, match="names none of `tools`"):
        named_tools(TOOLS, [])


def test_a_tool_without_a_name_cannot_be_chosen():
    with pytest.raises(RequestError, match="`None`, which is not in `tools`"):
        named_tools([{"type": "custom"}], [None])


@pytest.mark.parametrize(
    ("choice", "forced"),
    [("required", True), ({"type": "function"}, True), ("auto", False), (None, False)],
)
def test_a_call_is_forced_by_a_word_or_a_name(choice, forced):
    assert is_forced(choice) is forced


def test_a_bad_choice_names_the_parameter():
    assert bad_choice("No.").answer().body()["error"] == {
        "message": "No.",
        "type": "invalid_request_error",
        "param": "tool_choice",
        "code": "invalid_value",
    }


def test_a_call_without_arguments_has_an_empty_object():
    call = {"id": "c", "function": {"name": "one", "arguments": ""}, "index": 0}
    assert function_call(call, "p", []) == {
        "id": "c",
        "type": "function",
        "function": {"name": "one", "arguments": "{}"},
    }


@pytest.mark.parametrize(
    ("arguments", "told"),
    [({}, {}), ({"arguments": ""}, {}), ({"arguments": '{"x": "\ud83d"}'}, {"x": "\ud83d"})],
    ids=["none", "empty", "half an emoji"],
)
def test_arguments_are_read_as_an_object(arguments, told):
    assert arguments_object({"id": "a", "function": {"name": "f", **arguments}}, "call") == told


@pytest.mark.parametrize("text", ["{", "[]", "7", "null", '{"x": NaN, "y": "\ud83d"}'])
def test_arguments_that_are_no_object_are_refused_by_the_id_of_the_call(text):
    with pytest.raises(RequestError, match="call `a` are not the JSON text of an object") as caught:
        arguments_object({"id": "a", "function": {"name": "f", "arguments": text}}, "call")
    assert caught.value.answer().param == "call.function.arguments"


def test_what_a_call_holds_beside_openais_members_is_named():
    dropped = []
    function_call({"id": "c", "function": {"name": "one"}, "extra_content": {"a": 1}}, "p", dropped)
    assert dropped == ["messages[].tool_calls[].extra_content"]


def test_a_call_of_another_type_is_refused():
    with pytest.raises(RequestError, match=r"`p.type` is `custom`"):
        function_call({"id": "c", "type": "custom"}, "p", [])


@pytest.mark.parametrize("calls", [[], ["a"], ["b", "a"]])
def test_results_at_the_end_come_in_the_order_of_their_calls(calls):
    before = [{"role": "user"}, {"tool_call_id": "a"}, {"tool_call_id": "b"}]
    messages = [*before]

    order_results(messages, calls)

    assert messages == ([before[0], before[2], before[1]] if calls == ["b", "a"] else before)


def test_the_same_list_of_tools_is_made_something_of_once():
    made = []
    remembered = Remembered(lambda tools, how: made.append(how) or [*tools])
    tools = [{"name": "one"}]
    first = remembered(tools, "a")
    assert remembered(tools, "a") is first
    assert remembered(tools, "b") == first
    assert remembered([{"name": "one"}], "b") == first
    assert made == ["a", "b", "b"]


def test_of_many_lists_the_last_ones_are_remembered():
    made = []
    remembered = Remembered(lambda tools: made.append(tools) or tools)
    lists = [[{"name": str(number)}] for number in range(100)]
    for tools in lists:
        assert remembered(tools) is tools
    assert len(remembered._made) == 16
    remembered(lists[0])
    remembered(lists[99])
    assert made == [*lists, lists[0]]


def test_what_fails_is_tried_again():
    def fail(tools):
        raise RequestError("No.")

    remembered = Remembered(fail)
    for _ in range(2):
        with pytest.raises(RequestError):
            remembered([])
