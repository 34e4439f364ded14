"""OpenAI's Responses API: `POST /v1/responses`, streams as server-sent events with named events.

`request` turns a chat completion into the request of a response, with `items` and `content` for
its messages and `tools` for its tools; `response` and `stream` bring the answer back; `reasoning`
carries the items in which a model keeps its thought from one turn to the next. Nothing is stored
at the provider unless the client asks for it, or the route: then `continuation` has only what is
new sent.

Source: Responses API reference and the types of the openai SDK 3.54 (2026-09).
"""

from transforms.contract import Chats, Provider
from transforms.framing import SSEDecoder
from transforms.responses.continuation import SETTING, goes_on, is_lost
from transforms.responses.request import build_request
from transforms.responses.response import parse_error, parse_response
from transforms.responses.stream import ResponseStream

PROVIDER = Provider(
    name="responses",
    base_url="https://api.openai.com",
    key_variable="OPENAI_API_KEY",
    decoder=SSEDecoder,
    build_request=build_request,
    parse_response=parse_response,
    parse_error=parse_error,
    open_stream=ResponseStream,
    turns="input",
    chats=Chats(goes_on, is_lost),
    settings={SETTING: ("true", "false")},
)
