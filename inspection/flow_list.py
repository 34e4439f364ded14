"""The flow list of mitmweb and mitmproxy: what it shows of a flow, and how long it gets.

Both keep every flow with its bodies for ever and have no limit of their own. What the database
holds need not be in the list as well.
"""

from __future__ import annotations

from itertools import accumulate
from typing import Any

from inspection.contentviews import METADATA

LARGEST_LIST = 128 << 20
"""Bytes of bodies in the list."""


def show_comments(options: Any) -> None:
    """Adds the comment to the columns of mitmweb's list, unless the user chose the columns."""
    if "web_columns" in options and not options.has_changed("web_columns"):
        options.update(web_columns=[*options.web_columns, "comment"])


def leave_out(master: Any, flow: Any) -> None:
    """Takes a flow that is over out of the list: one that is no call, but a look at the record."""
    view = getattr(master, "view", None)
    if view is not None and not flow.live:
        view.remove([flow])


class FlowList:
    """Takes the oldest recorded flows out of the list, so that neither too many are left nor too
    many bytes.

    Flows that still run, that a person marked, or that are not recorded stay and are not counted.
    Does nothing where there is no list, as in mitmdump.
    """

    def __init__(self) -> None:
        self._added = 0
        """Bytes of the flows that ended since all were looked at."""

    def trim(self, master: Any, limit: int, ended: Any) -> None:
        """Leaves `limit` recorded flows and `LARGEST_LIST` bytes, now that one more has ended; 0 is
        no limit."""
        view = getattr(master, "view", None)
        if view is None or not limit:
            return
        self._added += _weight(ended)
        # Looking at every flow after every call would cost more than the call: a tenth may pile up.
        too_many = view.store_count() > limit + limit // 10
        if not too_many and self._added <= LARGEST_LIST // 10:
            return
        self._added = 0
        # `view` itself leaves out what the person's filter hides; only the store has every flow.
        recorded = [flow for flow in view._store.values() if _may_leave(flow)]
        for flow in recorded[: len(recorded) - _staying(recorded, limit)]:
            # One at a time: several at once are announced to the person as an event.
            view.remove([flow])


def _staying(flows: list[Any], limit: int) -> int:
    """How many of the flows stay, the latest of them; one does, however large."""
    weights = accumulate(_weight(flow) for flow in reversed(flows[-limit:]))
    return max(sum(weight <= LARGEST_LIST for weight in weights), min(len(flows), 1))


def _weight(flow: Any) -> int:
    """Bytes of the bodies that a flow holds, each once."""
    messages = [message for message in (flow.request, flow.response) if message is not None]
    held = [message.raw_content for message in messages]
    held += flow.metadata.get(METADATA, {}).values()
    return sum({id(body): len(body) for body in held if isinstance(body, bytes)}.values())


def _may_leave(flow: Any) -> bool:
    return METADATA in flow.metadata and not flow.live and not flow.marked
