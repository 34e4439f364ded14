"""A provider's state on a message, and the keys that find it again."""

from __future__ import annotations

import copy

import pytest

from recording.states import (
    context,
    first_key,
    has_whole_calls,
    keys_of,
    merged,
    read_state,
    state_of,
)

THINKING = [{"type": "thinking", "thinking": "Hm 🌍\u0000\ud83d", "signature": "EqQB/+aZ=="}]
LONG = "An answer that is long enough for nobody else to have given just the same one before."


def _call(call_id="toolu_1a", arguments='{"city": "Paris"}', **fields):
    function = {"name": "weather", "arguments": arguments}
    return {"id": call_id, "type": "function", "function": function, **fields}


def _said(content="", *calls, **fields):
    told = {"role": "assistant", "content": content, **fields}
    return {**told, "tool_calls": list(calls)} if calls else told


def _same(one, other, before=b"x"):
    return keys_of(one, before) == keys_of(other, before)


@pytest.mark.parametrize(
    "message",
    [
        _said("Hello", refusal=None, annotations=[{"type": "url_citation"}], audio={"id": "a"}),
        _said("", _call(index=0)),
        _said("Hello", reasoning_content="", thinking_blocks=[], reasoning=None),
        _said("A picture", images=[{"type": "image_url"}]),
    ],
    ids=["OpenAI's own", "a call", "empty", "pictures"],
)
def test_what_openai_has_a_place_for_is_no_state(message):
    assert state_of(message, b"") is None


def test_a_state_survives_its_text():
    extra = {"google": {"thought_signature": "CiQ="}}
    message = _said("", _call(), _call("b", extra_content=extra), thinking_blocks=THINKING)
    state = state_of(message, b"")
    again = read_state(state.text)
    assert again.fields == state.fields == {"thinking_blocks": THINKING}
    assert again.calls == state.calls == [
        {"id": "toolu_1a", "fields": {}},
        {"id": "b", "fields": {"extra_content": extra}},
    ]  # fmt: skip
    assert again.text.isprintable()


@pytest.mark.parametrize("text", ["", "[]", "{}", "1"])
def test_another_text_is_no_state(text):
    with pytest.raises(ValueError, match=r".+"):
        read_state(text)


def test_what_was_dropped_is_put_on_a_copy():
    extra = {"extra_content": {"google": {"thought_signature": "CiQ="}}}
    given = _said("Hi", _call("a"), _call("b", **extra), thinking_blocks=THINKING)
    sent = _said("Hi", _call("a"), _call("b"))
    before = copy.deepcopy(sent)
    assert merged(sent, state_of(given, b"")) == given
    assert sent == before


def test_what_the_client_says_itself_stays():
    state = state_of(_said("", _call(extra_content=1), reasoning="theirs", other=2), b"")
    sent = _said("", _call(extra_content=9), reasoning="mine", other=None)
    assert merged(sent, state) == {**sent, "other": 2}


@pytest.mark.parametrize(
    ("ids", "expected"),
    [(["b", "a"], [2, 1]), (["x", "y"], [1, 2]), (["b"], [2]), (["x"], [None])],
    ids=["by id", "by place", "some of them", "other ones"],
)
def test_each_call_gets_its_own_fields(ids, expected):
    state = state_of(_said("", _call("a", extra_content=1), _call("b", extra_content=2)), b"")
    restored = merged(_said("", *(_call(each) for each in ids)), state)
    assert [call.get("extra_content") for call in restored["tool_calls"]] == expected


@pytest.mark.parametrize(
    "sent",
    [
        _said(None, _call()),
        _said([], _call(arguments='{"city":"Paris"}')),
        _said("", _call(), refusal=None, name="me"),
    ],
    ids=["null", "spacing", "foreign keys"],
)
def test_a_message_is_known_however_it_is_written(sent):
    assert _same(sent, _said("", _call(), reasoning_content="Hm"))


@pytest.mark.parametrize(
    ("message", "kinds"),
    [
        (_said("OK."), ["turn"]),
        (_said(LONG), ["turn", "message"]),
        (_said("", _call("functions.weather:0")), ["turn", "turn"]),
        (_said("", _call("call_12")), ["turn", "turn"]),
        (_said("", _call("call_9f2e_0"), _call("D681PevKs")), ["turn", "turn", "call", "call"]),
        (_said("", {"type": "function"}), ["turn"]),
    ],
    ids=["short", "long", "counted id", "short counted id", "ids of its own", "no id"],
)
def test_only_what_is_nobody_elses_counts_without_the_message_before(message, kinds):
    keys = keys_of(message, b"before")
    assert [key.partition(":")[0] for key in (*keys.with_context, *keys.alone)] == kinds
    assert keys.with_context[0] == first_key(message, b"before")


def test_keys_are_short_and_repeat_nothing_of_the_message():
    keys = keys_of(_said(LONG, _call("secret" * 1000)), b"")
    assert all(len(key) < 50 and "secret" not in key for key in (*keys.with_context, *keys.alone))


def test_a_turn_is_told_apart_by_the_message_before():
    asked = [{"role": "user", "content": "One"}, {"role": "user", "content": "Two"}]
    assert len({first_key(_said("OK."), context(asked, end)) for end in range(3)}) == 3


@pytest.mark.parametrize(
    "other",
    [
        [{"role": "user", "content": [{"type": "text", "text": "Hi"}]}],
        [{"role": "user", "content": "Hi"}, {"role": "system", "content": "At 10:15"}],
        [{"role": "developer", "content": "x"}, {"role": "user", "content": "Hi", "name": "me"}],
    ],
    ids=["parts", "system", "developer"],
)
def test_the_context_is_the_words_before_the_answer(other):
    assert context(other, len(other)) == context([{"role": "user", "content": "Hi"}], 1) != b""


def test_a_long_context_is_told_by_its_length_and_its_ends():
    long = {"role": "tool", "content": "a" * 500_000}
    assert len(context([long], 1)) < 1000
    assert context([long], 1) != context([{**long, "content": long["content"] + "a"}], 1)


@pytest.mark.parametrize(
    ("message", "whole"),
    [
        (_said("", _call()), True),
        (_said("", _call(), _call("b", '{"city": "Par')), False),
        (_said("Hello"), False),
        (_said("", {"id": "c", "type": "custom", "custom": {"input": "x"}}), False),
    ],
    ids=["whole", "cut", "no call", "custom"],
)
def test_calls_are_whole_with_all_their_arguments(message, whole):
    assert has_whole_calls(message) is whole
