"""Ours in place of mitmproxy's steps: `test_proxy_upstreams` and `test_proxy_failures` try what
they do."""

from __future__ import annotations

from operator import attrgetter

import pytest
from mitmproxy import addonmanager
from mitmproxy import http as messages
from mitmproxy.proxy.layers import http
from mitmproxy.proxy.layers.http import _http1

from interception import body_size, dispatch, failures, http1, message_types, named_host
from interception.wrapping import Wrap
from tests.mitmproxy_parts import dumper, printing

PARTS = {
    "failures": (
        *(failures.wrap, http),
        *("HttpStream.handle_protocol_error", "HttpLayer._handle_event"),
    ),
    "http1": (http1.wrap, _http1, "ChunkedReader", "Http1Client.read_headers"),
    "named_host": (named_host.wrap, http, "HttpStream.state_wait_for_request_headers"),
    "body_size": (body_size.wrap, http, "HttpStream.check_body_size"),
    "dispatch": (dispatch.wrap, addonmanager, "AddonManager.trigger_event"),
    "message_types": (message_types.wrap, messages, "MessageData.__post_init__"),
    "printing": (printing.wrap, dumper, "Dumper.echo_flow"),
}
NEEDED = {
    failures.wrap: (http, "ResponseProtocolError"),
    http1.wrap: (_http1, "make_body_reader"),
    named_host.wrap: (http, "RequestHeaders"),
    body_size.wrap: (http.HttpStream, "state_errored"),
    dispatch.wrap: (addonmanager, "safecall"),
    message_types.wrap: (messages, "typecheck"),
    printing.wrap: (dumper.Dumper, "error"),
}


@pytest.fixture(params=PARTS)
def part(request):
    """A wrap, and a look at what stands in its places."""
    wrap, layer, *names = PARTS[request.param]
    yield wrap, lambda: [attrgetter(name)(layer) for name in names]
    wrap.uninstall()


def test_it_is_put_on_once_and_taken_off(part):
    wrap, steps = part
    own = steps()
    for _ in range(2):
        wrap.install()
        wrap.install()
        assert not any(ours is theirs for ours, theirs in zip(steps(), own, strict=True))
        wrap.uninstall()
        assert steps() == own


def test_a_generation_nobody_knows_is_left_as_it_is(part, monkeypatch, caplog):
    wrap, steps = part
    own = steps()
    monkeypatch.setattr("mitmproxy.version.VERSION", "99.0")
    wrap.install()
    assert steps() == own
    assert "mitmproxy 99.0" in caplog.text
    assert "Diptych does not know; " in caplog.text


def test_a_mitmproxy_that_lacks_something_is_left_as_it_is(part, monkeypatch, caplog):
    wrap, steps = part
    own = steps()
    monkeypatch.delattr(*NEEDED[wrap])
    wrap.install()
    assert steps() == own
    assert "Diptych does not know; " in caplog.text


class Stream:
    """As mitmproxy's: what instances have is only declared."""

    body: bytes

    def step(self):
        return "mitmproxy's"


class Layer:
    """Stands for a module."""

    Stream = Stream


def ours(stream):
    return f"ours, and {WRAP.own['Stream.step'](stream)}"


WRAP = Wrap(Layer, {"Stream.step": ours}, needs=["Stream.body"], unknown="is not known.")


def test_what_was_begun_with_ours_goes_on_after_the_end():
    WRAP.install()
    begun = Stream().step
    WRAP.uninstall()
    assert begun() == "ours, and mitmproxy's"
    assert Stream().step() == "mitmproxy's"


@pytest.mark.parametrize("missing", ["Stream.other", "Other.step"])
def test_nothing_is_put_on_where_one_thing_is_missing(missing, caplog):
    wrap = Wrap(Layer, {"Stream.step": ours}, needs=[missing], unknown="is not known.")
    wrap.install()
    assert Stream().step() == "mitmproxy's"
    assert "is not known." in caplog.text
