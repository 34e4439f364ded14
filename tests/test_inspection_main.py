"""The pages without a proxy, as a user starts them."""

from __future__ import annotations

import re
import subprocess
import sys

import httpx
import pytest

from recording.database import RecordDatabase
from tests.proxy import ROOT
from tests.test_inspection_web_queries import record


@pytest.fixture
def serve():
    """Starts the pages on a free port."""
    running = []

    def start(*arguments):
        command = [sys.executable, "-m", "inspection", "--port", "0", *arguments]
        running.append(
            subprocess.Popen(
                command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
            )
        )
        return running[-1]

    yield start
    for process in running:
        process.kill()
        process.communicate()


def test_the_printed_address_shows_the_record(serve, any_url):
    store = RecordDatabase(any_url)
    store.open()
    record(store.database, "one")
    store.close()
    line = serve("--db", any_url).stdout.readline()
    address = re.search(r"http://127\.0\.0\.1:\d+/\?token=\S+", line)[0]
    with httpx.Client(trust_env=False, follow_redirects=True) as client:
        assert "/requests/one" in client.get(address).text
        base = address.partition("/?")[0]
        assert client.get(f"{base}/api/requests").json()["data"][0]["request_id"] == "one"
    assert httpx.get(base, trust_env=False).status_code == 401


@pytest.mark.parametrize("url", ["sqlite:///nowhere.db", "sqlite:///:memory:", "mysql://x/y"])
def test_a_record_that_is_not_there_is_an_error(serve, url):
    process = serve("--db", url)
    _, told = process.communicate(timeout=30)
    assert process.returncode == 1
    assert told.startswith("inspection: ")
    assert "Traceback" not in told
