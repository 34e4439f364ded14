"""The migrations that make the tables of the record and its view `exchanges`.

The SQL of a migration is frozen: it makes what the version of its day made, whatever the classes
in `models.py` look like by now, and so takes nothing from what reads the record today. It is plain
enough for SQLite and PostgreSQL.
"""

from __future__ import annotations

from collections.abc import Callable

from peewee import Database, PostgresqlDatabase

from models import MIGRATING_LOCK, execute, now_ms


class NewerDatabaseError(ValueError):
    """The database was written by a newer version; it is left as it is."""


_M001 = """
CREATE TABLE sessions (
    id TEXT NOT NULL PRIMARY KEY, chat_id TEXT, parent_id TEXT, first_user_message TEXT,
    message_count INTEGER NOT NULL, client TEXT, created_at BIGINT NOT NULL,
    last_accessed BIGINT NOT NULL, expires_at BIGINT);
CREATE INDEX sessions_last_accessed ON sessions (last_accessed);
CREATE TABLE requests (
    id {serial} PRIMARY KEY,
    session_id TEXT NOT NULL REFERENCES sessions (id) ON DELETE CASCADE,
    request_id TEXT NOT NULL UNIQUE, parent_id TEXT, openai_request TEXT, provider_request TEXT,
    provider TEXT NOT NULL, model TEXT NOT NULL, provider_model TEXT NOT NULL,
    upstream_url TEXT NOT NULL, method TEXT NOT NULL, path TEXT NOT NULL, stream BOOLEAN NOT NULL,
    dropped TEXT, client TEXT, timestamp BIGINT NOT NULL, created_at BIGINT NOT NULL, digest TEXT);
CREATE INDEX requests_session_id ON requests (session_id);
CREATE INDEX requests_parent_id ON requests (parent_id);
CREATE INDEX requests_timestamp ON requests (timestamp);
CREATE TABLE responses (
    id {serial} PRIMARY KEY,
    request_id BIGINT NOT NULL UNIQUE REFERENCES requests (id) ON DELETE CASCADE,
    session_id TEXT NOT NULL REFERENCES sessions (id) ON DELETE CASCADE,
    response_id TEXT NOT NULL UNIQUE, openai_response TEXT, provider_response TEXT,
    parent_id TEXT, completion_tokens BIGINT, prompt_tokens BIGINT, total_tokens BIGINT,
    cached_tokens BIGINT, reasoning_tokens BIGINT, cost_usd DOUBLE PRECISION, finish_reason TEXT,
    error TEXT, status_code INTEGER, state TEXT NOT NULL, duration_ms BIGINT,
    first_chunk_ms BIGINT, timestamp BIGINT NOT NULL, created_at BIGINT NOT NULL);
CREATE INDEX responses_session_id ON responses (session_id);
CREATE INDEX responses_streaming ON responses (created_at) WHERE state = 'streaming';
CREATE TABLE turns (
    id {serial} PRIMARY KEY, digest TEXT NOT NULL, response_id TEXT NOT NULL,
    session_id TEXT NOT NULL REFERENCES sessions (id) ON DELETE CASCADE,
    UNIQUE (digest, response_id));
CREATE INDEX turns_session_id ON turns (session_id);
CREATE TABLE pieces (
    id {serial} PRIMARY KEY,
    request_id BIGINT NOT NULL REFERENCES requests (id) ON DELETE CASCADE,
    position INTEGER NOT NULL, arrived_ms BIGINT NOT NULL, body {bytes} NOT NULL,
    UNIQUE (request_id, position));
CREATE VIEW exchanges AS SELECT
    q.id, q.session_id, q.request_id, q.parent_id AS request_parent_id, q.openai_request,
    q.provider_request, q.provider, q.model, q.provider_model, q.upstream_url, q.method, q.path,
    q.stream, q.dropped, q.client, q.timestamp, q.created_at, a.id AS response_row_id,
    a.response_id, a.openai_response, a.provider_response, a.parent_id AS response_parent_id,
    a.completion_tokens, a.prompt_tokens, a.total_tokens, a.cached_tokens, a.reasoning_tokens,
    a.cost_usd, a.finish_reason, a.error, a.status_code, a.state, a.duration_ms, a.first_chunk_ms,
    a.timestamp AS response_timestamp, a.created_at AS response_created_at, s.chat_id,
    s.parent_id AS session_parent_id, s.first_user_message, s.message_count,
    s.client AS session_client, s.created_at AS session_created_at, s.last_accessed, s.expires_at
    FROM requests q
    JOIN sessions s ON s.id = q.session_id
    LEFT JOIN responses a ON a.request_id = q.id;
"""


