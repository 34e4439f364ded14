"""The three content views, as mitmproxy itself calls them."""

from __future__ import annotations

import asyncio
import io
import json
import warnings

import pytest

from inspection.contentviews import METADATA, install, uninstall
from tests.mitmproxy_parts import Dumper, contentviews, ctx, options, taddons, tflow

SAID = {"model": "gpt-4o", "messages": [{"role": "user", "content": "Hi"}]}
SENT = {"model": "claude", "max_tokens": 9, "messages": [{"role": "user", "content": "Hi"}]}
ANSWERED = {"role": "assistant", "content": [{"type": "text", "text": "Hello"}]}
HEARD = {"choices": [{"index": 0, "message": {"role": "assistant", "content": "Hello"}}]}

CONVERSATION = "request · claude\n  max_tokens: 9\n\n── user ──\n  Hi"


@pytest.fixture(autouse=True)
def installed(monkeypatch):
    """The views are known to mitmproxy, as between `load` and `done`."""
    running = options.Options()
    if "protobuf_definitions" not in running:
        running.add_option("protobuf_definitions", str | None, None, "")
    monkeypatch.setattr(ctx, "options", running, raising=False)
    install()
    yield
    uninstall()


def recorded(**told):
    """A flow as the addon leaves it: rewritten, answered, with what it tells beside."""
    flow = tflow.tflow(resp=True)
    flow.request.content = json.dumps(SENT).encode()
    flow.response.content = json.dumps(HEARD).encode()
    flow.metadata[METADATA] = {
        "client_request": json.dumps(SAID).encode(),
        "client_url": "http://api.openai.com/v1/chat/completions",
        "provider": "anthropic",
        "provider_model": "claude",
        "provider_response": json.dumps(ANSWERED).encode(),
        **told,
    }
    return flow


def shown(flow, message, view="auto"):
    """Name of the view and its text, as this generation of mitmproxy shows a message."""
    if hasattr(contentviews, "prettify_message"):
        result = contentviews.prettify_message(message, flow, view)
        return result.view_name, result.text
    name, lines, error = contentviews.get_message_content_view(view, message, flow)
    assert error is None
    return name, "\n".join("".join(text for _, text in line) for line in lines)


def pretty(body):
    """JSON as the panels show it."""
    return json.dumps(body, indent=2)


def test_a_recorded_flow_is_shown_as_a_conversation_by_itself():
    flow = recorded()
    assert shown(flow, flow.request) == ("Conversation", CONVERSATION)


def test_the_answer_is_shown_as_a_conversation_by_itself():
    flow = recorded()
    assert shown(flow, flow.response) == (
        "Conversation",
        "answer\n\n── assistant ──\n  Hello\n\n── end ──",
    )


def test_another_flow_is_shown_as_ever():
    flow = tflow.tflow(resp=True)
    flow.request.content = json.dumps(SENT).encode()
    flow.request.headers["content-type"] = "application/json"
    assert shown(flow, flow.request)[0] == "JSON"


def test_the_client_panel_holds_what_the_client_said():
    flow = recorded()
    assert shown(flow, flow.request, "Client panel") == (
        "Client panel",
        f"# http://api.openai.com/v1/chat/completions\n{pretty(SAID)}",
    )


def test_the_client_panel_holds_what_the_client_heard():
    flow = recorded()
    assert shown(flow, flow.response, "Client panel") == ("Client panel", pretty(HEARD))


def test_the_provider_panel_holds_what_the_provider_heard():
    flow = recorded()
    assert shown(flow, flow.request, "Provider panel") == ("Provider panel", pretty(SENT))


def test_the_provider_panel_holds_what_the_provider_said():
    flow = recorded()
    assert shown(flow, flow.response, "Provider panel") == (
        "Provider panel",
        f"# anthropic/claude\n{pretty(ANSWERED)}",
    )


def test_a_provider_that_said_nothing_leaves_its_panel_empty():
    flow = recorded(provider_response=b"")
    assert shown(flow, flow.response, "Provider panel")[1] == "# anthropic/claude\n# nothing"


def test_a_panel_that_is_no_json_is_shown_as_it_is_but_harmless():
    flow = recorded(client_request=b"not \x1b[2J json")
    assert shown(flow, flow.request, "Client panel")[1].endswith("\nnot \\x1b[2J json")


@pytest.mark.parametrize("view", ["Client panel", "Provider panel"])
def test_a_panel_of_a_flow_that_is_not_recorded_shows_its_body(view):
    flow = tflow.tflow(resp=True)
    flow.request.content = b'{"a": 1}'
    assert shown(flow, flow.request, view)[1] == pretty({"a": 1})


def test_a_flow_keeps_its_panels_in_a_file():
    kept = recorded()
    flow = type(kept).from_state(kept.get_state())
    assert shown(flow, flow.request, "Client panel") == shown(kept, kept.request, "Client panel")


def test_mitmweb_gets_short_lines_and_no_empty_ones():
    ctx.options.add_option("web_port", int, 8081, "")
    flow = recorded()
    flow.request.content = json.dumps({"prompt": "word " * 30}).encode()
    assert shown(flow, flow.request)[1].split("\n") == [
        "request",
        " ",
        "── user ──",
        "  " + " ".join(["word"] * 15),
        "  " + " ".join(["word"] * 15),
    ]


def test_mitmdump_prints_the_conversation():
    printed = io.StringIO()

    async def dump():
        dumper = Dumper(printed)
        with taddons.context(dumper) as context:
            context.configure(dumper, flow_detail=4)
            dumper.response(recorded())

    with warnings.catch_warnings():
        # The styling of the output asks mitmproxy's parsers, which warn about each other.
        warnings.simplefilter("ignore", DeprecationWarning)
        asyncio.run(dump())
    assert "── user ──\n      Hi" in printed.getvalue().replace("\r\n", "\n")


def test_installing_twice_is_no_warning_and_no_error():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        install()


@pytest.mark.skipif(
    hasattr(contentviews, "Contentview"), reason="mitmproxy 12 never takes a view back"
)
def test_after_done_nothing_is_left_behind():
    uninstall()
    flow = recorded()
    assert shown(flow, flow.request)[0] != "Conversation"
    assert contentviews.get("Client panel") is None
