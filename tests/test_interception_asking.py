"""What Diptych asks of a provider itself."""

from __future__ import annotations

import asyncio

import pytest

from interception.asking import Ready, ask
from tests.upstream import Upstream, json_reply
from transforms.errors import ResponseError


def ready(url: str) -> Ready:
    return Ready(f"{url}/path", {"authorization": "Bearer k"}, b"{}", ())


def asked(url: str, timeout_seconds: int = 5) -> tuple[int, bytes]:
    return asyncio.run(ask(ready(url), "client/1", timeout_seconds))


@pytest.mark.parametrize("timeout_seconds", [5, 0])
def test_a_provider_on_this_machine_answers(upstream: Upstream, timeout_seconds: int) -> None:
    upstream.reply(json_reply(b'{"a": 1}', 404))
    assert asked(upstream.url, timeout_seconds) == (404, b'{"a": 1}')
    (received,) = upstream.received
    assert (received.method, received.path, received.body) == ("POST", "/path", b"{}")
    assert received.headers["authorization"] == "Bearer k"
    assert received.headers["user-agent"] == "client/1"
    assert received.headers["content-type"] == "application/json"


def test_a_provider_that_is_not_there_is_an_error() -> None:
    with pytest.raises(ResponseError) as caught:
        asked("http://127.0.0.1:1")
    answer = caught.value.answer()
    assert (answer.status, answer.code) == (502, "upstream_unreachable")
