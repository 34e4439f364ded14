"""Charts as numbers that a template draws: no script, no style in the page."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from inspection.plain_text import grouped
from transforms.contract import JSON

WIDTH, HEIGHT = 600, 120
"""Units of the drawing, which is as wide as the page has room."""

_GAP = 1
_SHORT = "%Y-%m-%d %H:%M"


@dataclass(frozen=True, slots=True)
class Bar:
    """One interval; `parts` are (class, y, height), stacked from the bottom."""

    x: float
    width: float
    parts: tuple[tuple[str, float, float], ...]
    label: str


@dataclass(frozen=True, slots=True)
class Chart:
    """Bars over time, and what the highest of them stands for."""

    title: str
    highest: str
    bars: tuple[Bar, ...]
    begin: str
    end: str


_Values = Callable[[JSON], dict[str, float]]
"""An interval -> class of a part -> its value."""


def charts(sums: JSON) -> list[Chart]:
    """Of what `stats` told: calls and failures, tokens, time until the end and the first chunk."""
    drawn: tuple[tuple[str, str, _Values], ...] = (
        ("Calls", "", lambda each: _split(each, "requests", "failed")),
        ("Tokens", "", _tokens),
        ("Mean time to the end", " ms", lambda each: _one(each, "duration_ms")),
        ("Mean time to the first chunk", " ms", lambda each: _one(each, "first_chunk_ms")),
    )
    intervals = sums["intervals"]
    return [_chart(title, unit, intervals, sums["until"], values) for title, unit, values in drawn]


def moment(milliseconds: int, form: str = "%Y-%m-%d %H:%M:%S") -> str:
    """Such as `2026-05-01 12:00:00`, in UTC; a moment that no calendar has, as its number."""
    try:
        return datetime.fromtimestamp(milliseconds / 1000, UTC).strftime(form)
    except (ValueError, OverflowError, OSError):
        return str(milliseconds)


def _value(interval: JSON, name: str) -> float:
    value: Any = interval[name]
    return float(value or 0)


def _one(interval: JSON, name: str) -> dict[str, float]:
    return {"first": _value(interval, name)}


def _split(interval: JSON, whole: str, second: str) -> dict[str, float]:
    of_second = _value(interval, second)
    return {"bad": of_second, "first": _value(interval, whole) - of_second}


def _tokens(interval: JSON) -> dict[str, float]:
    return {
        "first": _value(interval, "prompt_tokens"),
        "second": _value(interval, "completion_tokens"),
    }


def _chart(title: str, unit: str, intervals: Sequence[JSON], until: int, values: _Values) -> Chart:
    columns = [(each["start"], values(each)) for each in intervals]
    highest = max((sum(parts.values()) for _, parts in columns), default=0) or 1
    width = WIDTH / max(len(columns), 1)
    bars = tuple(
        Bar(
            round(place * width, 2),
            round(max(width - _GAP, 0.5), 2),
            _stacked(parts, highest),
            _label(start, parts, unit),
        )
        for place, (start, parts) in enumerate(columns)
    )
    begin = moment(columns[0][0], _SHORT) if columns else ""
    return Chart(title, grouped(round(highest)) + unit, bars, begin, moment(until, _SHORT))


def _label(start: int, parts: dict[str, float], unit: str) -> str:
    amounts = " + ".join(grouped(round(part)) for part in parts.values())
    return f"{moment(start, _SHORT)}: {amounts}{unit}"


def _stacked(parts: dict[str, float], highest: float) -> tuple[tuple[str, float, float], ...]:
    stacked = []
    top = float(HEIGHT)
    for name, value in parts.items():
        height = round(value / highest * HEIGHT, 2)
        top = round(top - height, 2)
        if height:
            stacked.append((name, top, height))
    return tuple(stacked)
