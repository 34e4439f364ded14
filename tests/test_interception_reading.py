"""Bodies that begin like one read lately say what they would have said to somebody new."""

from __future__ import annotations

import gzip
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mitmproxy.http import Request

from interception import decoding, reading
from interception.reading import Reader
from recording.lately import LONG
from tests.records import conversation_of, said
from transforms.chat_request import check_request
from transforms.errors import RequestError
from transforms.json_text import loads

CALL = {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}
MESSAGES = st.sampled_from(
    [
        {"role": "user", "content": "ja, \u00fc\u4e2d"},
        {"role": "user", "content": 'a "quoted" \\ }], thing'},
        {"role": "user", "content": "\ud83d"},
        {"role": "assistant", "content": None, "tool_calls": [CALL]},
        {"role": "tool", "tool_call_id": "c", "content": "[{]"},
        {"role": "assistant", "content": ""},
        {"role": "nobody"},
        17,
        [],
    ]
)
AROUND = st.sampled_from(
    [
        ({"model": "m"}, {"tools": [{"type": "function", "function": {"name": "messages"}}]}),
        ({"messages_": [1, 2], "x": {"messages": [{}]}}, {}),
        ({}, {"model": "m", "n": 1e400 and 1.5, "stop": "]}"}),
    ]
)
SPELLINGS = st.sampled_from(
    [
        {},
        {"separators": (",", ":")},
        {"indent": 1},
        {"separators": (" , ", " : ")},
        {"ensure_ascii": False},
    ]
)


def spelled(around: Any, messages: Any, spelling: dict[str, Any]) -> bytes:
    """A request as some client writes it."""
    before, after = around
    text = json.dumps({**before, "messages": messages, **after}, **spelling)
    return text.encode("utf-8", "surrogatepass")


@st.composite
def bodies(draw: Any) -> list[bytes]:
    """What one client sends after another, each mostly the one before and more."""
    around, spelling, messages = draw(AROUND), draw(SPELLINGS), draw(st.lists(MESSAGES))
    texts = []
    for _ in range(draw(st.integers(1, 6))):
        kept = draw(st.sampled_from([0, 0, 0, 1, 2, 20]))
        messages = messages[: max(len(messages) - kept, 0)] + draw(st.lists(MESSAGES, max_size=3))
        around = draw(AROUND) if draw(st.integers(0, 9)) == 0 else around
        text = spelled(around, messages, spelling)
        if draw(st.integers(0, 3)) == 0:
            place = draw(st.integers(0, len(text)))
            spoilt = draw(
                st.sampled_from([b"", b",", b"]", b"}", b'"', b"\\", b"\xff", b',"messages":[1]'])
            )
            text = text[:place] + spoilt + text[place + draw(st.integers(0, 1)) :]
        texts.append(text)
    return texts


def problem_of(body: Any, checked: int) -> str | None:
    try:
        check_request(body, checked)
    except RequestError as exc:
        return exc.answer().message
    return None


@settings(max_examples=400)
@given(texts=bodies())
def test_a_body_reads_as_if_no_other_had_come(texts):
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(reading, "LONG", 0)
        reader = Reader()
        for text in texts:
            told, alone = reader.read(text), Reader().read(text)
            assert told.body == alone.body
            assert json.dumps(told.body) == json.dumps(alone.body)
            assert str(told.problem) == str(alone.problem)
            if told.problem is None:
                problem = problem_of(told.body, told.checked)
                assert problem == problem_of(alone.body, 0)
                if problem is None:
                    told.checked = len(told.body["messages"])


def long_one(*texts: str) -> dict[str, Any]:
    return said("x" * LONG, *texts)


@pytest.mark.parametrize("spelling", [{}, {"separators": (",", ":")}, {"ensure_ascii": False}])
def test_what_was_read_before_is_the_same_object(spelling):
    reader = Reader()
    first = reader.read(json.dumps(long_one("é", "b"), **spelling).encode()).body
    longer = long_one("é", "b", "c", "d")
    second = reader.read(json.dumps(longer, **spelling).encode()).body
    assert second == longer
    assert all(second["messages"][place] is first["messages"][place] for place in range(2))


@pytest.mark.parametrize("spelling", [{}, {"indent": 1}])
def test_only_messages_after_the_known_ones_are_read(monkeypatch, spelling):
    reader, read = Reader(), []
    monkeypatch.setattr(reading, "loads", lambda text: read.append(len(text)) or loads(text))
    for count in range(2, 5):
        reader.read(json.dumps(long_one(*"abcdef"[:count]), **spelling).encode())
    assert read[0] > LONG
    assert max(read[1:]) < LONG


def test_short_ones_are_not_remembered():
    reader = Reader()
    first, second = (reader.read(json.dumps(said("a", "b")).encode()) for _ in range(2))
    assert first.body == second.body
    assert first.body["messages"][0] is not second.body["messages"][0]


