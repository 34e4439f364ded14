"""Forgetting, oldest sessions first, in small steps."""

from __future__ import annotations

import time

import pytest

from recording import retention
from recording.database import RecordDatabase
from recording.retention import DAY_MS, Retention
from recording.rows import write_row
from recording.search import index, search
from recording.weighing import measured_bytes
from tests.records import request_row, response_row

NOW_MS = time.time_ns() // 1_000_000


@pytest.fixture
def database(tmp_path):
    record = RecordDatabase(f"sqlite:///{tmp_path / 'chats.db'}")
    record.open()
    yield record.database
    record.close()


def _fill(database, session, *, days_ago, requests=1, size=10, answered=True):
    at = NOW_MS - days_ago * DAY_MS
    with database.atomic():
        for number in range(requests):
            name = f"{session}-{number}"
            body = f'"{f"{name} " * (size // len(name))}"'
            write_row(
                database,
                request_row(name, explicit_session=session, created_at=at, openai_request=body),
            )
            if answered:
                write_row(database, response_row(name, timestamp=at))


def _sessions(database):
    rows = database.execute_sql("SELECT id FROM sessions ORDER BY id").fetchall()
    return [name for (name,) in rows]


def _free_pages(database):
    return database.execute_sql("PRAGMA freelist_count").fetchone()[0]


def _until_done(kept, database):
    steps = 1
    while kept.step(database, idle=True):
        steps += 1
    return steps


def test_without_limits_there_is_nothing_to_do(database):
    _fill(database, "old", days_ago=9000)
    kept = Retention()
    assert (kept.due_in(), kept.step(database, idle=True)) == (None, False)
    assert _sessions(database) == ["old"]


def test_sessions_unused_for_too_long_go_with_all_that_hangs_on_them(database):
    _fill(database, "old", days_ago=8, requests=20)
    _fill(database, "new", days_ago=6)
    _until_done(Retention(keep_days=7), database)
    names = database.execute_sql("SELECT request_id FROM exchanges").fetchall()
    assert (_sessions(database), names) == (["new"], [("new-0",)])


def test_the_oldest_sessions_go_until_the_rest_fits(database):
    for days in (3, 2, 1):
        _fill(database, f"{days} days", days_ago=days, requests=5, size=100_000)
    _until_done(Retention(keep_mb=1), database)
    assert _sessions(database) == ["1 days", "2 days"][: len(_sessions(database))]
    assert measured_bytes(database) <= 1_000_000


def test_space_is_given_back(database, tmp_path):
    _fill(database, "old", days_ago=8, requests=20, size=100_000)
    database.execute_sql("PRAGMA wal_checkpoint(TRUNCATE)")
    before = (tmp_path / "chats.db").stat().st_size
    _until_done(Retention(keep_days=7), database)
    database.execute_sql("PRAGMA wal_checkpoint(TRUNCATE)")
    assert (tmp_path / "chats.db").stat().st_size < before / 10


def test_nothing_is_left_of_bodies_that_are_gone(database):
    _fill(database, "old", days_ago=8, requests=20, size=5000)
    while index(database, 1.0):
        pass
    _until_done(Retention(keep_days=7), database)
    tables = ("segments", "loose", "unsaid", "said_docsize", "chains", "parts")
    counts = [
        database.execute_sql(f"SELECT COUNT(*) FROM {table}").fetchone()[0] for table in tables
    ]
    assert counts == [0, 0, 0, 0, 1, 1]


def test_what_is_gone_is_merged_out_of_the_index(database):
    for number in range(12):
        _fill(database, f"old {number}", days_ago=8, size=3000)
        _fill(database, f"new {number}", days_ago=1, size=3000)
        while index(database, 1.0):
            pass
    before = _stretches(database)
    _until_done(Retention(keep_days=7), database)
    assert before >= 12
    assert _stretches(database) <= 3
    assert len(search(database, "new")) == 12
    assert search(database, "old") == []


def _stretches(database):
    return database.execute_sql("SELECT COUNT(DISTINCT segid) FROM said_idx").fetchone()[0]


def test_what_others_removed_is_swept_without_a_limit_too(database):
    _fill(database, "old", days_ago=8, requests=3, size=5000)
    database.execute_sql("DELETE FROM sessions")
    _until_done(Retention(), database)
    assert database.execute_sql("SELECT COUNT(*) FROM parts").fetchone() == (1,)


@pytest.mark.parametrize("requests", [200, 800])
def test_a_step_changes_few_rows_however_many_are_too_old(database, requests):
    _fill(database, "old", days_ago=8, requests=requests, size=5000)
    kept, most, more = Retention(keep_days=7), 0, True
    connection = database.connection()
    while more:
        before = connection.total_changes
        more = kept.step(database, idle=True)
        most = max(most, connection.total_changes - before)
    assert _sessions(database) == []
    assert 0 < most < 200


def test_a_step_gives_back_many_pages_but_not_all(database):
    _fill(database, "old", days_ago=8, requests=20, size=100_000)
    kept, given = Retention(keep_days=7), [0]
    free = _free_pages(database)
    while kept.step(database, idle=True):
        before, free = free, _free_pages(database)
        given.append(before - free)
    assert free == 0
    assert max(given) == 64


def test_a_slow_step_makes_the_next_one_smaller(database, monkeypatch):
    _fill(database, "old", days_ago=8, requests=7)
    monkeypatch.setattr(retention, "_STEP_MS", 0)
    kept = Retention(keep_days=7)
    for _ in range(2):
        kept.step(database, idle=True)
    kept.step(database, idle=True)
    assert _sessions(database) == []


def test_a_call_in_flight_keeps_its_session(database):
    _fill(database, "talking", days_ago=0, requests=20, size=100_000, answered=False)
    _until_done(Retention(keep_mb=1), database)
    assert _sessions(database) == ["talking"]


def test_while_rows_come_a_step_is_rare(database):
    _fill(database, "old", days_ago=8, requests=200)
    kept = Retention(keep_days=7)
    assert kept.step(database, idle=False)
    assert not kept.step(database, idle=False)
    assert kept.step(database, idle=True)
