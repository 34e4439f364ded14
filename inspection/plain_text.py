"""Text that is safe to show in a terminal or a browser, and small pieces to build it from.

What a client or a model wrote is hostile: escape sequences repaint a terminal, and marks for
the direction of writing let a line read otherwise than it is. Such characters are shown by
their escapes. Everything shown goes through `neutralise` once, at the very end.
"""

from __future__ import annotations

import json
import re
import textwrap
from typing import Any

_DANGEROUS = re.compile(
    r"[\x00-\x08\x0b-\x1f\x7f-\x9f"  # C0 but for tab and newline, DEL, C1
    r"\u061c\u200e\u200f\u2028-\u202e\u2066-\u206f"  # line ends and writing direction
    r"\u200b\u2060-\u2065\ufeff\ufff9-\ufffb\U000e0000-\U000e007f"  # invisible, carry messages
    r"\ud800-\udfff]"  # half an emoji, which no encoder takes
)
"""The zero width joiners U+200C and U+200D are left alone: Persian and emoji need them."""

_DATA_URI = re.compile(r"data:([\w.+-]+/[\w.+-]+)?((?:;[\w.+-]+=[^;,\s]*)*);base64,([\w+/=-]+)")
_BASE64 = re.compile(r"[\w+/-]{256,}={0,2}", re.ASCII)

Lines = list[str]
"""Lines of a text, without their ends."""


def neutralise(text: str) -> str:
    """The text with control, direction and invisible characters shown as escapes."""
    return _DANGEROUS.sub(_escape, text.replace("\r\n", "\n"))


def _escape(match: re.Match[str]) -> str:
    return match[0].encode("unicode_escape", "surrogatepass").decode("ascii")


def one_line(value: object) -> str:
    """A value within a line of ours: a string as it is but for its line ends, else JSON."""
    text = value if isinstance(value, str) else compact(value)
    return text.replace("\r", "\\r").replace("\n", "\\n")


def compact(value: object, shown: str = "") -> str:
    """JSON on one line, without base64; long texts that were `shown` before are not repeated."""
    return json.dumps(without_blobs(value, shown), ensure_ascii=False)


def pretty(value: object) -> str:
    """JSON over several lines, whole."""
    return json.dumps(value, ensure_ascii=False, indent=2)


def indented(lines: Lines) -> Lines:
    """The lines two columns further in; empty ones stay empty."""
    return [f"  {line}" if line else "" for line in lines]


def wrapped(text: str, width: int) -> str:
    """The text with lines of at most `width` characters.

    What goes on in the next line is indented at least as far as the line it comes from, and never
    stands in the first column. An empty line becomes a blank.
    """
    return "\n".join(piece for line in text.split("\n") for piece in _wrapped_line(line, width))


def _wrapped_line(line: str, width: int) -> Lines:
    if len(line) <= width:
        return [line or " "]
    indent = line[: len(line) - len(line.lstrip())][: width // 2] or "  "
    return textwrap.wrap(
        line,
        width,
        subsequent_indent=indent,
        expand_tabs=False,
        replace_whitespace=False,
        break_on_hyphens=False,
    ) or [" "]


def grouped(number: float) -> str:
    """A number with its thousands apart: `1 234`.

    The space is a plain one, so that it can be typed into a filter (`~comment "1 234"`).
    """
    return f"{number:,}".replace(",", " ")


def size(count: int) -> str:
    """A number of bytes for people: `512 B`, `3.4 kB`, `34 kB`, `1.2 MB`."""
    if count < 1000:
        return f"{count} B"
    kilobytes = count / 1000
    if kilobytes < 1000:
        return f"{kilobytes:.{1 if kilobytes < 10 else 0}f} kB"
    return f"{kilobytes / 1000:.1f} MB"


def base64_size(text: str) -> int:
    """Bytes that a base64 text stands for."""
    return len(text.rstrip("=")) * 3 // 4


def split_data_uri(uri: str) -> tuple[str, str] | None:
    """Media type and base64 text of a data URI; None for any other text."""
    match = _DATA_URI.fullmatch(uri)
    return (match[1] or "text/plain", match[3]) if match else None


def without_data_uris(text: str) -> str:
    """The text with each data URI in it replaced by its media type and size."""
    if ";base64," not in text:
        return text
    return _DATA_URI.sub(
        lambda match: f"[{match[1] or 'text/plain'} · {size(base64_size(match[3]))}]", text
    )


def without_blobs(value: Any, shown: str = "") -> Any:
    """The JSON value with a size in place of base64, and a word in place of what was `shown`."""
    match value:
        case str() if len(value) > 40 and value in shown:
            return "[as above]"
        case str() if _BASE64.fullmatch(value):
            return f"[base64 · {size(base64_size(value))}]"
        case str():
            return without_data_uris(value)
        case list():
            return [without_blobs(item, shown) for item in value]
        case dict():
            return {key: without_blobs(item, shown) for key, item in value.items()}
    return value
