"""Every way a client can reach the proxy: TLS, reverse, upstream, HTTP/2."""

from __future__ import annotations

import contextlib
import ssl
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import httpx
import openai
import pytest

from tests.answers import CLAUDE, OPENAI, body, claude_events, openai_events
from tests.clients import CLIENT_KEY, ask, events
from tests.proxy import ROOT, Proxy
from tests.upstream import Reply, Upstream, json_reply, loopback_tls, stream_reply
from transforms.json_text import dumps

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


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/files"])
def test_a_body_of_no_stated_length_reaches_a_host_without_http2(start_proxy, tmp_path, path):
    upstream = Upstream(loopback_tls(tmp_path))
    upstream.reply(json_reply(body(OPENAI)))
    ca = str(tmp_path / "mitmproxy-ca-cert.pem")
    proxy = start_proxy(options={"ssl_verify_upstream_trusted_ca": ca}).wait_until_up()
    with httpx.Client(proxy=proxy.url, verify=trusting(proxy, http2=True), http2=True) as client:
        answer = client.post(f"{upstream.url}{path}", content=iter([dumps(ask("x"))]))
    assert (answer.http_version, answer.status_code) == ("HTTP/2", 200)
    assert upstream.received[0].body == dumps(ask("x"))


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
    edge.wait_to_say("HTTP/2.0")
    if end == "clean":
        assert last == "[DONE]"
    else:
        assert last["error"].keys() == {"message", "type", "param", "code"}


# Each way a client can come, through each mode

CLIENTS = ("HTTP", "HTTPS", "HTTP/2")


@dataclass
class Way:
    """A proxy in one of its modes, and the hosts that its clients name."""

    mode: str
    proxy: Proxy
    hosts: dict[str, Upstream]
    """By scheme."""

    def host(self, kind: str) -> Upstream:
        """The host that such a client's call is for."""
        return self.hosts["http" if self.mode == "reverse" or kind == "HTTP" else "https"]

    def post(self, kind: str, content: bytes) -> httpx.Response:
        """One chat completion, and whose it is in headers that must arrive."""
        http2 = kind == "HTTP/2"
        scheme = "http" if kind == "HTTP" else "https"
        port = self.proxy.port if self.mode == "reverse" else self.host(kind).port
        with httpx.Client(
            proxy=None if self.mode == "reverse" else self.proxy.url,
            verify=trusting(self.proxy, http2=http2),
            http2=http2,
            trust_env=False,
        ) as client:
            answer = client.post(
                f"{scheme}://127.0.0.1:{port}/v1/chat/completions?a=b",
                content=content,
                headers={"authorization": f"Bearer {CLIENT_KEY}", "cookie": "a=b"},
            )
        assert answer.http_version == ("HTTP/2" if http2 else "HTTP/1.1")
        return answer


@pytest.fixture(scope="module")
def hosts(tmp_path_factory):
    """Hosts that clients name, by scheme; they exist, and count who comes."""
    folder = tmp_path_factory.mktemp("hosts")
    started = {"http": Upstream(), "https": Upstream(loopback_tls(folder))}
    yield folder / "mitmproxy-ca-cert.pem", started
    for host in started.values():
        host.close()


@pytest.fixture(scope="module", params=["regular", "reverse", "upstream"])
def way(request, tmp_path_factory, hosts, upstream):
    """A proxy in each mode that trusts these hosts and has a route."""
    ca, by_scheme = hosts
    with contextlib.ExitStack() as running:

        def start(**settings) -> Proxy:
            started = Proxy(tmp_path_factory.mktemp("way"), **settings)
            running.callback(started.stop)
            return started.wait_until_up()

        mode = "regular"
        if request.param == "reverse":
            mode = f"reverse:{by_scheme['http'].url}"
        elif request.param == "upstream":
            mode = f"upstream:{start(options={'ignore_hosts': '.*'}).url}"
        options = {"ssl_verify_upstream_trusted_ca": str(ca)}
        routes = [f"claude-*=anthropic@{upstream.url}"]
        proxy = start(mode=mode, routes=routes, environment=KEY, options=options)
        yield Way(request.param, proxy, by_scheme)


@pytest.mark.parametrize("kind", CLIENTS)
@pytest.mark.parametrize("stream", [False, True], ids=["plain", "streamed"])
def test_a_bare_call_passes_as_it_is(way, kind, stream):
    said = b"".join(openai_events()) if stream else b' {"id": "x",\n "choices": []} '
    sent = b'{ "model":"mine" ,"messages":[], "x":1e2, "x":2, "stream":%s}'
    sent %= b"true" if stream else b"false"
    host = way.host(kind)
    host.reply(stream_reply(openai_events()) if stream else json_reply(said))
    answer = way.post(kind, sent)
    assert answer.content == said
    (received,) = host.received
    assert (received.path, received.body) == ("/v1/chat/completions?a=b", sent)
    assert received.headers["authorization"] == f"Bearer {CLIENT_KEY}"
    assert received.headers["cookie"] == "a=b"
    row = way.proxy.exchange(answer.headers["x-chat-request-id"])
    assert (row["state"], row["provider_request"]) == ("complete", row["openai_request"])


