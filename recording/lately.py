"""Large things used last: a few of them, and never more bytes than they may take together."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from typing import Generic, TypeVar

LONG = 64 << 10
"""Bytes of a body from which on it is worth remembering."""

LARGEST = 16 << 20
"""Bytes that the remembered things of one kind may take together."""

_MOST = 6

Item = TypeVar("Item")


class Lately(Generic[Item]):
    """The things added last; the oldest make room for the newest."""

    def __init__(self, most: int = _MOST) -> None:
        """Keeps so many, if there is room for them."""
        self._most = most
        self._kept: deque[tuple[Item, int]] = deque()
        self._size = 0

    def __iter__(self) -> Iterator[Item]:
        return iter([item for item, _ in self._kept])

    def best(self, measure: Callable[[Item], int]) -> tuple[Item | None, int]:
        """The one of which a measure is largest, and how much; None where there is nothing."""
        best: tuple[Item | None, int] = None, 0
        for item in self:
            measured = measure(item)
            if measured > best[1]:
                best = item, measured
        return best

    def add(self, item: Item, size: int) -> None:
        """Adds a thing that takes so many bytes; one that takes too many is not kept."""
        if size > LARGEST:
            return
        self._kept.append((item, size))
        self._size += size
        while self._size > LARGEST or len(self._kept) > self._most:
            self._size -= self._kept.popleft()[1]

    def remove(self, item: Item) -> None:
        """Takes a thing out, so that another takes its place."""
        self._kept = deque(each for each in self._kept if each[0] is not item)
        self._size = sum(size for _, size in self._kept)
