"""What a piece of JSON text says: the text of messages, without names, ids and encoded files."""

from __future__ import annotations

import json
import re

import msgspec

from recording.cutting import role_of

_STRING = re.compile(r'"([^"\\]*+(?:\\.[^"\\]*+)*+)"(\s*:)?', re.DOTALL)
_CLOSING = re.compile(r'"\s*(?:[,:}\]]|$)')
_INSIDE = re.compile(r'[^"\\]*+(?:\\.[^"\\]*+)*+\\?', re.DOTALL)
"""The inside of a string; its end may be cut from it."""
_ENCODED = re.compile(r"[A-Za-z0-9+/_=-]{200}")

_NOT_SEARCHED = frozenset(
    {
        *("type", "role", "id", "object", "model", "index", "status", "finish_reason"),
        *("tool_call_id", "tool_use_id", "call_id", "item_id", "response_id", "toolUseId"),
        *("system_fingerprint", "service_tier", "stop_reason", "finishReason", "stopReason"),
        *("signature", "thoughtSignature", "thought_signature", "encrypted_content"),
        *("url", "data", "media_type", "mimeType", "format", "detail", "file_id", "bytes"),
    }
)
"""Members whose strings nobody looks for."""


class _Request(msgspec.Struct):
    messages: list[msgspec.Raw]


_messages = msgspec.json.Decoder(_Request).decode


def words_of(piece: str) -> str:
    """The strings in a piece of a body, whether it is whole JSON, a part of it, or of a string.

    A piece begins and ends within or without a string, as `cut_strings` leaves it.
    """
    if _INSIDE.fullmatch(piece):
        return "" if _ENCODED.match(piece) else _plain(piece)
    closing = _CLOSING.match(piece)
    texts, name = [], ""
    for match in _STRING.finditer(piece, 1 if closing else 0):
        text, is_name = match.groups()
        if is_name:
            name = text
        elif name not in _NOT_SEARCHED and not _ENCODED.match(text):
            texts.append(_plain(text))
    return "\n".join(texts)


def words_of_request(body: str, *, continues: bool) -> str:
    """The strings in the messages of a whole request.

    Of one that continues a recorded answer, in those alone that follow its last answer.
    """
    try:
        messages = _messages(body.encode()).messages
    except (msgspec.DecodeError, UnicodeEncodeError, RecursionError):
        return words_of(body)
    if continues:
        answers = [place for place, each in enumerate(messages) if role_of(each) == "assistant"]
        messages = messages[answers[-1] + 1 if answers else 0 :]
    return "\n".join(words_of(bytes(each).decode()) for each in messages)


def _plain(text: str) -> str:
    """What the inside of a JSON string stands for; lone surrogates and NULs become U+FFFD."""
    if "\\" not in text:
        return text
    try:
        value = json.loads(f'"{text}"', strict=False)
    except ValueError:
        return text
    return (
        str(value)
        .encode("utf-16", "surrogatepass")
        .decode("utf-16", "replace")
        .replace("\0", "\ufffd")
    )
