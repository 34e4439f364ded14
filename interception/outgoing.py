"""What Diptych itself asks of other hosts; every call of its own over HTTP is made here.

Nothing of the client or of the environment goes along: no cookies, no proxies, no keys, and no
name or password in a URL. TLS is always verified. Addresses are judged where a name has been
resolved, and the connection is made to the very address that was judged, so that a name which
means something else a moment later cannot lead into a private network.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from typing import Any
from urllib.parse import SplitResult, quote, urljoin, urlsplit

import certifi
from mitmproxy import ctx
from tornado.http1connection import HTTP1Connection, HTTP1ConnectionParameters
from tornado.httputil import (
    HTTPHeaders,
    HTTPMessageDelegate,
    RequestStartLine,
    ResponseStartLine,
)
from tornado.iostream import StreamBufferFullError
from tornado.netutil import DefaultLoopResolver
from tornado.tcpclient import TCPClient

MOST_REDIRECTS = 3

_REDIRECTS = {301, 302, 303, 307, 308}
_TRANSLATED_IPV4 = IPv6Network("64:ff9b::/96")
_SMALLEST_BUFFER = 256 * 1024
_IN_A_PATH = "/%:@!$&'()*+,;=~"


class FetchError(Exception):
    """Why nothing could be fetched, in a sentence that names the host, and neither path, query
    nor key."""


@dataclass(frozen=True, slots=True)
class Fetched:
    """An answer, whatever its status."""

    status: int
    headers: Mapping[str, str]
    """By names in lower case."""

    body: bytes


@dataclass(frozen=True, slots=True)
class _Asked:
    """One request of the few that redirects may make of it."""

    url: str
    method: str
    headers: Mapping[str, str]
    body: bytes | None
    largest_bytes: int
    allow_private: bool


async def fetch(
    url: str,
    *,
    method: str = "GET",
    headers: Mapping[str, str] | None = None,
    body: bytes | None = None,
    largest_bytes: int,
    seconds: float,
    allow_private: bool,
) -> Fetched:
    """One answer of at most `largest_bytes`, all of it within `seconds`.

    A GET follows redirects, each judged like the first address; `headers` go to the host they
    were meant for and to no other. What answers another method is given back as it is. Bodies
    are asked for uncompressed.

    Raises:
        FetchError: no answer, one that is too large or too late, or an address that is not for
            us: not `http` or `https`, or private where `allow_private` does not let it be.
    """
    deadline = asyncio.get_running_loop().time() + seconds
    asked = _Asked(url, method, headers or {}, body, largest_bytes, allow_private)
    for _ in range(MOST_REDIRECTS + 1):
        answer = await _ask(asked, deadline)
        location = answer.headers.get("location")
        if method != "GET" or answer.status not in _REDIRECTS or location is None:
            return answer
        asked = _redirected(asked, location)
    raise FetchError(f"{_place(url)} leads through more than {MOST_REDIRECTS} redirects.")


def _redirected(asked: _Asked, location: str) -> _Asked:
    try:
        url = urljoin(asked.url, location)
    except ValueError as exc:
        raise FetchError(f"{_place(asked.url)} redirects to something that is no URL.") from exc
    headers = asked.headers if _place(url) == _place(asked.url) else {}
    return _Asked(url, "GET", headers, None, asked.largest_bytes, asked.allow_private)


async def _ask(asked: _Asked, deadline: float) -> Fetched:
    place = _place(asked.url)
    answer = _Answer(asked.largest_bytes)
    try:
        async with asyncio.timeout_at(deadline):
            await _exchange(asked, place, answer)
    except TimeoutError as exc:
        raise FetchError(f"{place} did not answer in time.") from exc
    except (OSError, StreamBufferFullError, ValueError) as exc:
        answer.check_size(place)
        raise FetchError(_reason(place, exc)) from exc
    answer.check_size(place)
    if not answer.whole:
        raise FetchError(f"{place} did not give a whole HTTP answer.")
    return Fetched(answer.status, answer.headers, b"".join(answer.pieces))


async def _exchange(asked: _Asked, place: str, answer: _Answer) -> None:
    """One request and its answer, over a connection of its own.

    tornado's ready-made client can neither break off a body nor keep a reset connection out of
    the log, so its two halves, connection and HTTP/1.1, are used as they are.
    """
    parts = urlsplit(asked.url)
    tls = _tls() if parts.scheme == "https" else None
    resolver = _CheckedResolver(place=place, allow_private=asked.allow_private)
    stream = await TCPClient(resolver).connect(
        _ascii(parts.hostname or ""),
        parts.port or (443 if tls else 80),
        ssl_options=tls,
        max_buffer_size=max(asked.largest_bytes, _SMALLEST_BUFFER) + _SMALLEST_BUFFER,
    )
    answer.break_off = stream.close
    try:
        # The size of the body is the answer's own business.
        settings = HTTP1ConnectionParameters(no_keep_alive=True, max_body_size=sys.maxsize)
        connection = HTTP1Connection(stream, is_client=True, params=settings)
        start = RequestStartLine(asked.method, _path(parts), "HTTP/1.1")
        connection.write_headers(start, HTTPHeaders(_headers(asked, parts)), asked.body or None)
        connection.finish()
        await connection.read_response(answer)
    finally:
        stream.close()


def _headers(asked: _Asked, parts: SplitResult) -> dict[str, str]:
    sized = asked.method in ("POST", "PUT", "PATCH")
    return {
        "host": _ascii(parts.netloc),
        "user-agent": "Diptych",
        "accept-encoding": "identity",
        **asked.headers,
        **({"content-length": str(len(asked.body or b""))} if sized else {}),
        "connection": "close",
    }


class _Answer(HTTPMessageDelegate):
    """An answer as it comes in, held only as far as it may go."""

    def __init__(self, largest_bytes: int) -> None:
        self.status = 0
        self.headers: dict[str, str] = {}
        self.pieces: list[bytes] = []
        self.break_off: Callable[[], None] = lambda: None
        self._left = largest_bytes
        self._largest_bytes = largest_bytes
        self.whole = False

    def headers_received(
        self, start_line: RequestStartLine | ResponseStartLine, headers: HTTPHeaders
    ) -> None:
        """The head; a body that says it is too large is not waited for."""
        assert isinstance(start_line, ResponseStartLine)
        self.status = start_line.code
        self.headers = {name.lower(): value for name, value in headers.items()}
        announced = self.headers.get("content-length", "")
        if announced.isdecimal() and int(announced) > self._largest_bytes:
            self._left = -1
            self.break_off()

    def data_received(self, chunk: bytes) -> None:
        """One piece of the body."""
        self._left -= len(chunk)
        if self._left < 0:
            self.break_off()
        else:
            self.pieces.append(chunk)

    def finish(self) -> None:
        """The body is whole."""
        self.whole = True

    def check_size(self, place: str) -> None:
        """Raises FetchError for a body that is too large."""
        if self._left < 0:
            raise FetchError(f"{place} answered more than {self._largest_bytes} bytes.")


class _PrivateAddress(OSError):
    """A name that leads where we do not go."""


class _CheckedResolver(DefaultLoopResolver):
    """Names to addresses, private ones refused; IP addresses come through here too."""

    def initialize(self, place: str, allow_private: bool) -> None:
        """Called by tornado with what the constructor was given."""
        super().initialize()
        self._place = place
        self._allow_private = allow_private

    async def resolve(
        self, host: str, port: int, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[tuple[int, Any]]:
        """The addresses of a host, all of them public unless private ones are allowed."""
        found = await super().resolve(host, port, family)
        if not self._allow_private and not all(is_public(address[0]) for _, address in found):
            raise _PrivateAddress(f"{self._place} is a private address.")
        return found


def is_public(address: str) -> bool:
    """Whether an IP address is one of the open internet.

    Loopback, private, link-local, shared (100.64.0.0/10), multicast, reserved and unspecified
    ones are not, nor is an IPv6 address that stands for such an IPv4 address.
    """
    parsed = _meant(ip_address(address))
    set_apart = parsed.is_multicast or parsed.is_reserved or getattr(parsed, "is_site_local", False)
    return parsed.is_global and not set_apart


def _meant(address: IPv4Address | IPv6Address) -> IPv4Address | IPv6Address:
    """The IPv4 address that an IPv6 address stands for, if it does."""
    if isinstance(address, IPv4Address):
        return address
    if address in _TRANSLATED_IPV4:
        return IPv4Address(int(address) & 0xFFFFFFFF)
    return address.ipv4_mapped or address.sixtofour or address


def _place(url: str) -> str:
    """Scheme, host and port; what else is in a URL may be a secret.

    Raises:
        FetchError: not a URL that we fetch.
    """
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError as exc:
        raise FetchError("The address is no URL.") from exc
    if parts.scheme not in ("http", "https") or not host:
        raise FetchError("The address is not an `http` or `https` URL.")
    if "@" in parts.netloc:
        raise FetchError("The address holds a user name; one without is needed.")
    shown = f"[{host}]" if ":" in host else host
    return f"{parts.scheme}://{shown}" + (f":{port}" if port else "")


def _ascii(host: str) -> str:
    try:
        return host.encode("idna").decode()
    except UnicodeError as exc:
        raise FetchError("The address names a host that cannot be.") from exc


def _path(parts: SplitResult) -> str:
    path, query = quote(parts.path, _IN_A_PATH), quote(parts.query, _IN_A_PATH + "?[]")
    return (path or "/") + (f"?{query}" if query else "")


def _reason(place: str, exc: Exception) -> str:
    match exc:
        case _PrivateAddress():
            return str(exc)
        case ssl.SSLError():
            return f"{place} cannot be trusted: {getattr(exc, 'verify_message', '') or exc.reason}."
        case socket.gaierror():
            return f"{place} is not a known host."
        case OSError():
            return f"{place} cannot be reached: {exc.strerror or 'the connection broke off'}."
        case _:
            return f"{place} does not speak HTTP as it should."


def _tls() -> ssl.SSLContext:
    """Trusts whom mitmproxy trusts upstream."""
    options = getattr(ctx, "options", None)
    file = getattr(options, "ssl_verify_upstream_trusted_ca", None)
    folder = getattr(options, "ssl_verify_upstream_trusted_confdir", None)
    return _trusting(file, folder)


@lru_cache(maxsize=4)
def _trusting(file: str | None, folder: str | None) -> ssl.SSLContext:
    if file is None and folder is None:
        file = certifi.where()
    return ssl.create_default_context(cafile=file, capath=folder)
