"""OpenAI tools and `tool_choice` to `tools` and `toolConfig`.

Source: Gemini API reference, "Tool", "ToolConfig" and "Grounding with Google Search" (2026-09).
"""

from __future__ import annotations

from typing import Any

from transforms.chat_request import drop_unknown
from transforms.contract import JSON
from transforms.errors import RequestError
from transforms.gemini.names import function_name
from transforms.schemas import without_dialect
from transforms.tools import bad_choice, choice_without_tools, name_of

_MODES = {"auto": "AUTO", "required": "ANY", "none": "NONE"}

_FUNCTION_FIELDS = frozenset({"name", "description", "parameters", "strict"})

_SAYS_NOTHING = {"type", "properties", "required", "additionalProperties", "title", "$schema"}
"""What the schema of a function without arguments is made of."""


def build_tools(asked: JSON, dropped: list[str]) -> JSON:
    """`tools` and `toolConfig`; empty where neither is to be sent.

    Drops: `strict` of functions, and the choice where it says no more than that there are none.

    Raises:
        RequestError: a tool that is no function, or a choice that names none of the tools.
    """
    declared = [
        _declaration(tool, f"tools[{position}]", dropped)
        for position, tool in enumerate(asked.get("tools", ()))
    ]
    if "web_search_options" in asked:
        return _search(asked, declared, dropped)
    choice = asked.get("tool_choice")
    if not declared:
        if choice not in (None, "auto", "none"):
            raise choice_without_tools()
        return {}
    declared, config = _chosen(declared, choice)
    tools = {"tools": [{"functionDeclarations": declared}]}
    return {**tools, "toolConfig": {"functionCallingConfig": config}} if config else tools


def _declaration(tool: JSON, param: str, dropped: list[str]) -> JSON:
    """A function, its schema whole but for `$schema`."""
    if tool.get("type", "function") != "function":
        raise RequestError(
            f"`{param}.type` is `{tool['type']}`; Gemini takes tools of type `function` here.",
            param=f"{param}.type",
            code="unsupported_value",
        )
    function = tool["function"]
    declared: JSON = {"name": function_name(function["name"])}
    if function.get("description") is not None:
        declared["description"] = function["description"]
    schema = function.get("parameters") or {}
    if not _takes_nothing(schema):
        declared["parametersJsonSchema"] = without_dialect(schema)
    drop_unknown(function, _FUNCTION_FIELDS, "tools[].function", dropped)
    if function.get("strict"):
        dropped.append("tools[].function.strict")
    return declared


def _takes_nothing(schema: JSON) -> bool:
    is_bare = schema.keys() <= _SAYS_NOTHING and schema.get("type", "object") == "object"
    is_open = schema.get("additionalProperties") not in (None, False)
    return is_bare and not is_open and not schema.get("properties") and not schema.get("required")


def _search(asked: JSON, declared: list[JSON], dropped: list[str]) -> JSON:
    """Google's search, which has no options."""
    if declared:
        raise RequestError(
            "`web_search_options` does not go together with `tools` here: Gemini would want its"
            " search results back beside the calls, and OpenAI's format has no place for them.",
            param="web_search_options",
            code="unsupported_parameter",
        )
    drop_unknown(asked["web_search_options"], set(), "web_search_options", dropped)
    return {"tools": [{"googleSearch": {}}]}


def _chosen(declared: list[JSON], choice: Any) -> tuple[list[JSON], JSON]:
    """The functions to declare, and `functionCallingConfig`."""
    if choice is None:
        return declared, {}
    if isinstance(choice, str) and choice in _MODES:
        return declared, {"mode": _MODES[choice]}
    match choice:
        case {"type": "function", "function": {"name": str(name)}}:
            return declared, _any_of(declared, [name])
        case {"type": "allowed_tools", "allowed_tools": {"tools": list(allowed), **rest}}:
            names = [name_of(tool) for tool in allowed]
            config = _any_of(declared, names)
            if rest.get("mode") == "required":
                return declared, config
            # Only a forced choice can name functions on every model; others are not declared.
            kept = config["allowedFunctionNames"]
            return [each for each in declared if each["name"] in kept], {"mode": "AUTO"}
        case _:
            raise bad_choice(
                f"`tool_choice` is {choice!r}; it must be none, auto, required, or name functions."
            )


def _any_of(declared: list[JSON], names: list[Any]) -> JSON:
    known = {each["name"] for each in declared}
    for name in names:
        if not isinstance(name, str) or function_name(name) not in known:
            raise bad_choice(f"`tool_choice` names `{name}`, which is not in `tools`.")
    if not names:
        raise bad_choice("`tool_choice.allowed_tools` names none of `tools`.")
    return {"mode": "ANY", "allowedFunctionNames": [function_name(name) for name in names]}
