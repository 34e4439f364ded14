"""DashScope, Alibaba Cloud's Model Studio: Qwen and the models hosted beside it.

The base URL tells the door. A host alone, or one with `/api/v1`, leads to the native format: text
generation, or multimodal generation where the model or the content is more than text. A base URL
that ends in `/compatible-mode` or `/compatible-mode/v1` leads to the OpenAI format, as
`compatible` declares it. `settle` applies the rules that hold behind both. Without a base URL the
native door of the international host (Singapore) is meant; Beijing's is
`https://dashscope.aliyuncs.com`, and a key is good for one region alone.

A plain call to a model that will think goes out as a stream, because most models think in no other
way; the answer is put together again.

Source: types of the dashscope SDK 2.0; Model Studio documentation, "Qwen API reference" (2026-09);
recorded exchanges of both doors (2026-03).
"""

from transforms.contract import Provider
from transforms.dashscope.doors import build_request, open_stream, parse_response
from transforms.dashscope.errors import parse_error
from transforms.dashscope.framing import StatusDecoder

PROVIDER = Provider(
    name="dashscope",
    base_url="https://dashscope-intl.aliyuncs.com",
    key_variable="DASHSCOPE_API_KEY",
    decoder=StatusDecoder,
    build_request=build_request,
    parse_response=parse_response,
    parse_error=parse_error,
    open_stream=open_stream,
)
