"""The record: its tables, the view `exchanges`, and how a body that is kept in parts is read.

The classes are declarations for whoever reads the record; they are bound late, to the database
that is read: `with database.bind_ctx(MODELS): ...`. Times are integers, milliseconds since
1970 UTC. A body is JSON text, equal to what was on the wire, secrets aside. `migrations.py` makes
the tables.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any, Protocol, cast

from peewee import (
    BigIntegerField,
    BlobField,
    BooleanField,
    CompositeKey,
    Database,
    FieldAccessor,
    FloatField,
    ForeignKeyField,
    IntegerField,
    Model,
    PostgresqlDatabase,
    TextField,
)


class Cursor(Protocol):
    """What a statement gave, as far as it is used here (PEP 249)."""

    rowcount: int

    def fetchone(self) -> tuple[Any, ...] | None:
        """The next row."""

    def fetchall(self) -> list[tuple[Any, ...]]:
        """All rows."""


def execute(database: Database, sql: str, parameters: Sequence[object] = ()) -> Cursor:
    """Runs one statement, its parameters written `?` for every database.

    Raises:
        peewee.DatabaseError: the database refuses it.
    """
    # peewee's stubs leave this method without types.
    run = cast("Callable[[str, Sequence[object]], Cursor]", database.execute_sql)
    return run(sql.replace("?", database.param), parameters)


def read_number(database: Database, sql: str, parameters: Sequence[object] = ()) -> int:
    """The number that a statement asks for; 0 where it finds none.

    Raises:
        peewee.DatabaseError: the database refuses it.
    """
    row = execute(database, sql, parameters).fetchone()
    return int(row[0]) if row else 0


def now_ms() -> int:
    """Milliseconds since 1970 UTC."""
    return time.time_ns() // 1_000_000


# The numbers of the locks by which instances on one PostgreSQL database wait for each other.

MIGRATING_LOCK = 7146203
"""Of two that start together, one migrates."""

WRITING_LOCK = 7146204
"""Writers pass it to each other."""

REMOVING_LOCK = 7146205
"""Whoever removes keeps it; it goes with the connection."""

PANELS = {
    "openai_request": 1,
    "provider_request": 2,
    "provider_response": 3,
    "openai_response": 4,
}
"""The number of each body in `segments`."""


_WHOLE_TEXT = """SELECT (
    WITH RECURSIVE line (position, depth, parent_id, part_id) AS (
        SELECT g.position, 0, n.parent_id, n.part_id FROM segments g
        JOIN chains n ON n.id = g.node_id WHERE g.request_id = ? AND g.panel = ?
        UNION ALL
        SELECT l.position, l.depth + 1, n.parent_id, n.part_id FROM line l
        JOIN chains n ON n.id = l.parent_id WHERE l.parent_id <> 0)
    SELECT {joined} FROM (
        SELECT l.position, l.depth, p.body FROM line l JOIN parts p ON p.id = l.part_id
        ORDER BY l.position, l.depth DESC) told)"""
"""A body that is kept in parts, null where it is not; `{joined}` is the aggregate.

The view has its own, from the migration that made it: what is changed here is to be changed there
by a migration of its own."""

# SQLite promises the order of what is aggregated only from 3.44 on, by a syntax that earlier
# versions do not read; all of them keep a subquery's order for an aggregate that can tell.
_JOINED = {
    True: "STRING_AGG(body, '' ORDER BY position, depth DESC)",
    False: "GROUP_CONCAT(body, '')",
}
"""The aggregate, by whether it is PostgreSQL."""


class _BodyAccessor(FieldAccessor):
    """Gives a body whole, whether it is in the row or in parts."""

    def __get__(self, instance: Model | None, instance_type: type[Model] | None = None) -> Any:
        if instance is None:
            return self.field
        text = instance.__data__.get(self.name)
        if text is not None:
            return text
        number = instance.__data__.get("request_id" if isinstance(instance, Response) else "id")
        return None if number is None else read_parts(self.model._meta.database, number, self.name)


def read_parts(database: Database, request: int, body: str) -> str | None:
    """A body that is kept in parts, by its request's number and its column's name.

    Raises:
        peewee.DatabaseError: the database cannot be read.
    """
    sql = _WHOLE_TEXT.format(joined=_JOINED[isinstance(database, PostgresqlDatabase)])
    row = execute(database, sql, (request, PANELS[body])).fetchone()
    return None if row is None else row[0]


class BodyField(TextField):
    """A body; long ones are null in the row and kept in parts, but read as any other."""

    accessor_class = _BodyAccessor


class Session(Model):
    """One conversation, as far as it could be told from the wire."""

    id = TextField(primary_key=True)
    chat_id = TextField(null=True)
    """The provider's own conversation, where it keeps one."""
    parent_id = TextField(null=True)
    """The last `response_id`, to continue from."""
    first_user_message = TextField(null=True)
    message_count = IntegerField(default=0)
    client = TextField(null=True)
    created_at = BigIntegerField()
    last_accessed = BigIntegerField(index=True)
    expires_at = BigIntegerField(null=True)

    class Meta:
        table_name = "sessions"


