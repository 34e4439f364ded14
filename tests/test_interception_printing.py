"""What mitmdump prints of a call: `test_proxy_keys` looks at the real log."""

from __future__ import annotations

import asyncio
import io
import warnings

import pytest
from mitmproxy.http import Headers

from inspection.contentviews import METADATA
from tests.mitmproxy_parts import Dumper, printing, taddons, tflow

KEY = "the-key-of-somebody"
HEADERS = {
    "authorization": f"Bearer {KEY}",
    "api-key": KEY,
    "x-goog-api-key": KEY,
    "cookie": f"session={KEY}",
    "x-amz-security-token": KEY,
    "bx-ua": KEY,
    "openai-organization": KEY,
    "x-kept": "kept",
}


@pytest.fixture(autouse=True)
def installed():
    printing.wrap.install()
    yield
    printing.wrap.uninstall()


def call(path=f"/v1/chat/completions?api-key={KEY}"):
    """A flow with keys wherever one may stand."""
    flow = tflow.tflow(resp=True)
    flow.request.method, flow.request.path = "POST", path
    for message in (flow.request, flow.response):
        message.content, message.trailers = b"{}", Headers()
        for name, value in HEADERS.items():
            message.headers[name] = message.trailers[name] = value
    flow.response.headers["set-cookie"] = f"session={KEY}"
    flow.response.headers["x-ratelimit-remaining-tokens"] = "149984"
    return flow


def printed(flow, detail=4):
    """What mitmdump prints of a flow."""
    out = io.StringIO()

    async def dump():
        dumper = Dumper(out)
        with taddons.context(dumper) as context:
            context.configure(dumper, flow_detail=detail)
            dumper.response(flow)

    with warnings.catch_warnings():
        # The styling of the output asks mitmproxy's parsers, which warn about each other.
        warnings.simplefilter("ignore", DeprecationWarning)
        asyncio.run(dump())
    return out.getvalue()


@pytest.mark.parametrize("detail", [1, 2, 3, 4])
def test_keys_of_a_call_are_not_printed(detail, monkeypatch):
    monkeypatch.setenv("COLUMNS", "1000")
    said = printed(call(), detail)
    assert KEY not in said
    assert "/v1/chat/completions?api-key=[redacted]" in said
    assert ("authorization: [redacted]" in said) is (detail > 1)


def test_what_is_no_key_is_printed_as_it_is():
    said = printed(call())
    assert said.count("x-kept: kept") == 4
    assert "x-ratelimit-remaining-tokens: 149984" in said


def test_a_routed_call_is_known_by_what_is_kept_of_it():
    flow = call("/v1beta/models/gemini:generateContent?key=" + KEY)
    assert KEY in printed(flow)
    flow.metadata[METADATA] = {}
    assert KEY not in printed(flow)


def test_keys_of_a_list_of_models_are_not_printed(monkeypatch):
    monkeypatch.setenv("COLUMNS", "1000")
    flow = call(f"/v1/models?api-key={KEY}")
    flow.request.method = "GET"
    said = printed(flow)
    assert KEY not in said
    assert "/v1/models?api-key=[redacted]" in said


def test_the_shape_of_a_key_is_enough(monkeypatch):
    monkeypatch.setenv("COLUMNS", "1000")
    said = printed(call("/v1/chat/completions?user=sk-proj-0123456789abcdefghij"))
    assert "?user=[redacted]" in said


def test_the_flow_itself_stays_as_it_is():
    flow = call()
    before = flow.get_state()
    printed(flow)
    assert flow.get_state() == before


def test_a_call_without_an_answer_is_printed():
    flow = call()
    flow.response = None
    assert KEY not in printed(flow)


def test_other_flows_are_printed_by_mitmproxy():
    flow = call("/v1/embeddings?api-key=" + KEY)
    assert printed(flow).count(KEY) > len(HEADERS)
