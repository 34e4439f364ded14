"""Another process keeps the database locked for a while: what calls wait, and what is recorded.

`python -m benchmarks.lock 30` asks one call after the other: for five seconds, for 30 seconds while
the database is locked, and for five more. It prints how long calls took, how many records waited,
and how soon after the lock all of them were there, in order, once.
"""

from __future__ import annotations

import asyncio
import itertools
import sqlite3
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from benchmarks.client import Connection, build_request, check
from benchmarks.conversations import numbered, small_request
from benchmarks.processes import ROOT, Mitmdump, Upstream

CALM_SECONDS = 5.0
LONGEST_CATCH_UP = 120
SETTLE_SECONDS = 1.0
URL = "http://api.openai.invalid/v1/chat/completions"


def main() -> int:
    """Prints what was seen; exit status 1 unless every record is there once and in its place."""
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 30.0
    upstream = Upstream()
    with tempfile.TemporaryDirectory() as folder:
        proxy = Mitmdump(
            Path(folder),
            *("-s", str(ROOT / "addon.py")),
            routes=[f"plain=anthropic/claude-sonnet-4-5@{upstream.url}/plain"],
            environment={"ANTHROPIC_API_KEY": "key-of-the-benchmark"},
        )
        try:
            proxy.wait_until_up()
            return asyncio.run(_run(proxy, Path(folder) / "chats.db", seconds))
        finally:
            proxy.stop()
            upstream.stop()


async def _run(proxy: Mitmdump, database: Path, seconds: float) -> int:
    connection, numbers = await Connection.open(proxy.port), itertools.count()
    _print("before", await _ask(connection, numbers, CALM_SECONDS))
    with closing(sqlite3.connect(database, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        _print(f"locked for {seconds:g} s", await _ask(connection, numbers, seconds))
        waiting = _waiting(database)
        other.execute("ROLLBACK")
    caught_up = asyncio.create_task(_seconds_until_written(database))
    _print("after", await _ask(connection, numbers, CALM_SECONDS))
    connection.close()
    print(f"{waiting} rows waited; all were written {await caught_up:.1f} s after the lock")
    await asyncio.sleep(SETTLE_SECONDS)
    return _judge(database, next(numbers))


async def _ask(connection: Connection, numbers: Iterator[int], seconds: float) -> list[float]:
    """Milliseconds that each call took."""
    took, end = [], time.monotonic() + seconds
    while time.monotonic() < end:
        body = numbered(small_request("plain", stream=False), next(numbers))
        answer = await connection.ask(build_request(URL, body))
        check(answer)
        took.append(answer.seconds * 1000)
    return took


def _print(when: str, took: list[float]) -> None:
    took.sort()
    print(
        f"{when:<18} {len(took):6} calls, median {statistics.median(took):5.1f} ms, "
        f"99 % {took[len(took) * 99 // 100]:5.1f} ms, slowest {took[-1]:5.1f} ms",
        flush=True,
    )


def _waiting(database: Path) -> int:
    spill = _spill(database)
    return spill.read_bytes().count(b"\n") if spill.exists() else 0


async def _seconds_until_written(database: Path) -> float:
    started = time.monotonic()
    while _spill(database).exists() and time.monotonic() - started < LONGEST_CATCH_UP:
        await asyncio.sleep(0.05)
    return time.monotonic() - started


def _spill(database: Path) -> Path:
    return database.with_name("chats.db.spill")


def _judge(database: Path, asked: int) -> int:
    questions = _questions(database)
    in_order = questions == [
        numbered(small_request("plain", stream=False), number) for number in range(asked)
    ]
    print(f"{asked} calls, {len(questions)} records, {'in order' if in_order else 'OUT OF ORDER'}")
    return 0 if in_order else 1


def _questions(database: Path) -> list[bytes]:
    """What was asked and answered, in the order of the record."""
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True, timeout=5)) as reading:
        rows = reading.execute(
            "SELECT openai_request FROM exchanges WHERE state = 'complete' ORDER BY id"
        ).fetchall()
    return [text.encode() for (text,) in rows]


if __name__ == "__main__":
    sys.exit(main())
