"""What is read from mitmproxy's flows."""

from __future__ import annotations

import pytest

from interception.messages import PRIVATE_HEADER, is_local, may_fetch_from_private
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
    flow.request.headers[PRIVATE_HEADER] = asked
    assert may_fetch_from_private(flow) is allowed
