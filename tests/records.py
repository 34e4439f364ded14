"""Requests and answers to record, and ways to look at what was recorded."""

from __future__ import annotations

import asyncio
import json
import sqlite3
import uuid
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import msgspec

from models import PANELS, Exchange, Request, Response, Session
from recording import Recorder, RequestRecord
from recording.clues import (
    RequestClues,
    answer_clues,
    answer_summaries,
    brief,
    request_clues,
    who,
)
from recording.rows import RequestRow, ResponseRow
from recording.sessions import (
    Conversation,
    answer_digests,
    chained,
    conversation_from,
    first_user_message,
)
from transforms.chat_request import INSTRUCTIONS

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


def conversation_of(body: dict[str, Any]) -> list[dict[str, Any]]:
    """What a request body says of its conversation, as those who record it tell the recorder."""
    messages = body.get("messages")
    return [
        message
        for message in (messages if isinstance(messages, list) else ())
        if isinstance(message, dict) and message.get("role") not in INSTRUCTIONS
    ]


def conversation(body: dict[str, Any]) -> Conversation:
    """What is told by that."""
    messages = conversation_of(body)
    return conversation_from(messages, chained(messages))


_HI = said("Hi")


def request_record(body: Any = _HI, **changes: Any) -> RequestRecord:
    """A routed request; `changes` are fields of the record."""
    fields: dict[str, Any] = {
        "request_id": str(uuid.uuid4()),
        "timestamp": 1795000000000,
        "openai_request": json.dumps(body).encode(),
        "provider_request": json.dumps({"max_tokens": 1, "of": body}).encode(),
        "body": body,
        "said": conversation_of(body or {}),
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
    """A row to be written; `changes` are fields of the row, bodies given as strings."""
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
    return RequestRow(**_with_texts({**fields, **changes}))


def response_row(request_id: str, **changes: Any) -> ResponseRow:
    """An answer's row; `changes` are fields of the row, bodies given as strings."""
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
    return ResponseRow(**_with_texts({**fields, **changes}))


def _with_texts(fields: dict[str, Any]) -> dict[str, Any]:
    bodies = {name: fields[name] for name in PANELS if fields.get(name) is not None}
    return {**fields, **{name: body.encode() for name, body in bodies.items()}}


def legible(row: RequestRow | ResponseRow) -> str:
    """All that a row holds, bodies decoded."""
    values = msgspec.structs.asdict(row)
    bodies = {name: values[name].decode() for name in PANELS if values.get(name) is not None}
    return str({**values, **bodies})


def clues_of(client: str, body: dict[str, Any]) -> RequestClues:
    """The clues of a request body."""
    return request_clues(client, conversation_of(body), offers_tools=bool(body.get("tools")))


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
    fields["clues"] = clues_of(fields["who"], body)
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
    with_recorder(f"sqlite:///{path}", story, **options)
    return rows(path, "SELECT * FROM exchanges ORDER BY id")


def with_recorder(url: str, story: Callable[[Recorder], Awaitable[Any]], **options: Any) -> Any:
    """Runs the story with a recorder on a database; what the story returns."""

    async def run() -> Any:
        recorder = Recorder(url, **options)
        recorder.start(asyncio.get_running_loop())
        try:
            return await story(recorder)
        finally:
            recorder.stop()

    return asyncio.run(run())


def rows(path: Path, sql: str) -> list[dict[str, Any]]:
    """What a reader with plain SQL sees."""
    connection = sqlite3.connect(path)
    try:
        connection.row_factory = sqlite3.Row
        return [dict(row) for row in connection.execute(sql)]
    finally:
        connection.close()


def one_exchange() -> Exchange:
    """A session with one request and its answer, in the database that the models are bound to."""
    session = Session.create(id="s", client="c1", created_at=1, last_accessed=2, parent_id="a0")
    request = Request.create(
        session_id=session, request_id="r", parent_id="a0", openai_request='{"q": 1}',
        provider_request='{"p": 1}', provider="anthropic", model="m", provider_model="pm",
        upstream_url="u", method="POST", path="/", stream=True, client="c2", timestamp=3,
        created_at=4,
    )  # fmt: skip
    Response.create(
        request_id=request, session_id=session, response_id="a1", openai_response='{"o": 1}',
        provider_response='{"x": 1}', parent_id="a0", state="complete", timestamp=5, created_at=6,
    )  # fmt: skip
    return Exchange.get()
