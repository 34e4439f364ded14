"""Amazon Bedrock's Converse API: `POST /model/{modelId}/converse`, and `/converse-stream` with AWS
event streams.

`request` turns a chat completion into a Converse request, with `messages`, `content`, `tools`,
`reasoning`, `schemas` and `names` for its parts, and `models` for what the families behind it
differ in; `response` and `stream` bring the answer back. A Bedrock API key is sent as it is;
without one, `signing` signs with AWS credentials.

Source: Amazon Bedrock Runtime API reference and botocore's model of it, 2023-09-30 (2026-09).
"""

from transforms.bedrock.request import build_request
from transforms.bedrock.response import parse_error, parse_response
from transforms.bedrock.signing import BEARER_VARIABLE, sign
from transforms.bedrock.stream import ConverseStream
from transforms.contract import WEB, Provider
from transforms.framing import EventStreamDecoder

PROVIDER = Provider(
    name="bedrock",
    base_url="https://bedrock-runtime.{AWS_REGION:us-east-1}.amazonaws.com",
    key_variable=BEARER_VARIABLE,
    decoder=EventStreamDecoder,
    build_request=build_request,
    parse_response=parse_response,
    parse_error=parse_error,
    open_stream=ConverseStream,
    sign=sign,
    fetches={"image_url": WEB, "file": WEB},
    error_name=("x-amzn-errortype", "__type"),
    turns="messages",
)
