"""Rows out of what the verbs were told."""

from __future__ import annotations

import json
import re
from dataclasses import replace

import pytest

from recording.building import Answer, RowBuilder
from recording.redaction import Redactor
from recording.tracker import PersistenceTracker
from tests.records import ANSWER, legible, request_record, said

SECRET = "planted-secret-value-1234567"
KEY = "sk-proj-A1b2C3d4E5f6G7h8I9j0"


@pytest.fixture
def builder():
    return RowBuilder(Redactor([re.compile("Müller")]), full=True, lifetime_ms=0)


@pytest.fixture
def metadata_builder():
    return RowBuilder(Redactor(), full=False, lifetime_ms=0)


def _answer(**changes):
    told = Answer(ANSWER, json.dumps({"id": "msg_1"}).encode(), 200, "complete")
    return replace(told, **changes)


def test_both_bodies_of_a_request_are_kept_as_sent(builder):
    record = request_record(openai_request=b'{ "model":"gpt-4o" }')
    row = builder.request_row(record, PersistenceTracker("r"))
    assert row.openai_request == b'{ "model":"gpt-4o" }'
    assert row.provider_request == record.provider_request


def test_a_refused_call_has_no_provider_request(builder):
    record = request_record(None, provider_request=None, openai_request=b"no")
    row = builder.request_row(record, PersistenceTracker("r"))
    assert (row.openai_request, row.provider_request, row.title) == (b'"no"', None, None)


def test_nothing_of_a_request_keeps_a_secret(builder):
    everywhere = f"{SECRET} {KEY} Müller"
    record = request_record(
        said(everywhere),
        headers={"user-agent": everywhere, "x-session-id": SECRET},
        model=everywhere,
        upstream_url=f"https://h/?q={SECRET}",
        path=f"/x?api_key={SECRET}",
    )
    kept = legible(builder.request_row(record, PersistenceTracker("r", secrets=(SECRET,))))
    assert not any(secret in kept for secret in (SECRET, KEY, "Müller"))


@pytest.mark.parametrize(
    ("hidden", "shown"),
    [
        ("\\u0073" + KEY[1:], KEY),
        ("Bearer ab\\/cdefghijklmnopqrs", "Bearer ab/cdefghijklmnopqrs"),
        ("my\\/secret", "my/secret"),
        ("my\\u002fsecret", "my/secret"),
    ],
    ids=["a shape", "a shape with a slash", "a secret", "a secret by number"],
)
def test_a_key_hidden_in_an_escape_is_found_in_the_provider_request(builder, hidden, shown):
    asked = '{"messages":[{"role":"user","content":"' + hidden + '"}]}'
    body = json.loads(asked)
    assert body["messages"][0]["content"] == shown
    record = request_record(body, openai_request=asked.encode())
    tracker = PersistenceTracker("r", secrets=("my/secret",))
    assert shown not in builder.request_row(record, tracker).provider_request.decode()


def test_nothing_of_an_answer_keeps_a_secret(builder):
    tracker = PersistenceTracker("r", secrets=(SECRET,))
    tracker.pieces += [(1, SECRET[:9].encode()), (2, SECRET[9:].encode() + b"\xff")]
    everywhere = {"id": "a", "text": f"{SECRET} {KEY} Müller"}
    told = Answer(everywhere, json.dumps(everywhere).encode(), 500, "failed", str(everywhere))
    row = builder.response_row(tracker, told)
    assert not any(secret in legible(row) for secret in (SECRET, KEY, "Müller"))
    assert row.pieces == [(1, b"[redacted]\xff")]


def written(builder, tracker, *came, state="streaming"):
    """The raw pieces that are written once these have come."""
    tracker.pieces += enumerate(came)
    row = builder.response_row(tracker, Answer(ANSWER, ANSWER, 200, state))
    return row.first_piece, [body for _, body in row.pieces]


def test_a_key_that_comes_in_two_halves_is_in_no_raw_piece(builder):
    tracker = PersistenceTracker("r", secrets=(SECRET,))
    first, rest = SECRET[:9].encode(), SECRET[9:].encode()
    assert written(builder, tracker, b"data: 1\n\n", b"data: " + first) == (0, [b"data: 1\n\n"])
    assert written(builder, tracker, rest + b"\n") == (1, [b"data: [redacted]\n"])
    assert written(builder, tracker, b"data: " + first) == (2, [])
    assert written(builder, tracker, state="interrupted") == (2, [b"data: " + first])


def test_of_raw_pieces_without_a_line_only_the_last_bytes_wait(builder):
    tracker = PersistenceTracker("r", secrets=(SECRET,))
    first, rest = SECRET[:9].encode(), SECRET[9:].encode()
    came = [b"\0" * 3000, b"\1" * 3000, b"\2" * 3000 + first]
    assert written(builder, tracker, *came) == (0, came[:1])
    assert written(builder, tracker, rest, state="complete") == (
        1,
        [b"\1" * 3000 + b"\2" * 3000 + b"[redacted]"],
    )


def test_an_answer_is_taken_apart_into_columns(builder):
    row = builder.response_row(PersistenceTracker("r", message_count=1), _answer())
    assert (row.response_id, row.total_tokens, row.finish_reason, row.message_count) == (
        ("chatcmpl-1", 5, "stop", 2)
    )
    assert json.loads(row.openai_response) == ANSWER


def test_the_id_of_the_provider_is_taken_second_and_then_the_request_s(builder):
    tracker = PersistenceTracker("r")
    ids = [
        builder.response_row(tracker, told).response_id
        for told in (
            _answer(openai_response=None, provider_response=None),
            _answer(openai_response={}),
            _answer(),
            _answer(openai_response=None, provider_response=None),
        )
    ]
    assert ids == ["r", "msg_1", "chatcmpl-1", "chatcmpl-1"]


@pytest.mark.parametrize(
    ("state", "turns"), [("streaming", 0), ("complete", 1), ("interrupted", 1), ("failed", 0)]
)
def test_an_answer_that_a_client_may_repeat_is_a_turn(builder, state, turns):
    row = builder.response_row(PersistenceTracker("r"), _answer(state=state))
    assert len(row.turns) == turns


def test_metadata_alone_has_no_word_of_the_conversation(metadata_builder):
    record = request_record(said("a private question"))
    row = metadata_builder.request_row(record, PersistenceTracker("r"))
    assert (row.openai_request, row.provider_request, row.title) == (None, None, None)


@pytest.mark.parametrize(
    ("openai_response", "kind"),
    [
        ({"error": {"message": "a private question", "type": "t", "code": "c"}}, "c"),
        ({"error": {"message": "a private question", "type": "t", "code": None}}, "t"),
        (b"a private question", "HTTP 400"),
    ],
    ids=["code", "type", "unreadable"],
)
def test_metadata_alone_keeps_the_kind_of_an_error(metadata_builder, openai_response, kind):
    told = Answer(openai_response, b"a private question", 400, "failed", "a private question")
    row = metadata_builder.response_row(PersistenceTracker("r"), told)
    assert (row.error, "private" in legible(row)) == (kind, False)


def test_metadata_alone_tells_why_an_answer_was_cut(metadata_builder):
    told = _answer(state="interrupted", error="The client left.")
    row = metadata_builder.response_row(PersistenceTracker("r"), told)
    assert (row.error, row.openai_response, row.total_tokens) == ("The client left.", None, 5)
