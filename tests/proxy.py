"""The real mitmdump in a process of its own, and what a user sees of it."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
START_SECONDS = 30


def tool(name: str) -> str:
    """A program of mitmproxy, from the environment that runs the tests."""
    return str(Path(sys.executable).with_name(name))


def free_port() -> int:
    """A port nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


def own_address() -> str | None:
    """An address of this machine that others use."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe, contextlib.suppress(OSError):
        probe.connect(("192.0.2.1", 9))
        address: str = probe.getsockname()[0]
        return None if address.startswith("127.") else address
    return None


class Proxy:
    """mitmdump with the addon, on a free port of loopback, with a database of its own."""

    def __init__(
        self,
        folder: Path,
        *,
        routes: Sequence[str] = (),
        options: Mapping[str, str] | None = None,
        mode: str = "regular",
        environment: Mapping[str, str] | None = None,
        program: str = "mitmdump",
        arguments: Sequence[str] = (),
        script: Path = ROOT / "addon.py",
    ) -> None:
        self.folder = folder
        self.database = folder / "chats.db"
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.log_file = folder / "proxy.log"
        settings = {
            "confdir": str(folder / "conf"),
            "listen_port": str(self.port),
            **(options or {}),
        }
        command = [tool(program), "-s", str(script), "--mode", mode, *arguments]
        for name, value in settings.items():
            command += ["--set", f"{name}={value}"]
        for route in routes:
            command += ["--set", f"chat_routes={route}"]
        clean = {name: value for name, value in os.environ.items() if not name.endswith("_API_KEY")}
        with self.log_file.open("wb") as log:
            self.process = subprocess.Popen(
                command,
                cwd=folder,
                env={**clean, "PYTHONUNBUFFERED": "1", **(environment or {})},
                stdout=log,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
            )

    @property
    def log(self) -> str:
        """What the proxy printed so far."""
        return self.log_file.read_text(encoding="utf-8", errors="replace")

    def wait_to_say(self, text: str) -> None:
        """Returns once the log has this text, which comes a moment after what it tells of."""
        deadline = time.monotonic() + START_SECONDS
        while text not in self.log:
            assert time.monotonic() < deadline, f"{text!r} is not in:\n{self.log}"
            time.sleep(0.02)

    @property
    def ca(self) -> Path:
        """The certificate that clients have to trust."""
        return self.folder / "conf" / "mitmproxy-ca-cert.pem"

    def wait_until_up(self) -> Proxy:
        """Returns once the proxy takes connections."""
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline and self.process.poll() is None:
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
            except OSError:
                time.sleep(0.02)
            else:
                return self
        raise AssertionError(f"the proxy did not start:\n{self.log}")

    def stop(self, how: signal.Signals = signal.SIGINT) -> int:
        """Ends the proxy as a user would, and returns its exit status."""
        if self.process.poll() is None:
            self.process.send_signal(how)
        return self.wait_until_ended()

    def wait_until_ended(self) -> int:
        """The exit status of a proxy that ends by itself; a signal so late would kill it."""
        return self.process.wait(START_SECONDS)

    def query(self, sql: str, *values: object) -> list[sqlite3.Row]:
        """Rows of the database, read as a user would read them."""
        connection = sqlite3.connect(f"file:{self.database}?mode=ro", uri=True, timeout=5)
        connection.row_factory = sqlite3.Row
        try:
            return connection.execute(sql, values).fetchall()
        finally:
            connection.close()

    def exchange(self, request_id: str) -> sqlite3.Row:
        """The recorded exchange, once its response is no longer streaming."""
        deadline = time.monotonic() + START_SECONDS
        rows: list[sqlite3.Row] = []
        while time.monotonic() < deadline:
            rows = self.query("SELECT * FROM exchanges WHERE request_id = ?", request_id)
            if rows and rows[0]["state"] not in (None, "streaming"):
                return rows[0]
            time.sleep(0.01)
        raise AssertionError(
            f"exchange {request_id} was not recorded: {[dict(row) for row in rows]}"
        )
