"""Rows out of what the verbs were told, with everything redacted that is to be stored."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Literal

from recording import clues, sessions
from recording.bodies import (
    Body,
    answer_columns,
    answer_id,
    body_text,
    chat_id,
    clean_text,
    parse_body,
)
from recording.redaction import Redactor, redact_url
from recording.rows import RequestRow, ResponseRow
from recording.tracker import PersistenceTracker, RequestRecord
from transforms.contract import JSON

State = Literal["streaming", "complete", "interrupted", "failed"]

_LONGEST_CLIENT = 200
_LONGEST_ERROR = 10_000


@dataclass(frozen=True, slots=True)
class Answer:
    """What is known of an answer at one moment."""

    openai_response: Body
    provider_response: Body
    status_code: int | None
    state: State
    error: str | None = None


class RowBuilder:
    """Builds rows; without bodies or any text of the conversation where `full` is false."""

    def __init__(self, redactor: Redactor, *, full: bool, lifetime_ms: int) -> None:
        self._redactor = redactor
        self._full = full
        self._lifetime_ms = lifetime_ms

    def request_row(self, record: RequestRecord, tracker: PersistenceTracker) -> RequestRow:
        """The row of a request, which has no digests yet."""
        body = record.body or {}
        openai_request, provider_request = self._request_bodies(record, tracker.secrets)
        told = {
            "provider": record.provider,
            "model": record.model,
            "provider_model": record.provider_model,
            "upstream_url": redact_url(record.upstream_url),
            "method": record.method,
            "path": redact_url(record.path),
            "dropped": ",".join(record.dropped),
            "client": record.headers.get("user-agent", ""),
            "session": sessions.explicit_session_id(record.headers, body) or "",
            "title": (self._full and sessions.first_user_message(body)) or "",
        }
        plain = self._redactor.plain_texts(told, tracker.secrets)
        return RequestRow(
            request_id=record.request_id,
            openai_request=openai_request,
            provider_request=provider_request,
            provider=plain["provider"],
            model=plain["model"],
            provider_model=plain["provider_model"],
            upstream_url=plain["upstream_url"],
            method=plain["method"],
            path=plain["path"],
            stream=record.stream,
            dropped=plain["dropped"] or None,
            client=plain["client"][:_LONGEST_CLIENT] or None,
            timestamp=record.timestamp,
            created_at=now_ms(),
            explicit_session=plain["session"] or None,
            title=plain["title"][: sessions.TITLE_LENGTH] or None,
            lifetime_ms=self._lifetime_ms,
            who=tracker.who,
        )

    def response_row(self, tracker: PersistenceTracker, told: Answer) -> ResponseRow:
        """The row of an answer so far; takes the raw pieces from the tracker."""
        answer = parse_body(told.openai_response)
        own_id = answer_id(answer) or answer_id(parse_body(told.provider_response))
        tracker.response_id = own_id or tracker.response_id
        whole = answer if told.state in {"complete", "interrupted"} else {}
        first_piece, pieces = tracker.take_pieces()
        return ResponseRow(
            request_id=tracker.request_id,
            response_id=tracker.response_id,
            fallback_id=tracker.fallback_id,
            openai_response=self._body(told.openai_response, tracker.secrets),
            provider_response=self._body(told.provider_response, tracker.secrets),
            **answer_columns(answer),
            error=self._error(told, answer, tracker.secrets),
            status_code=told.status_code,
            state=told.state,
            duration_ms=tracker.elapsed_ms(),
            first_chunk_ms=tracker.first_chunk_ms,
            timestamp=now_ms(),
            turns=sessions.answer_digests(whole),
            message_count=tracker.message_count + 1,
            chat_id=chat_id(answer),
            who=tracker.who,
            clues=clues.answer_clues(tracker.who, tracker.before, whole),
            summaries=clues.answer_summaries(tracker.who, whole),
            first_piece=first_piece,
            pieces=self._redacted_pieces(pieces, tracker.secrets),
        )

    def _request_bodies(
        self, record: RequestRecord, secrets: tuple[str, ...]
    ) -> tuple[str | None, str | None]:
        if not self._full:
            return None, None
        asked = body_text(record.openai_request, known_json=record.body is not None) or ""
        stored = self._redactor.json_text(asked, secrets)
        if record.provider_request == record.openai_request:
            return stored, stored
        sent = body_text(record.provider_request, known_json=True)
        if sent is None:
            return stored, None
        return stored, self._redactor.json_text(sent, secrets)

    def _body(self, body: Body, secrets: tuple[str, ...]) -> str | None:
        if not self._full:
            return None
        text = body_text(body)
        return None if text is None else self._redactor.json_text(text, secrets)

    def _error(self, told: Answer, answer: JSON, secrets: tuple[str, ...]) -> str | None:
        """The error's text; a provider's may repeat the prompt, so its kind alone may be kept."""
        if told.error is None:
            return None
        if self._full or told.state == "interrupted":
            return self._redactor.plain(clean_text(told.error), secrets)[:_LONGEST_ERROR]
        error = answer.get("error")
        told_kind = error if isinstance(error, dict) else {}
        kind = told_kind.get("code") or told_kind.get("type")
        return clean_text(kind) if isinstance(kind, str) else f"HTTP {told.status_code or 'error'}"

    def _redacted_pieces(
        self, pieces: list[tuple[int, bytes]], secrets: tuple[str, ...]
    ) -> list[tuple[int, bytes]]:
        """The pieces, or all in one where a key was found: it may lie across two of them."""
        raw = b"".join(body for _, body in pieces)
        text = raw.decode("utf-8", "surrogateescape")
        redacted = self._redactor.json_text(text, secrets)
        if redacted == text:
            return pieces
        return [(pieces[0][0], redacted.encode("utf-8", "surrogateescape"))]


def now_ms() -> int:
    """Milliseconds since 1970 UTC."""
    return time.time_ns() // 1_000_000
