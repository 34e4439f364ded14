"""Load on two proxies in turn: a batch is some seconds of one kind of call on one side."""

from __future__ import annotations

import asyncio
import sqlite3
import sys
import time
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from statistics import median

from benchmarks.client import Answer, Connection, WrongAnswer, build_request, check
from benchmarks.conversations import numbered
from benchmarks.processes import Mitmdump

RECORDED_SECONDS = 30
"""How long the recorder may take after the last answer."""

_numbers = count(1)


@dataclass(frozen=True, slots=True)
class Line:
    """What a case has to reach."""

    figure: str
    """`added_ms` or `ratio`."""

    limit: float

    def __str__(self) -> str:
        if self.figure == "added_ms":
            return f"added <= {self.limit} ms"
        return f"ratio >= {self.limit}"

    def is_reached(self, value: float) -> bool:
        """Whether a figure of this value is good enough."""
        return value <= self.limit if self.figure == "added_ms" else value >= self.limit


@dataclass(frozen=True, slots=True)
class Case:
    """One kind of load, the same for both sides."""

    name: str
    kind: str
    """How the upstream is to answer: `plain`, `stream` or `held`."""

    body: bytes
    at_once: int
    line: Line | None
    events: int = 1
    """What one call counts for in the throughput."""


@dataclass(frozen=True, slots=True)
class Batch:
    """What one side did in one round."""

    latency_ms: float
    """Median over the calls; until the first word where the upstream held the rest back."""

    per_second: float
    calls: int
    cpu_ms: float
    """Of the proxy per call, the recording after the last answer included; 0 where the system
    does not tell."""

    recorded_ms: float
    """From the last answer until the last record."""


@dataclass(slots=True)
class Side:
    """A proxy under load, and how much was asked of it."""

    proxy: Mitmdump
    database: Path | None = None
    asked: int = 0


@dataclass(slots=True)
class Result:
    """All rounds of a case."""

    case: Case
    bare: list[Batch] = field(default_factory=list)
    diptych: list[Batch] = field(default_factory=list)

    def by_round(self, figure: str) -> list[float]:
        """`added_ms` or `ratio`, compared within each round."""
        return [
            {
                "added_ms": diptych.latency_ms - bare.latency_ms,
                "ratio": diptych.per_second / bare.per_second,
            }[figure]
            for bare, diptych in zip(self.bare, self.diptych, strict=True)
        ]


def measure(
    case: Case, bare: Side, diptych: Side, upstream: str, seconds: float, rounds: int
) -> Result:
    """Lets the sides take turns; who begins changes from round to round."""
    result = Result(case)
    turns = [(bare, result.bare), (diptych, result.diptych)]
    for side, _ in turns:
        asyncio.run(run_batch(case, side, upstream, seconds / 4))
    for position in range(rounds):
        print(f"{case.name}: round {position + 1} of {rounds}", file=sys.stderr, flush=True)
        for side, batches in turns:
            batches.append(asyncio.run(run_batch(case, side, upstream, seconds)))
        turns.reverse()
    return result


async def run_batch(case: Case, side: Side, upstream: str, seconds: float) -> Batch:
    """Keeps `at_once` calls in flight for some seconds, and waits for those still out.

    Raises:
        WrongAnswer: one of them was not answered as it should be, or not recorded.
    """
    connections = [await Connection.open(side.proxy.port) for _ in range(case.at_once)]
    request = build_request(f"{upstream}/{case.kind}/v1/chat/completions", case.body)
    cpu_before, started = side.proxy.cpu_seconds(), time.perf_counter()
    asking = [_keep_asking(each, request, started + seconds) for each in connections]
    answers = [answer for each in await asyncio.gather(*asking) for answer in each]
    elapsed = time.perf_counter() - started
    side.asked += len(answers)
    recorded_ms = await _until_recorded(side)
    cpu_seconds = side.proxy.cpu_seconds() - cpu_before
    for connection in connections:
        connection.close()
    for answer in answers:
        check(answer)
    return Batch(
        latency_ms=median(_latency(case, answer) for answer in answers) * 1000,
        per_second=len(answers) * case.events / elapsed,
        calls=len(answers),
        cpu_ms=cpu_seconds * 1000 / len(answers),
        recorded_ms=recorded_ms,
    )


async def _keep_asking(connection: Connection, request: bytes, until: float) -> list[Answer]:
    answers: list[Answer] = []
    while not answers or time.perf_counter() < until:
        answers.append(await connection.ask(numbered(request, next(_numbers))))
    return answers


def _latency(case: Case, answer: Answer) -> float:
    return answer.first_word_seconds if case.kind == "held" else answer.seconds


async def _until_recorded(side: Side) -> float:
    """Milliseconds until every call of this side is in the database, whole.

    Whatever the recorder still has to do would otherwise slow the other side's round.
    """
    if side.database is None:
        return 0.0
    started = time.perf_counter()
    while (recorded := count_recorded(side.database)) < side.asked:
        if time.perf_counter() > started + RECORDED_SECONDS:
            raise WrongAnswer(f"{side.asked} calls were answered, but {recorded} are recorded")
        await asyncio.sleep(0.005)
    return (time.perf_counter() - started) * 1000


def count_recorded(database: Path, *, both_panels: bool = False) -> int:
    """How many exchanges are complete in the database, and hold all four bodies if so asked."""
    sql = "SELECT count(*) FROM responses WHERE state = 'complete'"
    if both_panels:
        sql = (
            "SELECT count(*) FROM exchanges WHERE state = 'complete' "
            "AND json_type(openai_request, '$.tools[0].function') = 'object' "
            "AND json_type(provider_request, '$.tools[0].input_schema') = 'object' "
            "AND json_extract(provider_response, '$.type') = 'message' "
            "AND json_extract(openai_response, '$.object') = 'chat.completion'"
        )
    connection = sqlite3.connect(f"file:{database}?mode=ro", uri=True, timeout=5)
    try:
        counted: int = connection.execute(sql).fetchone()[0]
    finally:
        connection.close()
    return counted
