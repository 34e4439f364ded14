"""Bodies as they are stored, and the columns read out of them."""

from __future__ import annotations

import contextlib
import sqlite3

import pytest

from recording import bodies
from recording.bodies import (
    answer_columns,
    answer_id,
    body_text,
    chat_id,
    clean_text,
    parse_body,
)
from tests.records import ANSWER


@pytest.mark.parametrize(
    ("body", "text"),
    [
        pytest.param(None, None, id="nothing"),
        pytest.param(
            b'{ "b": 1,\n "a": 1.0, "a": 2 }', '{ "b": 1,\n "a": 1.0, "a": 2 }', id="as on the wire"
        ),
        pytest.param(b'{"a":1e999}', '{"a":1e999}', id="a number beyond a double"),
        pytest.param(b'{"a":"\\ud83d"}', '{"a":"\\ud83d"}', id="escaped lone surrogate"),
        pytest.param(b'<html>"no"', '"<html>\\"no\\""', id="not JSON"),
        pytest.param(b"", '""', id="empty"),
        pytest.param(b'{"a":NaN}', '"{\\"a\\":NaN}"', id="NaN is not JSON"),
        pytest.param(b'{"a":"\xff"}', '{"a":"\ufffd"}', id="not UTF-8"),
        pytest.param(b"a\x00b", '"a\\u0000b"', id="NUL"),
        pytest.param({"a": "é", "b": [1, None]}, '{"a":"é","b":[1,null]}', id="an object"),
        pytest.param({"a": "\ud83d\0"}, '{"a":"\\ud83d\\u0000"}', id="an object with awkward text"),
    ],
)
def test_a_body_is_stored_as_json_text(body, text):
    assert body_text(body) == (None if text is None else text.encode())


@pytest.mark.parametrize(
    ("body", "value"),
    [
        (b'{"a": 1}', {"a": 1}),
        ({"a": 1}, {"a": 1}),
        (b"[1]", {}),
        (b"no", {}),
        (b"[" * 100_000, {}),
        (None, {}),
    ],
    ids=["text", "object", "a list", "not JSON", "too deep", "nothing"],
)
def test_a_body_that_is_no_object_reads_as_empty(body, value):
    assert parse_body(body) == value


def test_columns_are_taken_from_usage_and_the_first_choice():
    usage = {
        **ANSWER["usage"],
        "prompt_tokens_details": {"cached_tokens": 1},
        "completion_tokens_details": {"reasoning_tokens": 2},
    }
    assert answer_columns({**ANSWER, "usage": usage}) == {
        "completion_tokens": 2,
        "prompt_tokens": 3,
        "total_tokens": 5,
        "cached_tokens": 1,
        "reasoning_tokens": 2,
        "finish_reason": "stop",
    }


@pytest.mark.parametrize(
    "answer",
    [
        {},
        {"usage": None, "choices": []},
        {"usage": {"prompt_tokens": "3", "total_tokens": True, "completion_tokens": -1}},
        {"usage": {"prompt_tokens": 1 << 64}, "choices": [{"finish_reason": None}]},
        {"usage": [], "choices": "x"},
    ],
    ids=["nothing", "null", "wrong types", "too large", "wrong shapes"],
)
def test_what_was_not_reported_is_null(answer):
    assert set(answer_columns(answer).values()) == {None}


@pytest.mark.parametrize(
    ("given", "taken"),
    [("chatcmpl-1", "chatcmpl-1"), ("", None), (7, None), ("x" * 201, None), ("a\0b", "a\ufffdb")],
    ids=["text", "empty", "number", "too long", "NUL"],
)
def test_an_id_is_a_short_text(given, taken):
    assert answer_id({"id": given}) == taken


def test_clean_text_fits_every_database():
    assert clean_text("a\0\ud83dé") == "a\ufffd?é"


@pytest.mark.parametrize(
    ("message", "told"),
    [
        ({"content": "x", "acme": {"chat_id": "C1"}}, "C1"),
        ({"content": "x", "acme": {"chat_id": 1}}, None),
        ({"content": "x", "acme": {"chat_id": "C" * 1000}}, None),
        ({"content": "x"}, None),
        (None, None),
    ],
)
def test_the_chat_is_told_by_the_state_on_the_message(message, told):
    assert chat_id({"choices": [{"message": message}]}) == told


def test_an_answer_without_choices_tells_no_chat():
    assert chat_id({}) is None


def test_of_a_text_that_no_database_takes_the_beginning_is_kept(monkeypatch):
    monkeypatch.setattr(bodies, "LONGEST_TEXT", 3)
    assert body_text(bytes(100)) == b'"' + b"\\u0000" * 3 + b'"'
    assert body_text(b'{"a": "bcd"}') == b'{"a": "bcd"}'


def test_the_longest_text_is_short_enough_for_sqlite():
    with contextlib.closing(sqlite3.connect(":memory:")) as database:
        most = database.getlimit(sqlite3.SQLITE_LIMIT_LENGTH)
    assert len(body_text(bytes(1000))) - 2 == 6 * 1000
    assert most > bodies.LONGEST_TEXT * 6 + 2
