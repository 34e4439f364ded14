"""The recorder's verbs, on a real file."""

from __future__ import annotations

import json

import psycopg
import pytest

from models import execute
from recording import Recorder
from recording import recorder as recorder_module
from recording import rows as rows_module
from recording.database import RecordDatabase
from recording.refusals import count
from recording.sweeping import sweep
from tests.records import ANSWER, recorded, request_record, rows, said, with_recorder


@pytest.fixture
def path(tmp_path):
    return tmp_path / "chats.db"


@pytest.fixture
def patience(monkeypatch):
    """A busy machine is no reason to fail: what is recorded is there once its call goes on."""
    monkeypatch.setattr(recorder_module, "LONGEST_WAIT_S", 10)


def answered(recorder, tracker):
    recorder.log_response(
        tracker, openai_response=ANSWER, provider_response=ANSWER, status_code=200
    )


def test_a_plain_exchange_is_kept_with_its_four_bodies(path):
    record = request_record(dropped=("seed", "user"))

    async def story(recorder):
        tracker = await recorder.log_request(record)
        recorder.log_response(
            tracker, openai_response=ANSWER, provider_response=b'{"id": "msg_1"}', status_code=200
        )

    (exchange,) = recorded(path, story)
    assert json.loads(exchange["openai_response"]) == ANSWER
    assert {key: exchange[key] for key in _TOLD} == {
        **_TOLD,
        "request_id": record.request_id,
        "openai_request": record.openai_request.decode(),
        "provider_request": record.provider_request.decode(),
    }


_TOLD = {
    "request_id": "", "openai_request": "", "provider_request": "", "request_parent_id": None,
    "provider_response": '{"id": "msg_1"}', "provider": "anthropic", "model": "gpt-4o",
    "provider_model": "claude-sonnet-4-5", "upstream_url": "https://api.anthropic.com/v1/messages",
    "method": "POST", "path": "/v1/chat/completions", "stream": 0, "dropped": "seed,user",
    "client": "OpenAI/Python 3.54.0", "timestamp": 1795000000000, "response_id": "chatcmpl-1",
    "completion_tokens": 2, "prompt_tokens": 3, "total_tokens": 5, "cached_tokens": None,
    "reasoning_tokens": None, "cost_usd": None, "finish_reason": "stop", "error": None,
    "status_code": 200, "state": "complete", "first_chunk_ms": None, "first_user_message": "Hi",
    "message_count": 2, "session_parent_id": "chatcmpl-1",
}  # fmt: skip


def test_the_request_is_committed_when_the_verb_is_back(path):
    async def story(recorder):
        await recorder.log_request(request_record())
        return rows(path, "SELECT state FROM exchanges")

    assert with_recorder(f"sqlite:///{path}", story) == [{"state": None}]


def test_a_stream_has_one_row_that_grows(path):
    async def story(recorder):
        tracker = await recorder.log_request(request_record(stream=True))
        tracker.first_chunk()
        for text, state in (("Hel", "streaming"), ("Hello.", "complete")):
            answer = {"choices": [{"message": {"role": "assistant", "content": text}}]}
            recorder.log_streaming_response(
                tracker, openai_response=answer, provider_response={}, status_code=200, state=state
            )

    (exchange,) = recorded(path, story)
    assert (exchange["state"], "Hello." in exchange["openai_response"]) == ("complete", True)
    assert exchange["first_chunk_ms"] is not None


@pytest.mark.parametrize("state", ["failed", "interrupted"])
def test_an_error_is_kept_with_its_state(path, state):
    async def story(recorder):
        tracker = await recorder.log_request(request_record())
        recorder.log_error_response(tracker, error="The client left.", state=state)

    (exchange,) = recorded(path, story)
    assert (exchange["state"], exchange["error"], exchange["openai_response"]) == (
        (state, "The client left.", None)
    )


def test_the_first_final_verb_counts(path):
    async def story(recorder):
        tracker = await recorder.log_request(request_record())
        bodies = {"openai_response": ANSWER, "provider_response": None, "status_code": 200}
        recorder.log_response(tracker, **bodies)
        recorder.log_error_response(tracker, error="late")
        recorder.log_streaming_response(tracker, **bodies)
        recorder.log_raw(tracker, b"late")

    (exchange,) = recorded(path, story)
    assert (exchange["state"], exchange["error"]) == ("complete", None)


def test_servers_that_repeat_one_id_lose_no_answer(path):
    async def story(recorder):
        for _ in range(3):
            tracker = await recorder.log_request(request_record())
            answered(recorder, tracker)

    exchanges = recorded(path, story)
    ids = [exchange["response_id"] for exchange in exchanges]
    assert (len(set(ids)), ids[0]) == (3, "chatcmpl-1")


def test_a_conversation_is_one_session(path):
    async def story(recorder):
        for body in (said("Hi"), said("Hi", "Hello.", "More")):
            tracker = await recorder.log_request(request_record(body))
            answered(recorder, tracker)

    first, second = recorded(path, story)
    assert second["session_id"] == first["session_id"]
    assert second["request_parent_id"] == second["response_parent_id"] == "chatcmpl-1"


def test_raw_pieces_come_with_the_next_snapshot(path):
    async def story(recorder):
        tracker = await recorder.log_request(request_record())
        recorder.log_raw(tracker, b"data: 1\n\n")
        recorder.log_raw(tracker, b"data: \xff")
        recorder.log_error_response(tracker, error="cut", state="interrupted")

    recorded(path, story)
    assert [piece["body"] for piece in rows(path, "SELECT body FROM pieces ORDER BY position")] == [
        b"data: 1\n\n",
        b"data: \xff",
    ]


