"""What is to be written, as plain data, and the SQL that writes it.

A row waits in the queue, perhaps in the spill file, and may come twice: writing it a second time
changes nothing. The statements are made once, because building one with peewee costs several
times what running it does.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence

import msgspec
from peewee import Database

from models import PANELS, Request, Response, execute
from recording.clues import RequestClues, retry
from recording.parts import PartStore
from recording.placing import leave_clues, place
from recording.sessions import turn_digest
from recording.state_rows import StateRow, write_states

_logger = logging.getLogger(__name__)

STALE = "The proxy stopped before the answer was whole."
"""`error` of an answer that an earlier run left unfinished."""

_NEWEST = 10_000
"""How many of the last requests are looked at for one without an answer."""


class RequestRow(msgspec.Struct, tag="request"):
    """A request to be written, and what its session is to be found by."""

    request_id: str
    openai_request: bytes | None
    provider_request: bytes | None
    provider: str
    model: str
    provider_model: str
    upstream_url: str
    method: str
    path: str
    stream: bool
    dropped: str | None
    client: str | None
    timestamp: int
    created_at: int
    explicit_session: str | None
    title: str | None
    lifetime_ms: int
    """How long a session is kept after its last use; 0 = no limit."""
    digest: str | None = None
    answered: str | None = None
    message_count: int = 0
    who: str = ""
    """The client, as its clues tell it."""
    clues: RequestClues = msgspec.field(default_factory=RequestClues)


class ResponseRow(msgspec.Struct, tag="response"):
    """An answer so far, or in its final state."""

    request_id: str
    response_id: str
    fallback_id: str
    """Taken when another request's answer already has `response_id`."""
    openai_response: bytes | None
    provider_response: bytes | None
    completion_tokens: int | None
    prompt_tokens: int | None
    total_tokens: int | None
    cached_tokens: int | None
    reasoning_tokens: int | None
    finish_reason: str | None
    error: str | None
    status_code: int | None
    state: str
    duration_ms: int
    first_chunk_ms: int | None
    timestamp: int
    turns: list[str] = []
    """Digests of the answer's choices, once it is final."""
    message_count: int = 0
    chat_id: str | None = None
    """The provider's own chat, if it told one."""
    who: str = ""
    clues: list[str] = []
    """By which a later request may tell that it follows, once the answer is final."""
    summaries: list[str] = []
    """The same, if this answer was given in the midst of a conversation."""
    first_piece: int = 0
    """Position of the first of `pieces`."""
    pieces: list[tuple[int, bytes]] = []
    """Raw bytes with their arrival in milliseconds."""
    states: list[StateRow] = []
    """What the provider gave with the answer, to be put back on the next turn."""


Row = RequestRow | ResponseRow


def _insert(table: str, columns: tuple[str, ...]) -> str:
    return f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({', '.join('?' * len(columns))})"


_REQUEST_COLUMNS = tuple(
    name for name in Request._meta.fields if name not in {"id", "session_id", "parent_id"}
)
_RESPONSE_COLUMNS = tuple(
    name
    for name in Response._meta.fields
    if name not in {"id", "request_id", "session_id", "parent_id", "response_id", "created_at"}
    and name != "cost_usd"
)
_OVERWRITTEN = ("response_id", "state", "error", "duration_ms", "timestamp")
_KEPT = tuple(name for name in _RESPONSE_COLUMNS if name not in _OVERWRITTEN)

