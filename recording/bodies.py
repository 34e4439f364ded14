"""Bodies as they are stored, and the columns that are read out of them."""

from __future__ import annotations

import hashlib
from typing import Any, TypedDict

import msgspec

from transforms import json_text
from transforms.contract import JSON

Body = bytes | JSON | None
"""JSON text as on the wire, an object, or nothing."""

LONGEST_ID = 200
"""Characters of a client's or a provider's id; PostgreSQL refuses to index much longer ones."""

LONGEST_TEXT = 128 << 20
"""Characters that are kept of a body that is not JSON. As a JSON string, each may take six bytes;
SQLite takes a thousand million at the most, and PostgreSQL little more."""

_is_json = msgspec.json.Decoder(msgspec.Raw).decode


class AnswerColumns(TypedDict):
    """What the columns of `responses` take from an OpenAI answer; None where it told nothing."""

    completion_tokens: int | None
    prompt_tokens: int | None
    total_tokens: int | None
    cached_tokens: int | None
    reasoning_tokens: int | None
    finish_reason: str | None


def body_text(body: Body, *, known_json: bool = False) -> bytes | None:
    """The JSON text of a body, the very same where it is JSON in UTF-8.

    A text that is not JSON becomes one JSON string, of its beginning where it is so long that no
    database would take it; bytes that are not UTF-8 become U+FFFD. A body that is known as JSON
    was read or written as such, and is not looked at again.
    """
    if body is None:
        return None
    if isinstance(body, dict):
        return json_text.dumps(body)
    if known_json:
        return body
    text = body.decode("utf-8", "replace")
    if not _reads_as_json(body):
        return json_text.dumps(text[:LONGEST_TEXT])
    return text.encode() if "\ufffd" in text else body


def parse_body(body: Body) -> JSON:
    """The object in a body, empty where there is none."""
    if isinstance(body, dict):
        return body
    try:
        value = json_text.loads(body or b"")
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


def clean_text(text: str) -> str:
    """A text that every database takes: no lone surrogate, no NUL."""
    return text.encode("utf-8", "replace").decode().replace("\0", "\ufffd")


def digest_of(text: bytes) -> bytes:
    """Sixteen bytes that tell a text from all others.

    Processors have instructions for SHA-256; half of it is more than enough.
    """
    return hashlib.sha256(text).digest()[:16]


def answer_messages(answer: JSON) -> list[tuple[int, JSON]]:
    """The messages of an OpenAI answer, each with the place of its choice."""
    choices = answer.get("choices")
    return [
        (place, message)
        for place, choice in enumerate(choices if isinstance(choices, list) else ())
        if isinstance(choice, dict) and isinstance(message := choice.get("message"), dict)
    ]


def tool_calls(message: JSON) -> list[JSON]:
    """The tool calls of a message, those that are objects."""
    calls = message.get("tool_calls")
    return [call for call in calls if isinstance(call, dict)] if isinstance(calls, list) else []


def answer_columns(answer: JSON) -> AnswerColumns:
    """The columns of an OpenAI `chat.completion`, whole or partial."""
    usage = _object(answer.get("usage"))
    finish_reason = _first_choice(answer).get("finish_reason")
    return {
        "completion_tokens": _count(usage, "completion_tokens"),
        "prompt_tokens": _count(usage, "prompt_tokens"),
        "total_tokens": _count(usage, "total_tokens"),
        "cached_tokens": _count(_object(usage.get("prompt_tokens_details")), "cached_tokens"),
        "reasoning_tokens": _count(
            _object(usage.get("completion_tokens_details")), "reasoning_tokens"
        ),
        "finish_reason": clean_text(finish_reason) if isinstance(finish_reason, str) else None,
    }


def answer_id(*answers: JSON) -> str | None:
    """The first id that one of the answers gives itself."""
    for answer in answers:
        given = answer.get("id")
        if isinstance(given, str) and 0 < len(given) <= LONGEST_ID:
            return clean_text(given)
    return None


def chat_id(answer: JSON) -> str | None:
    """The id of the provider's own chat, which comes with its state on the message."""
    for state in _object(_first_choice(answer).get("message")).values():
        given = _object(state).get("chat_id")
        if isinstance(given, str) and 0 < len(given) <= LONGEST_ID:
            return clean_text(given)
    return None


def _reads_as_json(body: bytes) -> bool:
    try:
        _is_json(body)
    except (msgspec.DecodeError, RecursionError):
        try:
            # Asked second, for lone surrogates.
            json_text.loads(body)
        except ValueError:
            return False
    return True


def _first_choice(answer: JSON) -> JSON:
    choices = answer.get("choices")
    return _object(choices[0]) if isinstance(choices, list) and choices else {}


def _object(value: Any) -> JSON:
    return value if isinstance(value, dict) else {}


def _count(counts: JSON, name: str) -> int | None:
    value = counts.get(name)
    is_count = isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 1 << 63
    return value if is_count else None