def m001_initial(database: Database) -> None:
    """The first schema."""
    _execute_all(database, _M001)


_M002 = """
CREATE TABLE states (
    id {serial} PRIMARY KEY,
    request_id BIGINT NOT NULL REFERENCES requests (id) ON DELETE CASCADE,
    choice INTEGER NOT NULL, state TEXT NOT NULL,
    UNIQUE (request_id, choice));
CREATE TABLE state_keys (
    provider TEXT NOT NULL, key TEXT NOT NULL,
    state_id BIGINT NOT NULL REFERENCES states (id) ON DELETE CASCADE,
    PRIMARY KEY (provider, key, state_id));
CREATE INDEX state_keys_state_id ON state_keys (state_id);
"""


def m002_states(database: Database) -> None:
    """What providers gave with their answers, to be put back on the next turn."""
    _execute_all(database, _M002)


# Numbers are never given twice, so that whoever remembers one is right or finds nothing.
_M003 = """
CREATE TABLE parts (
    id {unique_serial}, digest {bytes} NOT NULL UNIQUE, body TEXT NOT NULL);
CREATE TABLE chains (
    id {unique_serial}, parent_id BIGINT NOT NULL REFERENCES chains (id),
    part_id BIGINT NOT NULL REFERENCES parts (id), UNIQUE (parent_id, part_id));
CREATE INDEX chains_part_id ON chains (part_id);
CREATE TABLE segments (
    request_id BIGINT NOT NULL REFERENCES requests (id) ON DELETE CASCADE,
    panel INTEGER NOT NULL, position INTEGER NOT NULL,
    node_id BIGINT NOT NULL REFERENCES chains (id),
    PRIMARY KEY (request_id, panel, position)) {no_number};
CREATE INDEX segments_node_id ON segments (node_id);
CREATE TABLE loose (node_id {number} NOT NULL PRIMARY KEY);
CREATE TABLE unread (id {number} NOT NULL PRIMARY KEY);
INSERT INTO unread (id) SELECT -2 * id FROM requests WHERE openai_request IS NOT NULL;
INSERT INTO unread (id) SELECT -2 * request_id - 1 FROM responses
    WHERE state <> 'streaming' AND openai_response IS NOT NULL;
DROP VIEW exchanges;
CREATE VIEW exchanges AS SELECT
    q.id, q.session_id, q.request_id, q.parent_id AS request_parent_id,
    COALESCE(q.openai_request, {openai_request}) AS openai_request,
    COALESCE(q.provider_request, {provider_request}) AS provider_request,
    q.provider, q.model, q.provider_model, q.upstream_url, q.method, q.path,
    q.stream, q.dropped, q.client, q.timestamp, q.created_at, a.id AS response_row_id,
    a.response_id, COALESCE(a.openai_response, {openai_response}) AS openai_response,
    COALESCE(a.provider_response, {provider_response}) AS provider_response,
    a.parent_id AS response_parent_id,
    a.completion_tokens, a.prompt_tokens, a.total_tokens, a.cached_tokens, a.reasoning_tokens,
    a.cost_usd, a.finish_reason, a.error, a.status_code, a.state, a.duration_ms, a.first_chunk_ms,
    a.timestamp AS response_timestamp, a.created_at AS response_created_at, s.chat_id,
    s.parent_id AS session_parent_id, s.first_user_message, s.message_count,
    s.client AS session_client, s.created_at AS session_created_at, s.last_accessed, s.expires_at
    FROM requests q
    JOIN sessions s ON s.id = q.session_id
    LEFT JOIN responses a ON a.request_id = q.id;
"""
# How the view puts a body together, where it is in parts.
_M003_BODY = """(
    WITH RECURSIVE line (position, depth, parent_id, part_id) AS (
        SELECT g.position, 0, n.parent_id, n.part_id FROM segments g
        JOIN chains n ON n.id = g.node_id WHERE g.request_id = q.id AND g.panel = {panel}
        UNION ALL
        SELECT l.position, l.depth + 1, n.parent_id, n.part_id FROM line l
        JOIN chains n ON n.id = l.parent_id WHERE l.parent_id <> 0)
    SELECT {joined} FROM (
        SELECT l.position, l.depth, p.body FROM line l JOIN parts p ON p.id = l.part_id
        ORDER BY l.position, l.depth DESC) told)"""
