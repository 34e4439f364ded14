"""Log lines that come once, and then only now and then."""

from __future__ import annotations

import logging

import pytest

from recording.rare_log import EVERY_S, RareLog


@pytest.fixture
def clock(monkeypatch):
    now = [0.0]
    monkeypatch.setattr("recording.rare_log.time.monotonic", lambda: now[0] + 1.0)
    return now


@pytest.fixture
def log():
    return RareLog(logging.getLogger("rare"))


def test_the_first_line_comes_at_once_and_the_next_is_held_back(log, clock, caplog):
    log.warning("lost %d", 1)
    log.warning("lost %d", 2)
    assert caplog.messages == ["lost 1"]


def test_held_back_lines_are_counted_in_the_next(log, clock, caplog):
    for number in range(3):
        log.warning("lost %d", number)
    clock[0] += EVERY_S
    log.warning("lost %d", 9)
    assert caplog.messages == ["lost 0", "lost 9 (2 more like this since the last such line)"]


def test_the_end_is_told_only_of_what_was_told(log, clock, caplog):
    log.over("back")
    log.warning("away")
    log.over("back")
    assert caplog.messages == ["away", "back"]
