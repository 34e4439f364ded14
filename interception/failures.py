"""OpenAI errors where mitmproxy would send an HTML page, or cut the client off.

When a provider cannot be reached, breaks off or stays silent, mitmproxy answers by itself and no
hook can change what it says. Every such ending passes through one method, which is wrapped here:
for a flow that has an ending of ours, mitmproxy's own is replaced; all other flows are left alone.
Where mitmproxy's inside is not what this module knows, nothing is wrapped and its page remains.
"""

from __future__ import annotations

import contextlib
from collections.abc import Generator, Iterable
from dataclasses import dataclass
from typing import Any
from weakref import WeakKeyDictionary, WeakSet

from mitmproxy import ctx
from mitmproxy.http import HTTPFlow, Response
from mitmproxy.net.http import status_codes
from mitmproxy.proxy import commands, events
from mitmproxy.proxy.layers import http

from interception.wrapping import Wrap

http_layer: Any = http
"""mitmproxy's inside, of which types promise nothing."""


_codes: Any = getattr(http, "ErrorCode", None)
_CANCEL: Any = _codes.CANCEL if _codes else status_codes.CLIENT_CLOSED_REQUEST
_SERVER_ERROR: Any = _codes.GENERIC_SERVER_ERROR if _codes else status_codes.BAD_GATEWAY
"""mitmproxy had numbers for them before 12."""


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

_cut: WeakSet[Any] = WeakSet()
"""Connections that are being closed: mitmproxy would lose its way if one was closed twice."""


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


def _handle_protocol_error(stream: Any, event: Any) -> Generator[Any, Any, None]:
    """mitmproxy's own steps, with the message that ends the client's answer exchanged."""
    flow = getattr(stream, "flow", None)
    if flow is not None and isinstance(event, http_layer.RequestProtocolError):
        client_left.add(flow)
    steps = wrap.own["HttpStream.handle_protocol_error"](stream, event)
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

    Of a connection of HTTP/2 that others share, the flow's own stream alone ends.

    mitmproxy has no time-out of its own per request, and `flow.kill()` only takes effect at the
    next hook.
    """
    proxyserver: Any = ctx.master.addons.get("proxyserver")
    handler = proxyserver.connections.get(flow.client_conn.id) if proxyserver else None
    if handler is None:
        return
    is_direct = flow.server_conn in handler.transports
    if is_direct and not (flow.server_conn.alpn == b"h2" and wrap.is_installed):
        _close(handler, flow.server_conn)
        return
    if is_direct or (flow.server_conn.connected and wrap.is_installed):
        # Others may share it, or it lies within the one to another proxy.
        proxyserver.inject_event(Cut(flow, None))
        return
    # The flow learns of its connection only when it is open, TLS and all.
    for connection in _being_opened(flow, handler.transports):
        _close(handler, connection)


class Cut(events.MessageInjected[None]):
    """Tells the layer that has this flow to end it.

    mitmproxy brings what is injected to the innermost layer of a client's connection, through
    every layer of TLS and of `CONNECT`.
    """


def _handle_event(layer: Any, event: Any) -> Generator[Any, Any, None]:
    """mitmproxy's own steps, but for a flow that is to be cut."""
    if not isinstance(event, Cut):
        yield from wrap.own["HttpLayer._handle_event"](layer, event)
        return
    flow: Any = event.flow
    carrying = layer.connections.get(flow.server_conn)
    stream = next((each for each in layer.streams.values() if _carries(each, flow)), None)
    if stream is not None:
        yield from _cut_stream(layer, stream, flow.server_conn)
    elif isinstance(carrying, http_layer.HttpStream):
        # The flow is within this one, a `CONNECT`.
        yield from layer.event_to_child(carrying, event)


def _carries(stream: Any, flow: HTTPFlow) -> bool:
    return getattr(stream, "flow", None) is flow


def _cut_stream(layer: Any, stream: Any, connection: Any) -> Generator[Any, Any, None]:
    """Closes the connection to a stream's provider; of one that others share, ends the stream."""
    others = [each for each in layer.streams.values() if each is not stream]
    if not any(each.context.server is connection for each in others):
        if connection not in _cut:
            _cut.add(connection)
            # Itself, or the one to another proxy that it lies within; mitmproxy passes over a
            # connection that has no socket.
            carrying = layer.connections.get(connection)
            for each in [key for key, child in layer.connections.items() if child is carrying]:
                yield commands.CloseConnection(each)
    elif not stream._paused:
        # A stream that waits for a hook says nothing to its provider, or has all of its answer.
        message = "the provider was cut off"
        reset = http_layer.RequestProtocolError(stream.stream_id, message, _CANCEL)
        yield from layer.event_to_child(layer.connections[connection], reset)
        over = http_layer.ResponseProtocolError(stream.stream_id, message, _SERVER_ERROR)
        yield from layer.event_to_child(stream, over)


def _close(handler: Any, connection: Any) -> None:
    if connection not in _cut:
        _cut.add(connection)
        handler.close_connection(connection)


def hang_up(flow: HTTPFlow) -> None:
    """Closes the connection to the client, which hears no more of what mitmproxy still says."""
    proxyserver: Any = ctx.master.addons.get("proxyserver")
    handler = proxyserver.connections.get(flow.client_conn.id) if proxyserver else None
    transport = handler.transports.get(flow.client_conn) if handler else None
    if transport is not None and transport.writer is not None:
        with contextlib.suppress(OSError):
            transport.writer.close()


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


wrap = Wrap(
    http_layer,
    {
        "HttpStream.handle_protocol_error": _handle_protocol_error,
        "HttpLayer._handle_event": _handle_event,
    },
    needs=(
        *("SendHttp", "RequestProtocolError", "ResponseProtocolError", "ResponseHeaders"),
        *("HttpLayer.event_to_child", "HttpLayer.streams", "HttpLayer.connections"),
    ),
    unknown="handles broken connections in a way Diptych does not know; clients get its HTML page "
    "where a provider cannot be reached.",
)
