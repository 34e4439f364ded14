"""Where a request belongs: each rule, and where it must not apply."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from recording.database import RecordDatabase
from recording.placing import QUOTED_MS, RETRY_MS, TITLE_MS
from recording.rows import write_row
from tests.records import answered_row, asked_row, said

CLIENTS = Path(__file__).parent / "fixtures" / "clients"
LONG = "This is an answer that nobody else has given by chance. " * 5
NOW = 1795000000001


class Record:
    """A database, and calls in the order in which they come."""

    def __init__(self, database) -> None:
        self._database = database

    def ask(self, name, body, **changes):
        """A request; its session, the answer it continues, and whether anybody may continue it."""
        write_row(self._database, asked_row(name, body, **changes))
        ((session, parent, digest),) = self.all(
            f"SELECT session_id, parent_id, digest FROM requests WHERE request_id = '{name}'"
        )
        return session, parent, digest is not None

    def answer(self, name, body, message, **changes):
        """The answer to a request; text, a message, or None for a failure."""
        if isinstance(message, str):
            message = {"role": "assistant", "content": message}
        write_row(self._database, answered_row(name, body, message, **changes))

    def turn(self, name, body, message, **changes):
        """A request with its answer; the request's session."""
        session, _, _ = self.ask(name, body, **changes)
        self.answer(name, body, message, client=changes.get("client", "c"))
        return session

    def all(self, sql):
        """Rows of a query."""
        return self._database.execute_sql(sql).fetchall()


@pytest.fixture
def record(database):
    return Record(database)


def _captured(client):
    return json.loads((CLIENTS / f"{client}.json").read_text("utf-8"))["body"]


TITLE = _captured("opencode-title")
OPENING = {**TITLE, "messages": [TITLE["messages"][-1]], "tools": [{"type": "function"}]}
COMMIT = _captured("aider-commit-message")
EDIT = {"messages": [{"role": "user", "content": "Change 1 to 2"}]}


def test_the_same_words_after_a_failure_are_a_retry(record):
    first = record.turn("r1", said("Hi"), None)
    assert record.ask("r2", said("Hi")) == (first, None, True)


def test_each_retry_stands_beside_the_first_try(record):
    first = record.turn("r1", said("Hi"), None)
    record.turn("r2", said("Hi"), None)
    assert record.ask("r3", said("Hi")) == (first, None, True)


@pytest.mark.parametrize(
    ("answer", "changes"),
    [
        pytest.param("Hello.", {}, id="whole answer"),
        pytest.param(None, {"created_at": NOW + RETRY_MS + 2}, id="much later"),
        pytest.param(None, {"client": "another"}, id="another client"),
        pytest.param(None, {"explicit_session": "named"}, id="another name"),
    ],
)
def test_what_is_no_retry_begins_a_session(record, answer, changes):
    first = record.turn("r1", said("Hi"), answer)
    assert record.ask("r2", said("Hi"), **changes)[0] != first


def test_words_said_twice_at_the_same_time_are_two_sessions(record):
    first, _, _ = record.ask("r1", said("Hi"))
    assert record.ask("r2", said("Hi"))[0] != first


def test_one_failure_among_many_alike_is_retried_once(record):
    first = record.turn("r1", said("Hi"), None)
    assert record.ask("r2", said("Hi"))[0] == first
    assert record.ask("r3", said("Hi"))[0] != first


def test_a_retry_of_a_later_turn_continues_what_the_first_try_did(record):
    for name in ("a", "b"):
        record.turn(name, said("Hi"), "Hello.")
    body = said("Hi", "Hello.", "More")
    tried = record.ask("r1", body)
    record.answer("r1", body, None)
    assert record.ask("r2", body) == tried


def test_of_conversations_alike_so_far_the_clients_own_goes_on(record):
    session = record.turn("a", said("Hi"), "Hello.", client="mine")
    record.turn("b", said("Hi"), "Hello.", client="theirs")
    assert record.ask("c", said("Hi", "Hello.", "More"), client="mine")[0] == session


def test_another_client_may_go_on(record):
    session = record.turn("a", said("Hi"), "Hello.", client="mine")
    assert record.ask("b", said("Hi", "Hello.", "More"), client="theirs")[0] == session


