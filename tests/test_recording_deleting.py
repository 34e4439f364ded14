"""Deleting a session by hand, in a file and in PostgreSQL."""

from __future__ import annotations

from inspection.web.filters import Filter
from inspection.web.queries import requests, sessions
from recording.deleting import delete_session
from recording.search import index, search
from tests.test_inspection_web_queries import record

LONG = "What only this session says. " * 500


def _count(database, table):
    return database.execute_sql(f"SELECT COUNT(*) FROM {table}").fetchone()[0]


def test_a_session_goes_with_all_that_hangs_on_it(database):
    record(database, "kept", session="kept", text="Something else.")
    before = {table: _count(database, table) for table in ("parts", "chains", "segments")}
    for number in range(20):
        record(database, f"gone {number}", session="gone", text=f"{LONG} {number}")
    while index(database, 1.0):
        pass
    assert delete_session(database, "gone")
    assert [row["id"] for row in sessions(database, Filter()).rows] == ["kept"]
    assert [row["request_id"] for row in requests(database, Filter()).rows] == ["kept"]
    assert {table: _count(database, table) for table in before} == before
    assert search(database, "only") == []


def test_there_may_be_no_such_session(database):
    assert not delete_session(database, "nothing")
