"""The pages: exchanges, sessions with their threads, one exchange as a diptych, charts.

Everything is drawn on the server, so no script runs. What a client or a model wrote is escaped by
the templates, and shown without characters that make a text read otherwise than it is.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from http import HTTPStatus
from typing import Any

from flask import Blueprint, Response, abort, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as AnyResponse

from inspection.plain_text import grouped
from inspection.summary import UNANSWERED, summary
from inspection.web import charts, queries, threads
from inspection.web.api import asked_for, the_record
from inspection.web.filters import STATES, Filter
from inspection.web.pairing import Row, paired, sections
from inspection.web.previews import preview
from inspection.web.stats import stats
from models import now_ms
from recording import deleting
from transforms import PROVIDERS
from transforms.contract import JSON

blueprint = Blueprint("pages", __name__)

_LONGEST_THREAD = 100
"""Calls of a session that are shown on its page, the latest: their bodies are read for it."""

_ICON = (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 16 16" fill="none" stroke="#8a3b12" '
    'stroke-width="2"><rect x="1" y="1" width="6" height="14" rx="1"/>'
    '<rect x="9" y="1" width="6" height="14" rx="1"/></svg>'
)

_HOUR_MS = 3_600_000
_SPANS = (("hour", 1), ("day", 24), ("week", 168), ("month", 720))


@blueprint.get("/")
def exchanges() -> str:
    """Calls, the latest first; with `live=1` the page renews itself."""
    asked, live = _asked()
    with the_record().opened() as database:
        page = queries.requests(database, asked)
    return _list("exchanges.html", page, asked, "request_id", live=live)


@blueprint.get("/sessions")
def sessions() -> str:
    """Sessions, the last used first."""
    asked, live = _asked()
    with the_record().opened() as database:
        page = queries.sessions(database, asked)
    return _list("sessions.html", page, asked, "id", live=live)


@blueprint.get("/sessions/<id:session_id>")
def session(session_id: str) -> str:
    """One session: its calls as a thread, each branch beside the one it leaves."""
    with the_record().opened() as database:
        found = queries.session(database, session_id)
        if found is None:
            abort(HTTPStatus.NOT_FOUND, f"There is no session `{session_id}`.")
        page = queries.requests(database, Filter(session=session_id, limit=_LONGEST_THREAD))
        bodies = queries.client_bodies(database, [row["id"] for row in page.rows])
    previews = {number: preview(*both) for number, both in bodies.items()}
    return _page(
        "session.html",
        session=found,
        lines=threads.lines(page.rows[::-1]),
        previews=previews,
        more=page.more,
    )


@blueprint.post("/sessions/<id:session_id>/delete")
def delete_session(session_id: str) -> AnyResponse:
    """Removes a session, and shows those that are left."""
    with the_record().opened() as database:
        deleting.delete_session(database, session_id)
    return redirect(url_for("pages.sessions"), HTTPStatus.SEE_OTHER)


@blueprint.get("/requests/<id:request_id>")
def exchange(request_id: str) -> str:
    """One exchange, the client's panel on the left and the provider's on the right."""
    with the_record().opened() as database:
        found = queries.request(database, request_id)
    if found is None:
        abort(HTTPStatus.NOT_FOUND, f"There is no request `{request_id}`.")
    answer = found["response"] or {}
    asked = _pair(found, *queries.REQUEST_BODIES)
    answered = _pair(answer, "openai_response", "provider_response")
    return _page("exchange.html", exchange=found, answer=answer, asked=asked, answered=answered)


@blueprint.get("/stats")
def stats_() -> str:
    """Charts and sums; of the last day, unless another time is asked for."""
    asked, _ = _asked()
    now = now_ms()
    if asked.since is None and "since" not in request.args:
        asked = replace(asked, since=now - 24 * _HOUR_MS)
    with the_record().opened() as database:
        sums = stats(database, asked)
    spans = [(name, now - hours * _HOUR_MS) for name, hours in _SPANS]
    return _page(
        "stats.html", stats=sums, charts=charts.charts(sums), spans=spans, asked=asked, live=False
    )


@blueprint.get("/style.css")
def style() -> Response:
    """The style of all pages."""
    return Response(render_template("style.css"), mimetype="text/css")


@blueprint.get("/icon.svg")
def icon() -> Response:
    """Two panels side by side."""
    return Response(_ICON, mimetype="image/svg+xml")


@dataclass(frozen=True, slots=True)
class Panels:
    """Both panels of a request or of an answer."""

    rows: list[Row]
    left: bool
    right: bool
    """Whether there is such a body at all."""


def error_page(status: int, message: str) -> tuple[str, int]:
    """What went wrong, and what to do; without a look at the record."""
    return render_template("error.html", status=status, message=message), status


def filters() -> dict[str, Any]:
    """What templates use besides their own values."""
    return {
        "moment": charts.moment,
        "grouped": grouped,
        "line": _line,
        "unanswered": UNANSWERED,
        "states": STATES,
        "providers": list(PROVIDERS),
    }


def _asked() -> tuple[Filter, bool]:
    """The filter of the page, and whether it renews itself."""
    return asked_for(besides=("live",)), request.args.get("live") == "1"


def _list(template: str, page: queries.Page, asked: Filter, key: str, *, live: bool) -> str:
    given = {name: value for name, value in request.args.items() if name != "after" and value}
    older = {**given, "after": page.rows[-1][key]} if page.more else None
    return _page(template, rows=page.rows, older=older, asked=asked, given=given, live=live)


def _page(template: str, **values: Any) -> str:
    return render_template(template, backlog=the_record().backlog(), **values)


def _pair(row: JSON, left: str, right: str) -> Panels:
    bodies = row.get(left), row.get(right)
    return Panels(
        paired(*(sections(body) for body in bodies)), *(body is not None for body in bodies)
    )


def _line(row: JSON) -> str:
    """A call in one line, as mitmweb's comment tells it; an error in its own words, since no column
    has its code."""
    answer = row["response"] or {"state": UNANSWERED}
    usage = {name: answer.get(name) for name in ("prompt_tokens", "completion_tokens")}
    completion = {"usage": usage, "choices": [{"finish_reason": answer.get("finish_reason")}]}
    return summary(
        model=row["model"],
        provider=row["provider"],
        provider_model=row["provider_model"],
        completion=completion,
        error=answer.get("error"),
        state=answer["state"],
        duration_ms=answer.get("duration_ms"),
    )