@pytest.mark.parametrize("named", [None, "ses_1"])
def test_a_title_is_beside_the_conversation_that_it_names(record, named):
    session, _, _ = record.ask("turn", OPENING, explicit_session=named)
    assert record.ask("title", TITLE, explicit_session=named) == (session, None, False)


@pytest.mark.parametrize("named", [None, "ses_1"])
def test_a_title_asked_for_first_is_beside_it_too(record, named):
    session, _, _ = record.ask("title", TITLE, explicit_session=named)
    assert record.ask("turn", OPENING, explicit_session=named) == (session, None, True)
    question = OPENING["messages"][0]["content"]
    assert record.all("SELECT first_user_message FROM sessions") == [(question,)]
    assert record.all("SELECT digest FROM requests WHERE request_id = 'title'") == [(None,)]


def test_the_conversation_goes_on_from_its_own_answer_and_not_from_the_title(record):
    for name, body in (("turn", OPENING), ("title", TITLE)):
        record.ask(name, body)
    record.answer("turn", OPENING, "zebra-4711")
    record.answer("title", TITLE, "Code word")
    assert record.all("SELECT parent_id, message_count FROM sessions") == [("answer to turn", 2)]
    more = [*OPENING["messages"], {"role": "assistant", "content": "zebra-4711"}]
    body = {**OPENING, "messages": [*more, {"role": "user", "content": "More"}]}
    assert record.ask("next", body)[1] == "answer to turn"


def test_a_title_renames_no_session_that_others_began(record):
    named = {"explicit_session": "deployment"}
    record.turn("first", said("Hi"), "Hello.", **named)
    record.ask("title", TITLE, **named)
    record.ask("turn", OPENING, **named)
    assert record.all("SELECT first_user_message FROM sessions") == [("Hi",)]


def test_two_runs_of_one_question_keep_a_title_each(record):
    sessions = {record.ask(name, OPENING)[0] for name in ("one", "two")}
    titles = {record.ask(name, TITLE)[0] for name in ("title of one", "title of two")}
    assert (len(sessions), titles) == (2, sessions)


@pytest.mark.parametrize(
    ("body", "changes"),
    [
        pytest.param(TITLE, {"created_at": NOW + TITLE_MS + 1}, id="much later"),
        pytest.param(TITLE, {"client": "another"}, id="another client"),
        pytest.param({**TITLE, "tools": [{}]}, {}, id="with tools"),
        pytest.param({**OPENING, "tools": []}, {}, id="the same words without tools"),
    ],
)
def test_what_is_no_title_begins_a_session(record, body, changes):
    session, _, _ = record.ask("turn", OPENING)
    assert record.ask("other", body, **changes)[0] != session


def test_a_commit_message_is_beside_the_edit_that_it_is_about(record):
    session = record.turn("edit", EDIT, "a.py\n```\nprint(2)\n```")
    assert record.ask("commit", COMMIT) == (session, None, False)


@pytest.mark.parametrize(
    ("answer", "changes"),
    [
        pytest.param("b.py\n```\nprint(2)\n```", {}, id="another answer"),
        pytest.param(
            "a.py\n```\nprint(2)\n```", {"created_at": NOW + QUOTED_MS + 2}, id="much later"
        ),
        pytest.param("a.py\n```\nprint(2)\n```", {"client": "another"}, id="another client"),
    ],
)
def test_a_quotation_of_something_else_begins_a_session(record, answer, changes):
    session = record.turn("edit", EDIT, answer)
    assert record.ask("commit", COMMIT, **changes)[0] != session


def _compacted(record):
    """A conversation, and the call for its summary; its session."""
    session = record.turn("r1", said("Hi"), "Hello.")
    record.turn("r2", said("Hi", "Hello.", "More"), "More.")
    record.turn("r3", said("Hi", "Hello.", "More", "More.", "Sum it up"), f"{LONG}\n")
    return session


@pytest.mark.parametrize(
    "texts",
    [
        pytest.param((LONG, "Got it. Thanks for the context!", "Next"), id="qwen-code"),
        pytest.param(("Setup", "Got it.", LONG, "Got it.", "Next"), id="qwen-code 0.15"),
        pytest.param(("What did we do so far?", LONG, "Next"), id="opencode"),
    ],
)
def test_a_history_replaced_by_its_summary_goes_on_from_it(record, texts):
    session = _compacted(record)
    assert record.ask("next", said(*texts)) == (session, "answer to r3", True)


