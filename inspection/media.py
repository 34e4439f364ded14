"""Images, sounds, films and files as one line: kind, name, media type, size. Never the bytes.

Every format wraps them differently, yet the leaves are alike: the bytes in base64 or an address,
beside them a media type and perhaps a name. So the leaves are what is looked for.
"""

from __future__ import annotations

from collections.abc import Iterator

from inspection.plain_text import base64_size, one_line, size, split_data_uri
from transforms.contract import JSON

_WRAPPERS = (
    "image_url",
    "input_audio",
    "file",
    "image",
    "video",
    "audio",
    "document",
    "inlineData",
    "inline_data",
    "fileData",
    "source",
    "video_url",
    "audio_url",
    "file_data",
    "file_url",
    "file_id",
)
"""Members that make a part one of these, whatever its type is called."""

_BYTES = ("data", "bytes", "file_data")
_ADDRESS = ("url", "uri", "fileUri", "file_uri", "file_url", "file_id", "s3Uri")
_MEDIA_TYPE = ("media_type", "mimeType", "mime_type", "format")
_NAME = ("filename", "file_name", "name", "title", "displayName")

_SIGNATURES = {
    "iVBORw0KGgo": "image/png",
    "/9j/": "image/jpeg",
    "R0lGOD": "image/gif",
    "UklGR": "image/webp",
    "JVBERi0": "application/pdf",
}
"""First characters of the bytes in base64 -> media type, where no label tells it."""


def media_line(part: JSON) -> str | None:
    """An image, sound, film or file as one line; None when the part is none of them."""
    wrapper = next((name for name in _WRAPPERS if isinstance(part.get(name), str | dict)), None)
    if wrapper is None:
        return None
    leaves = dict(_leaves(part))
    content = _first(leaves, (*_BYTES, *_ADDRESS, wrapper))
    if not isinstance(content, str):
        return None
    kind = _kind(str(part.get("type") or wrapper))
    media_type, name = _first(leaves, _MEDIA_TYPE), _first(leaves, _NAME)
    rest = [f"{key}: {one_line(value)}" for key, value in leaves.items() if value is not None]
    words = [one_line(value) for value in (name, *_described(content, media_type)) if value]
    return f"[{' · '.join([kind, *words, *rest])}]"


def bare_image_line(content: str) -> str:
    """An image that is nothing but its base64 text, as one line."""
    words = [one_line(value) for value in _described(content, None) if value]
    return f"[{' · '.join(['image', *words])}]"


def _leaves(part: JSON) -> Iterator[tuple[str, object]]:
    for key, value in part.items():
        if isinstance(value, dict):
            yield from _leaves(value)
        elif key != "type":
            yield key, value


def _first(leaves: dict[str, object], names: tuple[str, ...]) -> object:
    """The first of these leaves, taken out."""
    return next((leaves.pop(name) for name in names if leaves.get(name)), None)


def _kind(word: str) -> str:
    word = word.removeprefix("input_").removesuffix("_url").removesuffix("_data")
    return {"inlineData": "inline", "inline": "inline", "fileData": "file"}.get(word, word)


def _described(content: str, media_type: object) -> list[object]:
    """Media type and size of what is there in bytes, or the address of what is not."""
    uri = split_data_uri(content)
    if uri is not None:
        return [uri[0], size(base64_size(uri[1]))]
    if "://" in content or len(content) < 64:
        return [media_type, content]
    signature = next((start for start in _SIGNATURES if content.startswith(start)), "")
    return [media_type or _SIGNATURES.get(signature), size(base64_size(content))]
