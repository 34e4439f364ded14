"""The record as the pages reach it."""

from __future__ import annotations

import pytest
from peewee import DatabaseError

from inspection.web.record import Backlog, Record, UnreadableError
from recording.database import RecordDatabase
from recording.refusals import note
from tests.records import request_row


def test_a_look_needs_a_record(tmp_path):
    record = Record(f"sqlite:///{tmp_path / 'chats.db'}")
    with pytest.raises(UnreadableError, match=r"chats\.db"), record.opened():
        pass
    assert [*tmp_path.iterdir()] == []


def test_a_database_in_memory_belongs_to_another(tmp_path):
    with pytest.raises(UnreadableError, match="memory"), Record("sqlite:///:memory:").opened():
        pass


def test_a_file_that_is_replaced_is_looked_at_anew(tmp_path):
    path = tmp_path / "chats.db"
    record = Record(f"sqlite:///{path}")
    store = RecordDatabase(f"sqlite:///{path}")
    store.open()
    store.close()
    with record.opened() as database:
        assert database.table_exists("requests")
    for file in tmp_path.glob("chats.db*"):
        file.unlink()
    path.write_bytes(b"nonsense" * 1000)
    with pytest.raises(DatabaseError), record.opened() as database:
        database.table_exists("requests")


def test_what_is_not_in_the_database_is_counted(tmp_path):
    record = Record(f"sqlite:///{tmp_path / 'chats.db'}", lambda: 2)
    assert record.backlog() == Backlog(2, 0)
    (tmp_path / "chats.db.spill").write_text("{}\n{}\n")
    (tmp_path / "chats.db.spill.1").write_text("{}\n")
    note(tmp_path / "chats.db.refused", request_row("r"), ValueError())
    assert record.backlog() == Backlog(3, 1)
