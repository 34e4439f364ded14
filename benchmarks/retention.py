"""How long a step of forgetting keeps the thread that writes the record.

Records long conversations of agents, makes half of them too old, and then lets `Retention` remove
those by age and half of the rest by size. Each step is measured by the clock and by the processor
time of its thread: on a busy machine, the clock also counts what others did meanwhile.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

from peewee import Database

from benchmarks.storage import Agent, record_call
from models import execute
from recording import Recorder
from recording.commands import Progress
from recording.database import RecordDatabase
from recording.parts import PartStore
from recording.retention import DAY_MS, Retention
from recording.search import index
from recording.weighing import measured_bytes

EXCHANGES = 20_000
CALLS = 100
"""Of each conversation."""

LONGEST_MS = 50.0
"""The line: nothing that waits for the writer waits longer for a step."""


@dataclass
class Steps:
    """Milliseconds that each step took."""

    wall: list[float] = field(default_factory=list)
    processor: list[float] = field(default_factory=list)


async def fill(url: str, exchanges: int) -> None:
    """Records conversations until there are so many exchanges."""
    recorder = Recorder(url)
    recorder.start(asyncio.get_running_loop())
    progress = Progress()
    for number, (request, turn, message) in enumerate(_calls(exchanges), 1):
        # An id of its own for each answer, as providers give it.
        await record_call(recorder, request, number * CALLS + turn, message, "anthropic")
        while recorder.waiting > 1:
            await asyncio.sleep(0.001)
        progress.tell(f"{number} of {exchanges} exchanges recorded")
    progress.done()
    recorder.stop()


def _calls(exchanges: int) -> Iterator[tuple[dict[str, object], int, dict[str, object]]]:
    for conversation in range(-(-exchanges // CALLS)):
        agent = Agent(conversation)
        for turn, message in enumerate(agent.turns(min(CALLS, exchanges - conversation * CALLS))):
            yield agent.request(), turn, message


def measure(database: Database, kept: Retention, name: str) -> Steps:
    """Steps until nothing is left to remove."""
    steps, parts, progress, more = Steps(), PartStore(), Progress(), True
    while more:
        wall, processor = time.perf_counter(), time.thread_time()
        more = kept.step(database, parts, idle=True)
        steps.processor.append((time.thread_time() - processor) * 1000)
        steps.wall.append((time.perf_counter() - wall) * 1000)
        progress.tell(f"{name}: {len(steps.wall)} steps, the longest {max(steps.wall):.1f} ms")
    progress.done()
    return steps


def prepare(database: Database) -> None:
    """Indexes what was said, and makes the older half of the sessions too old."""
    progress = Progress()
    while index(database, 1.0):
        progress.tell("indexing")
    progress.done()
    execute(
        database,
        "UPDATE sessions SET last_accessed = last_accessed - ? WHERE last_accessed <= "
        "(SELECT last_accessed FROM sessions ORDER BY last_accessed LIMIT 1 OFFSET "
        "(SELECT COUNT(*) / 2 - 1 FROM sessions))",
        (8 * DAY_MS,),
    )


def run(url: str, exchanges: int) -> dict[str, Steps]:
    """Records, removes, and prints as it goes; the steps by what they removed for."""
    asyncio.run(fill(url, exchanges))
    store = RecordDatabase(url)
    store.open()
    database = store.database
    prepare(database)
    print(f"{exchanges} exchanges, {_sessions(database)} sessions, {_megabytes(database)} MB")
    found = {"by age": measure(database, Retention(keep_days=7), "by age")}
    _print_left(database)
    half = max(_megabytes(database) // 2, 1)
    found["by size"] = measure(database, Retention(keep_mb=half), "by size")
    _print_left(database)
    store.close()
    return found


def print_table(found: dict[str, Steps]) -> bool:
    """Whether every step was short enough by the processor's time."""
    print("\n           steps    ms by the clock: median     99 %  longest    processor: longest")
    for name, steps in found.items():
        wall = sorted(steps.wall)
        late = wall[len(wall) * 99 // 100]
        print(
            f"{name:<8} {len(wall):7} {median(wall):26.2f} {late:8.2f} {wall[-1]:8.2f} "
            f"{max(steps.processor):21.2f}"
        )
    longest = max(max(steps.processor) for steps in found.values())
    reached = longest <= LONGEST_MS
    print(
        f"to reach: longest <= {LONGEST_MS:.0f} ms of the processor{'' if reached else '  MISSED'}"
    )
    return reached


def _print_left(database: Database) -> None:
    print(f"left: {_sessions(database)} sessions, {_megabytes(database)} MB")


def _sessions(database: Database) -> int:
    row = execute(database, "SELECT COUNT(*) FROM sessions").fetchone()
    return int(row[0]) if row else 0


def _megabytes(database: Database) -> int:
    return measured_bytes(database) // 1_000_000


def main() -> int:
    """Measures and prints; exit status 1 where a step was too long."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--exchanges", type=int, default=EXCHANGES)
    parser.add_argument("--db", help="an empty database; otherwise a file in a temporary folder")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        url = arguments.db or f"sqlite:///{Path(folder) / 'chats.db'}"
        return 0 if print_table(run(url, arguments.exchanges)) else 1


if __name__ == "__main__":
    sys.exit(main())
