"""OpenAI content parts to the parts of input items.

Source: Responses API reference, "input_text", "input_image", "input_file" (2026-09).
"""

from __future__ import annotations

from collections.abc import Callable

from transforms.chat_request import content_parts, drop_unknown
from transforms.contract import JSON
from transforms.errors import RequestError

_CARRIED = ("prompt_cache_breakpoint",)
"""What any part may have beside its own content."""

_FILE_FIELDS = ("file_data", "file_id", "filename")


def user_content(content: object, param: str, dropped: list[str]) -> str | list[JSON]:
    """The content of a message that is not the assistant's.

    Drops: fields of parts that input parts do not have.

    Raises:
        RequestError: a part that the API cannot take; names the part.
    """
    return _content(content, param, dropped, _USER_PARTS)


def instruction_content(content: object, param: str, dropped: list[str]) -> str | list[JSON]:
    """The content of a system or developer message, which is text alone.

    Raises:
        RequestError: a part that is not text.
    """
    return _content(content, param, dropped, _TEXT_PARTS)


def result_content(content: object, param: str, dropped: list[str]) -> str | list[JSON]:
    """What a tool returned: text, images and files.

    Raises:
        RequestError: a part of another kind.
    """
    return _content(content, param, dropped, _RESULT_PARTS)


def assistant_content(content: object, param: str, dropped: list[str]) -> list[JSON]:
    """The parts of an assistant message, those without text left out.

    Raises:
        RequestError: a part that is neither text nor a refusal.
    """
    parts = _parts(content, param, dropped, _OUTPUT_PARTS)
    return [part for part in parts if part.get("text") or part.get("refusal")]


_Builder = Callable[[JSON, str, list[str]], JSON]


def _content(
    content: object, param: str, dropped: list[str], builders: dict[str, _Builder]
) -> str | list[JSON]:
    if isinstance(content, str):
        return content
    return _parts(content, param, dropped, builders) or ""


def _parts(
    content: object, param: str, dropped: list[str], builders: dict[str, _Builder]
) -> list[JSON]:
    parts = []
    for position, part in enumerate(content_parts(content, param)):
        place, kind = f"{param}[{position}]", part["type"]
        build = builders.get(kind)
        if build is None:
            raise RequestError(
                f"`{place}` is a part of type `{kind}`; the Responses API takes"
                f" {', '.join(builders)} here.",
                param=place,
                code="unsupported_value",
            )
        carried = {name: part[name] for name in _CARRIED if part.get(name) is not None}
        parts.append({**build(part, place, dropped), **carried})
        drop_unknown(part, {"type", kind, *_CARRIED}, "messages[].content[]", dropped)
    return parts


def _text(part: JSON, param: str, dropped: list[str]) -> JSON:
    return {"type": "input_text", "text": part["text"]}


def _image(part: JSON, param: str, dropped: list[str]) -> JSON:
    """An image by URL or as data; here the URL is a bare string."""
    image = part["image_url"]
    if isinstance(image, str):
        image = {"url": image}
    drop_unknown(image, {"url", "detail"}, "messages[].content[].image_url", dropped)
    url = image.get("url")
    if not isinstance(url, str) or not url:
        raise RequestError(
            f"`{param}.image_url.url` must be a URL or `data:image/png;base64,...`.",
            param=f"{param}.image_url.url",
            code="invalid_image_url",
        )
    return {"type": "input_image", "image_url": url, "detail": image.get("detail") or "auto"}


def _file(part: JSON, param: str, dropped: list[str]) -> JSON:
    file = part["file"]
    drop_unknown(file, {*_FILE_FIELDS}, "messages[].content[].file", dropped)
    told = {name: file[name] for name in _FILE_FIELDS if file.get(name) is not None}
    if not told.keys() & {"file_data", "file_id"}:
        raise RequestError(
            f"`{param}.file` has neither `file_data` nor `file_id`.",
            param=f"{param}.file",
            code="missing_required_parameter",
        )
    return {"type": "input_file", **told}


def _audio(part: JSON, param: str, dropped: list[str]) -> JSON:
    return {"type": "input_audio", "input_audio": part["input_audio"]}


def output_text(text: str) -> JSON:
    """What the assistant said, in the shape in which the API itself tells it."""
    return {"type": "output_text", "text": text, "annotations": []}


def output_refusal(refusal: str) -> JSON:
    """What the assistant declined with."""
    return {"type": "refusal", "refusal": refusal}


_TEXT_PARTS: dict[str, _Builder] = {"text": _text}
_RESULT_PARTS: dict[str, _Builder] = {**_TEXT_PARTS, "image_url": _image, "file": _file}
_USER_PARTS: dict[str, _Builder] = {**_RESULT_PARTS, "input_audio": _audio}
_OUTPUT_PARTS: dict[str, _Builder] = {
    "text": lambda part, param, dropped: output_text(part["text"]),
    "refusal": lambda part, param, dropped: output_refusal(part["refusal"]),
}
