"""Which call belongs to which conversation, told from the wire.

A client that names its conversation is believed. Without a name, the growing list of messages is
the only link: each message has a digest over its normalized form, a conversation is a chain of
digests, and a request whose messages up to its last assistant message equal a recorded
conversation continues it. System prompts are left out, since clients put dates and files into
them that change from call to call.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from recording.bodies import clean_text
from transforms import json_text
from transforms.contract import JSON

_encode_sorted = msgspec.json.Encoder(order="sorted").encode

SESSION_HEADERS = (
    "x-session-id",
    "session-id",
    "session_id",
    "x-session-affinity",
    "x-conversation-id",
    "conversation-id",
    "conversation_id",
    "thread-id",
    "x-thread-id",
    "x-codex-window-id",
)
"""Client headers that name a conversation, the most telling first."""

SESSION_FIELDS = (
    ("metadata", "session_id"),
    ("metadata", "conversation_id"),
    ("metadata", "thread_id"),
    ("client_metadata", "session_id"),
    ("client_metadata", "thread_id"),
    ("prompt_cache_key",),
)
"""Fields of the request body that do, the most telling first."""

TITLE_LENGTH = 500
"""Characters of `sessions.first_user_message`."""

_INSTRUCTIONS = ("system", "developer")

_REASONING = ("reasoning", "thinking", "redacted_thinking")
"""Types of content parts that some clients send back and others drop."""

_LONGEST_ID = 200
_START = b""


@dataclass(frozen=True, slots=True)
class Conversation:
    """What a request tells about its conversation."""

    digest: str
    """Of all its messages."""
    answered: str | None
    """Of the messages up to the last assistant message; None where there is none."""
    message_count: int
    """Without system prompts."""


def explicit_session_id(headers: Mapping[str, str], body: JSON) -> str | None:
    """The client's own name for the conversation, if it gives one."""
    named = (headers.get(name) for name in SESSION_HEADERS)
    fields = (_field(body, path) for path in SESSION_FIELDS)
    for value in (*named, *fields):
        if isinstance(value, str) and value.strip():
            return _short_id(value.strip())
    return None


def first_user_message(body: JSON) -> str | None:
    """The text that opens the conversation, shortened; the session's title."""
    for message in _messages(body):
        if message.get("role") == "user":
            return content_text(message.get("content"))[:TITLE_LENGTH]
    return None


def conversation(body: JSON) -> Conversation:
    """What a request body tells."""
    said = conversation_of(body)
    return told_by(said, chained(said))


def chained(said: Sequence[JSON], known: Sequence[bytes] = ()) -> list[bytes]:
    """For each message the digest of the conversation up to there; the first may be known."""
    links = [*known]
    link = links[-1] if links else _START
    for message in said[len(links) :]:
        link = _link(link, message_digest(message))
        links.append(link)
    return links


def told_by(said: Sequence[JSON], links: Sequence[bytes]) -> Conversation:
    """What the messages and their digests tell."""
    answers = (place for place, each in enumerate(said) if each.get("role") == "assistant")
    last = max(answers, default=None)
    answered = links[last].hex() if last is not None else None
    return Conversation((links[-1] if links else _START).hex(), answered, len(said))


def answer_digests(answer: JSON) -> list[str]:
    """The digest of each choice of an OpenAI answer, any of which may be continued."""
    choices = answer.get("choices")
    return [
        message_digest({"role": "assistant", **choice["message"]}).hex()
        for choice in (choices if isinstance(choices, list) else ())
        if isinstance(choice, dict) and isinstance(choice.get("message"), dict)
    ]


def turn_digest(asked: str, answer: str) -> str:
    """The digest of a conversation with its answer, from those of both."""
    return _link(bytes.fromhex(asked), bytes.fromhex(answer)).hex()


def message_digest(message: JSON) -> bytes:
    """The digest of one message's normalized form.

    Role, text, other content parts, calls with parsed arguments. Null equals the empty string,
    a string equals one text part; reasoning, ids of calls and foreign keys make no difference.
    """
    content = _without_reasoning(message.get("content"))
    normalized = [
        message.get("role"),
        content_text(content),
        _other_parts(content),
        [_call(call) for call in _calls(message)],
    ]
    return _digest(json_text.dumps(normalized))


def _digest(text: bytes) -> bytes:
    # Processors have instructions for SHA-256; half of it is more than enough to tell texts apart.
    return hashlib.sha256(text).digest()[:16]


def _link(chain: bytes, digest: bytes) -> bytes:
    return _digest(chain + digest)


def _messages(body: JSON) -> Iterator[JSON]:
    messages = body.get("messages")
    for message in messages if isinstance(messages, list) else ():
        if isinstance(message, dict):
            yield message


def conversation_of(body: JSON) -> list[JSON]:
    """The messages of a request, system prompts left out."""
    return [message for message in _messages(body) if message.get("role") not in _INSTRUCTIONS]


def content_text(content: Any) -> str:
    """The text of a message's content, a string or parts."""
    if isinstance(content, str):
        return content
    parts = content if isinstance(content, list) else ()
    texts = (part.get("text") for part in parts if isinstance(part, dict))
    return "".join(text for text in texts if isinstance(text, str))


def _without_reasoning(content: Any) -> Any:
    if not isinstance(content, list):
        return content
    return [
        part for part in content if not isinstance(part, dict) or part.get("type") not in _REASONING
    ]


def _other_parts(content: Any) -> list[str]:
    if not isinstance(content, list):
        return []
    return [
        json.dumps(part, sort_keys=True)
        for part in content
        if not isinstance(part, dict) or not isinstance(part.get("text"), str)
    ]


def _calls(message: JSON) -> list[JSON]:
    calls = message.get("tool_calls")
    found = [call for call in calls if isinstance(call, dict)] if isinstance(calls, list) else []
    if isinstance(message.get("function_call"), dict):
        found.append({"function": message["function_call"]})
    return found


def _call(call: JSON) -> list[Any]:
    function = call.get("function")
    if not isinstance(function, dict):
        # A custom tool: free text instead of arguments.
        return [_sorted(call.get("custom"))]
    return [function.get("name"), _arguments(function.get("arguments"))]


def _arguments(arguments: Any) -> str:
    if not isinstance(arguments, str):
        return _sorted(arguments)
    if not arguments.strip():
        return "{}"
    try:
        return _sorted(json_text.loads(arguments.encode()))
    except ValueError:
        return arguments


def _sorted(value: Any) -> str:
    """JSON text that is the same for the same value."""
    try:
        return _encode_sorted(value).decode()
    except UnicodeEncodeError:  # a lone surrogate
        return json.dumps(value, sort_keys=True)


def _field(body: JSON, path: tuple[str, ...]) -> Any:
    value: Any = body
    for name in path:
        value = value.get(name) if isinstance(value, dict) else None
    return value


def _short_id(value: str) -> str:
    if len(value) <= _LONGEST_ID:
        return clean_text(value)
    return _digest(value.encode("utf-8", "replace")).hex()
