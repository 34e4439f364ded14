"""The whole way through the real mitmdump: routed and bare calls, plain and streamed."""

from __future__ import annotations

import gzip
import json
import threading

import brotli
import pytest
import zstandard

from tests.answers import CLAUDE, OLLAMA, OPENAI, body, claude_events, openai_events
from tests.clients import CLIENT_KEY, NOWHERE, ask, events, http, post
from tests.upstream import Reply, json_reply, stream_reply


def test_a_routed_call_is_answered_by_the_provider_in_openai_form(client, upstream):
    upstream.reply(json_reply(body(CLAUDE)))
    answer = client.chat.completions.create(**ask("claude-sonnet-4-5"))
    assert answer.choices[0].message.content == "Hello there"
    assert answer.choices[0].finish_reason == "stop"
    assert answer.model == "claude-sonnet-4-5"
    assert (answer.usage.prompt_tokens, answer.usage.completion_tokens) == (12, 4)
    assert answer.usage.prompt_tokens_details.cached_tokens == 3


def test_the_provider_gets_its_own_format_and_key_and_nothing_of_the_client(proxy, upstream):
    upstream.reply(json_reply(body(CLAUDE)))
    post(proxy, ask("to-claude"), cookie="session=secret", openai_organization="org-1")
    received = upstream.received[0]
    assert received.path == "/prefix/v1/messages"
    assert received.json["model"] == "claude-sonnet-4-5"
    assert received.headers["x-api-key"] == "sk-ant-environment-key-0123456789"
    assert received.headers["host"] == f"127.0.0.1:{upstream.port}"
    assert received.headers["accept-encoding"] == "identity"
    assert not {"authorization", "cookie", "openai-organization"} & received.headers.keys()
    assert CLIENT_KEY not in str(received)


def test_a_stream_arrives_chunk_by_chunk(client, upstream):
    said = claude_events(["Hello", " there"])
    gate = threading.Event()
    upstream.reply(stream_reply([*said[:4], gate, *said[4:]]))
    stream = client.chat.completions.create(**ask("claude-sonnet-4-5"), stream=True)
    texts = []
    for chunk in stream:
        texts.append(chunk.choices[0].delta.content)
        if texts[-1] == "Hello":
            assert not gate.is_set()
            gate.set()
    assert [text for text in texts if text] == ["Hello", " there"]


def test_a_stream_cut_into_single_bytes_is_the_same_stream(proxy, upstream):
    whole = b"".join(claude_events(["Grüße", " 🌍"]))
    upstream.reply(stream_reply([whole]), stream_reply([bytes([byte]) for byte in whole]))
    answers = [post(proxy, ask("claude-sonnet-4-5", stream=True)).content for _ in range(2)]
    assert [said for said in events(answers[0])][-1] == "[DONE]"
    assert _without_created(answers[0]) == _without_created(answers[1])


def _without_created(stream: bytes) -> list:
    return [said if isinstance(said, str) else {**said, "created": 0} for said in events(stream)]


@pytest.mark.parametrize(
    ("encoding", "compress"),
    [
        ("gzip", gzip.compress),
        ("br", brotli.compress),
        ("zstd", zstandard.ZstdCompressor().compress),
    ],
)
def test_a_stream_compressed_against_our_wish_is_read(proxy, upstream, encoding, compress):
    packed = compress(b"".join(claude_events()))
    half = len(packed) // 2
    reply = stream_reply([packed[:half], packed[half:]], headers={"content-encoding": encoding})
    upstream.reply(reply)
    answer = post(proxy, ask("claude-sonnet-4-5", stream=True))
    assert "content-encoding" not in answer.headers
    assert list(events(answer.content))[-1] == "[DONE]"


def test_a_tool_call_goes_round(client, upstream):
    call = {"type": "tool_use", "id": "toolu_1", "name": "weather", "input": {"city": "Paris"}}
    upstream.reply(
        json_reply(body({**CLAUDE, "content": [call], "stop_reason": "tool_use"})),
        json_reply(body(CLAUDE)),
    )
    tools = [
        {"type": "function", "function": {"name": "weather", "parameters": {"type": "object"}}}
    ]
    messages = [{"role": "user", "content": "Weather in Paris?"}]
    first = client.chat.completions.create(model="claude-x", messages=messages, tools=tools)
    asked = first.choices[0].message.tool_calls[0]
    assert first.choices[0].finish_reason == "tool_calls"
    assert json.loads(asked.function.arguments) == {"city": "Paris"}
    messages += [
        first.choices[0].message.model_dump(exclude_none=True),
        {"role": "tool", "tool_call_id": asked.id, "content": "18 degrees"},
    ]
    client.chat.completions.create(model="claude-x", messages=messages, tools=tools)
    sent = upstream.received[1].json["messages"]
    assert sent[1]["content"] == [call]
    assert sent[2]["content"] == [
        {"type": "tool_result", "tool_use_id": "toolu_1", "content": "18 degrees"}
    ]


