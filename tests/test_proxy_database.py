"""Trouble with the database while calls pass through the real proxy.

No call fails or waits for it, and every record arrives in the end, in order, once.
"""

from __future__ import annotations

import contextlib
import resource
import shutil
import sqlite3
import statistics
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.answers import OLLAMA, body
from tests.clients import NOWHERE, ask, http
from tests.proxy import Proxy
from tests.upstream import json_reply

CALLS = 25
LONGEST_WAIT_S = 0.025
NOISE_S = 0.04
"""What a busy machine takes to wake up, beside."""


@pytest.fixture
def proxy(start_proxy, upstream) -> Proxy:
    """A proxy with a database of its own."""
    upstream.reply(json_reply(body(OLLAMA)))
    running = start_proxy(routes=[f"*=ollama/x@{upstream.url}"]).wait_until_up()
    call(running, "first", 1)
    recorded(running, 1)
    return running


def call(proxy: Proxy, name: str, count: int = CALLS) -> list[float]:
    """Seconds that each call took; all of them are answered."""
    took = []
    with http(proxy) as client:
        for number in range(count):
            request = ask("any", f"{name} {number}", max_tokens=10 + number)
            started = time.monotonic()
            answer = client.post(f"{NOWHERE}/v1/chat/completions", json=request)
            took.append(time.monotonic() - started)
            assert answer.status_code == 200
    return took


def recorded(proxy: Proxy, count: int) -> list[str]:
    """The questions in the record, in its order, once there are so many answers."""
    deadline = time.monotonic() + 20
    questions: list[str] = []
    while len(questions) < count and time.monotonic() < deadline:
        time.sleep(0.05)
        with contextlib.suppress(sqlite3.Error):
            rows = proxy.query(
                "SELECT openai_request ->> '$.messages[0].content' AS said FROM exchanges "
                "WHERE state = 'complete' AND provider_request IS NOT NULL ORDER BY id"
            )
            questions = [row["said"] for row in rows]
    return questions


def asked(*names: str) -> list[str]:
    """The questions of these rounds of calls, each after the first."""
    return ["first 0", *(f"{name} {number}" for name in names for number in range(CALLS))]


@contextlib.contextmanager
def locked(proxy: Proxy) -> Iterator[None]:
    """Another process keeps the database for itself."""
    with contextlib.closing(sqlite3.connect(proxy.database, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield
        other.execute("ROLLBACK")


@contextlib.contextmanager
def full_disk(proxy: Proxy) -> Iterator[None]:
    """No file of the proxy, its spill file included, can grow beyond what it is."""
    sizes = [path.stat().st_size for path in proxy.folder.iterdir() if path.is_file()]
    before = resource.prlimit(proxy.process.pid, resource.RLIMIT_FSIZE)
    resource.prlimit(proxy.process.pid, resource.RLIMIT_FSIZE, (max(sizes), before[1]))
    yield
    resource.prlimit(proxy.process.pid, resource.RLIMIT_FSIZE, before)


@contextlib.contextmanager
def read_only(proxy: Proxy) -> Iterator[None]:
    """Not even root, with the files open, can write to the database; the folder stays as it is."""
    files = [proxy.database, proxy.database.with_name("chats.db-wal")]
    if not set_immutable(files, "+i"):
        pytest.skip("nothing is read-only for root here: chattr +i needs a file system that has it")
    try:
        yield
    finally:
        assert set_immutable(files, "-i")


def set_immutable(files: list[Path], how: str) -> bool:
    """Whether the files can be written to by nobody, or by all again."""
    program = shutil.which("chattr")
    if program is None:
        return False
    return subprocess.run([program, how, *files], capture_output=True, check=False).returncode == 0


@pytest.mark.parametrize("trouble", [locked, full_disk, read_only])
def test_calls_go_on_and_the_record_catches_up(proxy, trouble):
    before = statistics.median(call(proxy, "before"))
    with trouble(proxy):
        during = call(proxy, "during")
        if trouble is full_disk:
            # Until the log of the database is full as well.
            during += call(proxy, "more") + call(proxy, "yet more")
        time.sleep(1)
    call(proxy, "after")
    more = ["more", "yet more"] if trouble is full_disk else []
    names = asked("before", "during", *more, "after")
    assert recorded(proxy, len(names)) == names
    proxy.wait_to_say("The database cannot be written")
    proxy.wait_to_say("The database is back")
    assert sorted(during)[-2] - before < LONGEST_WAIT_S + NOISE_S
    assert not list(proxy.folder.glob("*.spill*"))


def test_a_file_that_is_deleted_under_us_is_begun_anew(proxy):
    for path in proxy.folder.glob("chats.db*"):
        path.unlink()
    call(proxy, "after")
    assert recorded(proxy, CALLS) == asked("after")[1:]
    proxy.wait_to_say("was removed or replaced")


def test_a_file_that_is_spoilt_under_us_makes_records_wait_until_it_is_out_of_the_way(proxy):
    time.sleep(1)  # A pause, after which all of it is in the file itself.
    # In place, and not the -shm file: it is mapped into the proxy's memory.
    for path in (proxy.database, proxy.database.with_name("chats.db-wal")):
        with path.open("r+b") as file:
            file.write(b"no database " * (path.stat().st_size // 12))
    call(proxy, "during")
    waiting(proxy)
    for path in proxy.folder.glob("chats.db*"):
        if path.suffix != ".spill":
            path.rename(path.with_name(f"spoilt{path.name}"))
    assert recorded(proxy, CALLS) == asked("during")[1:]
    proxy.wait_to_say("The database is back")


def waiting(proxy: Proxy) -> None:
    """Returns once records wait beside the database."""
    deadline = time.monotonic() + 10
    while not list(proxy.folder.glob("chats.db.spill")):
        assert time.monotonic() < deadline, proxy.log
        time.sleep(0.02)
    proxy.wait_to_say("The database cannot be written")


def test_a_spoilt_file_ends_the_start_and_says_why(start_proxy, tmp_path):
    path = tmp_path / "spoilt.db"
    path.write_bytes(b"no database at all " * 1000)
    proxy = start_proxy(options={"chat_db": f"sqlite:///{path}"})
    assert proxy.process.wait(20) == 1
    assert "chat_db" in proxy.log
    assert "file is not a database" in proxy.log


def test_a_read_only_file_ends_the_start_and_says_why(start_proxy, tmp_path):
    path = tmp_path / "kept.db"
    sqlite3.connect(path).close()
    path.touch()
    if not set_immutable([path], "+i"):
        pytest.skip("nothing is read-only for root here: chattr +i needs a file system that has it")
    try:
        proxy = start_proxy(options={"chat_db": f"sqlite:///{path}"})
        assert proxy.process.wait(20) == 1
    finally:
        assert set_immutable([path], "-i")
    assert "chat_db" in proxy.log
    assert "not permitted" in proxy.log
