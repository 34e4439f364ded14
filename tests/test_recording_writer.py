"""The one writer: group commit, bad rows, and a database in trouble."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import json
import os
import signal
import sqlite3
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path

import peewee
import pytest

from migrations import NewerDatabaseError
from models import TABLES
from recording import Recorder
from recording import writer as writers
from recording.database import RecordDatabase
from recording.retention import Retention
from recording.row_queue import Entry
from recording.rows import STALE
from recording.spill import Spill
from recording.writer import Writer
from tests.records import recorded, request_record, request_row, rows, said

ROOT = Path(__file__).parent.parent


@pytest.fixture
def path(tmp_path):
    return tmp_path / "chats.db"


@pytest.fixture(autouse=True)
def _retry_soon(monkeypatch):
    monkeypatch.setattr("recording.writer.RETRY_S", 0.02)


@contextlib.contextmanager
def _locked(path):
    """The database as another process leaves it that holds the lock."""
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("BEGIN EXCLUSIVE")
    yield
    connection.execute("ROLLBACK")
    connection.close()


async def _exchange(recorder, request_id):
    tracker = await recorder.log_request(request_record(request_id=request_id))
    recorder.log_error_response(tracker, error=f"end of {request_id}")


async def _until(condition):
    async with asyncio.timeout(10):
        while not condition():
            await asyncio.sleep(0.005)


def _ids(exchanges):
    return [(exchange["request_id"], exchange["error"]) for exchange in exchanges]


def _told(*request_ids):
    return [(request_id, f"end of {request_id}") for request_id in request_ids]


def test_between_rows_that_keep_coming_there_is_no_checkpoint(path):
    statements = []

    async def story(recorder):
        connection = recorder._writer._store.database.connection()
        connection.set_trace_callback(statements.append)
        for number in range(200):
            some = (_exchange(recorder, f"r-{number}-{each}") for each in range(8))
            await asyncio.gather(*some)

    assert len(recorded(path, story)) == 1600
    assert len([each for each in statements if "wal_checkpoint" in each]) < 5


def test_concurrent_requests_share_a_transaction(path):
    statements = []

    async def story(recorder):
        connection = recorder._writer._store.database.connection()
        connection.set_trace_callback(statements.append)
        await asyncio.gather(*(recorder.log_request(request_record()) for _ in range(100)))

    assert len(recorded(path, story)) == 100
    transactions = "\n".join(statements).split("COMMIT")
    assert sum("INSERT INTO requests" in each for each in transactions) == 1


def test_what_was_said_can_be_searched_soon_after(path):
    async def story(recorder):
        await recorder.log_request(request_record(said("Where is the heron?")))
        await _until(lambda: rows(path, "SELECT 1 FROM said WHERE said MATCH 'heron'"))

    recorded(path, story)
    assert rows(path, "SELECT id FROM unread") == []


def test_a_part_that_another_instance_removed_is_written_anew(path, caplog):
    body = said("Hi " * 2000)

    async def story(recorder):
        await recorder.log_request(request_record(body))
        with sqlite3.connect(path) as other:
            other.execute("DELETE FROM segments")
            for table in ("chains", "parts"):
                other.execute(f"DELETE FROM {table} WHERE id > 0")
        other.close()
        await recorder.log_request(request_record(body))

    exchanges = recorded(path, story)
    assert json.loads(exchanges[1]["openai_request"]) == body
    assert "refused" not in caplog.text


def test_a_bad_row_fails_alone_and_is_logged_without_its_text(path, caplog):
    async def run():
        writer = Writer(RecordDatabase(f"sqlite:///{path}"), Retention())
        batch = (
            request_row("r1"),
            request_row("bad", model=None, title="private"),
            request_row("r2"),
        )
        for row in batch:
            writer.put(Entry(row))
        writer.start(asyncio.get_running_loop())
        writer.stop()

    asyncio.run(run())
    assert rows(path, "SELECT request_id FROM requests") == [
        {"request_id": "r1"},
        {"request_id": "r2"},
    ]
    assert rows(path, "SELECT COUNT(*) AS sessions FROM sessions") == [{"sessions": 2}]
    assert "refused the request of bad: IntegrityError" in caplog.text
    assert "private" not in caplog.text
    [told] = path.with_name(f"{path.name}.refused").read_text().splitlines()
    listed = json.loads(told)
    assert listed.pop("at") > 0
    assert listed == {"what": "request", "request_id": "bad", "why": "IntegrityError"}


def test_what_comes_too_fast_waits_in_the_spill_file(path, monkeypatch, caplog):
    monkeypatch.setattr(writers, "MOST_WAITING", 1 << 20)
    monkeypatch.setattr(writers, "LARGEST_BATCH_BYTES", 1 << 20)
    spilled = []
    append = Spill.append
    monkeypatch.setattr(Spill, "append", lambda *told: spilled.extend(told[1]) or append(*told))
    names = [f"r{number:02}" for number in range(20)]

    async def run():
        writer = Writer(RecordDatabase(f"sqlite:///{path}"), Retention())
        for name in names:
            writer.put(Entry(request_row(name, openai_request=f'"{name * 100_000}"')))
        writer.start(asyncio.get_running_loop())
        await _until(lambda: writer.waiting == 0)
        writer.put(Entry(request_row("later")))
        writer.stop()

    asyncio.run(run())
    written = rows(path, "SELECT request_id FROM requests ORDER BY id")
    assert [row["request_id"] for row in written] == [*names, "later"]
    assert 10 < len(spilled) <= 20
    assert caplog.text.count("More comes than the database can take") == 1
    assert caplog.text.count("caught up") == 1
    assert not (path.parent / "chats.db.spill").exists()


def test_a_locked_database_holds_nobody_up_and_gets_everything_in_order(path):
    waits, waiting = [], []

    async def story(recorder):
        await _exchange(recorder, "before")
        await _until(lambda: recorder.waiting == 0)
        with _locked(path):
            for number in range(30):
                started = time.monotonic()
                await _exchange(recorder, f"locked {number:02}")
                waits.append(time.monotonic() - started)
            await _until(lambda: recorder.waiting == 60)
            waiting.append((path.parent / "chats.db.spill").stat().st_mode & 0o777)
        await _until(lambda: recorder.waiting == 0)
        await _exchange(recorder, "after")

    exchanges = recorded(path, story)
    names = ["before", *(f"locked {number:02}" for number in range(30)), "after"]
    assert _ids(exchanges) == _told(*names)
    assert waiting == [0o600]
    # 25 ms, and what a busy machine takes to wake up.
    assert sorted(waits)[-2] < 0.045
    assert not (path.parent / "chats.db.spill").exists()


def test_new_rows_go_behind_those_that_wait(path):
    async def story(recorder):
        with _locked(path):
            await _exchange(recorder, "r1")
            await _until(lambda: recorder.waiting == 2)
        await _exchange(recorder, "r2")
        await _until(lambda: recorder.waiting == 0)

    assert _ids(recorded(path, story)) == _told("r1", "r2")


def test_what_has_no_place_at_the_end_is_told_as_lost(path, monkeypatch, caplog):
    monkeypatch.setattr("recording.spill._claim", _no_file)

    _stopped_while_locked(path)

    assert rows(path, "SELECT * FROM requests") == []
    assert [each for each in caplog.messages if each.startswith("2 rows of the record are lost")]


def _stopped_while_locked(path):
    """Records an exchange that the database does not take before the end; how many rows wait."""

    async def run():
        recorder = Recorder(f"sqlite:///{path}")
        recorder.start(asyncio.get_running_loop())
        with _locked(path):
            await _exchange(recorder, "r1")
            recorder.stop()
        return recorder.waiting

    return asyncio.run(run())


def _no_file(path):
    raise OSError(errno.EROFS, os.strerror(errno.EROFS), str(path))


def test_what_still_waits_at_the_end_is_written_by_the_next_run(path):
    async def nothing(recorder):
        await _until(lambda: recorder.waiting == 0)

    assert _stopped_while_locked(path) == 2
    assert rows(path, "SELECT * FROM requests") == []
    assert _ids(recorded(path, nothing)) == _told("r1")


def test_a_lock_that_another_process_soon_gives_up_is_waited_for_at_the_end(path):
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    give_up = threading.Timer(0.3, connection.close)

    async def story(recorder):
        connection.execute("BEGIN IMMEDIATE")
        await _exchange(recorder, "r1")
        give_up.start()

    assert _ids(recorded(path, story)) == _told("r1")
    give_up.join()


def test_a_database_locked_at_the_start_is_waited_for(path):
    async def nothing(recorder):
        pass

    async def run():
        recorder = Recorder(f"sqlite:///{path}")
        with _locked(path):
            recorder.start(asyncio.get_running_loop())
            await _exchange(recorder, "r1")
        await _until(lambda: recorder.waiting == 0)
        recorder.stop()

    recorded(path, nothing)
    connection = sqlite3.connect(path)
    connection.execute("DROP TABLE migrations")
    connection.execute("DROP VIEW exchanges")
    names = [table._meta.table_name for table in TABLES]
    for table in reversed([*names, "said", "unsaid"]):
        connection.execute(f"DROP TABLE {table}")
    connection.close()
    asyncio.run(run())
    assert _ids(rows(path, "SELECT * FROM exchanges")) == _told("r1")


def test_a_database_that_is_removed_is_begun_anew(path):
    async def story(recorder):
        await _exchange(recorder, "r1")
        await _until(lambda: recorder.waiting == 0)
        for file in path.parent.iterdir():
            file.unlink()
        await _exchange(recorder, "r2")
        await _until(lambda: recorder.waiting == 0)

    assert _ids(recorded(path, story)) == _told("r2")


def test_a_spoilt_database_gets_everything_once_it_is_out_of_the_way(path):
    async def story(recorder):
        await _exchange(recorder, "r1")
        await _until(lambda: recorder.waiting == 0)
        spoilt = path.with_name("spoilt.db")
        spoilt.write_bytes(b"this is no database" * 1000)
        for file in path.parent.glob("chats.db*"):
            file.unlink()
        spoilt.replace(path)
        await _exchange(recorder, "r2")
        await _until(lambda: recorder.waiting == 2)
        path.unlink()
        await _until(lambda: recorder.waiting == 0)

    assert _ids(recorded(path, story)) == _told("r2")


def test_trouble_is_logged_once_and_its_end_too(path, caplog):
    async def story(recorder):
        with _locked(path):
            for number in range(5):
                await _exchange(recorder, f"r{number}")
            await _until(lambda: recorder.waiting == 10)
        await _until(lambda: recorder.waiting == 0)

    recorded(path, story)
    texts = [
        record.getMessage()[:30] for record in caplog.records if record.name == "recording.writer"
    ]
    assert texts == ["The database cannot be written", "The database is back; all that"]


def test_of_a_full_disk_the_log_says_so_and_not_that_there_is_nothing_to_roll_back(
    path, caplog, monkeypatch
):
    def as_if_full(database, row, parts):
        """As SQLite does it, where the file system has no room."""
        database.execute_sql("ROLLBACK")
        raise peewee.OperationalError("database or disk is full")

    async def story(recorder):
        with monkeypatch.context() as patch:
            patch.setattr("recording.writer.write_row", as_if_full)
            await _exchange(recorder, "r0")
            await _until(lambda: recorder.waiting == 2)
        await _until(lambda: recorder.waiting == 0)

    assert _ids(recorded(path, story)) == _told("r0")
    assert "(OperationalError: database or disk is full)" in caplog.text


def test_a_newer_database_ends_the_start(path):
    async def nothing(recorder):
        pass

    recorded(path, nothing)
    connection = sqlite3.connect(path)
    connection.execute("INSERT INTO migrations VALUES ('m999_later', 1)")
    connection.commit()
    connection.close()
    with pytest.raises(NewerDatabaseError, match="m999_later"):
        recorded(path, nothing)


WORDS = "what was said"


@pytest.mark.parametrize(
    ("step", "logged"),
    [
        ("recording.chains.Chains.conversation", "without its place in a conversation"),
        ("recording.retention.Retention.step", "The recording writer failed"),
        ("recording.writer.Writer._store_batch", "The recording writer failed"),
    ],
)
def test_a_fault_of_ours_does_not_end_the_writer(path, monkeypatch, caplog, step, logged):
    def faulty(*arguments, **options):
        monkeypatch.undo()
        raise AttributeError(WORDS)

    async def story(recorder):
        monkeypatch.setattr(step, faulty)
        await recorder.log_request(request_record(request_id="r1"))
        await _exchange(recorder, "r2")

    kept = ["r2"] if step.endswith("_store_batch") else ["r1", "r2"]
    assert [exchange["request_id"] for exchange in recorded(path, story)] == kept
    assert logged in caplog.text
    assert WORDS not in caplog.text


@pytest.mark.parametrize("times", [1, 2, 10])
def test_a_fault_in_writing_costs_no_other_row_and_mixes_no_bodies(
    path, monkeypatch, caplog, times
):
    bodies = {name: said(f"{name} asks. " * 800, "Yes.", f"{name} asks on.") for name in "abcdef"}
    faults = iter([MemoryError] * times)

    def out_of_memory(row):
        if row.request_id == "c" and (fault := next(faults, None)):
            raise fault(WORDS)

    async def story(recorder):
        write = writers.write_row
        monkeypatch.setattr(
            writers,
            "write_row",
            lambda database, row, parts: (write(database, row, parts), out_of_memory(row)),
        )
        for names in ("a", "bcd", "ef"):
            calls = [request_record(bodies[name], request_id=name) for name in names]
            await asyncio.gather(*(recorder.log_request(call) for call in calls))
            await _until(lambda: recorder.waiting == 0)

    kept = {row["request_id"]: json.loads(row["openai_request"]) for row in recorded(path, story)}
    refused = {"c"} if times == 10 else set()
    assert kept == {name: body for name, body in bodies.items() if name not in refused}
    assert WORDS not in caplog.text
    assert ("refused the request of c: MemoryError" in caplog.text) == bool(refused)


_KILLED = """
    import asyncio, os, sys
    from recording import Recorder
    from tests.records import request_record

    async def main():
        recorder = Recorder(f"sqlite:///{sys.argv[1]}")
        recorder.start(asyncio.get_running_loop())
        number = 0
        while True:
            tracker = await recorder.log_request(request_record(request_id=f"r{number}"))
            os.write(1, f"{number}\\n".encode())
            recorder.log_streaming_response(
                tracker, openai_response={"n": number}, provider_response=None, status_code=200
            )
            number += 1

    asyncio.run(main())
"""


def test_a_kill_loses_no_request_that_may_have_left(path):
    process = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(_KILLED), str(path)],
        stdout=subprocess.PIPE,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    seen = [process.stdout.readline() for _ in range(200)]
    process.send_signal(signal.SIGKILL)
    left = [number for number in seen + process.stdout.readlines() if number.endswith(b"\n")]
    process.stdout.close()
    process.wait()

    async def nothing(recorder):
        pass

    exchanges = recorded(path, nothing)
    assert {f"r{int(number)}" for number in left} <= {each["request_id"] for each in exchanges}
    assert {(each["state"], each["error"]) for each in exchanges} == {("interrupted", STALE)}
    assert json.loads(exchanges[0]["openai_response"]) == {"n": 0}
    assert rows(path, "PRAGMA integrity_check") == [{"integrity_check": "ok"}]
