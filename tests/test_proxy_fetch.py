"""Images and files by address, through the proxy, for providers that take them as data alone."""

from __future__ import annotations

import base64
import json
import threading
import time
from collections.abc import Iterator

import pytest

from interception.attachments import LARGEST_BYTES
from tests.answers import CLAUDE, OLLAMA, OPENAI, body
from tests.clients import post
from tests.proxy import Proxy
from tests.upstream import Reply, Upstream, json_reply

PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)
PNG_TEXT = base64.b64encode(PNG).decode()
PDF = b"%PDF-1.7 and so on"
CONVERSED = {
    "output": {"message": {"role": "assistant", "content": [{"text": "A dot"}]}},
    "stopReason": "end_turn",
    "usage": {"inputTokens": 9, "outputTokens": 2, "totalTokens": 11},
}


@pytest.fixture
def shelf() -> Iterator[Upstream]:
    """The host that the images lie on."""
    host = Upstream()
    host.reply(picture())
    yield host
    host.close()


@pytest.fixture(scope="module")
def fetching(tmp_path_factory, upstream) -> Iterator[Proxy]:
    """A proxy whose time-out is longer than any fetch."""
    running = Proxy(
        tmp_path_factory.mktemp("fetching"),
        routes=[
            f"llama=ollama@{upstream.url}",
            f"bedrock=bedrock/anthropic.claude-sonnet-4-5-v1:0@{upstream.url}",
            f"claude=anthropic/claude-sonnet-4-5@{upstream.url}",
            f"kimi=moonshot/kimi-k2.5@{upstream.url}",
            f"gemma=cerebras/gemma-4-31b@{upstream.url}",
        ],
        environment={
            "AWS_BEARER_TOKEN_BEDROCK": "bedrock-key-0123456789",
            "ANTHROPIC_API_KEY": "sk-ant-environment-key-0123456789",
            "MOONSHOT_API_KEY": "sk-moonshot-0123456789",
            "CEREBRAS_API_KEY": "csk-cerebras-0123456789",
        },
    ).wait_until_up()
    yield running
    running.stop()


def picture(data: bytes = PNG, content_type: str = "image/png", **options) -> Reply:
    return Reply([data], content_type=content_type, framing="length", **options)


def image(url: str) -> dict:
    return {"type": "image_url", "image_url": {"url": url}}


def ask(model: str, *parts: dict) -> dict:
    text = {"type": "text", "text": "What is it?"}
    return {"model": model, "messages": [{"role": "user", "content": [text, *parts]}]}


def allowed(proxy: Proxy, asked: dict):
    return post(proxy, asked, x_chat_private="allow")


def error_of(answer) -> dict:
    assert answer.status_code == 400, answer.text
    return answer.json()["error"]


def test_an_image_reaches_ollama_as_data(fetching, upstream, shelf):
    upstream.reply(json_reply(body(OLLAMA)))
    asked = ask("llama", image(f"{shelf.url}/dot.png?size=1"))
    answer = allowed(fetching, asked)
    row = fetching.exchange(answer.headers["x-chat-request-id"])
    assert answer.status_code == 200, answer.text
    assert upstream.received[0].json["messages"][0]["images"] == [PNG_TEXT]
    assert shelf.received[0].path == "/dot.png?size=1"
    assert json.loads(row["openai_request"]) == asked
    assert json.loads(row["provider_request"])["messages"][0]["images"] == [PNG_TEXT]


def test_images_and_files_reach_bedrock_as_data(fetching, upstream, shelf):
    upstream.reply(json_reply(body(CONVERSED)))
    shelf.reply(picture(PDF, "application/pdf"))
    file = {"type": "file", "file": {"filename": "a.pdf", "file_data": f"{shelf.url}/a.pdf"}}
    answer = allowed(fetching, ask("bedrock", file))
    assert answer.status_code == 200, answer.text
    (document,) = [
        part["document"]
        for part in upstream.received[0].json["messages"][0]["content"]
        if "document" in part
    ]
    assert base64.b64decode(document["source"]["bytes"]) == PDF
    upstream.reply(json_reply(body(CONVERSED)))
    shelf.reply(picture())
    allowed(fetching, ask("bedrock", image(f"{shelf.url}/dot")))
    assert {"image": {"format": "png", "source": {"bytes": PNG_TEXT}}} in (
        upstream.received[0].json["messages"][0]["content"]
    )


