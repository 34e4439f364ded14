"""OpenAI's error from DashScope's, whichever door it came from.

Source: Model Studio documentation, "Error codes" (2026-09); the dashscope SDK 2.0, which reads
error answers to calls for a stream as events too.
"""

from __future__ import annotations

import re

from transforms.contract import JSON, ErrorAnswer
from transforms.dashscope.compatible import parse_told_error
from transforms.dashscope.framing import ERROR, StatusDecoder
from transforms.errors import ResponseError
from transforms.json_text import loads


def parse_error(status: int, body: object) -> ErrorAnswer:
    """OpenAI's error from `{"code", "message"}`, from `{"error": {...}}`, or from either as the
    one event of a stream."""
    if isinstance(body, str):
        body = _event_body(body)
    return parse_told_error(status, body)


def _event_body(text: str) -> object:
    decoder = StatusDecoder()
    events = decoder.feed(text.encode("utf-8", "replace")) + decoder.close()
    try:
        return loads(events[0].data) if events else None
    except ValueError:
        return None


def raise_reported_error(body: JSON, name: str = "") -> None:
    """An error inside a 200: an event of that name, or a `code` where `output` should be.

    Raises:
        ResponseError: the error, as OpenAI would have put it.
    """
    is_error = name == "error" or name.startswith(ERROR)
    if is_error or ("output" not in body and (body.get("code") or body.get("error"))):
        told = name.removeprefix(ERROR) if name.startswith(ERROR) else str(body.get("status_code"))
        status = int(told) if re.fullmatch(r"[45]\d\d", told) else 502
        raise ResponseError.reported(parse_error(status, body))
