"""How much two texts have in common."""

from __future__ import annotations

from itertools import takewhile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recording import alike
from recording.alike import common_end, common_start, note_common_start
from recording.lately import LONG

_BYTES = st.text("aé", max_size=40).map(str.encode)


@given(_BYTES, _BYTES, _BYTES, st.integers(0, 80))
def test_what_two_texts_begin_and_end_with_is_told(shared, one, other, most):
    with pytest.MonkeyPatch.context() as smaller:
        smaller.setattr(alike, "_FIRST_BLOCK", 2)
        smaller.setattr(alike, "_BLOCK", 4)
        start = common_start(shared + one, shared + other)
        end = common_end(one + shared, other + shared, most)
    assert start == _exact(shared + one, shared + other)
    assert end == min(_exact((one + shared)[::-1], (other + shared)[::-1]), most)


def _exact(one, other):
    pairs = zip(one, other, strict=False)
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))


def _long_pair(number):
    shared = b"x" * LONG
    return shared + b"one %d" % number, shared + b"other %d" % number


def test_a_long_pair_is_compared_once(monkeypatch):
    one, other = _long_pair(1)
    assert common_start(one, other) == LONG + 1
    monkeypatch.setattr(alike, "_common", None)
    assert common_start(one, other) == LONG + 1


def test_who_made_one_text_of_another_may_tell(monkeypatch):
    one, other = _long_pair(2)
    note_common_start(one, other, LONG)
    monkeypatch.setattr(alike, "_common", None)
    assert common_start(one, other) == LONG


def test_equal_texts_elsewhere_are_another_pair():
    one, other = _long_pair(3)
    note_common_start(one, other, LONG)
    assert common_start(bytes(bytearray(one)), other) == LONG + 1


def test_pairs_have_a_limit_in_bytes(monkeypatch):
    monkeypatch.setattr(alike, "MOST_BYTES", 10 * LONG)
    for number in range(100):
        one, other = _long_pair(number)
        assert common_start(one, other) == LONG + 1
    assert _kept() <= 10 * LONG


def test_the_longer_of_a_pair_counts_whichever_it_is(monkeypatch):
    monkeypatch.setattr(alike, "MOST_BYTES", 100 * LONG)
    for number in range(100):
        one, other = _long_pair(number)
        common_start(one, other + b"y" * 10 * LONG)
    assert _kept() <= 100 * LONG


def _kept():
    return sum(len(one) + len(other) for one, other, _ in alike._pairs.values())


def test_short_pairs_are_not_kept():
    before = len(alike._pairs)
    assert common_start(b"abc", b"abd") == 2
    assert len(alike._pairs) == before
