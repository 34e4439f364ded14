"""What the record takes: told by pages on SQLite, weighed in stretches on PostgreSQL."""

from __future__ import annotations

import json
import random

import pytest

from recording import weighing
from recording.database import RecordDatabase
from recording.retention import Retention
from recording.rows import write_row
from recording.search import index
from recording.weighing import PageScales, RowScales, measured_bytes, scales_for
from tests.records import request_row, response_row, said

WORDS = [f"{first}{second}" for first in ("ka", "lo", "mi", "shu") for second in ("ra", "ten", "o")]


@pytest.fixture
def open_postgres(postgres_url):
    """Opens another connection to the same database."""
    opened = []

    def connect():
        opened.append(RecordDatabase(postgres_url))
        opened[-1].open()
        return opened[-1].database

    yield connect
    for record in opened:
        record.close()


@pytest.fixture
def database(open_postgres):
    return open_postgres()


def _fill(database, sessions=30, requests=4, size=30_000):
    """Sessions of which the first is the oldest; no two say the same."""
    words = random.Random(sessions)
    with database.atomic():
        for session in range(sessions):
            for number in range(requests):
                name = f"{sessions}-{session}-{number}"
                text = " ".join(words.choices(WORDS, k=size // 4))
                at = 1_000_000 + session
                asked = request_row(
                    name, explicit_session=f"{sessions}-{session}", created_at=at,
                    openai_request=json.dumps(said(f"{name} {text}")),
                )  # fmt: skip
                write_row(database, asked)
                write_row(database, response_row(name, timestamp=at))
    while index(database, 1.0):
        pass


def _sessions(database):
    rows = database.execute_sql("SELECT id FROM sessions ORDER BY last_accessed").fetchall()
    return [name for (name,) in rows]


def _weighed(database):
    scales = RowScales()
    assert scales.claim(database)
    stretches = 0
    while scales.weigh(database):
        stretches += 1
    return scales, stretches


def _until_done(instances):
    """Lets instances, each on its connection, take turns."""
    busy = True
    while busy:
        busy = any([kept.step(database, idle=True) for kept, database in instances])


def test_each_database_has_its_scales(database, tmp_path):
    record = RecordDatabase(f"sqlite:///{tmp_path / 'chats.db'}")
    kinds = (type(scales_for(record.database)), type(scales_for(database)))
    assert kinds == (PageScales, RowScales)


def test_sqlite_tells_its_pages_without_those_that_are_free(tmp_path):
    record = RecordDatabase(f"sqlite:///{tmp_path / 'chats.db'}")
    record.open()
    before = PageScales().total(record.database)
    record.database.execute_sql("CREATE TABLE large AS SELECT zeroblob(500000) AS body")
    with_it = PageScales().total(record.database)
    record.database.execute_sql("DROP TABLE large")
    assert (with_it - before > 500_000, PageScales().total(record.database)) == (True, before)
    record.close()


def test_stretches_weigh_what_one_look_at_all_rows_does(database, monkeypatch):
    monkeypatch.setattr(weighing, "_FIRST_PAGES", 1)
    monkeypatch.setattr(weighing, "_MOST_PAGES", 1)
    _fill(database, sessions=2, requests=100, size=2000)
    scales, stretches = _weighed(database)
    assert scales.total(database) == measured_bytes(database) > 100_000
    assert stretches > 2 * len(weighing._COLUMNS)


def test_long_parts_are_compressed_by_the_server(database):
    _fill(database, sessions=1, requests=1)
    sql = (
        "SELECT pg_column_size(body) * 2 < octet_length(body) FROM parts WHERE length(body) > 2000"
    )
    assert {*database.execute_sql(sql).fetchall()} == {(True,)}


def test_a_stretch_reads_its_own_pages_alone(database):
    _fill(database, sessions=1, requests=1)
    sql = f"EXPLAIN SELECT {weighing._WEIGHT['parts']}{weighing._STRETCH}"
    plan = database.execute_sql(sql.replace("?", "%s"), ("(0,0)", "(9,0)")).fetchall()
    assert any("Tid Range Scan on parts" in line for (line,) in plan)


def test_rows_of_other_programs_are_not_weighed(database):
    _fill(database, sessions=1, requests=1)
    before = measured_bytes(database)
    database.execute_sql("CREATE TABLE theirs AS SELECT repeat('x', 500000) AS body")
    assert measured_bytes(database) == before


def test_what_is_removed_is_taken_off_without_weighing_again(database):
    _fill(database)
    before = measured_bytes(database)
    _until_done([(Retention(keep_mb=1), database)])
    assert before > 1_500_000
    assert 900_000 < measured_bytes(database) <= 1_000_000


def test_dead_rows_weigh_nothing(database):
    _fill(database)
    database.execute_sql("DELETE FROM sessions")
    _until_done([(Retention(), database)])
    scales, _ = _weighed(database)
    assert scales.total(database) == measured_bytes(database) < 1000


def test_only_what_was_asked_since_is_a_reason_to_weigh_again(database, monkeypatch):
    monkeypatch.setattr(weighing, "_SHARE", 0)
    monkeypatch.setattr(weighing, "_RARELY_S", 0)
    _fill(database, sessions=1, requests=1)
    scales, _ = _weighed(database)
    again = scales.weigh(database)
    _fill(database, sessions=2, requests=1)
    assert (again, scales.weigh(database)) == (False, True)


def test_it_is_not_weighed_again_at_once(database):
    _fill(database, sessions=1, requests=1)
    scales, _ = _weighed(database)
    _fill(database, sessions=2, requests=1)
    assert not scales.weigh(database)


def test_of_two_instances_one_removes_at_a_time(database, open_postgres):
    first, second = RowScales(), RowScales()
    other = open_postgres()
    assert (first.claim(database), first.claim(database), second.claim(other)) == (
        True,
        True,
        False,
    )
    first.release(database)
    assert second.claim(other)


def test_what_was_weighed_before_another_instance_removed_is_forgotten(database, open_postgres):
    _fill(database, sessions=1, requests=1)
    scales, _ = _weighed(database)
    known = scales.total(database)
    scales.release(database)
    RowScales().claim(open_postgres())
    assert (known, scales.claim(database), scales.total(database)) == (
        (measured_bytes(database), False, None)
    )


def test_what_was_weighed_on_a_connection_that_is_lost_is_forgotten(database):
    _fill(database, sessions=1, requests=1)
    scales, _ = _weighed(database)
    database.close()
    database.connect()
    assert (scales.claim(database), scales.total(database)) == (True, None)


def test_instances_together_remove_no_more_than_one(database, open_postgres):
    _fill(database)
    every = _sessions(database)
    _until_done([(Retention(keep_mb=1), each) for each in (database, open_postgres())])
    left = _sessions(database)
    assert 900_000 < measured_bytes(database) <= 1_000_000
    assert left == every[-len(left) :]


def test_an_instance_that_waits_says_so_and_goes_on_later(database, open_postgres, monkeypatch):
    monkeypatch.setattr("recording.retention.BUSY_EVERY_S", 0)
    _fill(database)
    scales, other, kept = RowScales(), open_postgres(), Retention(keep_days=1)
    scales.claim(other)
    waited = (kept.step(database, idle=True), kept.waits, len(_sessions(database)))
    scales.release(other)
    _until_done([(kept, database)])
    assert (waited, _sessions(database)) == ((False, True, 30), [])