def test_several_conversations_are_remembered_side_by_side():
    reader = Reader()
    texts = [json.dumps(said(letter * LONG, "yes")).encode() for letter in "abcdefgh"]
    firsts = [reader.read(text).body for text in texts]
    for text, first in zip(texts, firsts, strict=True):
        again = reader.read(text).body
        assert again["messages"][0] is first["messages"][0]


def test_nothing_is_taken_for_checked_that_was_not():
    reader = Reader()
    wrong = {**long_one("b"), "messages": [*long_one("b")["messages"], {"role": "nobody"}]}
    reader.read(json.dumps(wrong).encode())
    told = reader.read(json.dumps({**wrong, "messages": [*wrong["messages"], 1]}).encode())
    assert told.checked == 0


@pytest.mark.parametrize(
    ("headers", "content", "said"),
    [
        ({"content-encoding": "gzip"}, b"{}", "content encoding `gzip`"),
        ({}, b" \n", "is empty"),
        ({}, b"{", "is not JSON"),
        ({}, b"[]", "is not a JSON object"),
        ({}, b'{"a": 1, "a": 2}', "`a` is in the request body twice"),
        ({}, b'{"a": {"b": [{"c": 1, "c": 2}]}}', "`a.b[0].c` is in the request body twice"),
    ],
)
def test_what_cannot_be_read_is_told_why(headers, content, said):
    request = Request.make("POST", "http://host/v1/chat/completions", b"", headers)
    request.raw_content = content
    received = Reader().received(request)
    assert received.text == content
    assert said in received.problem.answer().message


def test_of_a_body_that_is_too_large_nothing_is_kept(monkeypatch):
    monkeypatch.setattr(decoding, "LARGEST_BODY", 1000)
    request = Request.make("POST", "http://host/v1/chat/completions", b"")
    request.headers["content-encoding"] = "gzip"
    request.raw_content = gzip.compress(json.dumps({"messages": ["x" * 1000]}).encode())
    received = Reader().received(request)
    assert (received.text, received.body, received.is_too_large) == (b"", None, True)
    answer = received.problem.answer()
    assert (answer.status, answer.code) == (413, "request_too_large")


@pytest.mark.parametrize(
    ("end", "why"),
    [
        (',],"n":1}', "is not JSON"),
        (',{}],"messages":[{}]}', "twice"),
        (',{}],"n":1,"n":2}', "twice"),
        (',{},{"role":1,"role":2}]}', "`messages[3].role` is in the request body twice"),
        (',{"content":[{"a":1,"a":1}]}]}', "`messages[2].content[0].a` is in the request body"),
    ],
)
def test_what_is_wrong_after_known_messages_is_seen(end, why):
    reader = Reader()
    text = json.dumps(long_one("b"), separators=(",", ":"))
    assert reader.read(text.encode()).problem is None
    spoilt = reader.read((text.removesuffix("]}") + end).encode())
    assert why in spoilt.problem.answer().message


@pytest.mark.parametrize(
    ("text", "param"),
    [
        ('{"stream_options":{"include_usage":true,"include_usage":false}}', "include_usage"),
        ('{"tools":[{},{"function":{"name":"f","name":"g"}}]}', "tools[1].function.name"),
        ('{"tools":[{"function":{"parameters":{},"parameters":{}}}]}', "function.parameters"),
        ('{"tools":[{"function":{"parameters":{"a":1,"a":1}}}]}', None),
        ('{"tools":[{"function":{"parameters":{"a":1,"a":1},"name":1,"name":2}}]}', "name"),
        ('{"functions":[{"parameters":{"a":{"b":1,"b":1}}}]}', None),
        ('{"messages":[{"content":"{\\"a\\":1,\\"a\\":1}"}]}', None),
        ('{"response_format":{"json_schema":{"schema":{"a":1,"a":1}}}}', "json_schema.schema.a"),
    ],
)
def test_a_name_twice_is_named_wherever_it_is_but_in_a_tools_schema(text, param):
    problem = Reader().read(text.encode()).problem
    if param is None:
        assert problem is None
    else:
        assert problem.answer().param.endswith(param)


def test_messages_of_a_kind_are_noted_wherever_they_were_read():
    parts = [{"type": "text", "text": "look"}]
    told = [{"role": "system", "content": parts}, {"role": "user", "content": "x" * LONG}]
    more = [{"role": "user", "content": parts}, {"role": "developer", "content": "Be brief."}, 7]
    reader = Reader()
    reader.read(json.dumps({"messages": told}).encode())
    for messages in (told, [*told, *more[:2]], [*told, *more]):
        received = reader.read(json.dumps({"messages": messages}).encode())
        assert received.in_parts == [0, 2][: len(messages) - 1]
        assert received.said == conversation_of({"messages": messages})
