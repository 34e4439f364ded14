"""What is read of the record, in a file and in PostgreSQL."""

from __future__ import annotations

import json

import pytest

from inspection.web.filters import Filter, FilterError, parse
from inspection.web.queries import request, requests, response, responses, session, sessions
from recording.parts import PartStore
from recording.rows import write_row
from recording.search import index
from tests.records import request_row, response_row, said

BEGAN = 1795000000000


def record(database, name, *, session="s", text="Hi", at=BEGAN, answered=True, **changes):
    """One exchange; `changes` are fields of its answer."""
    body = json.dumps(said(text))
    asked = request_row(
        name,
        explicit_session=session,
        openai_request=body,
        provider_request=body,
        timestamp=at,
        created_at=at,
        **{
            key: changes.pop(key)
            for key in ("provider", "model", "provider_model")
            if key in changes
        },
    )
    with database.atomic():
        write_row(database, asked, PartStore())
        if answered:
            write_row(database, response_row(name, **{"timestamp": at, **changes}), PartStore())


def names(page):
    """The ids of a list of requests."""
    return [row["request_id"] for row in page.rows]


@pytest.fixture
def filled(database):
    """Five calls in two sessions."""
    record(database, "one", text="Where is Paris?")
    record(database, "two", session="t", provider="ollama", provider_model="qwen3", at=BEGAN + 10)
    record(database, "three", model="fast", state="failed", at=BEGAN + 20, error="no")
    record(database, "four", session="t", text="Where is Rome?", at=BEGAN + 30)
    record(database, "five", answered=False, at=BEGAN + 40)
    while index(database, 1.0):
        pass
    return database


def test_the_latest_requests_come_first(filled):
    assert names(requests(filled, Filter())) == ["five", "four", "three", "two", "one"]


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ({"provider": "ollama"}, ["two"]),
        ({"model": "fast"}, ["three"]),
        ({"model": "qwen3"}, ["two"]),
        ({"session": "t"}, ["four", "two"]),
        ({"state": "failed"}, ["three"]),
        ({"since": str(BEGAN + 30)}, ["five", "four"]),
        ({"until": str(BEGAN + 10)}, ["one"]),
        ({"q": "where"}, ["four", "one"]),
        ({"q": "where", "session": "s"}, ["one"]),
        ({"q": "nowhere"}, []),
        ({"q": "?!"}, []),
        ({"model": "gpt-4o", "state": "complete"}, ["four", "two", "one"]),
        ({"after": "three"}, ["two", "one"]),
        ({"after": "answer to three"}, ["two", "one"]),
    ],
)
def test_requests_are_filtered(filled, asked, found):
    assert names(requests(filled, parse(asked))) == found


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ({}, ["s", "t"]),
        ({"provider": "ollama"}, ["t"]),
        ({"state": "failed"}, ["s"]),
        ({"q": "rome"}, ["t"]),
        ({"session": "s"}, ["s"]),
        ({"after": "s"}, ["t"]),
        ({"after": "t"}, []),
        ({"since": str(BEGAN + 35)}, ["s"]),
        ({"until": str(BEGAN + 35)}, ["t"]),
    ],
)
def test_sessions_are_filtered(filled, asked, found):
    filled.execute_sql(f"UPDATE sessions SET last_accessed = {BEGAN + 30} WHERE id = 't'")
    filled.execute_sql(f"UPDATE sessions SET last_accessed = {BEGAN + 40} WHERE id = 's'")
    assert [row["id"] for row in sessions(filled, parse(asked)).rows] == found


def test_responses_are_those_that_were_given(filled):
    told = responses(filled, Filter(limit=2))
    assert [row["response_id"] for row in told.rows] == ["answer to four", "answer to three"]
    assert told.more


def test_pages_of_a_list_show_each_row_once(filled):
    seen, after = [], None
    while True:
        page = requests(filled, Filter(limit=2, after=after))
        seen += names(page)
        if not page.more:
            break
        after = seen[-1]
        record(filled, f"later than {after}", at=BEGAN + 50)
    assert seen == ["five", "four", "three", "two", "one"]


def test_sessions_used_at_the_same_moment_are_shown_once(database):
    for name in "abcde":
        record(database, name, session=name)
    database.execute_sql("UPDATE sessions SET last_accessed = 7")
    seen, after, more = [], None, True
    while more:
        page = sessions(database, Filter(limit=2, after=after))
        seen += [row["id"] for row in page.rows]
        after, more = seen[-1], page.more
    assert seen == ["e", "d", "c", "b", "a"]


@pytest.mark.parametrize("read", [requests, responses, sessions])
def test_a_list_goes_on_from_what_is_there(filled, read):
    with pytest.raises(FilterError, match="`after` is `nothing`"):
        read(filled, Filter(after="nothing"))


def test_a_request_is_told_whole(filled):
    told = request(filled, "one")
    body = json.dumps(said("Where is Paris?"))
    assert (told["openai_request"], told["provider_request"]) == (body, body)
    assert told["response"]["response_id"] == "answer to one"
    assert told["response"]["openai_response"] is None
    assert request(filled, str(told["id"])) == told


def test_a_request_may_have_no_answer_yet(filled):
    assert request(filled, "five")["response"] is None


def test_a_long_body_is_whole(database):
    record(database, "long", text="It goes on. " * 5000)
    assert json.loads(request(database, "long")["openai_request"]) == said("It goes on. " * 5000)


def test_a_response_is_told_whole(filled):
    told = response(filled, "answer to three")
    assert (told["request_id"], told["state"], told["error"]) == ("three", "failed", "no")
    assert told["provider_response"] is None
    assert response(filled, str(told["id"])) == told


@pytest.mark.parametrize("read", [request, response, session])
def test_what_is_not_there_is_none(filled, read):
    assert read(filled, "nothing") is None
    assert read(filled, "999999") is None
