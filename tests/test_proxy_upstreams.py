"""Providers that do what nobody expects of them, through the real proxy."""

from __future__ import annotations

import contextlib
import gzip
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.answers import CLAUDE, body, claude_events, openai_events
from tests.clients import NOWHERE, ask, events, http, post, sdk
from tests.proxy import Proxy
from tests.raw_upstream import answer, chunked, raw_upstream, read_request
from tests.upstream import json_reply, stream_reply

CHAT = f"{NOWHERE}/v1/chat/completions"
STREAM = "text/event-stream"
TRAILERS = b"server-timing: total;dur=12\r\nx-checksum: abc\r\n"
OK = answer(body(CLAUDE))


class Stage:
    """A proxy, and its one provider, which plays what a test puts on."""

    def __init__(self, proxy: Proxy, url: str) -> None:
        self.proxy = proxy
        self.url = url
        self._play: Callable[[socket.socket], None] = lambda connection: None

    def puts_on(self, play: Callable[[socket.socket], None]) -> Proxy:
        """The proxy, whose provider plays this from now on."""
        self._play = play
        return self.proxy

    def perform(self, connection: socket.socket) -> None:
        """Plays it with one connection."""
        self._play(connection)


@pytest.fixture(scope="module")
def stage(tmp_path_factory) -> Iterator[Stage]:
    """One for all tests of this file."""
    acting: list[Stage] = []
    with raw_upstream(lambda connection: acting[0].perform(connection)) as url:
        proxy = Proxy(
            tmp_path_factory.mktemp("proxy"),
            routes=[f"claude-*=anthropic@{url}"],
            options={"chat_timeout": "3"},
            environment={"ANTHROPIC_API_KEY": "k"},
        )
        acting.append(Stage(proxy.wait_until_up(), url))
        yield acting[0]
        proxy.stop()


def saying(*answers: bytes) -> Callable[[socket.socket], None]:
    """One request after the other is answered with these bytes."""

    def play(connection: socket.socket) -> None:
        for said in answers:
            if not read_request(connection):
                return
            connection.sendall(said)

    return play


def memory_mb(proxy: Proxy, kind: str = "VmRSS") -> int:
    """Resident memory of the proxy."""
    status = Path(f"/proc/{proxy.process.pid}/status").read_text()
    return int(status.partition(f"{kind}:")[2].split()[0]) // 1024


@pytest.mark.parametrize("stream", [False, True])
def test_trailers_are_left_out_and_the_connection_lives_on(stage, stream):
    said = [b"".join(claude_events())] if stream else [body(CLAUDE)]
    whole = chunked(said, STREAM if stream else "application/json", TRAILERS)
    proxy = stage.puts_on(saying(whole, whole))
    with http(proxy) as client:
        for _ in range(2):
            told = client.post(CHAT, json=ask("claude-x", stream=stream))
            assert told.status_code == 200
            assert proxy.exchange(told.headers["x-chat-request-id"])["state"] == "complete"


def test_a_bare_stream_with_trailers_ends(stage):
    proxy = stage.puts_on(saying(chunked(openai_events(), STREAM, TRAILERS)))
    told = post(proxy, ask("mine"), url=f"{stage.url}/v1/chat/completions")
    assert told.content == b"".join(openai_events())


@pytest.mark.parametrize("pause", [False, True])
def test_interim_answers_are_passed_over(stage, pause):
    hints = b"HTTP/1.1 103 Early Hints\r\nlink: </x>; rel=preload\r\n\r\n"

    def play(connection):
        read_request(connection)
        pieces = [b"HTTP/1.1 100 Continue\r\n\r\n" + hints[:30], hints[30:], OK[:7], OK[7:]]
        for piece in pieces if pause else [b"".join(pieces)]:
            connection.sendall(piece)
            time.sleep(0.05)

    assert post(stage.puts_on(play), ask("claude-x")).status_code == 200


def test_a_switch_of_protocols_nobody_asked_for_is_a_502(stage):
    switch = b"HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n"
    assert post(stage.puts_on(saying(switch)), ask("claude-x")).status_code == 502


def test_an_answer_before_the_request_is_whole_reaches_the_client(stage):
    def play(connection):
        connection.recv(1000)
        connection.sendall(answer(body({"error": {"message": "too large"}}), "413 Too Large"))
        connection.shutdown(socket.SHUT_WR)
        while connection.recv(1 << 20):
            pass

    told = post(stage.puts_on(play), ask("claude-x", "x" * 5_000_000))
    assert (told.status_code, told.json()["error"]["message"]) == (413, "too large")


