"""Media in messages: what a part holds, and the header that an `oss://` address needs."""

from __future__ import annotations

from typing import Any

from transforms.contract import JSON

RESOLVE_OSS = {"X-DashScope-OssResourceResolve": "enable"}
"""Lets DashScope read what was uploaded to its own store."""

_ADDRESSES = ("http://", "https://", "data:", "oss://")


def headers_for(messages: list[JSON]) -> dict[str, str]:
    """The header for files in DashScope's own store, where a message refers to one."""
    parts = (part for message in messages for part in _parts(message))
    return (
        RESOLVE_OSS if any(_is_stored(value) for part in parts for value in part.values()) else {}
    )


def _is_stored(value: Any) -> bool:
    if isinstance(value, dict):
        return any(map(_is_stored, value.values()))
    if isinstance(value, list):
        return any(map(_is_stored, value))
    return isinstance(value, str) and value.startswith("oss://")


def _parts(message: JSON) -> list[JSON]:
    content = message.get("content")
    return content if isinstance(content, list) else []


def audio_address(audio: JSON) -> str:
    """The address of an `input_audio`; bare base64, which is OpenAI's form, becomes a data URL."""
    told = str(audio.get("data", ""))
    if told.startswith(_ADDRESSES):
        return told
    return f"data:audio/{audio.get('format') or 'wav'};base64,{told}"


def with_data_urls(messages: list[JSON], dropped: list[str]) -> list[JSON]:
    """The messages for the compatible door, which takes audio by address alone."""
    return [
        {**message, "content": [_with_data_url(part) for part in message["content"]]}
        if _parts(message)
        else message
        for message in messages
    ]


def _with_data_url(part: JSON) -> JSON:
    if part["type"] != "input_audio":
        return part
    audio = part["input_audio"]
    return {**part, "input_audio": {**audio, "data": audio_address(audio)}}