class Request(Model):
    """What the client asked, in its own words and in the provider's."""

    session_id = ForeignKeyField(Session, column_name="session_id", on_delete="CASCADE")
    request_id = TextField(unique=True)
    parent_id = TextField(null=True, index=True)
    """The `response_id` that this request continues."""
    openai_request = BodyField(null=True)
    provider_request = BodyField(null=True)
    provider = TextField()
    model = TextField()
    provider_model = TextField()
    upstream_url = TextField()
    method = TextField()
    path = TextField()
    stream = BooleanField()
    dropped = TextField(null=True)
    """OpenAI parameters that the provider cannot carry, comma-separated."""
    client = TextField(null=True)
    """The client's `user-agent`."""
    timestamp = BigIntegerField(index=True)
    created_at = BigIntegerField()
    digest = TextField(null=True)
    """Of the whole conversation as it was sent; the answer's turn is built on it. Null for a call
    that is beside the conversation, such as for its title."""

    class Meta:
        table_name = "requests"


class Response(Model):
    """What the provider answered and what the client heard; one row for each request."""

    request_id = ForeignKeyField(
        Request, column_name="request_id", unique=True, on_delete="CASCADE", backref="responses"
    )
    session_id = ForeignKeyField(Session, column_name="session_id", on_delete="CASCADE")
    response_id = TextField(unique=True)
    openai_response = BodyField(null=True)
    provider_response = BodyField(null=True)
    parent_id = TextField(null=True)
    completion_tokens = IntegerField(null=True)
    prompt_tokens = IntegerField(null=True)
    total_tokens = IntegerField(null=True)
    cached_tokens = IntegerField(null=True)
    reasoning_tokens = IntegerField(null=True)
    cost_usd = FloatField(null=True)
    finish_reason = TextField(null=True)
    error = TextField(null=True)
    status_code = IntegerField(null=True)
    state = TextField()
    """`streaming`, `complete`, `interrupted` or `failed`."""
    duration_ms = IntegerField(null=True)
    first_chunk_ms = IntegerField(null=True)
    timestamp = BigIntegerField()
    created_at = BigIntegerField()

    class Meta:
        table_name = "responses"


class Turn(Model):
    """An answered conversation: who sends it again goes on from this answer."""

    digest = TextField()
    response_id = TextField()
    session_id = ForeignKeyField(Session, column_name="session_id", on_delete="CASCADE")

    class Meta:
        table_name = "turns"
        indexes = ((("digest", "response_id"), True),)


class Clue(Model):
    """What tells that a later call belongs with this one, though it does not repeat it."""

    digest = TextField()
    request_id = ForeignKeyField(Request, column_name="request_id", on_delete="CASCADE")

    class Meta:
        table_name = "clues"
        primary_key = CompositeKey("digest", "request_id")


class Piece(Model):
    """Raw bytes of a provider's stream, as one piece arrived (option `chat_raw`)."""

    request_id = ForeignKeyField(Request, column_name="request_id", on_delete="CASCADE")
    position = IntegerField()
    arrived_ms = IntegerField()
    """Since the request was recorded."""
    body = BlobField()

    class Meta:
        table_name = "pieces"
        indexes = ((("request_id", "position"), True),)


class State(Model):
    """What a provider gave with an answer that OpenAI's format has no place for."""

    request_id = ForeignKeyField(Request, column_name="request_id", on_delete="CASCADE")
    choice = IntegerField()
    """Position among the answer's choices."""
    state = TextField()
    """JSON text: the fields of the message and of its calls, byte for byte as they were given."""

    class Meta:
        table_name = "states"
        indexes = ((("request_id", "choice"), True),)


