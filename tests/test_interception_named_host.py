"""What is noted of a request before mitmproxy changes it."""

from __future__ import annotations

import pytest
from mitmproxy.http import Request

from interception import named_host

Stream = named_host._layer.HttpStream


@pytest.fixture(autouse=True)
def clean():
    yield
    named_host.uninstall()


def test_it_is_put_on_once_and_taken_off():
    original = Stream.state_wait_for_request_headers
    named_host.install()
    named_host.install()
    assert Stream.state_wait_for_request_headers is not original
    named_host.uninstall()
    assert Stream.state_wait_for_request_headers is original


def test_a_mitmproxy_nobody_knows_is_left_as_it_is(monkeypatch, caplog):
    monkeypatch.delattr(named_host._layer, "RequestHeaders")
    original = Stream.state_wait_for_request_headers
    named_host.install()
    assert Stream.state_wait_for_request_headers is original
    assert "not known" in caplog.text


def test_a_request_that_was_not_seen_tells_its_own_host():
    request = Request.make("GET", "http://a.example/")
    request.host_header = "b.example:81"
    assert named_host.named_host(request) == "b.example:81"
