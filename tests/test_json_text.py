"""JSON text to objects and back."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from transforms.json_text import Path, dumps, loads, places_of_elements, repeated_members

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


def repeated(text: bytes) -> list[Path]:
    return list(repeated_members(text, loads(text)))


@pytest.mark.parametrize(
    ("text", "paths"),
    [
        (b'{"a":1,"b":{"c":1,"d":{"c":1}}}', []),
        (b'{"a": 1, "b": [1, 2]}', []),
        (b' {\n "a" : 1 }\n', []),
        (b"{}", []),
        ('{"ä":1,"b":"\\ud800"}'.encode(), []),
        (b'{"a":1e1,"b":"\\u0061"}', []),
        (b'{"a":"{\\"b\\":1,\\"b\\":2}"}', []),
        (b'{"a":1,"b":2,"a":3}', [("a",)]),
        (b'{"a": 1, "\\u0061": 3}', [("a",)]),
        (b'{\n"b": {"x": 1},\n"a": 2,\n"b": {}}', [("b",)]),
        (b'{"a":1,"a":"\\ud800"}', [("a",)]),
        (b'{"a":"","b":0,"d":0,"a":0,"c":0}', [("a",)]),
        (b'{"a":1,"b":{"c":1,"c":2}}', [("b", "c")]),
        (b'[{"a":1},{"a":[[],{"b":1,"b":1,"b":2}]}]', [(1, "a", 1, "b"), (1, "a", 1, "b")]),
        (b'{"a":[{"b":1,"b":2}],"c":1,"c":2}', [("c",), ("a", 0, "b")]),
        (b'{"a":{"b":1},"a":{"b":1}}', [("a",)]),
    ],
)
def test_members_that_are_there_twice_are_found(text: bytes, paths: list[Path]) -> None:
    assert repeated(text) == paths


@pytest.mark.parametrize("depth", [900, 100_000])
def test_what_is_nested_deeply_is_read_again_or_told(depth: int) -> None:
    text = b"[" * depth + b'{"a":1,"a":2}' + b"]" * depth
    try:
        paths = list(repeated_members(text, None))
    except ValueError as exc:
        assert str(exc) == "nested too deeply"  # noqa: PT017 - either will do
    else:
        assert paths == [(*[0] * depth, "a")]


SPELLINGS = st.sampled_from([{}, {"separators": (",", ":")}, {"indent": 2}])
ODD_SPELLINGS = st.sampled_from([{"ensure_ascii": False}, {"separators": (" , ", " : ")}])


@settings(max_examples=200)
@given(
    members=st.lists(st.tuples(st.sampled_from("abcdefgh"), VALUES), max_size=8),
    spelling=SPELLINGS | ODD_SPELLINGS,
)
def test_repeated_members_are_found_in_any_object(
    members: list[tuple[str, Any]], spelling: Any
) -> None:
    told = ", ".join(f'"{name}":{json.dumps(value, **spelling)}' for name, value in members)
    text = f'[{{"x": {{{told}}}}}]'.encode("utf-8", "backslashreplace")
    names = [name for name, _ in members]
    assert bool(repeated(text)) == (len(set(names)) < len(names))


@settings(max_examples=200)
@given(
    before=st.dictionaries(st.text('ab\\"é', max_size=3), VALUES, max_size=3),
    listed=st.lists(VALUES, max_size=4),
    after=st.dictionaries(st.text("cd", max_size=3), VALUES, max_size=2),
    spelling=SPELLINGS,
)
def test_the_elements_of_a_list_are_found_in_the_text(
    before: Any, listed: list[Any], after: Any, spelling: Any
) -> None:
    value = {**before, "list": listed, **{f"x{name}": each for name, each in after.items()}}
    text = json.dumps(value, **spelling).encode()
    try:
        start, ends = places_of_elements(text, "list")
    except ValueError:
        assert "\\ud" in text.decode()
        return
    assert text[:start].rstrip().endswith(b"[")
    assert len(ends) == len(listed)
    begins = [start, *(end + 1 for end in ends)]
    assert [loads(text[a:b]) for a, b in zip(begins, ends, strict=False)] == listed


@pytest.mark.parametrize("text", ["[]", "{", "{}", '{"list": {}}', '{"lists": [1]}', "", "1"])
def test_where_there_is_no_such_list_none_is_found(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        places_of_elements(text.encode(), "list")
