"""Conversations that go on from answers which the Responses API has stored."""

from __future__ import annotations

import json
from collections.abc import Callable
from itertools import count
from typing import Any

import pytest

from tests.answers import body
from tests.clients import post, sdk
from tests.proxy import Proxy
from tests.upstream import Reply, Upstream, json_reply, stream_reply

ENVIRONMENT = {"OPENAI_API_KEY": "sk-of-the-environment-0123456789"}
SYSTEM = {"role": "system", "content": "Be brief."}
TOOLS = [{"type": "function", "function": {"name": "weather", "parameters": {"type": "object"}}}]
CALLED = {
    "type": "function_call",
    "id": "fc_1",
    "call_id": "call_Ab3dE",
    "name": "weather",
    "arguments": '{"city":"Oslo"}',
}
LOST = {
    "error": {
        "message": "Previous response with id 'resp_1' not found.",
        "type": "invalid_request_error",
        "param": "previous_response_id",
        "code": "previous_response_not_found",
    }
}

_number = count(1)


def user(text: str) -> dict[str, Any]:
    return {"role": "user", "content": text}


def response(text: str = "Hello", *, name: str = "", called: bool = False) -> dict[str, Any]:
    """An answer of the API's."""
    message = {
        "type": "message",
        "id": "msg_1",
        "role": "assistant",
        "content": [{"type": "output_text", "text": text, "annotations": []}],
    }
    return {
        "id": name or f"resp_{next(_number)}",
        "object": "response",
        "created_at": 1_795_000_000,
        "status": "completed",
        "output": [CALLED if called else message],
        "usage": {"input_tokens": 9, "output_tokens": 4, "total_tokens": 13},
    }


def reply(stream: bool, *told: Any, **more: Any) -> Reply:
    """The answer, plain or streamed."""
    whole = response(*told, **more)
    if not stream:
        return json_reply(body(whole))
    last = {"type": "response.completed", "response": whole}
    events = [{"type": "response.created", "response": {**whole, "output": []}}, last]
    return stream_reply(
        [f"event: {each['type']}\ndata: {json.dumps(each)}\n\n".encode() for each in events]
    )


@pytest.fixture
def open_proxy(
    start_sharing_proxy: Callable[..., Proxy], upstream: Upstream
) -> Callable[..., Proxy]:
    """Starts proxies that share one database, with these changes to their environment."""

    def start(**environment: str) -> Proxy:
        return start_sharing_proxy(
            routes=[
                f"gpt-5=responses@{upstream.url}?previous_response_id=true",
                f"whole=responses/gpt-5@{upstream.url}",
            ],
            environment={**ENVIRONMENT, **environment},
        )

    return start


@pytest.fixture
def proxy(open_proxy: Callable[..., Proxy]) -> Proxy:
    return open_proxy()


def speak(
    proxy: Proxy, *messages: dict[str, Any], stream: bool = False, **more: Any
) -> dict[str, Any]:
    """The assistant's message, as much of it as a client sends back."""
    asked: dict[str, Any] = {"model": "gpt-5", "messages": [SYSTEM, *messages], **more}
    with sdk(proxy) as client:
        if stream:
            with client.chat.completions.stream(**asked) as told:
                message = told.get_final_completion().choices[0].message
        else:
            message = client.chat.completions.create(**asked).choices[0].message
    kept = message.model_dump(include={"role", "content", "tool_calls"}, exclude_none=True)
    for call in kept.get("tool_calls", ()):
        call["function"].pop("parsed_arguments", None)
    return kept


def sent(upstream: Upstream, number: int = -1) -> tuple[Any, Any, Any, Any]:
    """What the provider was told: the answer to go on from, instructions, input and store."""
    told = upstream.received[number].json
    names = ("previous_response_id", "instructions", "input", "store")
    return tuple(told.get(name) for name in names)  # type: ignore[return-value]  # four names


@pytest.mark.parametrize("stream", [False, True], ids=["plain", "streamed"])
def test_only_what_is_new_is_sent(proxy, upstream, stream):
    upstream.reply(reply(stream, name="resp_first"), reply(stream, "Again"))
    said = speak(proxy, user("Hi"), stream=stream)
    assert sent(upstream) == (None, "Be brief.", [user("Hi")], True)
    assert speak(proxy, user("Hi"), said, user("More"), stream=stream)["content"] == "Again"
    assert sent(upstream) == ("resp_first", "Be brief.", [user("More")], True)


