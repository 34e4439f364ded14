"""Streams on their way through, without a proxy around them."""

from __future__ import annotations

import json
from codecs import BOM_UTF8

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mitmproxy.net import encoding as codings

from interception import decoding, streams
from interception.streams import Translator, Watcher, assemble, stream_of
from tests.answers import CLAUDE, body, claude_events, openai_events
from tests.clients import ask, events
from transforms import PROVIDERS, room
from transforms.contract import Call
from transforms.errors import ResponseError

PIECES: list[bytes] = []


def translator(encoding: str = "", **parameters) -> Translator:
    """A translator of Anthropic's stream."""
    call = Call(ask("gpt", stream=True, **parameters), "claude", "chatcmpl-1", 1)
    return Translator(PROVIDERS["anthropic"], call, encoding, PIECES.append, lambda answer: answer)


def run(stream, pieces: list[bytes]) -> bytes:
    """What the client gets, with the end of the body at the end."""
    said = [stream(piece) for piece in [*pieces, b""]]
    return b"".join(part if isinstance(part, bytes) else b"".join(part) for part in said)


WHOLE = b"".join(claude_events(["Grüße", " 🌍"]))


@given(st.lists(st.integers(0, len(WHOLE)), max_size=8).map(sorted))
def test_any_split_gives_the_same_stream(cuts):
    pieces = [WHOLE[start:end] for start, end in zip([0, *cuts], [*cuts, len(WHOLE)], strict=True)]
    got = run(translator(), [piece for piece in pieces if piece])
    assert got == run(translator(), [WHOLE])


def test_a_piece_without_a_chunk_gives_no_bytes_at_all():
    # b"" in mid-stream would end the client's body.
    assert translator()(b"event: message_start\n") == []


def test_a_provider_that_keeps_its_thoughts_to_itself_keeps_the_client_waiting(monkeypatch):
    ping = b'event: ping\ndata: {"type": "ping"}\n\n'
    start, *rest = claude_events(["Hello"])
    stream = translator()
    quick = [stream(start), stream(ping)]
    with monkeypatch.context() as later:
        later.setattr(streams, "KEEP_ALIVE_S", 0)
        slow = [stream(piece) for piece in (ping, b": thinking", b"\n\n")]
    assert (quick[1], slow) == ([], [b": ping\n\n"] * 3)
    told = run(stream, rest)
    chunks = [each for each in events(quick[0] + told) if each != "[DONE]"]
    said = [chunk["choices"][0]["delta"].get("content") for chunk in chunks if chunk["choices"]]
    assert "".join(filter(None, said)) == "Hello"
    assert stream(ping) == stream(b"") == []


def test_nothing_follows_an_error():
    stream = translator()
    got = stream(b"data: {broken\n\n")
    assert b'"error"' in got
    assert stream(WHOLE) == []
    assert stream(b"") == []
    assert not stream.complete


def test_what_came_before_an_error_in_the_same_piece_counts():
    said = claude_events(["Hel"], end=False)
    got = list(events(translator()(b"".join(said) + b"data: {broken\n\n")))
    assert got[1]["choices"][0]["delta"] == {"content": "Hel"}
    assert "error" in got[-1]


def test_an_exception_of_ours_is_an_error_event(monkeypatch, caplog):
    stream = translator()
    monkeypatch.setattr(stream._stream, "feed", None)
    got = list(events(stream(WHOLE)))
    assert got[-1]["error"]["type"] == "translation_error"
    assert "could not be translated" in caplog.text


@pytest.mark.parametrize("encoding", ["gzip", "zstd"])
def test_a_compressed_stream_that_is_corrupt_is_the_providers_error(encoding, caplog):
    said = b"".join(codings.encode(event, encoding) for event in claude_events(["Hel"], end=False))
    stream = translator(encoding)
    got = list(events(run(stream, [said[:9], said[9:] + b"\xff" * 50, said])))
    assert got[-2]["choices"][0]["delta"] == {"content": "Hel"}
    assert got[-1]["error"]["type"] == "upstream_error"
    assert "not in the encoding" in got[-1]["error"]["message"]
    assert (stream.error.status, stream.complete, caplog.text) == (502, False, "")


