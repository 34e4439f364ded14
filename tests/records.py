"""Requests and answers to record, and ways to look at what was recorded."""

from __future__ import annotations

import asyncio
import json
import sqlite3
import uuid
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from recording import Recorder, RequestRecord
from recording.clues import answer_clues, answer_summaries, brief, request_clues, who
from recording.rows import RequestRow, ResponseRow
from recording.sessions import answer_digests, conversation, conversation_of, first_user_message

ANSWER = {
    "id": "chatcmpl-1",
    "object": "chat.completion",
    "created": 1795000000,
    "model": "gpt-4o",
    "choices": [
        {
            "index": 0,
            "message": {"role": "assistant", "content": "Hello."},
            "finish_reason": "stop",
        }
    ],
    "usage": {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5},
}


def said(*texts: str) -> dict[str, Any]:
    """A request body whose messages are said by user and assistant in turn."""
    roles = ("user", "assistant")
    messages = [{"role": roles[place % 2], "content": text} for place, text in enumerate(texts)]
    return {"model": "gpt-4o", "messages": messages}


_HI = said("Hi")


def request_record(body: Any = _HI, **changes: Any) -> RequestRecord:
    """A routed request; `changes` are fields of the record."""
    fields: dict[str, Any] = {
        "request_id": str(uuid.uuid4()),
        "timestamp": 1795000000000,
        "openai_request": json.dumps(body).encode(),
        "provider_request": json.dumps({"max_tokens": 1, "of": body}).encode(),
        "body": body,
        "headers": {"user-agent": "OpenAI/Python 3.54.0"},
        "provider": "anthropic",
        "model": "gpt-4o",
        "provider_model": "claude-sonnet-4-5",
        "upstream_url": "https://api.anthropic.com/v1/messages",
        "method": "POST",
        "path": "/v1/chat/completions",
        "stream": False,
    }
    return RequestRecord(**{**fields, **changes})


def request_row(request_id: str, **changes: Any) -> RequestRow:
    """A row to be written; `changes` are fields of the row."""
    fields: dict[str, Any] = {
        "request_id": request_id,
        "openai_request": "{}",
        "provider_request": "{}",
        "provider": "anthropic",
        "model": "gpt-4o",
        "provider_model": "claude-sonnet-4-5",
        "upstream_url": "https://api.anthropic.com/v1/messages",
        "method": "POST",
        "path": "/v1/chat/completions",
        "stream": True,
        "dropped": None,
        "client": None,
        "timestamp": 1795000000000,
        "created_at": 1795000000001,
        "explicit_session": None,
        "title": "Hi",
        "lifetime_ms": 0,
    }
    return RequestRow(**{**fields, **changes})


def response_row(request_id: str, **changes: Any) -> ResponseRow:
    """An answer's row; `changes` are fields of the row."""
    fields: dict[str, Any] = {
        "request_id": request_id,
        "response_id": f"answer to {request_id}",
        "fallback_id": f"fallback of {request_id}",
        "openai_response": None,
        "provider_response": None,
        "completion_tokens": None,
        "prompt_tokens": None,
        "total_tokens": None,
        "cached_tokens": None,
        "reasoning_tokens": None,
        "finish_reason": None,
        "error": None,
        "status_code": 200,
        "state": "complete",
        "duration_ms": 5,
        "first_chunk_ms": None,
        "timestamp": 1795000000002,
    }
    return ResponseRow(**{**fields, **changes})


def asked_row(request_id: str, body: dict[str, Any], client: str = "c", **changes: Any) -> Any:
    """The row of a request body, with everything its conversation is told by."""
    told = conversation(body)
    fields: dict[str, Any] = {
        "digest": told.digest,
        "answered": told.answered,
        "message_count": told.message_count,
        "title": first_user_message(body),
        "client": client,
        "who": who({"user-agent": client}),
    }
    fields["clues"] = request_clues(fields["who"], body)
    return request_row(request_id, **{**fields, **changes})


def answered_row(
    request_id: str, body: dict[str, Any], message: Any, client: str = "c", **changes: Any
) -> Any:
    """The row of the answer to it; a message that is None makes it a failure."""
    told = {"choices": [{"message": message}]} if message is not None else {}
    name = who({"user-agent": client})
    before = brief(conversation_of(body))
    fields: dict[str, Any] = {
        "state": "complete" if message is not None else "failed",
        "turns": answer_digests(told),
        "who": name,
        "clues": answer_clues(name, before, told),
        "summaries": answer_summaries(name, told),
        "message_count": len(conversation_of(body)) + 1,
    }
    return response_row(request_id, **{**fields, **changes})


def recorded(
    path: Path, story: Callable[[Recorder], Awaitable[Any]], **options: Any
) -> list[dict[str, Any]]:
    """Runs the story with a recorder on a database file; the exchanges it left."""

    async def run() -> None:
        recorder = Recorder(f"sqlite:///{path}", **options)
        recorder.start(asyncio.get_running_loop())
        try:
            await story(recorder)
        finally:
            recorder.stop()

    asyncio.run(run())
    return rows(path, "SELECT * FROM exchanges ORDER BY id")


def rows(path: Path, sql: str) -> list[dict[str, Any]]:
    """What a reader with plain SQL sees."""
    connection = sqlite3.connect(path)
    try:
        connection.row_factory = sqlite3.Row
        return [dict(row) for row in connection.execute(sql)]
    finally:
        connection.close()
