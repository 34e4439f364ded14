"""Where the database lies and how it is opened."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from peewee import OperationalError, PostgresqlDatabase

import migrations
from recording import database as database_module
from recording.database import RecordDatabase, batches, give_back


def _mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


@pytest.fixture
def opened(tmp_path):
    record = RecordDatabase(f"sqlite:///{tmp_path / 'chats.db'}")
    record.open()
    yield record
    record.close()


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("chats.db", "`chats.db` is not a database URL"),
        ("mysql://h/db", "is not a database URL that can be used"),
        ("sqlite://chats.db", "three slashes"),
        ("postgresql://me:pw@h:x/db", "//…@h:x/db` cannot be read"),
        ("sqlite:////no/such/folder/chats.db", "the folder `/no/such/folder` does not exist"),
    ],
)
def test_a_url_that_cannot_be_used_is_refused_with_its_reason(url, reason):
    with pytest.raises(ValueError, match=reason):
        RecordDatabase(url)


def test_a_folder_is_not_a_database(tmp_path):
    with pytest.raises(ValueError, match="is a folder"):
        RecordDatabase(f"sqlite:///{tmp_path}")


def test_a_missing_postgresql_driver_is_named(monkeypatch):
    monkeypatch.setattr(database_module, "find_spec", lambda name: None)
    with pytest.raises(ValueError, match="psycopg"):
        RecordDatabase("postgresql://me@localhost/chats")


def test_a_postgresql_url_is_understood(monkeypatch):
    monkeypatch.setattr(database_module, "find_spec", lambda name: name)
    record = RecordDatabase("postgresql://me@localhost/chats")
    assert isinstance(record.database, PostgresqlDatabase)
    assert (record.path, record.spill_path) == (None, Path("chats.spill"))


def test_the_files_are_for_nobody_else_whatever_the_umask(tmp_path):
    before = os.umask(0)
    try:
        record = RecordDatabase(f"sqlite:///{tmp_path / 'chats.db'}")
        record.open()
        modes = {path.name: _mode(path) for path in tmp_path.iterdir()}
        record.close()
    finally:
        os.umask(before)
    assert modes == {"chats.db": 0o600, "chats.db-wal": 0o600, "chats.db-shm": 0o600}


@pytest.mark.parametrize(
    ("pragma", "value"),
    [("journal_mode", "wal"), ("synchronous", 1), ("foreign_keys", 1), ("auto_vacuum", 2)],
)
def test_the_database_is_set_up_for_one_writer_and_many_readers(opened, pragma, value):
    assert opened.database.pragma(pragma) == value


def test_an_existing_database_is_opened_as_it_is(opened, tmp_path):
    opened.database.execute_sql("INSERT INTO sessions VALUES ('s',0,0,0,0,0,0,0,0)")
    opened.open()
    assert opened.database.execute_sql("SELECT id FROM sessions").fetchall() == [("s",)]


def test_a_file_that_is_there_is_not_gone(opened):
    assert not opened.is_gone()


def test_a_removed_file_is_gone(opened):
    opened.path.unlink()
    assert opened.is_gone()


def test_a_replaced_file_is_gone(opened, tmp_path):
    other = tmp_path / "other.db"
    other.write_bytes(b"")
    other.replace(opened.path)
    assert opened.is_gone()


def test_a_lock_is_not_waited_for_longer_than_a_call_may_wait(opened):
    other = sqlite3.connect(opened.path, isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    with pytest.raises(Exception, match="locked"):
        opened.database.begin("IMMEDIATE")
    assert database_module.BUSY_MS < 25
    other.close()


def test_an_sqlite_without_fts5_is_told_plainly(tmp_path, monkeypatch):
    # As good as without: SQLite says the same of any module that it was built without.
    statements = [
        each.replace("fts5", "fts5_that_is_not_there") for each in migrations._M003_SQLITE
    ]
    monkeypatch.setattr(migrations, "_M003_SQLITE", statements)
    record = RecordDatabase(f"sqlite:///{tmp_path / 'chats.db'}")
    with pytest.raises(OperationalError, match="built without FTS5"):
        record.open()


def _free_pages(database):
    return database.execute_sql("PRAGMA freelist_count").fetchone()[0]


def test_free_pages_are_given_back_as_many_as_asked_for(opened):
    database = opened.database
    database.execute_sql("CREATE TABLE large AS SELECT zeroblob(500000) AS body")
    database.execute_sql("DROP TABLE large")
    free = _free_pages(database)
    give_back(database, 50)
    assert (free > 100, _free_pages(database)) == (True, free - 50)


def test_free_pages_of_a_locked_database_are_an_error_as_any_other(opened):
    opened.database.execute_sql("CREATE TABLE large AS SELECT zeroblob(500000) AS body")
    opened.database.execute_sql("DROP TABLE large")
    other = sqlite3.connect(opened.path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(OperationalError, match="locked"):
        give_back(opened.database, 50)
    other.close()


def test_whoever_comes_and_goes_leaves_what_is_open_alone(opened):
    reader = RecordDatabase(f"sqlite:///{opened.path}")
    reader.open_to_read()
    reader.database.execute_sql("SELECT COUNT(*) FROM sessions").fetchall()
    opened.open()
    opened.database.execute_sql("SELECT COUNT(*) FROM sessions").fetchall()
    log = opened.path.with_name("chats.db-wal")
    before = log.stat().st_ino
    script = (
        "import sqlite3, sys; c = sqlite3.connect(sys.argv[1]); c.execute('SELECT * FROM sessions')"
    )
    subprocess.run([sys.executable, "-c", f"{script}; c.close()", opened.path], check=True)
    assert (log.exists() and log.stat().st_ino) == before
    reader.close()


@pytest.mark.parametrize(
    ("items", "lists"), [("", []), ("ab", ["ab"]), ("abc", ["abc"]), ("abcd", ["abc", "d"])]
)
def test_items_come_in_lists_of_so_many(items, lists):
    assert [*batches(iter(items), 3)] == [[*each] for each in lists]
