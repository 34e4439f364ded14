"""What is read from mitmproxy's flows."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mitmproxy.http import Request

from interception.messages import (
    LONGEST_LIST,
    PRIVATE_HEADER,
    is_local,
    json_or_text,
    listed,
    may_fetch_from_private,
    redirect,
    response,
)
from tests.mitmproxy_parts import tflow

PEERS = {
    ("127.0.0.1", 5000): True,
    ("127.1.2.3", 5000): True,
    ("::1", 5000, 0, 0): True,
    ("::ffff:127.0.0.1", 5000, 0, 0): True,
    ("192.168.1.2", 5000): False,
    ("fe80::1%eth0", 5000, 0, 2): False,
    None: False,
}


@pytest.mark.parametrize(("peer", "local"), PEERS.items())
def test_a_client_is_local_by_the_address_it_comes_from(peer, local):
    flow = tflow.tflow()
    flow.client_conn.peername = peer
    assert is_local(flow) is local


@pytest.mark.parametrize(
    ("peer", "asked", "allowed"),
    [
        ("127.0.0.1", "allow", True),
        ("127.0.0.1", "Allow", True),
        ("127.0.0.1", "yes", False),
        ("127.0.0.1", "", False),
        ("192.168.1.2", "allow", False),
    ],
)
def test_private_addresses_are_for_clients_that_could_reach_them(peer, asked, allowed):
    flow = tflow.tflow()
    flow.client_conn.peername = (peer, 5000)
    assert may_fetch_from_private(flow, {PRIVATE_HEADER: asked}) is allowed


@pytest.mark.parametrize(
    ("names", "told"),
    [
        (["seed", "messages[].content[].image_url.detail"], None),
        (["a\r\nx-evil: 1", "a\0b"], "a%0D%0Ax-evil:%201, a%00b"),
        (["50%", "a,b", " ", ""], '50%25, a%2Cb, %20, ""'),
        (["é", "😀", "\ud800"], "%C3%A9, %F0%9F%98%80, %ED%A0%80"),
        (["k" * 100, "k" * 101, "é" * 200], f"{'k' * 100}, {'k' * 100}..., {'%C3%A9' * 100}..."),
    ],
)
def test_any_name_has_a_place_in_a_header(names, told):
    assert listed(names) == (told or ", ".join(names))


ANY_TEXT = st.text(st.characters(exclude_categories=()), max_size=300)


@given(st.lists(ANY_TEXT, max_size=30))
def test_a_list_in_a_header_is_short_and_visible_ascii(names):
    told = listed([name * 9 for name in names])
    assert len(told) <= LONGEST_LIST
    assert told.isascii()
    assert told.isprintable()
    assert told.endswith("...") or told.count(",") == max(len(names) - 1, 0)


def test_a_list_that_is_too_long_ends_in_an_ellipsis():
    names = [f"k{number}" for number in range(20_000)]
    told = listed(names)
    assert told.endswith(", ...")
    assert told.split(", ")[:-1] == names[: told.count(",")]
    assert len(told) > LONGEST_LIST - 20


@pytest.mark.parametrize("text", ["one\r\n two", "one\ntwo", "one\0two", "one two\r\n", " one two"])
def test_no_header_of_ours_goes_over_several_lines(text):
    request = Request.make("POST", "http://host/v1/chat/completions")
    redirect(request, "http://provider/v1", {"x-key": text}, b"{}", text)
    answer = response(200, b"{}", {"retry-after": text})
    told = [request.headers["x-key"], request.headers["user-agent"], answer.headers["retry-after"]]
    assert all(value.split() == ["one", "two"] for value in told)
    assert all(value.isprintable() and value == value.strip() for value in told)


def test_a_body_is_json_or_the_text_it_is():
    assert json_or_text(b'{"a": 1}') == {"a": 1}
    assert json_or_text(b"<html>\xff") == "<html>\ufffd"
