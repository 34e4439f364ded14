"""Real clients of the proxy: the openai SDK, and httpx where a test looks at bytes."""

from __future__ import annotations

import json
from collections.abc import Iterator

import httpx
import openai

from tests.proxy import Proxy

NOWHERE = "http://api.openai.invalid"
"""A host that does not exist: whoever contacts it fails."""

CLIENT_KEY = "sk-client-key-that-stays-here-0123456789"


def sdk(proxy: Proxy, base_url: str = f"{NOWHERE}/v1", api_key: str = CLIENT_KEY) -> openai.OpenAI:
    """The official SDK, speaking through the proxy, without retries."""
    http_client = openai.DefaultHttpxClient(proxy=proxy.url)
    return openai.OpenAI(
        base_url=base_url, api_key=api_key, http_client=http_client, max_retries=0, timeout=20
    )


def http(proxy: Proxy, **options) -> httpx.Client:
    """A plain HTTP client behind the proxy."""
    return httpx.Client(proxy=proxy.url, timeout=20, **options)


def post(
    proxy: Proxy, body: bytes | dict, url: str = f"{NOWHERE}/v1/chat/completions", **headers: str
) -> httpx.Response:
    """One chat completion, body as given."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    named.setdefault("content-type", "application/json")
    named.setdefault("authorization", f"Bearer {CLIENT_KEY}")
    with http(proxy) as client:
        return client.post(url, content=content, headers=named)


def ask(model: str, text: str = "Hi", **parameters: object) -> dict:
    """A small chat completion request."""
    return {"model": model, "messages": [{"role": "user", "content": text}], **parameters}


def events(body: bytes) -> Iterator[dict | str]:
    """What each event of an OpenAI stream says; `[DONE]` as text."""
    for event in body.decode().split("\n\n"):
        if event:
            said = event.removeprefix("data: ")
            yield said if said == "[DONE]" else json.loads(said)
