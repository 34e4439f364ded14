"""The pages and the API on the real proxy, in all its modes."""

from __future__ import annotations

import contextlib
import json
import sqlite3
import time
from http.client import HTTPConnection

import httpx
import pytest

from tests.answers import OPENAI, body
from tests.clients import ask, post
from tests.pages import PAGES, looking, printed, token
from tests.proxy import Proxy, free_port, own_address
from tests.test_proxy_modes import trusting
from tests.upstream import Upstream, json_reply

ODD = "a/b c%2F?#é ..//<i>"


@pytest.fixture(scope="module")
def own_upstream():
    """A provider that counts what reaches it."""
    provider = Upstream()
    provider.reply(json_reply(body(OPENAI)))
    yield provider
    provider.close()


@pytest.fixture(scope="module")
def reverse(tmp_path_factory, own_upstream):
    """A reverse proxy with one call on record."""
    running = Proxy(
        tmp_path_factory.mktemp("pages"),
        mode=f"reverse:{own_upstream.url}",
        options={"listen_host": "127.0.0.1"},
    ).wait_until_up()
    answer = httpx.post(f"{running.url}/v1/chat/completions", json=ask("gpt-4o"), trust_env=False)
    running.exchange(answer.headers["x-chat-request-id"])
    yield running
    running.stop()


@pytest.fixture
def own(start_proxy, upstream):
    """A proxy with a record of its own."""
    upstream.reply(json_reply(body(OPENAI)))
    return start_proxy(routes=[f"*=compatible@{upstream.url}"]).wait_until_up()


def _call(proxy, text="Hi", **headers):
    answer = post(proxy, ask("gpt-4o", text), **headers)
    assert answer.status_code == 200
    return proxy.exchange(answer.headers["x-chat-request-id"])


def _stats(proxy):
    with looking(proxy) as client:
        return client.get(f"{PAGES}/api/stats").json()


# Where they are


@pytest.mark.parametrize("way", ["plain", "HTTP/1.1 over TLS", "HTTP/2"])
def test_the_pages_have_a_host_of_their_own(proxy, way):
    http2, scheme = way == "HTTP/2", "http" if way == "plain" else "https"
    verify = True if way == "plain" else trusting(proxy, http2=http2)
    with looking(proxy, verify=verify, http2=http2) as client:
        page = client.get(f"{scheme}://diptych.internal/sessions")
    assert page.status_code == 200
    assert "<h1>Sessions</h1>" in page.text
    assert page.http_version == ("HTTP/2" if http2 else "HTTP/1.1")


def test_every_printed_address_shows_the_pages(own):
    request_id = _call(own)["request_id"]
    through, itself = printed(own)
    for address, proxy in ((through, own.url), (itself, None)):
        with httpx.Client(proxy=proxy, trust_env=False, follow_redirects=True) as browser:
            page = browser.get(address)
            assert request_id in page.text
            assert "token" not in str(page.url)
            assert browser.get(page.url.join("sessions")).status_code == 200


def test_an_address_is_told_once_where_http3_is_listened_for_too(start_proxy):
    proxy = start_proxy(mode="reverse:https://api.openai.invalid").wait_until_up()
    proxy.wait_to_say("in a browser.")
    proxy.stop()
    assert proxy.log.count("in a browser.") == 1


def test_the_pages_have_a_path_of_their_own_in_reverse_mode(reverse):
    with looking(reverse, through=False) as client:
        base = f"{reverse.url}/-/diptych"
        listed = client.get(f"{base}/api/requests").json()["data"]
        page = client.get(f"{base}/").text
    assert f'href="/-/diptych/requests/{listed[0]["request_id"]}"' in page


def test_an_upstream_proxy_sees_nothing_of_it(start_proxy):
    outer = start_proxy().wait_until_up()
    inner = start_proxy(mode=f"upstream:{outer.url}").wait_until_up()
    with looking(inner) as client:
        assert client.get(f"{PAGES}/").status_code == 200
    assert "diptych.internal/sessions" not in outer.log
    assert f"{PAGES}/ " not in outer.log


# Who may look


@pytest.mark.parametrize("given", ["", "Bearer wrong", "Basic eDp5"])
def test_without_the_token_nothing_is_told_and_nothing_is_asked(reverse, own_upstream, given):
    own_upstream.received.clear()
    for path in ("/-/diptych/", "/-/diptych/api/sessions", "/-/diptych/nothing"):
        headers = {"authorization": given} if given else {}
        answer = httpx.get(f"{reverse.url}{path}", headers=headers, trust_env=False)
        assert answer.status_code == 401
        assert "gpt-4o" not in answer.text
    assert own_upstream.received == []