@pytest.mark.parametrize("asked", [True, False])
def test_the_usage_chunk_comes_only_when_asked_for_and_is_recorded_anyway(proxy, upstream, asked):
    upstream.reply(stream_reply(claude_events()))
    options = {"stream_options": {"include_usage": True}} if asked else {}
    answer = post(proxy, ask("claude-x", stream=True, **options))
    usages = [
        said["usage"] for said in events(answer.content) if said != "[DONE]" and "usage" in said
    ]
    assert [usage["total_tokens"] for usage in usages] == ([16] if asked else [])
    assert proxy.exchange(answer.headers["x-chat-request-id"])["total_tokens"] == 16


def test_a_client_that_asked_for_a_stream_gets_one_from_a_plain_answer(client, upstream):
    upstream.reply(json_reply(body(CLAUDE)))
    stream = client.chat.completions.create(**ask("claude-x"), stream=True)
    assert "".join(chunk.choices[0].delta.content or "" for chunk in stream) == "Hello there"


def test_a_client_that_asked_for_a_plain_answer_gets_one_from_a_stream(client, upstream):
    upstream.reply(stream_reply(claude_events()))
    answer = client.chat.completions.create(**ask("claude-x"))
    assert answer.choices[0].message.content == "Hello there"
    assert answer.usage.total_tokens == 16


def test_the_streamed_record_equals_the_plain_one(proxy, upstream):
    upstream.reply(json_reply(body(CLAUDE)), stream_reply(claude_events()))
    plain = post(proxy, ask("claude-x"))
    streamed = post(proxy, ask("claude-x", stream=True))
    rows = [proxy.exchange(each.headers["x-chat-request-id"]) for each in (plain, streamed)]
    recorded = [{**json.loads(row["openai_response"]), "created": 0} for row in rows]
    assert recorded[0] == recorded[1]
    assert json.loads(rows[0]["provider_response"]) == json.loads(rows[1]["provider_response"])


def test_ollama_streams_newline_delimited_json(client, upstream):
    lines = [
        {**OLLAMA, "message": {"role": "assistant", "content": text}, "done": done}
        for text, done in (("Hello", False), (" there", False), ("", True))
    ]
    pieces = [body(line) + b"\n" for line in lines]
    upstream.reply(Reply(pieces, content_type="application/x-ndjson"))
    stream = client.chat.completions.create(**ask("llama3.2"), stream=True)
    assert "".join(chunk.choices[0].delta.content or "" for chunk in stream) == "Hello there"
    assert upstream.received[0].path == "/api/chat"


@pytest.mark.parametrize(
    ("model", "path"),
    [("gpt-routed", "/v1/chat/completions"), ("local", "/v1/chat/completions")],
)
def test_a_host_of_openai_format_is_translated_too(proxy, upstream, model, path):
    upstream.reply(json_reply(body(OPENAI)))
    answer = post(proxy, ask(model, unknown_to_us={"a": 1}))
    assert answer.json() == {
        **OPENAI,
        "model": model,
        "choices": [{**OPENAI["choices"][0]}],
    }
    assert upstream.received[0].path == path
    assert upstream.received[0].json["unknown_to_us"] == {"a": 1}


def test_a_bare_call_passes_byte_for_byte(proxy, upstream):
    sent = b'{ "model":"mine" ,"messages":"not judged", "x":1e2, "x":2 }'
    said = b' {"id": "x",\n "choices": []} '
    upstream.reply(json_reply(said))
    url = f"{upstream.url}/v1/chat/completions?a=b"
    answer = post(proxy, sent, url=url, accept_encoding="br", cookie="a=b")
    received = upstream.received[0]
    assert (received.body, answer.content) == (sent, said)
    assert received.path == "/v1/chat/completions?a=b"
    assert received.headers["authorization"] == f"Bearer {CLIENT_KEY}"
    assert received.headers["cookie"] == "a=b"
    assert received.headers["accept-encoding"] == "br"


