"""The application: who may look, what is looked at, and how a failure reads."""

from __future__ import annotations

import logging
import string
from http import HTTPStatus
from typing import Any
from urllib.parse import quote

from flask import Flask, Request, request
from markupsafe import Markup
from peewee import DatabaseError, InterfaceError
from werkzeug.exceptions import BadHost, HTTPException
from werkzeug.routing import BaseConverter
from werkzeug.wrappers import Response

from inspection.plain_text import grouped, neutralise
from inspection.web import api, pages
from inspection.web.access import HEADERS, Access, is_api
from inspection.web.filters import FilterError, speakable
from inspection.web.record import Record, UnreadableError
from recording.faults import log_fault

logger = logging.getLogger(__name__)

_Answer = Response | tuple[str, int]


class _Request(Request):
    """A request whose address may hold bytes that should have been escaped."""

    def __init__(self, *asked: Any, **options: Any) -> None:
        super().__init__(*asked, **options)
        self.query_string = quote(self.query_string, safe=string.punctuation).encode()


class _Id(BaseConverter):
    """Any text: a session may be named by its client."""

    regex = r"(?s:.+)"
    part_isolating = False

    def to_python(self, value: str) -> str:
        return speakable(value)


def create_app(record: Record, access: Access) -> Flask:
    """The pages and the API over one record."""
    app = Flask(__name__, static_folder=None)
    app.request_class = _Request
    app.url_map.merge_slashes = False
    app.url_map.converters["id"] = _Id
    app.config["RECORD"] = record
    # Whatever a template shows passes here before it is escaped.
    app.jinja_options = {"finalize": _shown, "trim_blocks": True, "lstrip_blocks": True}
    app.jinja_env.globals |= pages.filters()
    app.register_blueprint(api.blueprint)
    app.register_blueprint(pages.blueprint)
    app.before_request(access.check)
    app.after_request(_with_headers)
    app.register_error_handler(HTTPException, _refused)
    app.register_error_handler(FilterError, _misasked)
    for unreadable in (DatabaseError, InterfaceError, UnreadableError):
        app.register_error_handler(unreadable, _unreadable)
    app.register_error_handler(Exception, _failed)
    return app


def _shown(value: object) -> object:
    """A text without characters that make it read otherwise than it is; null as nothing."""
    if isinstance(value, Markup):
        return value
    return neutralise(value) if isinstance(value, str) else "" if value is None else value


def _with_headers(response: Any) -> Any:
    response.headers.update(HEADERS)
    return response


def _refused(exc: HTTPException) -> Any:
    return _error_answer(exc.code or HTTPStatus.INTERNAL_SERVER_ERROR, exc.description or exc.name)


def _misasked(exc: FilterError) -> _Answer:
    return _error_answer(HTTPStatus.BAD_REQUEST, str(exc), exc.name)


def _unreadable(exc: Exception) -> _Answer:
    """The words of a driver may name values; ours do not."""
    why = str(exc) if isinstance(exc, UnreadableError) else f"{type(exc).__name__}."
    return _error_answer(
        HTTPStatus.SERVICE_UNAVAILABLE,
        f"The record cannot be read at the moment: {why} Calls go on, and their records wait: "
        f"{grouped(api.the_record().backlog().waiting)} rows so far.",
    )


def _failed(exc: Exception) -> _Answer:
    log_fault(logger, "A page could not be shown.")
    return _error_answer(HTTPStatus.INTERNAL_SERVER_ERROR, "This failed; the log has the details.")


def _error_answer(status: int, message: str, param: str | None = None) -> _Answer:
    if is_api(request):
        return api.error(status, message, param)
    if isinstance(request.routing_exception, BadHost):
        # No page can say where its style is, under a name that is none.
        return Response(message, status, mimetype="text/plain")
    return pages.error_page(status, message)
