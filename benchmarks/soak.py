"""Memory of mitmdump with the addon over many exchanges and streams.

`python -m benchmarks.soak 20000 2000` asks for so many plain answers, and then for so many streams
of 200 words, and prints the resident memory after each tenth.
"""

from __future__ import annotations

import asyncio
import itertools
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from benchmarks.client import Connection, build_request, check
from benchmarks.conversations import numbered, small_request
from benchmarks.processes import ROOT, Mitmdump, Upstream

CLIENTS = 8
URL = "http://api.openai.invalid/v1/chat/completions"
KINDS = ("plain", "stream")


def main() -> None:
    """Prints what was seen."""
    counts = [int(argument) for argument in sys.argv[1:]] or [20_000, 2_000]
    upstream = Upstream()
    with tempfile.TemporaryDirectory() as folder:
        proxy = Mitmdump(
            Path(folder),
            "-s",
            str(ROOT / "addon.py"),
            routes=[f"{kind}=anthropic/claude-sonnet-4-5@{upstream.url}/{kind}" for kind in KINDS],
            environment={"ANTHROPIC_API_KEY": "key-of-the-benchmark"},
        )
        try:
            proxy.wait_until_up()
            asyncio.run(_soak(proxy, dict(zip(KINDS, counts, strict=False))))
        finally:
            proxy.stop()
            upstream.stop()


async def _soak(proxy: Mitmdump, counts: dict[str, int]) -> None:
    numbers = itertools.count()
    print(f"{'at the start':<20} {_resident_mb(proxy):6.1f} MB", flush=True)
    for kind, count in counts.items():
        request = small_request(kind, stream=kind == "stream")
        done = 0
        for tenth in range(1, 11):
            upto = count * tenth // 10
            await _ask(proxy.port, request, itertools.islice(numbers, upto - done))
            done = upto
            print(f"{done:8} {kind:<11} {_resident_mb(proxy):6.1f} MB", flush=True)


async def _ask(port: int, request: bytes, numbers: Iterator[int]) -> None:
    await asyncio.gather(*(_one_after_another(port, request, numbers) for _ in range(CLIENTS)))


async def _one_after_another(port: int, request: bytes, numbers: Iterator[int]) -> None:
    connection = await Connection.open(port)
    for number in numbers:
        check(await connection.ask(build_request(URL, numbered(request, number))))
    connection.close()


def _resident_mb(proxy: Mitmdump) -> float:
    status = Path(f"/proc/{proxy.pid}/status").read_text()
    return int(status.partition("VmRSS:")[2].split()[0]) / 1024


if __name__ == "__main__":
    main()
