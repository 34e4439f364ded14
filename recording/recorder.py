"""The recorder: verbs that are told what happened, and never hold up who tells it."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence

from recording import clues
from recording.bodies import Body
from recording.building import Answer, AnswerState, RowBuilder
from recording.database import RecordDatabase
from recording.memory import Memory, asked_with
from recording.redaction import Redactor, secret_values
from recording.retention import Retention
from recording.row_queue import Entry
from recording.state_reader import StateReader
from recording.tracker import PersistenceTracker, RequestRecord
from recording.writer import Writer
from transforms.contract import JSON

STORES = ("full", "metadata", "off")
LONGEST_WAIT_S = 0.025
"""How long a call waits for its request to be committed or spilled, recall included."""


class Recorder:
    """Keeps both panels of every exchange, through one writer thread.

    All verbs belong to the event loop's thread. Whatever is stored is redacted here, before it
    is queued.
    """

    def __init__(
        self,
        url: str,
        *,
        store: str = "full",
        redact: Sequence[re.Pattern[str]] = (),
        keep_days: int = 0,
        keep_mb: int = 0,
    ) -> None:
        """`store` is one of `STORES`; for `keep_days` and `keep_mb`, 0 is no limit.

        Raises:
            ValueError: the URL or another argument cannot be used.
        """
        if store not in STORES:
            raise ValueError(f"`{store}` is not a way to store; `full`, `metadata` and `off` are.")
        if keep_days < 0 or keep_mb < 0:
            raise ValueError("A limit on what is kept is a number from 0 on; 0 = no limit.")
        self._on = store != "off"
        self._full = store == "full"
        retention = Retention(keep_days=keep_days, keep_mb=keep_mb)
        redactor = Redactor(redact)
        self._builder = RowBuilder(redactor, full=self._full, lifetime_ms=retention.lifetime_ms)
        database = RecordDatabase(url)
        self._writer = Writer(database, retention)
        readable = self._full and not database.is_in_memory
        self._memory = Memory(redactor, StateReader(RecordDatabase(url)) if readable else None)
        self._running = False

    @property
    def waiting(self) -> int:
        """Rows that are not in the database yet, the spill file's included."""
        return self._writer.waiting

    def start(self, loop: asyncio.AbstractEventLoop) -> None:
        """Opens the database, brings its schema up to date, and starts the writer.

        Answers that an earlier run left unfinished become `interrupted`.

        Raises:
            NewerDatabaseError: a newer version wrote the database.
            peewee.DatabaseError: it cannot be opened.
            OSError: a file cannot be created.
        """
        if self._on:
            self._writer.start(loop)
            self._memory.start(loop)
            self._running = True

    def stop(self) -> None:
        """Writes what is queued and closes the database; what comes later is not recorded."""
        if self._running:
            self._running = False
            self._memory.stop()
            self._writer.stop()

    async def recall(self, provider: str, messages: list[JSON]) -> list[JSON]:
        """The messages of a request, with what this provider gave with its answers put back.

        That is what OpenAI's format has no place for, and clients do not send. It is put on copies
        of the messages, and only where they do not hold it themselves. Returns after 20 ms at the
        latest.
        """
        return await self._memory.recall(provider, messages)

    async def log_request(self, record: RequestRecord) -> PersistenceTracker:
        """Records a request; returns once it is committed or in the spill file, after 25 ms at the
        latest."""
        tracker = PersistenceTracker(
            record.request_id,
            secrets=secret_values(record.secrets),
            message_count=len(record.said),
            asked=asked_with(record),
            who=clues.who(record.headers),
            before=clues.brief(record.said),
        )
        if self._running:
            loop = asyncio.get_running_loop()
            stored = loop.create_future()
            row = self._builder.request_row(record, tracker)
            entry = Entry(row, stored=stored)
            if record.body is not None:
                entry.said, entry.length = record.said, len(record.openai_request)
                entry.offers_tools = bool(record.body.get("tools"))
            self._writer.put(entry)
            limit = loop.call_later(LONGEST_WAIT_S - record.waited_s, _give_up, stored)
            await stored
            limit.cancel()
        return tracker

    def log_response(
        self,
        tracker: PersistenceTracker,
        *,
        openai_response: Body,
        provider_response: Body,
        status_code: int | None,
    ) -> None:
        """Records a plain answer, whole."""
        answer = Answer(openai_response, provider_response, status_code, "complete")
        self._record(tracker, answer)

    def log_streaming_response(
        self,
        tracker: PersistenceTracker,
        *,
        openai_response: Body,
        provider_response: Body,
        status_code: int | None,
        state: AnswerState = "streaming",
        error: str | None = None,
    ) -> None:
        """Records a streamed answer as it stands so far, or at its end."""
        answer = Answer(openai_response, provider_response, status_code, state, error)
        self._record(tracker, answer)

    def log_error_response(
        self,
        tracker: PersistenceTracker,
        *,
        error: str,
        status_code: int | None = None,
        openai_response: Body = None,
        provider_response: Body = None,
        state: AnswerState = "failed",
    ) -> None:
        """Records an answer that is an error, or that never came."""
        answer = Answer(openai_response, provider_response, status_code, state, error)
        self._record(tracker, answer)

    def log_raw(self, tracker: PersistenceTracker, piece: bytes) -> None:
        """Keeps a raw piece of the provider's stream; it is written with the next snapshot."""
        if self._running and self._full and piece and not tracker.finished:
            tracker.pieces.append((tracker.elapsed_ms(), piece))

    def _record(self, tracker: PersistenceTracker, answer: Answer) -> None:
        if tracker.finished:
            return
        states = self._memory.remember(tracker, answer)
        if self._running:
            row = self._builder.response_row(tracker, answer)
            row.states = states
            self._writer.put(Entry(row))
        # Not before: where it cannot be told what was answered, it can be told that.
        tracker.finished = answer.state != "streaming"


def _give_up(stored: asyncio.Future[None]) -> None:
    """The record goes on being written; the call does not wait for it any longer."""
    if not stored.done():
        stored.set_result(None)
