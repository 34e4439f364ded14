"""Sums over calls: by state, by model, and over time."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from peewee import SQL, Database, fn

from inspection.summary import UNANSWERED
from inspection.web.filters import Filter
from inspection.web.queries import conditions
from models import Exchange, now_ms
from transforms.contract import JSON

_MINUTE_MS = 60_000
WIDTHS_MS = tuple(_MINUTE_MS * count for count in (1, 5, 15, 60, 360, 1440, 10_080, 43_200))
"""From a minute to 30 days; an interval of a chart has one of these."""

_MOST_INTERVALS = 60

_SUMMED = {
    "prompt_tokens": Exchange.prompt_tokens,
    "completion_tokens": Exchange.completion_tokens,
    "cached_tokens": Exchange.cached_tokens,
    "reasoning_tokens": Exchange.reasoning_tokens,
    "cost_usd": Exchange.cost_usd,
}
_TIMED = {"duration_ms": Exchange.duration_ms, "first_chunk_ms": Exchange.first_chunk_ms}


def stats(database: Database, asked: Filter) -> JSON:
    """Sums over the calls that the filter takes; what no provider reported is null.

    `since` and `until` are the limits of the first and the last interval, `interval_ms` the width
    of each; an interval without a call is in the list, too.
    """
    wanted = conditions(database, asked)
    since, until = _limits(database, asked, wanted)
    width = _width(until - since)
    groups = _groups(database, wanted, width)
    return {
        "since": since - since % width,
        "until": until,
        "interval_ms": width,
        **_summed(groups),
        "sessions": _sessions(database, wanted),
        "states": _counts(groups, "state"),
        "models": _by_model(groups),
        "intervals": _intervals(groups, since, until, width),
    }


def _limits(database: Database, asked: Filter, wanted: list[Any]) -> tuple[int, int]:
    """The first moment, and the first one after the last."""
    until = now_ms() if asked.until is None else asked.until
    if asked.since is not None:
        return min(asked.since, until), until
    query = Exchange.select(fn.MIN(Exchange.timestamp).alias("first"))
    query = query.where(*wanted) if wanted else query
    (row,) = query.dicts().execute(database)
    return min(until if row["first"] is None else row["first"], until), until


def _width(span_ms: int) -> int:
    for width in WIDTHS_MS:
        if span_ms <= width * _MOST_INTERVALS:
            return width
    return WIDTHS_MS[-1] * (span_ms // (WIDTHS_MS[-1] * _MOST_INTERVALS) + 1)


def _groups(database: Database, wanted: list[Any], width: int) -> list[JSON]:
    """The one look at all the rows: sums by provider, model, state and interval."""
    # `%` would be LIKE here; of whole numbers, both databases keep the whole part.
    start = (Exchange.timestamp / width * width).alias("start")
    keys = (Exchange.provider, Exchange.provider_model, Exchange.state)
    columns = [
        *(fn.SUM(column).alias(name) for name, column in {**_SUMMED, **_TIMED}.items()),
        *(fn.COUNT(column).alias(f"{name}_count") for name, column in _TIMED.items()),
    ]
    query = Exchange.select(*keys, start, fn.COUNT(Exchange.id).alias("requests"), *columns)
    query = query.where(*wanted) if wanted else query
    return list(query.group_by(*keys, SQL("start")).dicts().execute(database))


def _sessions(database: Database, wanted: list[Any]) -> int:
    query = Exchange.select(fn.COUNT(fn.DISTINCT(Exchange.session_id)).alias("count"))
    (row,) = (query.where(*wanted) if wanted else query).dicts().execute(database)
    return int(row["count"])


def _summed(groups: Iterable[JSON]) -> JSON:
    """The sums of several groups, and the mean of what is a time."""
    groups = list(groups)
    sums: JSON = {
        "requests": sum(group["requests"] for group in groups),
        "failed": sum(group["requests"] for group in groups if group["state"] == "failed"),
    }
    for name in _SUMMED:
        known = [_number(group[name]) for group in groups if group[name] is not None]
        sums[name] = sum(known) if known else None
    for name in _TIMED:
        count = sum(group[f"{name}_count"] for group in groups)
        total = sum(_number(group[name] or 0) for group in groups)
        sums[name] = round(total / count) if count else None
    return sums


def _number(value: Any) -> int | float:
    """A sum as PostgreSQL tells it may be a Decimal."""
    return value if isinstance(value, int | float) else int(value)


def _counts(groups: list[JSON], name: str) -> dict[str, int]:
    counts: dict[str, int] = {}
    for group in groups:
        key = group[name] or UNANSWERED
        counts[key] = counts.get(key, 0) + group["requests"]
    return counts


def _by_model(groups: list[JSON]) -> list[JSON]:
    """Each provider's model with its sums, the most used first."""
    models: dict[tuple[str, str], list[JSON]] = {}
    for group in groups:
        models.setdefault((group["provider"], group["provider_model"]), []).append(group)
    rows = [
        {"provider": provider, "model": model, **_summed(of_model)}
        for (provider, model), of_model in models.items()
    ]
    return sorted(rows, key=lambda row: -row["requests"])


def _intervals(groups: list[JSON], since: int, until: int, width: int) -> list[JSON]:
    by_start: dict[int, list[JSON]] = {}
    for group in groups:
        by_start.setdefault(group["start"], []).append(group)
    starts = range(since - since % width, max(until, since + 1), width)
    return [{"start": start, **_summed(by_start.get(start, []))} for start in starts]
