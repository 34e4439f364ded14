"""Which call belongs to which conversation, with what real clients send, through the real proxy."""

from __future__ import annotations

import json
import threading
from pathlib import Path

import pytest

from tests import answers
from tests.clients import NOWHERE, ask, http, post, sdk
from tests.upstream import Reply, json_reply, stream_reply

CLIENTS = Path(__file__).parent / "fixtures" / "clients"
WITH_RESULTS = [
    "codex-0.94-chat-tool-result", "continue-cli-tool-result", "goose-tool-result",
    "langchain-tool-result", "litellm-tool-result", "llamaindex-tool-result", "llm-tool-result",
    "openai-node-7-tool-result", "openai-python-tool-result", "opencode-tool-result",
    "pydantic-ai-tool-result", "shell-gpt-tool-result", "ai-sdk-7-compatible-tool-result",
    "qwen-code-0.24-memory", "var-llm-continue-c",
]  # fmt: skip
"""Captures of a second turn: the history holds an answer that a first turn can be given."""


def _captured(client: str) -> tuple[dict, str]:
    captured = json.loads((CLIENTS / f"{client}.json").read_text("utf-8"))
    headers = captured["headers"]
    named = dict(headers) if isinstance(headers, list) else headers
    return captured["body"], named.get("user-agent", "")


def _completion(message: dict) -> bytes:
    """The answer that the client has made this history message of, ids and all."""
    kept = {name: message.get(name) for name in ("role", "content", "tool_calls")}
    told = {name: value for name, value in kept.items() if value is not None}
    choice = {"index": 0, "message": {"content": None, **told}, "finish_reason": "stop"}
    return answers.body({**answers.OPENAI, "choices": [choice]})


def _say(proxy, body: dict, user_agent: str, **headers: str):
    """One call to the route `local`; the recorded exchange."""
    sent = {**body, "model": "local", "stream": False}
    sent.pop("stream_options", None)
    answer = post(proxy, sent, user_agent=user_agent, **headers)
    return proxy.exchange(answer.headers["x-chat-request-id"])


def _last_answer(messages: list[dict]) -> int:
    return max(place for place, each in enumerate(messages) if each["role"] == "assistant")


@pytest.mark.parametrize("client", WITH_RESULTS)
def test_the_next_turn_of_a_real_client_continues_the_answer(proxy, upstream, client):
    body, user_agent = _captured(client)
    messages = [*body["messages"]]
    said = _last_answer(messages)
    system = {"role": "system", "content": "Today it rains."}
    upstream.reply(json_reply(_completion(messages[said])))
    first = _say(proxy, {**body, "messages": messages[:said]}, user_agent)
    second = _say(proxy, {**body, "messages": [system, *messages]}, user_agent)
    assert (second["session_id"], second["request_parent_id"]) == (
        first["session_id"],
        first["response_id"],
    )


@pytest.mark.parametrize("title_first", [False, True], ids=["turn first", "title first"])
@pytest.mark.parametrize("named", [False, True], ids=["unnamed", "named"])
def test_a_title_is_asked_for_beside_its_conversation(proxy, upstream, title_first, named):
    title, user_agent = _captured("opencode-title")
    turn, _ = _captured("opencode-tool-result")
    question = f"Which word? {title_first} {named}"
    title["messages"][-1]["content"] = turn["messages"][1]["content"] = question
    bodies = {"turn": {**turn, "messages": turn["messages"][:2]}, "title": title}
    upstream.reply(json_reply(answers.body(answers.OPENAI)))
    order = ["title", "turn"] if title_first else ["turn", "title"]
    name = {"x_session_id": f"ses_{title_first}"} if named else {}
    told = {kind: _say(proxy, bodies[kind], user_agent, **name) for kind in order}
    assert told["title"]["session_id"] == told["turn"]["session_id"]
    (session,) = proxy.query("SELECT * FROM sessions WHERE id = ?", told["turn"]["session_id"])
    assert session["first_user_message"] == question
    assert session["parent_id"] == told["turn"]["response_id"]


def test_a_commit_message_is_asked_for_beside_the_edit(proxy, upstream):
    edit, user_agent = _captured("var-aider-edit-in-git")
    commit, _ = _captured("aider-commit-message")
    upstream.reply(json_reply(_completion({"role": "assistant", "content": "a.py\n```\nprint(2)"})))
    told = [_say(proxy, body, user_agent) for body in (edit, commit)]
    assert told[0]["session_id"] == told[1]["session_id"]
    assert told[1]["request_parent_id"] is None


SUMMARY = "<state_snapshot>" + "The user wants to know which word the note holds. " * 8


