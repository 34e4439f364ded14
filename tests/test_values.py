"""Values that may be of any type."""

from __future__ import annotations

import pytest

from transforms.values import count, member, text_of


@pytest.mark.parametrize(
    ("value", "counted"), [(7, 7), (0, 0), (7.0, 7), (True, None), ("7", None), (None, None)]
)
def test_a_number_is_a_count(value: object, counted: int | None) -> None:
    assert count(value) == counted


@pytest.mark.parametrize(
    ("value", "found"), [({"a": 1}, 1), ({}, None), ([], None), ("a", None), (None, None)]
)
def test_a_member_is_looked_for_in_objects_alone(value: object, found: int | None) -> None:
    assert member(value, "a") == found


@pytest.mark.parametrize(("value", "text"), [("a", "a"), ("", None), (1, None), (None, None)])
def test_an_empty_text_is_none(value: object, text: str | None) -> None:
    assert text_of(value) == text
