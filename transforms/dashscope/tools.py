"""Tools and the choice among them.

Source: Model Studio documentation, "Function calling" (2026-09).
"""

from __future__ import annotations

from transforms.beside import drop_beside_choice
from transforms.contract import JSON
from transforms.errors import RequestError
from transforms.tools import bad_choice, name_of, named_tools

_NO_PARAMETERS: JSON = {"type": "object", "properties": {}}


def put_tools(asked: JSON, dropped: list[str]) -> None:
    """Brings `tools`, `tool_choice` and `parallel_tool_calls` into what Qwen takes.

    A single tool that is required is named, for `required` is unknown to most models. Calls in
    parallel are asked for, because they are usual with OpenAI and not here.

    Raises:
        RequestError: a tool that is no function, or a choice that cannot be made.
    """
    tools = asked.get("tools", [])
    for position, tool in enumerate(tools):
        if tool.get("type", "function") != "function":
            param = f"tools[{position}].type"
            raise RequestError(
                f"`{param}` is `{tool['type']}`; DashScope takes `function`.",
                param=param,
                code="unsupported_parameter",
            )
    drop_beside_choice(asked.get("tool_choice"), dropped)
    tools, choice = _chosen(tools, asked.get("tool_choice", "auto"))
    for name in ("tools", "tool_choice"):
        asked.pop(name, None)
    parallel = asked.pop("parallel_tool_calls", True)
    if not tools:
        return
    if choice == "required" and len(tools) == 1:
        choice = _named(tools[0]["function"]["name"])
    asked["tools"] = [_tool(tool) for tool in tools]
    asked["parallel_tool_calls"] = parallel
    if choice != "auto":
        asked["tool_choice"] = choice


def _chosen(tools: list[JSON], choice: object) -> tuple[list[JSON], object]:
    """The tools to offer, and what to say about them."""
    match choice:
        case "auto" | "none":
            return tools, choice
        case "required" if tools:
            return tools, choice
        case {"type": "function", "function": {"name": str(name)}}:
            named_tools(tools, [name])
            return tools, _named(name)
        case {"type": "allowed_tools", "allowed_tools": {"tools": list(allowed), **rest}}:
            names = [name_of(tool) for tool in allowed]
            return named_tools(tools, names), rest.get("mode") or "auto"
        case _:
            raise bad_choice(f"`tool_choice` is {choice!r}, which cannot be chosen from `tools`.")


def _named(name: str) -> JSON:
    return {"type": "function", "function": {"name": name}}


def _tool(tool: JSON) -> JSON:
    function = tool["function"]
    parameters = function.get("parameters")
    return {
        **tool,
        "type": "function",
        "function": {**function, "parameters": parameters or _NO_PARAMETERS},
    }
