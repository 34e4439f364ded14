"""Images and files as data: what a data URL holds, and the kind of it by its first bytes, for
labels are often wrong."""

from __future__ import annotations

import base64
from urllib.parse import unquote, unquote_to_bytes

from transforms.errors import RequestError

_HEAD = 32
"""Base64 characters that are decoded to tell a file's kind."""

_IMAGES = (
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF87a", "image/gif"),
    (b"GIF89a", "image/gif"),
)


def image_type(head: bytes) -> str | None:
    """The media type of a PNG, JPEG, GIF or WebP image; its first 12 bytes tell."""
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "image/webp"
    return next((name for magic, name in _IMAGES if head.startswith(magic)), None)


def media_type(head: bytes) -> str | None:
    """The media type of such an image or of a PDF."""
    return "application/pdf" if head.startswith(b"%PDF") else image_type(head)


def is_data_url(url: str) -> bool:
    """Whether an address is the content itself."""
    return url[:5].lower() == "data:"


def split_data_url(url: str, param: str) -> tuple[str, str]:
    """The media type that a data URL tells and its content in base64, without the line breaks some
    encoders put in. The type is `""` where none is told, but what is written out is text.

    Raises:
        RequestError: nothing is in it.
    """
    head, comma, body = url.partition(",")
    if not comma:
        raise not_base64(param)
    label = head[5:].partition(";")[0].lower()
    if not head.lower().endswith(";base64"):
        return label or "text/plain", base64.b64encode(unquote_to_bytes(body)).decode()
    return label, "".join((unquote(body) if "%" in body else body).split())


def first_bytes(encoded: str, param: str) -> bytes:
    """As many bytes of a base64 text as tell its kind.

    Raises:
        RequestError: it does not begin as base64 does.
    """
    start = encoded[:_HEAD]
    try:
        return base64.b64decode(start + "=" * (-len(start) % 4), validate=True)
    except ValueError as exc:
        raise not_base64(param) from exc


def not_base64(param: str) -> RequestError:
    """The error for data that cannot be read."""
    return RequestError(
        f"`{param}` is not a data URL with base64 content.", param=param, code="invalid_value"
    )
