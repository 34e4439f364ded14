"""Servers of others that speak providers' formats, each a process of its own on loopback."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

import httpx

from tests.proxy import ROOT, free_port, tool

START_SECONDS = 60

AIMOCK = "1.43.0"
"""The version of the npm package `@copilotkit/aimock` that is fetched."""

OLDEST_NODE = (20, 15)


class Server:
    """A program that serves HTTP on a port of its own until it is stopped."""

    def __init__(self, folder: Path, command: Sequence[str], port: int) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self._log_file = folder / "server.log"
        with self._log_file.open("wb") as log:
            self._process = subprocess.Popen(
                command, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT
            )

    def wait_until_up(self) -> Server:
        """Returns once the server says that it is ready."""
        deadline = time.monotonic() + START_SECONDS
        with httpx.Client(trust_env=False) as client:
            while time.monotonic() < deadline and self._process.poll() is None:
                try:
                    if client.get(f"{self.url}/health").status_code == 200:
                        return self
                except httpx.TransportError:
                    pass
                time.sleep(0.05)
        log = self._log_file.read_text(encoding="utf-8", errors="replace")
        raise AssertionError(f"the server did not start:\n{log}")

    def stop(self) -> None:
        """Ends the server; it has nothing to save."""
        self._process.kill()
        self._process.wait(START_SECONDS)

    def control(self, method: str, path: str, body: object = None) -> httpx.Response:
        """What the server answers to who runs it."""
        with httpx.Client(base_url=self.url, trust_env=False) as client:
            return client.request(method, path, json=body).raise_for_status()


def aimock_missing() -> str | None:
    """What aimock lacks here, in a line for whoever reads why its tests were skipped."""
    if shutil.which("node") is None or shutil.which("npm") is None:
        return "no Node here: node and npm (apt-get install nodejs npm)"
    if (version := _node_version()) < OLDEST_NODE:
        return f"Node is too old here: {version}; aimock needs {OLDEST_NODE}"
    if not _aimock_cli().exists():
        return _fetch_aimock()
    return None


def aimock(folder: Path, fixtures: object) -> Server:
    """aimock, which gives a client the answers of the fixtures in the format it asks in."""
    script = folder / "fixtures.json"
    script.write_text(json.dumps(fixtures), encoding="utf-8")
    port = free_port()
    options = ["--port", str(port), "--fixtures", str(script), "--chunk-size", "1", "--strict"]
    return Server(folder, ["node", str(_aimock_cli()), *options], port)


def _aimock_cli() -> Path:
    package = "node_modules/@copilotkit/aimock/dist/cli.js"
    return _cache() / f"aimock-{AIMOCK}" / package


def _cache() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "diptych-tests"


def _node_version() -> tuple[int, ...]:
    told = subprocess.run(["node", "--version"], check=True, capture_output=True, text=True)
    return tuple(int(number) for number in told.stdout.strip().lstrip("v").split(".")[:2])


def _fetch_aimock() -> str | None:
    """Puts the package into the cache, whole or not at all; what stood in the way, if anything."""
    _cache().mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=_cache()) as place:
        new = Path(place) / "aimock"
        command = ["npm", "install", "--prefix", str(new), "--ignore-scripts", "--fetch-retries=0"]
        fetched = subprocess.run(
            [*command, f"@copilotkit/aimock@{AIMOCK}"],
            cwd=place, check=False, capture_output=True, text=True,
        )  # fmt: skip
        if fetched.returncode:
            why = " ".join(fetched.stderr.split())[:200]
            return f"no aimock here: npm could not fetch it: {why}"
        with contextlib.suppress(OSError):  # Somebody else was faster.
            new.rename(_cache() / f"aimock-{AIMOCK}")
    return None


def llmock_missing() -> str | None:
    """What llmock lacks here."""
    return None if find_spec("llmock") else "no llmock here: pip install llmock"


def llmock(folder: Path) -> Server:
    """llmock, which judges requests, and fails as it is told to."""
    port = free_port()
    return Server(folder, [tool("llmock"), "serve", "--port", str(port)], port)


def llama_missing() -> str | None:
    """What llama.cpp's server lacks here."""
    lacking = [name for name in ("gguf", "xllamacpp") if not find_spec(name)]
    return f"no llama.cpp here: pip install {' '.join(lacking)}" if lacking else None


def llama(folder: Path) -> Server:
    """llama.cpp's server with a model that talks noise."""
    port = free_port()
    command = [sys.executable, "-m", "tests.noise_model", str(folder), str(port)]
    return Server(folder, command, port)
