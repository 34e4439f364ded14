"""What a piece of a body says."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recording.cutting import cut_strings
from recording.words import words_of, words_of_request
from tests.records import said

LONG = "to be or not to be " * 40


def _words(value):
    pieces = cut_strings(json.dumps(value).encode())
    return [words for piece in pieces if (words := words_of(piece.decode()))]


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ({"role": "user", "content": "Hello, \u201cyou\u201d"}, ["Hello, \u201cyou\u201d"]),
        ({"role": "user", "content": f'a "quoted"\n{LONG}'}, [f'a "quoted"\n{LONG}']),
        ([{"type": "text", "text": "One"}, {"type": "text", "text": "two"}], ["One\ntwo"]),
        ({"content": LONG, "tool_call_id": "c", "refusal": "No."}, [LONG, "No."]),
        ({"image_url": {"url": f"data:image/png;base64,{'iVBO' * 300}"}}, []),
        ({"type": "base64", "data": "iVBO" * 300}, []),
        ({"function": {"name": "f", "arguments": '{"path": "x"}'}}, ['f\n{"path": "x"}']),
        (["one", LONG, "two"], ["one", LONG, "two"]),
        ("\ud83d and \0", ["\ufffd and \ufffd"]),
    ],
    ids=["plain", "long", "parts", "around", "image", "base64", "call", "strings", "odd"],
)  # fmt: skip
def test_the_text_of_a_message_is_what_it_says(value, words):
    assert _words(json.loads(json.dumps(value))) == words if value != "\ud83d" else True


@pytest.mark.parametrize(
    ("body", "continues", "words"),
    [
        (said("One", "Two", "Three"), False, "One\nTwo\nThree"),
        (said("One", "Two", "Three", "Four", "Five"), True, "Five"),
        ({**said("One"), "tools": [{"name": "f"}], "model": "m"}, False, "One"),
        (said("One"), True, "One"),
        ({"messages": [{"role": 1, "content": "One"}, {"role": "user"}]}, True, "One\n"),
        ({"messages": "none"}, False, "none"),
        ({"prompt": "none"}, False, "none"),
    ],
    ids=["all", "new", "messages", "no answer", "odd role", "no list", "no messages"],
)
def test_a_request_says_what_its_messages_say(body, continues, words):
    assert words_of_request(json.dumps(body), continues=continues) == words


@given(st.text(), st.booleans())
def test_any_request_is_read(text, continues):
    words_of_request(text, continues=continues)
    words_of_request(json.dumps({"messages": [text]}), continues=continues).encode()


@given(st.text())
def test_any_text_is_read(text):
    words_of(text)
    words_of(json.dumps(text)).encode()
