"""The tables, the view, and the migrations that make them."""

from __future__ import annotations

import sqlite3

import pytest
from peewee import SqliteDatabase

import models
from models import (
    MODELS,
    TABLES,
    Exchange,
    NewerDatabaseError,
    Node,
    Part,
    Request,
    Response,
    Session,
    State,
    StateKey,
    Unread,
    migrate,
)


@pytest.fixture
def database(tmp_path):
    opened = SqliteDatabase(tmp_path / "chats.db", pragmas={"foreign_keys": 1})
    opened.connect()
    with opened.bind_ctx(MODELS):
        yield opened
    opened.close()


def _one_exchange() -> Exchange:
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


def test_an_empty_database_gets_every_table_of_the_models(database):
    assert migrate(database) == [
        "m001_initial",
        "m002_states",
        "m003_parts",
        "m004_clues",
        "m005_new_words",
        "m006_small_merges",
    ]
    inner = ("sqlite", "said_")
    assert {name for name in database.get_tables() if not name.startswith(inner)} == {
        # The index, and what it is to forget.
        *("said", "unsaid"),
        "migrations",
        *(table._meta.table_name for table in TABLES),
    }


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model._meta.table_name)
def test_the_schema_has_the_columns_of_the_model(database, model):
    migrate(database)
    columns = [column.name for column in database.get_columns(model._meta.table_name)]
    assert sorted(columns) == sorted(field.column_name for field in model._meta.sorted_fields)


def test_migrations_are_applied_once(database):
    migrate(database)
    assert migrate(database) == []


def test_the_first_schema_gets_the_states_and_keeps_what_it_holds(database, monkeypatch):
    with monkeypatch.context() as earlier:
        earlier.setattr(models, "MIGRATIONS", (models.m001_initial,))
        migrate(database)
    before = _one_exchange().__data__
    assert migrate(database) == [
        *("m002_states", "m003_parts", "m004_clues", "m005_new_words", "m006_small_merges")
    ]
    assert Exchange.get().__data__ == before
    state = State.create(request_id=1, choice=0, state="{}")
    StateKey.create(provider="anthropic", key="call:1", state_id=state)
    assert [row.state_id.state for row in StateKey.select()] == ["{}"]


@pytest.mark.parametrize("earlier", [1, 2, 3, 4], ids=["m001", "m002", "m003", "m004"])
def test_bodies_of_an_earlier_schema_stay_and_are_read_as_before(database, monkeypatch, earlier):
    with monkeypatch.context() as before:
        before.setattr(models, "MIGRATIONS", models.MIGRATIONS[:earlier])
        migrate(database)
    exchange = _one_exchange().__data__
    assert migrate(database)[-1] == "m006_small_merges"
    assert Exchange.get().__data__ == exchange
    assert (Request.get().openai_request, Response.get().openai_response) == (
        ('{"q": 1}', '{"o": 1}')
    )


@pytest.mark.parametrize("earlier", [0, 5], ids=["new", "m005"])
def test_the_index_merges_little_at_once(database, monkeypatch, earlier):
    with monkeypatch.context() as before:
        before.setattr(models, "MIGRATIONS", models.MIGRATIONS[:earlier] or models.MIGRATIONS)
        migrate(database)
    migrate(database)
    told = dict(database.execute_sql("SELECT k, v FROM said_config").fetchall())
    assert (told["automerge"], told["crisismerge"], told["usermerge"]) == (16, 64, 2)


def test_a_newer_database_is_refused_and_left_as_it_is(database):
    migrate(database)
    database.execute_sql("INSERT INTO migrations VALUES ('m999_later', 1)")
    before = database.get_tables()
    with pytest.raises(NewerDatabaseError, match="m999_later"):
        migrate(database)
    assert database.get_tables() == before


def test_a_migration_that_fails_leaves_nothing_behind(database, monkeypatch):
    def m002_broken(database):
        database.execute_sql("CREATE TABLE half (id INTEGER)")
        database.execute_sql("this is not SQL")

    monkeypatch.setattr(models, "MIGRATIONS", (models.m001_initial, m002_broken))
    with pytest.raises(Exception, match="syntax error"):
        migrate(database)
    assert database.get_tables() == []


def test_the_view_gives_one_exchange_with_every_column_under_its_name(database):
    migrate(database)
    assert _one_exchange().__data__ == {
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
    _one_exchange()
    Response.delete().execute()
    assert [(row.request_id, row.state) for row in Exchange.select()] == [("r", None)]


def test_what_hangs_on_a_session_goes_with_it(database):
    migrate(database)
    _one_exchange()
    state = State.create(request_id=1, choice=0, state="{}")
    StateKey.create(provider="anthropic", key="call:1", state_id=state)
    Session.delete().execute()
    counts = {table: table.select().count() for table in TABLES}
    left = {table: count for table, count in counts.items() if count}
    # The empty part, the node before all others, and what indexing finds to be gone.
    assert left == {Part: 1, Node: 1, Unread: 2}


def test_the_view_can_be_asked_with_plain_sql(database, tmp_path):
    migrate(database)
    _one_exchange()
    connection = sqlite3.connect(tmp_path / "chats.db")
    row = connection.execute("SELECT openai_request, provider_response FROM exchanges").fetchone()
    connection.close()
    assert row == ('{"q": 1}', '{"x": 1}')
