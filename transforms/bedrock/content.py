"""OpenAI content parts to Converse content blocks.

Binary content travels as base64 text in JSON; the format is named beside it, and a wrong name is
refused, so it is told by the bytes.

Source: Amazon Bedrock Runtime API reference, "ContentBlock" (2026-09).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from transforms.bedrock.models import ModelRules
from transforms.chat_request import content_parts, drop_unknown
from transforms.contract import JSON
from transforms.errors import RequestError
from transforms.media import first_bytes, image_type, is_data_url, not_base64, split_data_url

PLACEHOLDER = "."
"""Stands where something must be said and nothing is; blank text is refused."""

_IMAGE_ENDINGS = {"png": "png", "jpg": "jpeg", "jpeg": "jpeg", "gif": "gif", "webp": "webp"}

_DOCUMENT_FORMATS = {
    "application/pdf": "pdf",
    "text/csv": "csv",
    "application/msword": "doc",
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document": "docx",
    "application/vnd.ms-excel": "xls",
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": "xlsx",
    "text/html": "html",
    "text/plain": "txt",
    "text/markdown": "md",
}
"""Media type -> `format`, which is also the ending of a file's name."""

_ENDINGS = {**{name: name for name in _DOCUMENT_FORMATS.values()}, "htm": "html", "text": "txt"}

_AUDIO_FORMATS = (
    *("mp3", "opus", "wav", "aac", "flac", "mp4", "ogg", "mkv", "mka", "x-aac", "m4a", "mpeg"),
    *("mpga", "pcm", "webm"),
)

_NOT_IN_NAME = re.compile(r"[^A-Za-z0-9()\[\]-]+")

_NAME_LENGTH = 190
"""Characters of a document's name, of 200, so that a number still fits behind."""


@dataclass(slots=True)
class Scope:
    """What the messages of one request share while they are mapped."""

    rules: ModelRules
    dropped: list[str]
    document_names: set[str]
    """Names given so far: two documents of one name are refused."""


def content_blocks(content: object, param: str, scope: Scope) -> list[JSON]:
    """The blocks of a user or tool message, without blank text, which is refused.

    Drops: fields of parts that blocks do not have, such as `detail` of an image.

    Raises:
        RequestError: a part that the API or the model cannot take; names the part.
    """
    return _blocks(content, param, scope, _BLOCKS)


def text_blocks(content: object, param: str, scope: Scope) -> list[JSON]:
    """The blocks of a system or assistant message, which hold text alone.

    Raises:
        RequestError: a part that is not text.
    """
    return _blocks(content, param, scope, _TEXT_BLOCKS)


_Builder = Callable[[JSON, str, Scope], JSON | None]


def _blocks(content: object, param: str, scope: Scope, builders: dict[str, _Builder]) -> list[JSON]:
    if isinstance(content, str):
        block = text_block(content)
        return [block] if block else []
    blocks: list[JSON] = []
    for position, part in enumerate(content_parts(content, param)):
        place, kind = f"{param}[{position}]", part["type"]
        if kind not in builders:
            raise RequestError(
                f"`{place}` is a part of type `{kind}`; here Bedrock takes {', '.join(builders)}.",
                param=place,
                code="unsupported_value",
            )
        block = builders[kind](part, place, scope)
        drop_unknown(part, {"type", kind, "cache_control"}, "messages[].content[]", scope.dropped)
        if block is not None:
            blocks.append(block)
            mark(blocks, part, "messages[].content[].cache_control", scope)
    return blocks


def mark(blocks: list[JSON], marked: JSON, name: str, scope: Scope) -> None:
    """Puts in the `cachePoint` of the last block, where a part or a message is marked. It may
    follow neither a document nor nothing, so it goes before the documents at the end; one is
    enough there."""
    point = cache_point(marked)
    if point is None:
        return
    place = len(blocks)
    while place and "document" in blocks[place - 1]:
        place -= 1
    if not place or scope.rules.cache_points == "none":
        scope.dropped.append(name)
    elif "cachePoint" not in blocks[place - 1]:
        blocks.insert(place, point)


def cache_point(marked: JSON) -> JSON | None:
    """The block that stands for a `cache_control`, if there is one."""
    control = marked.get("cache_control")
    if not isinstance(control, dict):
        return None
    point: JSON = {"type": "default"}
    if control.get("ttl") in ("5m", "1h"):
        point["ttl"] = control["ttl"]
    return {"cachePoint": point}


def text_block(text: str) -> JSON | None:
    """A text block, or None where there is nothing to read in it."""
    return {"text": text} if text.strip() else None


def _text(part: JSON, param: str, scope: Scope) -> JSON | None:
    return text_block(part["text"])


def _refusal(part: JSON, param: str, scope: Scope) -> JSON | None:
    return text_block(part["refusal"])


