"""One turn from a chat completion request, and the request for a new chat.

Times are seconds in a turn and milliseconds where a chat is made.
"""

from __future__ import annotations

import hashlib
from urllib.parse import quote

from transforms.beside import unknown_members
from transforms.chat_request import (
    NEUTRAL,
    REFUSED,
    drop_beside_call,
    drop_beside_content,
    drop_unknown,
    refuse,
    saying_something,
    unknown_parameters,
)
from transforms.contract import JSON, Call, ProviderRequest
from transforms.qwen.conversation import STATE, build_turn

PATH = "/api/v2/chat/completions"
CHATS_PATH = "/api/v2/chats/new"

_SITE = "https://chat.qwen.ai"

_CARRIED = frozenset(
    {"model", "messages", "stream", "stream_options", "tools", "tool_choice"}
    | {"parallel_tool_calls", "response_format", "reasoning_effort", "web_search_options"}
)
"""What the functions below answer for; all else is dropped by name."""

_NEUTRAL: JSON = {**NEUTRAL, "temperature": 1, "top_p": 1}
"""Values that ask for what happens anyway."""

_KNOWN_FIELDS = frozenset(
    {"role", "content", "refusal", "tool_calls", "tool_call_id", "function_call"}
    # What came with answers; the server keeps its own.
    | {STATE, "reasoning_content", "reasoning", "annotations", "citations"}
)

_FUNCTION_FIELDS = frozenset({"name", "description", "parameters", "strict"})

_WITHOUT_THINKING = (None, "none", "minimal")


def build_request(call: Call) -> ProviderRequest:
    """The body of one turn, which always asks for a stream: only that tells usage.

    Drops: whatever tunes the answer; names of participants, unknown fields of messages.

    Raises:
        RequestError: a parameter, part or tool that cannot be had here.
    """
    asked = saying_something(call.request, _NEUTRAL)
    refuse(asked, REFUSED, "chat.qwen.ai")
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
    dropped = unknown_parameters(asked, _CARRIED) + unknown_members(asked)
    _drop_unknown(asked, dropped)
    path = f"{PATH}?chat_id={quote(turn.chat_id, safe='')}"
    return ProviderRequest(path, body, _headers(call, "turn"), tuple(dict.fromkeys(dropped)))


def _drop_unknown(asked: JSON, dropped: list[str]) -> None:
    """Names what is not told of messages, their parts and calls, and of functions."""
    for message in asked["messages"]:
        drop_unknown(message, _KNOWN_FIELDS, "messages[]", dropped)
        content = message.get("content")
        for part in content if isinstance(content, list) else ():
            drop_beside_content(part, dropped)
        for call in message.get("tool_calls") or ():
            drop_beside_call(call, dropped)
    for tool in asked.get("tools", ()):
        function = tool["function"]
        drop_unknown(function, _FUNCTION_FIELDS, "tools[].function", dropped)
        if function.get("strict"):
            dropped.append("tools[].function.strict")


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
