"""Requests for long conversations, which go on from what was told lately."""

from __future__ import annotations

import tracemalloc
from dataclasses import replace
from typing import Any

import pytest

from interception import drafting
from interception.drafting import Drafting
from recording.lately import LONG
from tests.records import said
from transforms import PROVIDERS
from transforms.chat_request import check_request
from transforms.contract import Call, Provider
from transforms.errors import RequestError
from transforms.json_text import dumps, loads


def call(*texts: str, **parameters: Any) -> Call:
    request = check_request({**said(*texts), **parameters})
    return Call(request, "claude-sonnet-4-5", "c-1", 1, base_url="http://host")


@pytest.fixture
def built() -> list[int]:
    """How many messages each built request tells."""
    return []


@pytest.fixture
def provider(built: list[int]) -> Provider:
    """Anthropic, counting."""
    return counting("anthropic", built)


def counting(name: str, built: list[int]) -> Provider:
    provider = PROVIDERS[name]

    def build(call: Call) -> Any:
        built.append(len(call.request["messages"]))
        return provider.build_request(call)

    return replace(provider, build_request=build)


def whole(provider: Provider, call: Call) -> bytes:
    return dumps(PROVIDERS[provider.name].build_request(call).body)


def test_a_conversation_that_goes_on_is_built_from_where_it_does(provider, built):
    remembering, texts = Drafting(), ["a", "b"] * 50
    for count in range(10):
        asked = call(*texts, "a", *["b", "a"] * count)
        written = remembering.request(provider, asked, LONG)
        assert written.text == whole(provider, asked)
    assert sum(built) < 100 + 10 * 8


def test_short_ones_are_built_at_once(provider, built):
    remembering = Drafting()
    for _ in range(2):
        remembering.request(provider, call("a", "b", "a"), LONG - 1)
    assert built == [3, 3]


def test_several_conversations_are_kept_apart(provider, built):
    remembering = Drafting()
    calls = [call(letter, *["b", "a"] * 20) for letter in "cdefgh"]
    for asked in (*calls, *calls):
        assert remembering.request(provider, asked, LONG).text == whole(provider, asked)
    assert built.count(39) == 6


@pytest.mark.parametrize("changed", [{"temperature": 1}, {"user": "ada"}, {"stream": True}])
def test_what_is_asked_for_in_another_way_is_built_anew(provider, changed):
    remembering, texts = Drafting(), ["a", "b", "a", "b", "a"]
    remembering.request(provider, call(*texts), LONG)
    asked = call(*texts, "b", "a", **changed)
    assert remembering.request(provider, asked, LONG).text == whole(provider, asked)


def test_a_conversation_that_has_to_be_told_as_a_whole_is_tried_once(provider, built):
    """Its tools were put away, and Anthropic wants every tool that was ever called."""
    function = {"name": "search", "arguments": "{}"}
    asks = {"role": "assistant", "content": None, "tool_calls": [{"id": "a", "function": function}]}
    found = {"role": "tool", "tool_call_id": "a", "content": "1"}
    remembering = Drafting()
    for count in range(1, 4):
        spoken = said(*["a", "b"] * count, "a")["messages"]
        asked = call("a")
        messages = [*spoken[:1], asks, found, *spoken[1:]]
        asked = replace(asked, request=check_request({"model": "m", "messages": messages}))
        built.clear()
        assert remembering.request(provider, asked, LONG).text == whole(provider, asked)
    assert built == [len(messages)]


def test_a_conversation_that_nobody_has_answered_yet_is_gone_on_with_later(provider, built):
    remembering = Drafting()
    asked = call("a", *[""] * 3)
    for message in asked.request["messages"]:
        message["role"] = "user"
    remembering.request(provider, asked, LONG)
    messages = [*asked.request["messages"], *said("a", "b", "a")["messages"]]
    for _ in range(2):
        built.clear()
        longer = replace(asked, request={**asked.request, "messages": messages})
        assert remembering.request(provider, longer, LONG).text == whole(provider, longer)
    assert sum(built) < len(messages)


def test_a_mistake_is_told_with_its_place_and_nothing_is_remembered_of_it(provider):
    remembering = Drafting()
    wrong = {"role": "function", "name": "f", "content": "1"}
    asked = call("a", "b", "a")
    broken = replace(
        asked, request={**asked.request, "messages": [*asked.request["messages"], wrong]}
    )
    for _ in range(2):
        with pytest.raises(RequestError, match=r"messages\[3\]"):
            remembering.request(provider, broken, LONG)
    assert remembering.request(provider, asked, LONG).text == whole(provider, asked)


@pytest.mark.parametrize("calls", [[], [{"id": "a", "function": {"name": "f"}}]])
def test_what_follows_a_draft_is_not_kept_with_it(calls):
    """Nor what follows the opening of a conversation that is told as a whole, for its tools were
    put away."""
    results = [{"role": "tool", "tool_call_id": each["id"], "content": "1"} for each in calls]
    asks = {"role": "assistant", "content": "b" * LONG, "tool_calls": calls}

    def ask(letter: str) -> None:
        start = [{"role": "user", "content": letter}, asks, *results, *said("a", "b")["messages"]]
        messages = [*start, {"role": "user", "content": f"{letter}\u00e9" * LONG}]
        asked = replace(call("a"), request=check_request({"model": "m", "messages": messages}))
        remembering.request(PROVIDERS["anthropic"], asked, LONG)

    remembering = Drafting()
    ask("a")
    tracemalloc.start()
    for letter in "cdefgh":
        ask(letter)
    kept, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert kept < 6 * 2 * LONG


def test_what_is_nested_as_deep_as_can_be_read_is_told_as_by_itself():
    """To compare it with what was told lately may be too deep."""

    def told(remembering: Drafting, depth: int) -> bytes | None:
        text = b'{"model":"m","messages":[{"role":"user","content":"a","x":%s},%s]}' % (
            b"[" * depth + b"]" * depth,
            b'{"role":"assistant","content":"b"},{"role":"user","content":"a"}',
        )
        try:
            request = check_request(loads(text))
        except ValueError:
            return None
        asked = replace(call("a"), request=request)
        return remembering.request(PROVIDERS["anthropic"], asked, LONG).text

    # How deep that is depends on the Python, and on how far up the stack it is read.
    for depth in range(800, 1000):
        remembering = Drafting()
        assert told(remembering, depth) == told(remembering, depth)


@pytest.mark.parametrize("name", ["dashscope", "qwen"])
def test_providers_that_list_no_turns_are_told_the_whole(name, built):
    remembering, provider = Drafting(), counting(name, built)
    for _ in range(2):
        asked = replace(call("a", "b", "a"), base_url=provider.base_url, begins=True)
        remembering.request(provider, asked, LONG)
    assert built == [3, 3]


def test_a_call_that_goes_on_in_the_providers_own_chat_is_built_by_itself(built, monkeypatch):
    provider = counting("responses", built)
    monkeypatch.setattr(drafting, "begin", None)
    chats = replace(provider.chats, goes_on=lambda call: True)
    asked = call("a", "b", "a")
    Drafting().request(replace(provider, chats=chats), asked, LONG)
    assert built == [3]
