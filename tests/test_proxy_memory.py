"""Thinking that OpenAI's format has no place for comes back to the provider on the next turn."""

from __future__ import annotations

import json
import time
from collections.abc import Callable

import pytest
from openai.lib.streaming.chat import ChatCompletionStreamState

from tests.answers import CLAUDE, body
from tests.clients import sdk
from tests.proxy import START_SECONDS, Proxy
from tests.upstream import Upstream, json_reply, stream_reply

ENVIRONMENT = {"ANTHROPIC_API_KEY": "sk-ant-environment-key-0123456789"}
THINKING = {"type": "thinking", "thinking": 'Grüße \\ 🌍\n"so"', "signature": "EqQB/+aZ9=="}
TOOL_USE = {"type": "tool_use", "id": "toolu_01Abc", "name": "weather", "input": {"city": "Oslo"}}
TEXT = {"type": "text", "text": "OK."}
TOOLS = [{"type": "function", "function": {"name": "weather", "parameters": {"type": "object"}}}]
QUESTION = {"role": "user", "content": "Weather in Oslo?"}


def _events(*blocks: dict) -> list[bytes]:
    """Anthropic's events of an answer with these blocks."""
    told: list[dict] = [{"type": "message_start", "message": {**CLAUDE, "content": []}}]
    for index, block in enumerate(blocks):
        start, deltas = _fragments(block)
        told.append({"type": "content_block_start", "index": index, "content_block": start})
        told += [
            {"type": "content_block_delta", "index": index, "delta": delta} for delta in deltas
        ]
        told.append({"type": "content_block_stop", "index": index})
    delta = {"stop_reason": _stop_reason(blocks), "stop_sequence": None}
    told.append({"type": "message_delta", "delta": delta, "usage": {"output_tokens": 4}})
    told.append({"type": "message_stop"})
    return [f"event: {each['type']}\ndata: {json.dumps(each)}\n\n".encode() for each in told]


def _fragments(block: dict) -> tuple[dict, list[dict]]:
    if block["type"] == "thinking":
        return {**block, "thinking": "", "signature": ""}, [
            {"type": "thinking_delta", "thinking": block["thinking"]},
            {"type": "signature_delta", "signature": block["signature"]},
        ]
    if block["type"] == "tool_use":
        written = json.dumps(block["input"])
        return {**block, "input": {}}, [{"type": "input_json_delta", "partial_json": written}]
    return {**block, "text": ""}, [{"type": "text_delta", "text": block["text"]}]


def _stop_reason(blocks: tuple[dict, ...]) -> str:
    return "tool_use" if TOOL_USE in blocks else "end_turn"


def _first_turn(proxy: Proxy, upstream: Upstream, *blocks: dict, stream: bool = False) -> dict:
    """One turn, and what a client keeps of the answer: its text and its calls."""
    plain = {**CLAUDE, "content": list(blocks), "stop_reason": _stop_reason(blocks)}
    upstream.reply(stream_reply(_events(*blocks)) if stream else json_reply(body(plain)))
    asked = {"model": "claude-sonnet-4-5", "messages": [QUESTION], "tools": TOOLS}
    with sdk(proxy) as client:
        answer = client.chat.completions.create(**asked, reasoning_effort="low", stream=stream)
        if stream:
            told = ChatCompletionStreamState()
            for chunk in answer:
                told.handle_chunk(chunk)
            answer = told.get_final_completion()
    message = answer.choices[0].message
    kept = message.model_dump(include={"role", "content", "tool_calls"}, exclude_none=True)
    for call in kept.get("tool_calls", ()):
        call["function"].pop("parsed_arguments", None)
    return kept


def _second_turn(proxy: Proxy, upstream: Upstream, said: dict) -> dict | None:
    """The assistant turn that the provider gets back, told by a client that knows no thinking."""
    upstream.reply(json_reply(body(CLAUDE)))
    results = [
        {"role": "tool", "tool_call_id": call["id"], "content": "18 degrees"}
        for call in said.get("tool_calls", ())
    ]
    following = results or [{"role": "user", "content": "More"}]
    with sdk(proxy) as client:
        client.chat.completions.create(
            model="claude-sonnet-4-5",
            messages=[QUESTION, said, *following],
            tools=TOOLS,
            reasoning_effort="low",
        )
    received = upstream.received[0]
    content = received.json["messages"][1]["content"]
    if isinstance(content, list) and content[0]["type"] == "thinking":
        written = json.dumps(content[0], ensure_ascii=False, separators=(",", ":"))
        assert written.encode() in received.body
    return content


