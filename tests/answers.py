"""Small answers in the formats of the first providers, for tests of the proxy."""

from __future__ import annotations

import json
from collections.abc import Iterable

CLAUDE = {
    "id": "msg_01Abc",
    "type": "message",
    "role": "assistant",
    "model": "claude-sonnet-4-5-20250929",
    "content": [{"type": "text", "text": "Hello there"}],
    "stop_reason": "end_turn",
    "stop_sequence": None,
    "usage": {"input_tokens": 9, "output_tokens": 4, "cache_read_input_tokens": 3},
}

OLLAMA = {
    "model": "llama3.2",
    "created_at": "2026-01-02T03:04:05.6789Z",
    "message": {"role": "assistant", "content": "Hello there"},
    "done": True,
    "done_reason": "stop",
    "prompt_eval_count": 12,
    "eval_count": 3,
}

OPENAI = {
    "id": "chatcmpl-Abc",
    "object": "chat.completion",
    "created": 1767323045,
    "model": "gpt-4o-mini-2024-07-18",
    "choices": [
        {
            "index": 0,
            "message": {"role": "assistant", "content": "Hello there", "refusal": None},
            "logprobs": None,
            "finish_reason": "stop",
        }
    ],
    "usage": {"prompt_tokens": 9, "completion_tokens": 2, "total_tokens": 11},
}

NEW_CHAT = {"success": True, "request_id": "r", "data": {"id": "C1"}}
"""Of a provider that keeps conversations itself, to whoever asks for a new one."""


def body(answer: object) -> bytes:
    """An answer as the bytes of its body."""
    return json.dumps(answer).encode()


def claude_events(texts: Iterable[str] = ("Hello", " there"), *, end: bool = True) -> list[bytes]:
    """Anthropic's events of a streamed text, one piece each."""
    start = {**CLAUDE, "content": [], "stop_reason": None}
    said: list[dict] = [
        {"type": "message_start", "message": start},
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
        {"type": "ping"},
        *(
            {
                "type": "content_block_delta",
                "index": 0,
                "delta": {"type": "text_delta", "text": text},
            }
            for text in texts
        ),
    ]
    if end:
        said += [
            {"type": "content_block_stop", "index": 0},
            {
                "type": "message_delta",
                "delta": {"stop_reason": "end_turn", "stop_sequence": None},
                "usage": {"output_tokens": 4},
            },
            {"type": "message_stop"},
        ]
    return [f"event: {each['type']}\ndata: {json.dumps(each)}\n\n".encode() for each in said]


def openai_events(texts: Iterable[str] = ("Hello", " there")) -> list[bytes]:
    """OpenAI's events of a streamed text, one piece each, `[DONE]` last."""
    head = {
        "id": "chatcmpl-Abc",
        "object": "chat.completion.chunk",
        "created": 1,
        "model": "gpt-4o",
    }
    deltas: list[tuple[dict, str | None]] = [
        ({"role": "assistant", "content": ""}, None),
        *(({"content": text}, None) for text in texts),
        ({}, "stop"),
    ]
    chunks = [
        {**head, "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]}
        for delta, finish in deltas
    ]
    return [b"data: " + body(chunk) + b"\n\n" for chunk in chunks] + [b"data: [DONE]\n\n"]