@pytest.mark.parametrize("stream", [False, True], ids=["plain", "streamed"])
def test_the_result_of_a_call_goes_on_from_it(proxy, upstream, stream):
    upstream.reply(reply(stream, called=True, name="resp_call"), reply(stream))
    said = speak(proxy, user("Weather?"), tools=TOOLS, stream=stream)
    result = {"role": "tool", "tool_call_id": said["tool_calls"][0]["id"], "content": "Rain"}
    speak(proxy, user("Weather?"), said, result, tools=TOOLS, stream=stream)
    told = {"type": "function_call_output", "call_id": "call_Ab3dE", "output": "Rain"}
    assert sent(upstream) == ("resp_call", "Be brief.", [told], True)


def test_a_conversation_goes_on_after_a_restart(open_proxy, upstream):
    first = open_proxy()
    upstream.reply(reply(False, name="resp_before"), reply(False), reply(False))
    said = speak(first, user("Hi"))
    first.stop()
    second = open_proxy()
    # A call does not wait for what the database says late; the next one has it.
    for _ in range(2):
        speak(second, user("Hi"), said, user("More"))
    assert sent(upstream)[0] == "resp_before"


def test_what_was_sent_is_on_record(proxy, upstream):
    upstream.reply(reply(False, name="resp_seen"), reply(False))
    said = speak(proxy, user("Hi"))
    asked = {"model": "gpt-5", "messages": [SYSTEM, user("Hi"), said, user("More")]}
    answer = post(proxy, asked)
    row = proxy.exchange(answer.headers["x-chat-request-id"])
    assert json.loads(row["provider_request"]) == upstream.received[-1].json
    assert json.loads(row["openai_request"]) == asked
    assert row["request_parent_id"] == "resp_seen"
    assert "x-chat-dropped" not in answer.headers


WHOLE = [user("Hi"), {"role": "assistant", "content": "Hello"}, user("More")]


def test_an_edited_history_is_told_whole(proxy, upstream):
    upstream.reply(reply(False), reply(False))
    said = speak(proxy, user("Hi"))
    speak(proxy, user("Hey"), said, user("More"))
    assert sent(upstream) == (None, "Be brief.", [user("Hey"), *WHOLE[1:]], True)


def test_with_another_key_all_is_told(open_proxy, upstream):
    first = open_proxy()
    upstream.reply(reply(False), reply(False))
    said = speak(first, user("Hi"))
    first.stop()
    speak(open_proxy(OPENAI_API_KEY="sk-of-another-0123456789"), user("Hi"), said, user("More"))
    assert sent(upstream) == (None, "Be brief.", WHOLE, True)


def test_a_client_that_forbids_storing_has_all_told(proxy, upstream):
    upstream.reply(reply(False), reply(False))
    said = speak(proxy, user("Hi"))
    speak(proxy, user("Hi"), said, user("More"), store=False)
    assert sent(upstream) == (None, "Be brief.", WHOLE, False)


def test_a_route_that_does_not_ask_for_it_has_nothing_stored(proxy, upstream):
    upstream.reply(reply(False), reply(False))
    said = speak(proxy, user("Hi"), model="whole")
    speak(proxy, user("Hi"), said, user("More"), model="whole")
    assert sent(upstream) == (None, "Be brief.", WHOLE, False)


@pytest.mark.parametrize("status", [400, 404])
@pytest.mark.parametrize("stream", [False, True], ids=["plain", "streamed"])
def test_an_answer_that_is_lost_has_all_told_again(proxy, upstream, stream, status):
    upstream.reply(reply(stream))
    said = speak(proxy, user("Hi"), stream=stream)
    lost = json_reply(body(LOST), status=status)
    upstream.reply(lost, reply(stream, "Again", name="resp_new"), reply(stream))
    again = speak(proxy, user("Hi"), said, user("More"), stream=stream)
    assert again["content"] == "Again"
    assert sent(upstream) == (None, "Be brief.", WHOLE, True)
    speak(proxy, user("Hi"), said, user("More"), again, user("Third"), stream=stream)
    assert sent(upstream) == ("resp_new", "Be brief.", [user("Third")], True)


def test_all_is_told_again_only_once(proxy, upstream):
    upstream.reply(reply(False))
    said = speak(proxy, user("Hi"))
    upstream.reply(*(json_reply(body(LOST), status=400) for _ in range(3)))
    asked = {"model": "gpt-5", "messages": [SYSTEM, user("Hi"), said, user("More")]}
    answer = post(proxy, asked)
    assert (answer.status_code, answer.json()["error"]["code"]) == (
        (400, "previous_response_not_found")
    )
    assert len(upstream.received) == 2
