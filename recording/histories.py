"""Long conversations written lately: the next call mostly begins like one of them.

What a body begins with, and was written before, need not be read again: writing goes on with the
node after the last element that both have.
"""

from __future__ import annotations

import sys
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from recording.alike import common_start
from recording.cutting import Segment
from recording.lately import LONG, Lately

_LONGEST = 2 << 20

_ELEMENT_BYTES = 80
"""What the two numbers that are kept of an element take."""

_COPIES = 3
"""What stands around a conversation is kept cut, joined by segments, and as a whole."""


@dataclass(frozen=True)
class History:
    """A body as it was written."""

    body: bytes
    before: Sequence[Segment]
    """What stands before the conversation."""
    after: Sequence[Segment]
    """What stands after it."""
    ends: Sequence[int]
    """For each element of the conversation, the byte after it."""
    nodes: Sequence[int]
    """For each element of the conversation, its node."""

    @property
    def segment(self) -> int:
        """The position of the conversation among the segments."""
        return len(self.before)

    @cached_property
    def head(self) -> bytes:
        """All before the conversation."""
        return b"".join(segment.text for segment in self.before)

    @cached_property
    def tail(self) -> bytes:
        """All after it."""
        return b"".join(segment.text for segment in self.after)

    @property
    def size(self) -> int:
        """The bytes it takes in memory, about."""
        around = _COPIES * (len(self.head) + len(self.tail))
        return sys.getsizeof(self.body) + around + _ELEMENT_BYTES * len(self.ends)


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of a body that begins like another."""

    history: History
    elements: int
    """How many of the conversation's elements both have."""

    @property
    def end(self) -> int:
        """The byte after them."""
        return self.history.ends[self.elements - 1]

    @property
    def node(self) -> int:
        """The node after them."""
        return self.history.nodes[self.elements - 1]


class Histories:
    """The bodies written lately, for each of the four kinds."""

    def __init__(self) -> None:
        self._histories: defaultdict[str, Lately[History]] = defaultdict(Lately)

    def clear(self) -> None:
        """Forgets all of them."""
        self._histories.clear()

    def find(self, panel: str, body: bytes) -> Known | None:
        """The history that shares most with a body, if one shares an element at all."""
        best: Known | None = None
        if len(body) < LONG:
            return None
        for history in self._histories[panel]:
            elements = bisect_right(history.ends, common_start(body, history.body))
            # After the last element of a list there is no comma.
            while elements and not body.startswith(b",", history.ends[elements - 1]):
                elements -= 1
            if elements and (best is None or history.ends[elements - 1] > best.end):
                best = Known(history, elements)
        return best

    def remember(
        self,
        panel: str,
        body: bytes,
        segments: Sequence[Segment],
        conversation: int,
        nodes: Sequence[int],
        known: Known | None,
    ) -> None:
        """Keeps a body, in place of the one it goes on from.

        `conversation` is the position of a segment, and `nodes` are those of its elements; both
        lack what is known.
        """
        if not LONG <= len(body) <= _LONGEST:
            return
        ends: list[int] = []
        numbers: list[int] = []
        if known is not None:
            history = known.history
            self._histories[panel].remove(history)
            ends, numbers = [*history.ends[: known.elements]], [*history.nodes[: known.elements]]
        before, after = segments[:conversation], segments[conversation + 1 :]
        end = ends[-1] if ends else sum(len(segment.text) for segment in before)
        for element in segments[conversation]:
            end += len(element)
            ends.append(end)
        newest = History(body, before, after, ends, [*numbers, *nodes])
        self._histories[panel].add(newest, newest.size)


def conversation_in(segments: Sequence[Segment]) -> int:
    """The position of the segment that is taken for the conversation: the longest one, but for
    what a body begins with."""
    sizes = [sum(map(len, segment)) for segment in segments]
    return max(range(len(segments)), key=lambda place: (place > 0, sizes[place]))
