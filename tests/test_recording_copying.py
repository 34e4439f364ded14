"""Carrying the record from one database to another."""

from __future__ import annotations

import pytest

from models import TABLES, Model
from recording.copying import ForeignDatabaseError, copy_record
from recording.database import RecordDatabase
from recording.rows import write_row
from recording.state_rows import StateRow
from tests.records import request_row, response_row


@pytest.fixture
def open_record(tmp_path):
    """Opens databases by URL, or new ones of SQLite."""
    opened = []

    def open_(url=None):
        record = RecordDatabase(url or f"sqlite:///{tmp_path / f'{len(opened)}.db'}")
        record.open()
        opened.append(record)
        return record.database

    yield open_
    for record in opened:
        record.close()


@pytest.fixture(params=["sqlite", "postgresql"])
def target(request, open_record):
    return open_record(
        request.getfixturevalue("postgres_url") if request.param == "postgresql" else None
    )


@pytest.fixture
def source(open_record):
    database = open_record()
    for number in range(30):
        _record(database, f"s{number // 3}", f"r{number:02}")
    return database


def _record(database, session, name, **changes):
    with database.atomic():
        asked = request_row(name, explicit_session=session, digest=name.encode().hex())
        write_row(database, asked)
        answer = {
            "openai_response": '{"text": "Grüße 🌍"}',
            "turns": ["ab"],
            "pieces": [(3, b"\0\xff")],
            "states": [StateRow(0, "anthropic", [f"call:{name}"], "{}")],
        }
        write_row(database, response_row(name, **{**answer, **changes}))


def _content(database, model: type[Model]):
    key = model._meta.primary_key
    names = [field.column_name for field in model._meta.sorted_fields]
    order = ", ".join(getattr(key, "field_names", None) or [key.column_name])
    sql = f"SELECT {', '.join(names)} FROM {model._meta.table_name} ORDER BY {order}"
    return sorted(database.execute_sql(sql).fetchall(), key=str)


def _contents(database):
    return {model._meta.table_name: _content(database, model) for model in TABLES}


def _copy(source, target, tell=lambda *told: None):
    return copy_record(source, target, tell)


def test_tables_are_named_after_those_they_hang_on():
    for place, model in enumerate(TABLES):
        parents = {parent for parent in model._meta.refs.values() if parent is not model}
        assert parents <= {*TABLES[:place]}


def test_every_table_is_copied_as_it_is(source, target):
    counts = _copy(source, target)
    assert _contents(target) == _contents(source)
    assert counts["requests"] == (30, 30)
    assert counts["pieces"] == (30, 30)
    assert all(there == here for there, here in counts.values())


def test_the_way_back_gives_the_same(source, target, open_record):
    _copy(source, target)
    back = open_record()
    _copy(target, back)
    assert _contents(back) == _contents(source)


def test_the_view_gives_the_same_exchanges(source, target):
    _copy(source, target)
    sql = "SELECT request_id, openai_response, session_id, stream FROM exchanges ORDER BY id"
    assert target.execute_sql(sql).fetchall() == source.execute_sql(sql).fetchall()


def test_a_copy_that_was_stopped_goes_on(source, target, monkeypatch):
    monkeypatch.setattr("recording.copying._MOST_VALUES", 100)
    monkeypatch.setattr("recording.copying._LOOKED_AT_AGAIN", 2)
    told = []

    def stop_at_ten(table, done, total):
        told.append((table, done, total))
        if table == "requests" and done >= 10:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        _copy(source, target, stop_at_ten)
    written = told[-1][1]
    assert target.execute_sql("SELECT COUNT(*) FROM requests").fetchone() == (written,)
    told.clear()
    _copy(source, target, lambda *each: told.append(each))
    assert ("requests", written - 2, 30) == next(each for each in told if each[0] == "requests")
    assert _contents(target) == _contents(source)


def test_a_later_copy_brings_what_was_added_changed_and_forgotten(source, target):
    _record(source, "s9", "late", state="streaming", turns=[])
    _copy(source, target)
    _record(source, "s9", "late", state="complete", openai_response='{"whole": true}')
    _record(source, "new", "more")
    source.execute_sql("DELETE FROM sessions WHERE id = 's0'")
    _copy(source, target)
    assert _contents(target) == _contents(source)


def test_new_rows_are_numbered_after_the_copied_ones(source, target):
    _copy(source, target)
    _record(target, "s1", "afterwards")
    numbers = target.execute_sql("SELECT id FROM requests ORDER BY id DESC LIMIT 2").fetchall()
    assert numbers == [(31,), (30,)]


def test_a_record_of_its_own_is_not_mixed_with_another(source, target):
    _record(target, "own", "own")
    before = _contents(target)
    with pytest.raises(ForeignDatabaseError, match="request own"):
        _copy(source, target)
    assert _contents(target) == before


def test_a_copy_that_was_written_to_is_no_copy_any_more(source, target):
    _copy(source, target)
    _record(target, "own", "own")
    with pytest.raises(ForeignDatabaseError, match="written to since"):
        _copy(source, target)


def test_what_is_written_meanwhile_waits_for_the_next_copy(source, target, open_record, tmp_path):
    writer = open_record(f"sqlite:///{tmp_path / '0.db'}")

    def write(table, done, total):
        _record(writer, f"during {table}", f"{table} {done}")

    assert _copy(source, target, write)["requests"] == (30, 30)
    _copy(source, target)
    assert _contents(target) == _contents(source)
