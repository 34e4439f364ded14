"""What the record takes, told without reading all of it at once.

SQLite knows its pages. The size of PostgreSQL's files says nothing: they stay as large as they
were until somebody vacuums them in full, and what is free in them is used again. So the rows
themselves are weighed, compressed as they are, a stretch of pages at a time, and what is removed
afterwards is taken off the sum. What is written meanwhile shows in the next weighing. That begins
when a hundred times as long has passed as the last one took, and only if anything was asked: it
takes one part in a hundred of the writer's time, however large the record.

Of several instances on one PostgreSQL database one removes, as long as there is something to
remove: two that take off what the same weighing found would remove twice as much.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Protocol

from peewee import Database, PostgresqlDatabase

from models import REMOVING_LOCK, TABLES, execute, read_number

_ROW_BYTES = 28
"""PostgreSQL's own, beside the columns."""

_STRETCH_S = 0.01
"""A stretch that takes longer makes the next one shorter; one that takes a quarter, longer."""

_FIRST_PAGES = 64
_MOST_PAGES = 4096
_SHARE = 100
_RARELY_S = 60.0

_COLUMNS = {
    **{model._meta.table_name: tuple(model._meta.columns) for model in TABLES},
    "said": ("id", "words"),
}
_WEIGHT = {
    table: f"COALESCE(SUM({_ROW_BYTES}"
    + "".join(f" + COALESCE(pg_column_size({column}), 0)" for column in columns)
    + f"), 0) FROM {table}"
    for table, columns in _COLUMNS.items()
}
# PostgreSQL reads the pages that lie in such a range, and no others.
_STRETCH = " WHERE ctid >= CAST(? AS tid) AND ctid < CAST(? AS tid)"
_PAGES = (
    "SELECT pg_relation_size(CAST(? AS regclass)) / CAST(current_setting('block_size') AS BIGINT)"
)

# What goes with a request. Keys of states and turns are left out: they take next to nothing.
_HANGING = {
    "requests": "id IN ({asked})",
    **{
        table: "request_id IN ({asked})"
        for table in ("responses", "segments", "clues", "pieces", "states")
    },
    "said": "id IN (SELECT -2 * id - n FROM ({asked}) AS asked, generate_series(0, 1) AS n)",
}


class Scales(Protocol):
    """Tells what the record takes; belongs to one database."""

    def claim(self, database: Database) -> bool:
        """Whether this instance may remove; until it lets go, no other may."""

    def release(self, database: Database) -> None:
        """Lets others remove."""

    def weigh(self, database: Database) -> bool:
        """Weighs a little, if that is due; whether there is more to weigh."""

    def total(self, database: Database) -> int | None:
        """Bytes; None until they are known."""

    def take_off(self, count: int) -> None:
        """So many bytes are removed."""

    def hanging(self, database: Database, asked: str, parameters: tuple[object, ...]) -> int:
        """Bytes that go with the requests whose numbers a statement gives."""


def scales_for(database: Database) -> Scales:
    """The scales for this kind of database."""
    return RowScales() if isinstance(database, PostgresqlDatabase) else PageScales()


class PageScales:
    """SQLite's: pages in use, told by the file at any time."""

    def claim(self, database: Database) -> bool:
        """Always: each step looks anew at what there is."""
        return True

    def release(self, database: Database) -> None:
        """Nothing to let go."""

    def weigh(self, database: Database) -> bool:
        """Nothing to weigh."""
        return False

    def total(self, database: Database) -> int | None:
        """Bytes of the pages in use."""
        return measured_bytes(database)

    def take_off(self, count: int) -> None:
        """The file tells it."""

    def hanging(self, database: Database, asked: str, parameters: tuple[object, ...]) -> int:
        """The file tells it."""
        return 0


@dataclass
class _Weighing:
    """How far a weighing has come."""

    newest: int
    """The number of the last request when it began."""
    tables: list[str] = field(default_factory=lambda: list(_COLUMNS))
    page: int = 0
    total: int = 0
    seconds: float = 0.0


