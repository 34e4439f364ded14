"""States in the database: the SQL that writes them with an answer, and that finds them again."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec
from peewee import Database

from models import execute
from recording.database import batches
from recording.states import Keys, ProviderState, read_state

_MOST_KEYS = 400
"""Asked for with one statement."""

_INSERT_STATE = (
    "INSERT INTO states (request_id, choice, state) VALUES (?, ?, ?) "
    "ON CONFLICT (request_id, choice) DO NOTHING"
)
_INSERT_KEY = (
    "INSERT INTO state_keys (provider, key, state_id) "
    "SELECT CAST(? AS TEXT), CAST(? AS TEXT), id FROM states WHERE request_id = ? AND choice = ? "
    "ON CONFLICT (provider, key, state_id) DO NOTHING"
)
_FIND_KEYS = (
    "SELECT key, MIN(state_id), MAX(state_id) FROM state_keys WHERE provider = ? AND key IN ({}) "
    "GROUP BY key"
)

_SEVERAL, _UNKNOWN = -1, 0
"""In place of a state's number."""

Answers = list[ProviderState | bool]
"""For each question its state, or whether the database knows the message at all: several answers
may share its keys, and then it stands for none of them."""


class StateRow(msgspec.Struct):
    """A state to be written with its answer."""

    choice: int
    provider: str
    keys: list[str]
    state: str


def write_states(database: Database, request: int, rows: Sequence[StateRow]) -> None:
    """Writes the states of the answer to a request, given by its row's number.

    Raises:
        peewee.DatabaseError: the database refuses them, or cannot be written at all.
    """
    for row in rows:
        execute(database, _INSERT_STATE, (request, row.choice, row.state))
        for key in row.keys:
            execute(database, _INSERT_KEY, (row.provider, key, request, row.choice))


def has_states(database: Database, provider: str) -> bool:
    """Whether there is a state of this provider.

    Raises:
        peewee.DatabaseError: the database cannot be read.
    """
    sql = "SELECT 1 FROM state_keys WHERE provider = ? LIMIT 1"
    return execute(database, sql, (provider,)).fetchone() is not None


def find_states(database: Database, provider: str, questions: Sequence[Keys]) -> Answers:
    """What is known of messages, asked for by their keys.

    Raises:
        peewee.DatabaseError: the database cannot be read.
        ValueError: a state cannot be read.
    """
    known = _known(database, provider, questions)
    chosen = [_choose(question, known) for question in questions]
    states = _states(database, sorted({number for number in chosen if number > 0}))
    return [states.get(number, number == _SEVERAL) for number in chosen]


def _known(
    database: Database, provider: str, questions: Iterable[Keys]
) -> dict[str, tuple[int, int]]:
    """The first and the last state of each key."""
    keys = sorted({key for keys in questions for key in (*keys.with_context, *keys.alone)})
    found: dict[str, tuple[int, int]] = {}
    for some in batches(keys, _MOST_KEYS):
        sql = _FIND_KEYS.format(", ".join("?" * len(some)))
        for key, first, last in execute(database, sql, (provider, *some)).fetchall():
            found[key] = (first, last)
    return found


def _choose(keys: Keys, known: dict[str, tuple[int, int]]) -> int:
    for key in keys.with_context:
        if key in known:
            return known[key][1]
    ranges = [known[key] for key in keys.alone if key in known]
    single = [first for first, last in ranges if first == last]
    if single:
        return single[0]
    return _SEVERAL if ranges else _UNKNOWN


def _states(database: Database, numbers: Sequence[int]) -> dict[int, ProviderState]:
    found: dict[int, ProviderState] = {}
    for some in batches(numbers, _MOST_KEYS):
        sql = f"SELECT id, state FROM states WHERE id IN ({', '.join('?' * len(some))})"
        for number, text in execute(database, sql, some).fetchall():
            found[number] = read_state(text)
    return found
