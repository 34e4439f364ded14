"""The figures of a run, printed for people."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from statistics import median

from benchmarks.rounds import Batch, Result

HEADINGS = (
    *("", "ms: bare", "Diptych", "added", "per s: bare", "Diptych", "ratio"),
    *("CPU ms: bare", "Diptych", "to reach", ""),
)

QUIET = 1.5
"""How far apart bare mitmdump's own rounds may be on a machine that has nothing else to do."""

LEGEND = """\
Median of a call, bare and with Diptych, and what Diptych adds; calls (of streams: events) per
second and their ratio; the proxy's processor time for a call; the line to reach, and in brackets
the least and the most of the rounds."""


def table(results: Sequence[Result]) -> str:
    """One row for each case, columns aligned."""
    rows = [HEADINGS, *map(_row, results)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(_aligned(row, widths) for row in rows)


def _aligned(row: Sequence[str], widths: Sequence[int]) -> str:
    """Figures to the right; the names of the cases and the lines to the left."""
    texts = {0, len(row) - 1, len(row) - 2}
    cells = (
        cell.ljust(width) if position in texts else cell.rjust(width)
        for position, (cell, width) in enumerate(zip(row, widths, strict=True))
    )
    return "  ".join(cells).rstrip()


def _row(result: Result) -> tuple[str, ...]:
    bare, diptych = result.bare, result.diptych
    return (
        result.case.name,
        f"{_latency(bare):.2f}",
        f"{_latency(diptych):.2f}",
        f"{median(result.by_round('added_ms')):+.2f}",
        f"{_per_second(bare):.0f}",
        f"{_per_second(diptych):.0f}",
        f"{median(result.by_round('ratio')):.2f}",
        f"{_cpu(bare):.2f}",
        f"{_cpu(diptych):.2f}",
        str(result.case.line or ""),
        _verdict(result),
    )


def _verdict(result: Result) -> str:
    line = result.case.line
    if line is None:
        return ""
    figures = result.by_round(line.figure)
    reached = "reached" if line.is_reached(median(figures)) else "MISSED"
    return f"{reached} ({min(figures):.2f} to {max(figures):.2f})"


def _latency(batches: Sequence[Batch]) -> float:
    return median(batch.latency_ms for batch in batches)


def _cpu(batches: Sequence[Batch]) -> float:
    return median(batch.cpu_ms for batch in batches)


def _per_second(batches: Sequence[Batch]) -> float:
    return median(batch.per_second for batch in batches)


def notes(results: Sequence[Result]) -> Iterator[str]:
    """What the table has no column for."""
    calls = sum(batch.calls for result in results for batch in result.diptych)
    lag = max(batch.recorded_ms for result in results for batch in result.diptych)
    yield f"{calls} calls through Diptych in the rounds, every answer checked."
    yield f"The last record of a round was there at most {lag:.0f} ms after its last answer."
    spread = max(_spread(result.bare) for result in results)
    yield f"Bare mitmdump's own rounds differ by up to {spread:.1f} x." + (
        f" Beyond {QUIET} x the machine is too busy to judge by." if spread > QUIET else ""
    )


def _spread(batches: Sequence[Batch]) -> float:
    rates = [batch.per_second for batch in batches]
    return max(rates) / min(rates)
