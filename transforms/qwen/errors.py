"""OpenAI's error from chat.qwen.ai's, which mostly come under HTTP 200.

Source: Rfym21/Qwen2API and ChrisColeTech/qwen_proxy_opencode (2026-07).
"""

from __future__ import annotations

import re
from typing import Any

from transforms.contract import JSON, ErrorAnswer
from transforms.errors import error_for_status, unreadable_error

_CODES = {
    "ratelimited": 429,
    "not_found": 404,
    "bad_request": 400,
    "unauthorized": 401,
    "upstreamerror": 502,
}
"""`code`, in lower case -> HTTP status."""

_VERIFICATION = re.compile(
    r"FAIL_SYS_USER_VALIDATE|RGV587|/_____tmd_____/|[?&]x5secdata=", re.IGNORECASE
)
_PAGE = re.compile(r"\s*<(!doctype|html|head|script)", re.IGNORECASE)
_LOST = re.compile(r"\bis not exist|does not exist|chat[^.]*not found", re.IGNORECASE)
_BUSY = re.compile(r"in progress", re.IGNORECASE)

CHAT_LOST = "chat_not_found"

_EXPIRED = (
    "The login at chat.qwen.ai has expired or was refused; sign in again in your browser and set"
    " `QWEN_TOKEN` anew."
)


def parse_error(status: int, body: object) -> ErrorAnswer:
    """The error that an answer reports, whatever its HTTP status."""
    if _asks_for_a_person(status, body):
        return ErrorAnswer(
            503,
            "chat.qwen.ai asks for verification in a browser; open the site there, then try again.",
            "server_error",
            headers={"x-should-retry": "false"},
        )
    if status in (401, 403):
        return _login_expired()
    if not isinstance(body, dict):
        return unreadable_error(_failed(status))
    code, message, told = _reported(body)
    known = _CODES.get(code.lower().replace(" ", "_"))
    status = known or _failed(status)
    if status == 401:
        return _login_expired()
    if not message and not code:
        return unreadable_error(status)
    message = message or f"chat.qwen.ai answered `{code}`."
    if status == 429 and known:
        return _used_up(message, told.get("num"))
    if known in (400, 404) and _BUSY.search(message):
        answer = error_for_status(409, message)
        return ErrorAnswer(409, message, answer.type, headers={"retry-after": "1"})
    if known == 404 or (known == 400 and _LOST.search(message)):
        return error_for_status(404, message, code=CHAT_LOST)
    return error_for_status(status, message)


def is_lost(answer: ErrorAnswer) -> bool:
    """Whether the site keeps the chat no longer."""
    return answer.code == CHAT_LOST


def is_error(body: JSON) -> bool:
    """Whether an answer, or a frame of a stream, reports an error."""
    return body.get("success") is False or bool(body.get("error")) or bool(body.get("ret"))


def _asks_for_a_person(status: int, body: object) -> bool:
    """Whether the site wants to see that a person is there; a mere error page does not."""
    if isinstance(body, dict):
        return bool(_VERIFICATION.search(f"{body.get('ret')} {body.get('url')} {body.get('data')}"))
    if not isinstance(body, str):
        return False
    return bool(_VERIFICATION.search(body)) or (status < 400 and bool(_PAGE.match(body)))


def _reported(body: JSON) -> tuple[str, str, JSON]:
    """Code, message and the object that holds them."""
    for name in ("data", "error"):
        told = body.get(name)
        if isinstance(told, str) and told:
            return "", told, {}
        if isinstance(told, dict):
            message = _text(told.get("details")) or _text(told.get("message"))
            return _text(told.get("code")), message or _text(body.get("message")), told
    return _text(body.get("code")), _text(body.get("message")) or _text(body.get("detail")), body


def _login_expired() -> ErrorAnswer:
    return ErrorAnswer(401, _EXPIRED, "invalid_request_error", "invalid_api_key")


def _used_up(message: str, hours: Any) -> ErrorAnswer:
    """A limit that lasts for hours."""
    headers = {"x-should-retry": "false"}
    if isinstance(hours, int | float) and not isinstance(hours, bool):
        headers["retry-after"] = str(int(hours * 3600))
    return ErrorAnswer(429, message, "insufficient_quota", "insufficient_quota", headers=headers)


def _failed(status: int) -> int:
    """The status of an error; one that comes under a status of success is the provider's."""
    return status if status >= 400 else 502


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""