_INSERT_REQUEST = (
    _insert("requests", (*_REQUEST_COLUMNS, "session_id", "parent_id"))
    + " ON CONFLICT (request_id) DO NOTHING"
)
_UPSERT_SESSION = (
    _insert(
        "sessions",
        (
            *("id", "first_user_message", "message_count", "client"),
            *("created_at", "last_accessed", "expires_at"),
        ),
    )
    + """ ON CONFLICT (id) DO UPDATE SET
    first_user_message = COALESCE(sessions.first_user_message, excluded.first_user_message),
    client = COALESCE(sessions.client, excluded.client),
    message_count = CASE WHEN excluded.message_count > sessions.message_count
        THEN excluded.message_count ELSE sessions.message_count END,
    last_accessed = excluded.last_accessed, expires_at = excluded.expires_at"""
)
# What an earlier snapshot told stays, unless the later one tells it anew: an error that comes
# without a body must not erase the partial answer. A late snapshot never undoes a final state.
_UPSERT_RESPONSE = (
    _insert(
        "responses",
        (
            *_RESPONSE_COLUMNS,
            *("request_id", "session_id", "parent_id", "response_id", "created_at"),
        ),
    )
    + " ON CONFLICT (request_id) DO UPDATE SET "
    + ", ".join(f"{name} = excluded.{name}" for name in _OVERWRITTEN)
    + "".join(f", {name} = COALESCE(excluded.{name}, responses.{name})" for name in _KEPT)
    + " WHERE excluded.state <> 'streaming' OR responses.state = 'streaming'"
    + f" OR responses.error = '{STALE}'"
)
_NUMBER = "SELECT id FROM requests WHERE request_id = ?"
# Some servers repeat one answer's id for ever: then another request has it.
_FIND_REQUEST = """SELECT q.id, q.session_id, q.parent_id, q.digest, q.created_at, a.id IS NOT NULL,
    EXISTS (SELECT 1 FROM responses t WHERE t.response_id = ? AND t.request_id <> q.id)
    FROM requests q LEFT JOIN responses a ON a.request_id = q.id WHERE q.request_id = ?"""
_INSERT_TURN = (
    _insert("turns", ("digest", "response_id", "session_id"))
    + " ON CONFLICT (digest, response_id) DO NOTHING"
)
_INSERT_PIECE = (
    _insert("pieces", ("request_id", "position", "arrived_ms", "body"))
    + " ON CONFLICT (request_id, position) DO NOTHING"
)
_INSERT_CLUE = _insert("clues", ("digest", "request_id")) + " ON CONFLICT DO NOTHING"


def held_bytes(row: Row) -> int:
    """The bytes of a row's bodies."""
    return sum(len(getattr(row, name, None) or b"") for name in PANELS)


def write_row(database: Database, row: Row, parts: PartStore | None = None) -> None:
    """Writes one row and what follows from it.

    Raises:
        peewee.DatabaseError: the database refuses the row, or cannot be written at all.
    """
    if isinstance(row, RequestRow):
        _write_request(database, row, parts or PartStore())
    else:
        _write_response(database, row, parts or PartStore())


def mark_interrupted(database: Database, before_ms: int) -> int:
    """Gives a final state to what earlier runs left unfinished; how many there were.

    Instances that share the database may still be at work on what is marked here: their next
    snapshot or final state then takes the mark away again.
    """
    left = execute(
        database,
        "UPDATE responses SET state = 'interrupted', error = ? "
        "WHERE state = 'streaming' AND created_at < ?",
        (STALE, before_ms),
    ).rowcount
    unanswered = execute(
        database,
        "INSERT INTO responses (request_id, session_id, response_id, parent_id, state, error, "
        "timestamp, created_at) SELECT q.id, q.session_id, q.request_id, q.parent_id, "
        "'interrupted', CAST(? AS TEXT), q.timestamp, q.created_at FROM requests q "
        "LEFT JOIN responses a ON a.request_id = q.id "
        "WHERE q.id > (SELECT COALESCE(MAX(id), 0) FROM requests) - ? AND q.created_at < ? "
        "AND a.id IS NULL ON CONFLICT DO NOTHING",
        (STALE, _NEWEST, before_ms),
    ).rowcount
    return left + unanswered


def _write_request(database: Database, row: RequestRow, parts: PartStore) -> None:
    known = "SELECT 1 FROM requests WHERE request_id = ?"
    if execute(database, known, (row.request_id,)).fetchone():
        return
    found = place(database, row)
    session_id = found.session_id
    if found.beside:
        # Nobody goes on from its answer.
        row = msgspec.structs.replace(row, digest=None, title=None, message_count=0)
    expires_at = row.created_at + row.lifetime_ms if row.lifetime_ms else None
    session = (session_id, row.title, row.message_count, row.client)
    execute(database, _UPSERT_SESSION, (*session, row.created_at, row.created_at, expires_at))
    long = _long_bodies(row, parts)
    columns = _columns(row, _REQUEST_COLUMNS, long)
    written = execute(database, _INSERT_REQUEST, (*columns, session_id, found.parent_id)).rowcount
    if written and row.digest is not None:
        leave_clues(database, row)
    if written and long:
        number = execute(database, _NUMBER, (row.request_id,)).fetchone()
        assert number is not None
        for name, body in long.items():
            parts.write(database, number[0], name, body)


