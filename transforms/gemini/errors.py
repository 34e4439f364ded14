"""OpenAI's errors from Google's.

Source: Gemini API reference, "Troubleshooting"; google.rpc `Status`, `ErrorInfo`, `RetryInfo` and
`QuotaFailure`; recorded exchanges (2026-08).
"""

from __future__ import annotations

import math
import re
from dataclasses import replace
from typing import Any

from transforms.contract import JSON, ErrorAnswer
from transforms.errors import ResponseError, error_for_status, unreadable_error
from transforms.values import member

_TOO_LONG = re.compile(r"input token count .*exceeds the maximum", re.IGNORECASE)

_SECONDS = re.compile(r"(\d+(?:\.\d+)?)s")

_NO_RETRY = {"x-should-retry": "false"}


def parse_error(status: int, body: object) -> ErrorAnswer:
    """OpenAI's error from `{"error": {"code", "message", "status", "details"}}`, around which
    Vertex puts an array where a stream was asked for."""
    error = member(body[0] if isinstance(body, list) and body else body, "error")
    message = member(error, "message")
    if not isinstance(message, str) or not message:
        return unreadable_error(status)
    details = _details(error)
    if any(member(detail, "reason") == "API_KEY_INVALID" for detail in details):
        return error_for_status(401, message)
    if status == 429:
        return _quota_error(message, details)
    answer = error_for_status(status, message, code=_code(status, message))
    if member(error, "status") == "FAILED_PRECONDITION":
        # The region, or billing: nothing that another try would change.
        return replace(answer, headers=_NO_RETRY)
    return answer


def raise_reported_error(body: JSON) -> None:
    """Raises the error that an answer or an event reports.

    Raises:
        ResponseError: with the status the error would have had as an answer of its own.
    """
    if body.get("error"):
        code = member(body["error"], "code")
        status = code if isinstance(code, int) and 400 <= code < 600 else 502
        raise ResponseError.reported(parse_error(status, body))


def _code(status: int, message: str) -> str | None:
    if status == 400 and _TOO_LONG.search(message):
        return "context_length_exceeded"
    return "model_not_found" if status == 404 else None


def _quota_error(message: str, details: list[JSON]) -> ErrorAnswer:
    """A rate that was exceeded, or what a day holds: the latter no wait helps."""
    violations = [each for detail in details for each in _list(detail, "violations")]
    if any("PerDay" in str(member(each, "quotaId")) for each in violations):
        return error_for_status(429, message, type="insufficient_quota", code="insufficient_quota")
    answer = error_for_status(429, message)
    waits = [_SECONDS.fullmatch(str(member(detail, "retryDelay"))) for detail in details]
    seconds = max((math.ceil(float(wait[1])) for wait in waits if wait), default=0)
    return replace(answer, headers={"retry-after": str(seconds)}) if seconds else answer


def _details(error: object) -> list[JSON]:
    return [detail for detail in _list(error, "details") if isinstance(detail, dict)]


def _list(value: object, name: str) -> list[Any]:
    found = member(value, name)
    return found if isinstance(found, list) else []
