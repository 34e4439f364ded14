"""chat.qwen.ai's web interface, version 2: `POST /api/v2/chat/completions`, one turn of a chat.

The interface is private, undocumented and unversioned, so answers are read leniently. The server
keeps the history of a chat: where the conversation so far is what a chat holds, `conversation`
has only what is new sent to it; all else goes flattened into a new chat. `request` builds the
turn, `tools` asks for calls in words and finds them in the text, `response`, `stream` and
`errors` bring the answer back.

Source: the public clients ChrisColeTech/qwen_proxy_opencode, Rfym21/Qwen2API, xtekky/gpt4free and
youssefvdel/qwenproxy (2026-07).
"""

from transforms.contract import Auth, Chats, NewChat, Provider
from transforms.qwen.conversation import goes_on
from transforms.qwen.errors import is_lost, parse_error
from transforms.qwen.framing import FrameDecoder
from transforms.qwen.request import build_chat_request, build_request
from transforms.qwen.response import parse_chat_response, parse_response
from transforms.qwen.stream import TurnStream

PROVIDER = Provider(
    name="qwen",
    base_url="https://chat.qwen.ai",
    key_variable="QWEN_TOKEN",
    decoder=FrameDecoder,
    build_request=build_request,
    parse_response=parse_response,
    parse_error=parse_error,
    open_stream=TurnStream,
    stream_mark=b'"response.created":',
    auth=Auth(
        beside={
            "cookie": "QWEN_COOKIE",
            "user-agent": "QWEN_USER_AGENT",
            "bx-ua": "QWEN_BX_UA",
            "bx-umidtoken": "QWEN_BX_UMIDTOKEN",
            "bx-v": "QWEN_BX_V",
        }
    ),
    chats=Chats(goes_on, is_lost, NewChat(build_chat_request, parse_chat_response)),
)
