"""A provider on loopback that says, byte for byte and piece by piece, what a test tells it to."""

from __future__ import annotations

import contextlib
import socket
import ssl
import struct
import threading
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from mitmproxy.certs import CertStore

from transforms.json_text import loads

WAIT_SECONDS = 20


@dataclass
class Received:
    """One request as it reached the provider."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def json(self):
        """The body as JSON."""
        return loads(self.body)


@dataclass
class Reply:
    """What the provider answers to the next request."""

    pieces: Sequence[bytes | threading.Event] = (b"{}",)
    """Sent one by one; an event is waited for."""

    status: int = 200
    content_type: str = "application/json"
    headers: dict[str, str] = field(default_factory=dict)
    framing: str = "chunked"
    """`chunked`, `length`, or `close` (the body ends with the connection)."""

    end: str = "clean"
    """`clean`, `cut` (closed before the end), `reset`, or `hang` until the other side leaves."""

    before_head: threading.Event | None = None
    left: threading.Event = field(default_factory=threading.Event)
    """Set when the other side has gone while the provider hung."""


def json_reply(body: bytes, status: int = 200, **headers: str) -> Reply:
    """A plain JSON answer."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Reply([body], status=status, headers=named, framing="length")


def stream_reply(pieces: Sequence[bytes | threading.Event], **options) -> Reply:
    """A stream of server-sent events."""
    return Reply(pieces, content_type="text/event-stream; charset=utf-8", **options)


def loopback_tls(folder: Path) -> ssl.SSLContext:
    """A certificate for 127.0.0.1; who trusts `mitmproxy-ca-cert.pem` in the folder trusts it."""
    store = CertStore.from_store(folder, "mitmproxy", 2048)
    entry = store.get_cert("127.0.0.1", [x509.IPAddress(ip_address("127.0.0.1"))], None)
    key = entry.privatekey.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.TraditionalOpenSSL,
        serialization.NoEncryption(),
    )
    chain = folder / "127.0.0.1.pem"
    chain.write_bytes(entry.cert.to_pem() + key)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(chain)
    return context


class Upstream:
    """A small HTTP/1.1 server; replies are used up in order, the last one again and again."""

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self.received: list[Received] = []
        self.connections = 0
        self._replies: deque[Reply] = deque([json_reply(b"{}")])
        self._tls = tls
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def url(self) -> str:
        """Base URL without a path."""
        return f"{'https' if self._tls else 'http'}://127.0.0.1:{self.port}"

    def reply(self, *replies: Reply) -> None:
        """Sets what is answered next, and forgets what was received."""
        self._replies = deque(replies)
        self.received.clear()

    def close(self) -> None:
        """Stops listening."""
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        try:
            if self._tls:
                connection = self._tls.wrap_socket(connection, server_side=True)
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with connection, connection.makefile("rb") as reader:
                while (received := _read_request(reader)) is not None:
                    self.received.append(received)
                    reply = self._replies.popleft() if len(self._replies) > 1 else self._replies[0]
                    if not _answer(connection, reply):
                        return
        except OSError:
            return


def _read_request(reader) -> Received | None:
    line = reader.readline()
    if not line.strip():
        return None
    method, path, _ = line.decode("latin-1").split(" ", 2)
    headers: dict[str, str] = {}
    while (line := reader.readline()).strip():
        name, _, value = line.decode("latin-1").partition(":")
        headers[name.strip().lower()] = value.strip()
    body = reader.read(int(headers.get("content-length", 0)))
    return Received(method, path, headers, body)


def _answer(connection: socket.socket, reply: Reply) -> bool:
    """Whether the connection can be used again."""
    if reply.before_head is not None:
        reply.before_head.wait(WAIT_SECONDS)
    head = {"content-type": reply.content_type, **reply.headers}
    if reply.framing == "chunked":
        head["transfer-encoding"] = "chunked"
    elif reply.framing == "length":
        head["content-length"] = str(sum(len(piece) for piece in reply.pieces))
    lines = [f"HTTP/1.1 {reply.status} Said", *(f"{name}: {value}" for name, value in head.items())]
    connection.sendall("\r\n".join([*lines, "", ""]).encode("latin-1"))
    for piece in reply.pieces:
        if isinstance(piece, threading.Event):
            piece.wait(WAIT_SECONDS)
        elif reply.framing == "chunked":
            connection.sendall(b"%x\r\n%s\r\n" % (len(piece), piece))
        else:
            connection.sendall(piece)
    return _end(connection, reply)


def _end(connection: socket.socket, reply: Reply) -> bool:
    if reply.end == "hang":
        connection.settimeout(WAIT_SECONDS)
        with contextlib.suppress(OSError):
            connection.recv(1)
        reply.left.set()
        return False
    if reply.end == "reset":
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        return False
    if reply.end == "cut" or reply.framing == "close":
        return False
    if reply.framing == "chunked":
        connection.sendall(b"0\r\n\r\n")
    return True
