"""The record as the pages reach it: one connection for each look.

A file that is deleted, a server that goes away, are so noticed at once, and threads share nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from peewee import Database

from recording import refusals
from recording.commands import waiting_rows
from recording.database import RecordDatabase

_PATIENCE_MS = 5000
"""For a lock of the proxy's."""


class UnreadableError(Exception):
    """There is no record to look at; the message says why."""


@dataclass(frozen=True, slots=True)
class Backlog:
    """What is not in the database."""

    waiting: int
    """Rows that are written once it can be."""
    refused: int
    """Records that it did not take."""


class Record:
    """A database URL, and what is known of it besides."""

    def __init__(self, url: str, waiting: Callable[[], int] = int) -> None:
        """`waiting` counts the rows that a recorder of this process holds.

        Raises:
            ValueError: the URL cannot be used.
        """
        self._url = url
        self._waiting = waiting
        store = RecordDatabase(url)
        self._files = store.spill_path, store.refused_path
        self._in_memory = store.is_in_memory

    @contextmanager
    def opened(self) -> Iterator[Database]:
        """A connection, for the thread that asks.

        Raises:
            UnreadableError: there is nothing to look at.
            peewee.DatabaseError: it cannot be opened.
        """
        if self._in_memory:
            raise UnreadableError("A database in memory cannot be looked at from outside.")
        store = RecordDatabase(self._url, lock_ms=_PATIENCE_MS)
        try:
            store.open_to_read()
        except OSError as exc:
            raise UnreadableError(
                f"There is nothing at `{store.path}` ({exc.strerror}). "
                "A proxy makes it when it starts, unless `chat_store` is off."
            ) from exc
        try:
            yield store.database
        finally:
            store.close()

    def backlog(self) -> Backlog:
        """What waits, in this process or in a file of any, and what was refused."""
        spill, refused = self._files
        return Backlog(max(self._waiting(), waiting_rows(spill)), refusals.count(refused))