def test_an_address_without_tls_reaches_anthropic_as_data(fetching, upstream, shelf):
    upstream.reply(json_reply(body(CLAUDE)))
    parts = [image(f"{shelf.url}/dot"), image("https://example.com/dot.png")]
    answer = allowed(fetching, ask("claude", *parts))
    assert answer.status_code == 200, answer.text
    sources = [part["source"] for part in upstream.received[0].json["messages"][0]["content"][1:]]
    assert sources == [
        {"type": "base64", "media_type": "image/png", "data": PNG_TEXT},
        {"type": "url", "url": "https://example.com/dot.png"},
    ]


@pytest.mark.parametrize("model", ["kimi", "gemma"])
def test_a_host_of_openai_format_gets_a_data_url(fetching, upstream, shelf, model):
    upstream.reply(json_reply(body(OPENAI)))
    allowed(fetching, ask(model, image(f"{shelf.url}/dot")))
    content = upstream.received[0].json["messages"][0]["content"]
    assert content[1]["image_url"]["url"] == f"data:image/png;base64,{PNG_TEXT}"


@pytest.mark.parametrize("headers", [{}, {"x_chat_private": "no"}], ids=["not asked", "declined"])
@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_a_private_address_is_refused_unless_the_client_asks(
    fetching, upstream, shelf, host, headers
):
    upstream.reply(json_reply(body(OLLAMA)))
    asked = ask("llama", image(f"http://{host}:{shelf.port}/dot.png"))
    error = error_of(post(fetching, asked, **headers))
    assert error["param"] == "messages[0].content[1].image_url.url"
    assert "private address" in error["message"]
    assert "`x-chat-private: allow`" in error["message"]
    assert "data:image/png;base64" in error["message"]
    assert shelf.connections == 0
    assert upstream.received == []


NOT_FETCHED = {
    "not found": (Reply([b"no"], status=404), "HTTP 404"),
    "too large": (
        Reply([b"x"], framing="close", headers={"content-length": str(LARGEST_BYTES + 1)}),
        "more than",
    ),
    "no image": (picture(b"<html>", "text/html; charset=utf-8"), "no image but `text/html`"),
    "no type": (picture(b"who knows", "application/octet-stream"), "no image"),
    "empty": (picture(b""), "answered nothing"),
    "cut": (Reply([PNG], content_type="image/png", end="cut"), "broke off"),
    "to a file": (json_reply(b"", 302, location="file:///etc/passwd"), "not an `http`"),
    "in circles": (json_reply(b"", 302, location="/again"), "redirects"),
}


@pytest.mark.parametrize("case", NOT_FETCHED)
def test_what_cannot_be_fetched_is_a_400_that_says_what_to_do(fetching, upstream, shelf, case):
    reply, told = NOT_FETCHED[case]
    shelf.reply(reply)
    upstream.reply(json_reply(body(OLLAMA)))
    answer = allowed(fetching, ask("llama", image(f"{shelf.url}/dot.png?key=secret")))
    error = error_of(answer)
    row = fetching.exchange(answer.headers["x-chat-request-id"])
    assert (error["param"], error["code"]) == (
        "messages[0].content[1].image_url.url",
        "invalid_image_url",
    )
    assert told in error["message"]
    assert error["message"].endswith("Send the data itself as `data:image/png;base64,...`.")
    assert "secret" not in error["message"]
    assert (row["state"], row["provider_request"]) == ("failed", None)
    assert "Traceback" not in fetching.log
    assert upstream.received == []


def test_a_slow_host_holds_up_no_other_call(fetching, upstream, shelf):
    upstream.reply(json_reply(body(OLLAMA)))
    never = threading.Event()
    shelf.reply(Reply([PNG], content_type="image/png", before_head=never))
    answers = []
    asked = ask("llama", image(f"{shelf.url}/dot.png"))
    slow = threading.Thread(target=lambda: answers.append(allowed(fetching, asked)))
    slow.start()
    started = time.monotonic()
    assert post(fetching, ask("llama")).status_code == 200
    assert time.monotonic() - started < 5
    assert not answers
    never.set()
    slow.join()
    assert answers[0].status_code == 200
