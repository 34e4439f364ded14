"""Where a request belongs: its session, and the answer it continues.

The rules, in their order. Whatever none of them places begins a new session: a wrong merge is
worse than a miss.

1. An id that the client gives names the session; within it, the other rules find the answer that
   is continued.
2. Words said again by the same client, within two minutes of a failed or interrupted answer to
   them, are a retry: it stands beside the first try, and continues what that continued.
3. A history that ends in a recorded answer continues it. Of several that are alike so far: one of
   the same client, then one that nobody went on with, then the latest.
4. A history that is cut short, or ends in answers that nobody gave, continues the last one in it
   that, with what it follows, is told word for word, and long enough, or with a call's id; calls
   may come back without what was said before them.
5. A history that begins with an answer given in the midst of a conversation, whole and long, had
   its beginning replaced by that summary, and continues it.
6. A call without tools whose last message is the question that another one with tools has opened
   a conversation with, in other words around it and at most a minute earlier or later, is beside
   that conversation (titles). So is one that tells the conversation's last exchange as a text, at
   most ten minutes after its answer (commit messages). Nobody continues such a call.

Rules 2 and 4 to 6 look at calls of one client alone: the same `user-agent` with the same key.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from peewee import Database

from models import execute
from recording import clues

if TYPE_CHECKING:
    from recording.rows import RequestRow

RETRY_MS = 120_000
"""How long after an answer that was not whole the same words are a retry."""

TITLE_MS = 60_000
"""How long before or after a conversation's first question a call that repeats it is about it."""

QUOTED_MS = 600_000
"""How long after an answer a call that quotes it is about its conversation."""

_SESSION_NAMESPACE = uuid.UUID("3e4b6a1c-8d0f-4c55-9d0b-5f3c2f5a7b1e")


@dataclass(frozen=True, slots=True)
class Place:
    """Where a request belongs."""

    session_id: str
    parent_id: str | None = None
    """The `response_id` that it continues."""
    beside: bool = False
    """Whether it is about the conversation rather than a part of it."""


_NAMED = "AND q.session_id || '' = ?"
"""Keeps a search within the session that the client names. `|| ''` keeps the planner off the index
by session: it would look at each request of the session for a clue that few have."""

_FIND_TURN = """SELECT q.session_id, q.response_id FROM turns q
    JOIN sessions s ON s.id = q.session_id WHERE q.digest = ? {named}
    ORDER BY COALESCE(s.client, '') <> ?,
    EXISTS (SELECT 1 FROM requests n WHERE n.parent_id = q.response_id), q.id DESC LIMIT 1"""
_FIND_FAILED = """SELECT q.session_id, q.parent_id FROM clues c
    JOIN requests q ON q.id = c.request_id JOIN responses a ON a.request_id = q.id
    WHERE c.digest = ? {named} AND a.timestamp >= ? AND a.state <> 'complete' AND NOT EXISTS (
        SELECT 1 FROM requests n
        WHERE n.session_id = q.session_id AND n.id > q.id AND n.digest = q.digest)
    ORDER BY c.request_id DESC LIMIT 1"""
_FIND_ANSWER = """SELECT q.session_id, a.response_id FROM clues c
    JOIN requests q ON q.id = c.request_id JOIN responses a ON a.request_id = q.id
    WHERE c.digest = ? {named} AND a.timestamp >= ? ORDER BY c.request_id DESC LIMIT 1"""
_FIND_OPENING = """SELECT q.session_id, q.id FROM clues c JOIN requests q ON q.id = c.request_id
    WHERE c.digest = ? {named} AND q.created_at BETWEEN ? AND ? AND q.digest <> ?
    AND NOT EXISTS (SELECT 1 FROM requests n
        WHERE n.session_id = q.session_id AND n.id <> q.id AND n.digest IS NULL)
    ORDER BY c.request_id DESC LIMIT 1"""


def place(database: Database, row: RequestRow) -> Place:
    """Where a request belongs.

    Raises:
        peewee.DatabaseError: the database cannot be read.
    """
    search = _Search(database, row)
    found = search.retried() or search.continued() or search.shortened() or search.beside()
    if found is not None:
        return found
    return Place(row.explicit_session or str(uuid.uuid5(_SESSION_NAMESPACE, row.request_id)))


def leave_clues(database: Database, row: RequestRow) -> None:
    """Writes down by what a later call may tell that it belongs with this one.

    Raises:
        peewee.DatabaseError: the database cannot be written.
    """
    clue = clues.opening(row.clues, aside=not row.clues.offers_tools)
    if clue:
        execute(
            database,
            "INSERT INTO clues (digest, request_id) SELECT CAST(? AS TEXT), id FROM requests "
            "WHERE request_id = ? ON CONFLICT DO NOTHING",
            (clue, row.request_id),
        )


class _Search:
    """The rules, applied to one request."""

    def __init__(self, database: Database, row: RequestRow) -> None:
        self._database = database
        self._row = row

    def retried(self) -> Place | None:
        row = self._row
        if row.digest is None:
            return None
        clue = clues.retry(row.who, row.digest)
        return _placed(self._first(_FIND_FAILED, clue, row.created_at - RETRY_MS))

    def continued(self) -> Place | None:
        if self._row.answered is None:
            return None
        return _placed(self._first(_FIND_TURN, self._row.answered, self._row.client or ""))

    def shortened(self) -> Place | None:
        given = self._row.clues
        for clue in (given.exchange, *given.summaries):
            found = self._first(_FIND_ANSWER, clue, 0) if clue else None
            if found:
                return _placed(found)
        return None

    def beside(self) -> Place | None:
        row = self._row
        if row.clues.offers_tools:
            return self._with_earlier_title()
        found = self._opening(aside=False)
        if found is None and row.clues.quoted:
            found = self._first(_FIND_ANSWER, row.clues.quoted, row.created_at - QUOTED_MS)
        return None if found is None else Place(found[0], beside=True)

    def _with_earlier_title(self) -> Place | None:
        """The place beside a title that was asked for first.

        That call is taken for what it is now: nobody continues it, and a session that it began is
        named by the question itself.
        """
        found = self._opening(aside=True)
        if found is None:
            return None
        session_id, title = found
        execute(self._database, "UPDATE requests SET digest = NULL WHERE id = ?", (title,))
        execute(
            self._database,
            "UPDATE sessions SET first_user_message = ? WHERE id = ? AND NOT EXISTS "
            "(SELECT 1 FROM requests q WHERE q.session_id = sessions.id AND q.id < ?)",
            (self._row.title, session_id, title),
        )
        return Place(session_id)

    def _opening(self, *, aside: bool) -> tuple[Any, ...] | None:
        row = self._row
        clue = clues.opening(row.clues, aside=aside)
        if clue is None or row.digest is None:
            return None
        period = (row.created_at - TITLE_MS, row.created_at + TITLE_MS)
        return self._first(_FIND_OPENING, clue, *period, row.digest)

    def _first(self, sql: str, clue: str, *values: object) -> tuple[Any, ...] | None:
        named = self._row.explicit_session
        if named is None:
            return execute(self._database, sql.format(named=""), (clue, *values)).fetchone()
        within = sql.format(named=_NAMED)
        return execute(self._database, within, (clue, named, *values)).fetchone()


def _placed(found: tuple[Any, ...] | None) -> Place | None:
    return None if found is None else Place(found[0], found[1])
