"""Tools and the choice among them.

Cohere leaves the choice to the model unless it says `REQUIRED` or `NONE`; `AUTO` is refused. A
named tool is forced by offering no other.

Source: Chat API reference, version 2, "Tool use" (2026-09).
"""

from __future__ import annotations

from transforms.chat_request import drop_unknown
from transforms.contract import JSON
from transforms.errors import RequestError
from transforms.tools import bad_choice, name_of, named_tools

_FUNCTION_FIELDS = {"name", "description", "parameters"}

_NO_PARAMETERS: JSON = {"type": "object", "properties": {}}


def build_tools(asked: JSON, dropped: list[str]) -> JSON:
    """`tools`, `tool_choice` and `strict_tools`, as far as they say something.

    Drops: `strict` where only some of the tools have it, for Cohere is strict with all or none.

    Raises:
        RequestError: a tool that is no function, or a choice that cannot be made.
    """
    tools = asked.get("tools", [])
    for position, tool in enumerate(tools):
        if tool.get("type", "function") != "function":
            param = f"tools[{position}].type"
            raise RequestError(
                f"`{param}` is `{tool['type']}`; Cohere takes `function`.",
                param=param,
                code="unsupported_parameter",
            )
    offered, choice = _chosen(tools, asked.get("tool_choice", "auto"))
    if not offered:
        return {}
    fields: JSON = {"tools": [_tool(tool, dropped) for tool in offered]}
    if choice is not None:
        fields["tool_choice"] = choice
    strict = [tool["function"].get("strict") is True for tool in offered]
    if all(strict):
        fields["strict_tools"] = True
    elif any(strict):
        dropped.append("tools[].function.strict")
    return fields


def _chosen(tools: list[JSON], choice: object) -> tuple[list[JSON], str | None]:
    """The tools to offer, and what to say about them."""
    match choice:
        case "auto":
            return tools, None
        case "none":
            return tools, "NONE"
        case "required" if tools:
            return tools, "REQUIRED"
        case {"type": "function", "function": {"name": str(name)}}:
            return named_tools(tools, [name]), "REQUIRED"
        case {"type": "allowed_tools", "allowed_tools": {"tools": list(allowed), **rest}}:
            names = [name_of(tool) for tool in allowed]
            return named_tools(tools, names), "REQUIRED" if rest.get("mode") == "required" else None
        case _:
            raise bad_choice(f"`tool_choice` is {choice!r}, which cannot be chosen from `tools`.")


def _tool(tool: JSON, dropped: list[str]) -> JSON:
    """The tool with its schema whole; `parameters` is demanded even where there are none."""
    function = tool["function"]
    drop_unknown(function, {*_FUNCTION_FIELDS, "strict"}, "tools[].function", dropped)
    known = {
        name: value
        for name, value in function.items()
        if name in _FUNCTION_FIELDS and value is not None
    }
    known["parameters"] = known.get("parameters") or _NO_PARAMETERS
    return {"type": "function", "function": known}
