"""The two forms of a streamed answer: server-sent events, and one JSON array.

`alt=sse` asks for the former. The latter is what comes without it, from a gateway that drops the
query, or as the error of a stream: an array whose elements arrive piecemeal.

Source: recorded exchanges of both forms (2025-08).
"""

from __future__ import annotations

import re

from transforms.contract import Decoder, Event
from transforms.framing import SSEDecoder

_MARKS = re.compile(rb'["\\{}\[\]]')


class AnswerDecoder:
    """Events of either form, told apart by the first byte that is no blank."""

    def __init__(self) -> None:
        self._decoder: Decoder | None = None

    def feed(self, chunk: bytes) -> list[Event]:
        """The events completed by this piece."""
        if self._decoder is None:
            chunk = chunk.lstrip()
            if not chunk:
                return []
            self._decoder = ArrayDecoder() if chunk.startswith(b"[") else SSEDecoder()
        return self._decoder.feed(chunk)

    def close(self) -> list[Event]:
        """The event left over at the end of the body, if any."""
        return self._decoder.close() if self._decoder else []


class ArrayDecoder:
    """The elements of a JSON array, each an event without a name.

    Brackets are counted outside of strings; a mark at depth 2 opens an object of the array, and
    the one that leads back to depth 1 ends it.
    """

    def __init__(self) -> None:
        # Pieces of the element that has no end yet.
        self._pieces: list[bytes] = []
        self._depth = 0
        self._in_string = False
        self._escaped_at_start = False

    def feed(self, chunk: bytes) -> list[Event]:
        """The elements completed by this piece."""
        events: list[Event] = []
        start, at = 0, int(self._escaped_at_start)
        self._escaped_at_start = self._escaped_at_start and not chunk
        while mark := _MARKS.search(chunk, at):
            at = mark.end()
            if mark[0] == b"\\":
                self._escaped_at_start = at == len(chunk)
                at += 1
                continue
            depth = self._depth
            self._read(mark[0])
            if depth == 1 and self._depth == 2:
                start = mark.start()
            elif depth == 2 and self._depth == 1:
                events.append(Event("", b"".join([*self._pieces, chunk[start:at]])))
                self._pieces.clear()
        if self._depth > 1:
            self._pieces.append(chunk[start:])
        return events

    def close(self) -> list[Event]:
        """Nothing: an element that the end of the body cuts off is never told."""
        return []

    def _read(self, mark: bytes) -> None:
        if mark == b'"':
            self._in_string = not self._in_string
        elif not self._in_string:
            self._depth += 1 if mark in b"{[" else -1
