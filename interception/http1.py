"""What an HTTP/1 provider may send, and mitmproxy cannot take: trailers and interim answers.

mitmproxy raises on a trailer, which leaves the client waiting for an end that never comes, and
takes an interim answer, such as 103 Early Hints, for the final one. Both are left out here, before
it sees them; HTTP lets every proxy do so. Where mitmproxy's inside is not what this module knows,
it is left as it is.
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


class TrailerlessReader(ChunkedReader):
    """Reads a chunked body, and its trailers without telling of them."""

    def __call__(self, buf: Any) -> Any:
        """The next event of the body."""
        event = super().__call__(buf)
        return h11.EndOfMessage() if isinstance(event, h11.EndOfMessage) else event


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
    http1_layer.ChunkedReader = TrailerlessReader
    http1_layer.Http1Client.read_headers = _read_headers


def uninstall() -> None:
    """Puts mitmproxy's own reading back."""
    if http1_layer.ChunkedReader is TrailerlessReader:
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
