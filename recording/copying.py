"""Carrying the record from one database to another, of whatever kind.

The copy is a mirror: rows keep their numbers, and what the source has forgotten since a former
copy goes from the target too. The source is read from one snapshot, so a proxy may write to it
meanwhile; what it writes is fetched by the next copy, which goes on where the last one stopped.
Which tables there are is read from the models, which name what others hang on first.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from peewee import (
    AutoField,
    BigIntegerField,
    BooleanField,
    Database,
    Field,
    Model,
    PostgresqlDatabase,
)

from models import TABLES, Request, Response, execute, read_number
from recording.database import writing

Row = tuple[Any, ...]
Tell = Callable[[str, int, int], None]
"""Told the table, its rows done so far, and how many there are."""

_MOST_VALUES = 2000
"""In one statement, and so in one transaction of the target."""

_KEYS_AT_ONCE = 5000

_LOOKED_AT_AGAIN = 1000
"""The last rows of a former copy may have changed since."""


class ForeignDatabaseError(ValueError):
    """The target holds a record of its own, which a copy would mix up with the source's."""


def copy_record(source: Database, target: Database, tell: Tell) -> dict[str, tuple[int, int]]:
    """Makes the target a copy of the source; rows of each table in the source and in the target.

    Both are open and have this version's schema.

    Raises:
        ForeignDatabaseError: the target is neither empty nor a former copy; it is left as it is.
        peewee.DatabaseError: one of the two cannot be read or written.
    """
    _begin_snapshot(source)
    try:
        _check_target(source, target)
        tables = [_Table(model, source, target) for model in TABLES]
        for table in reversed(tables):
            table.remove_forgotten()
        for table in tables:
            table.copy(tell)
        for table in tables:
            table.number_on()
        return {table.name: table.counts() for table in tables}
    finally:
        execute(source, "ROLLBACK")


def _begin_snapshot(database: Database) -> None:
    postgres = isinstance(database, PostgresqlDatabase)
    execute(database, "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY" if postgres else "BEGIN")


def _check_target(source: Database, target: Database) -> None:
    """The newest request of a former copy is the source's too: the oldest are forgotten first."""
    newest = "SELECT id, request_id FROM requests ORDER BY id DESC LIMIT 1"
    last = execute(target, newest).fetchone()
    if last is None:
        return
    same = f"SELECT 1 FROM {Request._meta.table_name} WHERE id = ? AND request_id = ?"
    if execute(source, same, last).fetchone() is None:
        raise ForeignDatabaseError(
            f"The target holds request {last[1]}, which the source does not: it is no former "
            "copy, or was written to since. Copy to a new database."
        )


