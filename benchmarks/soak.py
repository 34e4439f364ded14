"""Memory of the proxy over many exchanges and streams, bare and with the addon.

`python -m benchmarks.soak 20000 2000` asks two proxies for so many plain answers, and then for so
many streams of 200 words, and prints the resident memory of both after each tenth. `--web` does
the same with mitmweb, which keeps what passed in a list.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from benchmarks.client import Connection, build_request, check
from benchmarks.conversations import numbered, small_request
from benchmarks.processes import ROOT, Mitmdump, Upstream

CLIENTS = 8
HOST = "http://api.openai.invalid"
KINDS = ("plain", "stream")


@dataclass(frozen=True)
class Side:
    """A proxy, and where its clients send their calls."""

    name: str
    proxy: Mitmdump
    base_url: str
    """Followed by the kind of the answer."""

    async def ask(self, kind: str, numbers: Iterator[int]) -> None:
        """Asks for one answer after the other, for several clients at once."""
        request = small_request(kind, stream=kind == "stream")
        url = f"{self.base_url}/{kind}/v1/chat/completions"
        await asyncio.gather(*(self._ask(url, request, numbers) for _ in range(CLIENTS)))

    async def _ask(self, url: str, request: bytes, numbers: Iterator[int]) -> None:
        connection = await Connection.open(self.proxy.port)
        for number in numbers:
            check(await connection.ask(build_request(url, numbered(request, number))))
        connection.close()

    def resident_mb(self) -> float:
        """What the proxy takes of the machine's memory now."""
        status = Path(f"/proc/{self.proxy.pid}/status").read_text()
        return int(status.partition("VmRSS:")[2].split()[0]) / 1024


def main() -> None:
    """Prints what was seen."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("plain", type=int, nargs="?", default=20_000)
    parser.add_argument("stream", type=int, nargs="?", default=2_000)
    parser.add_argument("--web", action="store_true", help="mitmweb in place of mitmdump")
    arguments = parser.parse_args()
    upstream = Upstream()
    sides: list[Side] = []
    with tempfile.TemporaryDirectory() as folder:
        try:
            sides += _start(Path(folder), upstream.url, web=arguments.web)
            counts = {kind: getattr(arguments, kind) for kind in KINDS}
            asyncio.run(_soak(sides, counts))
        finally:
            for side in sides:
                side.proxy.stop()
            upstream.stop()


def _start(folder: Path, upstream: str, *, web: bool) -> Iterator[Side]:
    program = "mitmweb" if web else "mitmdump"
    settings = ["web_open_browser=false", "web_port=0"] if web else []
    passing = str(ROOT / "benchmarks" / "pass_streams.py")
    bare = Mitmdump(folder / "bare", "-s", passing, program=program, settings=settings)
    yield Side(f"bare {program}", bare, upstream)
    ours = Mitmdump(
        folder / "diptych",
        "-s",
        str(ROOT / "addon.py"),
        program=program,
        settings=settings,
        routes=[f"{kind}=anthropic/claude-sonnet-4-5@{upstream}/{kind}" for kind in KINDS],
        environment={"ANTHROPIC_API_KEY": "key-of-the-benchmark"},
    )
    yield Side("Diptych", ours, HOST)


async def _soak(sides: list[Side], counts: dict[str, int]) -> None:
    numbers = itertools.count()
    for side in sides:
        side.proxy.wait_until_up()
    print(" " * 20 + "".join(f"{side.name:>18}" for side in sides))
    _print("at the start", sides)
    for kind, count in counts.items():
        done = 0
        for tenth in range(1, 11):
            upto = count * tenth // 10
            for side in sides:
                await side.ask(kind, itertools.islice(numbers, upto - done))
            done = upto
            _print(f"{done:>8,} {kind}".replace(",", " "), sides)


def _print(label: str, sides: list[Side]) -> None:
    print(f"{label:<20}" + "".join(f"{side.resident_mb():15.1f} MB" for side in sides), flush=True)


if __name__ == "__main__":
    main()
