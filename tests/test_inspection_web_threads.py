"""A session's calls as a thread."""

from __future__ import annotations

from inspection.web.threads import lines


def _call(name, parent=None, *, answered=True):
    response = {"response_id": f"answer to {name}"} if answered else None
    parent = parent and f"answer to {parent}"
    return {"request_id": name, "parent_id": parent, "response": response}


def _told(*calls):
    return [(line.depth, line.call["request_id"]) for line in lines([*calls])]


def test_a_conversation_is_one_line():
    told = _told(_call("a"), _call("b", "a"), _call("c", "b"))
    assert told == [(0, "a"), (0, "b"), (0, "c")]


def test_an_earlier_branch_comes_before_what_went_on():
    told = _told(_call("a"), _call("b", "a"), _call("c", "b"), _call("d", "a"), _call("e", "d"))
    assert told == [(0, "a"), (1, "b"), (1, "c"), (0, "d"), (0, "e")]


def test_branches_may_branch():
    told = _told(_call("a"), _call("b", "a"), _call("c", "b"), _call("d", "b"), _call("e", "a"))
    assert told == [(0, "a"), (1, "b"), (2, "c"), (1, "d"), (0, "e")]


def test_who_continues_nothing_that_is_there_begins_anew():
    told = _told(_call("a", "gone"), _call("b", answered=False), _call("c", "a"))
    assert told == [(0, "a"), (0, "c"), (0, "b")]


def test_a_long_thread_is_told_whole():
    calls = [_call("0"), *(_call(str(number), str(number - 1)) for number in range(1, 5000))]
    assert len(_told(*calls)) == 5000
