"""Forgetting: by age and by size, oldest sessions first, in steps that hold nobody up."""

from __future__ import annotations

import time
from collections.abc import Iterator

from peewee import Database, SqliteDatabase

from models import execute, now_ms, read_number
from recording.database import give_back, writing
from recording.parts import PartStore
from recording.search import merge, unsay
from recording.sweeping import sweep
from recording.weighing import PageScales, Scales, scales_for

DAY_MS = 86_400_000
CHECK_EVERY_S = 60.0
"""Between two looks whether there is something to forget."""

BUSY_EVERY_S = 1.0
"""Between two steps while rows keep coming."""

_STEP_MS = 20
"""A step that takes longer makes the next one smaller; one that takes a quarter, larger."""

BY_HAND_STEP_MS = 5
"""The same for a step beside a proxy's writer, which waits 10 ms for a lock before it turns to its
spill file."""

BY_HAND_PAUSE_S = 0.01
"""Between two such steps, so that the writer gets its turn."""

_SWEEP_S = 0.015
_MOST_REQUESTS = 32
_BY_HAND_REQUESTS = 8
_VACUUM_PAGES = 64
_IN_FLIGHT_MS = 3_600_000

# The answer to a call in flight needs its request: such a session is not touched. Rows are long,
# so the search goes by indices: reading each request of a long session would hold the writer up.
_OLDEST = """SELECT s.id, s.last_accessed FROM sessions s WHERE s.last_accessed <= ? OR (
    NOT EXISTS (SELECT 1 FROM requests r WHERE r.created_at > ? AND r.id IN (
        SELECT q.id FROM requests q LEFT JOIN responses a ON a.request_id = q.id
        WHERE q.session_id = s.id AND a.id IS NULL))
    AND NOT EXISTS (SELECT 1 FROM responses a WHERE a.state = 'streaming' AND a.created_at > ?
        AND a.session_id || '' = s.id))
    ORDER BY s.last_accessed, s.id LIMIT 1"""


class Retention:
    """Removes what is too old or too much, a little with each step."""

    def __init__(
        self,
        *,
        keep_days: int = 0,
        keep_mb: int = 0,
        step_ms: int | None = None,
    ) -> None:
        """0 means no limit."""
        self.waits = False
        """Whether another instance is at it; what is left is told by a later step."""
        self._scales: Scales | None = None
        self._step_ms = step_ms
        self._keep_ms = keep_days * DAY_MS
        self._keep_bytes = keep_mb * 1_000_000
        self._requests = 8
        self._next_step = 0.0
        self._more = False
        self._unmerged = False
        """Whether the index of what was said has grown by what is gone."""

    @property
    def lifetime_ms(self) -> int:
        """How long a session is kept after its last use; 0 = no limit."""
        return self._keep_ms

    def due_in(self) -> float | None:
        """Seconds until the next step when nothing else is to be done; None for never."""
        if self._more:
            return 0.0
        if not self._has_limit():
            return None
        return max(self._next_step - time.monotonic(), 0.0)

    def step(self, database: Database, parts: PartStore | None = None, *, idle: bool) -> bool:
        """Removes a little, if something is due; whether there is more to remove.

        What is left of requests that are removed goes first, whoever removed them: a limit in
        bytes is about what is still needed.

        Raises:
            peewee.DatabaseError: the database cannot be written.
        """
        now = time.monotonic()
        if now < self._next_step and not (idle and self._more):
            return False
        self._scales = scales = self._scales or scales_for(database)
        self.waits = not scales.claim(database)
        self._more = not self.waits and self._remove(database, parts, scales)
        if self._more:
            _checkpoint(database)
        if not self.waits and not self._more:
            scales.release(database)
        self._next_step = now + (BUSY_EVERY_S if self._more or self.waits else CHECK_EVERY_S)
        return self._more

    def _has_limit(self) -> bool:
        return bool(self._keep_ms or self._keep_bytes)

    def _remove(self, database: Database, parts: PartStore | None, scales: Scales) -> bool:
        """Whether there may be more to do."""
        if _sweep(database, parts, scales):
            return True
        if self._unsay(database):
            return True
        if self._keep_bytes and scales.weigh(database):
            return True
        return self._has_limit() and (self._forget(database, scales) or _give_back(database))

    def _unsay(self, database: Database) -> bool:
        """Whether the index still holds something of texts that are gone."""
        if unsay(database, _SWEEP_S):
            self._unmerged = True
            return True
        self._unmerged = self._unmerged and merge(database)
        return self._unmerged

    def _forget(self, database: Database, scales: Scales) -> bool:
        """Whether something was removed."""
        now = now_ms()
        oldest = execute(database, _OLDEST, (now - _IN_FLIGHT_MS,) * 3).fetchone()
        if oldest is None:
            return False
        session_id, last_accessed = oldest
        too_old = bool(self._keep_ms) and last_accessed < now - self._keep_ms
        too_much = bool(self._keep_bytes) and (scales.total(database) or 0) > self._keep_bytes
        if not too_old and not too_much:
            return False
        started = time.monotonic()
        with writing(database):
            scales.take_off(_remove_requests(database, session_id, self._requests, scales))
        self._adapt((time.monotonic() - started) * 1000)
        return True

    def _adapt(self, took_ms: float) -> None:
        limit = _STEP_MS if self._step_ms is None else self._step_ms
        if took_ms > limit:
            self._requests = max(self._requests // 2, 1)
        elif took_ms < limit / 4:
            self._requests = min(self._requests * 2, _MOST_REQUESTS)


def remove_session(database: Database, session_id: str) -> Iterator[None]:
    """Removes a session with all that hangs on it, a little with each step.

    No step means that there is no such session. What only it needed is left for `Retention`.

    Raises:
        peewee.DatabaseError: the database cannot be written.
    """
    while execute(database, "SELECT 1 FROM sessions WHERE id = ?", (session_id,)).fetchone():
        with writing(database):
            # Nobody weighs here; whoever does finds out with the next weighing.
            _remove_requests(database, session_id, _BY_HAND_REQUESTS, PageScales())
        _checkpoint(database)
        yield


def _sweep(database: Database, parts: PartStore | None, scales: Scales) -> bool:
    """Whether there was something to look at."""
    swept = sweep(database, _SWEEP_S)
    scales.take_off(swept.weight)
    if parts is not None:
        parts.removed(swept.nodes, swept.parts)
    return swept.looked_at > 0


def _remove_requests(database: Database, session_id: str, limit: int, scales: Scales) -> int:
    """Removes a session's first requests with their answers; after the last one the session.

    Gives the bytes that went with them.
    """
    first = "SELECT id FROM requests WHERE session_id = ? ORDER BY id LIMIT ?"
    weight = scales.hanging(database, first, (session_id, limit))
    removed = execute(
        database, f"DELETE FROM requests WHERE id IN ({first})", (session_id, limit)
    ).rowcount
    if removed < limit:
        execute(database, "DELETE FROM sessions WHERE id = ?", (session_id,))
    return weight


def _give_back(database: Database) -> bool:
    """Whether a few free pages were given back to the file system."""
    if not isinstance(database, SqliteDatabase):
        return False
    if read_number(database, "PRAGMA auto_vacuum") != 2 or not read_number(
        database, "PRAGMA freelist_count"
    ):
        return False
    give_back(database, _VACUUM_PAGES)
    return True


def _checkpoint(database: Database) -> None:
    """Moves a step's pages on at once; left together they would make one later commit slow."""
    if isinstance(database, SqliteDatabase):
        execute(database, "PRAGMA wal_checkpoint(PASSIVE)").fetchall()
