"""The API: the record as JSON, and the one thing that may be done to it.

Lists are of OpenAI's shape: `object`, `data`, `has_more`, `last_id`. A body stands in it as the
JSON that it is, byte for byte, or as a text where it is none.
"""

from __future__ import annotations

from collections.abc import Callable
from http import HTTPStatus

import msgspec
from flask import Blueprint, Response, abort, current_app, request
from peewee import Database

from inspection.web import filters, queries
from inspection.web.record import Record
from inspection.web.stats import stats
from recording import deleting
from transforms.contract import JSON
from transforms.json_text import loads

blueprint = Blueprint("api", __name__, url_prefix="/api")
_BODIES = (*queries.REQUEST_BODIES, *queries.RESPONSE_BODIES)


def the_record() -> Record:
    """The record that the application shows."""
    record = current_app.config["RECORD"]
    assert isinstance(record, Record)
    return record


@blueprint.get("/sessions")
def sessions() -> Response:
    """Sessions, the last used first."""
    return _list(queries.sessions, "id")


@blueprint.get("/sessions/<id:session_id>")
def session(session_id: str) -> Response:
    """One session."""
    return _one(queries.session, "session", session_id)


@blueprint.delete("/sessions/<id:session_id>")
def delete_session(session_id: str) -> Response:
    """Removes a session with all that hangs on it."""
    with the_record().opened() as database:
        if not deleting.delete_session(database, session_id):
            abort(HTTPStatus.NOT_FOUND, f"There is no session `{session_id}`.")
    return _json({"id": session_id, "object": "session.deleted", "deleted": True})


@blueprint.get("/requests")
def requests() -> Response:
    """Requests with their responses, without bodies."""
    return _list(queries.requests, "request_id")


@blueprint.get("/requests/<id:request_id>")
def request_(request_id: str) -> Response:
    """One request with its response, all four bodies with them."""
    return _one(queries.request, "request", request_id)


@blueprint.get("/responses")
def responses() -> Response:
    """Responses, without bodies."""
    return _list(queries.responses, "response_id")


@blueprint.get("/responses/<id:response_id>")
def response(response_id: str) -> Response:
    """One response, both bodies with it."""
    return _one(queries.response, "response", response_id)


@blueprint.get("/stats")
def stats_() -> Response:
    """Sums over calls, and what is not in the database."""
    asked = asked_for()
    with the_record().opened() as database:
        sums = stats(database, asked)
    backlog = the_record().backlog()
    return _json({**sums, "waiting": backlog.waiting, "refused": backlog.refused})


def asked_for(besides: tuple[str, ...] = ()) -> filters.Filter:
    """The filter in the query of the request at hand, without the parameters in `besides`.

    Raises:
        FilterError: a parameter is unknown, or its value cannot be used.
    """
    others = ("token", *besides)
    return filters.parse({key: value for key, value in request.args.items() if key not in others})


def _list(read: Callable[[Database, filters.Filter], queries.Page], key: str) -> Response:
    asked = asked_for()
    with the_record().opened() as database:
        page = read(database, asked)
    last = page.rows[-1][key] if page.rows else None
    return _json({"object": "list", "data": page.rows, "has_more": page.more, "last_id": last})


def _one(read: Callable[[Database, str], JSON | None], kind: str, key: str) -> Response:
    with the_record().opened() as database:
        row = read(database, key)
    if row is None:
        abort(HTTPStatus.NOT_FOUND, f"There is no {kind} `{key}`.")
    return _json(_with_bodies(row))


def _with_bodies(row: JSON) -> JSON:
    """The bodies as JSON within JSON; exactly what was recorded."""
    whole: JSON = {}
    for name, value in row.items():
        if name in _BODIES and isinstance(value, str):
            whole[name] = _body(value)
        else:
            whole[name] = _with_bodies(value) if isinstance(value, dict) else value
    return whole


def _body(text: str) -> object:
    raw = text.encode("utf-8", "backslashreplace")
    try:
        loads(raw)
    except (ValueError, RecursionError):
        return text
    return msgspec.Raw(raw)


def _json(value: object, status: int = HTTPStatus.OK) -> Response:
    return Response(msgspec.json.encode(value), status, mimetype="application/json")


def error(status: int, message: str, param: str | None = None) -> Response:
    """An error as OpenAI's clients read it."""
    kind = "invalid_request_error" if status < HTTPStatus.INTERNAL_SERVER_ERROR else "server_error"
    described = {"message": message, "type": kind, "param": param, "code": None}
    return _json({"error": described}, status)
