"""The one thread that writes the record.

Rows come through a queue. All that is waiting is written in one transaction, so that many calls
share one commit. When the transaction fails because a row is bad, the rows are tried one by one,
and the bad one fails alone. When it fails because the database is in trouble (locked, full, gone,
read-only), the rows go to the spill file, and so does everything after them, until the database
is back and the spill file has been written to it from its beginning: order is kept.
"""

from __future__ import annotations

import asyncio
import logging
import queue
import threading
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

from peewee import (
    DatabaseError,
    DataError,
    IntegrityError,
    InterfaceError,
    NotSupportedError,
    OperationalError,
    ProgrammingError,
)

from models import NewerDatabaseError
from recording import refusals
from recording.chains import Chains
from recording.clues import request_clues
from recording.database import RecordDatabase, writing
from recording.faults import log_fault
from recording.parts import PartStore
from recording.rare_log import RareLog
from recording.retention import Retention
from recording.rows import RequestRow, Row, mark_interrupted, write_row
from recording.search import index
from recording.spill import Spill
from transforms.contract import JSON

LARGEST_BATCH = 256
LARGEST_REPLAY = 64
"""Rows of the spill file written at once; calls wait for their place behind it meanwhile."""

RETRY_S = 0.5
"""Between two tries to reach a database in trouble."""

LINGER_S = 0.02
"""How long a row waits for company when nobody waits for it."""

IDLE_S = 0.25
"""Without a row, after which there is time for a checkpoint."""

INDEX_S = 0.015
INDEX_EVERY_S = 1.0
"""How long indexing what was said may take at once; and how rarely, while rows keep coming."""

PATIENCE_S = 10.0
"""How long `start` waits for a server that is being restarted."""

_COMING_BACK = ("refused", "starting up", "shutting down")
"""What is said of such a server, by the system or by itself."""

LAST_TRY_S = 5.0
"""How long `stop` goes on writing what waits in the spill file."""

REFUSAL = (
    *(IntegrityError, DataError, ProgrammingError, NotSupportedError),
    *(LookupError, ValueError, TypeError, OverflowError),
)
"""The row itself is at fault; others may well be written."""

TROUBLE = (DatabaseError, InterfaceError)
"""Whatever else the database says: nothing can be written now."""

_logger = logging.getLogger(__name__)


@dataclass(slots=True)
class Entry:
    """A row on its way, and who waits for it."""

    row: Row
    body: JSON | None = None
    """The client's request; its digests are made in the writer's thread."""
    stored: asyncio.Future[None] | None = None


