"""What is noted of a request before mitmproxy changes it."""

from __future__ import annotations

from mitmproxy.http import Request

from interception import named_host


def test_a_request_that_was_not_seen_tells_its_own_host():
    request = Request.make("GET", "http://a.example/")
    request.host_header = "b.example:81"
    assert named_host.named_host(request) == "b.example:81"
