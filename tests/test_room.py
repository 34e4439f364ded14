"""What is kept and remembered of a stream that never ends, whatever it goes on with."""

from __future__ import annotations

import gc
import json
import tracemalloc
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from interception.streams import Translator
from tests.clients import ask
from tests.fuzzing import framed
from transforms import PROVIDERS, room
from transforms.contract import Call, Event
from transforms.dashscope import frames
from transforms.dashscope import stream as dashscope_stream
from transforms.openai import stream as openai_stream
from transforms.qwen import stream as qwen_stream
from transforms.qwen import tools as qwen_tools

TOOL = {"type": "function", "function": {"name": "look", "parameters": {"type": "object"}}}


@dataclass(frozen=True)
class Endless:
    """A stream that begins, and then says something of the same kind for ever."""

    provider: str
    begin: list[Any]
    more: Callable[[int], list[Any]]
    """What it says as the number-th."""

    tells: bool = True
    """Whether the client is told something new each time."""


def chat(delta: dict[str, Any], **choice: Any) -> list[Any]:
    return [{"id": "c", "choices": [{"index": 0, "delta": delta, **choice}]}]


def chat_call(number: int, arguments: str = "{}") -> list[Any]:
    function = {"name": "look", "arguments": arguments}
    return chat({"tool_calls": [{"index": number, "id": f"call_{number}", "function": function}]})


START = {"type": "message_start", "message": {"id": "m", "content": [], "usage": {}}}
USE = {"type": "tool_use", "id": "t", "name": "look", "input": {}}


def block(number: int, opening: dict[str, Any], *deltas: dict[str, Any]) -> list[Any]:
    return [
        {"type": "content_block_start", "index": number, "content_block": opening},
        *({"type": "content_block_delta", "index": number, "delta": delta} for delta in deltas),
    ]


def ended(number: int, *told: dict[str, Any]) -> list[Any]:
    return [*block(number, *told), {"type": "content_block_stop", "index": number}]


def converse(number: int, name: str, **more: Any) -> Event:
    return Event(name, json.dumps({"contentBlockIndex": number, **more}).encode())


BEGUN = [Event("messageStart", b'{"role": "assistant"}')]


def converse_call(number: int) -> list[Any]:
    start = {"toolUse": {"toolUseId": f"t{number}", "name": "look"}}
    return [converse(number, "contentBlockStart", start=start)]


def converse_text(number: int) -> list[Any]:
    return [converse(number, "contentBlockDelta", delta={"text": "a"})]


def cohere(kind: str, number: int, **message: Any) -> list[Any]:
    return [{"type": kind, "index": number, "delta": {"message": message}}]


def cohere_call(number: int) -> list[Any]:
    function = {"name": "look", "arguments": ""}
    return cohere("tool-call-start", number, tool_calls={"id": f"t{number}", "function": function})


def qwen_frame(content: str, **delta: Any) -> list[Any]:
    return [{"choices": [{"delta": {"phase": "answer", "content": content, **delta}}]}]


def frame(number: int, **message: Any) -> list[Any]:
    return [{"output": {"choices": [{"index": 0, "message": message}]}, "request_id": "r"}]


def frame_call(number: int) -> list[Any]:
    function = {"name": "look", "arguments": f"{{{number}}}"}
    return frame(0, tool_calls=[{"index": number, "id": f"t{number}", "function": function}])


def gemini(number: int, *parts: dict[str, Any], **more: Any) -> list[Any]:
    return [{"candidates": [{"content": {"parts": list(parts)}, **more}]}]


def item(number: int, **opening: Any) -> list[Any]:
    opening = {"id": f"i{number}", **opening}
    return [{"type": "response.output_item.added", "output_index": number, "item": opening}]


def text_part(number: int) -> list[Any]:
    at = {"item_id": "i0", "content_index": number}
    return [{"type": "response.output_text.delta", "delta": "a", **at}]


def annotation(number: int) -> list[Any]:
    kind = "response.output_text.annotation.added"
    return [{"type": kind, "item_id": "i0", "content_index": 0, "annotation": {"n": number}}]


CALLED = '<tool_call>{"name": "look", "arguments": {}}</tool_call>'