@pytest.mark.parametrize("content_type", ["text/event-stream; charset=utf-8", "Text/Event-Stream"])
def test_a_bare_stream_passes_as_it_arrives_and_is_recorded_assembled(
    proxy, upstream, content_type
):
    gate = threading.Event()
    said = openai_events()
    upstream.reply(Reply([*said[:2], gate, *said[2:]], content_type=content_type))
    with (
        http(proxy) as client,
        client.stream(
            "POST", f"{upstream.url}/v1/chat/completions", json=ask("mine", stream=True)
        ) as answer,
    ):
        pieces = answer.iter_raw()
        got = next(pieces)
        gate.set()
        got += b"".join(pieces)
    assert got == b"".join(said)
    row = proxy.exchange(answer.headers["x-chat-request-id"])
    completion = json.loads(row["openai_response"])
    assert completion["choices"][0]["message"]["content"] == "Hello there"
    assert (row["state"], row["finish_reason"], row["provider"]) == (
        "complete",
        "stop",
        "compatible",
    )


def test_other_requests_pass_and_are_not_recorded(proxy, upstream):
    upstream.reply(json_reply(b'{"data": []}'))
    before = proxy.query("SELECT count(*) FROM requests")[0][0]
    answer = post(proxy, ask("claude-x"), url=f"{upstream.url}/v1/embeddings")
    assert answer.json() == {"data": []}
    assert proxy.query("SELECT count(*) FROM requests")[0][0] == before


def test_the_request_is_committed_before_it_leaves(proxy, upstream):
    gate = threading.Event()
    upstream.reply(Reply([body(CLAUDE)], framing="length", before_head=gate))
    request = ask("claude-x", "committed before it leaves")
    answers: list = []
    caller = threading.Thread(target=lambda: answers.append(post(proxy, request)))
    caller.start()
    while not upstream.received:
        pass
    rows = proxy.query(
        "SELECT * FROM exchanges WHERE openai_request LIKE '%committed before it leaves%'"
    )
    gate.set()
    caller.join()
    assert [row["state"] for row in rows] == [None]
    assert json.loads(rows[0]["openai_request"]) == request
    assert json.loads(rows[0]["provider_request"]) == upstream.received[0].json
    assert answers[0].headers["x-chat-request-id"] == rows[0]["request_id"]


def test_the_exchange_keeps_both_panels_and_what_they_amount_to(proxy, upstream):
    upstream.reply(json_reply(body(CLAUDE)))
    answer = post(proxy, ask("to-claude", seed=7), user_agent="tests/1", x_session_id="mine-1")
    row = proxy.exchange(answer.headers["x-chat-request-id"])
    assert answer.headers["x-chat-dropped"] == "seed"
    assert {
        "session_id": "mine-1",
        "provider": "anthropic",
        "model": "to-claude",
        "provider_model": "claude-sonnet-4-5",
        "upstream_url": f"{upstream.url}/prefix/v1/messages",
        "method": "POST",
        "path": "/v1/chat/completions",
        "stream": 0,
        "prompt_tokens": 12,
        "completion_tokens": 4,
        "total_tokens": 16,
        "cached_tokens": 3,
        "reasoning_tokens": None,
        "finish_reason": "stop",
        "error": None,
        "status_code": 200,
        "state": "complete",
    }.items() <= dict(row).items()
    assert "seed" in row["dropped"]
    assert json.loads(row["provider_response"]) == CLAUDE
    assert json.loads(row["openai_response"]) == answer.json()
    assert row["duration_ms"] >= 0


def test_model_list_comes_from_the_routes(proxy):
    with http(proxy) as client:
        listed = client.get(f"{NOWHERE}/v1/models").json()
    assert listed["object"] == "list"
    assert {"id": "to-claude", "object": "model", "created": 0, "owned_by": "anthropic"} in (
        listed["data"]
    )


def test_no_key_of_client_or_environment_is_stored_or_logged(proxy, upstream):
    echoing = body(
        {
            "type": "error",
            "error": {
                "type": "authentication_error",
                "message": "invalid x-api-key sk-ant-environment-key-0123456789",
            },
        }
    )
    upstream.reply(json_reply(echoing, status=401))
    answer = post(proxy, ask("claude-x", f"my key is {CLIENT_KEY}"))
    proxy.exchange(answer.headers["x-chat-request-id"])
    kept = b"".join(path.read_bytes() for path in proxy.folder.glob("chats.db*"))
    for secret in (CLIENT_KEY, "sk-ant-environment-key-0123456789"):
        assert secret.encode() not in kept
        assert secret not in proxy.log
