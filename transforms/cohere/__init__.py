"""Cohere's Chat API, version 2: `POST /v2/chat`, streams as server-sent events.

`request` turns a chat completion into a chat request, with `messages` and `tools` for its parts
and `models` for what the models differ in; `response` and `stream` bring the answer back.
Version 1 is another format and is not spoken.

Source: Chat API reference, version 2, and the types of the cohere SDK 7.3 (2026-09).
"""

from transforms.cohere.request import build_request
from transforms.cohere.response import parse_error, parse_response
from transforms.cohere.stream import MessageStream
from transforms.contract import Provider
from transforms.framing import SSEDecoder

PROVIDER = Provider(
    name="cohere",
    base_url="https://api.cohere.com",
    key_variable="CO_API_KEY",
    decoder=SSEDecoder,
    build_request=build_request,
    parse_response=parse_response,
    parse_error=parse_error,
    open_stream=MessageStream,
    turns="messages",
)
