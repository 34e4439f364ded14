"""The line for storage: what is said again costs next to nothing."""

from __future__ import annotations

import asyncio

from benchmarks.storage import measure


def test_the_record_stays_within_twice_what_is_newly_said(tmp_path):
    sizes = asyncio.run(measure(tmp_path, 60, "anthropic"))
    assert sizes.database[-1] < 2 * sizes.said[-1]
    assert sizes.whole[-1] > 20 * sizes.database[-1]


def test_the_sixtieth_call_adds_no_more_than_the_thirtieth(tmp_path):
    database = asyncio.run(measure(tmp_path, 60, "openai")).database
    added = [database[end - 1] - database[end - 21] for end in (40, 60)]
    assert added[1] < 1.5 * added[0]