_M003_PANELS = {
    **{"openai_request": 1, "provider_request": 2},
    **{"provider_response": 3, "openai_response": 4},
}
_M003_JOINED_SQLITE = "GROUP_CONCAT(body, '')"
_M003_JOINED_POSTGRESQL = "STRING_AGG(body, '' ORDER BY position, depth DESC)"
# A text that is to be indexed has a number in `unread`: a part has its own; of bodies that are in
# their rows, a request's has -2 times the request's number, and its answer's has one less. The
# index does not hold the texts, so SQLite has to be told what to forget of it: `unsaid`.
_M003_SQLITE = (
    "CREATE VIRTUAL TABLE said USING fts5 (words, content = '')",
    "CREATE TABLE unsaid (id INTEGER NOT NULL, body TEXT NOT NULL)",
    # Not `OR IGNORE`: in a trigger it gives way to what the statement says that fires it.
    "CREATE TRIGGER segments_loosen AFTER DELETE ON segments FOR EACH ROW BEGIN "
    "INSERT INTO loose (node_id) SELECT OLD.node_id "
    "WHERE NOT EXISTS (SELECT 1 FROM loose WHERE node_id = OLD.node_id); END",
    "CREATE TRIGGER requests_unread AFTER INSERT ON requests FOR EACH ROW "
    "WHEN NEW.openai_request IS NOT NULL BEGIN "
    "INSERT INTO unread (id) SELECT -2 * NEW.id "
    "WHERE NOT EXISTS (SELECT 1 FROM unread WHERE id = -2 * NEW.id); END",
    *(
        f"CREATE TRIGGER responses_unread_{event.lower()} AFTER {event} ON responses "
        "FOR EACH ROW WHEN NEW.state <> 'streaming' AND NEW.openai_response IS NOT NULL BEGIN "
        "INSERT INTO unread (id) SELECT -2 * NEW.request_id - 1 "
        "WHERE NOT EXISTS (SELECT 1 FROM unread WHERE id = -2 * NEW.request_id - 1); END"
        for event in ("INSERT", "UPDATE")
    ),
    "CREATE TRIGGER parts_unsaid AFTER DELETE ON parts FOR EACH ROW BEGIN "
    "INSERT INTO unsaid (id, body) VALUES (OLD.id, OLD.body); END",
    "CREATE TRIGGER requests_unsaid AFTER DELETE ON requests FOR EACH ROW "
    "WHEN OLD.openai_request IS NOT NULL BEGIN "
    "INSERT INTO unsaid (id, body) VALUES (-2 * OLD.id, OLD.openai_request); END",
    *(
        f"CREATE TRIGGER responses_unsaid_{event.lower()} AFTER {event} ON responses "
        "FOR EACH ROW WHEN OLD.state <> 'streaming' AND OLD.openai_response IS NOT NULL BEGIN "
        "INSERT INTO unsaid (id, body) "
        "VALUES (-2 * OLD.request_id - 1, OLD.openai_response); END"
        for event in ("UPDATE", "DELETE")
    ),
)
_M003_POSTGRESQL = (
    "CREATE TABLE said (id BIGINT NOT NULL PRIMARY KEY, words tsvector NOT NULL)",
    "CREATE INDEX said_words ON said USING gin (words)",
    "CREATE FUNCTION loosen() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
    "INSERT INTO loose (node_id) VALUES (OLD.node_id) ON CONFLICT DO NOTHING; "
    "RETURN NULL; END $$",
    "CREATE TRIGGER segments_loosen AFTER DELETE ON segments "
    "FOR EACH ROW EXECUTE FUNCTION loosen()",
    "CREATE FUNCTION unsay_part() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
    "DELETE FROM said WHERE id = OLD.id; RETURN NULL; END $$",
    "CREATE TRIGGER parts_unsaid AFTER DELETE ON parts FOR EACH ROW EXECUTE FUNCTION unsay_part()",
    "CREATE FUNCTION unsay_bodies() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
    "DELETE FROM said WHERE id IN (-2 * OLD.id, -2 * OLD.id - 1); RETURN NULL; END $$",
    "CREATE TRIGGER requests_unsaid AFTER DELETE ON requests "
    "FOR EACH ROW EXECUTE FUNCTION unsay_bodies()",
    "CREATE FUNCTION read_request() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
    "INSERT INTO unread (id) VALUES (-2 * NEW.id) ON CONFLICT DO NOTHING; RETURN NULL; END $$",
    "CREATE TRIGGER requests_unread AFTER INSERT ON requests FOR EACH ROW "
    "WHEN (NEW.openai_request IS NOT NULL) EXECUTE FUNCTION read_request()",
    "CREATE FUNCTION read_response() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
    "INSERT INTO unread (id) VALUES (-2 * NEW.request_id - 1) ON CONFLICT DO NOTHING; "
    "RETURN NULL; END $$",
    "CREATE TRIGGER responses_unread AFTER INSERT OR UPDATE ON responses FOR EACH ROW "
    "WHEN (NEW.state <> 'streaming') EXECUTE FUNCTION read_response()",
)


