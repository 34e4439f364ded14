"""Messages of an AWS event stream, written byte by byte."""

from __future__ import annotations

import json
import struct
import zlib
from typing import Any

_MESSAGE_TYPES = {":event-type": "event", ":exception-type": "exception", ":error-code": "error"}


def frame(name: str, body: Any, header: str = ":event-type", **more: str) -> bytes:
    """One message, whose name stands in `header`; a body of None is an empty payload."""
    headers = {
        header: name,
        ":content-type": "application/json",
        ":message-type": _MESSAGE_TYPES[header],
        **more,
    }
    head = b"".join(_header(key, value) for key, value in headers.items())
    text = json.dumps(body, separators=(",", ":"), ensure_ascii=False).encode()
    payload = b"" if body is None else text
    prelude = struct.pack("!II", len(head) + len(payload) + 16, len(head))
    prelude += struct.pack("!I", zlib.crc32(prelude))
    message = prelude + head + payload
    return message + struct.pack("!I", zlib.crc32(message))


def _header(name: str, value: str) -> bytes:
    """A header of type 7, text."""
    text = value.encode()
    return bytes([len(name)]) + name.encode() + b"\x07" + struct.pack("!H", len(text)) + text
