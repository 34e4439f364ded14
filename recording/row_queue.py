"""Rows on their way from the event loop's thread to the writer's, which is woken for them."""

from __future__ import annotations

import asyncio
import queue
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

from recording.rows import Row, held_bytes
from transforms.contract import JSON

LINGER_S = 0.02
"""How long a row waits for company when nobody waits for it."""


@dataclass(slots=True)
class Entry:
    """A row on its way, and who waits for it."""

    row: Row
    said: list[JSON] | None = None
    """What a request tells of its conversation; its digests are made in the writer's thread."""
    offers_tools: bool = False
    length: int = 0
    """Bytes of the request, which may not be in the row."""
    stored: asyncio.Future[None] | None = None
    size: int = 0
    """Bytes of its bodies, once it is queued."""


class RowQueue:
    """First in, first out, from one thread to one other."""

    def __init__(self) -> None:
        self._entries: deque[Entry] = deque()
        self._put_bytes = 0
        self._taken_bytes = 0
        """Bytes of all bodies so far; the difference waits. Each number has one thread that adds to
        it."""
        self._wakes: queue.SimpleQueue[None] = queue.SimpleQueue()
        """One for each time that the writer is to look at `_entries`."""
        self._wakes_soon = False
        self._wakes_later = False
        self._loop: asyncio.AbstractEventLoop | None = None

    def __len__(self) -> int:
        return len(self._entries)

    @property
    def waiting_bytes(self) -> int:
        """Bytes of the bodies that wait."""
        return self._put_bytes - self._taken_bytes

    def open(self, loop: asyncio.AbstractEventLoop) -> None:
        """From now on whoever puts a row wakes the writer, which begins with what is there."""
        self._loop = loop
        self.wake()

    def put(self, entry: Entry) -> None:
        """Adds a row; never waits. Belongs to the loop's thread.

        A row for which somebody waits is written with all that came before it, once the loop has
        looked after every call that is ready by now. One for which nobody does lingers, so that it
        can share the transaction of the next: waking the thread and committing cost more than the
        row itself.
        """
        entry.size = held_bytes(entry.row)
        self._put_bytes += entry.size
        self._entries.append(entry)
        if self._loop is None:
            return
        if entry.stored is not None and not self._wakes_soon:
            self._wakes_soon = True
            self._loop.call_soon(self._wake_soon)
        elif entry.stored is None and not self._wakes_later:
            self._wakes_later = True
            self._loop.call_later(LINGER_S, self._wake_later)

    def wake(self) -> None:
        """Lets the writer look at what there is, at once."""
        self._wakes.put(None)

    def wait(self, timeout_s: float | None) -> bool:
        """Waits until there is something to look at; whether there is. Belongs to the writer."""
        try:
            self._wakes.get(timeout=timeout_s)
        except queue.Empty:
            return False
        while not self._wakes.empty():
            self._wakes.get_nowait()
        return True

    def take(self, most: int, most_bytes: int) -> list[Entry]:
        """Takes the first rows out, so many at most, and none after so many bytes of bodies.

        Belongs to the writer, who is woken again for what is left.
        """
        batch: list[Entry] = []
        end = self._taken_bytes + most_bytes
        while self._entries and len(batch) < most and self._taken_bytes < end:
            batch.append(self._entries.popleft())
            self._taken_bytes += batch[-1].size
        if self._entries:
            self.wake()
        return batch

    def tell(self, batch: Sequence[Entry]) -> None:
        """Tells those who wait for these rows that they are stored. Belongs to the writer."""
        waiting = [entry.stored for entry in batch if entry.stored is not None]
        if waiting and self._loop is not None:
            try:
                self._loop.call_soon_threadsafe(_resolve, waiting)
            except RuntimeError:
                # The loop has ended, and everybody who waited with it.
                return

    def _wake_soon(self) -> None:
        self._wakes_soon = False
        self.wake()

    def _wake_later(self) -> None:
        self._wakes_later = False
        if self._entries:
            self.wake()


def _resolve(waiting: Sequence[asyncio.Future[None]]) -> None:
    for future in waiting:
        if not future.done():
            future.set_result(None)
