"""The types of what a request or a response is made of, checked at little cost.

mitmproxy judges each member of each message that it makes by raising and catching exceptions, a
dozen for a call, unless Python runs without its asserts. That takes about 0.1 ms of every call, and
three quarters of what the garbage collector has to find after it hang on those exceptions. Here a
member that is plainly of its type is passed at once; all else is mitmproxy's to judge.
"""

from __future__ import annotations

from dataclasses import fields
from functools import cache
from typing import Any, get_args

from mitmproxy import http

from interception.wrapping import Wrap

message_layer: Any = http
"""mitmproxy's inside, of which types promise nothing."""

_STEP = "MessageData.__post_init__"


def _check(message: Any) -> None:
    """mitmproxy's own step, where anything could be amiss."""
    kind: Any = type(message)
    for name, types in _members(kind):
        if not isinstance(getattr(message, name), types):
            wrap.own[_STEP](message)
            return


@cache
def _members(kind: Any) -> list[tuple[str, tuple[Any, ...]]]:
    """The names of the members, and the types that each may be of."""
    return [(field.name, get_args(field.type) or (field.type,)) for field in fields(kind)]


wrap = Wrap(
    message_layer,
    # Without asserts there is no such step.
    {_STEP: _check} if __debug__ else {},
    needs=("typecheck",),
    unknown="checks its messages in a way Diptych does not know; each call takes about a tenth of "
    "a millisecond more than it has to.",
)
