"""A proxy that stops while calls are on their way: what clients get, and what is kept."""

from __future__ import annotations

import contextlib
import json
import signal
import sqlite3
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from tests.answers import CLAUDE, OPENAI, body, claude_events, openai_events
from tests.clients import NOWHERE, ask, events, http, post
from tests.proxy import ROOT, Proxy
from tests.raw_upstream import raw_upstream, read_request
from tests.upstream import Reply, json_reply, stream_reply

STOPPED = {
    "message": "The proxy stopped before the answer was whole.",
    "type": "server_error",
    "param": None,
    "code": "proxy_stopped",
}
CHAT = "/v1/chat/completions"

signals = pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
both_ways = pytest.mark.parametrize("stream", [False, True])


@pytest.fixture
def start(start_proxy, upstream, tmp_path) -> Callable[..., Proxy]:
    """Starts a proxy; `stopping` is a hook that runs before ours, and may stop it."""

    def started(stopping: str = "") -> Proxy:
        settings = {}
        if stopping:
            script = tmp_path / "stopping.py"
            script.write_text(f"import asyncio\nfrom mitmproxy import ctx\n\n{stopping}\n")
            settings = {"script": script, "arguments": ["-s", str(ROOT / "addon.py")]}
        return start_proxy(
            routes=[f"claude-*=anthropic@{upstream.url}", f"llama=ollama/x@{upstream.url}"],
            environment={"ANTHROPIC_API_KEY": "k" * 20},
            **settings,
        ).wait_until_up()

    return started


def url(upstream, routed: bool) -> str:
    return f"{NOWHERE if routed else upstream.url}{CHAT}"


def until(holds: Callable[[], object]) -> None:
    """Returns once it holds."""
    deadline = time.monotonic() + 10
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def post_and_read(proxy: Proxy, request: dict, url: str) -> tuple[httpx.Response, bytes, bool]:
    """The answer's head, what came of its body, and whether that was cut off."""
    got = b""
    with http(proxy) as client, client.stream("POST", url, json=request) as answer:
        try:
            for piece in answer.iter_raw():
                got += piece
        except httpx.RemoteProtocolError:
            return answer, got, True
    return answer, got, False


def rows(proxy: Proxy) -> list[tuple]:
    """What is on record of each call, by the id that its client got."""
    told = proxy.query("SELECT request_id, state, error, status_code FROM exchanges")
    return sorted(tuple(row) for row in told)


def check_stopped(proxy: Proxy, answers: list[httpx.Response]) -> None:
    """Every client got the error, which is on record for each."""
    assert [answer.json()["error"] for answer in answers] == [STOPPED] * len(answers)
    assert {answer.status_code for answer in answers} == {503}
    assert rows(proxy) == sorted(
        (answer.headers["x-chat-request-id"], "interrupted", STOPPED["message"], 503)
        for answer in answers
    )
    check_log(proxy)


def check_log(proxy: Proxy) -> None:
    """Nothing failed. Python up to 3.11.7 itself trips over a connection that is still open."""
    of_python = proxy.log.count("Exception in callback StreamReaderProtocol.connection_made")
    assert proxy.log.count("Traceback") == of_python, proxy.log
    assert "could not" not in proxy.log


@signals
@both_ways
@pytest.mark.parametrize("routed", [True, False])
def test_calls_that_wait_for_their_provider_get_an_error(start, upstream, how, stream, routed):
    proxy, gate = start(), threading.Event()
    upstream.reply(Reply([body(CLAUDE)], before_head=gate))
    with ThreadPoolExecutor(8) as clients:
        asked = [
            clients.submit(
                post,
                proxy,
                ask("claude-x" if routed else "x", stream=stream),
                url(upstream, routed),
            )
            for _ in range(8)
        ]
        until(lambda: len(upstream.received) == len(asked))
        assert proxy.stop(how) == 0
        answers = [each.result() for each in asked]
    gate.set()
    check_stopped(proxy, answers)


@pytest.mark.parametrize("routed", [True, False])
def test_a_plain_answer_of_which_half_has_come_is_an_error(start, upstream, routed):
    proxy, gate = start(), threading.Event()
    whole = body(CLAUDE)
    upstream.reply(Reply([whole[:50], gate, whole[50:]]))
    with ThreadPoolExecutor(1) as clients:
        asked = clients.submit(
            post, proxy, ask("claude-x" if routed else "x"), url(upstream, routed)
        )
        until(lambda: upstream.received)
        time.sleep(0.1)
        assert proxy.stop() == 0
        answer = asked.result()
    gate.set()
    check_stopped(proxy, [answer])


@signals
def test_a_stream_ends_in_an_error_and_its_beginning_is_kept(start, upstream, how):
    proxy = start()
    line = b'{"message":{"role":"assistant","content":"Hel"},"done":false}\n'
    upstream.reply(Reply([line], content_type="application/x-ndjson", end="hang"))
    request = ask("llama", stream=True)
    with http(proxy) as client, client.stream("POST", NOWHERE + CHAT, json=request) as answer:
        pieces = answer.iter_raw()
        got = next(pieces)
        assert proxy.stop(how) == 0
        got += b"".join(pieces)
    assert [*events(got)][-1]["error"] == STOPPED
    row = proxy.exchange(answer.headers["x-chat-request-id"])
    assert (row["state"], row["error"]) == ("interrupted", STOPPED["message"])
    assert json.loads(row["openai_response"])["choices"][0]["message"]["content"] == "Hel"
    check_log(proxy)


