"""Options, routes and keys as a user sets them."""

from __future__ import annotations

import socket
import sqlite3
import stat

import httpx
import pytest
from mitmproxy.version import VERSION

from tests.answers import CLAUDE, OPENAI, body, claude_events, openai_events
from tests.clients import CLIENT_KEY, ask, post
from tests.proxy import START_SECONDS, free_port
from tests.upstream import json_reply, stream_reply
from transforms.json_text import loads


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"chat_keep_days": "soon"}, ["chat_keep_days", "soon", "whole number"]),
        ({"chat_keep_days": "99999999999999999999"}, ["chat_keep_days", "whole number", "10000"]),
        ({"chat_keep_mb": "-1"}, ["chat_keep_mb", "-1", "whole number"]),
        ({"chat_flows": "-1"}, ["chat_flows", "-1", "whole number"]),
        ({"chat_raw": "maybe"}, ["chat_raw", "maybe", "true or false"]),
        ({"chat_store": "some"}, ["chat_store", "some", "full", "metadata", "off"]),
        ({"chat_redact": "("}, ["chat_redact", "(", "regular expression"]),
        ({"chat_routes": "gpt-4o"}, ["chat_routes", "gpt-4o", "PATTERN=PROVIDER"]),
        ({"chat_routes": "x=nobody/y"}, ["chat_routes", "nobody", "anthropic"]),
        ({"chat_routes": "x=compatible/y"}, ["chat_routes", "base URL"]),
        (
            {"chat_routes": "x=responses@http://h?stored=yes"},
            ["chat_routes", "stored=yes", "previous_response_id=true|false"],
        ),
        ({"chat_db": "nosuch:///x"}, ["chat_db", "nosuch:///x"]),
        ({"chat_db": "sqlite:////no/such/folder/chats.db"}, ["chat_db", "/no/such/folder"]),
        ({"chat_rutes": "x=ollama"}, ["chat_rutes", "chat_routes"]),
    ],
    ids=lambda value: (
        " ".join(f"{k}={v}" for k, v in value.items()) if isinstance(value, dict) else ""
    ),
)
def test_a_bad_value_ends_the_start_and_says_why(start_proxy, options, named):
    proxy = start_proxy(options=options)
    assert proxy.process.wait(20) == 1
    lines = proxy.log.splitlines()
    assert any(all(word in line for word in named) for line in lines), proxy.log


def test_the_password_of_a_database_that_cannot_be_opened_is_not_logged(start_proxy):
    url = f"postgresql://me:hidden@127.0.0.1:{free_port()}/chats?sslmode=nonsense"
    proxy = start_proxy(options={"chat_db": url})
    assert proxy.process.wait(20) == 1
    assert "Option `chat_db` is `postgresql://…@127.0.0.1" in proxy.log
    assert "hidden" not in proxy.log


def test_a_configuration_file_may_hold_typed_values(start_proxy, tmp_path, upstream):
    conf = tmp_path / "proxy-0" / "conf"
    proxy_folder = tmp_path / "proxy-0"
    text = f"chat_keep_days: 30\nchat_raw: true\nchat_routes:\n  - '*=ollama/x@{upstream.url}'\n"
    (tmp_path / "conf").mkdir()
    (tmp_path / "conf" / "config.yaml").write_text(text)
    proxy = start_proxy(options={"confdir": str(tmp_path / "conf")}).wait_until_up()
    upstream.reply(json_reply(b'{"message":{"content":"ok"},"done":true}'))
    assert post(proxy, ask("any")).status_code == 200, (conf, proxy_folder)


@pytest.mark.parametrize("line", ["chat_routes: [1]", "chat_keep_days: [3]"])
def test_a_bad_value_in_a_configuration_file_ends_the_start_and_says_why(
    start_proxy, tmp_path, line
):
    (tmp_path / "config.yaml").write_text(line)
    proxy = start_proxy(options={"confdir": str(tmp_path)})
    assert proxy.process.wait(20) == 1
    name, _, value = line.partition(": ")
    assert f"Option `{name}` is `{value}`; accepted is a" in proxy.log


@pytest.mark.skipif(VERSION.startswith("11."), reason="mitmproxy 11 keeps no streamed bodies")
def test_streams_that_mitmproxy_keeps_are_recorded_as_ever(start_proxy, upstream):
    proxy = start_proxy(
        routes=[f"claude-*=anthropic@{upstream.url}"],
        options={"store_streamed_bodies": "true"},
        environment={"ANTHROPIC_API_KEY": "k"},
    ).wait_until_up()
    upstream.reply(stream_reply(claude_events()), stream_reply(openai_events()))
    bare = f"{upstream.url}/v1/chat/completions"
    told = [post(proxy, ask("claude-x", stream=True)), post(proxy, ask("x", stream=True), url=bare)]
    rows = [proxy.exchange(answer.headers["x-chat-request-id"]) for answer in told]
    assert [(row["state"], row["error"]) for row in rows] == [("complete", None)] * 2
    said = [loads(row["openai_response"])["choices"][0]["message"]["content"] for row in rows]
    assert said == ["Hello there"] * 2


def test_options_that_would_break_a_rewrite_are_reset_with_a_warning(start_proxy, upstream):
    proxy = start_proxy(
        routes=[f"*=ollama/x@{upstream.url}"],
        options={"stream_large_bodies": "1", "connection_strategy": "eager"},
    ).wait_until_up()
    upstream.reply(json_reply(b'{"message":{"content":"ok"},"done":true}'))
    assert post(proxy, ask("any")).status_code == 200
    proxy.wait_to_say("stream_large_bodies is switched off")
    proxy.wait_to_say("connection_strategy is set to lazy")


