"""What a list may be asked for."""

from __future__ import annotations

import pytest

from inspection.web.filters import Filter, FilterError, parse


def test_all_filters_are_read():
    given = {
        **{"model": "gpt-4o", "provider": "anthropic", "session": "s", "state": "failed"},
        **{"since": "1", "until": "2", "q": "two words", "limit": "7", "after": "r"},
    }
    assert parse(given) == Filter("gpt-4o", "anthropic", "s", "failed", 1, 2, "two words", 7, "r")


def test_an_empty_value_asks_for_nothing():
    assert parse({"model": "", "q": "  ", "since": ""}) == Filter()


@pytest.mark.parametrize(
    ("text", "milliseconds"),
    [
        ("1795721526051", 1795721526051),
        ("0", 0),
        ("2026-11-26", 1795651200000),
        ("2026-11-26T19:32:06Z", 1795721526000),
        ("2026-11-26T19:32:06", 1795721526000),
        ("2026-11-26T20:32:06+01:00", 1795721526000),
    ],
)
def test_a_moment_is_milliseconds_or_a_date_in_utc(text, milliseconds):
    assert parse({"since": text}).since == milliseconds


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("limit", "0"),
        ("limit", "501"),
        ("limit", "-1"),
        ("limit", "many"),
        ("limit", "9" * 5000),
        ("state", "done"),
        ("since", "yesterday"),
        ("until", "-5"),
        ("until", "9" * 20),
        ("colour", "red"),
    ],
)
def test_what_cannot_be_used_is_named(name, value):
    with pytest.raises(FilterError, match=f"`{name}`") as refused:
        parse({name: value})
    assert refused.value.name == name
