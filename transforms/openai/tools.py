"""Tools and the choice among them as a host of the OpenAI format takes them."""

from __future__ import annotations

from transforms.beside import drop_beside_choice
from transforms.contract import JSON
from transforms.errors import RequestError
from transforms.openai.quirks import Quirks
from transforms.tools import choice_without_tools, is_forced, name_of, named_tools

_ABOUT_TOOLS = ("tool_choice", "parallel_tool_calls")


def put_tools(body: JSON, quirks: Quirks, dropped: list[str]) -> None:
    """Brings the tools in the body, and the choice among them, into what the host takes.

    Raises:
        RequestError: a custom tool, where the host knows functions only; a choice of what is not
            there.
    """
    if not quirks.custom_tools:
        _refuse_custom(body)
        _allow_only(body, dropped)
    if quirks.forced_choice == "never":
        _never_forced(body, dropped)
    if not body.get("tools"):
        if is_forced(body.get("tool_choice")):
            raise choice_without_tools()
        for name in ("tools", *_ABOUT_TOOLS):
            body.pop(name, None)
        return
    if not quirks.named_choice and isinstance(body.get("tool_choice"), dict):
        drop_beside_choice(body["tool_choice"], dropped)
        body["tools"] = named_tools(body["tools"], [name_of(body["tool_choice"])])
        body["tool_choice"] = "required"
    if quirks.tool_parameters:
        body["tools"] = [_with_parameters(tool) for tool in body["tools"]]
    choice = body.get("tool_choice")
    if isinstance(choice, str):
        body["tool_choice"] = quirks.choices.get(choice, choice)


def _refuse_custom(body: JSON) -> None:
    for place, tool in enumerate(body.get("tools") or ()):
        if tool.get("type") == "custom":
            raise RequestError(
                f"`tools[{place}]` is a custom tool; this provider knows functions only.",
                param=f"tools[{place}].type",
                code="unsupported_value",
            )


def _allow_only(body: JSON, dropped: list[str]) -> None:
    """OpenAI's `allowed_tools` as the tools themselves."""
    choice = body.get("tool_choice")
    if not isinstance(choice, dict) or choice.get("type") != "allowed_tools":
        return
    allowed = choice.get("allowed_tools")
    tools = allowed.get("tools") if isinstance(allowed, dict) else None
    if not isinstance(tools, list):
        raise RequestError(
            "`tool_choice.allowed_tools` has no list of `tools`.",
            param="tool_choice.allowed_tools",
            code="invalid_type",
        )
    drop_beside_choice(choice, dropped)
    body["tools"] = named_tools(body.get("tools") or [], [name_of(tool) for tool in tools])
    body["tool_choice"] = choice["allowed_tools"].get("mode") or "auto"


def _never_forced(body: JSON, dropped: list[str]) -> None:
    """The choice for a host that knows `auto` alone: without tools there is nothing to call."""
    if body.get("tool_choice") == "none":
        body["tools"] = []
    elif is_forced(body.get("tool_choice")):
        body["tool_choice"] = "auto"
        dropped.append("tool_choice")


def _with_parameters(tool: JSON) -> JSON:
    function = tool.get("function")
    if not isinstance(function, dict) or function.get("parameters") is not None:
        return tool
    empty = {"type": "object", "properties": {}}
    return {**tool, "function": {**function, "parameters": empty}}
