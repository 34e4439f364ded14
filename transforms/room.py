"""What is kept of a streamed answer, and what is remembered of it, however long it goes on.

A provider may never come to an end. Its client is told all the same, so what is needed for telling
has a bound in numbers, and what is kept for the record and for the end of the answer one in bytes.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Mapping
from typing import TypeVar

LARGEST_ANSWER = 64 << 20
"""Bytes of a provider's events that are kept of one answer, and what keeping its parts takes."""

_PART = 1024
"""Bytes that a choice, a call or a block takes beside its text."""

MOST_PARTS = 1024
"""Parts of one kind - choices, calls, blocks - that a stream may go on with at any time."""

_T = TypeVar("_T")
_K = TypeVar("_K")


class Room:
    """What is left for the record of one answer; of one without end, its beginning is kept."""

    def __init__(self) -> None:
        self.is_full = False
        """Nothing more is kept. What comes is passed on all the same."""
        self._taken = 0

    def take(self, size: int = _PART) -> None:
        """Takes so much for what the provider says, or for one more part of it."""
        self._taken += size
        if self._taken > LARGEST_ANSWER:
            self.is_full = True


class Pieces(list[_T]):
    """What comes of an answer piece by piece, as far as there is room."""

    def __init__(self, room: Room) -> None:
        super().__init__()
        self._room = room

    def append(self, piece: _T) -> None:
        """Keeps the piece. An empty text is none."""
        if piece != "" and not self._room.is_full:
            super().append(piece)

    def extend(self, pieces: Iterable[_T]) -> None:
        """Keeps the pieces, or none of them."""
        if not self._room.is_full:
            super().extend(piece for piece in pieces if piece != "")


class Parts(list[_T]):
    """The parts of an answer, each of which takes room of its own."""

    def __init__(self, room: Room) -> None:
        super().__init__()
        self._room = room

    def append(self, part: _T) -> None:
        """Keeps the part, if there is room."""
        self._room.take()
        if not self._room.is_full:
            super().append(part)


class Latest(OrderedDict[_K, _T]):
    """The parts that a stream may go on with: of an endless number, the latest."""

    def put(self, key: _K, part: _T) -> list[_T]:
        """Adds a part; gives the one that is forgotten for it, if there must be one."""
        self[key] = part
        return [self.popitem(last=False)[1]] if len(self) > MOST_PARTS else []


def take_in(kept: dict[_K, _T], told: Mapping[_K, _T]) -> None:
    """Replaces fields by what was told last, and adds new ones while they are not too many."""
    for name, value in told.items():
        if name in kept or len(kept) < MOST_PARTS:
            kept[name] = value
