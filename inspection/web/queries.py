"""What the pages and the API read of the record: lists newest first, and single rows.

A list is paged by key: each page begins after a row, wherever that is by now, and costs the same
however far back it lies.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from peewee import SQL, Database, Expression, ModelSelect, PostgresqlDatabase, fn

from inspection.web.filters import Filter, FilterError
from models import PANELS, Exchange, Request, Response, Session
from recording.search import search
from transforms.contract import JSON

REQUEST_BODIES = ("openai_request", "provider_request")
RESPONSE_BODIES = ("provider_response", "openai_response")

# A member of the API -> the column of the view that holds it.
_REQUEST = {
    name: "request_parent_id" if name == "parent_id" else name
    for name in Request._meta.columns
    if name not in PANELS and name != "digest"
}
_OF_RESPONSE = {
    "id": "response_row_id",
    "parent_id": "response_parent_id",
    "timestamp": "response_timestamp",
    "created_at": "response_created_at",
}
_RESPONSE = {
    name: _OF_RESPONSE.get(name, name) for name in Response._meta.columns if name not in PANELS
}

_JSON_LIST = {
    False: "(SELECT value FROM json_each({}))",
    True: "(SELECT CAST(value AS BIGINT) FROM json_array_elements_text(CAST({} AS json)))",
}
"""A list of any length as one parameter, by whether it is PostgreSQL."""


@dataclass(frozen=True, slots=True)
class Page:
    """Rows of a list, and whether there are more."""

    rows: list[JSON]
    more: bool


def sessions(database: Database, asked: Filter) -> Page:
    """Sessions, the last used first; filters that are about calls hold for one of its calls."""
    query: ModelSelect[Any] = Session.select().order_by(
        Session.last_accessed.desc(), Session.id.desc()
    )
    if asked.session is not None:
        query = query.where(Session.id == asked.session)
    within = _within(Session.last_accessed, asked)
    query = query.where(*within) if within else query
    about_calls = _about_calls(database, asked)
    if about_calls:
        query = query.where(_has_call(about_calls, searched=asked.q is not None))
    if asked.after is not None:
        last = _known(session(database, asked.after), asked.after)
        at, name = last["last_accessed"], last["id"]
        # Written so that the index is used: a row value would do, but not in peewee.
        query = query.where(
            Session.last_accessed <= at, (Session.last_accessed < at) | (Session.id < name)
        )
    return _page(database, query, asked.limit)


def requests(database: Database, asked: Filter) -> Page:
    """Requests with their responses, without bodies."""
    found = _exchanges(database, asked, (*_REQUEST.values(), *_RESPONSE.values()))
    return Page([_request(row) for row in found.rows], found.more)


def responses(database: Database, asked: Filter) -> Page:
    """Responses, without bodies, in the order of their requests."""
    found = _exchanges(database, asked, _RESPONSE.values(), Exchange.response_row_id.is_null(False))
    return Page([_named(row, _RESPONSE) for row in found.rows], found.more)


def session(database: Database, session_id: str) -> JSON | None:
    """One session."""
    return _first(database, Session.select().where(Session.id == session_id))


def request(database: Database, request_id: str) -> JSON | None:
    """One request with its response, all four bodies with them as the texts they are."""
    row = _exchange(database, _known_by(Exchange.request_id, Exchange.id, request_id))
    if row is None:
        return None
    found = {**_request(row), **{name: row[name] for name in REQUEST_BODIES}}
    if found["response"] is not None:
        found["response"] |= {name: row[name] for name in RESPONSE_BODIES}
    return found


def response(database: Database, response_id: str) -> JSON | None:
    """One response, both bodies with it as the texts they are."""
    key = _known_by(Exchange.response_id, Exchange.response_row_id, response_id)
    row = _exchange(database, key)
    if row is None:
        return None
    return {**_named(row, _RESPONSE), **{name: row[name] for name in RESPONSE_BODIES}}


def client_bodies(database: Database, numbers: Sequence[int]) -> dict[int, tuple[Any, Any]]:
    """What the client said and heard, by the numbers of requests."""
    query = Exchange.select(Exchange.id, Exchange.openai_request, Exchange.openai_response)
    query = query.where(Exchange.id.in_(_listed(database, numbers)))
    return {number: (said, heard) for number, said, heard in query.tuples().execute(database)}


def conditions(database: Database, asked: Filter) -> list[Expression]:
    """What has to hold for a row of the view."""
    wanted = _about_calls(database, asked)
    if asked.session is not None:
        wanted.append(Exchange.session_id == asked.session)
    return [*wanted, *_within(Exchange.timestamp, asked)]


def _about_calls(database: Database, asked: Filter) -> list[Expression]:
    wanted: list[Expression] = []
    if asked.model is not None:
        wanted.append((Exchange.model == asked.model) | (Exchange.provider_model == asked.model))
    if asked.provider is not None:
        wanted.append(Exchange.provider == asked.provider)
    if asked.state is not None:
        wanted.append(Exchange.state == asked.state)
    if asked.q is not None:
        wanted.append(Exchange.id.in_(_listed(database, search(database, asked.q))))
    return wanted


def _has_call(wanted: list[Expression], *, searched: bool) -> Any:
    """A session with such a call: looked for session by session, but for the calls that a search
    has found already."""
    if searched:
        return Session.id.in_(Exchange.select(Exchange.session_id).where(*wanted))
    one = Exchange.select(SQL("1")).where(Exchange.session_id == Session.id, *wanted)
    return fn.EXISTS(one)


def _listed(database: Database, numbers: Sequence[int]) -> SQL:
    form = _JSON_LIST[isinstance(database, PostgresqlDatabase)]
    return SQL(form.format(database.param), (json.dumps(numbers),))


def _within(moment: Any, asked: Filter) -> list[Expression]:
    wanted = [] if asked.since is None else [moment >= asked.since]
    return wanted if asked.until is None else [*wanted, moment < asked.until]


def _exchanges(
    database: Database, asked: Filter, columns: Iterable[str], *more: Expression
) -> Page:
    """Rows of the view, the last begun first."""
    fields = [getattr(Exchange, name) for name in dict.fromkeys(columns)]
    query = Exchange.select(*fields).order_by(Exchange.id.desc())
    wanted = [*more, *conditions(database, asked)]
    if asked.after is not None:
        wanted.append(Exchange.id < _place(database, asked.after))
    return _page(database, query.where(*wanted) if wanted else query, asked.limit)


def _place(database: Database, after: str) -> int:
    """The number of the exchange that a request's or a response's id belongs to."""
    by_request = _known_by(Exchange.request_id, Exchange.id, after)
    query = Exchange.select(Exchange.id)
    found = _first(database, query.where(by_request)) or _first(
        database, query.where(Exchange.response_id == after)
    )
    return int(_known(found, after)["id"])


def _known(row: JSON | None, after: str) -> JSON:
    if row is None:
        raise FilterError(
            "after", f"`after` is `{after}`; the id of a row of the list is accepted."
        )
    return row


def _known_by(name: Any, number: Any, given: str) -> Any:
    """A row by its public id, or by its number."""
    if given.isdecimal() and len(given) < 19:
        return (name == given) | (number == int(given))
    return name == given


def _page(database: Database, query: ModelSelect[Any], limit: int) -> Page:
    rows = list(query.limit(limit + 1).dicts().execute(database))
    return Page(rows[:limit], len(rows) > limit)


def _exchange(database: Database, wanted: Any) -> JSON | None:
    return _first(database, Exchange.select().where(wanted))


def _first(database: Database, query: ModelSelect[Any]) -> JSON | None:
    return next(iter(query.limit(1).dicts().execute(database)), None)


def _request(row: JSON) -> JSON:
    answered = row["response_row_id"] is not None
    return {**_named(row, _REQUEST), "response": _named(row, _RESPONSE) if answered else None}


def _named(row: JSON, members: dict[str, str]) -> JSON:
    return {name: row[column] for name, column in members.items()}
