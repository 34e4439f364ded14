"""What a user does with the record by hand; all of it while proxies may be writing to it."""

from __future__ import annotations

import os
import sqlite3
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import cast

from peewee import Database

from models import execute, read_number
from recording import refusals
from recording.copying import copy_record
from recording.database import FILE_MODE, RecordDatabase, give_back
from recording.retention import BY_HAND_PAUSE_S, BY_HAND_STEP_MS, Retention
from recording.weighing import measured_bytes

_PATIENCE_MS = 10_000
"""For a lock of the proxy's, which never keeps it for long."""

_PIECE = 1 << 20
_BACKUP_PAGES = 1000
_VACUUM_PAGES = 128


class Progress:
    """One line on stderr, written over on a terminal, repeated now and then elsewhere."""

    def __init__(self) -> None:
        on_terminal = sys.stderr.isatty()
        self._form = "\r\x1b[K{}" if on_terminal else "{}\n"
        self._end = "\n" if on_terminal else ""
        self._every_s = 0.1 if on_terminal else 2.0
        self._next = 0.0
        self._told = self._last = ""

    def tell(self, line: str) -> None:
        """Shows the line, unless one was shown a moment ago."""
        self._last = line
        if time.monotonic() >= self._next:
            self._next = time.monotonic() + self._every_s
            self._show(line)

    def done(self) -> None:
        """Leaves the last line standing."""
        if self._last != self._told:
            self._show(self._last)
        if self._told:
            sys.stderr.write(self._end)

    def _show(self, line: str) -> None:
        self._told = line
        sys.stderr.write(self._form.format(line))
        sys.stderr.flush()


def open_existing(url: str) -> RecordDatabase:
    """Opens a database that is there, and brings its schema up to date.

    Raises:
        ValueError: the URL cannot be used, there is no file, or a newer version wrote it.
        peewee.DatabaseError: it cannot be opened.
    """
    store = _existing(url)
    store.open()
    return store


def prune(url: str, *, days: int, megabytes: int) -> int:
    """Removes sessions that are too old or too much; exit status."""
    store = open_existing(url)
    database = store.database
    before = _counts(database)
    kept = Retention(keep_days=days, keep_mb=megabytes, step_ms=BY_HAND_STEP_MS)
    progress = Progress()
    while True:
        started = time.monotonic()
        more = kept.step(database, idle=True)
        if not more and not kept.waits:
            break
        left = f"{read_number(database, 'SELECT COUNT(*) FROM requests')} requests left"
        progress.tell(f"{left}; a proxy is removing some, too" if kept.waits else left)
        # The proxy's writer gets at least as much time.
        time.sleep(max(time.monotonic() - started, BY_HAND_PAUSE_S))
    progress.done()
    after = _counts(database)
    print(
        f"removed {before[0] - after[0]} sessions with {before[1] - after[1]} requests; "
        f"{after[0]} sessions with {after[1]} requests left, "
        f"{measured_bytes(database) / 1e6:.1f} MB"
    )
    store.close()
    return 0


def vacuum(url: str, *, full: bool) -> int:
    """Gives free space back to the system; exit status."""
    store = open_existing(url)
    if not store.is_sqlite:
        execute(store.database, "VACUUM (FULL, ANALYZE)" if full else "VACUUM (ANALYZE)")
        print("vacuumed")
    else:
        _vacuum_sqlite(store, full=full)
    store.close()
    return 0


def check(url: str) -> int:
    """Tells whether the record is in order; exit status 1 where it is not."""
    store = _existing(url)
    store.open_to_read()
    faults = _sqlite_faults(store.database) if store.is_sqlite else []
    for fault in faults:
        print(fault)
    waiting = waiting_rows(store.spill_path)
    if waiting:
        print(f"{waiting} rows wait in {store.spill_path}; a proxy writes them when it can")
    refused = refusals.count(store.refused_path)
    if refused:
        print(f"{refused} records were refused; remove {store.refused_path} once you know why")
    sessions, requests = _counts(store.database)
    unanswered = read_number(
        store.database,
        "SELECT COUNT(*) FROM requests q LEFT JOIN responses a ON a.request_id = q.id "
        "WHERE a.id IS NULL OR a.state = 'streaming'",
    )
    print(f"{sessions} sessions with {requests} requests, {unanswered} of them without an end")
    store.close()
    in_order = not (faults or waiting or refused)
    print("in order" if in_order else "not in order")
    return 0 if in_order else 1


