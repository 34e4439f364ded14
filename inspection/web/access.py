"""Who may look at the record: people on this machine, by the token printed at the start.

A page of the web can make a browser on this machine ask the pages for something. It has no token;
should it guess that a browser keeps one, the cookie is not sent along (`SameSite`), its `Origin` is
not ours, and a name of its own that it points at this machine (DNS rebinding) is not a name that
the pages answer to.
"""

from __future__ import annotations

import hmac
import secrets
import socket
from collections.abc import Callable
from dataclasses import dataclass, field
from http import HTTPStatus
from ipaddress import ip_address
from urllib.parse import quote, urlencode

from flask import Request, abort, redirect, request
from werkzeug.wrappers import Response

from inspection.loopback import is_loopback

HOST = "diptych.internal"
"""The pages' own name, which the proxy answers to."""

COOKIE = "diptych"
_NAMES = frozenset({HOST, "localhost", socket.gethostname().lower()})

HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; "
        "base-uri 'none'; frame-ancestors 'none'"
    ),
    "Cache-Control": "no-store",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    # With `no-referrer` a browser sends `Origin: null` with our own forms, too.
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
}
"""Of every answer. No script runs on the pages, ours or a model's."""


def new_token() -> str:
    """A token that nobody can guess."""
    return secrets.token_urlsafe(24)


@dataclass(frozen=True)
class Access:
    """Lets people in, or tells them why not and what to do."""

    token: str = field(default_factory=new_token, repr=False)
    remote: Callable[[], bool] = bool
    """Whether clients on other machines may look, too."""

    def check(self) -> Response | None:
        """Stops a request that may not see anything; a token in the address becomes a cookie."""
        if not self.remote() and not is_loopback(request.remote_addr or ""):
            abort(
                HTTPStatus.FORBIDDEN,
                "The pages are for clients on this machine; `chat_remote=true` lets others in.",
            )
        if not _is_ours(_host_name(request.host)):
            abort(
                HTTPStatus.FORBIDDEN,
                f"The pages do not answer to this host name; use `{HOST}` or an address.",
            )
        if request.headers.get("origin", _own_origin(request)) != _own_origin(request):
            abort(HTTPStatus.FORBIDDEN, "Another site has no access to the pages.")
        if not any(hmac.compare_digest(self.token, given) for given in _given(request)):
            abort(
                HTTPStatus.UNAUTHORIZED,
                "Open the address with the token that was printed at the start, "
                "or send `Authorization: Bearer TOKEN`.",
            )
        return self._without_token_in_address()

    def _without_token_in_address(self) -> Response | None:
        """The same page at an address without the token, which would else stay in the browser's
        history, and go wherever its address is passed on."""
        if "token" not in request.args or request.method != "GET" or is_api(request):
            return None
        rest = [(name, value) for name, value in request.args.items(True) if name != "token"]
        root = request.root_path.rstrip("/")
        query = f"?{urlencode(rest)}" if rest else ""
        answer = redirect(f"{root}{quote(request.path)}{query}", HTTPStatus.SEE_OTHER)
        answer.set_cookie(
            _cookie(request), self.token, path=root or "/", httponly=True, samesite="Strict"
        )
        return answer


def is_api(asked: Request) -> bool:
    """Whether a program asks, and not a person."""
    return asked.path.startswith("/api/")


def _cookie(asked: Request) -> str:
    """Browsers keep no ports apart: two proxies on one machine would take each other's cookie."""
    _, _, port = asked.host.rpartition("]")[2].partition(":")
    return f"{COOKIE}-{port}" if port else COOKIE


def _own_origin(asked: Request) -> str:
    return f"{asked.scheme}://{asked.host}"


def _host_name(host: str) -> str:
    """The host without its port; an IPv6 address without its brackets."""
    name = host.partition("]")[0] if host.startswith("[") else host.partition(":")[0]
    return name.removeprefix("[").lower()


def _is_ours(name: str) -> bool:
    """An address cannot be rebound, only a name can."""
    if name in _NAMES:
        return True
    try:
        ip_address(name)
    except ValueError:
        return False
    return True


def _given(asked: Request) -> list[str]:
    """The tokens of a request; compared as ASCII, which ours is."""
    scheme, _, bearer = asked.headers.get("authorization", "").partition(" ")
    given = [
        asked.args.get("token", ""),
        asked.cookies.get(_cookie(asked), ""),
        bearer.strip() if scheme.lower() == "bearer" else "",
    ]
    return [token for token in given if token.isascii()]
