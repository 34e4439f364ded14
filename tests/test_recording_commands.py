"""The record by hand: every command as a user runs it."""

from __future__ import annotations

import os
import re
import sqlite3
import subprocess
import sys
import threading
import time
import tracemalloc
from pathlib import Path

import pytest

from recording.commands import waiting_rows
from recording.database import RecordDatabase
from recording.refusals import note
from recording.retention import DAY_MS
from recording.rows import write_row
from tests.proxy import ROOT
from tests.records import request_row, response_row, rows

NOW_MS = time.time_ns() // 1_000_000


@pytest.fixture
def path(tmp_path):
    return tmp_path / "chats.db"


@pytest.fixture
def url(path):
    """A database with an old session and a new one."""
    record = RecordDatabase(f"sqlite:///{path}")
    fill(record)
    return f"sqlite:///{path}"


def fill(record, requests=40, size=20_000):
    """One session of long ago, and one of today."""
    record.open()
    with record.database.atomic():
        for session, at in (("old", NOW_MS - 9 * DAY_MS), ("new", NOW_MS)):
            for number in range(requests):
                name, body = f"{session}-{number}", f'"{session}{number:0{size}}"'
                asked = request_row(
                    name, explicit_session=session, created_at=at, openai_request=body
                )
                write_row(record.database, asked)
                write_row(record.database, response_row(name, timestamp=at))
    record.close()