def m003_parts(database: Database) -> None:
    """Long bodies in parts that are kept once, and an index of what was said."""
    postgres = isinstance(database, PostgresqlDatabase)
    joined = _M003_JOINED_POSTGRESQL if postgres else _M003_JOINED_SQLITE
    bodies = {
        name: _M003_BODY.format(panel=panel, joined=joined) for name, panel in _M003_PANELS.items()
    }
    _execute_all(database, _M003, **bodies)
    execute(database, "INSERT INTO parts (id, digest, body) VALUES (0, ?, '')", (b"",))
    execute(database, "INSERT INTO chains (id, parent_id, part_id) VALUES (0, 0, 0)")
    for statement in _M003_POSTGRESQL if postgres else _M003_SQLITE:
        execute(database, statement)


_M004 = """
CREATE TABLE clues (
    digest TEXT NOT NULL,
    request_id {number} NOT NULL REFERENCES requests (id) ON DELETE CASCADE,
    PRIMARY KEY (digest, request_id)) {no_number};
CREATE INDEX clues_request_id ON clues (request_id);
"""


def m004_clues(database: Database) -> None:
    """What ties calls to conversations whose history they do not repeat."""
    _execute_all(database, _M004)


# Short requests stay whole, and of what they say only what follows their last answer is new, where
# they continue one. All is indexed anew, since SQLite has to be told the same words to forget them.
_M005_SQLITE = """
INSERT INTO unread (id) SELECT id FROM said_docsize WHERE id NOT IN (SELECT id FROM unread);
INSERT INTO said (said) VALUES ('delete-all');
ALTER TABLE unsaid ADD COLUMN continues INTEGER NOT NULL DEFAULT 0;
DROP TRIGGER requests_unsaid;
CREATE TRIGGER requests_unsaid AFTER DELETE ON requests FOR EACH ROW
    WHEN OLD.openai_request IS NOT NULL BEGIN
    INSERT INTO unsaid (id, body, continues)
        VALUES (-2 * OLD.id, OLD.openai_request, OLD.parent_id IS NOT NULL){} END
"""


