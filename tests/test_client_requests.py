"""Bodies that real clients sent: every one maps to every provider, and none is changed."""

from __future__ import annotations

import copy
import json
from pathlib import Path

import pytest

from tests.clients import post
from transforms import PROVIDERS
from transforms.chat_request import check_request
from transforms.contract import Call

FOLDER = Path(__file__).parent / "fixtures" / "clients"
CAPTURED = {
    path.stem: json.loads(path.read_text("utf-8")) for path in sorted(FOLDER.glob("*.json"))
}


@pytest.mark.parametrize("provider", PROVIDERS)
@pytest.mark.parametrize("client", CAPTURED)
def test_a_real_clients_request_maps(client, provider):
    body = CAPTURED[client]["body"]
    before = copy.deepcopy(body)
    built = PROVIDERS[provider].build_request(Call(check_request(body), "m", "chatcmpl-1", 1))
    assert body == before
    assert built.body
    json.dumps(built.body)


def _last_user_text(body: dict) -> str:
    content = [each["content"] for each in body["messages"] if each["role"] == "user"][-1]
    return content if isinstance(content, str) else content[-1]["text"]


@pytest.mark.parametrize("client", CAPTURED)
def test_what_the_user_said_reaches_the_provider(client):
    body = CAPTURED[client]["body"]
    said = json.dumps(_last_user_text(body).strip())[1:-1]
    for provider in PROVIDERS.values():
        built = provider.build_request(Call(body, "m", "chatcmpl-1", 1))
        assert said in json.dumps(built.body), provider.name


def test_calls_of_one_client_run_share_the_session_it_names(proxy):
    sessions = set()
    for client in ("opencode-title", "opencode-tool-result"):
        captured = CAPTURED[client]
        named = {"x-session-id": "ses_one", "user-agent": captured["headers"]["user-agent"]}
        body = {**captured["body"], "model": "nowhere"}
        answer = post(proxy, body, **{name.replace("-", "_"): text for name, text in named.items()})
        row = proxy.exchange(answer.headers["x-chat-request-id"])
        sessions.add((row["session_id"], row["client"]))
    assert {session for session, _ in sessions} == {"ses_one"}
