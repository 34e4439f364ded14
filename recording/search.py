"""Full-text search over what was said, and the index that it looks into.

Texts are indexed after they are written, while nothing else waits: each part once, and the short
bodies that stay in their rows.
"""

from __future__ import annotations

import re
import time
from typing import Any

from peewee import Database, PostgresqlDatabase

from models import execute
from recording.database import writing
from recording.words import words_of, words_of_request

_AT_ONCE = 32
_LARGEST = 100_000
"""Characters of a text that are indexed, so that indexing one holds nobody up for long."""

_NEXT_UNREAD = "SELECT id FROM unread ORDER BY id DESC LIMIT ?"
_READ = "DELETE FROM unread WHERE id = ?"
_PART = "SELECT body, FALSE FROM parts WHERE id = ?"
_REQUEST = "SELECT openai_request, parent_id IS NOT NULL FROM requests WHERE id = ?"
_RESPONSE = (
    "SELECT openai_response, FALSE FROM responses WHERE request_id = ? AND state <> 'streaming'"
)

_INSERT_SQLITE = "INSERT INTO said (rowid, words) VALUES (?, ?)"
_INSERT_POSTGRESQL = (
    "INSERT INTO said (id, words) VALUES (?, to_tsvector('simple', ?)) "
    "ON CONFLICT (id) DO UPDATE SET words = excluded.words"
)
_IS_INDEXED = "SELECT 1 FROM said_docsize WHERE id = ?"
_NEXT_UNSAID = "SELECT rowid, id, body, continues FROM unsaid ORDER BY rowid LIMIT ?"
_DELETE = "INSERT INTO said (said, rowid, words) VALUES ('delete', ?, ?)"
_UNSAID = "DELETE FROM unsaid WHERE rowid = ?"

_MERGE = "INSERT INTO said (said, rank) VALUES ('merge', ?)"
_MERGED_PAGES = 16
_CHANGES = "SELECT total_changes()"

_FIND_SQLITE = "SELECT rowid FROM said WHERE said MATCH ?"
_FIND_POSTGRESQL = "SELECT id FROM said WHERE words @@ plainto_tsquery('simple', ?)"
# The request that wrote a node wrote its first successors too, up to where its segment ends.
_FIRST_SAID = """
WITH RECURSIVE later (id) AS (
    SELECT n.id FROM chains n WHERE n.part_id = ?
    UNION SELECT (SELECT MIN(n.id) FROM chains n WHERE n.parent_id = l.id) FROM later l
    WHERE l.id IS NOT NULL AND NOT EXISTS (SELECT 1 FROM segments g WHERE g.node_id = l.id))
SELECT MIN(g.request_id) FROM later l JOIN segments g ON g.node_id = l.id"""


def search(database: Database, words: str) -> list[int]:
    """The numbers of the requests with which all of the words were first said, the latest first.

    A request counts with its answer, and for what is new in it: not for the history that it sends
    again. Words are found whatever their case.

    Raises:
        peewee.DatabaseError: the database cannot be read.
    """
    wanted = re.findall(r"\w+", words)
    if not wanted:
        return []
    if isinstance(database, PostgresqlDatabase):
        found = execute(database, _FIND_POSTGRESQL, (" ".join(wanted),)).fetchall()
    else:
        match = " ".join(f'"{word}"' for word in wanted)
        found = execute(database, _FIND_SQLITE, (match,)).fetchall()
    numbers = {_request(database, number) for (number,) in found}
    return sorted((number for number in numbers if number is not None), reverse=True)


def index(database: Database, limit_s: float) -> bool:
    """Indexes what was written, for about as long as given; whether there may be more to do.

    Raises:
        peewee.DatabaseError: the database cannot be written.
    """
    give_up_at = time.monotonic() + limit_s
    # A text that took another's place has its number.
    if unsay(database, limit_s):
        return True
    with writing(database):
        unread = execute(database, _NEXT_UNREAD, (_AT_ONCE,)).fetchall()
        for (number,) in unread:
            if time.monotonic() >= give_up_at:
                break
            _index(database, number)
    return bool(unread)


def unsay(database: Database, limit_s: float) -> bool:
    """Takes texts that are gone out of the index; whether there may be more to do.

    SQLite has to be told what they said; PostgreSQL does it by itself.

    Raises:
        peewee.DatabaseError: the database cannot be written.
    """
    if isinstance(database, PostgresqlDatabase):
        return False
    give_up_at = time.monotonic() + limit_s
    with writing(database):
        gone = execute(database, _NEXT_UNSAID, (_AT_ONCE,)).fetchall()
        for row, number, body, continues in gone:
            if time.monotonic() >= give_up_at:
                break
            execute(database, _UNSAID, (row,))
            if execute(database, _IS_INDEXED, (number,)).fetchone():
                execute(database, _DELETE, (number, _words(number, body, continues)))
    return bool(gone)


def merge(database: Database) -> bool:
    """Takes a little of what texts that are gone have left in the index; whether there may be more.

    SQLite only adds that they are gone, so that the index grows until its stretches are merged.

    Raises:
        peewee.DatabaseError: the database cannot be written.
    """
    if isinstance(database, PostgresqlDatabase):
        return False
    with writing(database):
        before = _first(database, _CHANGES)
        execute(database, _MERGE, (_MERGED_PAGES,))
        after = _first(database, _CHANGES)
    # One is the statement's own.
    return before is not None and after is not None and after[0] - before[0] > 1


def _index(database: Database, number: int) -> None:
    execute(database, _READ, (number,))
    found = _first(database, *_source(number))
    if found is None or found[0] is None:
        return
    words = _words(number, *found)
    if not words.strip():
        return
    if isinstance(database, PostgresqlDatabase):
        execute(database, _INSERT_POSTGRESQL, (number, words))
    elif not execute(database, _IS_INDEXED, (number,)).fetchone():
        execute(database, _INSERT_SQLITE, (number, words))


def _words(number: int, body: str, continues: bool) -> str:
    """What is indexed of a text, always the same; `continues` tells of a request that what it
    begins with was said before."""
    is_request = number < 0 and not number % 2
    words = words_of_request(body, continues=continues) if is_request else words_of(body)
    return words[:_LARGEST]


def _source(number: int) -> tuple[str, int]:
    """Where a text is, by its number in the index."""
    if number > 0:
        return _PART, number
    return (_RESPONSE if number % 2 else _REQUEST), -number // 2


def _request(database: Database, number: int) -> int | None:
    """The request with which a text was first said."""
    if number < 0:
        return -number // 2
    row = _first(database, _FIRST_SAID, number)
    return None if row is None else row[0]


def _first(database: Database, sql: str, *parameters: int) -> tuple[Any, ...] | None:
    return execute(database, sql, parameters).fetchone()
