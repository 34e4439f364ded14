"""Every way a client can reach the proxy: TLS, reverse, upstream, HTTP/2."""

from __future__ import annotations

import ssl

import httpx
import openai
import pytest

from tests.answers import CLAUDE, body, claude_events
from tests.clients import CLIENT_KEY, ask, events
from tests.upstream import Upstream, json_reply, loopback_tls, stream_reply

KEY = {"ANTHROPIC_API_KEY": "sk-ant-environment-key-0123456789"}


class OnlyHTTP2(ssl.SSLContext):
    """Offers HTTP/2 alone, since mitmproxy takes the first on offer and httpx puts 1.1 first."""

    def set_alpn_protocols(self, alpn_protocols) -> None:
        super().set_alpn_protocols(["h2"])


def trusting(proxy, *, http2: bool = False) -> ssl.SSLContext:
    """A client that trusts the proxy's certificate and nothing else."""
    context = (OnlyHTTP2 if http2 else ssl.SSLContext)(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(str(proxy.ca))
    return context


@pytest.mark.parametrize("http2", [False, True], ids=["HTTP/1.1", "HTTP/2"])
@pytest.mark.parametrize("stream", [False, True], ids=["plain", "streamed"])
def test_a_tls_client_reaches_the_provider_and_its_host_is_never_contacted(
    proxy, upstream, http2, stream
):
    upstream.reply(stream_reply(claude_events()) if stream else json_reply(body(CLAUDE)))
    with httpx.Client(proxy=proxy.url, verify=trusting(proxy, http2=http2), http2=http2) as client:
        answer = client.post(
            "https://api.openai.invalid/v1/chat/completions",
            json=ask("claude-x", stream=stream),
            headers={"authorization": f"Bearer {CLIENT_KEY}"},
        )
    assert answer.http_version == ("HTTP/2" if http2 else "HTTP/1.1")
    said = list(events(answer.content))[-1] if stream else answer.json()["object"]
    assert said == ("[DONE]" if stream else "chat.completion")


@pytest.mark.parametrize("http2", [False, True], ids=["HTTP/1.1", "HTTP/2"])
def test_a_provider_that_cannot_be_reached_is_told_over_tls_too(proxy, http2):
    with httpx.Client(proxy=proxy.url, verify=trusting(proxy, http2=http2), http2=http2) as client:
        answer = client.post(
            "https://api.openai.invalid/v1/chat/completions", json=ask("nowhere", stream=True)
        )
    assert answer.status_code == 502
    assert answer.json()["error"]["code"] == "upstream_unreachable"


def test_a_provider_behind_tls_is_reached(start_proxy, tmp_path):
    context = loopback_tls(tmp_path / "provider")
    upstream = Upstream(context)
    upstream.reply(json_reply(body(CLAUDE)))
    proxy = start_proxy(
        routes=[f"*=anthropic@{upstream.url}"],
        environment=KEY,
        options={
            "ssl_verify_upstream_trusted_ca": str(tmp_path / "provider" / "mitmproxy-ca-cert.pem")
        },
    ).wait_until_up()
    with httpx.Client(proxy=proxy.url) as client:
        answer = client.post("http://api.openai.invalid/v1/chat/completions", json=ask("claude-x"))
    assert answer.status_code == 200, answer.text


def test_reverse_mode_needs_no_proxy_variables(start_proxy, upstream):
    proxy = start_proxy(
        mode="reverse:http://api.openai.invalid",
        routes=[f"*=anthropic@{upstream.url}"],
        environment=KEY,
    ).wait_until_up()
    upstream.reply(stream_reply(claude_events()))
    with openai.OpenAI(base_url=f"{proxy.url}/v1", api_key=CLIENT_KEY, max_retries=0) as client:
        stream = client.chat.completions.create(**ask("any"), stream=True)
        assert "".join(chunk.choices[0].delta.content or "" for chunk in stream) == "Hello there"


def test_an_upstream_proxy_carries_the_provider_call(start_proxy, upstream):
    outer = start_proxy().wait_until_up()
    inner = start_proxy(
        mode=f"upstream:{outer.url}", routes=[f"*=anthropic@{upstream.url}"], environment=KEY
    ).wait_until_up()
    upstream.reply(json_reply(body(CLAUDE)))
    with httpx.Client(proxy=inner.url) as client:
        answer = client.post("http://api.openai.invalid/v1/chat/completions", json=ask("x"))
    assert answer.json()["choices"][0]["message"]["content"] == "Hello there"
    assert upstream.received[0].path == "/v1/messages"


@pytest.mark.parametrize("end", ["clean", "cut"])
def test_a_provider_that_speaks_http2_streams_to_a_client_of_its_kind(start_proxy, upstream, end):
    edge = start_proxy(mode=f"reverse:{upstream.url}", arguments=["--flow-detail", "1"])
    edge.wait_until_up()
    proxy = start_proxy(
        routes=[f"*=anthropic@https://127.0.0.1:{edge.port}"],
        environment=KEY,
        options={"ssl_insecure": "true"},
    ).wait_until_up()
    said = claude_events() if end == "clean" else claude_events(["Hel"], end=False)
    upstream.reply(stream_reply(said, end=end))
    with httpx.Client(proxy=proxy.url, verify=trusting(proxy, http2=True), http2=True) as client:
        answer = client.post(
            "https://api.openai.invalid/v1/chat/completions", json=ask("claude-x", stream=True)
        )
    last = list(events(answer.content))[-1]
    assert "HTTP/2.0" in edge.log
    if end == "clean":
        assert last == "[DONE]"
    else:
        assert last["error"].keys() == {"message", "type", "param", "code"}
