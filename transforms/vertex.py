"""Gemini on Google Cloud's Vertex AI, with an OAuth token.

The location comes from the environment, `global` unless set; a region's own host is named by the
route, `@https://europe-west1-aiplatform.googleapis.com`, and then tells its location. Express
mode lies at `@https://aiplatform.googleapis.com/v1/publishers/google` and takes an API key.

Source: Vertex AI reference, v1beta1, `projects.locations.publishers.models` (2026-09).
"""

from transforms.contract import WEB, Provider
from transforms.gemini.errors import parse_error
from transforms.gemini.express import TOKEN_VARIABLE, add_key
from transforms.gemini.framing import AnswerDecoder
from transforms.gemini.request import build_vertex_request
from transforms.gemini.response import parse_response
from transforms.gemini.stream import AnswerStream

PROVIDER = Provider(
    name="vertex",
    base_url="https://aiplatform.googleapis.com",
    key_variable=TOKEN_VARIABLE,
    decoder=AnswerDecoder,
    build_request=build_vertex_request,
    parse_response=parse_response,
    parse_error=parse_error,
    open_stream=AnswerStream,
    sign=add_key,
    fetches={"file": WEB},
    turns="contents",
)
