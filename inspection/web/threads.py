"""A session's calls as a thread: what goes on from what, and where it branches."""

from __future__ import annotations

from dataclasses import dataclass

from transforms.contract import JSON


@dataclass(frozen=True, slots=True)
class Line:
    """One call; `depth` counts the branches that lead to it."""

    depth: int
    call: JSON


def lines(calls: list[JSON]) -> list[Line]:
    """The calls, oldest first in each branch: a branch before what goes on at its fork.

    `calls` are in the order of time. Who continues an answer that is not among them, or none,
    begins a thread.
    """
    answers = {call["response"]["response_id"]: call for call in calls if call["response"]}
    following: dict[str | None, list[JSON]] = {}
    for call in calls:
        parent = call["parent_id"] if call["parent_id"] in answers else None
        following.setdefault(parent, []).append(call)
    # Not by recursion: a thread may have more calls than Python has room for frames.
    waiting = [Line(0, call) for call in reversed(following.get(None, []))]
    ordered: list[Line] = []
    while waiting:
        line = waiting.pop()
        ordered.append(line)
        answer = line.call["response"]
        after = following.get(answer["response_id"], []) if answer else []
        # The latest goes on at this depth, after the earlier ones have been told.
        branches = [Line(line.depth + 1, call) for call in after[:-1]]
        waiting += [*(Line(line.depth, call) for call in after[-1:]), *reversed(branches)]
    return ordered
