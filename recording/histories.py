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

from recording.bodies import common_start
from recording.cutting import Segment
from recording.lately import Lately

SHORTEST = 64 << 10
"""Characters of a body that is worth remembering."""

_LONGEST = 2 << 20

_ELEMENT_BYTES = 80
"""What the two numbers that are kept of an element take."""


@dataclass(frozen=True, slots=True)
class History:
    """A body as it was written."""

    body: str
    head: bytes
    """All before the conversation."""
    segment: int
    """The position of the conversation among the segments."""
    ends: Sequence[int]
    """For each element of the conversation, the character after it."""
    nodes: Sequence[int]
    """For each element of the conversation, its node."""

    @property
    def size(self) -> int:
        """The bytes it takes in memory, about."""
        return sys.getsizeof(self.body) + len(self.head) + _ELEMENT_BYTES * len(self.ends)


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of a body that begins like another."""

    history: History
    elements: int
    """How many of the conversation's elements both have."""

    @property
    def end(self) -> int:
        """The character after them."""
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

    def find(self, panel: str, body: str) -> Known | None:
        """The history that shares most with a body, if one shares an element at all."""
        best: Known | None = None
        if len(body) < SHORTEST:
            return None
        for history in self._histories[panel]:
            elements = bisect_right(history.ends, common_start(body, history.body))
            # After the last element of a list there is no comma.
            while elements and not body.startswith(",", history.ends[elements - 1]):
                elements -= 1
            if elements and (best is None or history.ends[elements - 1] > best.end):
                best = Known(history, elements)
        return best

    def remember(
        self,
        panel: str,
        body: str,
        segments: Sequence[Segment],
        nodes: Sequence[Sequence[int]],
        known: Known | None,
    ) -> None:
        """Keeps a body, in place of the one it goes on from.

        `nodes` are those of the segments' elements; both lack what is known.
        """
        if not SHORTEST <= len(body) <= _LONGEST:
            return
        if known is not None:
            history = known.history
            self._histories[panel].remove(history)
            segment, head = history.segment, history.head
            ends, before = [*history.ends[: known.elements]], history.nodes[: known.elements]
        else:
            sizes = [sum(map(len, each)) for each in segments]
            segment = max(range(len(segments)), key=lambda each: (each > 0, sizes[each]))
            head = b"".join(element for each in segments[:segment] for element in each)
            ends, before = [], []
        end = ends[-1] if ends else len(head.decode())
        for element in segments[segment]:
            end += len(element.decode())
            ends.append(end)
        newest = History(body, head, segment, ends, [*before, *nodes[segment]])
        self._histories[panel].add(newest, newest.size)
