"""How much two texts have in common at their beginning, or at their end.

A client sends its whole history with every call, and whoever remembers something of the last one
asks how much of it is here again: who reads the body, who seeks keys in it, who writes it. To
compare 400 KB takes little time by itself, but drives everything else out of the processor's
caches, so a long pair is compared once.
"""

from __future__ import annotations

from collections.abc import Callable
from threading import Lock

from recording.lately import LONG

MOST_BYTES = 32 << 20
"""What the texts of the pairs take together, one in several pairs counted for each."""

_FIRST_BLOCK = 256
_BLOCK = 64 << 10
"""Bytes compared at once."""

_Pair = tuple[bytes, bytes, int]

_pairs: dict[tuple[int, int], _Pair] = {}
"""By the addresses of both, which are theirs for as long as the pair is kept."""
_kept_bytes = 0
_lock = Lock()
"""The loop's thread and the writer's remember pairs."""


def common_start(text: bytes, other: bytes) -> int:
    """How many bytes both texts begin with."""
    pair = _pairs.get((id(text), id(other)))
    if pair is not None:
        return pair[2]
    view, most = memoryview(other), min(len(text), len(other))
    same = _common(most, lambda at, size: text.startswith(view[at : at + size], at))
    note_common_start(text, other, same)
    return same


def note_common_start(text: bytes, other: bytes, same: int) -> None:
    """Remembers how many bytes two texts begin with at least, if they are `LONG` or more."""
    global _kept_bytes
    size = len(text) + len(other)
    if same < LONG or size > MOST_BYTES:
        return
    with _lock:
        key = (id(text), id(other))
        if key not in _pairs:
            _kept_bytes += size
        _pairs[key] = (text, other, same)
        while _kept_bytes > MOST_BYTES:
            first, second, _ = _pairs.pop(next(iter(_pairs)))
            _kept_bytes -= len(first) + len(second)


def common_end(text: bytes, other: bytes, most: int) -> int:
    """How many bytes both texts end with; no more than `most` are looked at."""
    view, length, others = memoryview(other), len(text), len(other)
    return _common(
        min(most, length, others),
        lambda at, size: text.endswith(view[others - at - size : others - at], 0, length - at),
    )


def _common(most: int, holds: Callable[[int, int], bool]) -> int:
    """How far two texts are the same, where `holds` compares so many bytes from a place on.

    Most texts part early, so few are compared at first.
    """
    same, size, growth = 0, _FIRST_BLOCK, 4
    while size and same < most:
        step = min(size, most - same)
        if holds(same, step):
            same += step
            size = min(size * growth, _BLOCK)
        else:
            size, growth = step // 2, 1
    return same
