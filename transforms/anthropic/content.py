"""OpenAI content parts to Anthropic content blocks.

Source: Messages API reference, "Vision" and "PDF support" (2023-06-01).
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable

from transforms.chat_request import content_parts, drop_unknown
from transforms.contract import JSON
from transforms.errors import RequestError
from transforms.media import first_bytes, image_type, is_data_url, not_base64, split_data_url


def content_blocks(content: object, param: str, dropped: list[str]) -> list[JSON]:
    """The blocks of a user or tool message; empty text is left out, for the API refuses it.

    Drops: fields of parts that blocks do not have, such as `detail` of an image.

    Raises:
        RequestError: a part that the API cannot take; names the part.
    """
    return _blocks(content, param, dropped, _BLOCKS)


def text_blocks(content: object, param: str, dropped: list[str]) -> list[JSON]:
    """The blocks of a system or assistant message, which hold text alone.

    Raises:
        RequestError: a part that is not text.
    """
    return _blocks(content, param, dropped, _TEXT_BLOCKS)


_Builder = Callable[[JSON, str, list[str]], JSON | None]


def _blocks(
    content: object, param: str, dropped: list[str], builders: dict[str, _Builder]
) -> list[JSON]:
    if isinstance(content, str):
        block = text_block(content)
        return [block] if block else []
    blocks = []
    for position, part in enumerate(content_parts(content, param)):
        place = f"{param}[{position}]"
        build = builders.get(part["type"])
        if build is None:
            raise _refused_kind(part["type"], place, builders)
        block = build(part, place, dropped)
        if block is None:
            continue
        if part.get("cache_control") is not None:
            block["cache_control"] = part["cache_control"]
        drop_unknown(part, {"type", part["type"], "cache_control"}, "messages[].content[]", dropped)
        blocks.append(block)
    return blocks


def _refused_kind(kind: str, param: str, builders: dict[str, _Builder]) -> RequestError:
    if kind == "input_audio":
        message = f"`{param}` is audio, which Anthropic's models do not take; send its transcript."
    else:
        message = (
            f"`{param}` is a part of type `{kind}`; here Anthropic takes {', '.join(builders)}."
        )
    return RequestError(message, param=param, code="unsupported_value")


def _text(part: JSON, param: str, dropped: list[str]) -> JSON | None:
    return text_block(part["text"])


def _refusal(part: JSON, param: str, dropped: list[str]) -> JSON | None:
    return text_block(part["refusal"])


def text_block(text: str) -> JSON | None:
    """A text block, or None where there is nothing to read in it."""
    return {"type": "text", "text": text} if text.strip() else None


def _image(part: JSON, param: str, dropped: list[str]) -> JSON:
    """An image by https URL or as data; the media type is that of the bytes, because the API
    refuses a wrong label."""
    image = part["image_url"]
    if isinstance(image, str):
        image = {"url": image}
    drop_unknown(image, {"url"}, "messages[].content[].image_url", dropped)
    url = image.get("url")
    param = f"{param}.image_url.url"
    if isinstance(url, str) and url.lower().startswith("https://"):
        return {"type": "image", "source": {"type": "url", "url": url}}
    if not isinstance(url, str) or not is_data_url(url):
        raise RequestError(
            f"`{param}` is neither an https nor a data URL; send the image as"
            " `data:image/png;base64,...`.",
            param=param,
            code="invalid_image_url",
        )
    return _image_block(split_data_url(url, param)[1], param)


def _image_block(encoded: str, param: str) -> JSON:
    media_type = image_type(first_bytes(encoded, param))
    if media_type is None:
        raise RequestError(
            f"`{param}` holds no PNG, JPEG, GIF or WebP image.",
            param=param,
            code="invalid_image_url",
        )
    source = {"type": "base64", "media_type": media_type, "data": encoded}
    return {"type": "image", "source": source}


def _file(part: JSON, param: str, dropped: list[str]) -> JSON:
    """A PDF, a text or an image, told apart by the bytes. The file's name becomes the title of a
    document; an image has none."""
    file = part["file"]
    data = file.get("file_data")
    if not isinstance(data, str):
        raise RequestError(
            f"`{param}.file` has no `file_data`; a `file_id` belongs to the host that gave it, so"
            " send the file itself as `data:application/pdf;base64,...`.",
            param=f"{param}.file.file_data",
        )
    param = f"{param}.file.file_data"
    encoded = split_data_url(data, param)[1] if is_data_url(data) else "".join(data.split())
    head = first_bytes(encoded, param)
    is_image = image_type(head) is not None
    known = {"file_data"} if is_image else {"file_data", "filename"}
    drop_unknown(file, known, "messages[].content[].file", dropped)
    if is_image:
        return _image_block(encoded, param)
    if head.startswith(b"%PDF"):
        source = {"type": "base64", "media_type": "application/pdf", "data": encoded}
    else:
        source = {"type": "text", "media_type": "text/plain", "data": _decoded(encoded, param)}
    block = {"type": "document", "source": source}
    title = file.get("filename")
    return {**block, "title": title} if isinstance(title, str) and title else block


def _decoded(encoded: str, param: str) -> str:
    try:
        return base64.b64decode(encoded, validate=True).decode()
    except binascii.Error as exc:
        raise not_base64(param) from exc
    except UnicodeDecodeError as exc:
        raise RequestError(
            f"`{param}` is neither a PDF nor text; Anthropic takes no other files.", param=param
        ) from exc


_TEXT_BLOCKS: dict[str, _Builder] = {"text": _text, "refusal": _refusal}
_BLOCKS: dict[str, _Builder] = {**_TEXT_BLOCKS, "image_url": _image, "file": _file}