@pytest.mark.parametrize(
    ("texts", "client"),
    [
        pytest.param((f"{LONG} And so on.", "Got it.", "Next"), "c", id="not the whole summary"),
        pytest.param((LONG,), "c", id="a summary handed to somebody else"),
        pytest.param((LONG, "Got it.", "Next"), "another", id="another client"),
    ],
)
def test_what_is_no_summary_begins_a_session(record, texts, client):
    session = _compacted(record)
    assert record.ask("next", said(*texts), client=client)[0] != session


def test_an_answer_to_a_first_question_is_no_summary(record):
    session = record.turn("r1", said("Write an essay"), LONG)
    assert record.ask("next", said(LONG, "Thanks.", "Judge it"))[0] != session


def test_a_history_cut_short_continues_the_answer_it_ends_in(record):
    session = record.turn("r1", said("Hi", "Hello.", "Tell me"), LONG)
    body = said("[earlier messages removed]", "", "Tell me", LONG, "More")
    assert record.ask("r2", body) == (session, "answer to r1", True)


def test_answers_that_a_client_invents_do_not_hide_the_last_that_was_given(record):
    """aider, after an edit that it committed."""
    session = record.turn("r1", said("a.py holds 1", "Ok.", "Change 1 to 2"), LONG)
    body = said("Change 1 to 2", LONG, "I committed it", "Ok.", "a.py holds 2", "Ok.", "Now to 3")
    assert record.ask("r2", body) == (session, "answer to r1", True)


@pytest.mark.parametrize(("call_id", "goes_on"), [("call_Zk3hTq9Lw", True), ("call_0", False)])
def test_a_call_sent_back_without_what_was_said_before_it_goes_on(record, call_id, goes_on):
    """Semantic Kernel leaves it out. A counted id may be that of any other call."""
    call = {"id": call_id, "type": "function", "function": {"name": "f", "arguments": "{}"}}
    calling = {"role": "assistant", "tool_calls": [call]}
    session = record.turn("r1", said("Hi"), {**calling, "content": "I look it up."})
    result = {"role": "tool", "tool_call_id": call_id, "content": "7"}
    body = {"messages": [*said("Hi")["messages"], calling, result]}
    assert (record.ask("r2", body)[:2] == (session, "answer to r1")) is goes_on


def test_a_short_answer_alone_does_not_tie_two_conversations(record):
    session = record.turn("r1", said("Hi", "Hello.", "Go on"), "OK.")
    assert record.ask("r2", said("Hey", "Hello.", "Go on", "OK.", "More"))[0] != session


def test_a_memory_request_is_a_branch_that_nobody_mistakes_for_the_conversation(record):
    memory = _captured("qwen-code-0.24-memory")
    question, answer, _ = memory["messages"][-3:]
    opening = {**memory, "messages": [question]}
    session = record.turn("turn", opening, answer)
    assert record.ask("memory", memory) == (session, "answer to turn", True)
    record.answer("memory", memory, "Nothing to keep.")
    following = {**memory, "messages": [question, answer, {"role": "user", "content": "And?"}]}
    assert record.ask("next", following) == (session, "answer to turn", True)


def _steps_of(store, act):
    """How many steps of SQLite's machine it takes, in hundreds."""
    counted = []
    connection = store.database.connection()
    connection.set_progress_handler(lambda: counted.append(1) and 0, 100)
    act()
    connection.set_progress_handler(None, 0)
    return len(counted)


def test_a_call_in_a_long_session_is_placed_as_soon_as_in_a_short_one(tmp_path):
    store = RecordDatabase(f"sqlite:///{tmp_path / 'chats.db'}")
    store.open()
    record = Record(store.database)

    def turn(number):
        record.turn(f"r{number}", said(f"Question {number}"), "Yes.", explicit_session="named")

    for number in range(20):
        turn(number)
    early = _steps_of(store, lambda: turn(20))
    for number in range(21, 300):
        turn(number)
    late = _steps_of(store, lambda: turn(300))
    store.close()
    assert late < 2 * early + 5
