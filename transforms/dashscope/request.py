"""Native text and multimodal generation from a chat completion request.

`result_format` is always `message`: the default gives an answer without calls. A stream is asked
for by a header, and `incremental_output` keeps its frames from repeating the text so far.

Source: Model Studio documentation, "Qwen API reference", DashScope (2026-09); types of the
dashscope SDK 2.0.
"""

from __future__ import annotations

import re

from transforms.beside import drop_beside_calls
from transforms.chat_request import unknown_parameters
from transforms.contract import JSON, Call, ProviderRequest
from transforms.dashscope.media import headers_for
from transforms.dashscope.messages import build_messages, hold_media
from transforms.dashscope.models import is_multimodal
from transforms.dashscope.settle import Settled

_SERVICE = "/services/aigc/{task}-generation/generation"

_STREAMED = {"X-DashScope-SSE": "enable", "Accept": "text/event-stream"}

_CARRIED = (
    *("max_tokens", "temperature", "top_p", "presence_penalty", "seed", "stop", "n"),
    *("logprobs", "top_logprobs", "response_format"),
    *("tools", "tool_choice", "parallel_tool_calls"),
)

_OWN = (
    *("enable_thinking", "thinking_budget", "preserve_thinking", "enable_search"),
    *("search_options", "top_k", "repetition_penalty", "vl_high_resolution_images"),
    *("enable_code_interpreter", "translation_options"),
)
"""DashScope's own parameters, by which clients that know it ask for more."""

_KNOWN = frozenset({*_CARRIED, *_OWN, "model", "messages", "stream", "stream_options"})
"""All else is dropped by name."""


def build_native_request(call: Call, settled: Settled) -> ProviderRequest:
    """The body of text or multimodal generation.

    Drops: what only tunes and has no counterpart, a demanded call where it may be one of several
    tools, names of participants, reasoning of earlier turns unless `preserve_thinking` asks for it.

    Raises:
        RequestError: a message that cannot be said in this format.
    """
    asked, dropped = settled.asked, list(settled.dropped)
    dropped += unknown_parameters(asked, _KNOWN)
    drop_beside_calls(asked["messages"], dropped)
    multimodal = is_multimodal(call.model) or hold_media(asked["messages"])
    keeps_reasoning = asked.get("preserve_thinking") is True
    messages = build_messages(asked["messages"], multimodal, keeps_reasoning, dropped)
    parameters: JSON = {"result_format": "message"}
    if settled.streams:
        parameters["incremental_output"] = True
    parameters.update({name: asked[name] for name in (*_CARRIED, *_OWN) if name in asked})
    if parameters.get("tool_choice") == "required":
        parameters["tool_choice"] = "auto"
        dropped.append("tool_choice")
    body = {"model": call.model, "input": {"messages": messages}, "parameters": parameters}
    headers = {**(_STREAMED if settled.streams else {}), **headers_for(asked["messages"])}
    path = _path(call.base_url, "multimodal" if multimodal else "text")
    return ProviderRequest(path, body, headers, tuple(dict.fromkeys(dropped)))


def _path(base_url: str, task: str) -> str:
    """The path below the base URL, which may already lead to the API as the SDK's does."""
    prefix = "" if re.search(r"/api/v1/?$", base_url) else "/api/v1"
    return prefix + _SERVICE.format(task=task)
