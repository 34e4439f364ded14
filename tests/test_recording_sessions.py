"""Which call belongs to which conversation."""

from __future__ import annotations

import pytest

from recording.sessions import (
    answer_digests,
    explicit_session_id,
    first_user_message,
    message_digest,
    turn_digest,
)
from tests.records import ANSWER, conversation, conversation_of, said

CALL = {"id": "c1", "type": "function", "function": {"name": "f", "arguments": '{"a":1,"b":[2]}'}}
ASKS = {"role": "assistant", "content": None, "tool_calls": [CALL]}


def _calling(arguments, **more):
    call = {**CALL, "function": {"name": "f", "arguments": arguments}, **more}
    return {**ASKS, "tool_calls": [call]}


@pytest.mark.parametrize(
    ("headers", "body", "session"),
    [
        pytest.param(
            {"x-session-id": "ses_1", "x-session-affinity": "ses_2"}, {}, "ses_1", id="opencode"
        ),
        pytest.param(
            {"session-id": "a", "thread-id": "b"}, {"prompt_cache_key": "c"}, "a", id="codex"
        ),
        pytest.param({"session_id": "u"}, {}, "u", id="older codex"),
        pytest.param({}, {"prompt_cache_key": "qwen-code:1"}, "qwen-code:1", id="qwen-code"),
        pytest.param(
            {}, {"metadata": {"session_id": "m"}, "prompt_cache_key": "k"}, "m", id="metadata"
        ),
        pytest.param({}, {"client_metadata": {"thread_id": "t"}}, "t", id="client_metadata"),
        pytest.param(
            {"x-session-id": " "}, {"metadata": "x", "prompt_cache_key": 7}, None, id="none"
        ),
    ],
)
def test_a_client_that_names_its_conversation_is_believed(headers, body, session):
    assert explicit_session_id(headers, body) == session


def test_a_very_long_name_is_shortened_to_the_same_each_time():
    first, second = (explicit_session_id({"x-session-id": "x" * 9000}, {}) for _ in range(2))
    assert first == second
    assert len(first) == 32


@pytest.mark.parametrize(
    ("one", "other"),
    [
        pytest.param(
            {"role": "assistant", "content": None},
            {"role": "assistant", "content": ""},
            id="null and empty",
        ),
        pytest.param(
            {"role": "assistant"}, {"role": "assistant", "content": ""}, id="absent and empty"
        ),
        pytest.param(
            {"role": "user", "content": "ab"},
            {"role": "user", "content": [{"type": "text", "text": "ab"}]},
            id="text part",
        ),
        pytest.param(
            ASKS,
            {**ASKS, "refusal": None, "annotations": [], "reasoning_content": "hm"},
            id="foreign keys",
        ),
        pytest.param(
            _calling('{"a":1,"b":[2]}'), _calling('{ "b": [2], "a": 1 }'), id="argument whitespace"
        ),
        pytest.param(
            {"role": "assistant", "content": [{"type": "text", "text": "ab"}]},
            {
                "role": "assistant",
                "content": [{"type": "reasoning", "text": "hm"}, {"type": "text", "text": "ab"}],
            },
            id="reasoning part",
        ),
        pytest.param(
            {"role": "tool", "tool_call_id": "c1", "content": "18"},
            {"role": "tool", "tool_call_id": "x", "content": [{"type": "text", "text": "18"}]},
            id="result",
        ),
        pytest.param(_calling(""), _calling("{}"), id="no arguments"),
        pytest.param(_calling("{}", id="x"), _calling("{}", id="y"), id="call ids"),
    ],
)
def test_messages_that_mean_the_same_have_one_digest(one, other):
    assert message_digest(one) == message_digest(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        pytest.param(
            {"role": "user", "content": "a"}, {"role": "assistant", "content": "a"}, id="role"
        ),
        pytest.param({"role": "user", "content": "a"}, {"role": "user", "content": "b"}, id="text"),
        pytest.param(_calling('{"a":1}'), _calling('{"a":2}'), id="arguments"),
        pytest.param(_calling("{not json"), _calling("{}"), id="broken arguments"),
        pytest.param(
            {"role": "user", "content": [{"type": "image_url", "image_url": {"url": "a"}}]},
            {"role": "user", "content": [{"type": "image_url", "image_url": {"url": "b"}}]},
            id="image",
        ),
    ],
)
def test_messages_that_differ_have_different_digests(one, other):
    assert message_digest(one) != message_digest(other)


def test_a_request_that_repeats_the_conversation_continues_its_answer():
    asked = conversation(said("Hi"))
    turn = turn_digest(asked.digest, answer_digests(ANSWER)[0])
    assert conversation(said("Hi", "Hello.", "More")).answered == turn


def test_system_prompts_make_no_difference():
    body = said("Hi", "Hello.", "More")
    today = {"role": "system", "content": "It is Monday."}
    dated = {**body, "messages": [today, *body["messages"], today]}
    assert conversation(dated) == conversation(body)


def test_a_changed_history_is_another_conversation():
    assert conversation(said("Hi", "Hello!", "More")).answered != (
        conversation(said("Hi", "Hello.", "More")).answered
    )


def test_a_first_message_continues_nothing():
    told = conversation(said("Hi"))
    assert (told.answered, told.message_count) == (None, 1)


@pytest.mark.parametrize(
    "messages",
    [None, "x", [None, 7], [{"role": ["user"], "content": 5, "tool_calls": 3}], [{"content": [1]}]],
    ids=["null", "text", "not objects", "wrong types", "odd parts"],
)
def test_bodies_that_are_no_conversation_do_no_harm(messages):
    body = {"messages": messages}
    assert conversation(body).message_count == len(conversation_of(body))
    assert conversation(body).answered is None


def test_the_title_is_the_first_user_message_shortened():
    body = {
        "messages": [{"role": "system", "content": "S"}, {"role": "user", "content": "a" * 600}]
    }
    assert first_user_message(body) == "a" * 500