def _image(part: JSON, param: str, scope: Scope) -> JSON:
    """An image as data, or by its place in S3; the API fetches nothing else."""
    image = part["image_url"]
    if isinstance(image, str):
        image = {"url": image}
    drop_unknown(image, {"url"}, "messages[].content[].image_url", scope.dropped)
    url = image.get("url")
    param = f"{param}.image_url.url"
    if isinstance(url, str) and url.startswith("s3://"):
        ending = _IMAGE_ENDINGS.get(url.rpartition(".")[2].lower())
        return _image_block(ending, {"s3Location": {"uri": url}}, param)
    if not isinstance(url, str) or not is_data_url(url):
        raise RequestError(
            f"`{param}` is no data URL. Bedrock fetches no images from the web: send"
            " `data:image/png;base64,...`.",
            param=param,
            code="invalid_image_url",
        )
    encoded = split_data_url(url, param)[1]
    return _image_block(_image_format(_head(encoded, param)), {"bytes": encoded}, param)


def _image_block(name: str | None, source: JSON, param: str) -> JSON:
    if name is None:
        raise RequestError(
            f"`{param}` holds no PNG, JPEG, GIF or WebP image.",
            param=param,
            code="invalid_image_url",
        )
    return {"image": {"format": name, "source": source}}


def _image_format(head: bytes) -> str | None:
    kind = image_type(head)
    return kind.removeprefix("image/") if kind else None


def _file(part: JSON, param: str, scope: Scope) -> JSON:
    """A document, or an image that was sent as a file."""
    file = part["file"]
    data = file.get("file_data")
    if not isinstance(data, str):
        raise RequestError(
            f"`{param}.file` has no `file_data`; a `file_id` belongs to the host that gave it, so"
            " send the file itself as `data:application/pdf;base64,...`.",
            param=f"{param}.file.file_data",
        )
    param = f"{param}.file.file_data"
    is_url = is_data_url(data)
    media_type, encoded = split_data_url(data, param) if is_url else ("", "".join(data.split()))
    head = _head(encoded, param)
    image = _image_format(head)
    known = {"file_data"} if image else {"file_data", "filename"}
    drop_unknown(file, known, "messages[].content[].file", scope.dropped)
    if image:
        return _image_block(image, {"bytes": encoded}, param)
    filename = file.get("filename")
    filename = filename if isinstance(filename, str) else ""
    document = {
        "format": _document_format(head, filename, media_type, param),
        "name": _document_name(filename, scope),
        "source": {"bytes": encoded},
    }
    return {"document": document}


def _document_format(head: bytes, filename: str, media_type: str, param: str) -> str:
    """By the bytes, the file's ending or the media type; what is readable is text."""
    if head.startswith(b"%PDF"):
        return "pdf"
    ending = filename.rpartition(".")[2].lower()
    told = _ENDINGS.get(ending) or _DOCUMENT_FORMATS.get(media_type)
    if told is None and b"\0" not in head:
        return "txt"
    if told in {None, "pdf"}:
        raise RequestError(
            f"`{param}` is in no format that Bedrock takes: {', '.join(_DOCUMENT_FORMATS.values())}"
            " and images.",
            param=param,
            code="unsupported_value",
        )
    return str(told)


def _document_name(filename: str, scope: Scope) -> str:
    """The file's name in the characters the API takes, and unlike the others'."""
    stem = filename.rpartition(".")[0] or filename
    wanted = " ".join(_NOT_IN_NAME.sub(" ", stem).split())[:_NAME_LENGTH].strip() or "Document"
    name, number = wanted, 1
    while name in scope.document_names:
        number += 1
        name = f"{wanted} ({number})"
    scope.document_names.add(name)
    return name


def _audio(part: JSON, param: str, scope: Scope) -> JSON:
    audio = part["input_audio"]
    if not scope.rules.audio:
        raise RequestError(
            f"`{param}` is audio, which this model does not take; send its transcript.",
            param=param,
            code="unsupported_value",
        )
    if audio.get("format") not in _AUDIO_FORMATS or not isinstance(audio.get("data"), str):
        raise RequestError(
            f"`{param}.input_audio` needs base64 `data`, and a `format` of"
            f" {', '.join(_AUDIO_FORMATS)}.",
            param=f"{param}.input_audio",
        )
    drop_unknown(audio, {"data", "format"}, "messages[].content[].input_audio", scope.dropped)
    return {"audio": {"format": audio["format"], "source": {"bytes": audio["data"]}}}


def _head(encoded: str, param: str) -> bytes:
    head = first_bytes(encoded, param)
    if not head:
        raise not_base64(param)
    return head


_TEXT_BLOCKS: dict[str, _Builder] = {"text": _text, "refusal": _refusal}
_BLOCKS: dict[str, _Builder] = {
    **_TEXT_BLOCKS,
    "image_url": _image,
    "file": _file,
    "input_audio": _audio,
}
