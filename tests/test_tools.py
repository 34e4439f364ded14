"""What providers take alike of tools, choices and calls."""

from __future__ import annotations

import pytest

from transforms.errors import RequestError
from transforms.tools import bad_choice, function_call, name_of, named_tools

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


def test_a_bad_choice_names_the_parameter():
    assert bad_choice("No.").answer().body()["error"] == {
        "message": "No.",
        "type": "invalid_request_error",
        "param": "tool_choice",
        "code": "invalid_value",
    }


def test_a_call_without_arguments_has_an_empty_object():
    call = {"id": "c", "function": {"name": "one", "arguments": ""}, "index": 0}
    assert function_call(call, "p") == {
        "id": "c",
        "type": "function",
        "function": {"name": "one", "arguments": "{}"},
    }


def test_a_call_of_another_type_is_refused():
    with pytest.raises(RequestError, match=r"`p.type` is `custom`"):
        function_call({"id": "c", "type": "custom"}, "p")
