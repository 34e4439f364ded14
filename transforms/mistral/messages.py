"""Mistral's rules on messages: who may follow whom, ids of calls, and thinking as content.

Source: types of the mistralai SDK 3.7; error answers of the API (codes 3230 and 3280).
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from functools import partial
from string import ascii_letters, digits

from transforms.chat_request import content_parts, drop_unknown
from transforms.contract import JSON
from transforms.errors import RequestError

SIGNATURE_FORMAT = "mistral"
"""Marks the `reasoning_details` that hold a signature of Mistral's."""

_ID = re.compile(r"[a-zA-Z0-9]{9}")
_ID_DIGITS = digits + ascii_letters

_BRIDGE: JSON = {"role": "assistant", "content": "OK."}
"""Stands between a tool's result and the user, who must not follow it."""


def mistral_messages(messages: list[JSON], dropped: list[str]) -> list[JSON]:
    """The messages as Mistral takes them.

    An assistant message that says nothing is left out; one that ends the conversation is the
    prefix of the answer.

    Drops: what a sound or a file holds beside its data and its name.

    Raises:
        RequestError: a sound or a file without its data.
    """
    told = list(_bridged(filter(None, map(partial(_message, dropped=dropped), messages))))
    if told and told[-1]["role"] == "assistant" and not told[-1].get("tool_calls"):
        told[-1] = {**told[-1], "prefix": True}
    return told


def _bridged(messages: Iterator[JSON]) -> Iterator[JSON]:
    last_role = None
    for message in messages:
        if last_role == "tool" and message["role"] in ("user", "system"):
            yield _BRIDGE
        yield message
        last_role = message["role"]


def _message(message: JSON, dropped: list[str]) -> JSON | None:
    match message["role"]:
        case "assistant":
            return _assistant_message(message)
        case "tool":
            return {**message, "tool_call_id": call_id(message["tool_call_id"])}
        case _:
            return {**message, "content": _content(message["content"], dropped)}


def _assistant_message(message: JSON) -> JSON | None:
    own = ("content", "tool_calls", "reasoning_content", "reasoning_details")
    told = {name: value for name, value in message.items() if name not in own}
    content = _with_thinking(message)
    if content:
        told["content"] = content
    if message.get("tool_calls"):
        told["tool_calls"] = [{**call, "id": call_id(call["id"])} for call in message["tool_calls"]]
    return told if "content" in told or "tool_calls" in told else None


def _with_thinking(message: JSON) -> object:
    content, thought = message.get("content"), message.get("reasoning_content")
    if not thought:
        return content
    thinking: JSON = {"type": "thinking", "thinking": [{"type": "text", "text": thought}]}
    signature = _signature(message.get("reasoning_details"))
    if signature:
        thinking["signature"] = signature
    parts = content_parts(content, "content") if content else []
    return [thinking, *parts]


def _signature(details: object) -> object:
    for detail in details if isinstance(details, list) else ():
        if isinstance(detail, dict) and detail.get("format") == SIGNATURE_FORMAT:
            return detail.get("signature")
    return None


def _content(content: object, dropped: list[str]) -> object:
    if not isinstance(content, list):
        return content
    return [_content_part(part, dropped) for part in content]


def _content_part(part: JSON, dropped: list[str]) -> JSON:
    match part["type"]:
        case "input_audio":
            return {"type": "input_audio", "input_audio": _sound(part["input_audio"], dropped)}
        case "file":
            return _file(part["file"], dropped)
        case _:
            return part


def _sound(audio: JSON, dropped: list[str]) -> str:
    """The data alone, whose format its bytes tell."""
    drop_unknown(audio, {"data", "format"}, "messages[].content[].input_audio", dropped)
    return _data(audio, "data")


def _file(file: JSON, dropped: list[str]) -> JSON:
    is_kept = bool(file.get("file_id"))
    known = {"file_id"} if is_kept else {"file_data", "filename"}
    drop_unknown(file, known, "messages[].content[].file", dropped)
    if is_kept:
        return {"type": "file", "file_id": file["file_id"]}
    document = {"type": "document_url", "document_url": _data(file, "file_data")}
    if file.get("filename"):
        document["document_name"] = file["filename"]
    return document


def _data(holder: JSON, name: str) -> str:
    data = holder.get(name)
    if not isinstance(data, str) or not data:
        raise RequestError(
            f"A content part holds no data: its `{name}` is missing.",
            param="messages",
            code="missing_required_parameter",
        )
    return data


def call_id(given: str) -> str:
    """An id of nine letters and digits, the only ones Mistral takes; its own are left alone."""
    if _ID.fullmatch(given):
        return given
    number = int.from_bytes(hashlib.sha256(given.encode("utf-8", "surrogatepass")).digest())
    places = []
    for _ in range(9):
        number, place = divmod(number, len(_ID_DIGITS))
        places.append(_ID_DIGITS[place])
    return "".join(places)
