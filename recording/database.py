"""The database of the record: where it lies, how it is opened, whether it is still there."""

from __future__ import annotations

import errno
import logging
import os
import sqlite3
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from itertools import islice
from pathlib import Path
from typing import TypeVar, cast

from peewee import (
    Database,
    DatabaseError,
    InterfaceError,
    OperationalError,
    PostgresqlDatabase,
    SqliteDatabase,
)
from playhouse import db_url  # type: ignore[import-untyped]  # peewee ships stubs for itself alone

from migrations import NewerDatabaseError, migrate
from models import WRITING_LOCK, execute
from transforms.contract import JSON

# peewee logs each statement with its values, and mitmproxy listens from DEBUG on: what is recorded
# would pass through the log, at ten times the cost of writing it.
logging.getLogger("peewee").setLevel(logging.INFO)

Item = TypeVar("Item")

FILE_MODE = 0o600
BUSY_MS = 10
"""How long a statement waits for another process's lock; a call waits 25 ms at most."""

LOCK_MS = 1000
"""How long a statement waits for a lock of PostgreSQL's. A writer that gets none puts its rows into
the spill file; nobody's call waits for it."""

_NETWORK: JSON = {"connect_timeout": 5, "tcp_user_timeout": 10_000}
"""Seconds and milliseconds until a server that has gone is given up."""

DEFAULT_URL = "sqlite:///chats.db"
"""Beside whoever starts a proxy, or looks at its record."""

SCHEMES = ("sqlite", "postgresql", "postgres")

_PRAGMAS = (
    ("journal_mode", "wal"),
    ("synchronous", "normal"),
    ("foreign_keys", 1),
    ("wal_autocheckpoint", 16_000),
    ("journal_size_limit", 64 << 20),
)


_WITHOUT_FTS5 = (
    f"SQLite {sqlite3.sqlite_version} of this Python was built without FTS5, which the record "
    "needs for its full-text index; use a Python whose SQLite has it, or PostgreSQL"
)


class RecordDatabase:
    """One connection to the record, for one thread at a time."""

    def __init__(self, url: str, *, lock_ms: int | None = None) -> None:
        """`lock_ms` is for those who wait longer for a lock than a call may.

        Raises:
            ValueError: the URL cannot be used.
        """
        self.database, self.path = _parse(url, lock_ms or BUSY_MS)
        self._lock_ms = lock_ms
        self._inode: int | None = None

    @property
    def is_sqlite(self) -> bool:
        """Whether it is a file of ours, and not a server."""
        return isinstance(self.database, SqliteDatabase)

    @property
    def is_in_memory(self) -> bool:
        """Whether each connection has a database of its own."""
        return self.is_sqlite and self.path is None

    @property
    def spill_path(self) -> Path:
        """Where records wait while the database cannot be written."""
        if self.path is not None:
            return self.path.with_name(self.path.name + ".spill")
        return Path(f"{Path(str(self.database.database)).name}.spill")

    @property
    def refused_path(self) -> Path:
        """Where the records that the database refused are listed."""
        return self.spill_path.with_suffix(".refused")

    def open(self) -> None:
        """Creates the file for nobody else to read, connects, and migrates.

        Raises:
            NewerDatabaseError: a newer version wrote it.
            peewee.DatabaseError: it cannot be opened.
            OSError: the file cannot be created.
        """
        self.close()
        if self.path is not None:
            _create(self.path)
            self._inode = self.path.stat().st_ino
        try:
            if self.path is not None and not self.path.stat().st_size:
                _lay_out(self.path)
            self.database.connect()
            migrate(self.database)
            if not self.is_sqlite:
                execute(self.database, f"SET lock_timeout = {self._lock_ms or LOCK_MS}")
        except (DatabaseError, InterfaceError, NewerDatabaseError) as exc:
            self.close()
            if "no such module" in str(exc):
                raise OperationalError(_WITHOUT_FTS5) from exc
            raise

    def checkpoint(self) -> None:
        """Moves what is in SQLite's log into the database, as far as nobody is in the way.

        Done when nothing is waiting, so that no call's commit has to do it. What SQLite remembers
        of the file is forgotten: it would go on writing into one that was spoilt, and never look.
        """
        if self.path is not None:
            execute(self.database, "PRAGMA wal_checkpoint(PASSIVE)", ())
            execute(self.database, "PRAGMA shrink_memory", ())

    def open_to_read(self) -> None:
        """Connects to a database that another connection has made.

        Raises:
            peewee.DatabaseError: it cannot be opened.
            OSError: there is no file.
        """
        self.close()
        if self.path is not None:
            self._inode = self.path.stat().st_ino
        self.database.connect()

    def close(self) -> None:
        """Closes the connection, if it is open."""
        if not self.database.is_closed():
            self.database.close()

    def is_gone(self) -> bool:
        """Whether the file was deleted or replaced: SQLite would go on writing into nowhere."""
        if self.path is None or self._inode is None:
            return False
        try:
            return self.path.stat().st_ino != self._inode
        except OSError:
            return True


