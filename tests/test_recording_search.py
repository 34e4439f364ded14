"""Search over what was said."""

from __future__ import annotations

import json

import migrations
from recording.database import RecordDatabase
from recording.parts import PartStore
from recording.rows import mark_interrupted, write_row
from recording.search import index, search
from recording.sweeping import sweep
from recording.words import words_of
from tests.records import request_row, response_row, said

FILLER = "It goes on and on. " * 250


def _ask(database, name, *texts, **members):
    body = json.dumps({**said(*texts), **members})
    with database.atomic():
        row = request_row(name, explicit_session=name, openai_request=body, provider_request=body)
        write_row(database, row, PartStore())


def _goes_on(database, name, *texts):
    """A short request that continues a recorded answer."""
    _ask(database, name, *texts)
    database.execute_sql(f"UPDATE requests SET parent_id = 'a' WHERE request_id = '{name}'")


def _answer(database, name, text, **changes):
    body = json.dumps({"choices": [{"message": {"role": "assistant", "content": text}}]})
    write_row(database, response_row(name, openai_response=body, **changes))


def _find(database, words):
    while index(database, 1.0):
        pass
    return search(database, words)


def _checked(database):
    """SQLite's index is in order."""
    if "sqlite" in type(database).__name__.lower():
        database.execute_sql("INSERT INTO said (said) VALUES ('integrity-check')")


def test_words_of_short_and_long_bodies_are_found_whatever_their_case(database):
    _ask(database, "short", "Where is the Heron?")
    _ask(database, "long", FILLER, "A kingfisher sat there.", FILLER)
    found = [_find(database, words) for words in ("heron", "KINGFISHER there", "on", "nobody", "?")]
    assert found == [[1], [2], [2], [], []]


def test_a_request_is_found_by_what_is_new_in_it(database):
    _ask(database, "first", FILLER, "One heron")
    _ask(database, "second", FILLER, "One heron", FILLER, "Two kingfishers")
    assert (_find(database, "heron"), _find(database, "kingfishers")) == ([1], [2])


def test_a_short_request_is_found_by_what_follows_its_last_answer(database):
    _ask(database, "first", "One heron")
    _goes_on(database, "second", "One heron", "It stands.", "Two kingfishers")
    assert (_find(database, "heron"), _find(database, "kingfishers")) == ([1], [2])
    assert (_find(database, "stands"), _find(database, "role")) == ([], [])
    database.execute_sql("DELETE FROM requests")
    assert (_find(database, "heron"), _find(database, "kingfishers")) == ([], [])
    _checked(database)


def test_a_short_request_whose_history_nobody_recorded_is_found_by_all_of_it(database):
    _ask(database, "first", "One heron", "It stands.", "Two kingfishers")
    found = [_find(database, words) for words in ("heron", "stands", "kingfishers")]
    assert found == [[1], [1], [1]]


def test_what_an_earlier_version_indexed_is_found_and_forgotten(tmp_path, monkeypatch):
    record = RecordDatabase(f"sqlite:///{tmp_path / 'chats.db'}")
    with monkeypatch.context() as before:
        before.setattr(migrations, "MIGRATIONS", migrations.MIGRATIONS[:4])
        record.open()
    _ask(record.database, "long", FILLER, "A heron", FILLER)
    _goes_on(record.database, "short", "One heron", "It stands.", "Two kingfishers")
    _index_as_m003_did(record.database)
    record.open()
    assert (_find(record.database, "heron"), _find(record.database, "two")) == ([1], [2])
    record.database.execute_sql("DELETE FROM requests")
    while sweep(record.database, 1.0).looked_at:
        pass
    assert [_find(record.database, words) for words in ("heron", "stands", "two")] == [[], [], []]
    _checked(record.database)
    record.close()


def _index_as_m003_did(database):
    texts = (
        "SELECT id, body FROM parts WHERE id > 0 "
        "UNION ALL SELECT -2 * id, openai_request FROM requests WHERE openai_request IS NOT NULL"
    )
    for number, body in database.execute_sql(texts).fetchall():
        told = (number, words_of(body))
        database.execute_sql("INSERT INTO said (rowid, words) VALUES (?, ?)", told)
    database.execute_sql("DELETE FROM unread")


def test_an_answer_is_found_once_it_is_final(database):
    _ask(database, "r", "Hi")
    _answer(database, "r", "A heron", state="streaming")
    assert _find(database, "heron") == []
    _answer(database, "r", "A heron stands.")
    assert (_find(database, "heron"), _find(database, "stands")) == ([1], [1])


def test_an_answer_that_was_cut_off_is_found(database):
    _ask(database, "r", "Hi")
    _answer(database, "r", "A heron", state="streaming")
    mark_interrupted(database, 1 << 60)
    assert _find(database, "heron") == [1]


def test_an_answer_that_changes_is_found_by_its_new_words_alone(database):
    _ask(database, "r", "Hi")
    for text in ("A heron stands.", "A kingfisher stands."):
        _answer(database, "r", text)
        assert _find(database, "stands") == [1]
    assert (_find(database, "heron"), _find(database, "kingfisher")) == ([], [1])
    _checked(database)


def test_tools_and_keys_are_not_what_is_said(database):
    tools = [{"type": "function", "function": {"name": "f", "description": f"heron {FILLER}"}}]
    _ask(database, "r", FILLER, "Hi", tools=tools)
    assert (_find(database, "heron"), _find(database, "content")) == ([], [])


def test_what_is_gone_is_found_no_longer(database):
    _ask(database, "a", FILLER, "A heron")
    _ask(database, "b", "A short heron")
    _answer(database, "b", "It flies.")
    assert _find(database, "heron") == [2, 1]
    database.execute_sql("DELETE FROM sessions")
    while sweep(database, 1.0).looked_at:
        pass
    assert (_find(database, "heron"), _find(database, "flies")) == ([], [])
    _checked(database)
    counts = [
        database.execute_sql(f"SELECT COUNT(*) FROM {table}").fetchone()[0]
        for table in ("said_docsize" if _is_sqlite(database) else "said", "unread", "parts")
    ]
    assert counts == [0, 0, 1]


def _is_sqlite(database):
    return "sqlite" in type(database).__name__.lower()


def test_what_was_gone_before_it_was_indexed_leaves_nothing(database):
    _ask(database, "a", FILLER, "A heron")
    database.execute_sql("DELETE FROM sessions")
    while sweep(database, 1.0).looked_at:
        pass
    assert _find(database, "heron") == []
    _checked(database)
