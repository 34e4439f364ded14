"""OpenAI tools and `tool_choice` to those of the Messages API.

Source: Messages API reference, "tools" and "tool_choice" (2023-06-01); "Structured outputs".
"""

from __future__ import annotations

from typing import Any

from transforms.chat_request import drop_unknown
from transforms.claude import ModelRules
from transforms.contract import JSON
from transforms.errors import RequestError
from transforms.schemas import changed_inside, closed, input_schema, without_dialect
from transforms.tools import (
    Remembered,
    allowed_of,
    bad_choice,
    check_names,
    choice_without_tools,
    name_of,
)

_CHOICES = {"auto": "auto", "required": "any", "none": "none"}


def build_tools(asked: JSON, turns: list[JSON], rules: ModelRules, dropped: list[str]) -> JSON:
    """`tools` and `tool_choice`; empty where neither is to be sent.

    Raises:
        RequestError: a tool that is no function, or a choice that names none of the tools.
    """
    if "tools" not in asked:
        return _without_tools(asked, turns)
    tools, unsaid = _tools(asked["tools"], rules)
    dropped += unsaid
    choice = asked.get("tool_choice")
    tools, choice = allowed_of(tools, choice)
    choice = _choice(choice, {tool["name"] for tool in tools})
    if rules.stays_thinking and choice and choice["type"] in {"any", "tool"}:
        dropped.append("tool_choice")
        choice = {"type": "auto"}
    choice = _one_at_a_time(choice) if asked.get("parallel_tool_calls") is False else choice
    return {"tools": tools, "tool_choice": choice} if choice else {"tools": tools}


def _without_tools(asked: JSON, turns: list[JSON]) -> JSON:
    """Calls in the history need their tools, even where the client has put the tools away; such
    tools are declared by name and barred from use."""
    choice = asked.get("tool_choice", "none")
    if choice not in ("auto", "none"):
        raise choice_without_tools()
    names = dict.fromkeys(
        block["name"]
        for turn in turns
        if isinstance(turn["content"], list)
        for block in turn["content"]
        if isinstance(block, dict) and block["type"] == "tool_use"
    )
    if not names:
        return {}
    tools = [{"name": name, "input_schema": input_schema({})} for name in names]
    return {"tools": tools, "tool_choice": {"type": "none"}}


@Remembered
def _tools(tools: list[JSON], rules: ModelRules) -> tuple[list[JSON], list[str]]:
    """The tools, and what of them is dropped."""
    unsaid: list[str] = []
    built = [
        _tool(tool, f"tools[{position}]", rules, unsaid) for position, tool in enumerate(tools)
    ]
    return built, unsaid


def _tool(tool: JSON, param: str, rules: ModelRules, dropped: list[str]) -> JSON:
    if tool.get("type", "function") != "function":
        raise RequestError(
            f"`{param}.type` is `{tool['type']}`; Anthropic takes tools of type `function` here.",
            param=f"{param}.type",
            code="unsupported_value",
        )
    function = tool["function"]
    built = {"name": function["name"]}
    if function.get("description") is not None:
        built["description"] = function["description"]
    schema = function.get("parameters") or {}
    if schema.get("type", "object") != "object":
        raise RequestError(
            f"`{param}.function.parameters.type` is `{schema['type']}`; it must be `object`.",
            param=f"{param}.function.parameters.type",
        )
    built["input_schema"] = input_schema(schema)
    if function.get("strict") and rules.structured:
        built |= {"strict": True, "input_schema": closed_schema(built["input_schema"])}
    elif function.get("strict"):
        dropped.append("tools[].function.strict")
    cache_control = tool.get("cache_control") or function.get("cache_control")
    if cache_control is not None:
        built["cache_control"] = cache_control
    known = {"name", "description", "parameters", "strict", "cache_control"}
    drop_unknown(function, known, "tools[].function", dropped)
    return built


def closed_schema(schema: Any) -> Any:
    """The schema with `additionalProperties: false` in every object that does not say anything
    about them; the API demands it of schemas it enforces, OpenAI of strict ones alone."""
    if not isinstance(schema, dict):
        return schema
    return closed(changed_inside(without_dialect(schema), closed_schema))


def _choice(choice: Any, names: set[str]) -> JSON | None:
    if choice is None:
        return None
    if isinstance(choice, str) and choice in _CHOICES:
        return {"type": _CHOICES[choice]}
    if not isinstance(choice, dict) or choice.get("type") != "function":
        raise bad_choice(
            f"`tool_choice` is {choice!r}; it must be none, auto, required, or name a function."
        )
    name = name_of(choice)
    check_names([name], names)
    return {"type": "tool", "name": name}


def _one_at_a_time(choice: JSON | None) -> JSON:
    choice = choice or {"type": "auto"}
    return choice if choice["type"] == "none" else {**choice, "disable_parallel_tool_use": True}
