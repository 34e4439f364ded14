"""Rows out of what the verbs were told, with everything redacted that is to be stored."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from models import now_ms
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
from recording.redaction import Redactor, Secrets, redact_url
from recording.rows import RequestRow, ResponseRow
from recording.tracker import PersistenceTracker, Piece, RequestRecord
from transforms.contract import JSON

AnswerState = Literal["streaming", "complete", "interrupted", "failed"]
"""How far an answer has come: the column `state` of `responses`."""

_LONGEST_CLIENT = 200
_LONGEST_ERROR = 10_000

_LONGEST_KEY = 4096
"""Bytes; of a format without lines no more than these wait for what may be the rest of a key."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What is known of an answer at one moment."""

    openai_response: Body
    provider_response: Body
    status_code: int | None
    state: AnswerState
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
        texts = {
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
        plain = self._redactor.plain_texts(texts, tracker.secrets)
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

    def response_row(self, tracker: PersistenceTracker, answer: Answer) -> ResponseRow:
        """The row of an answer so far; takes the raw pieces from the tracker."""
        completion = parse_body(answer.openai_response)
        own_id = answer_id(completion) or answer_id(parse_body(answer.provider_response))
        tracker.response_id = own_id or tracker.response_id
        whole = completion if answer.state in {"complete", "interrupted"} else {}
        first_piece, pieces = self._raw_pieces(tracker, is_last=answer.state != "streaming")
        return ResponseRow(
            request_id=tracker.request_id,
            response_id=tracker.response_id,
            fallback_id=tracker.request_id,
            openai_response=self._body(answer.openai_response, tracker.secrets),
            provider_response=self._body(answer.provider_response, tracker.secrets),
            **answer_columns(completion),
            error=self._error(answer, completion, tracker.secrets),
            status_code=answer.status_code,
            state=answer.state,
            duration_ms=tracker.elapsed_ms(),
            first_chunk_ms=tracker.first_chunk_ms,
            timestamp=now_ms(),
            turns=sessions.answer_digests(whole),
            message_count=tracker.message_count + 1,
            chat_id=chat_id(completion),
            who=tracker.who,
            clues=clues.answer_clues(tracker.who, tracker.before, whole),
            summaries=clues.answer_summaries(tracker.who, whole),
            first_piece=first_piece,
            pieces=pieces,
        )

    def _request_bodies(
        self, record: RequestRecord, secrets: Secrets
    ) -> tuple[bytes | None, bytes | None]:
        is_json = record.body is not None
        stored = self._body(record.openai_request, secrets, known_json=is_json)
        if record.provider_request == record.openai_request:
            return stored, stored
        return stored, self._body(record.provider_request, secrets, known_json=True)

    def _body(self, body: Body, secrets: Secrets, *, known_json: bool = False) -> bytes | None:
        if not self._full:
            return None
        text = body_text(body, known_json=known_json)
        return None if text is None else self._redactor.json_text(text, secrets)

    def _error(self, answer: Answer, completion: JSON, secrets: Secrets) -> str | None:
        """The error's text; a provider's may repeat the prompt, so its kind alone may be kept."""
        if answer.error is None:
            return None
        if self._full or answer.state == "interrupted":
            return self._redactor.plain(clean_text(answer.error), secrets)[:_LONGEST_ERROR]
        error = completion.get("error")
        members = error if isinstance(error, dict) else {}
        kind = members.get("code") or members.get("type")
        if isinstance(kind, str):
            return clean_text(kind)
        return f"HTTP {answer.status_code or 'error'}"

    def _raw_pieces(self, tracker: PersistenceTracker, *, is_last: bool) -> tuple[int, list[Piece]]:
        """The pieces that are written now, after the position of the first.

        A key may lie across several of them, so where one is found all become one; and half of it
        may not have come yet, so a line that has not ended waits for its end.
        """
        pieces = tracker.pieces
        raw = b"".join(body for _, body in pieces)
        redacted = self._redactor.raw(raw, tracker.secrets)
        if redacted is not raw:
            pieces = [(pieces[0][0], redacted)]
        unfinished = 0 if is_last else len(redacted) - redacted.rfind(b"\n") - 1
        count = _without_last(pieces, min(unfinished, _LONGEST_KEY))
        return tracker.write_pieces(count, pieces[count:]), pieces[:count]


def _without_last(pieces: Sequence[Piece], size: int) -> int:
    """How many pieces there are before those that hold the last bytes, so many as `size`."""
    count = len(pieces)
    while size > 0:
        count -= 1
        size -= len(pieces[count][1])
    return count
