"""Two panels of one exchange side by side, message by message.

The formats cut a conversation differently: one puts several results into one message, another
makes three items of one answer. What belongs together is told by the lines that both say.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from dataclasses import dataclass, field

from inspection.conversation import render

_HEADING = re.compile(r"^── (.*) ──$", re.MULTILINE)
_TELLING = 3
"""Characters of a line that tell anything; a brace is said everywhere."""


@dataclass(frozen=True, slots=True)
class Section:
    """A message of a panel, or what stands before or after the messages."""

    title: str
    text: str

    def lines(self) -> set[str]:
        """What it says, wherever the format puts it."""
        stripped = (line.strip() for line in self.text.split("\n"))
        return {line for line in stripped if len(line) >= _TELLING}


@dataclass(slots=True)
class Row:
    """Sections that stand beside each other."""

    left: list[Section] = field(default_factory=list)
    right: list[Section] = field(default_factory=list)


def sections(body: str | None) -> list[Section]:
    """A body as its messages, safe to show once it is escaped."""
    if body is None:
        return []
    # What a client or a model said is indented, so no text can pass for a heading.
    first, *rest = _HEADING.split(render(body))
    head = [Section("", first.strip("\n"))] if first.strip() else []
    return head + [
        Section(title, text.strip("\n")) for title, text in zip(rest[::2], rest[1::2], strict=True)
    ]


def paired(left: list[Section], right: list[Section]) -> list[Row]:
    """Both panels in their order; sections that share a line stand in one row."""
    places = _places(right)
    rows: list[Row] = []
    taken = 0
    for number, section in enumerate(left):
        found = _found(section, number, places, max(taken - 1, 0))
        if found is None:
            rows.append(Row([section]))
        elif found < taken:
            _add_to_last(rows, section)
        else:
            rows += [Row(right=[each]) for each in right[taken:found]]
            rows.append(Row([section], [right[found]]))
            taken = found + 1
        if found is not None:
            taken = _take_parts(section, right, taken, rows[-1])
    rows += [Row(right=[each]) for each in right[taken:]]
    return _joined(rows)


def _places(right: list[Section]) -> dict[str, list[int]]:
    """Line -> the sections that say it, in order."""
    places: dict[str, list[int]] = {}
    for number, section in enumerate(right):
        for line in section.lines():
            places.setdefault(line, []).append(number)
    return places


def _found(section: Section, number: int, places: dict[str, list[int]], start: int) -> int | None:
    """The first section from `start` on that says the same; the first ones of both panels always
    belong together."""
    if number == 0:
        return 0 if places else None
    candidates = []
    for line in section.lines():
        numbers = places.get(line, [])
        place = bisect_left(numbers, start)
        candidates += numbers[place : place + 1]
    return min(candidates, default=None)


def _add_to_last(rows: list[Row], section: Section) -> None:
    """Adds a section to the row that it shares a message with, and what came between them."""
    between: list[Section] = []
    while not rows[-1].right:
        between = rows.pop().left + between
    rows[-1].left += [*between, section]


def _take_parts(section: Section, right: list[Section], taken: int, row: Row) -> int:
    """Takes the sections that follow, as long as they say what this one says, too."""
    said = section.lines()
    while taken < len(right) and said & right[taken].lines():
        row.right.append(right[taken])
        taken += 1
    return taken


def _joined(rows: list[Row]) -> list[Row]:
    """A row with nothing on the right and the next with nothing on the left become one."""
    joined: list[Row] = []
    for row in rows:
        last = joined[-1] if joined else None
        if last and last.left and not last.right and row.right and not row.left:
            last.right += row.right
        else:
            joined.append(row)
    return joined
