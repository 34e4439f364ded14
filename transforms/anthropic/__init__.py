"""Anthropic's Messages API: `POST /v1/messages`, version 2023-06-01, streams as server-sent events.

`request` turns a chat completion into a Messages request, with `messages`, `content` and `tools`
for its parts; `response` and `stream` bring the answer back. What the models differ in is in
`transforms/claude.py`, since Claude is served elsewhere too.

Source: Messages API reference and the types of the anthropic SDK (2026-09).
"""

from transforms.anthropic.request import build_request
from transforms.anthropic.response import parse_error, parse_response
from transforms.anthropic.stream import MessageStream
from transforms.contract import WEB, Auth, Provider
from transforms.framing import SSEDecoder

PROVIDER = Provider(
    name="anthropic",
    base_url="https://api.anthropic.com",
    key_variable="ANTHROPIC_API_KEY",
    decoder=SSEDecoder,
    build_request=build_request,
    parse_response=parse_response,
    parse_error=parse_error,
    open_stream=MessageStream,
    auth=Auth("x-api-key", ""),
    fetches={"image_url": ("http://",), "file": WEB},
    turns="messages",
)
