"""Rows and the SQL that writes them."""

from __future__ import annotations

import pytest
from peewee import IntegrityError

from recording.database import RecordDatabase
from recording.rows import STALE, mark_interrupted, write_row
from recording.sessions import answer_digests, turn_digest
from tests.records import ANSWER, conversation, request_row, response_row, said


@pytest.fixture
def database(tmp_path):
    record = RecordDatabase(f"sqlite:///{tmp_path / 'chats.db'}")
    record.open()
    yield record.database
    record.close()


def _all(database, sql):
    return database.execute_sql(sql).fetchall()


def _asks(request_id, *texts, **changes):
    told = conversation(said(*texts))
    return request_row(
        request_id,
        digest=told.digest,
        answered=told.answered,
        message_count=told.message_count,
        **changes,
    )


def _answers(request_id, text="Hello.", **changes):
    message = {"role": "assistant", "content": text}
    return response_row(
        request_id, turns=answer_digests({"choices": [{"message": message}]}), **changes
    )


def _threads(database):
    return _all(database, "SELECT request_id, session_id, parent_id FROM requests ORDER BY id")


def test_a_row_written_twice_is_there_once(database):
    for _ in range(2):
        for row in (_asks("r", "Hi"), _answers("r", pieces=[(1, b"a")])):
            write_row(database, row)
    counts = [
        _all(database, f"SELECT COUNT(*) FROM {table}")[0][0]
        for table in ("sessions", "requests", "responses", "turns", "pieces")
    ]
    assert counts == [1, 1, 1, 1, 1]


def test_a_conversation_that_goes_on_stays_in_its_session(database):
    write_row(database, _asks("r1", "Hi"))
    write_row(database, _answers("r1"))
    write_row(database, _asks("r2", "Hi", "Hello.", "More"))
    first, second = _threads(database)
    assert second == ("r2", first[1], "answer to r1")


def test_a_changed_history_begins_a_new_session(database):
    write_row(database, _asks("r1", "Hi"))
    write_row(database, _answers("r1"))
    write_row(database, _asks("r2", "Hi", "Hello!", "More"))
    first, second = _threads(database)
    assert (second[1] != first[1], second[2]) == (True, None)


def test_an_edited_question_is_a_branch_of_the_same_answer(database):
    write_row(database, _asks("r1", "Hi"))
    write_row(database, _answers("r1"))
    write_row(database, _asks("r2", "Hi", "Hello.", "More"))
    write_row(database, _asks("r3", "Hi", "Hello.", "Less"))
    first, second, third = _threads(database)
    assert (second[1:], third[1:]) == ((first[1], "answer to r1"),) * 2


def test_conversations_that_begin_alike_stay_apart(database):
    for request in ("a", "b"):
        write_row(database, _asks(request, "Hi"))
        write_row(database, _answers(request))
    write_row(database, _asks("one", "Hi", "Hello.", "One"))
    write_row(database, _asks("two", "Hi", "Hello.", "Two"))
    sessions = [thread[1] for thread in _threads(database)]
    assert {sessions[2], sessions[3]} == {sessions[0], sessions[1]}


def test_a_named_session_wins_over_the_words(database):
    write_row(database, _asks("r1", "Hi"))
    write_row(database, _answers("r1"))
    write_row(database, _asks("r2", "Hi", "Hello.", "More", explicit_session="ses_1"))
    assert _threads(database)[1] == ("r2", "ses_1", None)


def test_a_named_session_knows_which_answer_goes_on(database):
    write_row(database, _asks("r1", "Hi", explicit_session="ses_1"))
    write_row(database, _answers("r1"))
    write_row(database, _asks("r2", "Hi", "Hello.", "More", explicit_session="ses_1"))
    assert _threads(database)[1] == ("r2", "ses_1", "answer to r1")


def test_the_session_is_kept_up_to_date(database):
    write_row(database, _asks("r1", "Hi", title="Hi", client="c", lifetime_ms=1000))
    write_row(database, _answers("r1", message_count=2))
    write_row(database, _asks("r2", "Hi", "Hello.", "More", created_at=1795000009000))
    assert _all(
        database,
        "SELECT first_user_message, message_count, client, parent_id, created_at, last_accessed, "
        "expires_at FROM sessions",
    ) == [("Hi", 3, "c", "answer to r1", 1795000000001, 1795000009000, None)]


