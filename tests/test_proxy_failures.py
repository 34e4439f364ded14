"""What the client sees, and what is kept, when something goes wrong."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
import time

import openai
import pytest
from mitmproxy.net import encoding as codings

from tests.answers import CLAUDE, OPENAI, body, claude_events, openai_events
from tests.clients import NOWHERE, ask, events, http, post
from tests.upstream import Reply, json_reply, stream_reply


def bad_bodies():
    """Bodies that a routed call must not get away with, and the parameter that is named."""
    call = {"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    user = {"role": "user", "content": "Hi"}
    return {
        "not JSON": (b'{"model": "claude-x", ', None),
        "not an object": (b'["claude-x", {"model": "claude-x"}', None),
        "no messages": ({"model": "claude-x"}, "messages"),
        "empty messages": (ask("claude-x") | {"messages": []}, "messages"),
        "messages of a wrong type": (ask("claude-x") | {"messages": "Hi"}, "messages"),
        "a message of a wrong type": (ask("claude-x") | {"messages": ["Hi"]}, "messages[0]"),
        "an unknown role": (
            ask("claude-x") | {"messages": [{"role": "robot", "content": "x"}]},
            "messages[0].role",
        ),
        "a number as content": (
            ask("claude-x") | {"messages": [{"role": "user", "content": 1}]},
            "messages[0].content",
        ),
        "a temperature of text": (ask("claude-x", temperature="hot"), "temperature"),
        "tools that are no list": (ask("claude-x", tools={}), "tools"),
        "a result without its call": (
            ask("claude-x")
            | {"messages": [user, {"role": "tool", "tool_call_id": "c1", "content": "x"}]},
            "messages[1].tool_call_id",
        ),
        "a call without its result": (
            ask("claude-x")
            | {"messages": [user, {"role": "assistant", "tool_calls": [call]}, user]},
            "messages[1].tool_calls",
        ),
        "invalid UTF-8": (
            b'{"model": "claude-x", "messages": [{"role": "user", "content": "\xff"}]}',
            None,
        ),
        "a parameter twice": (
            b'{"model":"claude-x","messages":[{"role":"user","content":"Hi"}],"model":"claude-y"}',
            "model",
        ),
        "a message's member twice": (
            b'{"model":"claude-x","messages":[{"role":"user","content":"Hi","content":"Ho"}]}',
            "messages[0].content",
        ),
        "several answers": (ask("claude-x", n=2), "n"),
    }


@pytest.mark.parametrize(("sent", "param"), bad_bodies().values(), ids=bad_bodies().keys())
def test_bad_input_gets_a_400_that_names_the_parameter_and_is_recorded(
    proxy, upstream, sent, param
):
    upstream.reply(json_reply(body(CLAUDE)))
    answer = post(proxy, sent)
    assert answer.status_code == 400
    error = answer.json()["error"]
    assert error.keys() == {"message", "type", "param", "code"}
    assert (error["type"], error["param"]) == ("invalid_request_error", param)
    assert upstream.received == []
    row = proxy.exchange(answer.headers["x-chat-request-id"])
    assert (row["state"], row["status_code"], row["error"]) == ("failed", 400, error["message"])
    assert row["provider_request"] is None


@pytest.mark.parametrize(
    "sent",
    [
        b"",
        b"{",
        b"\xff\xfe",
        b'{"model":"x","messages":1}',
        b'{"model":"\\ud800","messages":[]}',
        b"[" * 100_000,
    ],
    ids=["empty", "broken", "binary", "wrong types", "lone surrogate", "deep"],
)
def test_a_bare_call_is_never_judged_and_recorded_as_far_as_readable(proxy, upstream, sent):
    upstream.reply(json_reply(b'{"ok": true}'))
    answer = post(proxy, sent, url=f"{upstream.url}/v1/chat/completions")
    assert (answer.status_code, answer.content) == (200, b'{"ok": true}')
    assert upstream.received[0].body == sent
    row = proxy.exchange(answer.headers["x-chat-request-id"])
    json.loads(row["openai_request"])


@pytest.mark.parametrize("encoding", ["gzip", "br", "zstd"])
def test_a_compressed_request_is_read(proxy, upstream, encoding):
    upstream.reply(json_reply(body(CLAUDE)))
    packed = codings.encode(body(ask("claude-x", "packed")), encoding)
    answer = post(proxy, packed, content_encoding=encoding)
    assert answer.status_code == 200
    assert upstream.received[0].json["messages"][0]["content"] == "packed"
    assert "content-encoding" not in upstream.received[0].headers


def in_parts(text: bytes, encoding: str) -> list[bytes]:
    """A text in several gzip members or zstd frames."""
    third = len(text) // 3
    each = (text[:third], text[third:-third], text[-third:])
    return [codings.encode(part, encoding) for part in each]


@pytest.mark.parametrize("encoding", ["gzip", "zstd"])
@pytest.mark.parametrize("routed", [True, False])
def test_a_request_in_several_members_is_read_to_its_end(proxy, upstream, encoding, routed):
    upstream.reply(json_reply(body(CLAUDE if routed else OPENAI)))
    sent = body(ask("claude-x" if routed else "mine", "all of it"))
    url = f"{NOWHERE if routed else upstream.url}/v1/chat/completions"
    packed = b"".join(in_parts(sent, encoding))
    answer = post(proxy, packed, url=url, content_encoding=encoding)
    assert answer.status_code == 200
    [received] = upstream.received
    said = received.json["messages"][0]["content"] if routed else received.body
    assert said == ("all of it" if routed else packed)
    row = proxy.exchange(answer.headers["x-chat-request-id"])
    assert json.loads(row["openai_request"]) == json.loads(sent)


@pytest.mark.parametrize("encoding", ["gzip", "zstd"])
@pytest.mark.parametrize("routed", [True, False])
def test_a_plain_answer_in_several_members_is_read_to_its_end(proxy, upstream, encoding, routed):
    said = in_parts(body(CLAUDE if routed else OPENAI), encoding)
    upstream.reply(json_reply(b"".join(said), content_encoding=encoding))
    url = f"{NOWHERE if routed else upstream.url}/v1/chat/completions"
    answer = post(proxy, ask("claude-x" if routed else "mine"), url=url)
    row = proxy.exchange(answer.headers["x-chat-request-id"])
    assert (answer.status_code, row["state"]) == (200, "complete")
    assert json.loads(row["provider_response"]) == (CLAUDE if routed else OPENAI)
    if routed:
        assert answer.json() == json.loads(row["openai_response"])


@pytest.mark.parametrize("whole", [True, False])
@pytest.mark.parametrize("encoding", ["gzip", "zstd"])
@pytest.mark.parametrize("routed", [True, False])
def test_a_stream_in_several_members_is_read_to_its_end(proxy, upstream, encoding, routed, whole):
    said = b"".join(claude_events() if routed else openai_events())
    pieces = in_parts(said, encoding)
    sent = [b"".join(pieces)] if whole else pieces
    upstream.reply(stream_reply(sent, headers={"content-encoding": encoding}))
    url = f"{NOWHERE if routed else upstream.url}/v1/chat/completions"
    answer = post(proxy, ask("claude-x" if routed else "mine", stream=True), url=url)
    row = proxy.exchange(answer.headers["x-chat-request-id"])
    assert row["state"] == "complete"
    completion = json.loads(row["openai_response"])
    assert completion["choices"][0]["message"]["content"] == "Hello there"
    if routed:
        assert answer.text.endswith("data: [DONE]\n\n")


@pytest.mark.parametrize("streams", [False, True])
def test_a_compressed_answer_that_is_corrupt_is_the_providers_error(proxy, upstream, streams):
    said = b"".join(claude_events()) if streams else body(CLAUDE)
    packed = codings.encode(said, "gzip")
    spoilt = packed[: len(packed) // 2] + b"\xff" * 50
    headers = {"content-encoding": "gzip"}
    reply = stream_reply([spoilt], headers=headers)
    upstream.reply(reply if streams else json_reply(spoilt, content_encoding="gzip"))
    answer = post(proxy, ask("claude-x", stream=streams))
    assert answer.status_code == (200 if streams else 502)
    [*_, error] = [*events(answer.content)] if streams else [answer.json()]
    assert error["error"]["type"] == "upstream_error"
    row = proxy.exchange(answer.headers["x-chat-request-id"])
    assert (row["state"], row["error"]) == ("failed", error["error"]["message"])
    assert "Traceback" not in proxy.log
    assert "could not be translated" not in proxy.log


@pytest.mark.parametrize("streams", [False, True])
@pytest.mark.parametrize(
    ("name", "told", "kept"),
    [
        ("\ud800", "%ED%A0%80", "?"),
        ("a\r\nx-evil: 1", "a%0D%0Ax-evil:%201", "a\r\nx-evil: 1"),
        ("\0", "%00", "\ufffd"),
        ("k" * 70_000, "k" * 100 + "...", "k" * 70_000),
    ],
    ids=["lone surrogate", "line break", "NUL", "long"],
)
def test_a_name_that_no_header_takes_is_told_all_the_same(
    proxy, upstream, name, told, kept, streams
):
    upstream.reply(stream_reply(claude_events()) if streams else json_reply(body(CLAUDE)))
    answer = post(proxy, body(ask("claude-x", stream=streams) | {name: 1}))
    assert answer.status_code == 200
    assert answer.headers["x-chat-dropped"] == told
    assert "x-evil" not in answer.headers
    assert "error" not in answer.text
    row = proxy.exchange(answer.headers["x-chat-request-id"])
    assert (row["dropped"], row["state"]) == (kept, "complete")


def test_lone_surrogates_and_huge_integers_still_work(proxy, upstream):
    upstream.reply(json_reply(body(CLAUDE)))
    sent = (
        b'{"model":"claude-x","messages":[{"role":"user","content":"cut \\ud83d here"}],'
        b'"tools":[{"type":"function","function":{"name":"f","parameters":'
        b'{"type":"object","properties":{"n":{"maximum":123456789012345678901234567890}}}}}]}'
    )
    answer = post(proxy, sent)
    assert answer.status_code == 200
    received = upstream.received[0].json
    assert received["messages"][0]["content"] == "cut \ud83d here"
    properties = received["tools"][0]["input_schema"]["properties"]
    assert properties["n"]["maximum"] == 123456789012345678901234567890
    row = proxy.exchange(answer.headers["x-chat-request-id"])
    assert json.loads(row["openai_request"]) == json.loads(sent)


def test_a_body_of_20_mb_is_taken(proxy, upstream):
    upstream.reply(json_reply(body(CLAUDE)))
    answer = post(proxy, ask("claude-x", "x" * 20_000_000))
    assert answer.status_code == 200
    assert len(upstream.received[0].body) > 20_000_000


def test_a_providers_error_keeps_its_meaning(client, proxy, upstream):
    said = {"type": "error", "error": {"type": "rate_limit_error", "message": "Slow down"}}
    upstream.reply(json_reply(body(said), status=429, retry_after="7"))
    with pytest.raises(openai.RateLimitError) as caught:
        client.chat.completions.create(**ask("claude-x"))
    assert caught.value.body == {
        "message": "Slow down",
        "type": "requests",
        "param": None,
        "code": "rate_limit_exceeded",
    }
    assert caught.value.response.headers["retry-after"] == "7"
    row = proxy.exchange(caught.value.response.headers["x-chat-request-id"])
    assert (row["state"], row["status_code"], row["error"]) == ("failed", 429, "Slow down")
    assert json.loads(row["provider_response"]) == said


def test_an_error_is_read_whatever_type_its_body_is_said_to_have(client, upstream):
    said = {"error": {"message": "Insufficient Balance", "code": "invalid_request_error"}}
    upstream.reply(Reply([body(said)], 402, content_type="application/octet-stream"))
    with pytest.raises(openai.RateLimitError) as caught:
        client.chat.completions.create(**ask("local"))
    assert (caught.value.code, caught.value.body["message"]) == (
        *("insufficient_quota", "Insufficient Balance"),
    )


def test_blank_lines_before_an_answer_are_passed_over(client, upstream):
    upstream.reply(Reply([b"\n\n", b"\n", body(OPENAI)]))
    answer = client.chat.completions.create(**ask("local"))
    assert answer.choices[0].message.content == OPENAI["choices"][0]["message"]["content"]


def test_a_stream_that_is_refused_gets_the_real_status(proxy, upstream):
    said = {"type": "error", "error": {"type": "overloaded_error", "message": "Busy"}}
    upstream.reply(json_reply(body(said), status=529))
    answer = post(proxy, ask("claude-x", stream=True))
    assert answer.status_code == 503
    assert answer.json()["error"]["message"] == "Busy"


@pytest.mark.parametrize("end", ["clean", "reset"])
def test_an_error_in_mid_stream_is_one_error_event(proxy, upstream, end):
    said = claude_events(["Hel"], end=False)
    error = {"type": "error", "error": {"type": "overloaded_error", "message": "Busy"}}
    upstream.reply(stream_reply([*said, b"event: error\ndata: " + body(error) + b"\n\n"], end=end))
    answer = post(proxy, ask("claude-x", stream=True))
    *chunks, last = events(answer.content)
    assert last["error"]["message"] == "Busy"
    assert [chunk["choices"][0]["finish_reason"] for chunk in chunks] == [None, None]
    row = proxy.exchange(answer.headers["x-chat-request-id"])
    assert (row["state"], row["error"], row["finish_reason"]) == ("failed", "Busy", None)
    assert json.loads(row["openai_response"])["choices"][0]["message"]["content"] == "Hel"


@pytest.mark.parametrize("stream", [False, True])
def test_a_key_that_a_provider_repeats_does_not_reach_the_client(start_proxy, upstream, stream):
    key = "environment-key-of-the-proxy"
    proxy = start_proxy(
        routes=[f"claude-x=anthropic@{upstream.url}"], environment={"ANTHROPIC_API_KEY": key}
    ).wait_until_up()
    told = {"type": "authentication_error", "message": f"invalid key {key}"}
    error = body({"type": "error", "error": told})
    streamed = [*claude_events(["Hel"], end=False), b"event: error\ndata: " + error + b"\n\n"]
    upstream.reply(stream_reply(streamed) if stream else json_reply(error, status=401))
    answer = post(proxy, ask("claude-x", stream=stream))
    heard = [*events(answer.content)][-1] if stream else answer.json()
    assert heard["error"]["message"] == "invalid key [redacted]"


@pytest.mark.parametrize("end", ["clean", "cut", "reset"])
def test_a_stream_that_stops_early_ends_in_an_error_and_is_kept(proxy, upstream, end):
    upstream.reply(stream_reply(claude_events(["Hel"], end=False), end=end))
    answer = post(proxy, ask("claude-x", stream=True))
    *chunks, last = events(answer.content)
    assert last["error"].keys() == {"message", "type", "param", "code"}
    assert [chunk["choices"][0]["finish_reason"] for chunk in chunks] == [None, None]
    row = proxy.exchange(answer.headers["x-chat-request-id"])
    assert (row["state"], row["finish_reason"]) == ("interrupted", None)
    assert row["error"] == last["error"]["message"]
    assert row["first_chunk_ms"] is not None
    # What `message_start` counted.
    assert [row[f"{kind}_tokens"] for kind in ("prompt", "completion", "total")] == [12, 4, 16]
    assert json.loads(row["openai_response"])["choices"][0]["message"]["content"] == "Hel"


@pytest.mark.parametrize("stream", [False, True])
def test_a_provider_that_cannot_be_reached_is_a_502(proxy, stream):
    answer = post(proxy, ask("nowhere", stream=stream))
    assert answer.status_code == 502
    assert answer.json()["error"]["code"] == "upstream_unreachable"
    row = proxy.exchange(answer.headers["x-chat-request-id"])
    assert (row["state"], row["status_code"]) == ("failed", 502)
    assert row["provider_request"] is not None


def test_a_bare_call_to_a_host_that_does_not_exist_is_a_502_in_openai_form(proxy):
    answer = post(proxy, ask("unrouted"))
    assert answer.status_code == 502
    assert "cannot be reached" in answer.json()["error"]["message"]


@pytest.mark.parametrize("end", ["cut", "reset"])
def test_a_plain_answer_that_breaks_off_is_a_502(proxy, upstream, end):
    upstream.reply(Reply([b'{"id": "msg'], end=end))
    answer = post(proxy, ask("claude-x"))
    assert answer.status_code == 502
    assert answer.json()["error"]["type"] == "server_error"


def test_a_silent_provider_is_a_504(proxy, upstream):
    upstream.reply(Reply([], before_head=threading.Event()))
    answer = post(proxy, ask("claude-x"))
    assert answer.status_code == 504
    assert answer.json()["error"]["code"] == "timeout"
    assert proxy.exchange(answer.headers["x-chat-request-id"])["status_code"] == 504


def test_a_provider_that_falls_silent_in_mid_stream_ends_in_an_error_event(proxy, upstream):
    upstream.reply(stream_reply(claude_events(["Hel"], end=False), end="hang"))
    answer = post(proxy, ask("claude-x", stream=True))
    last = list(events(answer.content))[-1]["error"]
    assert (last["code"], last["message"]) == ("timeout", "`anthropic` said nothing for 3 s.")
    row = proxy.exchange(answer.headers["x-chat-request-id"])
    assert (row["state"], row["error"]) == ("interrupted", last["message"])


@pytest.mark.parametrize(
    "said",
    [b"", b"<html>", b"[]", b'{"unknown": 1}', b'{"content": 5}', b"\xff\xfe"],
    ids=["empty", "html", "list", "unknown", "wrong types", "binary"],
)
def test_an_answer_in_no_known_format_is_a_502(proxy, upstream, said):
    upstream.reply(json_reply(said))
    answer = post(proxy, ask("claude-x"))
    assert answer.status_code == 502
    assert answer.json()["error"].keys() == {"message", "type", "param", "code"}


@pytest.mark.parametrize("status", [204, 302, 304])
def test_a_status_that_is_no_answer_is_a_502(proxy, upstream, status):
    reply = Reply([], status=status, framing="length", headers={"location": "http://x.invalid/"})
    upstream.reply(reply)
    assert post(proxy, ask("claude-x", stream=True)).status_code == 502


def test_a_client_that_leaves_is_recorded_and_its_provider_let_go(proxy, upstream):
    reply = stream_reply(claude_events(["Hel"], end=False), end="hang")
    upstream.reply(reply)
    with (
        http(proxy) as client,
        client.stream(
            "POST", f"{NOWHERE}/v1/chat/completions", json=ask("claude-x", stream=True)
        ) as answer,
    ):
        next(answer.iter_raw())
    assert reply.left.wait(5)
    row = proxy.exchange(answer.headers["x-chat-request-id"])
    assert (row["state"], row["error"]) == ("interrupted", "the client left")
    assert json.loads(row["openai_response"])["choices"][0]["message"]["content"] in ("", "Hel")


def test_a_client_that_leaves_after_done_has_a_complete_answer(proxy, upstream):
    upstream.reply(stream_reply(claude_events(), end="hang"))
    with (
        http(proxy) as client,
        client.stream(
            "POST", f"{NOWHERE}/v1/chat/completions", json=ask("claude-x", stream=True)
        ) as answer,
    ):
        got = b""
        for piece in answer.iter_raw():
            got += piece
            if b"[DONE]" in got:
                break
    row = proxy.exchange(answer.headers["x-chat-request-id"])
    assert (row["state"], row["error"], row["finish_reason"]) == ("complete", None, "stop")


def test_a_stream_is_saved_while_it_runs(proxy, upstream):
    gate = threading.Event()
    said = claude_events(["saved while it runs"])
    upstream.reply(stream_reply([*said[:4], gate, *said[4:]]))
    with (
        http(proxy) as client,
        client.stream(
            "POST", f"{NOWHERE}/v1/chat/completions", json=ask("claude-x", stream=True)
        ) as answer,
    ):
        request_id = answer.headers["x-chat-request-id"]
        deadline = time.monotonic() + 1
        rows = []
        while not rows and time.monotonic() < deadline:
            rows = proxy.query(
                "SELECT openai_response, state FROM exchanges WHERE request_id = ? "
                "AND openai_response LIKE '%saved while it runs%'",
                request_id,
            )
        gate.set()
        answer.read()
    assert [row["state"] for row in rows] == ["streaming"]
    assert proxy.exchange(request_id)["state"] == "complete"


def test_a_bare_stream_without_end_mark_is_interrupted(proxy, upstream):
    upstream.reply(stream_reply(openai_events()[:2]))
    answer = post(proxy, ask("mine", stream=True), url=f"{upstream.url}/v1/chat/completions")
    assert answer.content == b"".join(openai_events()[:2])
    assert proxy.exchange(answer.headers["x-chat-request-id"])["state"] == "interrupted"


def test_the_connection_lives_on_after_an_error_of_ours(proxy, upstream):
    with http(proxy) as client:
        for _ in range(2):
            answer = client.post(f"{NOWHERE}/v1/chat/completions", json=ask("nowhere"))
            assert answer.status_code == 502
        upstream.reply(json_reply(body(CLAUDE)))
        answer = client.post(f"{NOWHERE}/v1/chat/completions", json=ask("claude-x"))
    assert answer.status_code == 200


def test_the_socket_of_a_cut_stream_ends_properly(proxy, upstream):
    upstream.reply(stream_reply(claude_events(["Hel"], end=False), end="reset"))
    request = body(ask("claude-x", stream=True))
    with socket.create_connection(("127.0.0.1", proxy.port), timeout=10) as client:
        head = f"POST {NOWHERE}/v1/chat/completions HTTP/1.1\r\nHost: api.openai.invalid\r\n"
        client.sendall(f"{head}Content-Length: {len(request)}\r\n\r\n".encode() + request)
        got = b""
        while not got.endswith(b"0\r\n\r\n"):
            piece = client.recv(65536)
            assert piece, got
            got += piece
    assert b'{"error":' in got


CONNECTIONS = {
    "asked to close": ("HTTP/1.1", "Connection: close\r\n", True),
    "asked to close among others": ("HTTP/1.1", "Connection: TE, close\r\n", True),
    "of HTTP/1.0": ("HTTP/1.0", "", True),
    "of HTTP/1.0, asked to stay": ("HTTP/1.0", "Connection: keep-alive\r\n", False),
    "usual": ("HTTP/1.1", "", False),
}


@pytest.mark.parametrize("how", ["plain", "stream", "refused", "unreachable"])
@pytest.mark.parametrize(
    ("version", "said", "closes"), CONNECTIONS.values(), ids=CONNECTIONS.keys()
)
def test_a_connection_is_closed_after_the_answer_where_the_client_says_so(
    proxy, upstream, version, said, closes, how
):
    is_stream = how == "stream"
    # A stream to HTTP/1.0 ends with its connection.
    ends = closes or (is_stream and version == "HTTP/1.0")
    upstream.reply(stream_reply(claude_events()) if is_stream else json_reply(body(CLAUDE)))
    model = "nowhere" if how == "unreachable" else "claude-x"
    request = body(ask(model, stream=is_stream, **({"n": 2} if how == "refused" else {})))
    head = f"POST {NOWHERE}/v1/chat/completions {version}\r\nHost: api.openai.invalid\r\n{said}"
    with socket.create_connection(("127.0.0.1", proxy.port), timeout=10) as client:
        client.sendall(f"{head}Content-Length: {len(request)}\r\n\r\n".encode() + request)
        got = client.recv(65536)
        is_open, deadline = True, time.monotonic() + (10 if ends else 0.3)
        while is_open and time.monotonic() < deadline:
            client.settimeout(0.1)
            with contextlib.suppress(TimeoutError):
                piece = client.recv(65536)
                got, is_open = got + piece, bool(piece)
    assert is_open is not ends
    assert {"plain": b"Hello there", "stream": b"[DONE]"}.get(how, b'"error"') in got
