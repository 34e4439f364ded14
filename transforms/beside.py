"""What stands in a request beside all that a provider of another format has a place for.

Told of tools and the choice among them, of called functions, of the form of the answer and of its
stream; of messages, their parts and calls it is told where they are translated. What says nothing
to any other provider than OpenAI is not named at all, since clients send it with every call: the
`name` of a schema, which is there for OpenAI's own cache of schemas, and `include_obfuscation`,
which pads OpenAI's streams.
"""

from __future__ import annotations

from collections.abc import Set as AbstractSet

from transforms.chat_request import drop_unknown
from transforms.contract import JSON

_NONE: frozenset[str] = frozenset()

STREAM_OPTIONS = frozenset({"include_usage", "include_obfuscation"})
"""Usage is always asked for; the rest pads OpenAI's streams."""

_FORMAT = frozenset({"type", "json_schema"})
_SCHEMA = frozenset({"name", "schema"})
_TOOL = frozenset({"type", "function"})
_FUNCTION = frozenset({"name", "arguments"})
_CHOICE = frozenset({"type", "function", "custom", "allowed_tools"})
_CHOSEN = frozenset({"name"})
_ALLOWED = frozenset({"mode", "tools"})

ENFORCED = frozenset({"strict"})
"""The member of a schema that asks for what happens anyway, where every answer is made to fit."""


def unknown_members(
    asked: JSON,
    *,
    schema: AbstractSet[str] = _NONE,
    tool: AbstractSet[str] = _NONE,
) -> list[str]:
    """The names of what goes nowhere. `schema` and `tool` hold the members of these that a provider
    carries beside the usual ones."""
    dropped: list[str] = []
    drop_beside_format(asked.get("response_format"), dropped, schema)
    drop_unknown(asked.get("stream_options") or {}, STREAM_OPTIONS, "stream_options", dropped)
    for each in asked.get("tools") or ():
        drop_unknown(each, _TOOL | tool, "tools[]", dropped)
    drop_beside_choice(asked.get("tool_choice"), dropped)
    drop_beside_calls(asked["messages"], dropped)
    return dropped


def drop_beside_format(wanted: object, dropped: list[str], known: AbstractSet[str] = _NONE) -> None:
    """Adds to `dropped` what is not told of the form of an answer; `known` are members of its
    schema."""
    if not isinstance(wanted, dict):
        return
    drop_unknown(wanted, _FORMAT, "response_format", dropped)
    schema = wanted.get("json_schema")
    if isinstance(schema, dict):
        # A schema that need not be kept to strictly is told so by the absence of a word.
        lax = _NONE if schema.get("strict") is True else {"strict"}
        drop_unknown(schema, _SCHEMA | known | lax, "response_format.json_schema", dropped)


def drop_beside_choice(choice: object, dropped: list[str]) -> None:
    """Adds to `dropped` what a choice among tools holds beside their names and how many are to be
    called. The tools that are allowed repeat what is told of them elsewhere."""
    if not isinstance(choice, dict):
        return
    drop_unknown(choice, _CHOICE, "tool_choice", dropped)
    for kind, known in (("function", _CHOSEN), ("custom", _CHOSEN), ("allowed_tools", _ALLOWED)):
        if isinstance(choice.get(kind), dict):
            drop_unknown(choice[kind], known, f"tool_choice.{kind}", dropped)


def drop_beside_calls(messages: list[JSON], dropped: list[str]) -> None:
    """Adds to `dropped` what the functions called in messages hold beside name and arguments."""
    for message in messages:
        for call in message.get("tool_calls") or ():
            drop_beside_arguments(call.get("function"), dropped)


def drop_beside_arguments(function: object, dropped: list[str]) -> None:
    """Adds to `dropped` what the function of a call holds beside its name and arguments."""
    if isinstance(function, dict):
        drop_unknown(function, _FUNCTION, "messages[].tool_calls[].function", dropped)
