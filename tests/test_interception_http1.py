"""The wrap around mitmproxy's reading of HTTP/1; `test_proxy_upstreams` tries what it does."""

from __future__ import annotations

import h11
import pytest
from h11._receivebuffer import ReceiveBuffer

from interception import http1


@pytest.fixture(autouse=True)
def clean():
    yield
    http1.uninstall()


def wrapped() -> bool:
    return http1.http1_layer.ChunkedReader is http1.TrailerlessReader


def test_it_is_put_on_once_and_taken_off():
    own = http1.http1_layer.Http1Client.read_headers
    http1.install()
    http1.install()
    assert wrapped()
    http1.uninstall()
    assert not wrapped()
    assert http1.http1_layer.Http1Client.read_headers is own


def test_a_mitmproxy_nobody_knows_is_left_as_it_is(monkeypatch, caplog):
    monkeypatch.setattr("mitmproxy.version.VERSION", "99.0")
    http1.install()
    assert not wrapped()
    assert "99.0" in caplog.text


def test_a_body_with_trailers_ends_without_them():
    received = ReceiveBuffer()
    received += b"3\r\nabc\r\n0\r\nx-checksum: 1\r\n\r\n"
    read = http1.TrailerlessReader()
    assert bytes(read(received).data) == b"abc"
    assert read(received) == h11.EndOfMessage()
    assert not received
