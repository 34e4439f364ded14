"""What HTTP/1 may carry, and mitmproxy cannot take: trailers and interim answers; bodies that need
a length there; and chunks that have come together, which it would pass on one by one.

mitmproxy raises on a trailer, be it of HTTP/1 or of HTTP/2 on its way to a side that speaks
HTTP/1, which leaves the client waiting for an end that never comes; and it takes an interim
answer, such as 103 Early Hints, for the final one. Both are left out here, before it sees them,
and chunks are joined; HTTP lets every proxy do so. A connection that waits for its request speaks
HTTP/2 with the client before it is known what the host speaks, and HTTP/1 would lose a body of no
stated length: it gets one. Where mitmproxy's inside is not what this module knows, it is left as it
is.
"""

from __future__ import annotations

import re
from collections.abc import Generator, Iterable
from typing import Any

import h11
from h11._readers import ChunkedReader
from mitmproxy.http import Request
from mitmproxy.proxy import events
from mitmproxy.proxy.layers.http import _http1
from mitmproxy.proxy.layers.http._events import (
    RequestHeaders,
    RequestTrailers,
    ResponseTrailers,
)

from interception.wrapping import Wrap

http1_layer: Any = _http1
"""mitmproxy's inside, of which types promise nothing."""

_INTERIM = re.compile(rb"HTTP/1\.[01] 1(?!01)\d\d")
"""The beginning of an answer that another one follows; 101 is final, for WebSockets."""

_LONGEST_BEGINNING = len(b"HTTP/1.1 103")


class BodyReader(ChunkedReader):
    """Reads a chunked body, without telling of its trailers.

    All that has come is told at once: what each telling costs all the way to the client's socket
    is more than what an event of a stream costs to translate.
    """

    def __init__(self) -> None:
        super().__init__()
        self._end: h11.EndOfMessage | h11.ProtocolError | None = None

    def __call__(self, buf: Any) -> Any:
        """The next event of the body."""
        data = b"" if self._end else self._joined(buf)
        if data:
            return h11.Data(data)
        if isinstance(self._end, h11.ProtocolError):
            raise self._end
        return self._end

    def _joined(self, buf: Any) -> bytes:
        """What is in the chunks that have come, up to the end or to what is no chunk."""
        pieces: list[bytes] = []
        try:
            while isinstance(event := super().__call__(buf), h11.Data):
                pieces.append(event.data)
            self._end = event and h11.EndOfMessage()
        except h11.ProtocolError as exc:
            self._end = exc
        return b"".join(pieces)


def _read_headers(client: Any, event: Any) -> Generator[Any, Any, None]:
    """mitmproxy's own steps, once every interim answer is taken out of what has come."""
    if isinstance(event, events.DataReceived) and client.request:
        while _INTERIM.match(bytes(client.buf)[:_LONGEST_BEGINNING]):
            if client.buf.maybe_extract_lines() is None:
                return
    yield from wrap.own["Http1Client.read_headers"](client, event)


def _send_to_provider(client: Any, event: Any) -> Iterable[Any]:
    """mitmproxy's own step, past trailers, for which it has no HTTP/1."""
    if isinstance(event, RequestTrailers):
        return ()
    if isinstance(event, RequestHeaders):
        _frame(event.request)
    return wrap.own["Http1Client.send"](client, event)  # type: ignore[no-any-return]


def _send_to_client(server: Any, event: Any) -> Iterable[Any]:
    """The same towards the client."""
    if isinstance(event, ResponseTrailers):
        return ()
    return wrap.own["Http1Server.send"](server, event)  # type: ignore[no-any-return]


def _frame(request: Request) -> None:
    """Says how long a body is of which an HTTP/2 client did not say so."""
    is_framed = "content-length" in request.headers or "transfer-encoding" in request.headers
    if request.raw_content and not is_framed:
        request.headers["content-length"] = str(len(request.raw_content))


wrap = Wrap(
    http1_layer,
    {
        "ChunkedReader": BodyReader,
        "Http1Client.read_headers": _read_headers,
        "Http1Client.send": _send_to_provider,
        "Http1Server.send": _send_to_client,
    },
    needs=("make_body_reader",),
    unknown="reads HTTP/1 in a way Diptych does not know; an answer with trailers or after an "
    "interim one may not reach its client.",
)