def m005_new_words(database: Database) -> None:
    """An index of what is new in short requests, not of the history that they send again."""
    if not isinstance(database, PostgresqlDatabase):
        for statement in _M005_SQLITE.split(";"):
            execute(database, statement.format(";"))


def m006_small_merges(database: Database) -> None:
    """What is put into SQLite's index, or taken out, merges less of what is there at once.

    By itself it merges whole levels in the midst of a small change, which then takes several
    times as long as a call may wait. What is merged on request leaves nothing of what is gone.
    """
    if not isinstance(database, PostgresqlDatabase):
        for setting, value in (("automerge", 16), ("crisismerge", 64), ("usermerge", 2)):
            execute(database, "INSERT INTO said (said, rank) VALUES (?, ?)", (setting, value))


def _execute_all(database: Database, script: str, **others: str) -> None:
    postgres = isinstance(database, PostgresqlDatabase)
    names = {
        "serial": "BIGSERIAL" if postgres else "INTEGER NOT NULL",
        "unique_serial": (
            "BIGSERIAL PRIMARY KEY" if postgres else "INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT"
        ),
        "number": "BIGINT" if postgres else "INTEGER",
        "no_number": "" if postgres else "WITHOUT ROWID",
        "bytes": "BYTEA" if postgres else "BLOB",
        **others,
    }
    for statement in script.format(**names).split(";"):
        if statement.strip():
            execute(database, statement)


MIGRATIONS: tuple[Callable[[Database], None], ...] = (
    *(m001_initial, m002_states, m003_parts, m004_clues, m005_new_words, m006_small_merges),
)
"""In order; each is applied once and recorded by its name. Names never change."""


def migrate(database: Database) -> list[str]:
    """Brings the database to this version's schema; the names of the migrations applied now.

    Raises:
        NewerDatabaseError: it holds a migration that this version does not know.
        peewee.OperationalError: the database cannot be read or written.
    """
    known = {migration.__name__: migration for migration in MIGRATIONS}
    if _applied(database) == set(known):
        return []
    with database.atomic():
        if isinstance(database, PostgresqlDatabase):
            # Two instances that start together: the second waits, then finds nothing to do.
            execute(database, "SELECT pg_advisory_xact_lock(?)", (MIGRATING_LOCK,))
        applied = _applied(database)
        newer = sorted(applied - set(known))
        if newer:
            raise NewerDatabaseError(
                f"The database was written by a newer version ({', '.join(newer)}); this one "
                f"knows migrations up to {MIGRATIONS[-1].__name__}. It was left as it is."
            )
        return [_apply(database, name, known[name]) for name in known if name not in applied]


def _applied(database: Database) -> set[str]:
    if not database.table_exists("migrations"):
        return set()
    return {name for (name,) in execute(database, "SELECT name FROM migrations").fetchall()}


def _apply(database: Database, name: str, migration: Callable[[Database], None]) -> str:
    execute(
        database,
        "CREATE TABLE IF NOT EXISTS migrations (name TEXT NOT NULL PRIMARY KEY, "
        "applied_at BIGINT NOT NULL)",
    )
    migration(database)
    sql = "INSERT INTO migrations (name, applied_at) VALUES (?, ?)"
    execute(database, sql, (name, now_ms()))
    return name
