"""Tools, the choice among them and calls of them, as far as providers take them alike."""

from __future__ import annotations

from collections.abc import Sequence

from transforms.contract import JSON
from transforms.errors import RequestError


def name_of(tool: object) -> str | None:
    """The name of a tool, or of what chooses one; None where it has none."""
    function = tool.get("function") if isinstance(tool, dict) else None
    name = function.get("name") if isinstance(function, dict) else None
    return name if isinstance(name, str) else None


def named_tools(tools: list[JSON], names: Sequence[str | None]) -> list[JSON]:
    """The tools with these names, in their own order.

    Raises:
        RequestError: a name that no tool has.
    """
    known = {tool["function"]["name"]: tool for tool in tools}
    for name in names:
        if name not in known:
            raise bad_choice(f"`tool_choice` names `{name}`, which is not in `tools`.")
    return [tool for name, tool in known.items() if name in names]


def bad_choice(message: str) -> RequestError:
    """The error for a choice that cannot be made."""
    return RequestError(message, param="tool_choice", code="invalid_value")


def function_call(call: JSON, param: str) -> JSON:
    """A call of a function with its OpenAI members alone; no arguments are `{}`.

    Raises:
        RequestError: the call is of another type.
    """
    if call.get("type", "function") != "function":
        raise RequestError(
            f"`{param}.type` is `{call['type']}`, not `function`.",
            param=f"{param}.type",
            code="unsupported_parameter",
        )
    function = call["function"]
    arguments = function.get("arguments") or "{}"
    told = {"name": function["name"], "arguments": arguments}
    return {"id": call["id"], "type": "function", "function": told}
