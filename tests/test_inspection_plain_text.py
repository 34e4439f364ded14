"""Hostile characters, sizes, numbers, and JSON without base64."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inspection.plain_text import (
    base64_size,
    compact,
    grouped,
    neutralise,
    one_line,
    size,
    split_data_uri,
    without_data_uris,
    wrapped,
)


@pytest.mark.parametrize(
    ("hostile", "shown"),
    [
        pytest.param("\x1b[2J", "\\x1b[2J", id="escape_sequence"),
        pytest.param("\x9b31m", "\\x9b31m", id="c1_control"),
        pytest.param("\x07\x08\x7f", "\\x07\\x08\\x7f", id="bell_backspace_delete"),
        pytest.param("safe\rfake", "safe\\rfake", id="carriage_return"),
        pytest.param("a\u202eb\u2066c\u200fd", "a\\u202eb\\u2066c\\u200fd", id="bidi"),
        pytest.param("a\u2028b", "a\\u2028b", id="line_separator"),
        pytest.param("a\u200bb\ufeffc", "a\\u200bb\\ufeffc", id="invisible"),
        pytest.param("\U000e0041", "\\U000e0041", id="tag_characters"),
        pytest.param("\ud83d!", "\\ud83d!", id="lone_surrogate"),
    ],
)
def test_hostile_characters_are_shown_as_escapes(hostile, shown):
    assert neutralise(hostile) == shown


@pytest.mark.parametrize(
    "harmless",
    ["tab\tand\nnewline", "Größe 中文 العربية", "👩\u200d👧", "می\u200cخواهم"],
    ids=["white_space", "scripts", "joined_emoji", "persian"],
)
def test_what_people_write_is_left_alone(harmless):
    assert neutralise(harmless) == harmless


def test_line_ends_of_windows_are_plain_line_ends():
    assert neutralise("a\r\nb") == "a\nb"


@given(st.text(alphabet=st.characters(codec=None)))
@settings(max_examples=100)
def test_any_text_can_be_printed(text):
    assert not any(ord(char) < 32 and char not in "\t\n" for char in neutralise(text))
    neutralise(text).encode()


@pytest.mark.parametrize(
    ("value", "line"),
    [
        ("a\nb\rc", "a\\nb\\rc"),
        ({"a": [1, "é"]}, '{"a": [1, "é"]}'),
        (None, "null"),
    ],
    ids=["text", "json", "null"],
)
def test_a_value_fits_on_one_line(value, line):
    assert one_line(value) == line


@pytest.mark.parametrize(
    ("number", "text"),
    [(0, "0"), (999, "999"), (1234, "1 234"), (1234567, "1 234 567"), (1234.5, "1 234.5")],
)
def test_thousands_stand_apart(number, text):
    assert grouped(number) == text


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1.0 kB"),
        (34_400, "34 kB"),
        (999_400, "999 kB"),
        (1_234_567, "1.2 MB"),
    ],
)
def test_sizes_are_for_people(count, text):
    assert size(count) == text


@pytest.mark.parametrize(("text", "count"), [("", 0), ("QQ==", 1), ("QUI=", 2), ("QUJD", 3)])
def test_the_size_of_base64_is_that_of_its_bytes(text, count):
    assert base64_size(text) == count


@pytest.mark.parametrize(
    ("uri", "parts"),
    [
        ("data:image/png;base64,QUJD", ("image/png", "QUJD")),
        ("data:text/plain;charset=utf-8;base64,QUJD", ("text/plain", "QUJD")),
        ("data:;base64,QUJD", ("text/plain", "QUJD")),
        ("https://example.com/a.png", None),
    ],
    ids=["image", "with_parameter", "without_type", "address"],
)
def test_data_uris_come_apart(uri, parts):
    assert split_data_uri(uri) == parts


def test_a_data_uri_within_a_text_becomes_its_type_and_size():
    text = "see ![x](data:image/png;base64,QUJDREVG) here"
    assert without_data_uris(text) == "see ![x]([image/png · 6 B]) here"


def test_base64_in_json_becomes_its_size_and_short_words_stay():
    value = {"signature": "A" * 400, "id": "abc", "n": [True, 1.5]}
    assert compact(value) == '{"signature": "[base64 · 300 B]", "id": "abc", "n": [true, 1.5]}'


def test_a_long_text_that_was_shown_is_not_repeated():
    thought = "I should look at the weather in Paris before I answer."
    assert compact([thought, "no"], shown=f"{thought}\nThen") == '["[as above]", "no"]'


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("short", ["short"]),
        ("", [" "]),
        ("  one two three four", ["  one two", "  three", "  four"]),
        ("(one two three)", ["(one two", "  three)"]),
        ("  " + "中" * 12, ["  " + "中" * 8, "  " + "中" * 4]),
    ],
    ids=["short", "empty", "indented", "of_ours", "without_spaces"],
)
def test_lines_are_wrapped_and_never_go_on_in_the_first_column(text, lines):
    assert wrapped(text, 10).split("\n") == lines
