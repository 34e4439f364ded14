"""What stays of calls that are over, in a proxy that keeps their flows as mitmweb's list does."""

from __future__ import annotations

import pytest

from tests.answers import CLAUDE, OPENAI, body, claude_events, openai_events
from tests.clients import ask, http, post
from tests.upstream import json_reply, stream_reply

KEEP_FLOWS = """
import gc
from interception.call_in_flight import CallInFlight
from mitmproxy.http import Response

kept = []

def request(flow):
    kept.append(flow)
    if flow.request.path == "/calls":
        gc.collect()
        calls = sum(isinstance(each, CallInFlight) for each in gc.get_objects())
        flow.response = Response.make(200, f"{len(kept)} {calls}")
"""


@pytest.mark.parametrize(
    ("model", "reply"),
    [
        ("claude-sonnet-4-5", json_reply(body(CLAUDE))),
        ("claude-sonnet-4-5", stream_reply(claude_events())),
        ("claude-sonnet-4-5", stream_reply(claude_events(end=False))),
        ("not-routed", json_reply(body(OPENAI))),
        ("not-routed", stream_reply(openai_events())),
    ],
    ids=["plain", "stream", "stream_cut_off", "bare", "bare_stream"],
)
def test_a_flow_that_is_kept_keeps_no_call(start_proxy, upstream, tmp_path, model, reply):
    script = tmp_path / "keep_flows.py"
    script.write_text(KEEP_FLOWS)
    proxy = start_proxy(
        routes=[f"claude-*=anthropic@{upstream.url}"],
        environment={"ANTHROPIC_API_KEY": "k" * 20},
        arguments=["-s", str(script)],
    ).wait_until_up()
    upstream.reply(reply)
    streams = "event-stream" in reply.content_type
    post(proxy, ask(model, stream=streams), f"{upstream.url}/v1/chat/completions")
    with http(proxy) as client:
        assert client.get(f"{upstream.url}/calls").text == "2 0"
