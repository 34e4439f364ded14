"""The thread that reads states, on a connection of its own, so that nobody waits for long."""

from __future__ import annotations

import asyncio
import logging
import queue
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from peewee import DatabaseError, InterfaceError

from recording.database import RecordDatabase
from recording.rare_log import RareLog
from recording.state_rows import Answers, find_states, has_states
from recording.states import Keys

LONGEST_RECALL_S = 0.02
"""How long a call waits for its states; what is left of 25 ms it may wait for its record."""

_LONGEST_END_S = 1.0

_TROUBLE = (DatabaseError, InterfaceError, OSError, ValueError)

_logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Found:
    """What the database knows."""

    answers: Answers
    """One for each question."""

    any: bool
    """Whether there are states of the provider at all."""


@dataclass(frozen=True, slots=True)
class _Inquiry:
    provider: str
    questions: Sequence[Keys]
    answer: asyncio.Future[Found | None]


class StateReader:
    """Reads from `start` to `stop`. Its verbs belong to the event loop's thread."""

    def __init__(self, store: RecordDatabase) -> None:
        self._store = store
        self._queue: queue.SimpleQueue[_Inquiry | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="state-reader", daemon=True)
        self._given_up: set[asyncio.Future[Found | None]] = set()
        self._log = RareLog(_logger)

    def start(
        self, loop: asyncio.AbstractEventLoop, learn: Callable[[str, Sequence[Keys], Found], None]
    ) -> None:
        """Starts the thread; the writer has made the database by now, if it can be made.

        `learn` is told what came too late for its call; the next turn asks the same again.
        """
        self._loop, self._learn = loop, learn
        self._thread.start()

    def stop(self) -> None:
        """Ends the thread."""
        if self._thread.is_alive():
            self._queue.put(None)
            # A database that hangs must not keep the proxy from ending.
            self._thread.join(_LONGEST_END_S)

    async def ask(
        self, provider: str, questions: Sequence[Keys], within_s: float | None = None
    ) -> Found | None:
        """What the database knows; None where it did not say in time, 20 ms by default.

        While an answer is overdue nobody else waits: the database is in trouble.
        """
        if self._given_up or not self._thread.is_alive():
            return None
        answer: asyncio.Future[Found | None] = self._loop.create_future()
        self._queue.put(_Inquiry(provider, questions, answer))
        limit_s = LONGEST_RECALL_S if within_s is None else within_s
        limit = self._loop.call_later(limit_s, self._give_up, answer)
        try:
            return await answer
        finally:
            limit.cancel()

    def _give_up(self, answer: asyncio.Future[Found | None]) -> None:
        if not answer.done():
            self._given_up.add(answer)
            answer.set_result(None)

    def _resolve(self, inquiry: _Inquiry, found: Found | None) -> None:
        self._given_up.discard(inquiry.answer)
        if not inquiry.answer.done():
            inquiry.answer.set_result(found)
        elif found is not None:
            self._learn(inquiry.provider, inquiry.questions, found)

    def _run(self) -> None:
        self._connected()
        while (inquiry := self._queue.get()) is not None:
            found = self._found(inquiry) if self._connected() else None
            try:
                self._loop.call_soon_threadsafe(self._resolve, inquiry, found)
            except RuntimeError:
                # The loop has ended, and everybody who waited with it.
                break
        self._store.close()

    def _connected(self) -> bool:
        try:
            if self._store.database.is_closed() or self._store.is_gone():
                self._store.open_to_read()
        except _TROUBLE as exc:
            self._note_trouble(exc)
            return False
        return True

    def _found(self, inquiry: _Inquiry) -> Found | None:
        database = self._store.database
        try:
            answers = find_states(database, inquiry.provider, inquiry.questions)
            some = any(answer is not False for answer in answers)
            found = Found(answers, some or has_states(database, inquiry.provider))
        except _TROUBLE as exc:
            self._note_trouble(exc)
            return None
        self._log.over("What providers gave with earlier answers can be read again.")
        return found

    def _note_trouble(self, exc: Exception) -> None:
        self._store.close()
        self._log.warning(
            "What providers gave with earlier answers cannot be read (%s: %s)",
            type(exc).__name__,
            exc,
        )