def _create(path: Path) -> None:
    """Creates the file, if there is none; SQLite gives its -wal and -shm files the same mode.

    One that is there is not opened: closing it again would give up the locks of all connections
    that this process has to it, and whoever came and went then would remove their -wal file.

    Raises:
        OSError: it cannot be created, or cannot be written.
    """
    try:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, FILE_MODE))
    except FileExistsError:
        if not os.access(path, os.W_OK):
            raise PermissionError(errno.EPERM, os.strerror(errno.EPERM), str(path)) from None


def _lay_out(path: Path) -> None:
    """What only counts before the file has its first page.

    Said again on each connection it would wait for the writer's lock.
    """
    connection = sqlite3.connect(path, isolation_level=None)
    try:
        connection.execute("PRAGMA auto_vacuum = incremental")
        connection.execute("PRAGMA journal_mode = wal")
    except sqlite3.Error as exc:
        raise OperationalError(str(exc)) from exc
    finally:
        connection.close()


@contextmanager
def writing(database: Database) -> Iterator[None]:
    """A transaction of the only writer.

    SQLite has no other. On PostgreSQL, instances that write to the same sessions in different
    order would block each other for good, and one could miss the turn another is about to commit.

    Raises:
        peewee.DatabaseError: the database cannot be written, or somebody else keeps the lock.
    """
    with database.atomic():
        if isinstance(database, PostgresqlDatabase):
            execute(database, "SELECT pg_advisory_xact_lock(?)", (WRITING_LOCK,))
        yield


def batches(items: Iterable[Item], size: int) -> Iterator[list[Item]]:
    """The items in lists of so many: databases limit the parameters of a statement."""
    rest = iter(items)
    while batch := list(islice(rest, size)):
        yield batch


def give_back(database: Database, pages: int) -> None:
    """Gives free pages of SQLite's file back to the file system, so many at most.

    Raises:
        peewee.DatabaseError: the database cannot be written.
    """
    connect = cast("Callable[[], sqlite3.Connection]", database.connection)
    try:
        # Each page is a step of the statement; `execute` takes only the first on Python 3.11.
        connect().executescript(f"PRAGMA incremental_vacuum({pages})")
    except sqlite3.Error as exc:
        raise OperationalError(str(exc)) from exc


def _parse(url: str, busy_ms: int) -> tuple[Database, Path | None]:
    scheme = url.partition(":")[0].partition("+")[0]
    if scheme not in SCHEMES or "://" not in url:
        raise ValueError(
            f"`{shown_url(url)}` is not a database URL that can be used; "
            "`sqlite:///FILE` and `postgresql://USER@HOST/NAME` are."
        )
    try:
        options = db_url.parse(url)
    except ValueError as exc:
        raise ValueError(f"`{shown_url(url)}` cannot be read as a database URL: {exc}") from exc
    name = options.pop("database", None)
    if not name or (scheme == "sqlite" and options.pop("host", None)):
        raise ValueError(
            f"`{shown_url(url)}` names no database; a file takes three slashes: `{DEFAULT_URL}`."
        )
    if scheme == "sqlite":
        return _sqlite(url, str(name), options, busy_ms)
    return _postgresql(str(name), options), None


def _sqlite(url: str, name: str, options: JSON, busy_ms: int) -> tuple[Database, Path | None]:
    path = None if name == ":memory:" else Path(name).absolute()
    if path is not None and not path.parent.is_dir():
        raise ValueError(f"`{shown_url(url)}`: the folder `{path.parent}` does not exist.")
    if path is not None and path.is_dir():
        raise ValueError(f"`{shown_url(url)}`: `{path}` is a folder, not a file.")
    settings: JSON = {
        "pragmas": _PRAGMAS,
        "timeout": busy_ms / 1000,
        "lock_type": "IMMEDIATE",
        "thread_safe": False,
        "check_same_thread": False,
    }
    return SqliteDatabase(str(path or name), **{**options, **settings}), path


def _postgresql(name: str, options: JSON) -> Database:
    if find_spec("psycopg") is None and find_spec("psycopg2") is None:
        raise ValueError(
            "`postgresql://` needs the package `psycopg`: pip install 'psycopg[binary]'."
        )
    settings: JSON = {"prefer_psycopg3": True, "thread_safe": False}
    return PostgresqlDatabase(name, **{**_NETWORK, **options, **settings})


def shown_url(url: str) -> str:
    """The URL without its password."""
    head, at, tail = url.rpartition("@")
    if not at:
        return url
    return head.split("//", 1)[0] + "//…@" + tail
