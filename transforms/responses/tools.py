"""OpenAI tools and `tool_choice` to those of the Responses API, where both are flat.

Source: Responses API reference, "tools" and "tool_choice" (2026-09).
"""

from __future__ import annotations

from typing import Any

from transforms.beside import drop_beside_choice
from transforms.chat_request import drop_unknown
from transforms.contract import JSON
from transforms.errors import RequestError
from transforms.tools import bad_choice

_CHOICES = ("none", "auto", "required")

_NO_ARGUMENTS: JSON = {"type": "object", "properties": {}}

_PLACES = ("city", "country", "region", "timezone")


def build_tools(asked: JSON, dropped: list[str]) -> JSON:
    """`tools` and `tool_choice`; empty where neither is to be sent.

    Raises:
        RequestError: a tool of an unknown kind, or a choice that names none of the tools.
    """
    tools = [
        _tool(tool, f"tools[{position}]", dropped)
        for position, tool in enumerate(asked.get("tools", ()))
    ]
    built: JSON = {}
    if "tool_choice" in asked:
        drop_beside_choice(asked["tool_choice"], dropped)
        built["tool_choice"] = _choice(asked["tool_choice"], tools)
    if "web_search_options" in asked:
        tools.append(_web_search(asked["web_search_options"], dropped))
    return {"tools": tools, **built} if tools else built


def custom_names(built: JSON) -> set[str]:
    """The names of the built tools that take free text."""
    return {tool["name"] for tool in built.get("tools", ()) if tool["type"] == "custom"}


def _tool(tool: JSON, param: str, dropped: list[str]) -> JSON:
    drop_unknown(tool, {"type", "function", "custom"}, "tools[]", dropped)
    match tool:
        case {"type": "custom", "custom": {"name": str()} as custom}:
            return _custom(custom, param, dropped)
        case {"function": dict(function)} if tool.get("type", "function") == "function":
            return _function(function, dropped)
        case _:
            raise RequestError(
                f"`{param}` is of type `{tool.get('type')}`; it must be a whole `function` or"
                " `custom` tool.",
                param=f"{param}.type",
                code="unsupported_value",
            )


def _function(function: JSON, dropped: list[str]) -> JSON:
    """A function. `strict` is always told: where it is absent the API makes schemas strict."""
    known = {"name", "description", "parameters", "strict"}
    drop_unknown(function, known, "tools[].function", dropped)
    built = {"type": "function", "name": function["name"]}
    if function.get("description") is not None:
        built["description"] = function["description"]
    parameters = function.get("parameters")
    return {
        **built,
        "parameters": {**_NO_ARGUMENTS} if parameters is None else parameters,
        "strict": function.get("strict") is True,
    }


def _custom(custom: JSON, param: str, dropped: list[str]) -> JSON:
    drop_unknown(custom, {"name", "description", "format"}, "tools[].custom", dropped)
    built = {"type": "custom", "name": custom["name"]}
    if custom.get("description") is not None:
        built["description"] = custom["description"]
    match custom.get("format"):
        case None:
            return built
        case {"type": "text"}:
            return {**built, "format": {"type": "text"}}
        case {"type": "grammar", "grammar": dict(grammar)}:
            return {**built, "format": {"type": "grammar", **grammar}}
    param = f"{param}.custom.format"
    raise RequestError(
        f"`{param}` must be of type `text`, or `grammar` with its `grammar`.",
        param=param,
        code="invalid_value",
    )


def _choice(choice: Any, tools: list[JSON]) -> str | JSON:
    match choice:
        case str() if choice in _CHOICES:
            return choice
        case {"type": "function" | "custom"}:
            return _reference(choice, tools)
        case {"type": "allowed_tools", "allowed_tools": {"tools": [_, *_] as allowed, **rest}}:
            named = [_reference(tool, tools) for tool in allowed]
            return {"type": "allowed_tools", "mode": rest.get("mode", "auto"), "tools": named}
        case _:
            raise bad_choice(
                f"`tool_choice` is {choice!r}; it must be {', '.join(_CHOICES)}, or name tools."
            )


def _reference(choice: Any, tools: list[JSON]) -> JSON:
    """`{"type", "name"}` of a tool, from the same with the name one level deeper."""
    kind = choice.get("type") if isinstance(choice, dict) else None
    named = choice.get(kind) if isinstance(kind, str) else None
    name = named.get("name") if isinstance(named, dict) else None
    if not any(tool["type"] == kind and tool["name"] == name for tool in tools):
        raise bad_choice(f"`tool_choice` names `{name}`, which is not in `tools`.")
    return {"type": kind, "name": name}


def _web_search(options: JSON, dropped: list[str]) -> JSON:
    """The search as a tool; the place of the user is flat here."""
    drop_unknown(options, {"search_context_size", "user_location"}, "web_search_options", dropped)
    tool: JSON = {"type": "web_search"}
    if options.get("search_context_size") is not None:
        tool["search_context_size"] = options["search_context_size"]
    match options.get("user_location"):
        case {"approximate": dict(place)}:
            told = {name: place[name] for name in _PLACES if place.get(name) is not None}
            tool["user_location"] = {"type": "approximate", **told}
    return tool
