"""What Diptych itself asks of other hosts; every call of its own over HTTP is made here.

`fetch` adds nothing of the client or of the environment: no cookies, no proxies, no keys, and no
name or password in a URL. What its caller passes in `headers`, a provider's key among it, goes to
the first host alone. TLS is always verified. Addresses are judged where a name has been
resolved, and the connection is made to the very address that was judged, so that a name which
means something else a moment later cannot lead into a private network.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, suppress
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
from tornado.iostream import IOStream, SSLIOStream, StreamBufferFullError, StreamClosedError

MOST_REDIRECTS = 3

_REDIRECTS = {301, 302, 303, 307, 308}
_TRANSLATED_IPV4 = IPv6Network("64:ff9b::/96")
_SMALLEST_BUFFER = 256 * 1024
_SECONDS_FOR_ONE_OF_SEVERAL = 3
_IN_A_PATH = "/%:@!$&'()*+,;=~"


_Address = tuple[socket.AddressFamily, Any]
"""Where to connect to, as the socket wants it."""


class FetchError(Exception):
    """Why nothing could be fetched, in a sentence that names the host, and neither path, query
    nor key."""


class PrivateAddressError(FetchError):
    """The address is private, and was not allowed to be."""


@dataclass(frozen=True, slots=True)
class Fetched:
    """An answer, whatever its status."""

    status: int
    headers: Mapping[str, str]
    """By names in lower case."""

    body: bytes


@dataclass(frozen=True, slots=True)
class _Request:
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
    request = _Request(url, method, headers or {}, body, largest_bytes, allow_private)
    for _ in range(MOST_REDIRECTS + 1):
        answer = await _ask(request, deadline)
        location = answer.headers.get("location")
        if method != "GET" or answer.status not in _REDIRECTS or location is None:
            return answer
        request = _redirected(request, location)
    raise FetchError(f"{_place(url)} leads through more than {MOST_REDIRECTS} redirects.")


def _redirected(request: _Request, location: str) -> _Request:
    try:
        url = urljoin(request.url, location)
    except ValueError as exc:
        raise FetchError(f"{_place(request.url)} redirects to something that is no URL.") from exc
    headers = request.headers if _place(url) == _place(request.url) else {}
    return _Request(url, "GET", headers, None, request.largest_bytes, request.allow_private)


async def _ask(request: _Request, deadline: float) -> Fetched:
    place = _place(request.url)
    answer = _Answer(request.largest_bytes)
    try:
        async with asyncio.timeout_at(deadline):
            await _exchange(request, answer)
    except _PrivateAddress as exc:
        raise PrivateAddressError(f"{place} is a private address.") from exc
    except TimeoutError as exc:
        raise FetchError(f"{place} did not answer in time.") from exc
    except (OSError, StreamBufferFullError, ValueError, AssertionError) as exc:
        # tornado asserts how the pieces of a chunked body end.
        answer.check_size(place)
        raise FetchError(_reason(place, exc)) from exc
    answer.check_size(place)
    if not answer.whole:
        raise FetchError(_broke_off(place))
    if answer.headers.get("content-encoding", "identity").lower() not in ("", "identity"):
        raise FetchError(f"{place} answered compressed, and was asked not to.")
    return Fetched(answer.status, answer.headers, b"".join(answer.pieces))


async def _exchange(request: _Request, answer: _Answer) -> None:
    """One request and its answer, over a connection of its own.

    tornado's ready-made client can neither break off a body, nor let go of a connection whose
    time is over, nor keep a reset one out of the log; so its parts are used as they are.
    """
    parts = urlsplit(request.url)
    stream = await _connected(parts, request)
    answer.break_off = stream.close
    try:
        # The size of the body is the answer's own business.
        settings = HTTP1ConnectionParameters(no_keep_alive=True, max_body_size=sys.maxsize)
        connection = HTTP1Connection(stream, is_client=True, params=settings)
        start = RequestStartLine(request.method, _path(parts), "HTTP/1.1")
        connection.write_headers(start, HTTPHeaders(_headers(request, parts)), request.body or None)
        connection.finish()
        await connection.read_response(answer)
    finally:
        stream.close()


async def _connected(parts: SplitResult, request: _Request) -> IOStream:
    """A connection to the first address that takes one."""
    host, tls = _ascii(parts.hostname or ""), _tls() if parts.scheme == "https" else None
    port = parts.port or (443 if tls else 80)
    buffer = max(request.largest_bytes, _SMALLEST_BUFFER) + _SMALLEST_BUFFER
    *others, last = await _addresses(host, port, request.allow_private)
    for address in others:
        with suppress(OSError):
            async with asyncio.timeout(_SECONDS_FOR_ONE_OF_SEVERAL):
                return await _opened(address, host, tls, buffer)
    return await _opened(last, host, tls, buffer)


async def _addresses(host: str, port: int, allow_private: bool) -> Sequence[_Address]:
    """The addresses of a host, all of them public unless private ones are allowed; an IP address
    is a host as well."""
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    addresses = [(family, address) for family, _, _, _, address in found]
    if not allow_private and not all(is_public(str(address[0])) for _, address in addresses):
        raise _PrivateAddress
    return addresses


async def _opened(
    address: _Address, host: str, tls: ssl.SSLContext | None, buffer: int
) -> IOStream:
    family, place = address
    plain = socket.socket(family, socket.SOCK_STREAM)
    with ExitStack() as undone:
        if tls is None:
            stream = IOStream(plain, max_buffer_size=buffer)
        else:
            stream = SSLIOStream(plain, ssl_options=tls, max_buffer_size=buffer)
        undone.callback(stream.close)
        await stream.connect(place, server_hostname=host)
        undone.pop_all()
    return stream


def _headers(request: _Request, parts: SplitResult) -> dict[str, str]:
    sized = request.method in ("POST", "PUT", "PATCH")
    return {
        "host": _ascii(parts.netloc),
        "user-agent": "Diptych",
        "accept-encoding": "identity",
        **request.headers,
        **({"content-length": str(len(request.body or b""))} if sized else {}),
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
        """Checks that the body was not too large.

        Raises:
            FetchError: it was.
        """
        if self._left < 0:
            raise FetchError(f"{place} answered more than {self._largest_bytes} bytes.")


class _PrivateAddress(OSError):
    """A name that leads where we do not go."""


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


def _broke_off(place: str) -> str:
    return f"{place} broke off before its answer was whole, or does not speak HTTP."


def _reason(place: str, exc: Exception) -> str:
    match exc.real_error if isinstance(exc, StreamClosedError) else exc:
        case ssl.SSLError() as cause:
            why = getattr(cause, "verify_message", "") or cause.reason
            return f"{place} cannot be trusted: {why}."
        case socket.gaierror():
            return f"{place} is not a known host."
        case OSError() as cause:
            return f"{place} cannot be reached: {cause.strerror or 'no connection'}."
        case _:
            return _broke_off(place)


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
