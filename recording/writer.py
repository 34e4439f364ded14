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
import threading
import time
from collections.abc import Sequence

from peewee import (
    DatabaseError,
    DataError,
    IntegrityError,
    InterfaceError,
    NotSupportedError,
    OperationalError,
    ProgrammingError,
)

from migrations import NewerDatabaseError
from models import now_ms
from recording import refusals
from recording.chains import Chains
from recording.clues import request_clues
from recording.database import RecordDatabase, writing
from recording.faults import log_fault
from recording.parts import PartStore
from recording.rare_log import RareLog
from recording.retention import Retention
from recording.row_queue import Entry, RowQueue
from recording.rows import RequestRow, Row, mark_interrupted, write_row
from recording.search import index
from recording.spill import Spill

LARGEST_BATCH = 256
LARGEST_REPLAY = 64
"""Rows of the spill file written at once; calls wait for their place behind it meanwhile."""

LARGEST_BATCH_BYTES = 8 << 20
"""Of bodies, in what is written at once."""

MOST_WAITING = 16 << 20
"""Bytes of bodies that wait in memory; while there are more, they go to the spill file."""

RETRY_S = 0.5
"""Between two tries to reach a database in trouble."""

IDLE_S = 0.25
"""A pause this long leaves time for a checkpoint."""

INDEX_S = 0.015
"""How long indexing what was said may take at once."""

INDEX_EVERY_S = 1.0
"""Between two times that it is done while rows keep coming."""

PATIENCE_S = 10.0
"""How long `start` waits for a server that is being restarted."""

_COMING_BACK = ("refused", "starting up", "shutting down")
"""What is said of such a server, by the system or by itself."""

LAST_TRY_S = 5.0
"""How long `stop` goes on writing what waits in the spill file."""

LAST_WAIT_S = 1.0
"""How long `stop` waits for a database in trouble, which may be another program's short lock."""

LAST_PAUSE_S = 0.05
"""Between two tries meanwhile."""

REFUSAL = (
    *(IntegrityError, DataError, ProgrammingError, NotSupportedError),
    *(LookupError, ValueError, TypeError, OverflowError),
)
"""The row itself is at fault; others may well be written."""

TROUBLE = (DatabaseError, InterfaceError)
"""Whatever else the database says: nothing can be written now."""

_LOST = "%d rows of the record are lost: neither the database nor %s can be written"

_logger = logging.getLogger(__name__)


