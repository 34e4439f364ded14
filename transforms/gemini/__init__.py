"""Google's Gemini: `generateContent`, and `streamGenerateContent` with server-sent events.

`request` turns a chat completion into a `GenerateContentRequest`, with `messages`, `content`,
`tools` and `names` for its parts and `models` for what the models differ in; `framing`,
`response`, `stream`, `citations` and `errors` bring the answer back. Vertex AI serves the same
format at another address, with a token or, in express mode, with the key that `express` adds.

Source: Gemini API reference, v1beta, and the types of the google-genai SDK 3.4 (2026-09).
"""

from transforms.contract import WEB, Auth, Provider
from transforms.gemini.errors import parse_error
from transforms.gemini.framing import AnswerDecoder
from transforms.gemini.request import build_request
from transforms.gemini.response import parse_response
from transforms.gemini.stream import AnswerStream

PROVIDER = Provider(
    name="gemini",
    base_url="https://generativelanguage.googleapis.com",
    key_variable="GEMINI_API_KEY",
    decoder=AnswerDecoder,
    build_request=build_request,
    parse_response=parse_response,
    parse_error=parse_error,
    open_stream=AnswerStream,
    auth=Auth("x-goog-api-key", ""),
    fetches={"file": WEB},
    turns="contents",
)