def test_a_second_answer_is_nobodys(stage):
    other = answer(body({**CLAUDE, "content": [{"type": "text", "text": "for nobody"}]}))
    with http(stage.puts_on(saying(OK + other))) as client:
        for _ in range(2):
            told = client.post(CHAT, json=ask("claude-x"))
            assert told.json()["choices"][0]["message"]["content"] == "Hello there"


@pytest.mark.parametrize(
    "said",
    [
        b"\x00\x01\x02 no HTTP at all\r\n\r\n",
        b"HTTP/1.1 abc\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: -5\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n",
        b"HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: 9",
        b"",
    ],
    ids=["binary", "status", "length", "chunk", "header", "half a head", "nothing"],
)
def test_garbage_is_a_502_in_openai_form(stage, said):
    proxy = stage.puts_on(saying(said))
    told = post(proxy, ask("claude-x"))
    assert told.status_code == 502
    assert told.json()["error"].keys() == {"message", "type", "param", "code"}
    assert proxy.exchange(told.headers["x-chat-request-id"])["state"] == "failed"


def test_a_head_that_never_ends_is_a_504(stage):
    assert post(stage.puts_on(_drip), ask("claude-x")).status_code == 504


def _drip(connection: socket.socket) -> None:
    read_request(connection)
    connection.sendall(b"HTTP/1.1 200 OK\r\n")
    while True:
        connection.sendall(b"x: y\r\n")
        time.sleep(0.05)


@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize("stream", [False, True])
def test_a_connection_that_is_never_made_is_a_504(start_proxy, scheme, stream):
    # Nobody accepts: over HTTP the system drops what comes once its queue is full, over HTTPS
    # the greeting is never answered.
    with contextlib.ExitStack() as open_sockets:
        listener = open_sockets.enter_context(socket.socket())
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        port = listener.getsockname()[1]
        if scheme == "http":
            for _ in range(4):
                filler = open_sockets.enter_context(socket.socket())
                filler.setblocking(False)
                filler.connect_ex(("127.0.0.1", port))
        route = f"*=compatible/x@{scheme}://127.0.0.1:{port}"
        proxy = start_proxy(routes=[route], options={"chat_timeout": "1"}).wait_until_up()
        started = time.monotonic()
        told = post(proxy, ask("any", stream=stream))
        took = time.monotonic() - started
        assert (told.status_code, told.json()["error"]["code"]) == (504, "timeout")
        assert 0.9 < took < 3
        assert proxy.exchange(told.headers["x-chat-request-id"])["status_code"] == 504


def test_a_reader_that_is_slow_holds_the_provider_back(stage):
    sent = [0]
    event = claude_events(["x" * 1000])[3]

    def play(connection):
        read_request(connection)
        head = f"HTTP/1.1 200 OK\r\ncontent-type: {STREAM}\r\n\r\n".encode()
        connection.settimeout(None)
        connection.sendall(head + b"".join(claude_events([], end=False)))
        while sent[0] < 300_000_000:
            connection.sendall(event * 100)
            sent[0] += len(event) * 100

    request = body(ask("claude-x", stream=True))
    proxy = stage.puts_on(play)
    before = memory_mb(proxy)
    with socket.create_connection(("127.0.0.1", proxy.port), timeout=10) as client:
        head = f"POST {CHAT} HTTP/1.1\r\nHost: api.openai.invalid\r\n"
        client.sendall(f"{head}Content-Length: {len(request)}\r\n\r\n".encode() + request)
        client.recv(1000)
        _until_still(sent)
        assert sent[0] < 100_000_000
        assert memory_mb(proxy) - before < 100


def _until_still(count: list[int]) -> None:
    last = -1
    while count[0] != last:
        last = count[0]
        time.sleep(0.5)


def test_a_single_event_of_50_mb_is_translated(stage):
    text = "x" * 50_000_000
    whole = chunked([b"".join(claude_events([text]))], STREAM)
    proxy = stage.puts_on(saying(whole))
    told = post(proxy, ask("claude-x", stream=True))
    *chunks, done = events(told.content)
    assert done == "[DONE]"
    said = "".join(chunk["choices"][0]["delta"].get("content") or "" for chunk in chunks)
    assert len(said) == len(text)
    answered = json.loads(proxy.exchange(told.headers["x-chat-request-id"])["openai_response"])
    assert len(answered["choices"][0]["message"]["content"]) == len(text)
    assert memory_mb(proxy, "VmHWM") < 1500


