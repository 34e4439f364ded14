"""OpenAI tools and `tool_choice` to those of the Messages API.

Source: Messages API reference, "tools" and "tool_choice" (2023-06-01); "Structured outputs".
"""

from __future__ import annotations

from typing import Any

from transforms.anthropic.content import drop_unknown
from transforms.anthropic.models import ModelRules
from transforms.contract import JSON
from transforms.errors import RequestError
from transforms.tools import bad_choice, name_of

_CHOICES = {"auto": "auto", "required": "any", "none": "none"}

_SCHEMAS_BY_NAME = ("properties", "$defs", "definitions", "patternProperties")
_SCHEMAS_IN_LIST = ("anyOf", "allOf", "oneOf", "prefixItems")
_SCHEMA_INSIDE = ("items", "not")


def build_tools(asked: JSON, turns: list[JSON], rules: ModelRules, dropped: list[str]) -> JSON:
    """`tools` and `tool_choice`; empty where neither is to be sent.

    Raises:
        RequestError: a tool that is no function, or a choice that names none of the tools.
    """
    tools = [
        _tool(tool, f"tools[{position}]", rules, dropped)
        for position, tool in enumerate(asked.get("tools", ()))
    ]
    if not tools:
        return _without_tools(asked, turns, dropped)
    choice = asked.get("tool_choice")
    tools, choice = _allowed(tools, choice)
    choice = _choice(choice, {tool["name"] for tool in tools})
    if rules.stays_thinking and choice and choice["type"] in {"any", "tool"}:
        dropped.append("tool_choice")
        choice = {"type": "auto"}
    choice = _one_at_a_time(choice) if asked.get("parallel_tool_calls") is False else choice
    return {"tools": tools, "tool_choice": choice} if choice else {"tools": tools}


def _without_tools(asked: JSON, turns: list[JSON], dropped: list[str]) -> JSON:
    """Calls in the history need their tools, even where the client has put the tools away; such
    tools are declared by name and barred from use."""
    choice = asked.get("tool_choice", "none")
    if choice not in ("auto", "none"):
        raise bad_choice("`tool_choice` asks for a tool, but `tools` is empty.")
    dropped.extend(name for name in ("tool_choice", "parallel_tool_calls") if name in asked)
    names = dict.fromkeys(
        block["name"]
        for turn in turns
        for block in turn["content"]
        if isinstance(block, dict) and block["type"] == "tool_use"
    )
    if not names:
        return {}
    tools = [{"name": name, "input_schema": _input_schema({})} for name in names]
    return {"tools": tools, "tool_choice": {"type": "none"}}


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
    built["input_schema"] = _input_schema(schema)
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


def _input_schema(schema: JSON) -> JSON:
    """The schema as it is, but for `$schema`, which the API refuses."""
    schema = {name: value for name, value in schema.items() if name != "$schema"}
    if not schema:
        return {"type": "object", "properties": {}}
    return schema if "type" in schema else {"type": "object", **schema}


def closed_schema(schema: Any) -> Any:
    """The schema with `additionalProperties: false` in every object that does not say anything
    about them; the API demands it of schemas it enforces, OpenAI of strict ones alone."""
    if not isinstance(schema, dict):
        return schema
    closed = {name: _closed_member(name, value) for name, value in schema.items()}
    closed.pop("$schema", None)
    if schema.get("type") == "object" or "properties" in schema:
        closed.setdefault("additionalProperties", False)
    return closed


def _closed_member(name: str, value: Any) -> Any:
    if name in _SCHEMAS_BY_NAME and isinstance(value, dict):
        return {key: closed_schema(inner) for key, inner in value.items()}
    if name in _SCHEMAS_IN_LIST and isinstance(value, list):
        return [closed_schema(inner) for inner in value]
    return closed_schema(value) if name in _SCHEMA_INSIDE else value


def _allowed(tools: list[JSON], choice: Any) -> tuple[list[JSON], Any]:
    """The tools that `allowed_tools` leaves, and its mode as the choice."""
    if not isinstance(choice, dict) or choice.get("type") != "allowed_tools":
        return tools, choice
    allowed = choice.get("allowed_tools")
    allowed = allowed if isinstance(allowed, dict) else choice
    named = allowed.get("tools")
    names = {name_of(tool) for tool in named} if isinstance(named, list) else set()
    kept = [tool for tool in tools if tool["name"] in names]
    if not kept:
        raise bad_choice("`tool_choice.allowed_tools` names none of `tools`.")
    return kept, allowed.get("mode", "auto")


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
    if name not in names:
        raise bad_choice(f"`tool_choice` names `{name}`, which is not in `tools`.")
    return {"type": "tool", "name": name}


def _one_at_a_time(choice: JSON | None) -> JSON:
    choice = choice or {"type": "auto"}
    return choice if choice["type"] == "none" else {**choice, "disable_parallel_tool_use": True}
