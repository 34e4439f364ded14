"""The tables and the view."""

from __future__ import annotations

import sqlite3

import pytest
from peewee import SqliteDatabase

from migrations import migrate
from models import (
    MODELS,
    TABLES,
    Exchange,
    Node,
    Part,
    Response,
    Session,
    State,
    StateKey,
    Unread,
)
from tests.records import one_exchange


@pytest.fixture
def database(tmp_path):
    opened = SqliteDatabase(tmp_path / "chats.db", pragmas={"foreign_keys": 1})
    opened.connect()
    with opened.bind_ctx(MODELS):
        yield opened
    opened.close()


def test_the_view_gives_one_exchange_with_every_column_under_its_name(database):
    migrate(database)
    assert one_exchange().__data__ == {
        "id": 1, "session_id": "s", "request_id": "r", "request_parent_id": "a0",
        "openai_request": '{"q": 1}', "provider_request": '{"p": 1}', "provider": "anthropic",
        "model": "m", "provider_model": "pm", "upstream_url": "u", "method": "POST", "path": "/",
        "stream": True, "dropped": None, "client": "c2", "timestamp": 3, "created_at": 4,
        "response_row_id": 1, "response_id": "a1", "openai_response": '{"o": 1}',
        "provider_response": '{"x": 1}', "response_parent_id": "a0", "completion_tokens": None,
        "prompt_tokens": None, "total_tokens": None, "cached_tokens": None,
        "reasoning_tokens": None, "cost_usd": None, "finish_reason": None, "error": None,
        "status_code": None, "state": "complete", "duration_ms": None, "first_chunk_ms": None,
        "response_timestamp": 5, "response_created_at": 6, "chat_id": None,
        "session_parent_id": "a0", "first_user_message": None, "message_count": 0,
        "session_client": "c1", "session_created_at": 1, "last_accessed": 2, "expires_at": None,
    }  # fmt: skip


def test_a_request_without_an_answer_is_in_the_view(database):
    migrate(database)
    one_exchange()
    Response.delete().execute()
    assert [(row.request_id, row.state) for row in Exchange.select()] == [("r", None)]


def test_what_hangs_on_a_session_goes_with_it(database):
    migrate(database)
    one_exchange()
    state = State.create(request_id=1, choice=0, state="{}")
    StateKey.create(provider="anthropic", key="call:1", state_id=state)
    Session.delete().execute()
    counts = {table: table.select().count() for table in TABLES}
    left = {table: count for table, count in counts.items() if count}
    # The empty part, the node before all others, and what indexing finds to be gone.
    assert left == {Part: 1, Node: 1, Unread: 2}


def test_the_view_can_be_asked_with_plain_sql(database, tmp_path):
    migrate(database)
    one_exchange()
    connection = sqlite3.connect(tmp_path / "chats.db")
    row = connection.execute("SELECT openai_request, provider_response FROM exchanges").fetchone()
    connection.close()
    assert row == ('{"q": 1}', '{"x": 1}')
