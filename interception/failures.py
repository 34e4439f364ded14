"""OpenAI errors where mitmproxy would send an HTML page, or cut the client off.

When a provider cannot be reached, breaks off or stays silent, mitmproxy answers by itself and no
hook can change what it says. Every such ending passes through one method, which is wrapped here:
for a flow that has an ending of ours, mitmproxy's own is replaced; all other flows are left alone.
Where mitmproxy's inside is not what this module knows, nothing is wrapped and its page remains.
"""

from __future__ import annotations

import logging
from collections.abc import Generator, Iterable
from dataclasses import dataclass
from typing import Any
from weakref import WeakKeyDictionary, WeakSet

from mitmproxy import ctx, version
from mitmproxy.http import HTTPFlow, Response
from mitmproxy.proxy.layers import http

logger = logging.getLogger(__name__)

http_layer: Any = http
"""mitmproxy's inside, of which types promise nothing."""

KNOWN_GENERATIONS = ("11", "12")


@dataclass(frozen=True, slots=True)
class Ending:
    """What the client gets instead of mitmproxy's page."""

    response: Response | None
    """A whole answer, or None when the headers of a streamed one are already out."""

    rest: bytes = b""
    """The last bytes of a streamed answer."""


endings: WeakKeyDictionary[HTTPFlow, Ending] = WeakKeyDictionary()
"""Filled by the `error` hook, emptied when the ending is sent."""

client_left: WeakSet[HTTPFlow] = WeakSet()
"""Flows whose client went away, as against those whose provider did."""

_original: Any = None


def end(flow: HTTPFlow, response: Response) -> None:
    """The client gets this answer instead of mitmproxy's page; the flow shows it too."""
    flow.response = response
    endings[flow] = Ending(response)


def end_stream(flow: HTTPFlow, rest: bytes) -> None:
    """The client's stream ends with these bytes, and properly, instead of being cut off."""
    endings[flow] = Ending(None, rest)


def has_client_left(flow: HTTPFlow) -> bool:
    """Whether it was the client that ended the flow."""
    return flow in client_left or not flow.client_conn.connected


def install() -> None:
    """Wraps mitmproxy's handling of broken connections, once."""
    global _original
    if _original is not None or getattr(http_layer.HttpStream, "diptych", False):
        return
    if version.VERSION.split(".")[0] not in KNOWN_GENERATIONS or not _is_known():
        logger.warning(
            "mitmproxy %s handles broken connections in a way Diptych does not know; clients get "
            "its HTML page where a provider cannot be reached.",
            version.VERSION,
        )
        return
    _original = http_layer.HttpStream.handle_protocol_error
    http_layer.HttpStream.handle_protocol_error = _handle_protocol_error


def uninstall() -> None:
    """Puts mitmproxy's own handling back."""
    global _original
    if _original is not None:
        http_layer.HttpStream.handle_protocol_error = _original
        _original = None


def _is_known() -> bool:
    names = ("SendHttp", "RequestProtocolError", "ResponseProtocolError", "ResponseHeaders")
    return all(hasattr(http_layer, name) for name in names) and hasattr(
        http_layer.HttpStream, "handle_protocol_error"
    )


def _handle_protocol_error(stream: Any, event: Any) -> Generator[Any, Any, None]:
    """mitmproxy's own steps, with the message that ends the client's answer exchanged."""
    flow = getattr(stream, "flow", None)
    if flow is not None and isinstance(event, http_layer.RequestProtocolError):
        client_left.add(flow)
    steps = _original(stream, event)
    reply = None
    while True:
        try:
            command = steps.send(reply)
        except StopIteration:
            return
        ending = _ending_for(stream, flow, command)
        if ending is None:
            reply = yield command
        else:
            yield from send(stream, ending)
            reply = None


def _ending_for(stream: Any, flow: HTTPFlow | None, command: Any) -> Ending | None:
    if (
        flow is None
        or not isinstance(command, http_layer.SendHttp)
        or command.connection is not stream.context.client
        or not isinstance(command.event, http_layer.ResponseProtocolError)
    ):
        return None
    return endings.pop(flow, None)


def send(stream: Any, ending: Ending) -> Generator[Any, Any, None]:
    """The commands that give the client this ending."""
    client, stream_id = stream.context.client, stream.stream_id
    body = ending.rest
    if ending.response is not None:
        body = ending.response.raw_content or b""
        head = http_layer.ResponseHeaders(stream_id, ending.response, not body)
        yield http_layer.SendHttp(head, client)
    if body:
        yield http_layer.SendHttp(http_layer.ResponseData(stream_id, body), client)
    yield http_layer.SendHttp(http_layer.ResponseEndOfMessage(stream_id), client)


def cut(flow: HTTPFlow) -> None:
    """Closes the connection to the provider, or ends the try to open one.

    mitmproxy has no time-out of its own per request, and `flow.kill()` only takes effect at the
    next hook.
    """
    proxyserver: Any = ctx.master.addons.get("proxyserver")
    handler = proxyserver.connections.get(flow.client_conn.id) if proxyserver else None
    if handler is None:
        return
    if flow.server_conn in handler.transports:
        handler.close_connection(flow.server_conn)
        return
    # The flow learns of its connection only when it is open, TLS and all.
    for connection in _being_opened(flow, handler.transports):
        handler.close_connection(connection)


def _being_opened(flow: HTTPFlow, connections: Iterable[Any]) -> list[Any]:
    """Connections to where the flow is to go that nothing can be said through yet."""
    via = flow.server_conn.via
    places = {(flow.request.host, flow.request.port), *([via[1]] if via else [])}
    return [
        connection
        for connection in connections
        if connection is not flow.client_conn
        and connection.address in places
        and (connection.timestamp_tcp_setup is None or _shakes_hands(connection))
    ]


def _shakes_hands(connection: Any) -> bool:
    return connection.tls and not connection.tls_established
