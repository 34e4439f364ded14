"""The pages on the real proxy, for whoever spells their address oddly or means no good."""

from __future__ import annotations

import gzip
import os
import socket
import time
from pathlib import Path

import httpx
import pytest

from tests.answers import OPENAI, body
from tests.clients import ask, post
from tests.pages import PAGES, looking, token
from tests.proxy import START_SECONDS, Proxy
from tests.upstream import Upstream, json_reply

CALLS = 7


@pytest.fixture(scope="module")
def provider():
    """A provider that counts what reaches it."""
    running = Upstream()
    running.reply(json_reply(body(OPENAI)))
    yield running
    running.close()


def _start(folder: Path, provider: Upstream, mode: str, **options: str) -> Proxy:
    routes = [f"*=compatible@{provider.url}/v1"]
    return Proxy(folder, mode=mode, routes=routes, options=options).wait_until_up()


@pytest.fixture(scope="module")
def behind(tmp_path_factory, provider):
    """A proxy that sends all it does not answer to a counting upstream proxy."""
    running = _start(tmp_path_factory.mktemp("behind"), provider, f"upstream:{provider.url}")
    yield running
    running.stop()


@pytest.fixture(scope="module")
def reverse(tmp_path_factory, provider):
    """A reverse proxy, to a provider behind TLS and with the client's own host name."""
    mode = f"reverse:https://127.0.0.1:{provider.port}"
    running = _start(tmp_path_factory.mktemp("reverse"), provider, mode, keep_host_header="true")
    yield running
    running.stop()


def _raw(
    proxy: Proxy, target: str, *headers: str, method: str = "GET", content: bytes = b""
) -> int:
    """The status of the answer to a request that no well-behaved client would make."""
    lines = [
        f"{method} {target} HTTP/1.1",
        *headers,
        f"Authorization: Bearer {token(proxy)}",
        f"Content-Length: {len(content)}",
        "Connection: close",
    ]
    with socket.create_connection(("127.0.0.1", proxy.port), timeout=20) as connection:
        connection.sendall("\r\n".join([*lines, "", ""]).encode("latin-1") + content)
        answer = connection.makefile("rb").read()
    return int(answer.split(b" ", 2)[1])


def _own(proxy: Proxy) -> str:
    return f"Host: 127.0.0.1:{proxy.port}"


@pytest.mark.parametrize(
    ("target", "status"),
    [
        ("http://DIPTYCH.Internal/api/stats", 200),
        ("http://diptych.internal./api/stats", 403),
        ("http://diptych.internal:8080/api/stats", 200),
        ("http://diptych.internal/-/diptych/api/stats", 200),
        ("http://diptych.internal/v1/models", 404),
    ],
)
def test_no_spelling_of_the_host_leaves_with_the_token(behind, provider, target, status):
    before = provider.connections
    host = target.split("/")[2]
    assert (_raw(behind, target, f"Host: {host}"), provider.connections) == (status, before)


@pytest.mark.parametrize("query", ["", "?token={}"])
@pytest.mark.parametrize("way", ["behind", "reverse"])
def test_the_path_without_its_last_slash_leads_to_the_pages(request, provider, way, query):
    proxy = request.getfixturevalue(way)
    before = provider.connections
    with looking(proxy, through=False, follow_redirects=True) as browser:
        page = browser.get(f"{proxy.url}/-/diptych{query.format(token(proxy))}")
    assert (page.status_code, provider.connections) == (200, before)
    assert str(page.url) == f"{proxy.url}/-/diptych/"


@pytest.mark.parametrize("target", ["//[", "/-/diptych//[", "/%", "/%ff", "/?%ff=%"])
def test_an_odd_target_is_no_fault_of_ours(behind, target):
    assert _raw(behind, f"{PAGES}{target}", "Host: diptych.internal") in (200, 303, 400, 404)


@pytest.mark.parametrize("host", ["a?b", "a#b", "[::1", "a/b", "a@b", "\xe6\x97\xa5", "x" * 64])
def test_an_odd_host_sees_nothing_and_is_no_fault_of_ours(behind, host):
    assert _raw(behind, f"{PAGES}/", f"Host: {host}") in (400, 403)


@pytest.mark.parametrize("header", ["Cookie: diptych=\xe6\x97\xa5", "Cookie: \xff", "Origin: \xff"])
def test_bytes_in_a_header_are_no_fault_of_ours(behind, header):
    assert _raw(behind, f"{PAGES}/", "Host: diptych.internal", header) in (200, 403)


