"""OpenAI chat completions, and the factory for hosts that speak the same format.

Endpoint: `POST /v1/chat/completions`. OpenAI's own request goes on nearly as it came, another
host's as its `Quirks` say; the answer is brought back into the letter of the format, because hosts
that call themselves compatible repeat names, renumber tool calls, send `null` for `[]` and put
usage where it suits them.

Source: OpenAI API reference, "Chat Completions" (2026-09); types of the openai SDK 3.54.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

from transforms.contract import Auth, Call, Provider, ProviderRequest
from transforms.framing import SSEDecoder
from transforms.openai.errors import parse_error
from transforms.openai.quirks import NONE, Quirks
from transforms.openai.request import (
    build_compatible_request,
    build_hosted_request,
    build_request,
)
from transforms.openai.response import FAILED_FINISHES, FINISH_REASONS, parse_response
from transforms.openai.stream import ChunkStream

__all__ = [
    "FAILED_FINISHES",
    "FINISH_REASONS",
    "PROVIDER",
    "ChunkStream",
    "build_compatible_request",
    "build_request",
    "openai_format",
    "parse_error",
    "parse_response",
]

_BEARER = Auth()


def openai_format(
    name: str,
    base_url: str,
    key_variable: str | None,
    *,
    quirks: Quirks = NONE,
    build_request: Callable[[Call], ProviderRequest] | None = None,
    key_required: bool = True,
    auth: Auth = _BEARER,
    fetches: Mapping[str, tuple[str, ...]] | None = None,
) -> Provider:
    """A host that speaks OpenAI chat completions below `base_url`, with these quirks."""
    return Provider(
        name=name,
        base_url=base_url,
        key_variable=key_variable,
        decoder=SSEDecoder,
        build_request=build_request or partial(build_hosted_request, quirks=quirks),
        parse_response=partial(parse_response, quirks=quirks),
        parse_error=partial(parse_error, quirks=quirks),
        open_stream=partial(ChunkStream, quirks=quirks),
        auth=auth,
        key_required=key_required,
        fetches=fetches or {},
        turns="messages",
    )


PROVIDER = openai_format(
    "openai", "https://api.openai.com", "OPENAI_API_KEY", build_request=build_request
)