class Writer:
    """Owns the database from `start` to `stop`."""

    def __init__(self, store: RecordDatabase, retention: Retention) -> None:
        self._store = store
        self._retention = retention
        self._parts = PartStore()
        self._chains = Chains()
        self._spill = Spill(store.spill_path)
        self._queue = RowQueue()
        self._ending = False
        self._thread = threading.Thread(target=self._run, name="recording-writer", daemon=True)
        self._stopping = False
        self._started_ms = 0
        self._marked = False
        """Whether what earlier runs left unfinished has its final state."""
        self._in_trouble = False
        self._reopen = False
        """Whether the connection may be broken."""
        self._checkpoint_due = False
        """Whether rows were written since the last checkpoint."""
        self._unindexed = True
        """Whether texts may wait to be indexed."""
        self._index_at = 0.0
        self._retry_at = 0.0
        self._trouble_log = RareLog(_logger)
        self._behind_log = RareLog(_logger)
        self._refusal_log = RareLog(_logger)
        self._loss_log = RareLog(_logger)

    @property
    def waiting(self) -> int:
        """Rows that are not in the database yet."""
        return len(self._queue) + len(self._spill)

    def start(self, loop: asyncio.AbstractEventLoop) -> None:
        """Opens the database and starts the thread.

        Raises:
            NewerDatabaseError: a newer version wrote the database.
            peewee.DatabaseError: it cannot be opened; being locked is no reason, and a server that
                is away is waited for.
            OSError: a file cannot be created.
        """
        self._started_ms = now_ms()
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
        self._queue.open(loop)
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
        """Queues a row; never waits. Belongs to the loop's thread."""
        self._queue.put(entry)

    def stop(self) -> None:
        """Writes what is queued, ends the thread and closes the database."""
        if self._thread.is_alive():
            self._ending = True
            self._queue.wake()
            self._thread.join()
        self._spill.close()
        if self._spill.lost:
            _logger.warning(_LOST, self._spill.lost, self._spill.path)
        self._store.close()

    def _run(self) -> None:
        while not self._stopping:
            try:
                self._work()
            except Exception:
                # A fault of ours must not end the thread: nothing at all would be recorded.
                log_fault(_logger, "The recording writer failed; it goes on with the next rows.")
        self._catch_up_at_the_end()

    def _work(self) -> None:
        """Stores what is queued, or does what is due meanwhile."""
        woken = self._queue.wait(self._patience())
        batch = self._queue.take(LARGEST_BATCH, LARGEST_BATCH_BYTES)
        self._stopping = self._ending and not len(self._queue)
        if batch:
            self._store_batch(batch)
        if not self._in_trouble:
            self._tidy_up(idle=not woken)
        elif time.monotonic() >= self._retry_at and not self._has_too_much:
            self._catch_up()

    @property
    def _has_too_much(self) -> bool:
        return self._queue.waiting_bytes > MOST_WAITING

    def _tidy_up(self, *, idle: bool) -> None:
        """What must not make a call wait: checkpoints, and forgetting what is too old."""
        try:
            if idle and self._checkpoint_due:
                self._checkpoint_due = False
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

    def _patience(self) -> float | None:
        """Seconds until something is to be done without a row; None where nothing is."""
        if self._in_trouble:
            return max(self._retry_at - time.monotonic(), 0.001)
        due = self._retention.due_in()
        if not (self._checkpoint_due or self._unindexed):
            return due
        return IDLE_S if due is None else min(due, IDLE_S)

    def _store_batch(self, batch: Sequence[Entry]) -> None:
        self._checkpoint_due = self._unindexed = True
        rows = [self._described(entry) for entry in batch]
        if self._has_too_much and not self._in_trouble:
            self._fall_behind()
        if self._in_trouble or not self._write(rows):
            self._spill.append(rows)
            if self._spill.lost:
                self._loss_log.warning(_LOST, self._spill.lost, self._spill.path)
        self._queue.tell(batch)

    def _described(self, entry: Entry) -> Row:
        """The row of an entry, with the digests of its conversation."""
        row = entry.row
        if entry.said is not None and isinstance(row, RequestRow):
            try:
                conversation = self._chains.conversation(entry.said, entry.length)
            except (TypeError, ValueError, RecursionError):
                # Calls that are not routed are never judged; such a body is no conversation.
                return row
            except Exception:
                log_fault(_logger, "A call is recorded without its place in a conversation.")
                return row
            row.clues = request_clues(row.who, entry.said, offers_tools=entry.offers_tools)
            row.digest, row.answered = conversation.digest, conversation.answered
            row.message_count = conversation.message_count
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
        except Exception as exc:
            # Whatever the reason, the parts are rolled back, and their numbers go to others.
            self._parts.forget()
            if _is_trouble(exc):
                raise
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
        except Exception as exc:
            self._parts.forget()
            if _is_trouble(exc):
                raise
            if not isinstance(exc, REFUSAL):
                log_fault(_logger, "A record could not be written.")
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
        rows, lines = self._spill.peek(LARGEST_REPLAY, LARGEST_BATCH_BYTES)
        if rows and not self._write(rows):
            return
        self._spill.drop(lines)
        self._retry_at = 0.0
        if not len(self._spill):
            self._in_trouble = False
            self._mark_interrupted()
        if not self._in_trouble:
            self._trouble_log.over("The database is back; all that waited is written.")
            self._behind_log.over("The database has caught up; all that waited is written.")

    def _catch_up_at_the_end(self) -> None:
        """Writes what waits in the spill file; what does not get there is left to the next run."""
        began, self._retry_at = time.monotonic(), 0.0
        while self._in_trouble:
            in_vain = self._retry_at > 0
            if time.monotonic() >= began + (LAST_WAIT_S if in_vain else LAST_TRY_S):
                return
            if in_vain:
                time.sleep(LAST_PAUSE_S)
            self._retry_at = 0.0
            self._catch_up()

    def _mark_interrupted(self) -> None:
        if not self._marked:
            try:
                with writing(self._store.database):
                    mark_interrupted(self._store.database, self._started_ms)
                self._marked = True
            except TROUBLE as exc:
                self._note_trouble(exc)

    def _fall_behind(self) -> None:
        """More comes than can be written: it waits in the spill file, as if the database was in
        trouble, and not in memory."""
        self._in_trouble = True
        self._retry_at = 0.0
        self._behind_log.warning(
            "More comes than the database can take at the moment; what waits for it is in %s",
            self._spill.path,
        )

    def _note_trouble(self, exc: Exception) -> None:
        self._in_trouble = self._reopen = True
        self._parts.forget()
        self._retry_at = time.monotonic() + RETRY_S
        self._trouble_log.warning(
            "The database cannot be written (%s: %s); %d rows wait in %s",
            type(exc).__name__,
            _first_trouble(exc),
            len(self._spill),
            self._spill.path,
        )


def _first_trouble(exc: BaseException) -> BaseException:
    """What went wrong before anything else did.

    Where its disk is full, SQLite rolls back by itself, and the rollback that follows fails too.
    """
    first = exc
    while exc.__context__ is not None:
        exc = exc.__context__
        if isinstance(exc, TROUBLE):
            first = exc
    return first


def _is_trouble(exc: Exception) -> bool:
    return isinstance(exc, TROUBLE) and not isinstance(exc, REFUSAL)