def test_a_piece_that_inflates_without_end_is_the_providers_error(monkeypatch):
    monkeypatch.setattr(decoding, "LARGEST_BODY", 100_000)
    stream = translator("gzip")
    start, *_ = claude_events(["Hel"])
    pings = b'event: ping\ndata: {"type": "ping"}\n\n' * 10_000
    got = list(events(run(stream, [codings.encode(start + pings, "gzip")])))
    assert "decodes to more than" in got[-1]["error"]["message"]
    assert (stream.error.status, stream.complete) == (502, False)


def test_done_comes_with_the_providers_end_mark_and_once():
    stream = translator()
    got = stream(WHOLE)
    assert got.endswith(b"data: [DONE]\n\n")
    assert stream(b"") == []
    assert stream.complete


def test_parallel_calls_that_a_provider_tells_in_one_delta_reach_the_client_one_by_one():
    called = [{"index": n, "id": f"call{n}abcd", "function": {"name": "f"}} for n in range(2)]
    told = {
        "choices": [{"index": 0, "delta": {"tool_calls": called}, "finish_reason": "tool_calls"}]
    }
    call = Call(ask("gpt", stream=True), "mistral-small", "chatcmpl-1", 1)
    stream = Translator(PROVIDERS["mistral"], call, "", PIECES.append, lambda answer: answer)
    got = list(events(run(stream, [b"data: " + body(told) + b"\n\n", b"data: [DONE]\n\n"])))
    deltas = [chunk["choices"][0]["delta"] for chunk in got[:-1]]
    calls = [delta["tool_calls"] for delta in deltas if delta.get("tool_calls")]
    assert [(len(each), each[0]["index"]) for each in calls[:2]] == [(1, 0), (1, 1)]
    assert {len(each) for each in calls} == {1}


@pytest.mark.parametrize("asked", [True, False])
def test_a_plain_answer_is_streamed_with_the_usage_the_client_asked_for(asked):
    completion, _ = assemble(
        PROVIDERS["anthropic"], Call(ask("gpt"), "claude", "chatcmpl-1", 1), body(CLAUDE)
    )
    said = list(events(stream_of(completion, with_usage=asked)))
    assert said[-1] == "[DONE]"
    assert any("usage" in each for each in said[:-1]) == asked


@pytest.mark.parametrize("content", [b"<html>", b""])
def test_a_body_that_is_neither_plain_nor_stream_is_an_error(content):
    with pytest.raises(ResponseError, match="neither JSON nor a stream"):
        assemble(PROVIDERS["anthropic"], Call(ask("gpt"), "claude", "c", 1), content)


def test_a_plain_answer_may_begin_with_a_byte_order_mark():
    call = Call(ask("gpt"), "claude", "c", 1)
    marked = assemble(PROVIDERS["anthropic"], call, BOM_UTF8 + body(CLAUDE))
    assert marked == assemble(PROVIDERS["anthropic"], call, body(CLAUDE))


def test_a_watched_stream_passes_as_it_is():
    watcher = Watcher("", PIECES.append)
    pieces = openai_events()
    assert [watcher(piece) for piece in pieces] == pieces
    assert watcher.complete
    assert watcher.completion()["choices"][0]["message"]["content"] == "Hello there"


@pytest.mark.parametrize("encoding", ["", "gzip", "unheard-of"])
def test_a_watched_stream_that_cannot_be_read_passes_all_the_same(encoding):
    watcher = Watcher(encoding, PIECES.append)
    assert watcher(b"data: {broken\n\n") == b"data: {broken\n\n"
    assert watcher(b"") == b""
    assert not watcher.complete


def test_an_error_in_a_watched_stream_is_noticed():
    watcher = Watcher("", PIECES.append)
    watcher(b"data: " + json.dumps({"error": {"message": "Busy"}}).encode() + b"\n\n")
    assert watcher.error.message == "Busy"


def test_a_body_of_more_parts_than_can_be_kept_is_an_error_not_half_an_answer(monkeypatch):
    monkeypatch.setattr(room, "LARGEST_ANSWER", 1)
    call = Call(ask("gpt"), "claude", "chatcmpl-1", 1)
    with pytest.raises(ResponseError, match="too many parts"):
        assemble(PROVIDERS["anthropic"], call, WHOLE)
