"""A real PostgreSQL of the tests' own: private, in a folder that goes with it, on loopback."""

from __future__ import annotations

import itertools
import os
import shutil
import signal
import subprocess
import tempfile
import time
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from tests.proxy import free_port

START_SECONDS = 60

SETTINGS = {
    "listen_addresses": "127.0.0.1",
    # Nothing outlives the tests.
    "fsync": "off",
    "full_page_writes": "off",
}


def missing() -> str | None:
    """What these tests lack, in a line for whoever reads why they were skipped."""
    if _programs() is None:
        return "no PostgreSQL server here: initdb and postgres (apt-get install postgresql)"
    if find_spec("psycopg") is None:
        return "no driver for PostgreSQL here: pip install 'psycopg[binary]'"
    return None


class Postgres:
    """A server; each test gets a database of its own in it."""

    def __init__(self) -> None:
        programs = _programs()
        assert programs is not None
        self._programs = programs
        # Outside pytest's own folders, which no other user may enter.
        self._folder = Path(tempfile.mkdtemp(prefix="postgres-"))
        self._as_user: dict[str, Any] = {"cwd": self._folder}
        if os.geteuid() == 0:
            # The server refuses to run as root.
            user, group = _somebody_else()
            os.chown(self._folder, user, group)
            self._as_user |= {"user": user, "group": group, "extra_groups": []}
        self.port = free_port()
        self._numbers = itertools.count(1)
        self._run(
            "initdb", "--username=chats", "--auth=trust", "--encoding=UTF8", "--no-sync",
            "--lc-collate=C", "--lc-ctype=C.UTF-8", f"--pgdata={self._data}",
        )  # fmt: skip
        self.start()

    @property
    def _data(self) -> Path:
        return self._folder / "cluster"

    def url(self, name: str) -> str:
        """The URL of a database."""
        return f"postgresql://chats@127.0.0.1:{self.port}/{name}"

    def create(self) -> str:
        """A new, empty database; its URL."""
        name = f"chats{next(self._numbers)}"
        self.query(self.url("postgres"), f"CREATE DATABASE {name}")
        return self.url(name)

    def query(self, url: str, sql: str, *values: object) -> list[dict[str, Any]]:
        """Rows as a user of plain SQL sees them; parameters are written `%s`."""
        import psycopg
        from psycopg.rows import dict_row

        with psycopg.connect(url, autocommit=True, row_factory=dict_row) as connection:
            cursor = connection.execute(sql, values)
            return cursor.fetchall() if cursor.description else []

    def start(self) -> None:
        """Starts the server; back once it takes connections."""
        settings = {**SETTINGS, "port": self.port, "unix_socket_directories": self._folder}
        command = [self._programs / "postgres", "-D", self._data]
        for name, value in settings.items():
            command += ["-c", f"{name}={value}"]
        with (self._folder / "server.log").open("ab") as log:
            self._process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, **self._as_user
            )
        self._wait_until_up()

    def stop(self) -> None:
        """Stops the server as an operator would who does not wait for its clients."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGINT)
        self._process.wait(START_SECONDS)

    def remove(self) -> None:
        """Stops the server and removes all it had."""
        self.stop()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _wait_until_up(self) -> None:
        import psycopg

        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline and self._process.poll() is None:
            try:
                psycopg.connect(self.url("postgres"), connect_timeout=2).close()
            except psycopg.OperationalError:
                time.sleep(0.05)
            else:
                return
        log = (self._folder / "server.log").read_text(encoding="utf-8", errors="replace")
        raise AssertionError(f"PostgreSQL did not start:\n{log}")

    def _run(self, program: str, *arguments: str) -> None:
        done = subprocess.run(
            [self._programs / program, *arguments],
            check=False, capture_output=True, text=True, **self._as_user,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr


def _programs() -> Path | None:
    """The folder with the newest server's programs; distributions keep them off the path."""
    found = [*Path("/usr/lib/postgresql").glob("*/bin/initdb")]
    found.sort(key=lambda path: path.parts[-3].zfill(4))
    on_path = shutil.which("initdb")
    # Through a link, so that the server finds its own files.
    candidates = [*([Path(on_path).resolve()] if on_path else []), *reversed(found)]
    for path in candidates:
        if path.with_name("postgres").exists():
            return path.parent
    return None


def _somebody_else() -> tuple[int, int]:
    import pwd

    users = {user.pw_name: (user.pw_uid, user.pw_gid) for user in pwd.getpwall()}
    return users.get("postgres") or users["nobody"]
