"""What Diptych itself asks of a provider, beside the call that mitmproxy carries."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from interception.outgoing import FetchError, fetch
from transforms.contract import ErrorAnswer
from transforms.errors import ResponseError

LARGEST_ANSWER = 64 << 20
"""Bytes of an answer taken whole."""

_FOR_EVER_S = 24 * 3600.0


@dataclass(frozen=True, slots=True)
class Ready:
    """A provider's request as it leaves."""

    url: str
    headers: Mapping[str, str]
    body: bytes
    dropped: tuple[str, ...]


async def ask(ready: Ready, user_agent: str, timeout_seconds: int) -> tuple[int, bytes]:
    """Status and body of the provider's answer; a timeout of 0 waits on.

    Raises:
        ResponseError: 502, the provider cannot be reached or breaks off.
    """
    headers = {
        "content-type": "application/json",
        "accept": "application/json, text/event-stream",
        "user-agent": user_agent,
        **ready.headers,
    }
    try:
        # The address is the route's, so it may be on this machine.
        answer = await fetch(
            ready.url,
            method="POST",
            headers=headers,
            body=ready.body,
            largest_bytes=LARGEST_ANSWER,
            seconds=timeout_seconds or _FOR_EVER_S,
            allow_private=True,
        )
    except FetchError as exc:
        unreachable = ErrorAnswer(502, str(exc), "server_error", "upstream_unreachable")
        raise ResponseError.reported(unreachable) from exc
    return answer.status, answer.body
