"""Where the proxy listens.

`listen_host` is set by Diptych when it is loaded. mitmproxy 12 has begun to open its sockets by
then, on all interfaces, so they are exchanged once they stand. A client may be connecting at that
very moment, so the new socket takes the port over before the old one is closed, and whoever waits
at the old one is let in first.
"""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

from mitmproxy import ctx

logger = logging.getLogger(__name__)

_TURNS = 3
"""Turns of the loop after which the other addons are running."""

_BACKLOG = 100
_SHARED = getattr(socket, "SO_REUSEPORT", None)
"""Lets two sockets have one port; the one with the narrower address gets the connections."""


async def listen_where_told() -> None:
    """Moves every server that listens on all interfaces to `listen_host`."""
    for _ in range(_TURNS):
        await asyncio.sleep(0)
    proxyserver: Any = ctx.master.addons.get("proxyserver")
    host = ctx.options.listen_host
    for server in list(proxyserver.servers):
        if host and server.mode.custom_listen_host is None and _listens_everywhere(server):
            try:
                await _move(server, host)
            except (OSError, AttributeError):
                logger.exception("The proxy cannot be moved to %s.", host)


def _listens_everywhere(server: Any) -> bool:
    return any(address[0] in ("::", "0.0.0.0") for address in server.listen_addrs)


async def _move(server: Any, host: str) -> None:
    port = server.listen_addrs[0][1]
    wide = list(server._servers)
    listener = _take_over(wide, host, port)
    # Connections take it over. asyncio sets it, but not on those of a socket made in this way; an
    # answer would wait 40 ms for the client to confirm its head.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    server._servers = [await asyncio.start_server(server.handle_stream, sock=listener)]
    for each in wide:
        for connection in _waiting(each):
            await _let_in(server, connection)
        each.close()
    if not all(isinstance(each, asyncio.Server) for each in wide):
        server._servers.append(await server.start_udp_based_server(host, port))
    logger.info("Listening at %s:%s alone.", host, port)


def _take_over(wide: list[Any], host: str, port: int) -> socket.socket:
    """A listener on the narrower address, beside the wide ones if the system lets it."""
    if _SHARED is not None:
        with suppress(OSError):
            for each in _sockets(wide):
                each.setsockopt(socket.SOL_SOCKET, _SHARED, 1)
            listener = socket.create_server((host, port), backlog=_BACKLOG, reuse_port=True)
            # From here on nobody else may share the port.
            listener.setsockopt(socket.SOL_SOCKET, _SHARED, 0)
            return listener
    for each in wide:
        each.close()
    return socket.create_server((host, port), backlog=_BACKLOG)


def _sockets(servers: list[Any]) -> Iterator[Any]:
    for each in servers:
        if isinstance(each, asyncio.Server):
            yield from each.sockets


def _waiting(server: Any) -> Iterator[socket.socket]:
    """Connections that the system has made and nobody has accepted yet."""
    for each in _sockets([server]):
        with socket.socket(fileno=each.dup().detach()) as listener, suppress(BlockingIOError):
            while True:
                yield listener.accept()[0]


async def _let_in(server: Any, connection: socket.socket) -> None:
    connection.setblocking(False)
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader()
    protocol = asyncio.StreamReaderProtocol(reader, server.handle_stream)
    await loop.connect_accepted_socket(lambda: protocol, connection)
