"""An agent's long conversation, grown call by call, and changed, through the real proxy."""

from __future__ import annotations

import copy

import pytest

from tests.answers import CLAUDE, OLLAMA, OPENAI, body
from tests.clients import post
from tests.upstream import json_reply
from transforms import PROVIDERS
from transforms.contract import Call
from transforms.json_text import dumps, loads

FILE = "\n".join(f'{line}\tif "é" == "\\n": return {line}' for line in range(400))
TOOL = {"type": "function", "function": {"name": "read", "parameters": {"type": "object"}}}


def beginning(model: str) -> dict:
    """A request of more than 64 KB."""
    messages = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Go on."}]
    request = {"model": model, "messages": messages, "tools": [TOOL], "temperature": 0.5}
    for number in range(5):
        read(request, number, FILE)
    return request


def read(request: dict, number: int, content: str) -> None:
    """The assistant reads a file."""
    function = {"name": "read", "arguments": f'{{"n": {number}}}'}
    call = {"id": f"call_{number:020}", "type": "function", "function": function}
    request["messages"] += [
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": call["id"], "content": content},
    ]


def ask_more(request: dict) -> None:
    answer = {"role": "assistant", "content": "Done. \U0001f600"}
    request["messages"] += [answer, {"role": "user", "content": "And \\ this?"}]


def edit_first(request: dict) -> None:
    request["messages"][1] = {"role": "user", "content": "Go away."}


def edit_late(request: dict) -> None:
    request["messages"][-1] = {**request["messages"][-1], "content": "something else"}


def regenerate(request: dict) -> None:
    del request["messages"][-4:]


STEPS = [
    lambda request: read(request, 10, "short"),
    lambda request: read(request, 11, FILE),
    ask_more,
    edit_late,
    lambda request: read(request, 12, "half \ud83d of a letter"),
    lambda request: request.update(temperature=0),
    regenerate,
    ask_more,
    edit_first,
    ask_more,
    lambda request: request.update(tools=[]),
    ask_more,
]


@pytest.mark.parametrize(
    ("model", "provider", "told", "reply"),
    [
        ("claude-sonnet-4-5", "anthropic", "claude-sonnet-4-5", CLAUDE),
        ("llama3.2", "ollama", "llama3.2", OLLAMA),
        ("gpt-routed", "openai", "gpt-4o-mini", OPENAI),
    ],
)
def test_each_step_is_told_and_recorded_as_it_is(proxy, upstream, model, provider, told, reply):
    request = beginning(model)
    for step in [lambda request: None, *STEPS]:
        step(request)
        upstream.reply(json_reply(body(reply)))
        asked = dumps(request)
        answer = post(proxy, asked)
        assert answer.status_code == 200
        row = proxy.exchange(answer.headers["x-chat-request-id"])
        sent = upstream.received[-1].body
        call = Call(copy.deepcopy(request), told, "c", 1, base_url=upstream.url)
        assert loads(sent) == PROVIDERS[provider].build_request(call).body
        assert row["openai_request"] == asked.decode()
        assert row["provider_request"] == sent.decode()


def test_a_mistake_in_the_midst_is_told_with_its_place(proxy, upstream):
    request = beginning("claude-sonnet-4-5")
    upstream.reply(json_reply(body(CLAUDE)))
    assert post(proxy, request).status_code == 200
    place = len(request["messages"])
    request["messages"] += [{"role": "assistant", "content": "Yes"}, {"role": "nobody"}]
    answer = post(proxy, request)
    assert answer.status_code == 400
    assert answer.json()["error"]["param"] == f"messages[{place + 1}].role"
    request["messages"][-1] = {"role": "tool", "tool_call_id": "unknown", "content": ""}
    answer = post(proxy, request)
    assert answer.json()["error"]["param"] == f"messages[{place + 1}].tool_call_id"


def test_thinking_that_a_client_drops_is_put_back_at_each_step(proxy, upstream):
    request = {**beginning("claude-sonnet-4-5"), "reasoning_effort": "high"}
    request.pop("temperature")
    thought = []
    for number in range(20, 24):
        thinking = {"type": "thinking", "thinking": f"Hm {number}", "signature": f"c2ln{number}"}
        use = {"type": "tool_use", "id": f"toolu_{number:020}", "name": "read", "input": {}}
        upstream.reply(json_reply(body({**CLAUDE, "content": [thinking, use]})))
        thought.append(thinking)
        answer = post(proxy, request)
        told = answer.json()["choices"][0]["message"]
        call = told["tool_calls"][0]
        request["messages"] += [
            {"role": "assistant", "content": None, "tool_calls": [call]},
            {"role": "tool", "tool_call_id": call["id"], "content": FILE[:2000]},
        ]
        upstream.reply(json_reply(body(CLAUDE)))
        post(proxy, request)
        turns = upstream.received[-1].json["messages"]
        blocks = [block for turn in turns for block in turn["content"] if isinstance(block, dict)]
        assert [block for block in blocks if block["type"] == "thinking"] == thought
