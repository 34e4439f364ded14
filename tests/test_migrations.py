"""The migrations: what each says, and what becomes of a database on its way through them."""

from __future__ import annotations

import hashlib

import pytest
from peewee import PostgresqlDatabase, SqliteDatabase

import migrations
from migrations import NewerDatabaseError, migrate
from models import MODELS, TABLES, Exchange, Request, Response, State, StateKey
from tests.records import one_exchange

FROZEN = {
    "m001_initial": ("c5e680bb4f662499", "22fdfcaf4f4b2c9e"),
    "m002_states": ("d8cff36e7b28bc11", "d2fceab2cfdb9695"),
    "m003_parts": ("cc5b7ff386e02070", "16a30126249ec7ce"),
    "m004_clues": ("9ab7b6d2b49fed9e", "78f114e6545c401a"),
    "m005_new_words": ("3c67155a08f1eedd", "4f53cda18c2baa0c"),
    "m006_small_merges": ("881bf512865f01b5", "4f53cda18c2baa0c"),
}
"""The digests of what each migration says, to SQLite and to PostgreSQL. A new migration adds a
line; none of these lines ever changes, because databases out there have been through them."""


@pytest.fixture
def database(tmp_path):
    opened = SqliteDatabase(tmp_path / "chats.db", pragmas={"foreign_keys": 1})
    opened.connect()
    with opened.bind_ctx(MODELS):
        yield opened
    opened.close()


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


@pytest.mark.parametrize("migration", migrations.MIGRATIONS, ids=lambda each: each.__name__)
def test_a_migration_says_what_it_said_on_its_day(migration, monkeypatch):
    said = []

    def note(_, sql, parameters=()):
        said.append((sql, tuple(parameters)))

    monkeypatch.setattr(migrations, "execute", note)
    digests = []
    for kind in (SqliteDatabase, PostgresqlDatabase):
        said.clear()
        migration(kind(None))
        digests.append(hashlib.sha256(repr(said).encode()).hexdigest()[:16])
    assert tuple(digests) == FROZEN[migration.__name__]


def test_migrations_are_applied_once(database):
    migrate(database)
    assert migrate(database) == []


def test_the_first_schema_gets_the_states_and_keeps_what_it_holds(database, monkeypatch):
    with monkeypatch.context() as earlier:
        earlier.setattr(migrations, "MIGRATIONS", (migrations.m001_initial,))
        migrate(database)
    before = one_exchange().__data__
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
        before.setattr(migrations, "MIGRATIONS", migrations.MIGRATIONS[:earlier])
        migrate(database)
    exchange = one_exchange().__data__
    assert migrate(database)[-1] == "m006_small_merges"
    assert Exchange.get().__data__ == exchange
    assert (Request.get().openai_request, Response.get().openai_response) == (
        ('{"q": 1}', '{"o": 1}')
    )


@pytest.mark.parametrize("earlier", [0, 5], ids=["new", "m005"])
def test_the_index_merges_little_at_once(database, monkeypatch, earlier):
    with monkeypatch.context() as before:
        before.setattr(
            migrations, "MIGRATIONS", migrations.MIGRATIONS[:earlier] or migrations.MIGRATIONS
        )
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

    monkeypatch.setattr(migrations, "MIGRATIONS", (migrations.m001_initial, m002_broken))
    with pytest.raises(Exception, match="syntax error"):
        migrate(database)
    assert database.get_tables() == []