NARROW = """
from interception import decoding, streams
from transforms import room
decoding.LARGEST_BODY = 20_000_000
room.LARGEST_ANSWER = 2_000_000
streams.LARGEST_EVENT = 2_000_000
"""
PIECE = "word " * 4000
PIECES = 5000


@pytest.fixture
def start_narrow(start_proxy, tmp_path) -> Callable[[str], Proxy]:
    """Starts a proxy that keeps two megabytes of an answer, and takes bodies of twenty."""
    script = tmp_path / "narrow.py"
    script.write_text(NARROW)

    def start(url: str) -> Proxy:
        return start_proxy(
            routes=[f"claude-*=anthropic@{url}"],
            environment={"ANTHROPIC_API_KEY": "k"},
            arguments=["-s", str(script)],
        ).wait_until_up()

    return start


@pytest.fixture
def narrow(start_narrow, upstream) -> Proxy:
    """Such a proxy, whose provider answers as it should."""
    return start_narrow(upstream.url)


def hear(proxy: Proxy, url: str, model: str) -> tuple[str, int, bytes]:
    """A stream of which the client keeps nothing: id of the call, bytes, and the last of them."""
    asking, heard, last = ask(model, stream=True), 0, b""
    with http(proxy) as client, client.stream("POST", url, json=asking) as told:
        for piece in told.iter_bytes():
            heard += len(piece)
            last = (last + piece)[-300:]
        return told.headers["x-chat-request-id"], heard, last