def test_metadata_alone_leaves_no_text_in_the_files(path):
    private = "a very private question"

    async def story(recorder):
        tracker = await recorder.log_request(request_record(said(private)))
        answer = {"choices": [{"message": {"role": "assistant", "content": private}}]}
        recorder.log_raw(tracker, private.encode())
        recorder.log_streaming_response(
            tracker, openai_response=answer, provider_response=answer, status_code=200
        )
        recorder.log_error_response(tracker, error=private, openai_response=answer)

    (exchange,) = recorded(path, story, store="metadata")
    assert exchange["first_user_message"] is None
    assert not any(private.encode() in file.read_bytes() for file in path.parent.iterdir())


def test_off_records_nothing_and_makes_no_file(path):
    async def story(recorder):
        tracker = await recorder.log_request(request_record())
        recorder.log_error_response(tracker, error="x")
        return recorder

    assert with_recorder(f"sqlite:///{path}", story, store="off").waiting == 0
    assert not path.exists()


def test_after_the_stop_verbs_do_nothing(path):
    async def story(recorder):
        tracker = await recorder.log_request(request_record())
        recorder.stop()
        recorder.log_error_response(tracker, error="x")
        await recorder.log_request(request_record())

    recorded(path, story)
    assert len(rows(path, "SELECT id FROM requests")) == 1


@pytest.mark.parametrize(
    ("options", "reason"),
    [({"store": "some"}, "`some` is not"), ({"keep_days": -1}, "from 0 on")],
    ids=["store", "keep_days"],
)
def test_a_bad_argument_is_refused(path, options, reason):
    with pytest.raises(ValueError, match=reason):
        Recorder(f"sqlite:///{path}", **options)


@pytest.mark.parametrize(
    "body",
    [
        None,
        {"messages": [{"role": ["x"], "content": {"a": 1}}]},
        {"messages": "\ud83d", "model": "\0"},
    ],
    ids=["unreadable", "wrong types", "awkward text"],
)
def test_a_request_nobody_can_read_is_recorded_as_far_as_readable(path, body):
    raw, legible = b'\x00{"model": \xff', '\x00{"model": \ufffd'
    asked = raw if body is None else json.dumps(body).encode()

    async def story(recorder):
        record = request_record(
            body, openai_request=asked, provider_request=asked, model="\ud83d\0"
        )
        tracker = await recorder.log_request(record)
        recorder.log_response(tracker, openai_response=raw, provider_response=raw, status_code=200)

    (exchange,) = recorded(path, story)
    stored = [json.loads(exchange[panel]) for panel in ("openai_request", "openai_response")]
    assert stored == [legible if body is None else body, legible]
    assert exchange["model"] == "?\ufffd"


@pytest.fixture
def in_own_folder(path, monkeypatch):
    """What waits for a server, and what it refuses, is kept in the current folder."""
    monkeypatch.chdir(path.parent)


def deleted(url):
    """Deletes every session, as a person or another instance does, and what only they needed."""
    other = RecordDatabase(url)
    other.open()
    execute(other.database, "DELETE FROM sessions")
    while sweep(other.database, 1.0).looked_at:
        pass
    other.close()


def told(url, story):
    """Runs the story with a recorder; the exchanges that it left, and how many were refused."""
    with_recorder(url, story)
    store = RecordDatabase(url)
    store.open()
    found = execute(store.database, "SELECT openai_request, openai_response FROM exchanges")
    exchanges = [tuple(row) for row in found.fetchall()]
    store.close()
    return exchanges, count(store.refused_path)


@pytest.mark.usefixtures("in_own_folder", "patience")
def test_an_answer_in_a_session_that_was_deleted_is_left_out(any_url, caplog):
    async def story(recorder):
        tracker = await recorder.log_request(request_record())
        deleted(any_url)
        answered(recorder, tracker)

    assert told(any_url, story) == ([], 0)
    assert caplog.text == ""


@pytest.mark.usefixtures("in_own_folder", "patience")
def test_an_answer_is_left_out_whose_session_is_deleted_at_that_moment(postgres_url, monkeypatch):
    long_bodies = rows_module._long_bodies

    def late(*about):
        with psycopg.connect(postgres_url, autocommit=True) as other:
            other.execute("DELETE FROM sessions")
        return long_bodies(*about)

    async def story(recorder):
        tracker = await recorder.log_request(request_record())
        monkeypatch.setattr(rows_module, "_long_bodies", late)
        answered(recorder, tracker)

    assert told(postgres_url, story) == ([], 0)


@pytest.mark.usefixtures("in_own_folder", "patience")
def test_a_conversation_that_was_deleted_goes_on_in_a_session_of_its_own(any_url):
    question = "What is all this about? " * 500
    first, second = said(question), said(question, "Hello.", "And then?")
    named = {"x-session-id": "mine"}

    async def story(recorder):
        tracker = await recorder.log_request(request_record(first, headers=named))
        answered(recorder, tracker)
        await recorder.log_request(request_record(said("Hi")))
        deleted(any_url)
        tracker = await recorder.log_request(request_record(second, headers=named))
        answered(recorder, tracker)

    [(asked, heard)], refused = told(any_url, story)
    assert (json.loads(asked), json.loads(heard), refused) == (second, ANSWER, 0)
