"""What stands beside all that a provider has a place for is named, and only that."""

from __future__ import annotations

from typing import Any

import pytest

from tests.calls import USER, tool, tool_call
from transforms.beside import ENFORCED, drop_beside_format, unknown_members


def asking(schema: Any = None, **rest: Any) -> dict[str, Any]:
    wanted = {"type": "json_schema", "json_schema": schema or {"name": "a", "schema": {}}}
    return {"messages": [USER], "response_format": wanted, **rest}


def test_what_has_its_place_everywhere_is_not_named() -> None:
    called = {"role": "assistant", "tool_calls": [{**tool_call("c"), "index": 0}]}
    request = asking(
        messages=[USER, called],
        tools=[tool("f", description="x", x_unknown=1)],
        stream_options={"include_usage": True, "include_obfuscation": False},
    )

    assert unknown_members(request) == []


def test_each_place_is_named_once_for_each_member() -> None:
    call = tool_call("c")
    call["function"]["y"] = 1
    request = asking(
        {"name": "a", "schema": {}, "description": "d", "x": 0},
        messages=[USER, {"role": "assistant", "tool_calls": [call]}],
        tools=[{**tool("f"), "x": {"y": 1}}],
        tool_choice={"type": "function", "function": {"name": "f", "x": 1}, "x": 1},
        stream_options={"x": "y"},
    )
    request["response_format"]["x"] = True

    assert unknown_members(request) == [
        "response_format.x",
        "response_format.json_schema.description",
        "response_format.json_schema.x",
        "stream_options.x",
        "tools[].x",
        "tool_choice.x",
        "tool_choice.function.x",
        "messages[].tool_calls[].function.y",
    ]


def test_what_a_provider_carries_beside_is_not_named() -> None:
    request = asking(
        {"schema": {}, "description": "d", "strict": True},
        tools=[{**tool("f"), "y": 1}],
    )

    known = unknown_members(request, schema=ENFORCED | {"description"}, tool={"y"})

    assert known == []


def test_tools_that_are_allowed_repeat_what_is_told_of_them() -> None:
    allowed = {"mode": "auto", "tools": [tool("f", description="x")]}

    def names(**rest: Any) -> list[str]:
        choice = {"type": "allowed_tools", "allowed_tools": {**allowed, **rest}}
        return unknown_members({"messages": [USER], "tool_choice": choice})

    assert names() == []
    assert names(x=1) == ["tool_choice.allowed_tools.x"]


@pytest.mark.parametrize(("strict", "named"), [(True, True), (False, False), (None, False)])
def test_only_a_schema_that_must_be_kept_to_loses_something(
    strict: bool | None, named: bool
) -> None:
    dropped: list[str] = []
    schema: dict[str, Any] = {"name": "a", "schema": {}, "strict": strict}

    drop_beside_format({"type": "json_schema", "json_schema": schema}, dropped)

    assert dropped == (["response_format.json_schema.strict"] if named else [])


@pytest.mark.parametrize("odd", [None, [], "text", {"type": "json_schema", "json_schema": 7}])
def test_a_format_of_no_known_shape_is_left_to_others(odd: Any) -> None:
    dropped: list[str] = []

    drop_beside_format(odd, dropped)

    assert dropped == []


def test_a_call_without_a_function_is_left_to_others() -> None:
    call = {"id": "c", "type": "custom", "custom": {"name": "f", "input": "x"}}

    names = unknown_members({"messages": [{"role": "assistant", "tool_calls": [call]}]})

    assert names == []
