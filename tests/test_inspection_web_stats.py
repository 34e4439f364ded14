"""Sums over calls, in a file and in PostgreSQL."""

from __future__ import annotations

import pytest

from inspection.web.filters import Filter
from inspection.web.stats import WIDTHS_MS, stats
from tests.test_inspection_web_queries import BEGAN, record

MINUTE_MS = 60_000


@pytest.fixture
def told(database):
    """Of four calls within three minutes."""
    tokens = {"prompt_tokens": 10, "completion_tokens": 5}
    record(database, "one", duration_ms=100, first_chunk_ms=30, **tokens)
    record(database, "two", session="t", duration_ms=300, **tokens, cached_tokens=4)
    record(
        database, "three", at=BEGAN + 2 * MINUTE_MS, state="failed", provider="ollama",
        provider_model="qwen3", duration_ms=8,
    )  # fmt: skip
    record(database, "four", at=BEGAN + 2 * MINUTE_MS, answered=False)
    return stats(database, Filter(since=BEGAN, until=BEGAN + 3 * MINUTE_MS))


def test_all_calls_are_summed(told):
    assert (told["requests"], told["failed"], told["sessions"]) == (4, 1, 2)
    assert (told["prompt_tokens"], told["completion_tokens"]) == (20, 10)
    assert (told["duration_ms"], told["first_chunk_ms"]) == (136, 30)


def test_what_nobody_reported_is_null(told):
    assert (told["cached_tokens"], told["reasoning_tokens"], told["cost_usd"]) == (4, None, None)


def test_states_are_counted(told):
    assert told["states"] == {"complete": 2, "failed": 1, "unanswered": 1}


def test_models_are_told_apart(told):
    rows = [(row["provider"], row["model"], row["requests"]) for row in told["models"]]
    assert rows == [("anthropic", "claude-sonnet-4-5", 3), ("ollama", "qwen3", 1)]
    assert told["models"][1]["failed"] == 1


def test_time_is_cut_into_intervals_of_one_width(told):
    assert told["interval_ms"] == MINUTE_MS
    starts = [each["start"] for each in told["intervals"]]
    assert starts == [told["since"] + place * MINUTE_MS for place in range(len(starts))]
    assert sum(each["requests"] for each in told["intervals"]) == 4


def test_an_interval_without_a_call_is_there(told):
    assert [each["requests"] for each in told["intervals"]][-3:] == [0, 2, 0]


@pytest.mark.parametrize("width", WIDTHS_MS)
def test_a_longer_time_has_wider_intervals(database, width):
    told = stats(database, Filter(since=BEGAN, until=BEGAN + 60 * width))
    assert told["interval_ms"] == width
    assert len(told["intervals"]) <= 61


def test_without_a_time_all_is_summed(database):
    record(database, "one", at=MINUTE_MS)
    told = stats(database, Filter())
    assert (told["requests"], told["since"]) == (1, 0)
    assert len(told["intervals"]) <= 61


def test_an_empty_record_has_sums(database):
    told = stats(database, Filter())
    assert (told["requests"], told["sessions"], told["models"]) == (0, 0, [])
