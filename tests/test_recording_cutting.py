"""Where bodies are cut."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recording.cutting import cut, cut_strings
from tests.records import said

WORDS = "There is more to say. " * 60
SYSTEM = {"role": "system", "content": f"Today is Monday. {WORDS}"}


def body(value) -> bytes:
    return json.dumps(value, ensure_ascii=False).encode()


def joined(segments) -> bytes:
    return b"".join(element for segment in segments for element in segment)


def _chat(**members):
    messages = [SYSTEM, *said("Hi", WORDS, "More", WORDS)["messages"]]
    return {"model": "m", "messages": messages, **members}


def test_the_conversation_is_a_segment_that_grows_at_its_end():
    shorter, longer = _chat(), _chat()
    longer["messages"] = [*longer["messages"], {"role": "user", "content": "Thanks"}]
    before, after = cut(body(shorter)), cut(body(longer))
    assert after[1][:-1] == before[1]
    assert (after[0], after[2:]) == (before[0], before[2:])


def test_a_changed_system_prompt_leaves_the_conversation_as_it_is():
    changed = _chat()
    changed["messages"][0] = {"role": "developer", "content": f"Today is Tuesday. {WORDS}"}
    before, after = cut(body(_chat())), cut(body(changed))
    assert (before[0] == after[0], before[1:] == after[1:]) == (False, True)


def test_tools_are_a_segment_whatever_stands_before_them():
    tools = [
        {"type": "function", "function": {"name": name, "description": WORDS}} for name in "ab"
    ]
    segments = [cut(body(_chat(seed=seed, tools=tools))) for seed in (1, 2)]
    assert segments[0][3] == segments[1][3]
    assert joined([segments[0][3]]) == body(tools)[1:-1]


@pytest.mark.parametrize(
    "outer",
    [
        lambda messages: {"contents": messages},
        lambda messages: {"input": messages},
        lambda messages: {"model": "m", "input": {"messages": messages, "x": 1}, "parameters": {}},
    ],
    ids=["contents", "input", "input.messages"],
)
def test_the_conversation_is_found_by_its_shape(outer):
    messages = said(WORDS, WORDS, WORDS)["messages"]
    segment = max(cut(body(outer(messages))), key=len)
    assert [element.lstrip(b", ") for element in segment] == [*map(body, messages)]


def test_a_long_string_is_the_same_piece_in_every_format():
    said_by_client = {"role": "tool", "tool_call_id": "c", "content": WORDS}
    heard = {
        "type": "tool_result",
        "tool_use_id": "c",
        "content": [{"type": "text", "text": WORDS}],
    }
    pieces = [set(cut_strings(body(element))) for element in (said_by_client, heard)]
    assert pieces[0] & pieces[1] == {WORDS.encode()}


def test_an_image_is_the_same_piece_as_data_uri_and_alone():
    image = "iVBORw0KGgo" * 100
    uri = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{image}"}}
    alone = {"type": "base64", "media_type": "image/png", "data": image}
    assert cut_strings(body(uri))[1] == cut_strings(body(alone))[1] == image.encode()


def test_a_lone_surrogate_does_not_keep_a_body_in_one():
    text = json.dumps(_chat(note="\ud83d"))
    assert "\\ud83d" in text
    assert len(cut(text.encode())) == 3


def test_a_name_that_comes_twice_keeps_a_body_in_one():
    twice = body(_chat())[:-1] + b", " + body({"messages": []})[1:]
    assert cut(twice) == [[twice]]


@pytest.mark.parametrize(
    "text",
    [b"", b" ", b"{", b'{"a": [', b"[1, 2]", b"12", b"\xc3\xa9", b"[" * 5000],
    ids=range(8),
)
def test_what_is_no_object_is_kept_as_it_is(text):
    assert joined(cut(text)) == text


@given(st.binary(max_size=3000) | st.text(max_size=2000).map(str.encode))
def test_any_bytes_come_back(text):
    assert joined(cut(text)) == text
    assert b"".join(cut_strings(text)) == text
