"""OpenAI content parts to Gemini's.

Source: Gemini API reference, "Part", "Image understanding" and "Media resolution" (2026-09).
"""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import urlsplit

from transforms.chat_request import content_parts, drop_beside_content, drop_unknown
from transforms.contract import JSON
from transforms.errors import RequestError
from transforms.media import first_bytes, is_data_url, media_type, split_data_url

_TYPES = {
    "png": "image/png",
    "jpg": "image/jpeg",
    "jpeg": "image/jpeg",
    "gif": "image/gif",
    "webp": "image/webp",
    "heic": "image/heic",
    "heif": "image/heif",
    "pdf": "application/pdf",
    "txt": "text/plain",
    "mp3": "audio/mp3",
    "wav": "audio/wav",
    "mp4": "video/mp4",
}
"""Ending of an address -> media type."""

_AUDIO = {"mp3": "audio/mp3", "wav": "audio/wav"}

_LEVELS = {
    "low": "MEDIA_RESOLUTION_LOW",
    "high": "MEDIA_RESOLUTION_HIGH",
    "original": "MEDIA_RESOLUTION_ULTRA_HIGH",
}
"""`detail` of an image -> `mediaResolution.level`; `auto` leaves it to the model."""

_GOOGLE_FILES = ("https://generativelanguage.googleapis.com/", "gs://")


def user_parts(content: object, param: str, dropped: list[str]) -> list[JSON]:
    """The parts of a user or tool message; empty text is left out.

    Drops: fields of parts that Gemini's do not have.

    Raises:
        RequestError: a part that Gemini cannot take; names the part.
    """
    return _parts(content, param, dropped, _PARTS)


def text_parts(content: object, param: str, dropped: list[str]) -> list[JSON]:
    """The parts of a system or assistant message, which hold text alone.

    Raises:
        RequestError: a part that is not text.
    """
    return _parts(content, param, dropped, _TEXT_PARTS)


_Builder = Callable[[JSON, str, list[str]], JSON]


def _parts(
    content: object, param: str, dropped: list[str], builders: dict[str, _Builder]
) -> list[JSON]:
    built = []
    for position, part in enumerate(content_parts(content, param)):
        place = f"{param}[{position}]"
        build = builders.get(part["type"])
        if build is None:
            raise RequestError(
                f"`{place}` is a part of type `{part['type']}`; here Gemini takes"
                f" {', '.join(builders)}.",
                param=place,
                code="unsupported_value",
            )
        built.append(build(part, place, dropped))
        drop_beside_content(part, dropped)
    return [part for part in built if part != {"text": ""}]


def _text(part: JSON, param: str, dropped: list[str]) -> JSON:
    return {"text": part[part["type"]]}


def _image(part: JSON, param: str, dropped: list[str]) -> JSON:
    """An image as data or by address; Gemini fetches the latter itself."""
    image = part["image_url"]
    image = {"url": image} if isinstance(image, str) else image
    url, param = image.get("url"), f"{param}.image_url.url"
    if not isinstance(url, str) or not url.lower().startswith(
        ("data:", "https://", "http://", "gs://")
    ):
        raise RequestError(
            f"`{param}` is neither an address nor a data URL; send the image as"
            " `data:image/png;base64,...`.",
            param=param,
            code="invalid_image_url",
        )
    drop_unknown(image, {"url", "detail"}, "messages[].content[].image_url", dropped)
    built = _inline(url, param) if is_data_url(url) else _image_at(url)
    detail = image.get("detail")
    if isinstance(detail, str) and detail in _LEVELS:
        built["mediaResolution"] = {"level": _LEVELS[detail]}
    elif detail not in (None, "auto"):
        dropped.append("messages[].content[].image_url.detail")
    return built


def _image_at(url: str) -> JSON:
    """An image by its address. A type is demanded, and an address without a known ending is
    taken for a JPEG: what the bytes are counts in the end."""
    return {"fileData": {"fileUri": url, "mimeType": _type_of(url) or "image/jpeg"}}


def _type_of(url: str) -> str | None:
    return _TYPES.get(urlsplit(url).path.rpartition(".")[2].lower())


def _audio(part: JSON, param: str, dropped: list[str]) -> JSON:
    audio = part["input_audio"]
    kind, encoded = audio.get("format"), audio.get("data")
    if not isinstance(kind, str) or not isinstance(encoded, str):
        raise RequestError(
            f"`{param}.input_audio` needs `data` in base64 and its `format`, such as wav or mp3.",
            param=f"{param}.input_audio",
        )
    drop_unknown(audio, {"data", "format"}, "messages[].content[].input_audio", dropped)
    return {"inlineData": {"mimeType": _AUDIO.get(kind, f"audio/{kind}"), "data": encoded}}


def _file(part: JSON, param: str, dropped: list[str]) -> JSON:
    """A file as data, or one that Google keeps, by its address."""
    file = part["file"]
    drop_unknown(file, {"file_data", "file_id"}, "messages[].content[].file", dropped)
    data, address = file.get("file_data"), file.get("file_id")
    if isinstance(data, str):
        return _inline(data, f"{param}.file.file_data")
    if isinstance(address, str) and address.startswith(_GOOGLE_FILES):
        kind = _type_of(address)
        return {"fileData": {"fileUri": address, **({"mimeType": kind} if kind else {})}}
    raise RequestError(
        f"`{param}.file` is neither data nor a file that Google keeps; send it as `file_data`,"
        " `data:application/pdf;base64,...`, or the address of an uploaded file as `file_id`.",
        param=f"{param}.file",
    )


def _inline(url: str, param: str) -> JSON:
    """The content of a data URL, or bare base64. Its type is told by the bytes where they are
    known, for labels are often wrong."""
    is_url = is_data_url(url)
    label, encoded = split_data_url(url, param) if is_url else ("", "".join(url.split()))
    kind = _sniffed(encoded, param) or label
    if not kind:
        raise RequestError(
            f"`{param}` does not tell its type; send `data:application/pdf;base64,...`.",
            param=param,
        )
    return {"inlineData": {"mimeType": kind, "data": encoded}}


def _sniffed(encoded: str, param: str) -> str | None:
    """The media type by the bytes; Gemini also takes the base64 that is safe in addresses."""
    start = encoded[:64].replace("-", "+").replace("_", "/")
    return media_type(first_bytes(start, param))


_TEXT_PARTS: dict[str, _Builder] = {"text": _text, "refusal": _text}
_PARTS: dict[str, _Builder] = {
    **_TEXT_PARTS,
    "image_url": _image,
    "input_audio": _audio,
    "file": _file,
}
