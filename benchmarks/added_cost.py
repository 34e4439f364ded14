"""What Diptych adds to bare mitmdump, measured side by side in one run.

`python -m benchmarks.added_cost` from the root, with the environment that runs the proxy; `--quick`
for a first look. Both get the same calls in alternating rounds. Bare mitmdump passes them to an
upstream that speaks OpenAI's format; Diptych translates them for the same upstream speaking
Anthropic's, and records them. Each figure is the median over the rounds, and each comparison the
median of comparisons within a round, so that a machine that is busy for a while harms one round
and not the result.

The exit status says whether the measurement was sound, never how fast it was.
"""

from __future__ import annotations

import argparse
import contextlib
import platform
import sys
import tempfile
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

from benchmarks import conversations
from benchmarks.client import WrongAnswer
from benchmarks.processes import ROOT, Mitmdump, Upstream, cores, pinned
from benchmarks.rounds import Case, Line, Result, Side, count_recorded, measure
from benchmarks.table import LEGEND, notes, table

KINDS = ("plain", "stream", "held")
"""How the upstream is to answer; also the client's model, and the first folder of the path."""


def cases() -> list[Case]:
    """Everything that is measured, in the order of the table."""
    small = conversations.small_request("plain")
    large = conversations.large_request("plain")
    unheard = conversations.unheard_request("plain")
    stream = conversations.small_request("stream", stream=True)
    held = conversations.small_request("held", stream=True)
    ratio = Line("ratio", 0.6)
    return [
        Case(f"plain {_kb(small)}, 1 at a time", "plain", small, 1, Line("added_ms", 1.5)),
        Case(f"plain {_kb(small)}, 16 at a time", "plain", small, 16, ratio),
        Case(f"plain {_kb(large)}, 1 at a time", "plain", large, 1, Line("added_ms", 8)),
        Case(f"plain {_kb(large)}, 16 at a time", "plain", large, 16, ratio),
        Case(f"plain {_kb(unheard)}, all new", "plain", unheard, 1, None),
        Case("stream, 16 at a time", "stream", stream, 16, ratio, conversations.EVENTS),
        Case("stream, first word", "held", held, 1, None),
    ]


def _kb(body: bytes) -> str:
    return f"{len(body) / 1000:.0f} KB"


class Bench:
    """The processes of a run, in a temporary folder."""

    def __init__(self, folder: Path, core: int | None, upstream: str) -> None:
        self._upstream = upstream
        passing = str(ROOT / "benchmarks" / "pass_streams.py")
        routes = [f"{kind}=anthropic/claude-sonnet-4-5@{upstream}/{kind}" for kind in KINDS]
        self.database = folder / "diptych" / "chats.db"
        with pinned(core):
            self._bare = Side(Mitmdump(folder / "bare"))
            self._bare_streams = Side(Mitmdump(folder / "bare-streams", "-s", passing))
            diptych = Mitmdump(
                folder / "diptych",
                *("-s", str(ROOT / "addon.py")),
                routes=routes,
                environment={"ANTHROPIC_API_KEY": "a-key-for-the-benchmark"},
            )
        self._diptych = Side(diptych, self.database)
        self._sides = (self._bare, self._bare_streams, self._diptych)

    def wait_until_up(self) -> None:
        """Returns once all proxies take connections."""
        for side in self._sides:
            side.proxy.wait_until_up()

    def measure(self, case: Case, seconds: float, rounds: int) -> Result:
        """All rounds of a case."""
        bare = self._bare if case.kind == "plain" else self._bare_streams
        return measure(case, bare, self._diptych, self._upstream, seconds, rounds)

    def stop(self) -> None:
        """Ends the proxies."""
        for side in self._sides:
            side.proxy.stop()

    def check_record(self) -> None:
        """Raises WrongAnswer unless every call is in the database with both its panels."""
        recorded = count_recorded(self.database, both_panels=True)
        if recorded != self._diptych.asked:
            raise WrongAnswer(f"{self._diptych.asked} calls were asked, {recorded} are recorded")


def run(chosen: Sequence[Case], seconds: float, rounds: int, pair: tuple[int, int] | None) -> None:
    """Measures and prints.

    Raises:
        WrongAnswer: a call was not answered or recorded as it should be.
        RuntimeError: a proxy did not start.
    """
    proxy_core, load_core = pair or (None, None)
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="added-cost-")))
        stack.enter_context(pinned(load_core))
        upstream = Upstream()
        stack.callback(upstream.stop)
        bench = Bench(folder, proxy_core, upstream.url)
        stack.callback(bench.stop)
        bench.wait_until_up()
        results = [bench.measure(case, seconds, rounds) for case in chosen]
        bench.stop()
        bench.check_record()
    print(table(results), "", LEGEND, *notes(results), sep="\n")


def main() -> int:
    """Reads the arguments and runs."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="under 20 s instead of 3 minutes")
    parser.add_argument("--only", default="", help="the cases whose name holds this text")
    chosen = parser.parse_args()
    seconds, rounds = (0.2, 3) if chosen.quick else (1.0, 9)
    pair = cores()
    where = "proxies on one core, load and upstream on another" if pair else "not pinned to cores"
    print(
        f"mitmproxy {version('mitmproxy')}, Python {platform.python_version()}, {where}; "
        f"{rounds} rounds of {seconds} s\n"
    )
    try:
        run([case for case in cases() if chosen.only in case.name], seconds, rounds, pair)
    except (WrongAnswer, RuntimeError) as exc:
        print(f"Not measured: {exc}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