class RowScales:
    """PostgreSQL's: rows weighed now and then, less what was removed since."""

    def __init__(self) -> None:
        self._total: int | None = None
        self._weighing: _Weighing | None = None
        self._weighed = -1
        """The number of the last request that was there when it was last weighed."""
        self._next_at = 0.0
        self._pages = _FIRST_PAGES
        self._backend = 0

    def claim(self, database: Database) -> bool:
        """Whether nobody else removes; what was found on a lost connection is forgotten."""
        sql = "SELECT pg_try_advisory_lock(?), pg_backend_pid()"
        claimed, backend = execute(database, sql, (REMOVING_LOCK,)).fetchone() or (False, 0)
        if not claimed or backend != self._backend:
            self._forget()
        self._backend = backend
        return bool(claimed)

    def release(self, database: Database) -> None:
        """Lets others remove. It was claimed once for each step, so all of it is given up."""
        execute(database, "SELECT pg_advisory_unlock_all()")
        self._forget()

    def weigh(self, database: Database) -> bool:
        """Weighs a stretch, if that is due."""
        if self._weighing is None:
            newest = read_number(database, "SELECT COALESCE(MAX(id), 0) FROM requests")
            if time.monotonic() < self._next_at or newest == self._weighed:
                return False
            self._weighing = _Weighing(newest)
        started = time.monotonic()
        self._weigh_stretch(database, self._weighing)
        took = time.monotonic() - started
        self._weighing.seconds += took
        self._adapt(took)
        if not self._weighing.tables:
            self._finish(self._weighing)
        return True

    def total(self, database: Database) -> int | None:
        """Bytes of the rows, without those of indices."""
        return self._total

    def take_off(self, count: int) -> None:
        """Takes it off what is weighed so far, too: some of it may be in there."""
        if self._total is not None:
            self._total -= count
        if self._weighing is not None:
            self._weighing.total -= count

    def hanging(self, database: Database, asked: str, parameters: tuple[object, ...]) -> int:
        """Bytes of the rows that go with requests, without the parts of their bodies."""
        return sum(
            read_number(
                database,
                f"SELECT {_WEIGHT[table]} WHERE {condition.format(asked=asked)}",
                parameters,
            )
            for table, condition in _HANGING.items()
        )

    def _forget(self) -> None:
        """Whoever removes next, it is no longer true."""
        self._total = self._weighing = None

    def _weigh_stretch(self, database: Database, weighing: _Weighing) -> None:
        table = weighing.tables[0]
        end = weighing.page + self._pages
        stretch = (f"({weighing.page},0)", f"({end},0)")
        weighing.total += read_number(database, f"SELECT {_WEIGHT[table]}{_STRETCH}", stretch)
        weighing.page = end
        if end >= read_number(database, _PAGES, (table,)):
            weighing.page = 0
            del weighing.tables[0]

    def _finish(self, weighing: _Weighing) -> None:
        self._weighing = None
        self._total, self._weighed = weighing.total, weighing.newest
        self._next_at = time.monotonic() + max(_SHARE * weighing.seconds, _RARELY_S)

    def _adapt(self, took_s: float) -> None:
        if took_s > _STRETCH_S:
            self._pages = max(self._pages // 2, 1)
        elif took_s < _STRETCH_S / 4:
            self._pages = min(self._pages * 2, _MOST_PAGES)


def measured_bytes(database: Database) -> int:
    """What the record takes: SQLite's pages in use, PostgreSQL's rows.

    The latter by reading all of them, too slow for between two rows.
    """
    if isinstance(database, PostgresqlDatabase):
        return sum(read_number(database, f"SELECT {weight}") for weight in _WEIGHT.values())
    pages = read_number(database, "PRAGMA page_count")
    free = read_number(database, "PRAGMA freelist_count")
    return (pages - free) * read_number(database, "PRAGMA page_size")