def test_it_listens_on_loopback_alone(proxy):
    post(proxy, ask("nowhere"))  # by then it has settled
    for address in ("127.0.0.2", "::1"):
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        with (
            socket.socket(family) as stranger,
            pytest.raises(OSError, match=r"refused|assign|support"),
        ):
            stranger.connect((address, proxy.port))


def test_it_records_without_any_configuration(start_proxy, upstream):
    proxy = start_proxy().wait_until_up()
    upstream.reply(json_reply(body(OPENAI)))
    answer = post(proxy, ask("gpt-4o"), url=f"{upstream.url}/v1/chat/completions")
    assert proxy.exchange(answer.headers["x-chat-request-id"])["model"] == "gpt-4o"
    modes = {
        path.name: stat.S_IMODE(path.stat().st_mode) for path in proxy.folder.glob("chats.db*")
    }
    assert modes
    assert set(modes.values()) == {0o600}


def test_a_model_that_names_its_provider_goes_there(proxy, upstream):
    answer = post(proxy, ask("anthropic/claude-x", n=2))
    assert answer.json()["error"]["param"] == "n"


def test_a_missing_key_is_a_401_that_names_the_variable(proxy, upstream):
    upstream.reply(json_reply(body(OPENAI)))
    answer = post(proxy, ask("nokey"))
    assert answer.status_code == 401
    assert "DIPTYCH_TEST_UNSET" in answer.json()["error"]["message"]
    assert upstream.received == []


def test_the_clients_key_goes_on_only_where_the_route_says_so(proxy, upstream):
    upstream.reply(json_reply(body(OPENAI)))
    post(proxy, ask("shared"))
    post(proxy, ask("local"))
    keys = [received.headers.get("authorization") for received in upstream.received]
    assert keys == [f"Bearer {CLIENT_KEY}", None]


@pytest.mark.parametrize("store", ["metadata", "off"])
def test_less_can_be_stored(start_proxy, upstream, store):
    proxy = start_proxy(
        routes=[f"*=ollama/x@{upstream.url}"], options={"chat_store": store}
    ).wait_until_up()
    upstream.reply(json_reply(b'{"message":{"content":"secret answer"},"done":true}'))
    answer = post(proxy, ask("any", "secret question"))
    assert answer.status_code == 200
    proxy.stop()
    kept = b"".join(path.read_bytes() for path in proxy.folder.glob("chats.db*"))
    assert b"secret" not in kept
    rows = proxy.query("SELECT model, state FROM exchanges") if store == "metadata" else []
    assert [tuple(row) for row in rows] == ([("any", "complete")] if store == "metadata" else [])


def test_what_a_user_wants_redacted_is_sent_but_not_stored(start_proxy, upstream):
    proxy = start_proxy(
        routes=[f"*=anthropic@{upstream.url}"],
        options={"chat_redact": r"ACME-\d+"},
        environment={"ANTHROPIC_API_KEY": "k"},
    ).wait_until_up()
    upstream.reply(json_reply(body(CLAUDE)))
    answer = post(proxy, ask("any", "ticket ACME-4711"))
    row = proxy.exchange(answer.headers["x-chat-request-id"])
    assert upstream.received[0].json["messages"][0]["content"] == "ticket ACME-4711"
    assert "ticket [redacted]" in row["openai_request"]
    titles = proxy.query("SELECT first_user_message FROM sessions")
    assert [tuple(title) for title in titles] == [("ticket [redacted]",)]
    assert "4711" not in row["provider_request"]


def test_a_newer_database_ends_the_start_and_is_left_as_it_is(start_proxy, tmp_path):
    newer = tmp_path / "newer.db"
    connection = sqlite3.connect(newer)
    connection.execute(
        "CREATE TABLE migrations (name TEXT NOT NULL PRIMARY KEY, applied_at BIGINT)"
    )
    connection.execute("INSERT INTO migrations VALUES ('m999_later', 1)")
    connection.commit()
    connection.execute("PRAGMA journal_mode = wal")
    connection.close()
    before = newer.read_bytes()
    proxy = start_proxy(options={"chat_db": f"sqlite:///{newer}"})
    assert proxy.process.wait(START_SECONDS) == 1
    assert "written by a newer version (m999_later)" in proxy.log
    assert "It was left as it is." in proxy.log
    assert newer.read_bytes() == before


def test_mitmweb_lists_the_latest_calls_alone(start_proxy, upstream):
    web_port = free_port()
    proxy = start_proxy(
        routes=[f"*=ollama/x@{upstream.url}"],
        options={"chat_flows": "2", "web_port": str(web_port), "web_password": "open"},
        program="mitmweb",
        arguments=["--no-web-open-browser"],
    ).wait_until_up()
    upstream.reply(json_reply(b'{"message":{"content":"ok"},"done":true}'))
    answers = [post(proxy, ask("any")) for _ in range(5)]
    told = httpx.get(f"http://127.0.0.1:{web_port}/flows", headers={"authorization": "Bearer open"})
    listed = [dict(flow["response"]["headers"])["x-chat-request-id"] for flow in told.json()]
    # The last call is still on its way into the list when the one before leaves it.
    assert listed == [answer.headers["x-chat-request-id"] for answer in answers[-3:]]