@pytest.mark.parametrize("routed", [True, False])
def test_of_a_stream_without_end_the_beginning_is_kept(narrow, upstream, routed):
    said = claude_events([PIECE]) if routed else openai_events([PIECE])
    at = 3 if routed else 1
    pieces = [*said[:at], *(said[at] for _ in range(PIECES)), *said[at + 1 :]]
    upstream.reply(stream_reply(pieces))
    before = memory_mb(narrow)
    url = CHAT if routed else f"{upstream.url}/v1/chat/completions"
    request_id, heard, last = hear(narrow, url, "claude-x" if routed else "mine")
    assert heard > len(PIECE) * PIECES
    assert last.endswith(b"data: [DONE]\n\n")
    row = narrow.exchange(request_id)
    assert (row["state"], "too long" in row["error"]) == ("interrupted", True)
    [choice] = json.loads(row["openai_response"])["choices"]
    kept = choice["message"]["content"]
    assert 1_900_000 <= len(kept) <= 2_000_000
    assert (PIECE * (len(kept) // len(PIECE))).startswith(kept)
    assert memory_mb(narrow, "VmHWM") - before < 60


CALLS = 20_000


def a_call(number: int, *, routed: bool) -> bytes:
    """One call, in the words of Anthropic or of OpenAI."""
    if not routed:
        function = {"name": "look", "arguments": "{}"}
        call = {"index": number, "id": f"t{number}", "type": "function", "function": function}
        told = {"id": "c", "choices": [{"index": 0, "delta": {"tool_calls": [call]}}]}
        return b"data: %s\n\n" % body(told)
    block = {"type": "tool_use", "id": f"t{number}", "name": "look", "input": {}}
    start = {"type": "content_block_start", "index": number, "content_block": block}
    return b"data: %s\n\n" % body(start)


@pytest.mark.parametrize("routed", [True, False])
def test_of_calls_without_end_the_first_are_kept(narrow, upstream, routed):
    said = claude_events([]) if routed else openai_events([])
    at = 1
    calls = (a_call(number, routed=routed) for number in range(10, 10 + CALLS))
    upstream.reply(stream_reply([*said[:at], *calls, *said[at:]]))
    before = memory_mb(narrow)
    url = CHAT if routed else f"{upstream.url}/v1/chat/completions"
    asking, names, arguments = ask("claude-x" if routed else "mine", stream=True), 0, 0
    with http(narrow) as client, client.stream("POST", url, json=asking) as told:
        for line in told.iter_lines():
            names += line.count('"look"')
            arguments += line.count('"{}"')
    assert (names, arguments) == (CALLS, CALLS)
    row = narrow.exchange(told.headers["x-chat-request-id"])
    assert (row["state"], "too long" in row["error"]) == ("interrupted", True)
    [choice] = json.loads(row["openai_response"])["choices"]
    kept = [call["id"] for call in choice["message"]["tool_calls"]]
    assert 100 < len(kept) < CALLS / 10
    assert kept == [f"t{number}" for number in range(10, 10 + len(kept))]
    assert memory_mb(narrow, "VmHWM") - before < 20


@pytest.mark.parametrize("routed", [True, False])
def test_an_event_without_end_is_not_held(narrow, upstream, routed):
    pieces = [b"data: {", *(b"x" * 100_000 for _ in range(1000))]
    upstream.reply(stream_reply(pieces))
    before = memory_mb(narrow)
    url = CHAT if routed else f"{upstream.url}/v1/chat/completions"
    request_id, heard, last = hear(narrow, url, "claude-x" if routed else "mine")
    if routed:
        [error] = events(last)
        assert "event of more than" in error["error"]["message"]
    else:
        assert heard == sum(map(len, pieces))
    assert narrow.exchange(request_id)["state"] == ("failed" if routed else "interrupted")
    assert memory_mb(narrow, "VmHWM") - before < 30


@pytest.mark.parametrize("moment", ["before the head", "after the head", "in the stream"])
def test_a_client_that_leaves_frees_its_provider_at_once(stage, moment):
    asked, left = threading.Event(), []
    head = f"HTTP/1.1 200 OK\r\ncontent-type: {STREAM}\r\n\r\n".encode()
    said = {
        "before the head": b"",
        "after the head": head,
        "in the stream": head + b"".join(claude_events(["Hel"], end=False)),
    }[moment]

    def play(connection):
        read_request(connection)
        connection.sendall(said)
        asked.set()
        connection.recv(1)
        left.append(time.monotonic())

    request = body(ask("claude-x", stream=True))
    proxy = stage.puts_on(play)
    with socket.create_connection(("127.0.0.1", proxy.port), timeout=10) as client:
        start = f"POST {CHAT} HTTP/1.1\r\nHost: api.openai.invalid\r\n"
        client.sendall(f"{start}Content-Length: {len(request)}\r\n\r\n".encode() + request)
        assert asked.wait(10)
        if said:
            client.recv(1)
    gone = time.monotonic()
    while not left and time.monotonic() < gone + 10:
        time.sleep(0.005)
    assert left[0] - gone < 0.5
    [last] = proxy.query("SELECT request_id FROM requests ORDER BY id DESC LIMIT 1")
    row = proxy.exchange(last["request_id"])
    assert (row["state"], row["error"]) == ("interrupted", "the client left")


def test_a_provider_that_only_pings_keeps_the_client_waiting(start_proxy, upstream, tmp_path):
    script = tmp_path / "impatient.py"
    script.write_text("from interception import streams\nstreams.KEEP_ALIVE_S = 0\n")
    proxy = start_proxy(
        routes=[f"claude-*=anthropic@{upstream.url}"],
        environment={"ANTHROPIC_API_KEY": "k"},
        arguments=["-s", str(script)],
    ).wait_until_up()
    ping = b'event: ping\ndata: {"type": "ping"}\n\n'
    heard, asked = threading.Event(), threading.Event()
    answer = claude_events(["Hel", "lo"])
    upstream.reply(stream_reply([ping, heard, *answer]), stream_reply([ping, asked, *answer]))
    with (
        http(proxy) as client,
        client.stream("POST", CHAT, json=ask("claude-x", stream=True)) as told,
    ):
        assert next(told.iter_raw()) == b": ping\n\n"
        heard.set()
    with sdk(proxy).chat.completions.stream(**ask("claude-x")) as stream:
        asked.set()
        stream.until_done()
        completion = stream.get_final_completion()
    assert completion.choices[0].message.content == "Hello"


def without_end(kind: str, left: threading.Event) -> Callable[[socket.socket], None]:
    """A provider whose plain answer never ends; it tells when nobody takes more."""
    head = f"HTTP/1.1 200 OK\r\ncontent-type: {kind}\r\ntransfer-encoding: chunked\r\n\r\n"
    piece = b"%x\r\n%s\r\n" % (100_000, b" " * 100_000)

    def play(connection: socket.socket) -> None:
        read_request(connection)
        with contextlib.suppress(OSError):
            connection.sendall(head.encode())
            while True:
                connection.sendall(piece)
        left.set()

    return play


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("routed", [True, False])
def test_a_plain_answer_without_end_is_cut_off(start_narrow, routed, stream):
    left = threading.Event()
    with raw_upstream(without_end("application/json", left)) as url:
        proxy = start_narrow(url)
        before = memory_mb(proxy)
        asked = CHAT if routed else f"{url}/v1/chat/completions"
        told = post(proxy, ask("claude-x" if routed else "mine", stream=stream), asked)
        assert left.wait(10)
    assert told.status_code == 502
    assert "an answer of more than" in told.json()["error"]["message"]
    row = proxy.exchange(told.headers["x-chat-request-id"])
    assert (row["state"], row["error"]) == ("failed", told.json()["error"]["message"])
    assert memory_mb(proxy, "VmHWM") - before < 70


def test_a_request_without_end_is_refused_and_passed_over(narrow):
    before = memory_mb(narrow)
    host = "Host: api.openai.invalid\r\n"
    head = f"POST {CHAT} HTTP/1.1\r\n{host}Transfer-Encoding: chunked\r\n\r\n"
    piece = b"%x\r\n%s\r\n" % (100_000, b" " * 100_000)
    with socket.create_connection(("127.0.0.1", narrow.port), timeout=10) as client:
        client.sendall(head.encode())
        for _ in range(1000):
            client.sendall(piece)
        client.sendall(b"0\r\n\r\n")
        heard = client.recv(10_000)
        assert heard.startswith(b"HTTP/1.1 413 ")
        assert b"The request body is larger than" in heard
        # The connection lives on.
        listed = (
            "GET http://api.openai.invalid/v1/models HTTP/1.1\r\nHost: api.openai.invalid\r\n\r\n"
        )
        client.sendall(listed.encode())
        assert client.recv(10_000).startswith(b"HTTP/1.1 200 ")
    assert memory_mb(narrow, "VmHWM") - before < 70


INFLATED = 60_000_000


@pytest.mark.parametrize("routed", [True, False])
def test_a_request_that_inflates_without_end_is_refused(narrow, upstream, routed):
    asked = ask("claude-x", " " * INFLATED)
    packed = gzip.compress(body(asked), 1)
    upstream.reply(json_reply(body(CLAUDE)))
    before = memory_mb(narrow)
    # Whom it is for is not known, even where it is for nobody here.
    url = CHAT if routed else f"{upstream.url}/v1/chat/completions"
    told = post(narrow, packed, url, content_encoding="gzip")
    error = told.json()["error"]
    assert (told.status_code, error["code"]) == (413, "request_too_large")
    assert "decodes to more than 19 MB" in error["message"]
    assert upstream.received == []
    row = narrow.exchange(told.headers["x-chat-request-id"])
    assert (row["state"], row["status_code"], row["error"]) == ("failed", 413, error["message"])
    assert (row["openai_request"], row["provider_request"]) == ('""', None)
    assert memory_mb(narrow, "VmHWM") - before < 70


@pytest.mark.parametrize("status", [200, 429])
@pytest.mark.parametrize("routed", [True, False])
def test_an_answer_that_inflates_without_end_is_not_taken(narrow, upstream, routed, status):
    packed = gzip.compress(b" " * INFLATED, 1)
    upstream.reply(json_reply(packed, status, content_encoding="gzip"))
    before = memory_mb(narrow)
    url = CHAT if routed else f"{upstream.url}/v1/chat/completions"
    sent = body(ask("claude-x" if routed else "mine"))
    with http(narrow) as client, client.stream("POST", url, content=sent) as told:
        heard = b"".join(told.iter_raw())
    row = narrow.exchange(told.headers["x-chat-request-id"])
    assert "decodes to more than 19 MB" in row["error"]
    if routed:
        assert (told.status_code, row["state"]) == (502, "failed")
        assert json.loads(heard)["error"]["message"] == row["error"]
    else:
        assert (told.status_code, heard, row["state"]) == (status, packed, "interrupted")
        assert row["openai_response"] is None
    assert memory_mb(narrow, "VmHWM") - before < 70


def test_a_large_answer_to_no_call_passes(start_narrow):
    whole = answer(b" " * 50_000_000)
    with raw_upstream(saying(whole)) as url:
        proxy = start_narrow(url)
        with http(proxy) as client:
            assert len(client.get(f"{url}/v1/files/large").content) == 50_000_000
