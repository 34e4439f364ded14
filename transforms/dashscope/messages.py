"""OpenAI messages to native ones.

Text generation takes content as a string, multimodal generation as a list of parts, each with one
member that tells its kind.

Source: types of the dashscope SDK 2.0; Model Studio documentation, "Visual understanding"
(2026-09).
"""

from __future__ import annotations

from typing import Any

from transforms.chat_request import content_parts, drop_beside_content, drop_unknown, legacy
from transforms.contract import JSON
from transforms.dashscope.media import audio_address
from transforms.errors import RequestError
from transforms.tools import function_call

_KNOWN_FIELDS = {
    "system": {"role", "content"},
    "user": {"role", "content"},
    "tool": {"role", "content", "tool_call_id", "name"},
    "assistant": {"role", "content", "refusal", "tool_calls", "partial"},
}

_REASONING = frozenset({"reasoning_content", "reasoning"})

_TEXT = {"text", "refusal"}
_MEDIA = {"image_url", "input_audio", "video_url", "video"}


def hold_media(messages: list[JSON]) -> bool:
    """Whether a message holds more than text."""
    return any(
        part["type"] not in _TEXT
        for message in messages
        for part in content_parts(message.get("content"), "content")
    )


def build_messages(
    messages: list[JSON], multimodal: bool, keeps_reasoning: bool, dropped: list[str]
) -> list[JSON]:
    """The messages as text or multimodal generation takes them.

    Drops: names of participants, reasoning unless it is kept, details of images, unknown fields.

    Raises:
        RequestError: a message, part or call of a kind that cannot be said.
    """
    mapped = []
    for position, message in enumerate(messages):
        param = f"messages[{position}]"
        told = _message(message, param, keeps_reasoning, dropped)
        parts = _parts(message, param, dropped)
        if multimodal:
            told["content"] = parts
        else:
            told["content"] = "\n".join(part["text"] for part in parts)
        mapped.append(told)
    return mapped


def _message(message: JSON, param: str, keeps_reasoning: bool, dropped: list[str]) -> JSON:
    role = message["role"]
    if role not in _KNOWN_FIELDS or message.get("function_call"):
        raise legacy(f"{param}.{'role' if role not in _KNOWN_FIELDS else 'function_call'}")
    told: JSON = {"role": role, "content": ""}
    for name in ("tool_call_id", "partial", "name" if role == "tool" else ""):
        if message.get(name):
            told[name] = message[name]
    calls = message.get("tool_calls")
    if calls:
        told["tool_calls"] = [
            function_call(call, f"{param}.tool_calls[{at}]", dropped)
            for at, call in enumerate(calls)
        ]
    thought = message.get("reasoning_content") or message.get("reasoning")
    known = _KNOWN_FIELDS[role]
    if keeps_reasoning and role == "assistant" and isinstance(thought, str):
        told["reasoning_content"] = thought
        known = known | _REASONING
    drop_unknown(message, known, "messages[]", dropped)
    return told


def _parts(message: JSON, param: str, dropped: list[str]) -> list[JSON]:
    """The parts of the content, of which an empty string has none."""
    content = message.get("content") or message.get("refusal")
    accepted = _TEXT | _MEDIA if message["role"] == "user" else _TEXT
    mapped = []
    for position, part in enumerate(content_parts(content, f"{param}.content")):
        place = f"{param}.content[{position}]"
        if part["type"] not in accepted:
            raise RequestError(
                f"`{place}` is a `{part['type']}` part; here DashScope takes"
                f" {', '.join(sorted(accepted))}.",
                param=place,
                code="unsupported_value",
            )
        mapped.append(_part(part, dropped))
    return mapped


def _part(part: JSON, dropped: list[str]) -> JSON:
    drop_beside_content(part, dropped)
    match part["type"]:
        case "image_url":
            return {"image": _address(part["image_url"], "image_url", dropped)}
        case "input_audio":
            known = {"data", "format"}
            drop_unknown(part["input_audio"], known, "messages[].content[].input_audio", dropped)
            return {"audio": audio_address(part["input_audio"])}
        case "video_url":
            return {"video": _address(part.get("video_url"), "video_url", dropped)}
        case "video":
            return {"video": part.get("video")}
        case kind:
            return {"text": part[kind]}


def _address(media: Any, name: str, dropped: list[str]) -> Any:
    """The address inside a part; what is said beside it is not taken."""
    if not isinstance(media, dict):
        return media
    # A `detail` of `auto` is what happens anyway.
    known = {"url", "detail"} if media.get("detail") == "auto" else {"url"}
    drop_unknown(media, known, f"messages[].content[].{name}", dropped)
    return media.get("url")
