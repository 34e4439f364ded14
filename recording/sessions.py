"""Which call belongs to which conversation, told from the wire.

A client that names its conversation is believed. Without a name, the growing list of messages is
the only link: each message has a digest over its normalized form, a conversation is a chain of
digests, and a request whose messages up to its last assistant message equal a recorded
conversation continues it. System prompts are left out, since clients put dates and files into
them that change from call to call.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from recording.bodies import LONGEST_ID, answer_messages, clean_text, digest_of, tool_calls
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

_REASONING = ("reasoning", "thinking", "redacted_thinking")
"""Types of content parts that some clients send back and others drop."""

_ENDS = 256
"""Characters of an abridged message at either end."""

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


def chained(said: Sequence[JSON], known: Sequence[bytes] = ()) -> list[bytes]:
    """For each message the digest of the conversation up to there; the first may be known."""
    links = [*known]
    link = links[-1] if links else _START
    for message in said[len(links) :]:
        link = _link(link, message_digest(message))
        links.append(link)
    return links


def conversation_from(said: Sequence[JSON], links: Sequence[bytes]) -> Conversation:
    """What the messages, and the digests up to each of them, tell of their conversation."""
    last = last_answer(said)
    answered = links[last].hex() if last is not None else None
    return Conversation((links[-1] if links else _START).hex(), answered, len(said))


def last_answer(said: Sequence[JSON]) -> int | None:
    """The place of the last message of the assistant."""
    places = range(len(said) - 1, -1, -1)
    return next((place for place in places if said[place].get("role") == "assistant"), None)


def answer_digests(answer: JSON) -> list[str]:
    """The digest of each choice of an OpenAI answer, any of which may be continued."""
    return [
        message_digest({"role": "assistant", **message}).hex()
        for _, message in answer_messages(answer)
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
    return digest_of(json_text.dumps(normalized))


def _link(chain: bytes, digest: bytes) -> bytes:
    return digest_of(chain + digest)


def _messages(body: JSON) -> Iterator[JSON]:
    messages = body.get("messages")
    for message in messages if isinstance(messages, list) else ():
        if isinstance(message, dict):
            yield message


def content_text(content: Any) -> str:
    """The text of a message's content, a string or parts."""
    if isinstance(content, str):
        return content
    parts = content if isinstance(content, list) else ()
    texts = (part.get("text") for part in parts if isinstance(part, dict))
    return "".join(text for text in texts if isinstance(text, str))


def abridged(role: object, text: str) -> str:
    """A message by its role, and the length and both ends of its text.

    Enough to tell it from others, and cheap for the largest results of tools.
    """
    return f"{role} {len(text)} {text[:_ENDS]} {text[-_ENDS:]}"


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
    """The calls of a message, with one in the retired form."""
    found = tool_calls(message)
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
    if len(value) <= LONGEST_ID:
        return clean_text(value)
    return digest_of(value.encode("utf-8", "replace")).hex()
