"""The beginning of what was asked and answered."""

from __future__ import annotations

import json

import pytest

from inspection.web.previews import LENGTH, Preview, preview
from tests.records import said


def _answer(**message):
    return json.dumps({"choices": [{"message": message}]})


def test_the_last_message_and_the_answer_are_told():
    told = preview(json.dumps(said("Hi", "Hello.", "And\n now?")), _answer(content="It rains."))
    assert told == Preview("user", "And now?", "It rains.")


def test_a_call_is_told_by_the_names_of_its_tools():
    calls = [{"function": {"name": "look"}}, {"type": "custom"}]
    assert preview(None, _answer(content=None, tool_calls=calls)).answered == "→ look, → a tool"


def test_a_long_text_is_cut():
    told = preview(json.dumps(said("word " * 400)), None)
    assert (len(told.asked), told.asked[-1]) == (LENGTH, "…")


@pytest.mark.parametrize(
    "body",
    [
        *(None, "", "{", "[]", "null", '"text"', '{"messages": 1, "choices": {}}'),
        '{"messages": [], "choices": []}',
        '{"messages": [1], "choices": [1]}',
        '{"messages": [{"role": 1, "content": 2}], "choices": [{"message": "m"}]}',
        '{"choices": [{"message": {"tool_calls": [1, {}, {"function": {"name": 3}}]}}]}',
    ],
)
def test_what_cannot_be_read_tells_nothing(body):
    told = preview(body, body)
    assert (told.role, told.asked) == ("", "")
    assert told.answered in ("", "→ a tool, → a tool, → a tool")
