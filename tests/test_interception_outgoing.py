"""What Diptych fetches itself, from real servers on loopback."""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import socket
import threading
import time

import pytest

from interception import outgoing
from interception.outgoing import Fetched, FetchError, fetch, is_public
from tests.mitmproxy_parts import options, taddons
from tests.upstream import Reply, Upstream, json_reply, loopback_tls


def fetched(url: str, **asked: object) -> Fetched:
    usual = {"largest_bytes": 1000, "seconds": 5, "allow_private": True}
    return asyncio.run(fetch(url, **{**usual, **asked}))


def redirect(location: str, status: int = 302) -> Reply:
    return json_reply(b"", status, location=location)


def test_an_answer_comes_back_whole(upstream):
    upstream.reply(Reply([b"ab", b"cd"], status=404, headers={"X-Kind": "thing"}))
    answer = fetched(f"{upstream.url}/a%20b/ü?q=1 2")
    assert (answer.status, answer.headers["x-kind"], answer.body) == (404, "thing", b"abcd")
    assert upstream.received[0].path == "/a%20b/%C3%BC?q=1%202"


def test_a_body_is_sent(upstream):
    upstream.reply(json_reply(b"{}"))
    fetched(upstream.url, method="POST", body=b"[1]", headers={"content-type": "application/json"})
    received = upstream.received[0]
    assert (received.method, received.path, received.json) == ("POST", "/", [1])


def test_nothing_of_the_environment_goes_along(upstream, monkeypatch):
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    upstream.reply(json_reply(b"{}"))
    fetched(upstream.url)
    assert upstream.received[0].headers == {
        "connection": "close",
        "host": f"127.0.0.1:{upstream.port}",
        "user-agent": "Diptych",
        "accept-encoding": "identity",
    }


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "2130706433", "[::ffff:127.0.0.1]"])
def test_a_private_address_is_refused_before_it_is_contacted(host):
    listening = Upstream()
    with pytest.raises(FetchError, match="private address"):
        fetched(f"http://{host}:{listening.port}/x?key=secret", allow_private=False)
    assert listening.connections == 0
    listening.close()


PRIVATE = [
    *("0.0.0.0", "10.1.2.3", "100.64.0.1", "127.0.0.1", "169.254.169.254", "172.16.0.1"),
    *("192.168.0.1", "192.0.2.1", "198.18.0.1", "224.0.0.1", "240.0.0.1", "255.255.255.255"),
    *("::", "::1", "fc00::1", "fe80::1", "fe80::1%1", "fec0::1", "ff02::1", "2001:db8::1"),
    *("::ffff:10.0.0.1", "64:ff9b::7f00:1", "2002:7f00:1::", "::7f00:1"),
]


@pytest.mark.parametrize("address", PRIVATE)
def test_an_address_that_is_not_of_the_open_internet_is_known(address):
    assert not is_public(address)


@pytest.mark.parametrize(
    "address", ["1.1.1.1", "2606:4700::1111", "::ffff:1.1.1.1", "64:ff9b::101:101"]
)
def test_an_address_of_the_open_internet_is_known(address):
    assert is_public(address)


@pytest.mark.parametrize(
    ("location", "told"),
    [("ftp://127.0.0.1/x", "not an `http` or `https` URL"), ("http://127.0.0.2/x", "private")],
)
def test_each_hop_is_judged_again(upstream, monkeypatch, location, told):
    monkeypatch.setattr(outgoing, "is_public", lambda address: address == "127.0.0.1")
    upstream.reply(redirect(location))
    with pytest.raises(FetchError, match=told):
        fetched(upstream.url, allow_private=False)
    assert len(upstream.received) == 1


def test_redirects_are_followed(upstream):
    upstream.reply(redirect("/b"), redirect("c", 308), json_reply(b"there"))
    assert fetched(f"{upstream.url}/a").body == b"there"
    assert [each.path for each in upstream.received] == ["/a", "/b", "/c"]


def test_redirects_come_to_an_end(upstream):
    upstream.reply(redirect("/again"))
    with pytest.raises(FetchError, match="more than 3 redirects"):
        fetched(upstream.url)
    assert len(upstream.received) == 4


def test_only_a_get_is_redirected(upstream):
    upstream.reply(redirect("/elsewhere", 307))
    assert fetched(upstream.url, method="POST", body=b"x").status == 307


def test_headers_stay_with_the_host_they_were_meant_for(upstream):
    other = Upstream()
    upstream.reply(redirect("/b"), redirect(other.url))
    fetched(upstream.url, headers={"authorization": "Bearer mine"})
    assert all(each.headers["authorization"] == "Bearer mine" for each in upstream.received)
    assert "authorization" not in other.received[0].headers
    other.close()