@pytest.mark.parametrize("kind", CLIENTS)
def test_the_host_of_a_routed_call_is_never_contacted(way, kind, upstream):
    host = way.host(kind)
    before = host.connections
    upstream.reply(json_reply(body(CLAUDE)))
    answer = way.post(kind, dumps(ask("claude-x")))
    assert answer.json()["object"] == "chat.completion"
    assert [received.path for received in upstream.received] == ["/v1/messages"]
    assert host.connections == before


def test_of_streams_that_share_a_connection_only_the_silent_one_is_cut_off(start_proxy, upstream):
    edge = start_proxy(
        mode=f"reverse:{upstream.url}", script=ROOT / "benchmarks" / "pass_streams.py"
    ).wait_until_up()
    proxy = start_proxy(
        routes=[f"*=anthropic@https://127.0.0.1:{edge.port}"],
        environment=KEY,
        options={"ssl_insecure": "true", "chat_timeout": "4"},
    ).wait_until_up()
    silent, gates = claude_events(["Hel"], end=False), [threading.Event() for _ in range(2)]
    hung, alone = (stream_reply(silent, end="hang") for _ in range(2))
    said = claude_events()
    upstream.reply(
        hung,
        stream_reply([*said[:4], gates[0], *said[4:5], gates[1], *said[5:]]),
        alone,
    )

    def stream(model: str) -> tuple[str, object]:
        answer = client.post(
            "https://api.openai.invalid/v1/chat/completions", json=ask(model, stream=True)
        )
        assert answer.http_version == "HTTP/2"
        return answer.headers["x-chat-request-id"], list(events(answer.content))[-1]

    options = {"proxy": proxy.url, "verify": trusting(proxy, http2=True), "http2": True}
    with httpx.Client(**options, timeout=20) as client, ThreadPoolExecutor(2) as clients:
        first = clients.submit(stream, "silent")
        while not upstream.received:
            time.sleep(0.01)
        time.sleep(1)
        second = clients.submit(stream, "lively")
        time.sleep(0.5)
        gates[0].set()
        # Not until the client has heard of it: of two threads on one connection, httpcore may let
        # the other one take the news, and read on.
        while not proxy.query("SELECT 1 FROM responses WHERE state = 'interrupted'"):
            time.sleep(0.01)
        time.sleep(0.2)
        gates[1].set()
        cut, heard = first.result()
        assert heard["error"]["message"] == "`anthropic` said nothing for 4 s."
        whole, last = second.result()
        assert last == "[DONE]"
        assert hung.left.wait(5)
        assert "server disconnect" not in proxy.log
        # Alone on its connection, a silent stream has it closed.
        _, heard = stream("silent")
        assert heard["error"]["code"] == "timeout"
        assert alone.left.wait(5)
        proxy.wait_to_say("server disconnect")
        upstream.reply(stream_reply(said))
        assert stream("lively")[1] == "[DONE]"
    assert [proxy.exchange(each)["state"] for each in (cut, whole)] == ["interrupted", "complete"]
    assert proxy.exchange(cut)["error"] == "`anthropic` said nothing for 4 s."
    assert "Traceback" not in proxy.log


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_provider_behind_another_proxy_that_falls_silent_is_cut_off(
    start_proxy, tmp_path, scheme
):
    provider = Upstream(loopback_tls(tmp_path) if scheme == "https" else None)
    outer = start_proxy(
        options={"ssl_insecure": "true"}, script=ROOT / "benchmarks" / "pass_streams.py"
    ).wait_until_up()
    proxy = start_proxy(
        mode=f"upstream:{outer.url}",
        routes=[f"*=anthropic@{provider.url}"],
        environment=KEY,
        options={"ssl_insecure": "true", "chat_timeout": "1"},
    ).wait_until_up()
    provider.reply(
        stream_reply(claude_events(["Hel"], end=False), end="hang"),
        Reply([b""], before_head=threading.Event()),
    )
    with httpx.Client(proxy=proxy.url, timeout=10, trust_env=False) as client:
        url = "http://api.openai.invalid/v1/chat/completions"
        streamed = client.post(url, json=ask("claude-x", stream=True))
        plain = client.post(url, json=ask("claude-x"))
    assert list(events(streamed.content))[-1]["error"]["code"] == "timeout"
    assert (plain.status_code, plain.json()["error"]["code"]) == (504, "timeout")
    assert proxy.exchange(plain.headers["x-chat-request-id"])["state"] == "failed"
    provider.close()