def backup(url: str, file: Path) -> int:
    """Copies a SQLite database to a file as it is at one moment; exit status."""
    store = _existing(url)
    if not store.is_sqlite:
        raise ValueError("PostgreSQL has a tool of its own for this: pg_dump.")
    assert store.path is not None
    if file.exists() and file.samefile(store.path):
        raise ValueError(f"`{file}` is the database itself.")
    store.open_to_read()
    unfinished = file.with_name(f"{file.name}.part")
    unfinished.unlink(missing_ok=True)
    os.close(os.open(unfinished, os.O_RDWR | os.O_CREAT | os.O_EXCL, FILE_MODE))
    try:
        _back_up(store, unfinished)
        unfinished.replace(file)
    finally:
        unfinished.unlink(missing_ok=True)
        store.close()
    print(f"{file}: {file.stat().st_size / 1e6:.1f} MB")
    return 0


def copy(from_url: str, to_url: str) -> int:
    """Carries the record over, or goes on with it; exit status 1 where the counts differ."""
    source, target = open_existing(from_url), RecordDatabase(to_url, lock_ms=_PATIENCE_MS)
    if (source.path or from_url) == (target.path or to_url):
        raise ValueError("The two databases are the same.")
    target.open()
    progress = Progress()

    def tell(table: str, done: int, total: int) -> None:
        progress.tell(f"{table}: {done} of {total}")

    counts = copy_record(source.database, target.database, tell)
    progress.done()
    for table, (there, here) in counts.items():
        print(f"{table}: {there} in the source, {here} in the target")
    waiting = waiting_rows(source.spill_path)
    if waiting:
        print(f"{waiting} rows still wait in {source.spill_path}; they are not in the copy")
    source.close()
    target.close()
    return 0 if all(there <= here for there, here in counts.values()) else 1


def waiting_rows(spill: Path) -> int:
    """Rows in the spill files of all instances."""
    files = [spill, *spill.parent.glob(f"{spill.name}.[0-9]*")]
    return sum(map(_lines, files))


def _lines(file: Path) -> int:
    """Lines of a file that may be long, and that its writer may remove at any moment."""
    count = 0
    with suppress(FileNotFoundError), file.open("rb") as rows:
        while piece := rows.read(_PIECE):
            count += piece.count(b"\n")
    return count


def _existing(url: str) -> RecordDatabase:
    store = RecordDatabase(url, lock_ms=_PATIENCE_MS)
    if store.is_in_memory:
        raise ValueError("A database in memory is its process's own.")
    if store.path is not None and not store.path.exists():
        raise ValueError(f"There is no database at `{store.path}`.")
    return store


def _vacuum_sqlite(store: RecordDatabase, *, full: bool) -> None:
    database, path = store.database, store.path
    assert path is not None
    before = path.stat().st_size
    if full:
        execute(database, "VACUUM")
    elif read_number(database, "PRAGMA auto_vacuum") != 2:
        raise ValueError("This file was made without incremental vacuum; use `vacuum --full`.")
    else:
        progress = Progress()
        while free := read_number(database, "PRAGMA freelist_count"):
            progress.tell(f"{free} pages left")
            give_back(database, _VACUUM_PAGES)
            time.sleep(BY_HAND_PAUSE_S)
        progress.done()
    execute(database, "PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    print(f"{path.name}: {before / 1e6:.1f} MB before, {path.stat().st_size / 1e6:.1f} MB now")


def _sqlite_faults(database: Database) -> list[str]:
    found = execute(database, "PRAGMA integrity_check").fetchall()
    faults = [text for (text,) in found if text != "ok"]
    for table, number, parent, _ in execute(database, "PRAGMA foreign_key_check").fetchall():
        faults.append(f"row {number} of {table} hangs on a row of {parent} that is not there")
    return faults


def _back_up(store: RecordDatabase, file: Path) -> None:
    connect = cast("Callable[[], sqlite3.Connection]", store.database.connection)
    source, progress = connect(), Progress()
    # One snapshot: otherwise SQLite begins anew whenever the proxy has written something.
    source.execute("BEGIN")
    source.execute("SELECT 1 FROM sqlite_master").fetchone()
    target = sqlite3.connect(file)
    try:
        source.backup(
            target,
            pages=_BACKUP_PAGES,
            progress=lambda _, left, total: progress.tell(f"{total - left} of {total} pages"),
            sleep=0,
        )
    finally:
        target.close()
        source.execute("ROLLBACK")
    progress.done()


def _counts(database: Database) -> tuple[int, int]:
    sessions = read_number(database, "SELECT COUNT(*) FROM sessions")
    return sessions, read_number(database, "SELECT COUNT(*) FROM requests")