def test_what_is_sent_along_is_not_unpacked(behind):
    sent = gzip.compress(b"x" * 20_000_000)
    before = _peak(behind)
    headers = ("Host: diptych.internal", "Content-Encoding: gzip")
    assert _raw(behind, f"{PAGES}/api/stats", *headers, content=sent) == 200
    assert _peak(behind) - before < 15_000_000


def _peak(proxy: Proxy) -> int:
    """Bytes that the proxy had in memory at the most."""
    status = Path(f"/proc/{proxy.process.pid}/status").read_text(encoding="ascii")
    return int(status.split("VmHWM:")[1].split()[0]) * 1024


@pytest.mark.parametrize("method", ["GET", "DELETE"])
def test_a_page_of_a_reverse_proxy_to_tls_may_ask_in_its_own_name(reverse, method):
    origin = f"Origin: {reverse.url}"
    target = "/-/diptych/api/sessions/x"
    assert _raw(reverse, target, _own(reverse), origin, method=method) == 404


@pytest.mark.parametrize("origin", ["null", "http://evil.example", "https://127.0.0.1:{}"])
@pytest.mark.parametrize("method", ["GET", "DELETE"])
def test_another_origin_may_ask_nothing_of_a_reverse_proxy(reverse, origin, method):
    asked = f"Origin: {origin.format(reverse.port)}"
    target = "/-/diptych/api/sessions/x"
    assert _raw(reverse, target, _own(reverse), asked, method=method) == 403


@pytest.mark.parametrize("kind", ["sessions", "requests", "responses"])
@pytest.mark.parametrize("database", ["sqlite", "postgresql"])
def test_a_nul_is_found_nowhere(request, behind, tmp_path, provider, kind, database):
    proxy = behind
    if database == "postgresql":
        url = request.getfixturevalue("postgres_url")
        proxy = _start(tmp_path, provider, "regular", chat_db=url)
    told = {}
    with looking(proxy) as client:
        for query in ("model", "provider", "session", "q", "after", "state", "since"):
            told[query] = client.get(f"{PAGES}/api/{kind}?{query}=a%00b").status_code
        for method in ("GET", "DELETE") if kind == "sessions" else ("GET",):
            told[method] = client.request(method, f"{PAGES}/api/{kind}/a%00b").status_code
    if proxy is not behind:
        proxy.stop()
    listed = dict.fromkeys(("model", "provider", "session", "q"), 200)
    refused = dict.fromkeys(("after", "state", "since"), 400)
    assert told == {**listed, **refused, "GET": 404} | (
        {"DELETE": 404} if kind == "sessions" else {}
    )


def test_a_list_is_walked_once_while_calls_come(behind):
    def call(text: str) -> str:
        answer = post(behind, ask("gpt-4o", text))
        return behind.exchange(answer.headers["x-chat-request-id"])["request_id"]

    made = [call(f"walk {number}") for number in range(CALLS)]
    seen: list[str] = []
    with looking(behind) as client:
        page = client.get(f"{PAGES}/api/requests?limit=2").json()
        seen += [row["request_id"] for row in page["data"]]
        while page["has_more"]:
            call("meanwhile")
            asked = {"limit": 2, "after": page["last_id"]}
            page = client.get(f"{PAGES}/api/requests", params=asked).json()
            seen += [row["request_id"] for row in page["data"]]
    assert seen[:CALLS] == made[::-1]
    assert len(seen) == len(set(seen))


def test_a_reload_prints_a_new_token_and_the_old_one_is_none(start_proxy, tmp_path):
    script = tmp_path / "addon.py"
    root = Path(__file__).resolve().parent.parent
    script.write_bytes((root / "addon.py").read_bytes())
    proxy = start_proxy(script=script, environment={"PYTHONPATH": str(root)}).wait_until_up()
    old, threads = token(proxy), []
    for _ in range(3):
        with looking(proxy) as client:
            assert client.get(f"{PAGES}/api/stats").status_code == 200
        threads.append(len(list(Path(f"/proc/{proxy.process.pid}/task").iterdir())))
        _reload(proxy, script)
    stale = httpx.get(
        f"{proxy.url}/-/diptych/", headers={"authorization": f"Bearer {old}"}, trust_env=False
    )
    assert stale.status_code == 401
    assert threads[2] <= threads[0] + 1


def _reload(proxy: Proxy, script: Path) -> None:
    """Back once the new instance has told its token."""
    before = token(proxy)
    os.utime(script, (time.time() + 10,) * 2)
    script.write_bytes(script.read_bytes() + b"\n")
    deadline = time.monotonic() + START_SECONDS
    while token(proxy) == before and time.monotonic() < deadline:
        time.sleep(0.05)
    assert token(proxy) != before
