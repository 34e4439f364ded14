"""The processes that are measured: the upstream and mitmdump, each on its core."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
START_SECONDS = 30


def cores() -> tuple[int, int] | None:
    """A core for the proxies and one for everything else; None where that cannot be had."""
    if not hasattr(os, "sched_setaffinity"):
        return None
    usable = sorted(os.sched_getaffinity(0))
    return (usable[0], usable[1]) if len(usable) > 1 else None


@contextmanager
def pinned(core: int | None) -> Iterator[None]:
    """Keeps this process, and every process started meanwhile, on one core."""
    if core is None:
        yield
        return
    usable = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core})
    try:
        yield
    finally:
        os.sched_setaffinity(0, usable)


class Upstream:
    """`benchmarks.upstream` in a process of its own."""

    def __init__(self) -> None:
        command = [sys.executable, "-m", "benchmarks.upstream"]
        self._process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout is not None
        self.url = f"http://127.0.0.1:{int(self._process.stdout.readline())}"

    def stop(self) -> None:
        """Ends the process."""
        self._process.kill()
        self._process.communicate()


class Mitmdump:
    """mitmdump on a free port of loopback, or mitmweb, with the settings all proxies share."""

    def __init__(
        self,
        folder: Path,
        *arguments: str,
        program: str = "mitmdump",
        settings: Sequence[str] = (),
        routes: Sequence[str] = (),
        environment: Mapping[str, str] | None = None,
    ) -> None:
        folder.mkdir(exist_ok=True)
        self.port = _free_port()
        self._log = folder / "proxy.log"
        all_settings = [
            "listen_host=127.0.0.1",
            f"listen_port={self.port}",
            "connection_strategy=lazy",
            f"confdir={folder / 'conf'}",
            *settings,
            *(f"chat_routes={route}" for route in routes),
        ]
        command = [_program(program), "-q", *arguments]
        for setting in all_settings:
            command += ["--set", setting]
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                command,
                cwd=folder,
                env={**os.environ, **(environment or {})},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )

    def wait_until_up(self) -> None:
        """Returns once it takes connections. Raises RuntimeError if it never does."""
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline and self._process.poll() is None:
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
            except OSError:
                time.sleep(0.02)
            else:
                return
        raise RuntimeError(f"the proxy did not start:\n{self._log.read_text(errors='replace')}")

    def cpu_seconds(self) -> float:
        """Processor time of all its threads so far; 0 where the system does not tell."""
        try:
            fields = Path(f"/proc/{self._process.pid}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            return 0.0
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    @property
    def pid(self) -> int:
        """Of the process."""
        return self._process.pid

    def kill(self) -> None:
        """Ends it as a power cut would."""
        self._process.kill()
        self._process.wait()

    def stop(self) -> None:
        """Ends it as a user would; kills it if that does not help."""
        if self._process.poll() is not None:
            return
        self._process.send_signal(signal.SIGINT)
        try:
            self._process.wait(START_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


def _program(name: str) -> str:
    """The program of the environment that runs this; the one on the path where it has none."""
    beside = Path(sys.executable).with_name(name)
    return str(beside) if beside.exists() else shutil.which(name) or str(beside)
