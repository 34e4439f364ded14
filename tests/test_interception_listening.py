"""The proxy moves to loopback without losing whoever connects meanwhile."""

from __future__ import annotations

import asyncio
import socket
import time
from types import SimpleNamespace

from interception import listening
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


def test_the_end_of_an_answer_does_not_wait_for_its_head_to_be_confirmed(monkeypatch):
    async def at_once() -> int:
        let_in: asyncio.Future[int] = asyncio.get_running_loop().create_future()

        async def serve(_, writer) -> None:
            connection = writer.get_extra_info("socket")
            let_in.set_result(connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))
            writer.close()

        wide = await asyncio.start_server(serve, "0.0.0.0", 0)
        address = wide.sockets[0].getsockname()
        mode = SimpleNamespace(custom_listen_host=None)
        server = SimpleNamespace(
            mode=mode, listen_addrs=[address], _servers=[wide], handle_stream=serve
        )
        proxyserver = SimpleNamespace(servers=[server])
        master = SimpleNamespace(addons={"proxyserver": proxyserver})
        options = SimpleNamespace(listen_host="127.0.0.1")
        monkeypatch.setattr(listening, "ctx", SimpleNamespace(master=master, options=options))
        await listening.listen_where_told()
        _, writer = await asyncio.open_connection("127.0.0.1", address[1])
        told = await let_in
        writer.close()
        server._servers[0].close()
        return told

    assert asyncio.run(at_once()) != 0