STREAMS = {
    "openai calls": Endless("openai", [], chat_call),
    "openai calls without arguments": Endless("openai", [], lambda n: chat_call(n, "")),
    "openai lists": Endless(
        "openai", chat({"content": "a"}), lambda n: chat({"annotations": [{"n": n}]}), tells=False
    ),
    "openai members": Endless("openai", [], lambda n: chat({"content": "a", f"member_{n}": "a"})),
    "openai answer": Endless(
        "openai", [], lambda n: [{**chat({"content": "a"})[0], f"member_{n}": n}]
    ),
    "openai logprobs": Endless(
        "openai", [], lambda n: chat({"content": "a"}, logprobs={"content": [{"token": str(n)}]})
    ),
    "anthropic calls": Endless("anthropic", [START], lambda n: ended(n, USE)),
    "anthropic open calls": Endless("anthropic", [START], lambda n: block(n, USE)),
    "anthropic blocks": Endless(
        "anthropic",
        [START],
        lambda n: ended(n, {"type": "text", "text": ""}, {"type": "text_delta", "text": "a"}),
    ),
    "anthropic citations": Endless(
        "anthropic",
        [START, *block(0, {"type": "text", "text": "a"})],
        lambda n: [
            {
                "type": "content_block_delta",
                "index": 0,
                "delta": {"type": "citations_delta", "citation": {"n": n}},
            }
        ],
        tells=False,
    ),
    "bedrock calls": Endless("bedrock", BEGUN, converse_call),
    "bedrock blocks": Endless("bedrock", BEGUN, converse_text),
    "cohere calls": Endless("cohere", [{"type": "message-start", "id": "m"}], cohere_call),
    "cohere blocks": Endless(
        "cohere",
        [{"type": "message-start", "id": "m"}],
        lambda n: cohere("content-delta", n, content={"text": "a"}),
    ),
    "cohere citations": Endless(
        "cohere",
        [{"type": "message-start", "id": "m"}],
        lambda n: cohere("citation-start", n, citations={"n": n}),
        tells=False,
    ),
    "dashscope calls": Endless("dashscope", frame(0, content="a") * 2, frame_call),
    "dashscope frames": Endless("dashscope", [], lambda n: frame(n, content="ha")),
    "gemini calls": Endless(
        "gemini", [], lambda n: gemini(n, {"functionCall": {"name": "look", "args": {}}})
    ),
    "gemini parts": Endless(
        "gemini", [], lambda n: gemini(n, {"text": "a", "thoughtSignature": f"{n}"})
    ),
    "gemini members": Endless(
        "gemini", [], lambda n: gemini(n, {"text": "a"}, **{f"member{n}": n})
    ),
    "ollama calls": Endless(
        "ollama",
        [],
        lambda n: [{"message": {"tool_calls": [{"function": {"name": "look", "arguments": {}}}]}}],
    ),
    "ollama members": Endless("ollama", [], lambda n: [{"message": {"content": "a"}, f"m{n}": n}]),
    "qwen calls": Endless("qwen", [], lambda n: qwen_frame(CALLED)),
    "qwen pages": Endless(
        "qwen",
        [],
        lambda n: qwen_frame("", phase="web_search", extra={"web_search_info": [{"url": str(n)}]}),
        tells=False,
    ),
    "qwen call": Endless("qwen", qwen_frame("<tool_call>"), lambda n: qwen_frame("a" * 100)),
    "qwen space": Endless("qwen", qwen_frame("a"), lambda n: qwen_frame(" " * 100)),
    "responses calls": Endless(
        "responses",
        [],
        lambda n: item(n, type="function_call", call_id=f"c{n}", name="look", arguments=""),
    ),
    "responses parts": Endless("responses", item(0, type="message", content=[]), text_part),
    "responses annotations": Endless(
        "responses", item(0, type="message", content=[]), annotation, tells=False
    ),
}


class Client:
    """Hears one endless stream, and keeps nothing of it."""

    def __init__(self, endless: Endless) -> None:
        self._endless = endless
        self._provider = PROVIDERS[endless.provider]
        call = Call(ask("gpt", stream=True, tools=[TOOL]), "model", "chatcmpl-1", 1)
        self.stream = Translator(self._provider, call, "", len, lambda answer: answer)
        self._hear(endless.begin)

    def _hear(self, said: list[Any]) -> bytes:
        told = [
            each if isinstance(each, Event) else Event("", json.dumps(each).encode())
            for each in said
        ]
        return bytes(self.stream(framed(self._provider, told)) or b"") if told else b""

    def hear(self, numbers: range) -> Iterator[bytes]:
        """What the client hears of each."""
        for number in numbers:
            yield self._hear(self._endless.more(number))


def kept_bytes() -> int:
    gc.collect()
    return tracemalloc.get_traced_memory()[0]


@pytest.fixture
def narrow(monkeypatch):
    """Room for a short answer only."""
    monkeypatch.setattr(room, "LARGEST_ANSWER", 10_000)
    for module in (room, frames, dashscope_stream, openai_stream, qwen_stream):
        monkeypatch.setattr(module, "MOST_PARTS", 32)
    monkeypatch.setattr(qwen_tools, "_LONGEST_CALL", 10_000)
    monkeypatch.setattr(qwen_tools, "_LONGEST_DOUBT", 1_000)


@pytest.mark.parametrize("endless", STREAMS.values(), ids=STREAMS)
def test_a_stream_without_end_takes_no_more_and_no_more_memory(endless, narrow):
    tracemalloc.start()
    client = Client(endless)
    settled = 400
    list(client.hear(range(settled)))
    assert client.stream.is_cut
    before = kept_bytes()
    heard = sum(bool(piece) for piece in client.hear(range(settled, 3 * settled)))
    grown = kept_bytes() - before
    tracemalloc.stop()
    assert client.stream.error is None
    assert grown < 50_000
    assert heard >= (2 * settled - 1 if endless.tells else 0)


SILENT = (
    "openai calls without arguments",
    "anthropic open calls",
    "bedrock calls",
    "cohere calls",
    "responses calls",
)


@pytest.mark.parametrize("name", SILENT)
def test_a_call_that_is_forgotten_without_arguments_gets_an_empty_object(name, narrow):
    heard = b"".join(Client(STREAMS[name]).hear(range(100)))
    assert 100 - 32 <= heard.count(b'"{}"') < 100


CHOICES = {
    "openai": lambda n: [{"choices": [{"index": n, "delta": {"content": "a"}}]}],
    "dashscope": lambda n: [{"output": {"choices": [{"index": n, "message": {"content": "a"}}]}}],
}


@pytest.mark.parametrize("name", CHOICES)
def test_choices_without_end_end_the_stream(name, narrow):
    client = Client(Endless(name, [], CHOICES[name]))
    list(client.hear(range(100)))
    assert client.stream.error is not None
    assert "more than 32 choices" in client.stream.error.message


def test_a_call_in_words_that_is_too_long_for_one_is_text(narrow):
    client = Client(STREAMS["qwen call"])
    heard = b"".join(client.hear(range(101)))
    assert heard.count(b"a" * 100) == 101
    assert b"tool_calls" not in heard
