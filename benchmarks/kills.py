"""Kills mitmdump with SIGKILL, again and again, and looks at what the record has lost.

A provider in this process answers plain calls and streams through the addon; at a random moment
the proxy is killed and started again on the same database. After each start it is asked of every
call whether its row is there with both requests, whether what was open is marked `interrupted`, how
much of each cut stream is missing, and whether the database is whole.

`python -m benchmarks.kills 200` kills it 200 times; about three seconds each.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import random
import re
import sqlite3
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.client import Connection, WrongAnswer, build_request
from benchmarks.processes import ROOT, Mitmdump

CLIENTS = 8
WORD_SECONDS = 0.02
WORDS = 150
LONGEST_ROUND = 2.5
READY_SECONDS = 30
"""On a busy machine the addon comes up seconds after the port does."""
URL = "http://api.openai.invalid/v1/chat/completions"

_CONTENT_LENGTH = re.compile(rb"content-length: (\d+)", re.I)
_HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: %s\r\ntransfer-encoding: chunked\r\n\r\n"
_END = b"0\r\n\r\n"
_MESSAGE = {"type": "message", "role": "assistant", "model": "m", "stop_reason": None}
_USAGE = {"input_tokens": 1, "output_tokens": 1}


@dataclass
class Report:
    """What was found after all kills."""

    kills: int = 0
    seen: int = 0
    """Calls that reached the provider."""

    cut: int = 0
    """Streams that were open when the proxy was killed."""

    missing: list[str] = field(default_factory=list)
    """Calls without a row, or without one of its two requests."""

    unmarked: list[str] = field(default_factory=list)
    """Calls whose state is still open after the next start."""

    lost_seconds: float = 0.0
    """The most that a cut stream has lost."""

    broken: int = 0
    """Databases that failed `PRAGMA integrity_check`."""


class Provider:
    """Answers in Anthropic's format, and notes which calls it saw and when it said what."""

    def __init__(self) -> None:
        self.seen: list[str] = []
        self.told: dict[str, list[float]] = {}
        """When each word of a stream was sent."""
        self._serving: set[asyncio.Task[None]] = set()

    async def start(self) -> str:
        """Its base URL."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        return f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    async def stop(self) -> None:
        """Closes everything."""
        self._server.close()
        for task in self._serving:
            task.cancel()
        await asyncio.gather(*self._serving)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._serving.add(task)
        with suppress(OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            while not writer.is_closing():
                head = await reader.readuntil(b"\r\n\r\n")
                length = _CONTENT_LENGTH.search(head)
                body = await reader.readexactly(int(length[1]) if length else 0)
                await self._answer(json.loads(body), writer)
        writer.close()
        self._serving.discard(task)

    async def _answer(self, request: dict[str, Any], writer: asyncio.StreamWriter) -> None:
        name = request["messages"][0]["content"]
        self.seen.append(name)
        if not request.get("stream"):
            await asyncio.sleep(random.random() * 0.1)
            whole = {**_MESSAGE, "id": name, "content": [], "usage": _USAGE}
            plain = _HEAD % b"application/json" + _chunk(json.dumps(whole).encode())
            writer.write(plain + _END)
            return
        told = self.told[name] = []
        writer.write(_HEAD % b"text/event-stream" + b"".join(map(_event, _opening(name))))
        for number in range(WORDS):
            text = {"type": "text_delta", "text": f" {number}"}
            # Noted before it is sent: what is lost is then never told too small.
            told.append(time.monotonic())
            writer.write(_event({"type": "content_block_delta", "index": 0, "delta": text}))
            await writer.drain()
            await asyncio.sleep(WORD_SECONDS)
        writer.write(b"".join(map(_event, _closing())) + _END)


def _chunk(body: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(body), body)


def _event(said: dict[str, Any]) -> bytes:
    return _chunk(b"event: %s\ndata: %s\n\n" % (said["type"].encode(), json.dumps(said).encode()))


def _opening(name: str) -> Iterator[dict[str, Any]]:
    message = {**_MESSAGE, "id": name, "content": [], "usage": _USAGE}
    yield {"type": "message_start", "message": message}
    block = {"type": "text", "text": ""}
    yield {"type": "content_block_start", "index": 0, "content_block": block}


def _closing() -> Iterator[dict[str, Any]]:
    yield {"type": "content_block_stop", "index": 0}
    yield {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": _USAGE}
    yield {"type": "message_stop"}


async def kill_often(count: int, folder: Path) -> Report:
    """Kills the proxy this many times under load; the last start is stopped properly."""
    provider, report, numbers = Provider(), Report(), itertools.count()
    url = await provider.start()
    proxy = await _start(folder, url)
    for _ in range(count):
        provider.seen.clear()
        provider.told.clear()
        clients = [asyncio.create_task(_talk(proxy.port, numbers)) for _ in range(CLIENTS)]
        await asyncio.sleep(0.05 + random.random() * LONGEST_ROUND)
        killed = time.monotonic()
        proxy.kill()
        await asyncio.gather(*clients)
        proxy = await _start(folder, url)
        report.kills += 1
        _look(folder / "chats.db", provider, killed, report)
    proxy.stop()
    await provider.stop()
    return report


async def _start(folder: Path, url: str) -> Mitmdump:
    proxy = Mitmdump(
        folder,
        "-s",
        str(ROOT / "addon.py"),
        routes=[f"*=anthropic@{url}"],
        environment={"ANTHROPIC_API_KEY": "key-of-the-benchmark"},
    )
    proxy.wait_until_up()
    await _until_ready(folder / "chats.db")
    return proxy


async def _talk(port: int, numbers: Iterator[int]) -> None:
    """One call after the other, plain and streamed, until the proxy is gone."""
    with suppress(OSError, WrongAnswer):
        connection = await Connection.open(port)
        while True:
            number = next(numbers)
            body: dict[str, Any] = {"model": "m", "stream": number % 2 == 0}
            body["messages"] = [{"role": "user", "content": f"call-{number}"}]
            await connection.ask(build_request(URL, json.dumps(body).encode()))


async def _until_ready(path: Path) -> None:
    """Waits for the end of the start: mitmproxy 12 takes connections before it loads the addon."""
    deadline = time.monotonic() + READY_SECONDS
    with closing(sqlite3.connect(path)) as database:
        while time.monotonic() < deadline:
            with suppress(sqlite3.OperationalError):
                if not database.execute(_OPEN).fetchone():
                    return
            await asyncio.sleep(0.02)


def _look(path: Path, provider: Provider, killed: float, report: Report) -> None:
    with closing(sqlite3.connect(path)) as database:
        if database.execute("PRAGMA integrity_check").fetchone() != ("ok",):
            report.broken += 1
        rows = {row[0]: row for row in database.execute(_ROWS)}
    report.seen += len(provider.seen)
    for name in provider.seen:
        _, sent, state, answer = rows.get(name, (name, None, None, None))
        if sent != name:
            report.missing.append(name)
        elif state not in ("complete", "interrupted"):
            report.unmarked.append(f"{name} is {state}")
        elif state == "interrupted" and provider.told.get(name):
            report.cut += 1
            lost = _lost_seconds(provider.told[name], answer, killed)
            report.lost_seconds = max(report.lost_seconds, lost)


_OPEN = "SELECT 1 FROM exchanges WHERE state IS NULL OR state = 'streaming' LIMIT 1"

_ROWS = """
SELECT openai_request ->> '$.messages[0].content', provider_request ->> '$.messages[0].content',
    state, openai_response ->> '$.choices[0].message.content'
FROM exchanges"""


def _lost_seconds(told: list[float], answer: str | None, killed: float) -> float:
    """Between the first word that is not in the record and the kill."""
    kept = len((answer or "").split())
    return killed - told[kept] if kept < len(told) and told[kept] < killed else 0.0


def main() -> int:
    """Prints what was found; the exit status is 0 when everything held."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 200
    with tempfile.TemporaryDirectory() as folder:
        report = asyncio.run(kill_often(count, Path(folder)))
    print(f"kills                            {report.kills}")
    print(f"calls that reached the provider  {report.seen}")
    print(f"  without a whole row            {len(report.missing)}")
    print(f"  still open after the start     {len(report.unmarked)}")
    print(f"streams cut                      {report.cut}")
    print(f"  most that one lost             {report.lost_seconds:.2f} s")
    print(f"databases that are not whole     {report.broken}")
    held = not report.missing and not report.unmarked and not report.broken
    return 0 if held and report.lost_seconds < 1 else 1


if __name__ == "__main__":
    sys.exit(main())
