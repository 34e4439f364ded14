"""The host that a client named in reverse mode.

mitmproxy puts the provider's name in its place before any hook. The pages need to know what they
were addressed by: a name of a stranger's, pointed at this machine, is not theirs. So the name is
looked at when the head of a request has come. Where mitmproxy's inside is not what this module
knows, it is left as it is, and the token alone guards the pages.
"""

from __future__ import annotations

import logging
from collections.abc import Generator
from typing import Any
from weakref import WeakKeyDictionary

from mitmproxy.http import Request
from mitmproxy.proxy.layers import http

logger = logging.getLogger(__name__)

# Reached into, so that no type fits.
_layer: Any = http
_WAITING = "state_wait_for_request_headers"
_original: Any = None
_named: WeakKeyDictionary[Request, str] = WeakKeyDictionary()


def install() -> None:
    """Has names looked at from now on; a second time changes nothing."""
    global _original
    stream = getattr(_layer, "HttpStream", None)
    if not hasattr(stream, _WAITING) or not hasattr(_layer, "RequestHeaders"):
        logger.warning(
            "This mitmproxy is not known: the pages cannot check how they are addressed."
        )
        return
    if _original is None:
        _original = getattr(stream, _WAITING)
        setattr(stream, _WAITING, _wait)


def uninstall() -> None:
    """Puts mitmproxy's own step back."""
    global _original
    if _original is not None:
        setattr(_layer.HttpStream, _WAITING, _original)
        _original = None


def named_host(request: Request) -> str:
    """The host that the client named, with its port as far as it was told; `""` for none."""
    return _named.get(request) or request.host_header or ""


def _wait(stream: Any, event: Any) -> Generator[Any, Any, None]:
    """mitmproxy's own step, once the name is noted."""
    if isinstance(event, _layer.RequestHeaders):
        _named[event.request] = event.request.host_header or ""
    yield from _original(stream, event)