def test_the_token_is_not_on_record(own):
    _call(own)
    with looking(own) as client:
        assert client.get(f"{PAGES}/?token={token(own)}").status_code == 303
    kept = b"".join(path.read_bytes() for path in own.folder.glob("chats.db*"))
    assert token(own).encode() not in kept


def test_each_start_has_a_token_of_its_own(own, start_proxy):
    other = start_proxy().wait_until_up()
    assert token(own) != token(other)


def test_a_name_pointed_at_the_proxy_sees_nothing(reverse):
    with looking(reverse, through=False) as client:
        answer = client.get(f"{reverse.url}/-/diptych/", headers={"host": "evil.example"})
    assert answer.status_code == 403


@pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
def test_another_site_does_nothing(reverse, method):
    with looking(reverse, through=False) as client:
        answer = client.request(
            method, f"{reverse.url}/-/diptych/api/sessions/x", headers={"origin": "http://evil"}
        )
    assert answer.status_code == 403


@pytest.mark.parametrize("remote", [False, True], ids=["by itself", "with chat_remote"])
def test_another_machine_may_look_only_where_it_is_allowed(start_proxy, remote):
    address = own_address()
    if address is None:
        pytest.skip("this machine has no address but loopback")
    options = {"listen_host": "0.0.0.0", "chat_remote": str(remote).lower()}
    proxy = start_proxy(options=options).wait_until_up()
    base = f"http://{address}:{proxy.port}/-/diptych/api/stats"
    with looking(proxy, through=False) as client:
        assert client.get(base).status_code == (200 if remote else 403)
    assert httpx.get(base, trust_env=False).status_code == (401 if remote else 403)


# Nothing goes where it should not


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/-/diptych/../../etc/passwd", 404),
        ("/-/diptych/%2e%2e/%2e%2e/etc/passwd", 404),
        ("/-/diptych/..%2f..%2fetc%2fpasswd", 404),
        ("/-/diptych//etc/passwd", 404),
        ("/-/diptych/templates/base.html", 404),
        ("/-/diptych/sessions/../../../etc/passwd", 404),
        ("/-/diptych/sessions/%00", 404),
        ("/-/diptych/sessions/%ff%fe", 404),
        ("/-/diptych/api/requests?q=%00", 200),
        ("/-/diptych/api/requests?q=%ff%22*%28", 200),
        ("/-/diptych/api/requests?session=%00", 200),
        ("/-/diptych/api/requests?after=%00", 400),
        (f"/-/diptych/api/requests?q={'x' * 20_000}", 200),
    ],
    ids=lambda value: str(value)[:48],
)
def test_no_path_and_no_query_leads_astray(reverse, own_upstream, path, status):
    own_upstream.received.clear()
    connection = HTTPConnection("127.0.0.1", reverse.port, timeout=20)
    connection.request("GET", path, headers={"Authorization": f"Bearer {token(reverse)}"})
    answer = connection.getresponse()
    told = answer.read()
    connection.close()
    assert (answer.status, b"root:" in told) == (status, False)
    assert own_upstream.received == []


@pytest.mark.parametrize(
    ("method", "status"), [("HEAD", 200), ("OPTIONS", 200), ("PUT", 405), ("POST", 405)]
)
def test_other_methods_are_answered(reverse, method, status):
    with looking(reverse, through=False) as client:
        assert client.request(method, f"{reverse.url}/-/diptych/").status_code == status


def test_a_session_may_be_named_by_any_text(own):
    assert _call(own, x_session_id=ODD.encode())["session_id"] == ODD
    with looking(own) as client:
        (session,) = client.get(f"{PAGES}/api/sessions").json()["data"]
        page = client.get(f"{PAGES}/sessions").text
        (path,) = {
            part.split('"')[0] for part in page.split('href="') if part.startswith("/sessions/")
        }
        assert session["id"] == ODD
        assert client.get(f"{PAGES}/api{path}").json() == session
        assert client.delete(f"{PAGES}/api{path}").json()["deleted"]
        assert client.get(f"{PAGES}/api/sessions").json()["data"] == []


# What they show