def _wait_for_states(proxy: Proxy) -> None:
    deadline = time.monotonic() + START_SECONDS
    while not proxy.query("SELECT 1 FROM states"):
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.fixture
def open_proxy(
    start_sharing_proxy: Callable[..., Proxy], upstream: Upstream
) -> Callable[..., Proxy]:
    """Starts proxies that share one database, with these options."""

    def start(**options: str) -> Proxy:
        return start_sharing_proxy(
            routes=[f"claude-*=anthropic@{upstream.url}"], environment=ENVIRONMENT, options=options
        )

    return start


@pytest.mark.parametrize("stream", [False, True], ids=["plain", "streamed"])
def test_signed_thinking_comes_back_before_the_call(proxy, upstream, stream):
    said = _first_turn(proxy, upstream, THINKING, TOOL_USE, stream=stream)
    assert said.keys() <= {"role", "content", "tool_calls"}
    assert _second_turn(proxy, upstream, said) == [THINKING, TOOL_USE]


@pytest.mark.parametrize("stream", [False, True], ids=["plain", "streamed"])
def test_thinking_survives_a_restart(open_proxy, upstream, stream):
    first = open_proxy()
    said = _first_turn(first, upstream, THINKING, TOOL_USE, stream=stream)
    first.stop()
    assert _second_turn(open_proxy(), upstream, said) == [THINKING, TOOL_USE]


def test_another_proxy_on_the_same_database_puts_thinking_back(open_proxy, upstream):
    first, second = open_proxy(), open_proxy()
    said = _first_turn(first, upstream, THINKING, TOOL_USE)
    _wait_for_states(first)
    assert _second_turn(second, upstream, said) == [THINKING, TOOL_USE]


@pytest.mark.parametrize("stream", [False, True], ids=["plain", "streamed"])
def test_a_message_without_calls_is_known_by_its_words(open_proxy, upstream, stream):
    first = open_proxy()
    said = _first_turn(first, upstream, THINKING, TEXT, stream=stream)
    first.stop()
    second = open_proxy()
    assert _second_turn(second, upstream, said) == [THINKING, TEXT]
    assert _second_turn(second, upstream, {**said, "content": "No."}) == "No."


def test_a_key_in_the_thinking_reaches_the_provider_and_never_the_database(open_proxy, upstream):
    key = "sk-ant-api03-0123456789abcdef0123"
    thinking = {**THINKING, "thinking": f"The key is {key}"}
    proxy = open_proxy()
    said = _first_turn(proxy, upstream, thinking, TOOL_USE)
    assert _second_turn(proxy, upstream, said) == [thinking, TOOL_USE]
    proxy.stop()
    assert proxy.query("SELECT 1 FROM states") == []
    assert not any(
        key.encode() in file.read_bytes() for file in proxy.database.parent.glob("*.db*")
    )


def test_with_metadata_alone_thinking_comes_back_from_memory(open_proxy, upstream):
    proxy = open_proxy(chat_store="metadata")
    said = _first_turn(proxy, upstream, THINKING, TOOL_USE)
    assert _second_turn(proxy, upstream, said) == [THINKING, TOOL_USE]
    assert proxy.query("SELECT 1 FROM states") == []


def test_what_the_client_never_sent_is_not_told_as_dropped(open_proxy, upstream):
    """Unsigned thinking cannot go back; the client did not ask for it either."""
    proxy = open_proxy()
    unsigned = {**THINKING, "signature": ""}
    said = _first_turn(proxy, upstream, unsigned, TOOL_USE)
    assert _second_turn(proxy, upstream, said) == [TOOL_USE]
    dropped = [row["dropped"] for row in proxy.query("SELECT dropped FROM requests ORDER BY id")]
    assert "reasoning_content" not in str(dropped)
