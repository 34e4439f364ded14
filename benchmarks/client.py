"""A client that costs next to nothing: raw bytes out, the time and raw bytes back.

What an answer says is read after the clock has stopped.
"""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import urlsplit

from benchmarks.conversations import ANSWER, FIRST_WORD

_CONTENT_LENGTH = re.compile(rb"content-length: (\d+)", re.I)
_END = b"0\r\n\r\n"
_WORD = FIRST_WORD.encode()

_HEADERS = """\
accept: application/json
authorization: Bearer client-key-of-the-benchmark
content-type: application/json
user-agent: OpenAI/Python 2.7.1
x-stainless-arch: x64
x-stainless-async: false
x-stainless-lang: python
x-stainless-os: Linux
x-stainless-package-version: 2.7.1
x-stainless-retry-count: 0
x-stainless-runtime: CPython
x-stainless-runtime-version: 3.13.0
"""
"""What the official SDK sends beside `host` and `content-length`."""


class WrongAnswer(Exception):
    """What came back is not what the upstream said, so its time means nothing."""


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer and when it came."""

    seconds: float
    """From sending the request to the last byte."""

    first_word_seconds: float
    """From sending the request to the piece that carries the first word."""

    head: bytes
    body: bytes


def build_request(url: str, body: bytes) -> bytes:
    """The bytes of a call as a client sends it to its HTTP proxy."""
    head = f"POST {url} HTTP/1.1\nhost: {urlsplit(url).netloc}\n{_HEADERS}"
    head += f"content-length: {len(body)}\n\n"
    return head.replace("\n", "\r\n").encode() + body


class Connection(asyncio.Protocol):
    """One keep-alive connection; one call at a time."""

    def __init__(self) -> None:
        self._received = bytearray()
        self._head_length = 0
        self._expected: int | None = None
        self._sent = self._first_word = 0.0
        self._waiting: asyncio.Future[Answer] | None = None

    @classmethod
    async def open(cls, port: int) -> Connection:
        """A connection to a proxy on this machine."""
        _, protocol = await asyncio.get_running_loop().create_connection(cls, "127.0.0.1", port)
        return protocol

    async def ask(self, request: bytes) -> Answer:
        """Sends a call and returns its whole answer.

        Raises:
            WrongAnswer: the proxy closed the connection.
        """
        self._received = bytearray()
        self._head_length, self._expected, self._first_word = 0, None, 0.0
        self._waiting = asyncio.get_running_loop().create_future()
        self._sent = time.perf_counter()
        self._transport.write(request)
        return await self._waiting

    def close(self) -> None:
        """Nothing more will be asked."""
        self._waiting = None
        self._transport.close()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def connection_lost(self, exc: Exception | None) -> None:
        if self._waiting is not None and not self._waiting.done():
            got = bytes(self._received[:400])
            self._waiting.set_exception(
                WrongAnswer(f"the proxy closed the connection after {got!r}")
            )

    def data_received(self, data: bytes) -> None:
        self._received += data
        if not self._first_word and _WORD in self._received:
            self._first_word = time.perf_counter()
        if not self._head_length:
            self._read_head()
        if self._head_length and self._is_whole() and self._waiting is not None:
            self._waiting.set_result(self._answer())

    def _read_head(self) -> None:
        self._head_length = self._received.find(b"\r\n\r\n") + 4
        if self._head_length < 4:
            self._head_length = 0
            return
        length = _CONTENT_LENGTH.search(self._received, 0, self._head_length)
        self._expected = self._head_length + int(length[1]) if length else None

    def _is_whole(self) -> bool:
        if self._expected is None:
            return self._received.endswith(_END)
        return len(self._received) >= self._expected

    def _answer(self) -> Answer:
        return Answer(
            seconds=time.perf_counter() - self._sent,
            first_word_seconds=self._first_word - self._sent,
            head=bytes(self._received[: self._head_length]),
            body=bytes(self._received[self._head_length :]),
        )


def check(answer: Answer) -> None:
    """Raises WrongAnswer unless this is OpenAI's status, format and end, and the whole text."""
    try:
        is_right = answer.head.startswith(b"HTTP/1.1 200 ") and _text(answer) == ANSWER
    except (ValueError, LookupError, TypeError) as exc:
        raise _wrong(answer) from exc
    if not is_right:
        raise _wrong(answer)


def _wrong(answer: Answer) -> WrongAnswer:
    return WrongAnswer(f"not the answer that was given: {answer.head!r} {answer.body[:1000]!r}")


def _text(answer: Answer) -> str:
    if b"event-stream" not in answer.head:
        content = json.loads(answer.body)["choices"][0]["message"]["content"]
        return str(content)
    *events, done, rest = b"".join(_chunks(answer.body)).split(b"\n\n")
    if done != b"data: [DONE]" or rest:
        raise ValueError("the stream has no end mark")
    return "".join(_words(events))


def _words(events: list[bytes]) -> Iterator[str]:
    for event in events:
        for choice in json.loads(event.removeprefix(b"data: "))["choices"]:
            yield choice["delta"].get("content") or ""


def _chunks(body: bytes) -> Iterator[bytes]:
    start = 0
    while size := int(body[start : (end := body.index(b"\r\n", start))], 16):
        yield body[end + 2 : end + 2 + size]
        start = end + 2 + size + 2