class StateKey(Model):
    """What a state is found by when a client sends its message again."""

    provider = TextField()
    """The only one to whom the state means anything."""
    key = TextField()
    state_id = ForeignKeyField(State, column_name="state_id", on_delete="CASCADE")

    class Meta:
        table_name = "state_keys"
        primary_key = CompositeKey("provider", "key", "state_id")


class Part(Model):
    """A text of bodies, kept once however often it is said."""

    digest = BlobField(unique=True)
    """Of its UTF-8."""
    body = TextField()

    class Meta:
        table_name = "parts"


class Node(Model):
    """A part after all that came before it: who repeats a history repeats one number.

    Number 0 stands before every first part.
    """

    parent_id = ForeignKeyField("self", column_name="parent_id")
    part_id = ForeignKeyField(Part, column_name="part_id")

    class Meta:
        table_name = "chains"
        indexes = ((("parent_id", "part_id"), True),)


class Segment(Model):
    """A stretch of a body: the parts of a chain, from its beginning to a node."""

    request_id = ForeignKeyField(Request, column_name="request_id", on_delete="CASCADE")
    panel = IntegerField()
    """Which of the four bodies: a number of `PANELS`."""
    position = IntegerField()
    node_id = ForeignKeyField(Node, column_name="node_id")

    class Meta:
        table_name = "segments"
        primary_key = CompositeKey("request_id", "panel", "position")


class Loose(Model):
    """A node that lost a segment or a successor, to be looked at whether anything needs it."""

    node_id = BigIntegerField(primary_key=True)

    class Meta:
        table_name = "loose"


class Unread(Model):
    """A text that is not yet in the index of what was said."""

    id = BigIntegerField(primary_key=True)
    """The number of a part, or -2 times a request's number for the request's body, or one less than
    that for its answer's."""

    class Meta:
        table_name = "unread"


class Exchange(Model):
    """One request with its response and its session: a row of the view, to be read only.

    A name that several tables have belongs to the request (`id`, `client`, `timestamp`,
    `created_at`); the others carry their table's name in front. `request_id` is the UUID.
    """

    id = IntegerField(primary_key=True)
    session_id = TextField()
    request_id = TextField()
    request_parent_id = TextField(null=True)
    openai_request = TextField(null=True)
    provider_request = TextField(null=True)
    provider = TextField()
    model = TextField()
    provider_model = TextField()
    upstream_url = TextField()
    method = TextField()
    path = TextField()
    stream = BooleanField()
    dropped = TextField(null=True)
    client = TextField(null=True)
    timestamp = BigIntegerField()
    created_at = BigIntegerField()
    response_row_id = IntegerField(null=True)
    response_id = TextField(null=True)
    openai_response = TextField(null=True)
    provider_response = TextField(null=True)
    response_parent_id = TextField(null=True)
    completion_tokens = IntegerField(null=True)
    prompt_tokens = IntegerField(null=True)
    total_tokens = IntegerField(null=True)
    cached_tokens = IntegerField(null=True)
    reasoning_tokens = IntegerField(null=True)
    cost_usd = FloatField(null=True)
    finish_reason = TextField(null=True)
    error = TextField(null=True)
    status_code = IntegerField(null=True)
    state = TextField(null=True)
    duration_ms = IntegerField(null=True)
    first_chunk_ms = IntegerField(null=True)
    response_timestamp = BigIntegerField(null=True)
    response_created_at = BigIntegerField(null=True)
    chat_id = TextField(null=True)
    session_parent_id = TextField(null=True)
    first_user_message = TextField(null=True)
    message_count = IntegerField(null=True)
    session_client = TextField(null=True)
    session_created_at = BigIntegerField(null=True)
    last_accessed = BigIntegerField(null=True)
    expires_at = BigIntegerField(null=True)

    class Meta:
        table_name = "exchanges"


TABLES: tuple[type[Model], ...] = (
    *(Session, Request, Response, Turn, Clue, Piece, State, StateKey),
    *(Part, Node, Segment, Loose, Unread),
)
MODELS: tuple[type[Model], ...] = (*TABLES, Exchange)
