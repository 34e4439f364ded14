"""One turn from a chat completion request, and the request for a new chat.

Times are seconds in a turn and milliseconds where a chat is made.
"""

from __future__ import annotations

import hashlib
from urllib.parse import quote

from transforms.chat_request import present
from transforms.contract import JSON, Call, ProviderRequest
from transforms.errors import RequestError
from transforms.qwen.conversation import STATE, build_turn

PATH = "/api/v2/chat/completions"
CHATS_PATH = "/api/v2/chats/new"

_SITE = "https://chat.qwen.ai"

_CARRIED = frozenset(
    {"model", "messages", "stream", "stream_options", "tools", "tool_choice"}
    | {"parallel_tool_calls", "response_format", "reasoning_effort", "web_search_options"}
)
"""What the functions below answer for; all else is dropped by name."""

_NEUTRAL: JSON = {
    "n": 1,
    "temperature": 1,
    "top_p": 1,
    "presence_penalty": 0,
    "frequency_penalty": 0,
    "logprobs": False,
    "top_logprobs": 0,
    "logit_bias": {},
    "metadata": {},
    "modalities": ["text"],
    "service_tier": "auto",
    "store": False,
    "verbosity": "medium",
}
"""Values that ask for what happens anyway."""

_REFUSED = {
    "n": "gives one choice per request",
    "modalities": "answers in text only",
    "audio": "answers in text only",
    "functions": "takes functions as `tools`",
    "function_call": "takes functions as `tools`",
}
"""Parameters whose absence would change what the client gets."""

_KNOWN_FIELDS = frozenset(
    {"role", "content", "refusal", "tool_calls", "tool_call_id", "function_call"}
    # What came with answers; the server keeps its own.
    | {STATE, "reasoning_content", "reasoning", "annotations", "citations"}
)

_WITHOUT_THINKING = (None, "none", "minimal")


def build_request(call: Call) -> ProviderRequest:
    """The body of one turn, which always asks for a stream: only that tells usage.

    Drops: whatever tunes the answer; names of participants, unknown fields of messages.

    Raises:
        RequestError: a parameter, part or tool that cannot be had here.
    """
    asked = {
        name: value
        for name, value in present(call.request).items()
        if name not in _NEUTRAL or value != _NEUTRAL[name]
    }
    for name, reason in _REFUSED.items():
        if name in asked:
            raise RequestError(
                f"`{name}` cannot be sent to chat.qwen.ai, which {reason}.",
                param=name,
                code="unsupported_parameter",
            )
    turn = build_turn(call)
    body = {
        "stream": True,
        "incremental_output": True,
        "chat_id": turn.chat_id,
        "chat_mode": "normal",
        "model": call.model,
        "parent_id": turn.parent_id,
        "messages": [_message(call, turn.parent_id, turn.content)],
        "timestamp": call.created,
    }
    dropped = [name for name in asked if name not in _CARRIED]
    dropped += [
        f"messages[].{name}"
        for message in asked["messages"]
        for name, value in message.items()
        if name not in _KNOWN_FIELDS and value is not None
    ]
    path = f"{PATH}?chat_id={quote(turn.chat_id, safe='')}"
    return ProviderRequest(path, body, _headers(call, "turn"), tuple(dict.fromkeys(dropped)))


def build_chat_request(call: Call) -> ProviderRequest:
    """Asks for a new chat."""
    body = {
        "title": "New Chat",
        "models": [call.model],
        "chat_mode": "normal",
        "chat_type": _chat_type(call),
        "timestamp": call.created * 1000,
    }
    return ProviderRequest(CHATS_PATH, body, _headers(call, "chat"))


def _message(call: Call, parent_id: str | None, content: str) -> JSON:
    chat_type = _chat_type(call)
    thinks = call.request.get("reasoning_effort") not in _WITHOUT_THINKING
    return {
        "fid": _uuid(call, "message"),
        "parentId": parent_id,
        "parent_id": parent_id,
        "childrenIds": [],
        "role": "user",
        "content": content,
        "user_action": "chat",
        "files": [],
        "timestamp": call.created,
        "models": [call.model],
        "chat_type": chat_type,
        "sub_chat_type": chat_type,
        "feature_config": {"thinking_enabled": thinks, "output_schema": "phase"},
        "extra": {"meta": {"subChatType": chat_type}},
    }


def _chat_type(call: Call) -> str:
    return "search" if call.request.get("web_search_options") is not None else "t2t"


def _headers(call: Call, purpose: str) -> dict[str, str]:
    """What the page sends; no more of the browser than the site itself."""
    return {
        "source": "web",
        "origin": _SITE,
        "referer": f"{_SITE}/",
        "x-accel-buffering": "no",
        "x-request-id": _uuid(call, purpose),
    }


def _uuid(call: Call, purpose: str) -> str:
    """A UUID that the same call always gets."""
    digest = hashlib.sha256(f"{purpose} {call.completion_id}".encode()).hexdigest()
    return f"{digest[:8]}-{digest[8:12]}-4{digest[13:16]}-a{digest[17:20]}-{digest[20:32]}"
