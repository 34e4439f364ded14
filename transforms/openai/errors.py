"""Error answers of hosts that speak the OpenAI format, in the shapes that hosts use for them."""

from __future__ import annotations

import re
from dataclasses import replace

from transforms.contract import JSON, ErrorAnswer
from transforms.errors import ResponseError, error_for_status, unreadable_error
from transforms.json_text import loads_text
from transforms.openai.quirks import NONE, ErrorRule, Quirks
from transforms.values import member, text_of

_STATUSES_TOLD = (
    ("error", "code"),
    ("error", "status_code"),
    (None, "status_code"),
    (None, "code"),
)
"""Where an error inside a 200 says which status it should have had."""

_WORD = re.compile(r"[A-Za-z_]{1,64}")


def parse_error(status: int, body: object, quirks: Quirks = NONE) -> ErrorAnswer:
    """OpenAI's error from the shapes that hosts use for it.

    Known are `{"error": {...}}`, `{"error": "text"}`, the same in a list, an error without its
    wrapper, and FastAPI's `{"detail": ...}`, bare or as the `message`.
    """
    if isinstance(body, list) and body:
        body = body[0]
    if not isinstance(body, dict):
        return unreadable_error(status)
    error = body.get("error") or body
    if isinstance(error, str):
        error = {**body, "message": error}
    detail = body.get("detail") or member(member(error, "message"), "detail")
    message = _inner_message(error) or text_of(member(error, "message")) or _detail(detail)
    if not isinstance(error, dict) or not message:
        return unreadable_error(status)
    answer = _told(status, message, error, quirks)
    details = _findings({name: error.get(name) for name in quirks.findings})
    return replace(answer, param=answer.param or _place(detail), details=details)


def _findings(told: JSON) -> JSON:
    """The words and truth values in it, however deep. Any other text may repeat what was sent."""
    found = {name: _finding(value) for name, value in told.items()}
    return {name: value for name, value in found.items() if value is not None}


def _finding(value: object) -> object:
    match value:
        case dict():
            return _findings(value)
        case list():
            return [each for each in map(_finding, value) if each is not None]
        case bool():
            return value
        case str() if _WORD.fullmatch(value):
            return value
    return None


def _told(status: int, message: str, error: JSON, quirks: Quirks) -> ErrorAnswer:
    code, kind, param = error.get("code"), text_of(error.get("type")), text_of(error.get("param"))
    rule = _rule(quirks, f"{code} {kind} {message}")
    if rule is not None:
        return error_for_status(rule.status, message, code=rule.code, param=param)
    # A number that repeats the status, or the name of a type, says nothing.
    says_nothing = code in (None, status, str(status), "invalid_request_error")
    return error_for_status(
        quirks.statuses.get(status, status),
        message,
        type=kind if quirks.error_types else None,
        code=None if says_nothing else str(code),
        param=param,
    )


def _rule(quirks: Quirks, told: str) -> ErrorRule | None:
    for rule in quirks.errors:
        if re.search(rule.told, told, re.IGNORECASE):
            return rule
    return None


def _inner_message(error: object) -> str | None:
    """What the provider behind OpenRouter said, as text or as an error of its own in JSON."""
    raw = text_of(member(member(error, "metadata"), "raw"))
    if raw is None:
        return None
    try:
        inner = loads_text(raw)
    except ValueError:
        return raw
    return text_of(member(member(inner, "error") or inner, "message"))


def _detail(detail: object) -> str | None:
    if isinstance(detail, list):
        places = [f"{'.'.join(_path(item))}: {member(item, 'msg')}" for item in detail]
        return "; ".join(places) or None
    return text_of(detail)


def _place(detail: object) -> str | None:
    """The parameter that FastAPI complains of, where it is one."""
    if not isinstance(detail, list) or len(detail) != 1:
        return None
    return ".".join(name for name in _path(detail[0]) if name != "body") or None


def _path(item: object) -> list[str]:
    where = member(item, "loc")
    return [str(name) for name in where] if isinstance(where, list) else []


def raise_reported_error(body: JSON, quirks: Quirks) -> None:
    """An error inside a 200: a member `error`, or an error where `choices` should be.

    Raises:
        ResponseError: the error, as OpenAI would have put it.
    """
    if body.get("error") or ("choices" not in body and (body.keys() & {"message", "detail"})):
        raise ResponseError.reported(reported_error(body, quirks))


def reported_error(body: JSON, quirks: Quirks) -> ErrorAnswer:
    """The error that a body reports under status 200, with the status it should have had."""
    told = (
        member(body if outer is None else body.get(outer), name) for outer, name in _STATUSES_TOLD
    )
    status = next((code for code in told if isinstance(code, int) and 400 <= code < 600), 502)
    return parse_error(status, body, quirks)
