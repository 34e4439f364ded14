"""The native format or OpenAI's, as the base URL of a call tells."""

from __future__ import annotations

import re
from dataclasses import replace

from transforms.contract import JSON, Call, ProviderRequest, Stream
from transforms.dashscope import request, response
from transforms.dashscope.compatible import COMPATIBLE
from transforms.dashscope.media import headers_for
from transforms.dashscope.settle import settle
from transforms.dashscope.stream import FrameStream


def _is_compatible(call: Call) -> bool:
    return re.search(r"/compatible-mode(/v1)?/?$", call.base_url) is not None


def build_request(call: Call) -> ProviderRequest:
    """The request for the door that the call's base URL leads to.

    Drops: what only tunes and has no counterpart; what a value was changed for.

    Raises:
        RequestError: a parameter, part or tool that DashScope cannot do.
    """
    settled = settle(call)
    if not _is_compatible(call):
        return request.build_native_request(call, settled)
    asked = {**settled.asked, "stream": True} if settled.streams else settled.asked
    built = COMPATIBLE.build_request(replace(call, request=asked))
    dropped = tuple(dict.fromkeys([*settled.dropped, *built.dropped]))
    headers = headers_for(asked["messages"])
    return replace(built, dropped=dropped, headers=headers)


def parse_response(call: Call, body: JSON) -> JSON:
    """The `chat.completion` of a plain answer.

    Raises:
        ResponseError: the answer is an error under status 200, or holds no choice.
    """
    if _is_compatible(call):
        return COMPATIBLE.parse_response(call, body)
    return response.parse_response(call, body)


def open_stream(call: Call) -> Stream:
    """The machine for the stream of the door that the call's base URL leads to."""
    return COMPATIBLE.open_stream(call) if _is_compatible(call) else FrameStream(call)
