"""Every provider through the real proxy and the real SDK, from the recorded bytes."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator

import pytest

from tests.answers import NEW_CHAT, body
from tests.cases import STREAM, Case, all_cases, meant
from tests.clients import NOWHERE, post, sdk
from tests.clients import ask as minimal
from tests.proxy import Proxy
from tests.upstream import Reply, Upstream, json_reply
from transforms import PROVIDERS

MADE_ID = re.compile(r"call_(fixture|[0-9a-f]{32})(?=_\d+$)")

CONTENT_TYPES = {
    "sse": "text/event-stream",
    "ndjson": "application/x-ndjson",
    "eventstream": "application/vnd.amazon.eventstream",
}


@pytest.fixture(scope="module")
def every_provider(tmp_path_factory: pytest.TempPathFactory, upstream: Upstream) -> Iterator[Proxy]:
    """A proxy with a key for everyone, and all providers on loopback."""
    keys = {
        provider.key_variable: f"test-key-of-{name}"
        for name, provider in PROVIDERS.items()
        if provider.key_variable and provider.sign is None
    }
    signing = {"AWS_ACCESS_KEY_ID": "AKIDEXAMPLE", "AWS_SECRET_ACCESS_KEY": "example"}
    signing |= {"GOOGLE_CLOUD_PROJECT": "example", "GOOGLE_API_KEY": "example"}
    running = Proxy(
        tmp_path_factory.mktemp("providers"),
        routes=[f"{name}/*={name}@{upstream.url}" for name in PROVIDERS],
        environment={**keys, **signing},
    ).wait_until_up()
    yield running
    running.stop()


def some(*roles: str) -> list:
    """One text and one tool call of every provider, with these files."""
    return [
        pytest.param(case, id=case.name)
        for case in all_cases()
        if case.folder.parent.name in PROVIDERS
        and case.folder.name.removeprefix("streamed_") in {"plain_text", "text", "tool_call"}
        and all(case.has(role) for role in roles)
    ]


def ask(proxy: Proxy, case: Case) -> dict:
    """What the client asks: the case's request, for a model that the route sends there."""
    provider = case.folder.parent.name
    return {**case.json("request"), "model": f"{provider}/{case.call.model}"}


def path_of(proxy: Proxy, upstream: Upstream) -> str:
    return upstream.received[-1].path.partition("?")[0]


def before(case: Case) -> list[Reply]:
    """What the provider is asked before the call, answered."""
    return [json_reply(body(NEW_CHAT))] if case.provider.chats and case.provider.chats.new else []


def choices_of(completion: dict) -> list[dict]:
    """The choices, but for ids that we made, and for where they lie in a chat of the provider's:
    the former are the call's own, the latter the login's."""
    choices = meant(completion)["choices"]
    for choice in choices:
        message = choice["message"]
        choice["message"] = {
            name: value
            for name, value in message.items()
            if not (isinstance(value, dict) and "chat_id" in value)
        }
        for call in message.get("tool_calls", ()):
            call["id"] = MADE_ID.sub("made", call["id"])
    return choices


def pieces_of(body: bytes, seed: int) -> list[bytes]:
    """The body in a dozen pieces, wherever they happen to end."""
    cuts = sorted(random.Random(seed).sample(range(1, len(body)), min(12, len(body) - 1)))
    return [body[a:b] for a, b in zip([0, *cuts], [*cuts, len(body)], strict=True)]


@pytest.mark.parametrize("case", some("provider_response.json", "response.json"))
def test_a_plain_answer_comes_through(every_provider, upstream, case):
    answer = json_reply((case.folder / "provider_response.json").read_bytes())
    upstream.reply(*before(case), answer)
    request = ask(every_provider, case)
    with sdk(every_provider, f"{NOWHERE}/v1") as client:
        request.pop("stream", None)
        answer = client.chat.completions.create(
            model=request.pop("model"), messages=request.pop("messages"), extra_body=request
        )
    assert choices_of(answer.to_dict()) == choices_of(case.json("response"))
    assert path_of(every_provider, upstream).endswith(
        case.json("provider_request")["path"].partition("?")[0].split("/")[-1]
    )


@pytest.mark.parametrize("case", some(STREAM, "response.json"))
def test_a_stream_comes_through(every_provider, upstream, case):
    framing = next(iter(case.folder.glob(STREAM))).suffix.removeprefix(".")
    reply = Reply(pieces_of(case.stream, seed=7), content_type=CONTENT_TYPES[framing])
    upstream.reply(*before(case), reply)
    request = {**ask(every_provider, case), "stream": True}
    with sdk(every_provider, f"{NOWHERE}/v1") as client:
        raw = client.chat.completions.with_raw_response.create(
            model=request.pop("model"),
            messages=request.pop("messages"),
            stream=request.pop("stream"),
            extra_body=request,
        )
        chunks = list(raw.parse())
    row = every_provider.exchange(raw.headers["x-chat-request-id"])
    text = "".join(choice.delta.content or "" for chunk in chunks for choice in chunk.choices)
    message = case.json("response")["choices"][0]["message"]
    assert text == (message["content"] or "")
    assert (row["state"], row["error"]) == ("complete", None)
    assert row["finish_reason"] == case.json("response")["choices"][0]["finish_reason"]


@pytest.mark.parametrize(
    ("name", "status", "code"),
    [
        ("ServiceQuotaExceededException:http://internal.example/", 429, "insufficient_quota"),
        ("ExpiredTokenException", 401, "invalid_api_key"),
        ("ValidationException", 400, None),
        (None, 400, None),
    ],
)
def test_bedrock_names_an_error_in_a_header(every_provider, upstream, name, status, code):
    headers = {"x_amzn_errortype": name} if name else {}
    upstream.reply(json_reply(b'{"message": "No."}', status=400, **headers))
    answer = post(every_provider, minimal("bedrock/amazon.nova-lite-v1:0"))
    error = answer.json()["error"]
    assert (answer.status_code, error["message"]) == (status, "No.")
    assert error["code"] == code
    assert ("x-should-retry" in answer.headers) is (code == "insufficient_quota")