class _Table:
    """One table on both sides."""

    def __init__(self, model: type[Model], source: Database, target: Database) -> None:
        self.name: str = model._meta.table_name
        self._model = model
        self._source, self._target = source, target
        key: Any = model._meta.primary_key
        self._is_numbered = isinstance(key, AutoField)
        # What is still to be done is each database's own business.
        self._is_to_do = isinstance(key, BigIntegerField)
        names = getattr(key, "field_names", None) or [key.name]
        # The key comes first: a row begins with it.
        fields: list[Field] = [model._meta.fields[name] for name in names]
        fields += [field for field in model._meta.sorted_fields if field.name not in names]
        self._columns = [field.column_name for field in fields]
        self._key = self._columns[: len(names)]
        self._booleans = [
            place for place, field in enumerate(fields) if isinstance(field, BooleanField)
        ]

    def counts(self) -> tuple[int, int]:
        """Rows in the source and in the target."""
        sql = f"SELECT COUNT(*) FROM {self.name}"
        return read_number(self._source, sql), read_number(self._target, sql)

    def remove_forgotten(self) -> None:
        """Removes rows of the target that the source does not have any more."""
        if self._is_to_do:
            return
        for keys in self._chunks(self._target, self._key, _KEYS_AT_ONCE, None):
            listed = ", ".join(self._key)
            marks = self._marks()
            between = f"({listed}) >= {marks} AND ({listed}) <= {marks}"
            sql = f"SELECT {listed} FROM {self.name} WHERE {between}"
            known = {
                tuple(row) for row in execute(self._source, sql, (*keys[0], *keys[-1])).fetchall()
            }
            gone = [key for key in keys if tuple(key) not in known]
            if gone:
                with writing(self._target):
                    for key in gone:
                        sql = f"DELETE FROM {self.name} WHERE ({listed}) = {marks}"
                        execute(self._target, sql, key)

    def copy(self, tell: Tell) -> None:
        """Copies the rows from where a former copy may have stopped."""
        total = read_number(self._source, f"SELECT COUNT(*) FROM {self.name}")
        start = self._resume_after() if self._is_numbered else None
        done = 0
        if start is not None:
            sql = f"SELECT COUNT(*) FROM {self.name} WHERE {self._key[0]} <= ?"
            done = read_number(self._source, sql, start)
        limit = max(_MOST_VALUES // len(self._columns), 1)
        tell(self.name, done, total)
        for rows in self._chunks(self._source, self._columns, limit, start):
            with writing(self._target):
                execute(self._target, self._upsert(len(rows)), self._values(rows))
            done += len(rows)
            tell(self.name, done, total)

    def number_on(self) -> None:
        """Lets PostgreSQL number new rows after the copied ones."""
        if self._is_numbered and isinstance(self._target, PostgresqlDatabase):
            key = self._key[0]
            execute(
                self._target,
                f"SELECT setval(pg_get_serial_sequence('{self.name}', '{key}'), GREATEST("
                f"(SELECT MAX({key}) FROM {self.name}), 1)) "
                f"WHERE EXISTS (SELECT 1 FROM {self.name})",
            )

    def _resume_after(self) -> Row:
        key = self._key[0]
        last = read_number(self._target, f"SELECT COALESCE(MAX({key}), 0) FROM {self.name}")
        start = last - _LOOKED_AT_AGAIN
        if self._model is Response:
            unfinished = f"SELECT COALESCE(MIN(id), ?) - 1 FROM {self.name} WHERE state = ?"
            start = min(start, read_number(self._target, unfinished, (last + 1, "streaming")))
        # Nothing has a number below 0.
        return (max(start, -1),)

    def _chunks(
        self, database: Database, columns: Sequence[str], limit: int, after: Row | None
    ) -> Iterator[list[Row]]:
        """The rows in the order of their keys."""
        listed, key = ", ".join(columns), ", ".join(self._key)
        while True:
            where = "" if after is None else f"WHERE ({key}) > {self._marks()} "
            sql = f"SELECT {listed} FROM {self.name} {where}ORDER BY {key} LIMIT {limit}"
            rows = execute(database, sql, after or ()).fetchall()
            if not rows:
                return
            yield rows
            after = tuple(rows[-1][: len(self._key)])

    def _marks(self) -> str:
        return f"({', '.join('?' * len(self._key))})"

    def _upsert(self, rows: int) -> str:
        values = f"({', '.join('?' * len(self._columns))})"
        others = self._columns[len(self._key) :]
        unlike = "IS DISTINCT FROM" if isinstance(self._target, PostgresqlDatabase) else "IS NOT"
        update = (
            f"UPDATE SET {', '.join(f'{name} = excluded.{name}' for name in others)} WHERE "
            + " OR ".join(f"{self.name}.{name} {unlike} excluded.{name}" for name in others)
            if others
            else "NOTHING"
        )
        return (
            f"INSERT INTO {self.name} ({', '.join(self._columns)}) "
            f"VALUES {', '.join([values] * rows)} "
            f"ON CONFLICT ({', '.join(self._key)}) DO {update}"
        )

    def _values(self, rows: Sequence[Row]) -> list[Any]:
        """The values of all rows; SQLite keeps truth as a number."""
        if not self._booleans:
            return [value for row in rows for value in row]
        return [
            bool(value) if place in self._booleans and value is not None else value
            for row in rows
            for place, value in enumerate(row)
        ]
