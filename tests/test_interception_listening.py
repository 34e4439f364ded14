"""The proxy moves to loopback without losing whoever connects meanwhile."""

from __future__ import annotations

import socket
import time

from tests.proxy import START_SECONDS, Proxy

LOOK_EVERY_S = 0.001


def _connections_from_the_first_moment(proxy: Proxy) -> list[socket.socket]:
    """A connection for each moment of the start, until the proxy listens where it should."""
    made: list[socket.socket] = []
    deadline = time.monotonic() + START_SECONDS
    while "istening at 127.0.0.1" not in proxy.log and time.monotonic() < deadline:
        try:
            made.append(socket.create_connection(("127.0.0.1", proxy.port), timeout=5))
        except ConnectionRefusedError:
            assert not made, "the port was closed again"
        time.sleep(LOOK_EVERY_S if len(made) < 50 else 20 * LOOK_EVERY_S)
    return [*made, socket.create_connection(("127.0.0.1", proxy.port), timeout=5)]


def _answer(connection: socket.socket) -> bytes:
    connection.sendall(b"GET http://127.0.0.1:1/ HTTP/1.1\r\nHost: 127.0.0.1:1\r\n\r\n")
    return connection.recv(12)


def test_whoever_connects_while_it_starts_is_answered(start_proxy):
    proxy = start_proxy()
    connections = _connections_from_the_first_moment(proxy)
    assert {_answer(each) for each in connections} == {b"HTTP/1.1 502"}
    for each in connections:
        each.close()
