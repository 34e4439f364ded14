"""What ties a call to a conversation whose history it does not repeat."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recording.clues import answer_clues, answer_summaries, brief, exchange, who
from tests.records import clues_of, conversation_of, said

LONG = "This is an answer that nobody else has given by chance. " * 5
CLIENTS = Path(__file__).parent / "fixtures" / "clients"


def _captured(client):
    return json.loads((CLIENTS / f"{client}.json").read_text("utf-8"))["body"]


def _answer(text, **message):
    return {"choices": [{"message": {"role": "assistant", "content": text, **message}}]}


def _calling(call_id):
    call = {"id": call_id, "type": "function", "function": {"name": "f", "arguments": "{}"}}
    return {"role": "assistant", "content": None, "tool_calls": [call]}


def test_clients_are_told_apart_by_name_and_key():
    named = [{"user-agent": "a"}, {"user-agent": "b"}, {"user-agent": "a", "authorization": "k"}]
    assert len({who(headers) for headers in named}) == 3


def test_what_is_known_of_a_client_is_too_little_to_try_keys_on():
    assert len(who({"authorization": "Bearer sk-1"})) == 8


def test_a_title_opens_with_the_question_of_its_conversation():
    title = _captured("opencode-title")
    question = title["messages"][-1]
    turn = {"messages": [question], "tools": [{}]}
    asked, told = clues_of("c", turn), clues_of("c", title)
    assert (asked.opening, asked.offers_tools) == (told.opening, True)
    assert told.offers_tools is False


def test_a_question_has_no_opening_once_it_is_answered():
    assert clues_of("c", said("Hi", "Hello.", "More")).opening is None


def test_the_same_question_of_another_client_is_another_clue():
    assert clues_of("c", said("Hi")).opening != clues_of("d", said("Hi")).opening


def test_a_commit_message_quotes_the_exchange_it_is_about():
    quoted = clues_of("c", _captured("aider-commit-message")).quoted
    edit = {"role": "user", "content": "Change 1 to 2"}
    assert quoted in answer_clues("c", brief([edit]), _answer("a.py\n```\nprint(2)\n```\n"))


@pytest.mark.parametrize(
    "text",
    [
        "<history>\nUSER: Old\nASSISTANT: Older.\nUSER: Hi\nASSISTANT: Hello.\n</history>",
        "# USER\nHi\n# ASSISTANT\nHello.\n",
    ],
    ids=["in one line", "under headings"],
)
def test_a_conversation_told_as_a_text_quotes_its_last_exchange(text):
    quoted = clues_of("c", said(text)).quoted
    assert quoted in answer_clues("c", brief(said("Hi")["messages"]), _answer("Hello."))


@pytest.mark.parametrize(
    "text",
    ["Hi", "USER: Hi", "ASSISTANT: Hello.\nUSER: Hi", "USER:\nASSISTANT: Hello."],
    ids=["plain", "no answer", "no question before", "empty question"],
)
def test_a_text_without_an_exchange_quotes_nothing(text):
    assert clues_of("c", said(text)).quoted is None


def test_a_history_that_was_cut_short_ends_in_the_exchange_of_the_answer():
    clue = clues_of("c", said("Question", LONG, "More")).exchange
    assert clue is not None
    assert clue in answer_clues(
        "c", brief(said("Start", "", "Question")["messages"]), _answer(LONG)
    )


@pytest.mark.parametrize(
    ("answer", "telling"),
    [
        pytest.param({"content": "OK."}, False, id="short"),
        pytest.param({"content": LONG}, True, id="long"),
        pytest.param(_calling("call_Zk3hTq9Lw"), True, id="id of a call"),
        pytest.param(_calling("functions.f:0"), False, id="counted id"),
    ],
)
def test_an_answer_that_others_may_have_given_too_tells_nothing(answer, telling):
    assert (exchange("c", "before", answer) is not None) is telling


def test_a_summary_at_the_beginning_is_found_and_the_question_itself_is_not():
    (summary,) = answer_summaries("c", _answer(LONG))
    assert summary in clues_of("c", said("Setup", "Ok.", LONG, "Got it.", "More")).summaries
    assert summary not in clues_of("c", said("Setup", "Ok.", LONG)).summaries


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"messages": "x", "tools": 5},
        {"messages": [{"role": "assistant", "tool_calls": [7], "content": [None]}]},
        {"messages": [{"role": "user", "content": {"a": 1}}]},
    ],
    ids=["empty", "no list", "odd call", "odd content"],
)
def test_bodies_that_are_no_conversation_do_no_harm(body):
    clues = clues_of("c", body)
    assert (clues.opening, clues.exchange, clues.summaries) == (None, None, [])


_ODD = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["role", "content", "tool_calls", "id", "type", "text", "function"]),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@given(st.lists(_ODD, max_size=4), _ODD)
def test_whatever_json_says_is_taken(messages, tools):
    clues_of("c", {"messages": messages, "tools": tools})
    brief(conversation_of({"messages": messages}))
    answer = {"choices": [{"message": message} for message in messages]}
    answer_clues("c", "", answer)
    answer_summaries("c", answer)


@pytest.mark.parametrize("answer", [{}, {"choices": "x"}, {"choices": [5, {"message": None}]}])
def test_answers_that_are_none_have_no_clues(answer):
    assert (answer_clues("c", "", answer), answer_summaries("c", answer)) == ([], [])
    assert brief([]) == ""
