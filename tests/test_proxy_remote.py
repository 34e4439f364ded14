"""Whose key a client on another machine gets its answer with."""

from __future__ import annotations

import httpx
import pytest

from tests.answers import CLAUDE, body
from tests.clients import CLIENT_KEY, NOWHERE, ask
from tests.proxy import own_address
from tests.upstream import json_reply

USUAL_KEY = "usual-key-of-the-environment"
TEAM_KEY = "key-of-the-team-in-the-environment"
ENVIRONMENT = {"ANTHROPIC_API_KEY": USUAL_KEY, "TEAM_KEY": TEAM_KEY}
KEYS = {"usual": USUAL_KEY, "team": TEAM_KEY, "own": CLIENT_KEY}
"""The model that a client asks for -> the key that its route has."""


@pytest.fixture
def address() -> str:
    """An address from which a client counts as on another machine."""
    own = own_address()
    if own is None:
        pytest.skip("this machine has no address but loopback")
    return own


@pytest.fixture
def start(start_proxy, upstream):
    """Starts a proxy that others can reach, with a route for each key."""
    to_claude = f"anthropic/claude-sonnet-4-5@{upstream.url}"

    def started(**options):
        upstream.reply(json_reply(body(CLAUDE)))
        return start_proxy(
            routes=[f"usual={to_claude}", f"team={to_claude}#TEAM_KEY", f"own={to_claude}#client"],
            environment=ENVIRONMENT,
            options={"listen_host": "0.0.0.0", **options},
        ).wait_until_up()

    return started


def call(proxy, host, model, login=""):
    """One call to the proxy at this address."""
    with httpx.Client(proxy=f"http://{login}{host}:{proxy.port}") as client:
        return client.post(
            f"{NOWHERE}/v1/chat/completions",
            json=ask(model),
            headers={"authorization": f"Bearer {CLIENT_KEY}"},
        )


def keys_sent(upstream):
    """The keys that came to the provider."""
    return [received.headers["x-api-key"] for received in upstream.received]


def test_keys_of_the_environment_are_for_this_machine(start, upstream, address):
    proxy = start()
    for model in ("usual", "team"):
        refused = call(proxy, address, model)
        assert refused.status_code == 401
        assert "chat_remote" in refused.json()["error"]["message"]
    assert upstream.received == []
    assert call(proxy, "127.0.0.1", "usual").status_code == 200
    assert call(proxy, address, "own").status_code == 200
    assert keys_sent(upstream) == [USUAL_KEY, CLIENT_KEY]


@pytest.mark.parametrize(
    ("options", "login"),
    [({"chat_remote": "true"}, ""), ({"proxyauth": "user:word"}, "user:word@")],
    ids=["chat_remote", "proxyauth"],
)
def test_keys_of_the_environment_are_for_others_where_it_is_said(
    start, upstream, address, options, login
):
    proxy = start(**options)
    answers = [call(proxy, address, model, login) for model in KEYS]
    assert [answer.status_code for answer in answers] == [200, 200, 200]
    assert keys_sent(upstream) == list(KEYS.values())