def test_a_bare_stream_is_cut_off_and_its_beginning_is_kept(start, upstream):
    proxy = start()
    upstream.reply(stream_reply(openai_events()[:2], end="hang"))
    request = ask("x", stream=True)
    with http(proxy) as client, client.stream("POST", upstream.url + CHAT, json=request) as answer:
        pieces = answer.iter_raw()
        got = next(pieces)
        while b"Hello" not in got:
            got += next(pieces)
        assert proxy.stop() == 0
        with pytest.raises(httpx.HTTPError):
            next(pieces)
    row = proxy.exchange(answer.headers["x-chat-request-id"])
    assert (row["state"], row["error"]) == ("interrupted", STOPPED["message"])
    assert json.loads(row["openai_response"])["choices"][0]["message"]["content"] == "Hello"
    check_log(proxy)


def test_a_stream_with_its_last_word_in_hand_is_complete(start, upstream):
    proxy = start()
    upstream.reply(stream_reply(claude_events(), end="hang"))
    request = ask("claude-x", stream=True)
    with http(proxy) as client, client.stream("POST", NOWHERE + CHAT, json=request) as answer:
        pieces, got = answer.iter_raw(), b""
        while b"[DONE]" not in got:
            got += next(pieces)
        assert proxy.stop() == 0
        assert b"".join(pieces) == b""
    row = proxy.exchange(answer.headers["x-chat-request-id"])
    assert (row["state"], row["error"]) == ("complete", None)
    check_log(proxy)


@pytest.mark.parametrize("routed", [True, False])
def test_a_call_that_waits_for_its_commit_gets_an_error_and_is_never_sent(start, upstream, routed):
    proxy = start("def request(flow):\n    ctx.master.should_exit.set()")
    upstream.reply(json_reply(body(CLAUDE)))
    with contextlib.closing(sqlite3.connect(proxy.database, isolation_level=None)) as lock:
        lock.execute("BEGIN IMMEDIATE")
        answer = post(proxy, ask("claude-x" if routed else "x"), url(upstream, routed))
        lock.execute("COMMIT")
    assert proxy.wait_until_ended() == 0, proxy.log
    assert upstream.received == []
    check_stopped(proxy, [answer])


LATE = "async def response(flow):\n    ctx.master.should_exit.set()\n    await asyncio.sleep({s})"
MOMENTS = {
    "handed on in that turn": "def response(flow):\n    ctx.master.should_exit.set()",
    "in hand in that turn": LATE.format(s=0),
    "in hand for longer": LATE.format(s=0.2),
    "of which the head has come": "def responseheaders(flow):\n    ctx.master.should_exit.set()",
}


@both_ways
@pytest.mark.parametrize("routed", [True, False])
@pytest.mark.parametrize("moment", MOMENTS)
def test_what_clients_got_is_on_record_and_nothing_else_reached_them(
    start, upstream, moment, routed, stream
):
    proxy = start(MOMENTS[moment])
    if stream:
        upstream.reply(stream_reply(claude_events() if routed else openai_events()))
    else:
        upstream.reply(json_reply(body(CLAUDE if routed else OPENAI)))
    request = ask("claude-x" if routed else "x", stream=stream)
    answer, got, is_cut = post_and_read(proxy, request, url(upstream, routed))
    assert proxy.wait_until_ended() == 0, proxy.log
    row = proxy.exchange(answer.headers["x-chat-request-id"])
    is_whole = b"[DONE]" in got or b'"chat.completion"' in got
    if is_whole:
        assert (answer.status_code, row["state"], row["error"]) == (200, "complete", None)
    else:
        assert moment == "of which the head has come"
        assert (row["state"], row["error"]) == ("interrupted", STOPPED["message"])
    if is_cut:
        # What passes as it is has no place for an error.
        assert stream
        assert not routed
    elif not is_whole:
        last = [*events(got)][-1] if stream and routed else json.loads(got)
        assert last["error"] == STOPPED
    check_log(proxy)


def test_a_call_whose_picture_is_still_being_fetched_is_cut_off_and_kept(start, upstream):
    proxy, asked_for, gate = start(), threading.Event(), threading.Event()

    def hold(connection):
        read_request(connection)
        asked_for.set()
        gate.wait(10)

    with raw_upstream(hold) as pictures:
        part = {"type": "image_url", "image_url": {"url": f"{pictures}/a.png"}}
        request = ask("llama") | {"messages": [{"role": "user", "content": [part]}]}
        with ThreadPoolExecutor(1) as clients:
            asked = clients.submit(post, proxy, request, NOWHERE + CHAT, x_chat_private="allow")
            assert asked_for.wait(10)
            assert proxy.stop() == 0
            with pytest.raises(httpx.HTTPError):
                asked.result()
        gate.set()
    [(_, *kept)] = rows(proxy)
    assert kept == ["interrupted", STOPPED["message"], 503]
    check_log(proxy)
