"""Keys planted wherever one may stand are found nowhere afterwards."""

from __future__ import annotations

import contextlib
import sqlite3
import time
from urllib.parse import quote

import pytest

from tests.answers import CLAUDE, body, claude_events
from tests.clients import NOWHERE, ask, http, post
from tests.pages import PAGES, looking
from tests.proxy import Proxy
from tests.upstream import json_reply, stream_reply

ENVIRONMENT_KEY = "sk-ant-planted-in-the-environment-01"
PLANTED = {
    "authorization": "planted-as-authorization-0123456789",
    "api key": "planted-as-api-key-0123456789",
    "cookie": "planted-as-cookie-0123456789",
    "organization": "org-planted-0123456789",
    "query": "planted-in-the-query-0123456789",
    "prompt": "sk-proj-plantedInThePrompt0123456789",
    "tool": "ghp_plantedInATool0123456789abcdefghij",
    "answer": "AIzaSyPlantedInTheAnswer0123456789abcde",
    "response header": "planted-in-set-cookie-0123456789",
}
PATH = f"/v1/chat/completions?api-key={PLANTED['query']}"
IDS = {"sessions": "id", "requests": "request_id", "responses": "response_id"}
"""What the API lists -> the member that names it."""

HEADERS = {
    "x-api-key": PLANTED["api key"],
    "authorization": f"Bearer {PLANTED['authorization']}",
    "cookie": f"session={PLANTED['cookie']}",
    "openai-organization": PLANTED["organization"],
    "user-agent": "planting/1",
}


def planted_request(model: str, **parameters: object) -> dict:
    """A call with keys in its prompt and in its tools."""
    function = {"name": "push", "description": f"with {PLANTED['tool']}", "parameters": {}}
    return ask(
        model,
        f"my key is {PLANTED['prompt']}",
        tools=[{"type": "function", "function": function}],
        **parameters,
    )


def replies() -> dict:
    """Answers that repeat the keys that a provider may get, plain, streamed and as errors."""
    sent = ("authorization", "api key", "cookie", "query")
    keys = " ".join([ENVIRONMENT_KEY, *(PLANTED[name] for name in sent)])
    echo = f"Incorrect API key provided: {keys}"
    said = f"use {PLANTED['answer']} and {ENVIRONMENT_KEY}"
    cookie = {"set_cookie": f"a={PLANTED['response header']}"}
    error = {"type": "error", "error": {"type": "authentication_error", "message": echo}}
    plain = {**CLAUDE, "content": [{"type": "text", "text": said}]}
    half = len(said) // 2
    return {
        "plain": (json_reply(body(plain), **cookie), False),
        "streamed": (stream_reply(claude_events([said[:half], said[half:]])), True),
        "error": (json_reply(body(error), status=401, **cookie), False),
        "error in a stream": (
            stream_reply(
                [*claude_events(["Hi"], end=False), b"event: error\ndata: " + body(error) + b"\n\n"]
            ),
            True,
        ),
        "html error": (json_reply(f"<html>{echo}</html>".encode(), status=500), False),
        "unreadable": (json_reply(f"broken {echo}".encode()), False),
    }


@pytest.mark.parametrize(("raw", "detail"), [("true", "1"), ("false", "2")])
@pytest.mark.parametrize("waiting", [False, True], ids=["written", "waiting in the spill file"])
def test_planted_keys_are_nowhere(start_proxy, upstream, raw, detail, waiting):
    proxy: Proxy = start_proxy(
        routes=[f"routed=anthropic@{upstream.url}"],
        options={"chat_raw": raw, "flow_detail": detail},
        # On a narrow terminal mitmdump cuts URLs, wherever a key is in them.
        environment={"ANTHROPIC_API_KEY": ENVIRONMENT_KEY, "COLUMNS": "1000"},
    ).wait_until_up()
    upstream.reply(json_reply(body(CLAUDE)))
    with http(proxy) as client, contextlib.ExitStack() as lock:
        client.post(f"{NOWHERE}/v1/chat/completions", json=ask("routed"))
        proxy.query("SELECT 1 FROM exchanges")
        if waiting:
            other = lock.enter_context(contextlib.closing(sqlite3.connect(proxy.database)))
            other.execute("BEGIN IMMEDIATE")
        for reply, stream in replies().values():
            for host in (NOWHERE, upstream.url):
                upstream.reply(reply)
                model = "routed" if host == NOWHERE else "bare"
                asked = planted_request(model, stream=stream)
                client.post(f"{host}{PATH}", json=asked, headers=HEADERS)
                assert len(upstream.received) == 1
        kept = until_kept(proxy, b"planting/1", ".spill" if waiting else "")
        if waiting:
            lock.close()
            proxy.wait_to_say("The database is back")
        kept += shown(proxy)
        found = {name for name, key in PLANTED.items() if key.encode() in kept}
    assert found == set()
    assert ENVIRONMENT_KEY.encode() not in kept


def test_a_key_in_the_url_is_not_in_the_error_of_a_call_that_cannot_be_sent(proxy):
    answer = post(proxy, ask("bare"), f"{NOWHERE}{PATH}")
    row = proxy.exchange(answer.headers["x-chat-request-id"])
    assert f"{NOWHERE}/v1/chat/completions?api-key=[redacted] cannot be reached" in row["error"]
    assert not any(PLANTED["query"] in str(value) for value in tuple(row))


def shown(proxy: Proxy) -> bytes:
    """All pages of the record, and all that the API tells of it."""
    told = b""
    with looking(proxy) as client:
        paths = ["/", "/sessions", "/stats", "/api/stats"]
        for kind, key in IDS.items():
            listed = client.get(f"{PAGES}/api/{kind}").json()["data"]
            ids = [quote(row[key], safe="") for row in listed]
            paths += [f"/api/{kind}", *(f"/api/{kind}/{each}" for each in ids)]
            paths += [f"/{kind}/{each}" for each in ids if kind != "responses"]
        for path in paths:
            answer = client.get(f"{PAGES}{path}")
            assert answer.status_code == 200
            told += answer.content
    assert b"planting/1" in told
    return told


def until_kept(proxy: Proxy, text: bytes, ending: str) -> bytes:
    """All files that the proxy wrote, once one of this ending has the text for each call."""
    deadline = time.monotonic() + 10
    count = 0
    while count < 2 * len(replies()) and time.monotonic() < deadline:
        time.sleep(0.1)
        files = list(proxy.folder.glob(f"chats.db{ending}*"))
        count = sum(path.read_bytes().count(text) for path in files)
    assert count >= 2 * len(replies())
    time.sleep(0.3)
    return b"".join(path.read_bytes() for path in proxy.folder.iterdir() if path.is_file())
