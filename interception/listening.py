"""Where the proxy listens.

`listen_host` is set by Diptych when it is loaded. mitmproxy 12 has begun to open its sockets by
then, on all interfaces, so they are exchanged once they stand. A client may be connecting at that
very moment: what has been accepted lives on, and between the old socket and the new one there is
no step of the loop.
"""

from __future__ import annotations

import asyncio
import logging
import socket
from typing import Any

from mitmproxy import ctx

logger = logging.getLogger(__name__)

_TURNS = 3
"""Turns of the loop after which the other addons are running, and waiting clients accepted."""


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
    has_udp = not all(isinstance(each, asyncio.Server) for each in server._servers)
    for each in server._servers:
        each.close()
    listener = socket.create_server((host, port), backlog=100)
    server._servers = [await asyncio.start_server(server.handle_stream, sock=listener)]
    if has_udp:
        server._servers.append(await server.start_udp_based_server(host, port))
    logger.info("Listening at %s:%s alone.", host, port)