def test_a_compacted_history_goes_on_in_its_session(proxy, upstream):
    body, user_agent = _captured("qwen-code-0.15")
    asked = [*body["messages"], {"role": "assistant", "content": "Paris."}]
    summing = [*asked[1:], {"role": "user", "content": "Write the <state_snapshot>."}]
    compacted = [
        asked[0],
        {"role": "user", "content": SUMMARY},
        {"role": "assistant", "content": "Got it. Thanks for the additional context!"},
        {"role": "user", "content": "And of Spain?"},
    ]
    exchanges = []
    for messages, answer in ((asked[:-1], "Paris."), (summing, SUMMARY), (compacted, "Madrid.")):
        upstream.reply(json_reply(_completion({"role": "assistant", "content": answer})))
        exchanges.append(_say(proxy, {**body, "messages": messages}, user_agent))
    assert len({exchange["session_id"] for exchange in exchanges}) == 1
    parents = [exchange["request_parent_id"] for exchange in exchanges]
    assert parents == [None, *(exchange["response_id"] for exchange in exchanges[:2])]


def test_an_sdk_that_tries_again_stays_in_its_session(proxy, upstream):
    failure = json_reply(b'{"error": {"message": "overloaded"}}', status=500, retry_after="0")
    upstream.reply(failure, failure, json_reply(answers.body(answers.OPENAI)))
    with sdk(proxy).with_options(max_retries=2) as client:
        client.chat.completions.create(**ask("local", "Try me again"))
    tries = proxy.query(
        "SELECT session_id, request_parent_id, state FROM exchanges "
        "WHERE first_user_message = 'Try me again' ORDER BY id"
    )
    assert [row["state"] for row in tries][:2] == ["failed", "failed"]
    assert len({row["session_id"] for row in tries}) == 1


def test_an_sdk_that_timed_out_stays_in_its_session(proxy, upstream):
    slow = Reply(before_head=threading.Event())
    upstream.reply(slow, json_reply(answers.body(answers.OPENAI)))
    with sdk(proxy).with_options(max_retries=1, timeout=0.5) as client:
        client.chat.completions.create(**ask("local", "Take your time"))
    slow.before_head.set()
    tries = proxy.query(
        "SELECT session_id FROM requests WHERE openai_request LIKE '%Take your time%'"
    )
    assert len(tries) == 2
    assert len(set(map(tuple, tries))) == 1


@pytest.mark.parametrize("model", ["local", "bare"])
def test_who_asks_on_as_soon_as_the_stream_is_done_is_followed(proxy, upstream, model):
    """The provider ends its body only after the client has asked the next question."""
    late = threading.Event()
    streamed = stream_reply([*answers.openai_events(), late])
    upstream.reply(streamed, json_reply(answers.body(answers.OPENAI)))
    url = f"{NOWHERE if model == 'local' else upstream.url}/v1/chat/completions"
    body = ask(model, f"Quick {model}", stream=True)
    headers = {"authorization": "Bearer k", "user-agent": "quick"}
    with http(proxy) as client, client.stream("POST", url, json=body, headers=headers) as answer:
        # Held on to, since dropping it would close the connection.
        lines = answer.iter_lines()
        assert "data: [DONE]" in lines
        more = {"role": "user", "content": "More"}
        said = [*body["messages"], {"role": "assistant", "content": "Hello there"}, more]
        post(proxy, {"model": model, "messages": said}, url=url, user_agent="quick")
        late.set()
    first, second = proxy.query(
        "SELECT id, session_id, parent_id FROM requests WHERE client = 'quick' AND model = ? "
        "ORDER BY id",
        model,
    )
    assert second["session_id"] == first["session_id"]
    assert second["parent_id"] is not None


def test_two_conversations_under_one_name_are_two_branches(proxy, upstream):
    """Some clients give every conversation of a deployment the same `prompt_cache_key`."""
    upstream.reply(json_reply(answers.body(answers.OPENAI)))
    shared = {"prompt_cache_key": "deployment"}
    reply = {"role": "assistant", "content": "Hello there"}
    for question in ("One", "Two"):
        opening = ask("local", question, **shared)
        more = {"role": "user", "content": f"More of {question}"}
        for messages in (opening["messages"], [*opening["messages"], reply, more]):
            _say(proxy, {**opening, "messages": messages}, "shared")
    rows = proxy.query(
        "SELECT request_parent_id, response_id FROM exchanges WHERE session_id = 'deployment' "
        "ORDER BY id"
    )
    one, two = rows[:2], rows[2:]
    for opening, following in (one, two):
        assert opening["request_parent_id"] is None
        assert following["request_parent_id"] == opening["response_id"]


def test_an_sdk_conversation_is_one_session(proxy, upstream):
    upstream.reply(json_reply(answers.body(answers.OPENAI)))
    messages: list[dict] = []
    with sdk(proxy) as client:
        for count in range(4):
            messages.append({"role": "user", "content": f"Of an SDK: {count}"})
            answer = client.chat.completions.create(model="local", messages=messages)
            messages.append(answer.choices[0].message.model_dump())
    (session,) = proxy.query(
        "SELECT id, message_count FROM sessions WHERE first_user_message = 'Of an SDK: 0'"
    )
    requests = proxy.query("SELECT id FROM requests WHERE session_id = ?", session["id"])
    assert len(requests) == 4
