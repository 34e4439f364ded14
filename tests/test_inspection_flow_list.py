"""The flow list of mitmweb: its comment column, and its length."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from inspection import flow_list
from inspection.contentviews import METADATA
from inspection.flow_list import FlowList, show_comments
from tests.mitmproxy_parts import View, WebAddon, options, tflow


def recorded(said=b""):
    """A finished flow that the addon recorded."""
    flow = tflow.tflow(resp=True)
    flow.response.content = said
    flow.live = False
    flow.metadata[METADATA] = {}
    return flow


def listed(*flows):
    """mitmweb's master, as far as the list goes, with these flows in it."""
    view = View()
    view.add(flows)
    return SimpleNamespace(view=view)


def trim(master, limit):
    """Trims the list once, after the last of its flows."""
    store = [*master.view._store.values()] if hasattr(master, "view") else [recorded()]
    FlowList().trim(master, limit, store[-1])


def flows_in(master):
    """The flows in the list, oldest first."""
    return list(master.view._store.values())


def test_the_oldest_recorded_flows_leave_first():
    flows = [recorded() for _ in range(5)]
    master = listed(*flows)
    trim(master, 2)
    assert flows_in(master) == flows[3:]


def test_without_a_limit_all_flows_stay():
    flows = [recorded() for _ in range(5)]
    master = listed(*flows)
    trim(master, 0)
    assert flows_in(master) == flows


@pytest.mark.parametrize(
    "change",
    [
        lambda flow: setattr(flow, "live", True),
        lambda flow: setattr(flow, "marked", ":star:"),
        lambda flow: flow.metadata.clear(),
    ],
    ids=["running", "marked", "not_recorded"],
)
def test_a_flow_that_may_be_missed_stays_and_is_not_counted(change):
    kept, *flows = [recorded() for _ in range(4)]
    change(kept)
    master = listed(kept, *flows)
    trim(master, 2)
    assert flows_in(master) == [kept, *flows[1:]]


def test_flows_hidden_by_a_filter_leave_too():
    flows = [recorded() for _ in range(3)]
    master = listed(*flows)
    master.view.set_filter(lambda flow: False)
    trim(master, 1)
    assert flows_in(master) == flows[2:]


def test_a_tenth_more_than_the_limit_may_pile_up():
    master = listed(*[recorded() for _ in range(22)])
    trim(master, 20)
    assert len(flows_in(master)) == 22


@pytest.fixture
def narrow(monkeypatch):
    """A list of ten thousand bytes."""
    monkeypatch.setattr(flow_list, "LARGEST_LIST", 10_000)


def test_the_oldest_leave_where_the_rest_is_large(narrow):
    flows = [recorded(b"x" * 4_000) for _ in range(5)]
    master = listed(*flows)
    trim(master, 100)
    assert flows_in(master) == flows[3:]


def test_the_latest_stays_however_large(narrow):
    flows = [recorded(b"x" * 20_000) for _ in range(2)]
    master = listed(*flows)
    trim(master, 100)
    assert flows_in(master) == flows[1:]


def test_the_bodies_that_only_the_addon_keeps_count_too(narrow):
    flows = [recorded() for _ in range(3)]
    for flow in flows:
        flow.metadata[METADATA] = {"client_request": b"x" * 4_000, "model": "gpt"}
    master = listed(*flows)
    trim(master, 100)
    assert flows_in(master) == flows[1:]


def test_flows_are_looked_at_once_for_many_small_calls(narrow):
    master, trimmed = listed(*[recorded(b"x" * 8_000) for _ in range(2)]), FlowList()
    for number in range(1, 11):
        small = recorded(b"x" * 100)
        master.view.add([small])
        trimmed.trim(master, 100, small)
        assert len(flows_in(master)) == 2 + number if number < 10 else 11


def test_a_proxy_without_a_list_is_left_alone():
    trim(SimpleNamespace(), 1)


def web_options():
    """The options of mitmweb."""
    web = options.Options()
    WebAddon().load(SimpleNamespace(add_option=web.add_option))
    return web


def test_mitmweb_shows_the_comment_beside_its_own_columns():
    web = web_options()
    usual = list(web.web_columns)
    show_comments(web)
    assert web.web_columns == [*usual, "comment"]


def test_columns_that_the_user_chose_are_kept():
    web = web_options()
    web.update(web_columns=["path"])
    show_comments(web)
    assert web.web_columns == ["path"]


def test_a_proxy_without_columns_is_left_alone():
    plain = options.Options()
    show_comments(plain)
    assert "web_columns" not in plain
