"""A provider's own state on an assistant message, and the keys it is found by again.

Providers give more with an answer than OpenAI's format has a place for: signed thinking, thought
signatures, reasoning items. Transforms put it on the assistant message under names of their own,
and take it back from there; clients keep the message's text and the ids of its calls, at best.

A message is found by what such a client sends. First with the message before it, because
conversations share short answers (`OK.`) and counted ids (`functions.search:0`); then by itself,
where its ids or its text are nobody else's.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from typing import Any, NamedTuple

from recording.bodies import tool_calls
from recording.sessions import abridged, content_text, message_digest
from transforms import json_text
from transforms.chat_request import INSTRUCTIONS
from transforms.contract import JSON

_MESSAGE_FIELDS = frozenset(
    {"role", "content", "refusal", "tool_calls", "annotations", "audio", "function_call", "name"}
    # Pictures in an answer are shown, not sent back.
    | {"images"}
)
"""What OpenAI's format has a place for on an assistant message."""

_CALL_FIELDS = frozenset({"id", "type", "function", "custom", "index"})

_TELLING = 64
"""Characters of text and arguments. Shorter messages may be others' too."""

_COUNTED_ID = re.compile(r"(?:functions\.[^:]*|[A-Za-z_.-]*)[:_.-]?\d{0,4}")
"""Ids that begin anew with each conversation, such as `functions.search:0` or `call_1`."""


@dataclass(frozen=True, slots=True, eq=False)
class ProviderState:
    """What came with one assistant message; never changed."""

    fields: JSON
    """Of the message."""

    calls: list[JSON]
    """`{"id", "fields"}` of each call, in their order; empty where no call has any."""

    turn: str
    """The first key of that message."""

    text: str
    """The JSON text that is stored; no other answer's is the same."""


class Keys(NamedTuple):
    """What a message is found by, the most telling first."""

    with_context: list[str]
    alone: list[str]
    """These count only where a single state has them."""


def state_of(message: JSON, before: bytes) -> ProviderState | None:
    """The state on the message of an answer, which follows the given context; None where there
    is none."""
    fields = _beyond(message, _MESSAGE_FIELDS)
    calls = [
        {"id": _id(call), "fields": _beyond(call, _CALL_FIELDS)} for call in tool_calls(message)
    ]
    if not any(call["fields"] for call in calls):
        calls = []
    if not fields and not calls:
        return None
    turn = first_key(message, before)
    text = json_text.dumps({"turn": turn, "fields": fields, "calls": calls}).decode()
    return ProviderState(fields, calls, turn, text)


def read_state(text: str) -> ProviderState:
    """A state from its text.

    Raises:
        ValueError: no such text.
    """
    value = json_text.loads(text.encode())
    try:
        return ProviderState(value["fields"], value["calls"], value["turn"], text)
    except (KeyError, TypeError) as exc:
        raise ValueError("not the text of a state") from exc


def merged(message: JSON, state: ProviderState) -> JSON:
    """A copy of the message with the state on it; what the message says itself stays."""
    restored = _filled(message, state.fields)
    calls = message.get("tool_calls")
    if state.calls and isinstance(calls, list):
        by_id = {call["id"]: call["fields"] for call in state.calls}
        same = len(calls) == len(state.calls)
        # Clients that rewrite ids keep the order.
        in_place = [call["fields"] for call in state.calls] if same else [{}] * len(calls)
        restored["tool_calls"] = [
            _filled(call, by_id.get(_id(call), fields)) if isinstance(call, dict) else call
            for call, fields in zip(calls, in_place, strict=True)
        ]
    return restored


def context(messages: list[Any], end: int) -> bytes:
    """What tells the message before position `end` from others, system prompts left out."""
    for place in range(end - 1, -1, -1):
        message = messages[place]
        if isinstance(message, dict) and message.get("role") not in INSTRUCTIONS:
            brief = abridged(message.get("role"), content_text(message.get("content")))
            return brief.encode("utf-8", "surrogatepass")
    return b""


def first_key(message: JSON, before: bytes) -> str:
    """The most telling key: of the first call's id, or else of the message, with the context."""
    calls = tool_calls(message)
    call_id = _id(calls[0]) if calls else None
    if call_id is not None:
        return _turn(call_id.encode("utf-8", "surrogatepass"), before)
    return _turn(message_digest(message), before)


def keys_of(message: JSON, before: bytes) -> Keys:
    """All keys of an assistant message.

    Ids become digests: some are longer than PostgreSQL indexes, and some carry content.
    """
    digest = message_digest(message)
    with_context = [first_key(message, before), _turn(digest, before)]
    ids = [_id(call) for call in tool_calls(message)]
    alone = [f"call:{_digest(each)}" for each in ids if each and not is_counted_id(each)]
    if _length(message) >= _TELLING:
        alone.append(f"message:{digest.hex()}")
    return Keys(list(dict.fromkeys(with_context)), alone)


def is_counted_id(call_id: str) -> bool:
    """Whether other conversations may well have a call of the same id."""
    return _COUNTED_ID.fullmatch(call_id) is not None


def has_whole_calls(message: JSON) -> bool:
    """Whether there are calls, with all their arguments: a client can go on from them."""
    calls = tool_calls(message)
    return bool(calls) and all(_is_whole(call) for call in calls)


def _is_whole(call: JSON) -> bool:
    function = call.get("function")
    if not isinstance(function, dict):
        return False
    try:
        return isinstance(json_text.loads(str(function.get("arguments")).encode()), dict)
    except ValueError:
        return False


def _beyond(mapping: JSON, known: frozenset[str]) -> JSON:
    return {
        name: value
        for name, value in mapping.items()
        if name not in known and value is not None and value not in ("", [], {})
    }


def _filled(mapping: JSON, fields: JSON) -> JSON:
    missing = {name: value for name, value in fields.items() if mapping.get(name) is None}
    return {**mapping, **missing}


def _id(call: JSON) -> str | None:
    call_id = call.get("id")
    return call_id if isinstance(call_id, str) else None


def _length(message: JSON) -> int:
    functions = [call.get("function") for call in tool_calls(message)]
    arguments = [str(each.get("arguments")) for each in functions if isinstance(each, dict)]
    return len(content_text(message.get("content"))) + sum(map(len, arguments))


def _turn(named: bytes, before: bytes) -> str:
    return "turn:" + hashlib.blake2b(named + b" " + before, digest_size=16).hexdigest()


def _digest(text: str) -> str:
    encoded = text.encode("utf-8", "surrogatepass")
    return hashlib.blake2b(encoded, digest_size=16).hexdigest()