class Writer:
    """Owns the database from `start` to `stop`."""

    def __init__(self, store: RecordDatabase, retention: Retention) -> None:
        self._store = store
        self._retention = retention
        self._parts = PartStore()
        self._chains = Chains()
        self._spill = Spill(store.spill_path)
        self._entries: deque[Entry] = deque()
        self._calls: queue.SimpleQueue[None] = queue.SimpleQueue()
        """One for each time that the thread is to look at `_entries`."""
        self._called_soon = False
        self._call_planned = False
        self._ending = False
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread = threading.Thread(target=self._run, name="recording-writer", daemon=True)
        self._stopping = False
        self._started_ms = 0
        self._marked = False
        """Whether what earlier runs left unfinished has its final state."""
        self._in_trouble = False
        self._reopen = False
        """Whether the connection may be broken."""
        self._unchecked = False
        """Whether rows were written since the last checkpoint."""
        self._unindexed = True
        """Whether texts may wait to be indexed."""
        self._index_at = 0.0
        self._retry_at = 0.0
        self._trouble_log = RareLog(_logger)
        self._refusal_log = RareLog(_logger)
        self._loss_log = RareLog(_logger)

    @property
    def waiting(self) -> int:
        """Rows that are not in the database yet."""
        return len(self._entries) + len(self._spill)

    def start(self, loop: asyncio.AbstractEventLoop) -> None:
        """Opens the database and starts the thread.

        Raises:
            NewerDatabaseError: a newer version wrote the database.
            peewee.DatabaseError: it cannot be opened; being locked is no reason, and a server that
                is away is waited for.
            OSError: a file cannot be created.
        """
        self._loop = loop
        self._started_ms = time.time_ns() // 1_000_000
        try:
            self._open()
        except OperationalError as exc:
            if "locked" not in str(exc):
                raise
            self._note_trouble(exc)
        self._spill.open()
        if not self._in_trouble and not len(self._spill):
            self._mark_interrupted()
        self._in_trouble = self._in_trouble or len(self._spill) > 0
        self._calls.put(None)
        self._thread.start()

    def _open(self) -> None:
        """Opens the database, once a server that is being restarted is there."""
        give_up_at = time.monotonic() + PATIENCE_S
        while True:
            try:
                self._store.open()
            except OperationalError as exc:
                if not self._comes_back(exc) or time.monotonic() >= give_up_at:
                    raise
                self._trouble_log.warning("Waiting for the database: %s", exc)
                time.sleep(RETRY_S)
            else:
                self._trouble_log.over("The database is there.")
                return

    def _comes_back(self, exc: OperationalError) -> bool:
        return not self._store.is_sqlite and any(word in str(exc) for word in _COMING_BACK)

    def put(self, entry: Entry) -> None:
        """Queues a row; never waits. Belongs to the loop's thread.

        A row for which somebody waits is written with all that came before it, once the loop has
        looked after every call that is ready by now. One for which nobody does lingers, so that it
        can share the transaction of the next: waking the thread and committing cost more than the
        row itself.
        """
        self._entries.append(entry)
        if self._loop is None:
            return
        if entry.stored is not None and not self._called_soon:
            self._called_soon = True
            self._loop.call_soon(self._call_soon)
        elif entry.stored is None and not self._call_planned:
            self._call_planned = True
            self._loop.call_later(LINGER_S, self._call)

    def _call_soon(self) -> None:
        self._called_soon = False
        self._calls.put(None)

    def _call(self) -> None:
        self._call_planned = False
        self._calls.put(None)

    def stop(self) -> None:
        """Writes what is queued, ends the thread and closes the database."""
        if self._thread.is_alive():
            self._ending = True
            self._calls.put(None)
            self._thread.join()
        self._spill.close()
        self._store.close()

    def _run(self) -> None:
        while not self._stopping:
            try:
                self._work()
            except Exception:
                # A fault of ours must not end the thread: nothing at all would be recorded.
                log_fault(_logger, "The recording writer failed; it goes on with the next rows.")
        give_up_at = time.monotonic() + LAST_TRY_S
        self._retry_at = 0.0
        while self._in_trouble and self._retry_at == 0.0 and time.monotonic() < give_up_at:
            self._catch_up()

    def _work(self) -> None:
        """Stores what is queued, or does what is due meanwhile."""
        called = self._is_called()
        batch = self._collect()
        if batch:
            self._store_batch(batch)
        if not self._in_trouble:
            self._tidy_up(idle=not called)
        elif time.monotonic() >= self._retry_at:
            self._catch_up()

    def _tidy_up(self, *, idle: bool) -> None:
        """What must not make a call wait: checkpoints, and forgetting what is too old."""
        try:
            if idle and self._unchecked:
                self._unchecked = False
                self._store.checkpoint()
            self._retention.step(self._store.database, self._parts, idle=idle)
            self._index(idle=idle)
        except TROUBLE as exc:
            self._note_trouble(exc)

    def _index(self, *, idle: bool) -> None:
        """Brings the index of what was said up to date, a little at a time."""
        now = time.monotonic()
        if self._unindexed and (idle or now >= self._index_at):
            self._unindexed = index(self._store.database, INDEX_S)
            self._index_at = now + INDEX_EVERY_S

    def _is_called(self) -> bool:
        """Waits for rows, as long as there is nothing else to be done; whether some came."""
        try:
            self._calls.get(timeout=self._patience())
        except queue.Empty:
            return False
        while not self._calls.empty():
            self._calls.get_nowait()
        return True

    def _collect(self) -> list[Entry]:
        """What is queued, as much as one transaction takes."""
        batch: list[Entry] = []
        while self._entries and len(batch) < LARGEST_BATCH:
            batch.append(self._entries.popleft())
        if self._entries:
            self._calls.put(None)
        self._stopping = self._ending and not self._entries
        return batch

    def _patience(self) -> float | None:
        """Seconds until something is to be done without a row; None where nothing is."""
        if self._in_trouble:
            return max(self._retry_at - time.monotonic(), 0.001)
        due = self._retention.due_in()
        if not (self._unchecked or self._unindexed):
            return due
        return IDLE_S if due is None else min(due, IDLE_S)

    def _store_batch(self, batch: Sequence[Entry]) -> None:
        self._unchecked = self._unindexed = True
        rows = [self._described(entry) for entry in batch]
        if self._in_trouble or not self._write(rows):
            self._spill.append(rows)
            if self._spill.lost:
                self._loss_log.warning(
                    "%d rows of the record are lost: neither the database nor %s can be written",
                    self._spill.lost,
                    self._spill.path,
                )
        waiting = [entry.stored for entry in batch if entry.stored is not None]
        if waiting and self._loop is not None:
            try:
                self._loop.call_soon_threadsafe(_resolve, waiting)
            except RuntimeError:
                # The loop has ended, and everybody who waited with it.
                return

    def _described(self, entry: Entry) -> Row:
        """The row of an entry, with the digests of its conversation."""
        row = entry.row
        if entry.body is not None and isinstance(row, RequestRow):
            try:
                told = self._chains.conversation(entry.body, len(row.openai_request or ""))
            except (TypeError, ValueError, RecursionError):
                # Calls that are not routed are never judged; such a body is no conversation.
                return row
            row.clues = request_clues(row.who, entry.body)
            row.digest, row.answered = told.digest, told.answered
            row.message_count = told.message_count
        return row

    def _write(self, rows: Sequence[Row]) -> bool:
        """Whether the database is in order; a row that it refuses is logged and left out."""
        try:
            if self._store.is_gone():
                raise OperationalError("the database file was removed or replaced")
            if not self._write_together(rows):
                self._write_one_by_one(rows)
        except TROUBLE as exc:
            self._note_trouble(exc)
            return False
        return True

    def _write_together(self, rows: Sequence[Row]) -> bool:
        database = self._store.database
        try:
            with writing(database):
                for row in rows:
                    write_row(database, row, self._parts)
        except REFUSAL:
            self._parts.forget()
            return False
        return True

    def _write_one_by_one(self, rows: Sequence[Row]) -> None:
        database = self._store.database
        with writing(database):
            for row in rows:
                # A part may have gone between being found and being used: another instance
                # cleans up. Then it is written anew.
                refused = self._refusal(row) and self._refusal(row)
                if refused:
                    self._refusal_log.warning(
                        "The database refused the %s of %s: %s",
                        refusals.kind(row),
                        row.request_id,
                        type(refused).__name__,
                    )
                    refusals.note(self._store.refused_path, row, refused)

    def _refusal(self, row: Row) -> Exception | None:
        """Why the database refused a row; None once it is written."""
        try:
            with self._store.database.savepoint():
                write_row(self._store.database, row, self._parts)
        except REFUSAL as exc:
            self._parts.forget()
            return exc
        return None

    def _catch_up(self) -> None:
        """Writes the next rows of the spill file; at its end all is in order again."""
        try:
            if self._reopen:
                self._store.open()
                self._reopen = False
        except (*TROUBLE, NewerDatabaseError, OSError) as exc:
            self._note_trouble(exc)
            return
        rows, lines = self._spill.peek(LARGEST_REPLAY)
        if rows and not self._write(rows):
            return
        self._spill.drop(lines)
        self._retry_at = 0.0
        if not len(self._spill):
            self._in_trouble = False
            self._mark_interrupted()
        if not self._in_trouble:
            self._trouble_log.over("The database is back; all that waited is written.")

    def _mark_interrupted(self) -> None:
        if not self._marked:
            try:
                with writing(self._store.database):
                    mark_interrupted(self._store.database, self._started_ms)
                self._marked = True
            except TROUBLE as exc:
                self._note_trouble(exc)

    def _note_trouble(self, exc: Exception) -> None:
        self._in_trouble = self._reopen = True
        self._parts.forget()
        self._retry_at = time.monotonic() + RETRY_S
        self._trouble_log.warning(
            "The database cannot be written (%s: %s); %d rows wait in %s",
            type(exc).__name__,
            exc,
            len(self._spill),
            self._spill.path,
        )


def _resolve(waiting: Sequence[asyncio.Future[None]]) -> None:
    for future in waiting:
        if not future.done():
            future.set_result(None)
