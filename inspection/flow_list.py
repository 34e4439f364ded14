"""The flow list of mitmweb and mitmproxy: what it shows of a flow, and how long it gets.

Both keep every flow with its bodies for ever and have no limit of their own. What the database
holds need not be in the list as well.
"""

from __future__ import annotations

from typing import Any

from inspection.contentviews import METADATA


def show_comments(options: Any) -> None:
    """Adds the comment to the columns of mitmweb's list, unless the user chose the columns."""
    if "web_columns" in options and not options.has_changed("web_columns"):
        options.update(web_columns=[*options.web_columns, "comment"])


def leave_out(master: Any, flow: Any) -> None:
    """Takes a flow that is over out of the list: one that is no call, but a look at the record."""
    view = getattr(master, "view", None)
    if view is not None and not flow.live:
        view.remove([flow])


def trim(master: Any, limit: int) -> None:
    """Takes the oldest recorded flows out of the list, so that `limit` of them are left.

    Flows that still run, that a person marked, or that are not recorded stay and are not
    counted. Does nothing where there is no list, as in mitmdump, or no limit: 0.
    """
    view = getattr(master, "view", None)
    # Looking at every flow after every call would cost more than the call: a tenth may pile up.
    if view is None or not limit or view.store_count() <= limit + limit // 10:
        return
    # `view` itself leaves out what the person's filter hides; only the store has every flow.
    leaving = [flow for flow in view._store.values() if _may_leave(flow)]
    for flow in leaving[: max(len(leaving) - limit, 0)]:
        # One at a time: several at once are announced to the person as an event.
        view.remove([flow])


def _may_leave(flow: Any) -> bool:
    return METADATA in flow.metadata and not flow.live and not flow.marked