def test_bodies_are_those_of_the_wire(own, upstream):
    said = '[{"content": "\\u00fc\\ud83d", "role": "user"}]'
    sent = f'{{"model": "gpt-4o", "top_p":1.0, "messages": {said}, "x": 123456789012345678901}}'
    answer = post(own, sent.encode())
    request_id = answer.headers["x-chat-request-id"]
    own.exchange(request_id)
    with looking(own) as client:
        told = client.get(f"{PAGES}/api/requests/{request_id}").text
    assert f'"openai_request":{sent}' in told
    assert f'"provider_request":{upstream.received[0].body.decode()}' in told
    assert json.loads(told)["response"]["openai_response"] == answer.json()


def test_a_session_is_deleted_while_its_calls_go_on(own):
    _call(own, x_session_id="mine")
    with looking(own) as client:
        assert client.delete(f"{PAGES}/api/sessions/mine").status_code == 200
    assert _call(own, x_session_id="mine")["session_id"] == "mine"
    assert _stats(own)["requests"] == 1


def test_what_waits_is_counted_until_it_is_written(own):
    _call(own)
    with contextlib.closing(sqlite3.connect(own.database)) as other:
        other.execute("BEGIN IMMEDIATE")
        for number in range(3):
            post(own, ask("gpt-4o", str(number)))
        assert _stats(own)["waiting"] >= 3
        with looking(own) as client:
            assert "rows wait to be written" in client.get(f"{PAGES}/").text
    deadline = time.monotonic() + 20
    while (told := _stats(own))["waiting"] and time.monotonic() < deadline:
        time.sleep(0.05)
    assert (told["waiting"], told["requests"]) == (0, 4)


@pytest.mark.parametrize("harm", ["spoilt", "deleted"])
def test_calls_go_on_where_the_record_cannot_be_read(own, upstream, harm):
    _call(own)
    for path in own.folder.glob("chats.db*"):
        path.unlink()
    if harm == "spoilt":
        own.database.write_bytes(b"nonsense" * 4000)
    upstream.received.clear()
    with looking(own) as client:
        answer = client.get(f"{PAGES}/")
    assert answer.status_code == 503
    assert "Calls go on" in answer.text
    assert upstream.received == []
    assert post(own, ask("gpt-4o")).status_code == 200


def test_where_nothing_is_recorded_the_pages_say_so(start_proxy):
    proxy = start_proxy(options={"chat_store": "off"}).wait_until_up()
    with looking(proxy) as client:
        answer = client.get(f"{PAGES}/api/stats")
    assert answer.status_code == 503
    assert "`chat_store` is off" in answer.json()["error"]["message"]


def test_without_texts_there_are_still_pages(start_proxy, upstream):
    upstream.reply(json_reply(body(OPENAI)))
    proxy = start_proxy(
        routes=[f"*=compatible@{upstream.url}"], options={"chat_store": "metadata"}
    ).wait_until_up()
    request_id = _call(proxy, "a secret thing")["request_id"]
    with looking(proxy) as client:
        pages = [
            client.get(f"{PAGES}{path}") for path in ("/", "/sessions", f"/requests/{request_id}")
        ]
    assert [page.status_code for page in pages] == [200, 200, 200]
    assert not any("secret" in page.text for page in pages)


def test_postgresql_is_shown_as_well(start_proxy, upstream, postgres_url):
    upstream.reply(json_reply(body(OPENAI)))
    proxy = start_proxy(
        routes=[f"*=compatible@{upstream.url}"], options={"chat_db": postgres_url}
    ).wait_until_up()
    post(proxy, ask("gpt-4o", "Where is Paris?"), x_session_id="mine")
    deadline = time.monotonic() + 20
    with looking(proxy) as client:
        found = []
        while not found and time.monotonic() < deadline:
            found = client.get(f"{PAGES}/api/requests?q=paris&state=complete").json()["data"]
        assert found[0]["session_id"] == "mine"
        assert client.delete(f"{PAGES}/api/sessions/mine").status_code == 200
        assert client.get(f"{PAGES}/api/sessions").json()["data"] == []


def test_looks_leave_the_list_of_mitmweb(start_proxy):
    web_port = free_port()
    proxy = start_proxy(
        program="mitmweb",
        options={
            "web_port": str(web_port),
            "web_open_browser": "false",
            "web_password": "sesame",
        },
    ).wait_until_up()
    with looking(proxy) as client:
        assert client.get(f"{PAGES}/").status_code == 200
    flows = httpx.Client(
        base_url=f"http://127.0.0.1:{web_port}",
        headers={"authorization": "Bearer sesame"},
        trust_env=False,
    )
    deadline = time.monotonic() + 20
    with flows:
        while flows.get("/flows").json() and time.monotonic() < deadline:
            time.sleep(0.1)
        assert flows.get("/flows").json() == []