def run(*arguments, cwd=ROOT):
    """The command in a process of its own."""
    return subprocess.run(
        [sys.executable, "-m", "recording", *map(str, arguments)],
        check=False, capture_output=True, text=True, cwd=cwd, timeout=60,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip


def _sessions(path):
    return [row["id"] for row in rows(path, "SELECT id FROM sessions ORDER BY id")]


def test_prune_by_age_removes_old_sessions_and_gives_space_back(url, path):
    before = path.stat().st_size
    done = run("prune", "--db", url, "--days", 7)
    assert done.returncode == 0, done.stderr
    assert "removed 1 sessions with 40 requests; 1 sessions with 40 requests left" in done.stdout
    assert "requests left" in done.stderr
    assert _sessions(path) == ["new"]
    assert path.stat().st_size < before * 0.6


def test_prune_by_size_removes_the_oldest(url, path):
    done = run("prune", "--db", url, "--mb", 1)
    assert done.returncode == 0, done.stderr
    assert _sessions(path) == ["new"]


def test_prune_on_postgresql(postgres_server, postgres_url):
    fill(RecordDatabase(postgres_url))
    done = run("prune", "--db", postgres_url, "--days", 7)
    assert done.returncode == 0, done.stderr
    left = postgres_server.query(postgres_url, "SELECT id FROM sessions")
    assert left == [{"id": "new"}]


def test_prune_by_size_on_postgresql_goes_by_what_the_rows_take(postgres_server, postgres_url):
    record = RecordDatabase(postgres_url)
    fill(record, requests=100, size=6000)
    before = run("check", "--db", postgres_url)
    assert run("prune", "--db", postgres_url, "--mb", 1).stdout.startswith("removed 0 sessions")
    fill_more = (
        "UPDATE requests SET provider_request = "
        "(SELECT string_agg(md5(g::text || id), '') FROM generate_series(1, 200) g)"
    )
    postgres_server.query(postgres_url, fill_more)
    done = run("prune", "--db", postgres_url, "--mb", 1)
    assert done.returncode == before.returncode == 0, done.stderr
    left = "SELECT session_id, COUNT(*) AS n FROM requests GROUP BY session_id"
    kept = {row["session_id"]: row["n"] for row in postgres_server.query(postgres_url, left)}
    assert kept["new"] == 100
    assert kept.get("old", 0) < 80


def test_without_limits_nothing_is_pruned(url, path):
    assert run("prune", "--db", url).stdout.startswith("removed 0 sessions")
    assert _sessions(path) == ["new", "old"]


@pytest.mark.parametrize("option", [(), ("--full",)], ids=["in steps", "full"])
def test_vacuum_gives_free_space_back(url, path, option):
    connection = sqlite3.connect(path)
    connection.execute("DELETE FROM requests")
    connection.execute("DELETE FROM segments")
    connection.execute("DELETE FROM chains WHERE id > 0")
    connection.execute("DELETE FROM parts WHERE id > 0")
    connection.execute("DELETE FROM unsaid")
    connection.commit()
    connection.close()
    before = path.stat().st_size
    done = run("vacuum", "--db", url, *option)
    assert done.returncode == 0, done.stderr
    assert path.stat().st_size < before / 4


def test_vacuum_on_postgresql(postgres_url):
    fill(RecordDatabase(postgres_url), requests=1)
    done = run("vacuum", "--db", postgres_url)
    assert (done.returncode, done.stdout) == (0, "vacuumed\n"), done.stderr


def test_check_of_a_record_in_order(url):
    done = run("check", "--db", url)
    assert (done.returncode, done.stdout) == (
        0,
        "2 sessions with 80 requests, 0 of them without an end\nin order\n",
    )


def test_check_finds_what_hangs_on_nothing(url, path):
    connection = sqlite3.connect(path)
    connection.execute("DELETE FROM sessions WHERE id = 'old'")
    connection.commit()
    connection.close()
    done = run("check", "--db", url)
    assert done.returncode == 1
    assert "row 1 of requests hangs on a row of sessions that is not there" in done.stdout


def test_check_finds_a_damaged_file(url, path):
    with path.open("r+b") as file:
        file.seek(4096 * 12)
        file.write(b"\xff" * 4096 * 30)
    done = run("check", "--db", url)
    assert done.returncode == 1
    assert "in order\n" not in done.stdout.removesuffix("not in order\n")


def test_check_counts_the_rows_that_wait_and_the_requests_without_an_end(url, path):
    connection = sqlite3.connect(path)
    connection.execute("DELETE FROM responses WHERE id = 1")
    connection.execute("UPDATE responses SET state = 'streaming' WHERE id = 2")
    connection.commit()
    connection.close()
    path.with_name("chats.db.spill").write_bytes(b"{}\n{}\n")
    path.with_name("chats.db.spill.2").write_bytes(b"{}\n")
    done = run("check", "--db", url)
    assert done.returncode == 1
    assert "3 rows wait" in done.stdout
    assert "2 of them without an end" in done.stdout


def test_check_counts_the_records_that_the_database_refused(url, path):
    list_of_them = path.with_name("chats.db.refused")
    for name in ("one", "two"):
        note(list_of_them, request_row(name), ValueError(name))
    done = run("check", "--db", url)
    assert done.returncode == 1
    assert "2 records were refused" in done.stdout
    list_of_them.unlink()
    assert run("check", "--db", url).returncode == 0


def test_no_spill_file_means_that_nothing_waits(tmp_path):
    assert waiting_rows(tmp_path / "chats.db.spill") == 0


def test_a_spill_file_that_goes_while_it_is_looked_at_holds_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr(Path, "exists", lambda _: True)
    assert waiting_rows(tmp_path / "chats.db.spill") == 0


def test_a_long_spill_file_is_counted_without_being_held_in_memory(tmp_path):
    spill = tmp_path / "chats.db.spill"
    spill.write_bytes((b"x" * 999_999 + b"\n") * 20)
    tracemalloc.start()
    waiting = waiting_rows(spill)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert (waiting, most < 5_000_000) == (20, True)


def test_a_backup_is_whole_and_for_nobody_else(url, path, tmp_path):
    copy = tmp_path / "copy.db"
    copy.write_bytes(b"an older one")
    done = run("backup", "--db", url, copy)
    assert done.returncode == 0, done.stderr
    assert rows(copy, "SELECT * FROM exchanges") == rows(path, "SELECT * FROM exchanges")
    assert copy.stat().st_mode & 0o777 == 0o600
    assert not copy.with_name("copy.db.part").exists()


def test_a_backup_comes_to_its_end_while_the_record_grows(url, path, tmp_path):
    stop = threading.Event()

    def write():
        connection = sqlite3.connect(path, isolation_level=None, timeout=10)
        while not stop.is_set():
            connection.execute("UPDATE sessions SET message_count = message_count + 1")
        connection.close()

    writing = threading.Thread(target=write)
    writing.start()
    done = run("backup", "--db", url, tmp_path / "copy.db")
    stop.set()
    writing.join()
    assert done.returncode == 0, done.stderr
    assert rows(tmp_path / "copy.db", "PRAGMA integrity_check") == [{"integrity_check": "ok"}]


def test_the_database_is_not_its_own_backup(url, path):
    done = run("backup", "--db", url, path)
    assert done.returncode == 1
    assert "is the database itself" in done.stderr


def test_a_backup_of_postgresql_is_its_own_tools_business(postgres_url, tmp_path):
    done = run("backup", "--db", postgres_url, tmp_path / "copy")
    assert (done.returncode, done.stderr.count("pg_dump")) == (1, 1)


def test_copy_tells_the_counts_of_both_sides(url, postgres_server, postgres_url):
    for _ in range(2):
        done = run("copy", url, postgres_url)
        assert done.returncode == 0, done.stderr
        assert "requests: 80 in the source, 80 in the target" in done.stdout
    assert re.search(r"^\w+: (\d+) of \1$", done.stderr, flags=re.MULTILINE)
    count = postgres_server.query(postgres_url, "SELECT COUNT(*) AS n FROM exchanges")
    assert count == [{"n": 80}]


def test_a_database_is_not_copied_to_itself(url):
    assert "the same" in run("copy", url, url).stderr


@pytest.mark.parametrize("command", ["prune", "vacuum", "check"])
def test_a_database_that_is_not_there_is_not_made(tmp_path, command):
    done = run(command, cwd=tmp_path)
    assert done.returncode == 1
    assert done.stderr == f"{command}: There is no database at `{tmp_path / 'chats.db'}`.\n"
    assert list(tmp_path.iterdir()) == []


def test_a_limit_below_zero_is_refused(url):
    done = run("prune", "--db", url, "--days", -1)
    assert done.returncode == 2
    assert "a number from 0 on" in done.stderr
