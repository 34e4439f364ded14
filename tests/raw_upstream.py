"""A provider on loopback that breaks the rules of HTTP as a test tells it to."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable, Iterator

WAIT_SECONDS = 20


@contextlib.contextmanager
def raw_upstream(play: Callable[[socket.socket], None]) -> Iterator[str]:
    """The base URL of a server that plays this with each connection, and then closes it."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=_accept, args=(listener, play), daemon=True).start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"


def _accept(listener: socket.socket, play: Callable[[socket.socket], None]) -> None:
    while True:
        try:
            connection, _ = listener.accept()
        except OSError:
            return
        connection.settimeout(WAIT_SECONDS)
        threading.Thread(target=_play, args=(connection, play), daemon=True).start()


def _play(connection: socket.socket, play: Callable[[socket.socket], None]) -> None:
    with connection, contextlib.suppress(OSError):
        play(connection)


def read_request(connection: socket.socket) -> bytes:
    """A whole request as it came; empty when the other side left first."""
    got = b""
    while b"\r\n\r\n" not in got:
        piece = connection.recv(65536)
        if not piece:
            return b""
        got += piece
    head, _, body = got.partition(b"\r\n\r\n")
    length = int(head.lower().partition(b"content-length:")[2].split(b"\r\n")[0] or 0)
    while len(body) < length:
        body += connection.recv(65536)
    return head + b"\r\n\r\n" + body


def answer(content: bytes, status: str = "200 OK", kind: str = "application/json") -> bytes:
    """A whole answer with its length."""
    head = f"HTTP/1.1 {status}\r\ncontent-type: {kind}\r\ncontent-length: {len(content)}\r\n\r\n"
    return head.encode() + content


def chunked(pieces: list[bytes], kind: str, trailers: bytes = b"") -> bytes:
    """A whole answer in chunks, with trailers at its end."""
    head = f"HTTP/1.1 200 OK\r\ncontent-type: {kind}\r\ntransfer-encoding: chunked\r\n\r\n"
    body = b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces)
    return head.encode() + body + b"0\r\n" + trailers + b"\r\n"
