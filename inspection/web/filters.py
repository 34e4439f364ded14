"""What a list is asked for: filters, and a place in it to go on from."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, get_args

from recording import AnswerState

MOST = 500
"""Rows of one answer."""

_LONGEST_NUMBER = 15
"""Digits; milliseconds for 30 000 years."""

STATES: tuple[str, ...] = get_args(AnswerState)


class FilterError(ValueError):
    """A parameter cannot be used; the message names it, its value, and what is accepted."""

    def __init__(self, name: str, message: str) -> None:
        super().__init__(message)
        self.name = name


@dataclass(frozen=True, slots=True)
class Filter:
    """All that is given has to hold. Times are milliseconds since 1970 UTC."""

    model: str | None = None
    """As the client asked for it, or as the provider was asked."""
    provider: str | None = None
    session: str | None = None
    state: str | None = None
    since: int | None = None
    until: int | None = None
    """The first moment that is too late."""
    q: str | None = None
    """Words, all of which were said."""
    limit: int = 50
    after: str | None = None
    """The id of the last row seen."""


def parse(given: Mapping[str, str]) -> Filter:
    """The filter of a query; empty values count as none.

    Raises:
        FilterError: a parameter is unknown, or its value cannot be used.
    """
    values: dict[str, Any] = {}
    for name, text in given.items():
        if name not in Filter.__slots__:
            raise FilterError(name, f"`{name}` is unknown; {_listed(Filter.__slots__)} are known.")
        if text.strip():
            values[name] = _READ.get(name, _text)(name, text.strip())
    return Filter(**values)


def speakable(text: str) -> str:
    """A text that either database may be asked for; PostgreSQL has no NUL in any."""
    return text.replace("\0", "\ufffd")


def _text(name: str, text: str) -> str:
    return speakable(text)


def _state(name: str, text: str) -> str:
    if text not in STATES:
        raise FilterError(name, f"`{name}` is `{text}`; {_listed(STATES)} are accepted.")
    return text


def _limit(name: str, text: str) -> int:
    # Python reads no number of thousands of digits.
    if not text.isdecimal() or len(text) > _LONGEST_NUMBER or not 1 <= int(text) <= MOST:
        raise FilterError(name, f"`{name}` is `{text}`; a number from 1 to {MOST} is accepted.")
    return int(text)


def _moment(name: str, text: str) -> int:
    """Milliseconds, or a date with or without a time; without a zone it is UTC."""
    if text.isdecimal() and len(text) <= _LONGEST_NUMBER:
        return int(text)
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as exc:
        raise FilterError(
            name,
            f"`{name}` is `{text}`; milliseconds since 1970 or a date such as "
            "`2026-05-01T12:00Z` are accepted.",
        ) from exc
    return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() * 1000)


_READ: dict[str, Callable[[str, str], Any]] = {
    "state": _state,
    "limit": _limit,
    "since": _moment,
    "until": _moment,
}


def _listed(names: tuple[str, ...]) -> str:
    return ", ".join(f"`{name}`" for name in names)