def _columns(row: Row, names: Sequence[str], long: Mapping[str, bytes]) -> list[object]:
    """What the columns take of a row, null in place of what is kept in parts."""
    values = [None if name in long else getattr(row, name) for name in names]
    return [value.decode() if isinstance(value, bytes) else value for value in values]


def _long_bodies(row: Row, parts: PartStore) -> dict[str, bytes]:
    """The bodies that are kept in parts; those of an answer only once it is final."""
    if isinstance(row, ResponseRow) and row.state == "streaming":
        return {}
    # Those in OpenAI's format first: what they say is indexed.
    bodies = {name: getattr(row, name, None) for name in sorted(PANELS)}
    return {name: body for name, body in bodies.items() if body and parts.is_long(body)}


def _write_response(database: Database, row: ResponseRow, parts: PartStore) -> None:
    ids = (row.response_id, row.request_id)
    request = execute(database, _FIND_REQUEST, ids).fetchone()
    if request is None:
        # Somebody forgot it on purpose: by hand, by `prune`, or by a limit. A request that could
        # not be recorded is told of by itself.
        _logger.debug("The answer to %s is left out: its request is gone.", row.request_id)
        return
    number, session_id, parent_id, digest, created_at, answered_before, taken = request
    response_id = row.fallback_id if taken else row.response_id
    long = _long_bodies(row, parts)
    columns = _columns(row, _RESPONSE_COLUMNS, long)
    written = execute(
        database,
        _UPSERT_RESPONSE,
        (*columns, number, session_id, parent_id, response_id, created_at),
    ).rowcount
    if written and (long or answered_before):
        _write_answer_parts(database, row, number, long, parts)
    for position, (arrived_ms, body) in enumerate(row.pieces, row.first_piece):
        execute(database, _INSERT_PIECE, (number, position, arrived_ms, body))
    write_states(database, number, row.states)
    if row.turns and digest is not None:
        _write_turns(database, row, response_id, session_id, digest)
    if digest is not None:
        _write_clues(database, row, number, digest, midst=parent_id is not None)


def _write_clues(
    database: Database, row: ResponseRow, number: int, digest: str, *, midst: bool
) -> None:
    found = [*row.clues, *(row.summaries if midst else ())]
    if row.state in ("failed", "interrupted"):
        found.append(retry(row.who, digest))
    for clue in found:
        execute(database, _INSERT_CLUE, (clue, number))


def _write_answer_parts(
    database: Database, row: ResponseRow, number: int, long: Mapping[str, bytes], parts: PartStore
) -> None:
    """Brings the bodies that are kept in parts up to what the row tells anew."""
    for name in ("openai_response", "provider_response"):
        if getattr(row, name) is not None:
            parts.erase(database, number, name)
    for name, body in long.items():
        parts.write(database, number, name, body)
        # What a snapshot told is in the row.
        execute(database, f"UPDATE responses SET {name} = NULL WHERE request_id = ?", (number,))


def _write_turns(
    database: Database, row: ResponseRow, response_id: str, session_id: str, digest: str
) -> None:
    for answer in row.turns:
        turn = turn_digest(digest, answer)
        execute(database, _INSERT_TURN, (turn, response_id, session_id))
    execute(
        database,
        "UPDATE sessions SET parent_id = ?, chat_id = COALESCE(CAST(? AS TEXT), chat_id), "
        "last_accessed = ?, message_count = CASE WHEN message_count < ? THEN ? "
        "ELSE message_count END WHERE id = ?",
        (
            *(response_id, row.chat_id, row.timestamp),
            *(row.message_count, row.message_count, session_id),
        ),
    )
