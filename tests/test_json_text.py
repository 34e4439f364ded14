"""JSON text to objects and back."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from transforms.json_text import dumps, loads, repeated_member

# Every text, lone surrogates and U+0000 included.
TEXT = st.text(st.characters(codec=None), max_size=10)

VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=10,
)


@settings(max_examples=100)
@given(value=VALUES)
def test_what_is_written_reads_back_as_it_was(value: Any) -> None:
    assert loads(dumps(value)) == value


@settings(max_examples=100)
@given(value=VALUES)
def test_reads_what_the_standard_library_writes(value: Any) -> None:
    assert loads(json.dumps(value).encode()) == value


def test_keys_keep_their_order() -> None:
    assert dumps(loads(b'{"b":1,"a":2,"c":{"z":1,"y":2}}')) == b'{"b":1,"a":2,"c":{"z":1,"y":2}}'


def test_text_outside_ascii_is_written_as_it_is() -> None:
    assert dumps({"a": "čaj 🫖"}) == '{"a":"čaj 🫖"}'.encode()


def test_lone_surrogate_is_written_as_an_escape() -> None:
    """JavaScript clients cut text between the halves of an emoji."""
    assert dumps({"a": "\ud83d č"}) == b'{"a":"\\ud83d \\u010d"}'


@pytest.mark.parametrize("text", [b"123456789012345678901234567890", b"-98765432109876543210"])
def test_huge_integers_stay_exact(text: bytes) -> None:
    assert loads(text) == int(text)
    assert dumps(int(text)) == text


def test_last_of_two_equal_keys_wins() -> None:
    assert loads(b'{"a":1,"a":2}') == {"a": 2}


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"{",
        b"{'a': 1}",
        b'{"a": 1,}',
        b'{"a": 1} x',
        b'"\xff"',
        b'"\xed\xa0\xbd"',
        b"\xef\xbb\xbf{}",
        b"NaN",
        b"[Infinity]",
        b"-Infinity",
        b"1e999",
        b"[" * 100_000,
        b'["\\ud83d",' + b"[" * 100_000,
    ],
    ids=lambda text: repr(text[:12]),
)
def test_text_that_is_not_json_raises(text: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - the parsers' own messages differ
        loads(text)


@pytest.mark.parametrize("value", [object(), {"a": object()}, b"bytes".join])
def test_value_that_json_cannot_hold_raises(value: object) -> None:
    with pytest.raises(ValueError):  # noqa: PT011
        dumps(value)


def test_value_that_holds_itself_raises() -> None:
    value: list[Any] = []
    value.append(value)

    with pytest.raises(ValueError):  # noqa: PT011
        dumps(value)


def test_fractions_beside_a_lone_surrogate_are_read() -> None:
    assert loads(b'["\\ud83d", 1.5]') == ["\ud83d", 1.5]


@pytest.mark.parametrize(
    ("text", "name"),
    [
        (b'{"a":1,"b":{"c":1,"c":2}}', None),
        (b'{"a": 1, "b": [1, 2]}', None),
        (b' {\n "a" : 1 }\n', None),
        (b"{}", None),
        ('{"ä":1,"b":"\\ud800"}'.encode(), None),
        (b'{"a":1,"b":2,"a":3}', "a"),
        (b'{"a": 1, "\\u0061": 3}', "a"),
        (b'{\n"b": {"x": 1},\n"a": 2,\n"b": {}}', "b"),
        (b'{"a":1,"a":"\\ud800"}', "a"),
        (b'{"a":"","b":0,"d":0,"a":0,"c":0}', "a"),
    ],
)
def test_a_member_that_is_there_twice_is_found(text: bytes, name: str | None) -> None:
    assert repeated_member(text) == name


@given(st.lists(st.tuples(st.sampled_from("abcdefgh"), st.integers() | st.text()), max_size=8))
def test_repeated_members_are_found_in_any_object(members: list[tuple[str, object]]) -> None:
    text = b"{" + b",".join(dumps(name) + b":" + dumps(value) for name, value in members) + b"}"
    names = [name for name, _ in members]
    assert (repeated_member(text) is None) == (len(set(names)) == len(names))