@pytest.mark.parametrize("framing", ["chunked", "length", "close"])
@pytest.mark.parametrize("size", [1001, 1_000_000])
def test_an_answer_that_is_too_large_is_refused(upstream, framing, size):
    pieces = [b"x" * min(size, 1001)] * max(size // 1001, 1)
    upstream.reply(Reply(pieces, framing=framing))
    with pytest.raises(FetchError, match="more than 1000 bytes"):
        fetched(upstream.url)


@pytest.mark.parametrize("framing", ["chunked", "length", "close"])
def test_an_answer_may_be_as_large_as_allowed(upstream, framing):
    upstream.reply(Reply([b"x" * 1000], framing=framing))
    assert len(fetched(upstream.url).body) == 1000


@pytest.mark.parametrize("slow", ["head", "body"])
def test_the_time_limit_is_for_all_of_it(upstream, slow):
    never = threading.Event()
    head = never if slow == "head" else None
    upstream.reply(Reply([b"x", never], before_head=head))
    started = time.monotonic()
    with pytest.raises(FetchError, match="in time"):
        fetched(upstream.url, seconds=0.3)
    assert time.monotonic() - started < 3
    never.set()


@pytest.mark.parametrize("end", ["cut", "reset"])
def test_an_answer_that_breaks_off_is_no_answer(upstream, end):
    upstream.reply(Reply([b"x"], end=end))
    with pytest.raises(FetchError, match=r"broke off|reset"):
        fetched(upstream.url)


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("file:///etc/passwd", "not an `http`"),
        ("http://", "not an `http`"),
        ("http://[::1", "no URL"),
        ("http://127.0.0.1:99999", "no URL"),
        ("http://user:pass@127.0.0.1/", "user name"),
        (f"http://{'a' * 64}.example/", "a host that cannot be"),
        ("http://no.such.host.invalid/?key=secret", "not a known host"),
        ("http://127.0.0.1:1/?key=secret", "cannot be reached"),
    ],
)
def test_what_cannot_be_fetched_is_told_without_secrets(url, told):
    with pytest.raises(FetchError, match=told) as caught:
        fetched(url)
    assert "secret" not in str(caught.value)
    assert "pass" not in str(caught.value)


NOT_HTTP = {
    "another protocol": b"SSH-2.0-OpenSSH_9.6\r\n\r\n",
    "nothing": b"",
    "endless head": b"HTTP/1.1 200 OK\r\nA: " + b"x" * 300_000,
    "no number": b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n",
    "no chunk": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    "crooked chunk": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nabcde",
}


@pytest.mark.parametrize("said", NOT_HTTP.values(), ids=NOT_HTTP)
def test_what_is_not_http_is_refused(said):
    listener = socket.create_server(("127.0.0.1", 0))

    def speak() -> None:
        connection, _ = listener.accept()
        with connection, contextlib.suppress(OSError):
            connection.recv(1000)
            connection.sendall(said)

    threading.Thread(target=speak, daemon=True).start()
    with listener, pytest.raises(FetchError, match=r"broke off|cannot be reached"):
        fetched(f"http://127.0.0.1:{listener.getsockname()[1]}")


def test_a_connection_is_let_go_where_tls_never_comes_about():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        with pytest.raises(FetchError, match="in time"):
            fetched(f"https://127.0.0.1:{listener.getsockname()[1]}", seconds=0.3)
        connection, _ = listener.accept()
        with connection:
            connection.settimeout(5)
            while connection.recv(1000):
                pass


def test_the_next_address_is_tried_where_one_takes_no_connection(upstream, monkeypatch):
    async def two_addresses(*_):
        return [(socket.AF_INET, ("127.0.0.1", port)) for port in (1, upstream.port)]

    monkeypatch.setattr(outgoing, "_addresses", two_addresses)
    upstream.reply(json_reply(b"there"))
    assert fetched("http://two.example").body == b"there"
    assert upstream.received[0].headers["host"] == "two.example"


def test_a_compressed_answer_is_refused(upstream):
    upstream.reply(json_reply(gzip.compress(b"x"), content_encoding="gzip"))
    with pytest.raises(FetchError, match="compressed"):
        fetched(upstream.url)


def test_a_certificate_nobody_vouches_for_is_refused(tmp_path):
    served = Upstream(loopback_tls(tmp_path))
    with pytest.raises(FetchError, match="cannot be trusted"):
        fetched(served.url)
    served.close()


def test_who_is_trusted_upstream_is_trusted_here(tmp_path):
    served = Upstream(loopback_tls(tmp_path))
    trusted = options.Options(
        ssl_verify_upstream_trusted_ca=str(tmp_path / "mitmproxy-ca-cert.pem")
    )
    with taddons.context(options=trusted) as context:
        assert fetched(served.url).status == 200
    # It makes one where none is running, and leaves it open.
    context.master.event_loop.close()
    served.close()
