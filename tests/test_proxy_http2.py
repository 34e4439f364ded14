"""Several calls of one client on one connection, and providers with trailers, over HTTP/2."""

from __future__ import annotations

import socket
import ssl
import threading
import urllib.request
from collections.abc import Iterator

import pytest
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.errors import ErrorCodes
from h2.events import DataReceived, ResponseReceived, StreamEnded

from tests.answers import CLAUDE, body, claude_events
from tests.clients import ask, events
from tests.raw_upstream import raw_upstream
from tests.upstream import loopback_tls, stream_reply
from transforms.json_text import dumps

HOST = "api.openai.invalid"


class HTTP2Client:
    """A client that says when each of its streams begins and ends, as no library lets it."""

    def __init__(self, proxy) -> None:
        context = ssl.create_default_context(cafile=str(proxy.ca))
        context.set_alpn_protocols(["h2"])
        plain = socket.create_connection(("127.0.0.1", proxy.port), timeout=20)
        plain.sendall(f"CONNECT {HOST}:443 HTTP/1.1\r\nHost: {HOST}:443\r\n\r\n".encode())
        assert plain.recv(4096).startswith(b"HTTP/1.1 200 ")
        self._socket = context.wrap_socket(plain, server_hostname=HOST)
        self._connection = H2Connection(H2Configuration(client_side=True))
        self._connection.initiate_connection()
        self.said: dict[int, bytes] = {}
        """What each stream has brought so far."""
        self.request_ids: dict[int, str] = {}
        self._ended: set[int] = set()

    def close(self) -> None:
        """Ends the connection, and whatever runs on it."""
        self._socket.close()

    def ask(self, model: str) -> int:
        """Begins a streamed call; its number."""
        number = self._connection.get_next_available_stream_id()
        head = [(":method", "POST"), (":scheme", "https"), (":authority", HOST)]
        head += [(":path", "/v1/chat/completions"), ("content-type", "application/json")]
        self._connection.send_headers(number, head)
        self._connection.send_data(number, dumps(ask(model, stream=True)), end_stream=True)
        self.said[number] = b""
        self._send()
        return number

    def reset(self, number: int) -> None:
        """Gives up one call."""
        self._connection.reset_stream(number, ErrorCodes.CANCEL)
        self._send()

    def listen(self, number: int) -> Iterator[bytes]:
        """What the call has brought, each time that it is more, until it has ended."""
        while number not in self._ended:
            before = len(self.said[number])
            self._receive()
            if len(self.said[number]) > before:
                yield self.said[number]

    def _receive(self) -> None:
        piece = self._socket.recv(65536)
        assert piece, "the connection was closed"
        for event in self._connection.receive_data(piece):
            if isinstance(event, DataReceived):
                self.said[event.stream_id] += event.data
                length = event.flow_controlled_length
                self._connection.acknowledge_received_data(length, event.stream_id)
            elif isinstance(event, ResponseReceived):
                self.request_ids[event.stream_id] = dict(event.headers)[
                    b"x-chat-request-id"
                ].decode()
            elif isinstance(event, StreamEnded):
                self._ended.add(event.stream_id)
        self._send()

    def _send(self) -> None:
        self._socket.sendall(self._connection.data_to_send())


@pytest.fixture
def http2(proxy) -> Iterator[HTTP2Client]:
    client = HTTP2Client(proxy)
    yield client
    client.close()


def test_a_stream_that_the_client_resets_ends_alone(http2, proxy, upstream):
    silent = stream_reply(claude_events(["Hel"], end=False), end="hang")
    held = threading.Event()
    first, *rest = claude_events()
    upstream.reply(silent, stream_reply([first, held, *rest]))
    given_up = http2.ask("claude-given-up")
    next(http2.listen(given_up))
    kept = http2.ask("claude-kept")
    next(http2.listen(kept))
    http2.reset(given_up)
    assert silent.left.wait(5)
    held.set()
    *_, said = http2.listen(kept)
    assert list(events(said))[-1] == "[DONE]"
    ends = [proxy.exchange(http2.request_ids[number]) for number in (given_up, kept)]
    assert [(row["state"], row["error"]) for row in ends] == [
        ("interrupted", "the client left"),
        ("complete", None),
    ]


def with_trailers(tls: ssl.SSLContext, content_type: str, content: bytes):
    """An HTTP/2 provider that ends its answer, always this one, with trailers."""

    def play(plain: socket.socket) -> None:
        connection = H2Connection(H2Configuration(client_side=False))
        connection.initiate_connection()
        with tls.wrap_socket(plain, server_side=True) as secure:
            while piece := secure.recv(65536):
                for event in connection.receive_data(piece):
                    if isinstance(event, StreamEnded):
                        head = [(":status", "200"), ("content-type", content_type)]
                        connection.send_headers(event.stream_id, head)
                        connection.send_data(event.stream_id, content)
                        trailers = [("x-checksum", "abc")]
                        connection.send_headers(event.stream_id, trailers, end_stream=True)
                secure.sendall(connection.data_to_send())

    return play


@pytest.mark.parametrize("stream", [False, True])
def test_trailers_are_left_out_for_an_http1_client(start_proxy, tmp_path, stream):
    tls = loopback_tls(tmp_path)
    tls.set_alpn_protocols(["h2"])
    said = b"".join(claude_events()) if stream else body(CLAUDE)
    play = with_trailers(tls, "text/event-stream" if stream else "application/json", said)
    with raw_upstream(play) as url:
        proxy = start_proxy(
            routes=[f"claude-*=anthropic@{url.replace('http:', 'https:')}"],
            options={"ssl_verify_upstream_trusted_ca": str(tmp_path / "mitmproxy-ca-cert.pem")},
            environment={"ANTHROPIC_API_KEY": "k"},
        ).wait_until_up()
        # Offered both in this order, as by httpx, mitmproxy speaks HTTP/1 with the client, and lets
        # the provider choose.
        context = ssl.create_default_context(cafile=str(proxy.ca))
        context.set_alpn_protocols(["http/1.1", "h2"])
        opener = urllib.request.build_opener(
            urllib.request.ProxyHandler({"https": f"127.0.0.1:{proxy.port}"}),
            urllib.request.HTTPSHandler(context=context),
        )
        call = urllib.request.Request(
            f"https://{HOST}/v1/chat/completions", dumps(ask("claude-x", stream=stream))
        )
        with opener.open(call, timeout=10) as told:
            heard = told.read()
            request_id = told.headers["x-chat-request-id"]
    assert heard.endswith(b"data: [DONE]\n\n" if stream else b"}")
    assert proxy.exchange(request_id)["state"] == "complete"
    assert "crashed" not in proxy.log
