"""OpenAI tools and `tool_choice` to `toolConfig`.

There is no way to say `none`, nor one call at a time; Claude takes both in its own words, which
must then be the only ones: beside a `toolChoice` they are refused (BerriAI/litellm#36536).

Source: Amazon Bedrock Runtime API reference, "ToolConfiguration" and "ToolChoice" (2026-09).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from transforms.bedrock.content import Scope, cache_point
from transforms.bedrock.names import tool_name
from transforms.bedrock.schemas import enforced_schema
from transforms.chat_request import drop_unknown
from transforms.contract import JSON
from transforms.errors import RequestError
from transforms.schemas import input_schema
from transforms.tools import allowed_of, bad_choice, check_names, choice_without_tools, name_of


@dataclass(frozen=True, slots=True)
class Tools:
    """What is said about tools, and where."""

    config: JSON | None = None
    """`toolConfig`."""

    fields: JSON = field(default_factory=dict)
    """Among the `additionalModelRequestFields`."""

    forced: bool = False
    """The model has to call."""


def build_tools(asked: JSON, turns: list[JSON], scope: Scope) -> Tools:
    """The tools of a request.

    Raises:
        RequestError: a tool that is no function, or a choice that names none of the tools.
    """
    tools = asked.get("tools", ())
    specs = [_tool(tool, f"tools[{at}]", scope) for at, tool in enumerate(tools)]
    marks = [_mark(tool, scope) for tool in tools]
    called = _called_names(turns)
    if not specs:
        return _without_tools(asked, called)
    specs, choice = allowed_of(specs, asked.get("tool_choice"), _named)
    choice = _choice(choice, specs)
    if choice == {"type": "none"} and not called:
        return Tools()
    told = [{"toolSpec": spec} for spec in specs] + [mark for mark in marks if mark][:1]
    return _with_choice(told, choice, asked.get("parallel_tool_calls") is not False, scope)


def _called_names(turns: list[JSON]) -> list[str]:
    """The names of the tools that the conversation has called so far."""
    blocks = [block for turn in turns for block in turn["content"] if "toolUse" in block]
    return [*dict.fromkeys(block["toolUse"]["name"] for block in blocks)]


def _without_tools(asked: JSON, called: list[str]) -> Tools:
    """Calls in the history need their tools, even where the client has put the tools away; such
    tools are declared by name."""
    choice = asked.get("tool_choice", "none")
    if choice not in ("auto", "none"):
        raise choice_without_tools()
    if not called:
        return Tools()
    schema = {"json": input_schema({})}
    return Tools(
        {"tools": [{"toolSpec": {"name": name, "inputSchema": schema}} for name in called]}
    )


def _tool(tool: JSON, param: str, scope: Scope) -> JSON:
    if tool.get("type", "function") != "function":
        raise RequestError(
            f"`{param}.type` is `{tool['type']}`; Bedrock takes tools of type `function` here.",
            param=f"{param}.type",
            code="unsupported_value",
        )
    function = tool["function"]
    spec: JSON = {"name": tool_name(function["name"])}
    # An empty description is refused.
    if function.get("description"):
        spec["description"] = function["description"]
    schema = input_schema(function.get("parameters") or {})
    if schema["type"] != "object":
        raise RequestError(
            f"`{param}.function.parameters.type` is `{schema['type']}`; it must be `object`.",
            param=f"{param}.function.parameters.type",
        )
    spec["inputSchema"] = {"json": schema}
    if function.get("strict") and scope.rules.strict_tools:
        spec |= {"inputSchema": {"json": enforced_schema(schema)}, "strict": True}
    elif function.get("strict"):
        scope.dropped.append("tools[].function.strict")
    known = {"name", "description", "parameters", "strict", "cache_control"}
    drop_unknown(function, known, "tools[].function", scope.dropped)
    return spec


def _mark(tool: JSON, scope: Scope) -> JSON | None:
    """The mark for the cache: all tools lie before it, so one at their end stands for any."""
    point = cache_point(tool) or cache_point(tool["function"])
    if point is not None and scope.rules.cache_points != "everywhere":
        scope.dropped.append("tools[].cache_control")
        return None
    return point


def _named(tool: Any) -> str | None:
    """The sent name of what `{"type": "function", "function": {"name": ...}}` names."""
    name = name_of(tool)
    return None if name is None else tool_name(name)


def _choice(choice: Any, specs: list[JSON]) -> JSON:
    """The choice in Anthropic's words, which name every case."""
    match choice:
        case None | "auto":
            return {"type": "auto"}
        case "none":
            return {"type": "none"}
        case "required":
            return {"type": "any"}
        case {"type": "function"}:
            name = _named(choice)
            check_names([name], {spec["name"] for spec in specs})
            return {"type": "tool", "name": name}
        case _:
            raise bad_choice(
                f"`tool_choice` is {choice!r}; it must be none, auto, required, or name a function."
            )


def _with_choice(told: list[JSON], choice: JSON, parallel: bool, scope: Scope) -> Tools:
    rules, config, forced = scope.rules, {"tools": told}, choice["type"] in {"any", "tool"}
    if forced and rules.claude is not None and rules.claude.stays_thinking:
        scope.dropped.append("tool_choice")
        choice, forced = {"type": "auto"}, False
    if rules.native_tool_choice and (not parallel or choice["type"] == "none"):
        if choice["type"] != "none":
            choice = {**choice, "disable_parallel_tool_use": True}
        return Tools(config, {"tool_choice": choice}, forced)
    if not parallel:
        scope.dropped.append("parallel_tool_calls")
    if choice["type"] == "auto":
        return Tools(config)
    return _forced(config, choice, scope)


def _forced(config: JSON, choice: JSON, scope: Scope) -> Tools:
    """A choice as the model can be told of it, or as near as offering only one tool comes."""
    kinds = scope.rules.forced_tools
    if choice["type"] == "tool" and "tool" not in kinds:
        config = {"tools": [each for each in config["tools"] if _is_chosen(each, choice["name"])]}
        choice = {"type": "any"}
    if choice["type"] not in kinds:
        scope.dropped.append("tool_choice")
        return Tools(config)
    told = {"tool": {"name": choice["name"]}} if choice["type"] == "tool" else {"any": {}}
    return Tools({**config, "toolChoice": told}, forced=True)


def _is_chosen(told: JSON, name: str) -> bool:
    return "toolSpec" not in told or told["toolSpec"]["name"] == name
