"""What is left of the record when the proxy is killed; `benchmarks.kills` does it 200 times."""

from __future__ import annotations

import asyncio

from benchmarks.kills import kill_often


def test_a_killed_proxy_loses_no_call_and_no_more_than_the_last_second(tmp_path):
    report = asyncio.run(kill_often(4, tmp_path / "killed"))
    assert report.kills == 4
    assert report.seen > 0
    assert (report.missing, report.unmarked, report.broken) == ([], [], 0)
    assert report.cut > 0
    assert report.lost_seconds < 1
