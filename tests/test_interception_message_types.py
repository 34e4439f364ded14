"""Members of mitmproxy's messages are checked as mitmproxy checks them, and told alike."""

from __future__ import annotations

import pytest
from mitmproxy.http import Headers, RequestData, ResponseData

from interception import message_types

MESSAGE = {
    "http_version": b"HTTP/1.1",
    "headers": Headers(),
    "content": b"",
    "trailers": None,
    "timestamp_start": 1.5,
    "timestamp_end": None,
}
REQUEST = {
    **MESSAGE,
    **{"host": "a.invalid", "port": 80, "method": b"POST", "scheme": b"http"},
    **{"authority": b"", "path": b"/"},
}
RESPONSE = {**MESSAGE, "status_code": 200, "reason": b"OK"}

KINDS = pytest.mark.parametrize(
    ("kind", "members"), [(RequestData, REQUEST), (ResponseData, RESPONSE)]
)
VALUES = [b"x", "x", 7, 7.5, True, None, Headers(), [], {}]


class Own:
    """mitmproxy's own step, and what it was asked."""

    def __init__(self) -> None:
        self.asked: list[object] = []
        self._step = message_types.wrap.own["MessageData.__post_init__"]

    def __call__(self, message) -> None:
        self.asked.append(message)
        self._step(message)


@pytest.fixture
def own(monkeypatch):
    message_types.wrap.install()
    step = Own()
    monkeypatch.setitem(message_types.wrap.own, "MessageData.__post_init__", step)
    yield step
    monkeypatch.undo()
    message_types.wrap.uninstall()


def outcome(kind, members) -> str:
    try:
        return repr(kind(**members))
    except TypeError as exc:
        return f"TypeError: {exc}"


@KINDS
def test_what_fits_is_passed_without_mitmproxys_step(kind, members, own):
    for content in (None, b"x" * 100):
        kind(**{**members, "content": content, "trailers": Headers(), "timestamp_end": 2.5})
    assert own.asked == []


@KINDS
def test_each_member_takes_what_it_took_and_refuses_the_rest_in_the_same_words(kind, members):
    changed = [{**members, name: value} for name in members for value in VALUES]
    theirs = [outcome(kind, each) for each in changed]
    message_types.wrap.install()
    try:
        ours = [outcome(kind, each) for each in changed]
    finally:
        message_types.wrap.uninstall()
    assert ours == theirs
    assert 0 < sum(each.startswith("TypeError") for each in theirs) < len(theirs)


@KINDS
def test_a_whole_number_for_a_time_is_mitmproxys_to_judge(kind, members, own):
    kind(**{**members, "timestamp_start": 1})
    assert len(own.asked) == 1
