"""What was said, however a client sends it back."""

from __future__ import annotations

import pytest

from transforms.history import after_last_answer, meant, normalized

USER = {"role": "user", "content": "Hi"}
ANSWER = {"role": "assistant", "content": "Hello"}


def _called(**function: str) -> dict:
    call = {"id": "c", "type": "function", "function": {"name": "f", **function}}
    return {"role": "assistant", "content": None, "tool_calls": [call]}


def _custom(text: str) -> dict:
    call = {"id": "c", "type": "custom", "custom": {"name": "f", "input": text}}
    return {"role": "assistant", "tool_calls": [call]}


@pytest.mark.parametrize(
    ("messages", "place"),
    [
        ([USER], 0),
        ([USER, ANSWER], 0),
        ([USER, ANSWER, USER], 2),
        ([ANSWER, USER, ANSWER, USER, USER], 3),
    ],
    ids=["no answer", "nothing after it", "one after it", "two after the last"],
)
def test_what_follows_the_last_answer_is_found(messages, place):
    assert after_last_answer(messages) == place


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (ANSWER, {**ANSWER, "content": [{"type": "text", "text": "Hel"}, {"text": "lo"}]}),
        (ANSWER, {**ANSWER, "tool_calls": None, "refusal": None, "name": "bot"}),
        (_called(arguments='{"a": 1}'), _called(arguments='{ "a" : 1 }')),
        (_called(arguments=""), {**_called(arguments="{}"), "content": ""}),
        (
            _called(arguments="a text"),
            _custom("a text"),
        ),
    ],
    ids=["parts", "what says nothing", "spaces", "nothing", "custom"],
)
def test_the_same_said_in_other_shapes_is_equal(one, other):
    assert normalized(one) == normalized(other)


@pytest.mark.parametrize(
    "other",
    [
        {**ANSWER, "role": "user"},
        {**ANSWER, "content": "Hello "},
        {**ANSWER, "content": [{"type": "image_url", "image_url": {"url": "x"}}]},
        {**_called(arguments="{}"), "content": "Hello"},
        {**ANSWER, "tool_call_id": "c"},
    ],
    ids=["role", "text", "picture", "call", "call's id"],
)
def test_what_says_something_else_is_not(other):
    assert normalized(ANSWER) != normalized(other)


@pytest.mark.parametrize(
    ("text", "value"), [('{"a": 1}', {"a": 1}), ("no JSON", "no JSON"), ("", {}), (None, {})]
)
def test_arguments_mean_what_their_json_says(text, value):
    assert meant(text) == value
