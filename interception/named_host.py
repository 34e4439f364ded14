"""The host that a client named in reverse mode.

mitmproxy puts the provider's name in its place before any hook. The pages need to know what they
were addressed by: a name of a stranger's, pointed at this machine, is not theirs. So the name is
looked at when the head of a request has come. Where mitmproxy's inside is not what this module
knows, it is left as it is, and the token alone guards the pages.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import Any
from weakref import WeakKeyDictionary

from mitmproxy.http import Request
from mitmproxy.proxy.layers import http
from mitmproxy.proxy.mode_specs import ReverseMode

from interception.wrapping import Wrap

http_layer: Any = http
"""mitmproxy's inside, of which types promise nothing."""

_named: WeakKeyDictionary[Request, str] = WeakKeyDictionary()


def named_host(request: Request) -> str:
    """The host that the client named, with its port as far as it was told; `""` for none."""
    return _named.get(request) or request.host_header or ""


def _wait(stream: Any, event: Any) -> Generator[Any, Any, None]:
    """mitmproxy's own step, once the name is noted."""
    is_reverse = isinstance(stream.context.client.proxy_mode, ReverseMode)
    if is_reverse and isinstance(event, http_layer.RequestHeaders):
        _named[event.request] = event.request.host_header or ""
    yield from wrap.own["HttpStream.state_wait_for_request_headers"](stream, event)


wrap = Wrap(
    http_layer,
    {"HttpStream.state_wait_for_request_headers": _wait},
    needs=("RequestHeaders",),
    unknown="takes requests in a way Diptych does not know; the pages cannot check how they are "
    "addressed.",
)
