"""What an HTTP/1 provider may send, and mitmproxy cannot take: trailers and interim answers; and
chunks that have come together, which it would pass on one by one.

mitmproxy raises on a trailer, which leaves the client waiting for an end that never comes, and
takes an interim answer, such as 103 Early Hints, for the final one. Both are left out here, before
it sees them, and chunks are joined; HTTP lets every proxy do so. Where mitmproxy's inside is not
what this module knows, it is left as it is.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Generator
from typing import Any

import h11
from h11._readers import ChunkedReader
from mitmproxy import version
from mitmproxy.proxy import events
from mitmproxy.proxy.layers.http import _http1

logger = logging.getLogger(__name__)

http1_layer: Any = _http1
"""mitmproxy's inside, of which types promise nothing."""

KNOWN_GENERATIONS = ("11", "12")

_INTERIM = re.compile(rb"HTTP/1\.[01] 1(?!01)\d\d")
"""The beginning of an answer that another one follows; 101 is final, for WebSockets."""

_LONGEST_BEGINNING = len(b"HTTP/1.1 103")

_original_read_headers: Any = None


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


def install() -> None:
    """Wraps mitmproxy's reading of HTTP/1, once."""
    global _original_read_headers
    if http1_layer.ChunkedReader is not ChunkedReader:
        return
    if version.VERSION.split(".")[0] not in KNOWN_GENERATIONS or not _is_known():
        logger.warning(
            "mitmproxy %s reads HTTP/1 in a way Diptych does not know; an answer with trailers or "
            "after an interim one may not reach its client.",
            version.VERSION,
        )
        return
    _original_read_headers = http1_layer.Http1Client.read_headers
    http1_layer.ChunkedReader = BodyReader
    http1_layer.Http1Client.read_headers = _read_headers


def uninstall() -> None:
    """Puts mitmproxy's own reading back."""
    if http1_layer.ChunkedReader is BodyReader:
        http1_layer.ChunkedReader = ChunkedReader
        # Connections that are open go on with what they began with.
        http1_layer.Http1Client.read_headers = _original_read_headers


def _is_known() -> bool:
    return hasattr(http1_layer, "make_body_reader") and hasattr(
        http1_layer.Http1Client, "read_headers"
    )


def _read_headers(client: Any, event: Any) -> Generator[Any, Any, None]:
    """mitmproxy's own steps, once every interim answer is taken out of what has come."""
    if isinstance(event, events.DataReceived) and client.request:
        while _INTERIM.match(bytes(client.buf)[:_LONGEST_BEGINNING]):
            if client.buf.maybe_extract_lines() is None:
                return
    yield from _original_read_headers(client, event)
