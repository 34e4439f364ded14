"""The last of some large things, within bounds."""

from __future__ import annotations

from recording.lately import LARGEST, Lately


def test_the_oldest_make_room_when_there_are_too_many():
    lately = Lately()
    for number in range(10):
        lately.add(number, 1)
    assert list(lately) == [4, 5, 6, 7, 8, 9]


def test_the_oldest_make_room_when_they_are_too_large():
    lately = Lately()
    for number in range(4):
        lately.add(number, LARGEST // 2)
    assert list(lately) == [2, 3]


def test_what_is_too_large_by_itself_costs_nothing_else_its_place():
    lately = Lately()
    lately.add("small", 1)
    lately.add("large", LARGEST + 1)
    assert list(lately) == ["small"]


def test_what_is_taken_out_leaves_its_bytes():
    lately = Lately()
    lately.add("one", LARGEST // 2)
    lately.add("two", LARGEST // 2)
    lately.remove("one")
    lately.add("three", LARGEST // 2)
    assert list(lately) == ["two", "three"]


def test_the_best_is_told_with_its_measure():
    lately = Lately()
    assert lately.best(len) == (None, 0)
    for text in ("", "ab", "abc", "xyz"):
        lately.add(text, 1)
    assert lately.best(len) == ("abc", 3)
    assert lately.best(lambda text: 0) == (None, 0)
