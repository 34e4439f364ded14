"""A provider on loopback that costs next to nothing, in a process of its own.

The first folder of the path says how it answers, the end of the path in which format:
`/plain/v1/messages` gives a Message, `/stream/v1/chat/completions` OpenAI's chunks. `stream` sends
every event as a piece of its own, as fast as the other side takes them; `held` sends those up to
the first word, and the rest `HOLD_SECONDS` later.

`python -m benchmarks.upstream` prints the port and serves until it is stopped.
"""

from __future__ import annotations

import asyncio
import itertools
import re

from benchmarks.conversations import (
    FIRST_WORD,
    anthropic_answer,
    anthropic_events,
    numbered,
    openai_answer,
    openai_events,
)

HOLD_SECONDS = 0.01

_CONTENT_LENGTH = re.compile(rb"content-length: (\d+)", re.I)
_END = b"0\r\n\r\n"


def _plain(body: bytes) -> list[bytes]:
    head = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n"
    return [head % len(body) + body]


def _stream(events: list[bytes]) -> list[bytes]:
    head = (
        b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
    )
    return [head, *(b"%x\r\n%s\r\n" % (len(event), event) for event in events), _END]


_PLAIN = {"completions": _plain(openai_answer()), "messages": _plain(anthropic_answer())}
_STREAMS = {"completions": _stream(openai_events()), "messages": _stream(anthropic_events())}


def _held_after(pieces: list[bytes]) -> int:
    """How many pieces there are up to the one with the first word."""
    word = FIRST_WORD.encode()
    return next(count for count, piece in enumerate(pieces, 1) if word in piece)


class _Connection(asyncio.Protocol):
    """One keep-alive connection; requests come one after the other."""

    numbers = itertools.count(1)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._received = bytearray()
        self._expected = 0
        self._path = ""

    def data_received(self, data: bytes) -> None:
        self._received += data
        if not self._expected:
            self._read_head()
        if self._expected and len(self._received) >= self._expected:
            del self._received[: self._expected]
            self._expected = 0
            self._answer()

    def _read_head(self) -> None:
        end = self._received.find(b"\r\n\r\n")
        if end < 0:
            return
        head = bytes(self._received[:end])
        length = _CONTENT_LENGTH.search(head)
        self._path = head.split(b" ", 2)[1].decode()
        self._expected = end + 4 + (int(length[1]) if length else 0)

    def _answer(self) -> None:
        kind, spoken = self._path.split("/")[1], self._path.rpartition("/")[2]
        number = next(self.numbers)
        pieces = _PLAIN[spoken] if kind == "plain" else _STREAMS[spoken]
        if kind == "held":
            now = _held_after(pieces)
            self._write(pieces[:now], number)
            loop = asyncio.get_running_loop()
            loop.call_later(HOLD_SECONDS, self._write, pieces[now:], number)
        else:
            self._write(pieces, number)

    def _write(self, pieces: list[bytes], number: int) -> None:
        for piece in pieces:
            self._transport.write(numbered(piece, number))


async def _serve() -> None:
    server = await asyncio.get_running_loop().create_server(_Connection, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(_serve())