def test_an_id_that_another_answer_has_falls_back(database):
    for request in ("r1", "r2"):
        write_row(database, _asks(request, "Hi"))
        for _ in range(2):
            write_row(database, response_row(request, response_id="chatcmpl-1"))
    assert _all(database, "SELECT response_id FROM responses ORDER BY id") == [
        ("chatcmpl-1",),
        ("fallback of r2",),
    ]


def test_an_answer_whose_request_is_gone_is_left_out(database):
    write_row(database, response_row("nobody"))
    assert _all(database, "SELECT * FROM responses") == []


def test_a_bad_value_is_refused(database):
    with pytest.raises(IntegrityError):
        write_row(database, request_row("r", model=None))


@pytest.mark.parametrize(
    ("states", "kept"),
    [
        (("streaming", "complete"), "complete"),
        (("complete", "streaming"), "complete"),
        (("streaming", "interrupted", "streaming"), "interrupted"),
        (("failed", "streaming"), "failed"),
    ],
    ids=" ".join,
)
def test_a_late_snapshot_never_undoes_a_final_state(database, states, kept):
    write_row(database, request_row("r"))
    for place, state in enumerate(states):
        write_row(database, response_row("r", state=state, openai_response=f"{place}"))
    ((state, body),) = _all(database, "SELECT state, openai_response FROM responses")
    assert (state, body) == (kept, str(states.index(kept)))


def test_an_error_without_a_body_keeps_the_partial_answer(database):
    write_row(database, request_row("r"))
    write_row(
        database,
        response_row(
            "r", state="streaming", openai_response="{}", total_tokens=5, first_chunk_ms=1
        ),
    )
    write_row(database, response_row("r", state="interrupted", error="gone", status_code=None))
    assert _all(
        database,
        "SELECT state, error, openai_response, total_tokens, first_chunk_ms, status_code "
        "FROM responses",
    ) == [("interrupted", "gone", "{}", 5, 1, 200)]


def test_what_earlier_runs_left_unfinished_is_interrupted(database):
    for request, state in (("done", "complete"), ("cut", "streaming"), ("unheard", None)):
        write_row(database, request_row(request))
        if state:
            write_row(database, response_row(request, state=state))
    write_row(database, request_row("now", created_at=1795000005000))
    assert mark_interrupted(database, 1795000005000) == 2
    assert _all(
        database, "SELECT request_id, state, error FROM exchanges ORDER BY id"
    ) == [
        ("done", "complete", None),
        ("cut", "interrupted", STALE),
        ("unheard", "interrupted", STALE),
        ("now", None, None),
    ]  # fmt: skip


def test_another_instance_at_work_takes_its_answer_back(database):
    write_row(database, request_row("r"))
    mark_interrupted(database, 1795000005000)
    write_row(database, response_row("r", state="streaming"))
    assert _all(database, "SELECT state, error FROM responses") == [("streaming", None)]


def test_a_turn_is_the_request_and_its_answer(database):
    write_row(database, _asks("r", "Hi"))
    write_row(database, _answers("r"))
    asked = conversation(said("Hi")).digest
    assert _all(database, "SELECT digest, response_id FROM turns") == [
        (turn_digest(asked, answer_digests(ANSWER)[0]), "answer to r")
    ]


def test_raw_pieces_keep_their_order_and_time(database):
    write_row(database, request_row("r"))
    write_row(database, response_row("r", state="streaming", pieces=[(1, b"a"), (2, b"\xff")]))
    write_row(database, response_row("r", first_piece=2, pieces=[(9, b"c")]))
    assert _all(database, "SELECT position, arrived_ms, body FROM pieces ORDER BY position") == [
        (0, 1, b"a"),
        (1, 2, b"\xff"),
        (2, 9, b"c"),
    ]


def test_a_session_keeps_the_chat_until_an_answer_tells_another(database):
    for number, chat in enumerate(("C1", None, "C2")):
        write_row(database, _asks(f"r{number}", "Hi", explicit_session="s"))
        write_row(database, _answers(f"r{number}", response_id=f"a{number}", chat_id=chat))
        found = _all(database, "SELECT chat_id, parent_id FROM sessions")
        assert found == [("C2" if number == 2 else "C1", f"a{number}")]
