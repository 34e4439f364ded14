"""Charts, as numbers that a template draws."""

from __future__ import annotations

from inspection.web.charts import HEIGHT, WIDTH, charts, moment

EMPTY = {
    **{"requests": 0, "failed": 0, "prompt_tokens": None, "completion_tokens": None},
    **{"duration_ms": None, "first_chunk_ms": None},
}


def _calls(*intervals):
    told = [
        {**EMPTY, "start": place * 60_000, **interval} for place, interval in enumerate(intervals)
    ]
    return charts({"intervals": told, "until": len(told) * 60_000})


def test_failures_stand_below_the_calls_that_went_well():
    calls = _calls({"requests": 4, "failed": 1}, {"requests": 2})[0]
    assert calls.highest == "4"
    assert calls.bars[0].parts == (
        ("bad", HEIGHT * 0.75, HEIGHT * 0.25),
        ("first", 0, HEIGHT * 0.75),
    )
    assert calls.bars[1].parts == (("first", HEIGHT / 2, HEIGHT / 2),)


def test_bars_stand_side_by_side_over_the_whole_width():
    calls = _calls(*({"requests": 1} for _ in range(4)))[0]
    assert [bar.x for bar in calls.bars] == [0, WIDTH / 4, WIDTH / 2, WIDTH * 3 / 4]
    assert all(bar.width < WIDTH / 4 for bar in calls.bars)


def test_an_interval_without_anything_has_a_place_and_no_bar():
    tokens = _calls({"prompt_tokens": 3, "completion_tokens": 1}, {})[1]
    assert [len(bar.parts) for bar in tokens.bars] == [2, 0]


def test_nothing_at_all_can_be_drawn():
    assert [chart.bars for chart in _calls()] == [()] * 4


def test_a_bar_says_what_it_stands_for():
    tokens = _calls({"prompt_tokens": 3000, "completion_tokens": 20})[1]
    assert tokens.bars[0].label == "1970-01-01 00:00: 3 000 + 20"


def test_a_moment_that_no_calendar_has_is_its_number():
    assert moment(10**18) == "1000000000000000000"
