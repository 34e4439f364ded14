"""Removing parts that nothing needs any longer, a little at a time.

Whoever removes a request, by whatever way, leaves the last nodes of its bodies in `loose`: the
database does that itself. A node without a segment and without a successor goes, then the one
before it; a part goes with its last node. A part that another session shares stays.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field

from peewee import Database, IntegrityError, PostgresqlDatabase

from models import execute
from recording.database import writing

_AT_ONCE = 64

_NEXT = "SELECT node_id FROM loose LIMIT ?"
_NEEDLESS = (
    "SELECT parent_id, part_id FROM chains n WHERE id = ? AND id <> 0 "
    "AND NOT EXISTS (SELECT 1 FROM segments g WHERE g.node_id = n.id) "
    "AND NOT EXISTS (SELECT 1 FROM chains c WHERE c.parent_id = n.id)"
)
_DELETE_NODE = "DELETE FROM chains WHERE id = ?"
_DELETE_PART = (
    "DELETE FROM parts WHERE id = ? AND id <> 0 "
    "AND NOT EXISTS (SELECT 1 FROM chains n WHERE n.part_id = parts.id)"
)
# Only PostgreSQL is asked, whose size is the sum of its rows: with a part goes a node, and what
# the index holds of it.
_DELETE_PART_WEIGHED = _DELETE_PART + (
    " RETURNING 88 + pg_column_size(digest) + pg_column_size(body) + COALESCE("
    "(SELECT 36 + pg_column_size(words) FROM said WHERE said.id = parts.id), 0)"
)
_LOOSEN = "INSERT INTO loose (node_id) VALUES (?) ON CONFLICT DO NOTHING"
_SETTLE = "DELETE FROM loose WHERE node_id = ?"


@dataclass(slots=True)
class Swept:
    """The numbers of what a step removed."""

    looked_at: int = 0
    nodes: list[int] = field(default_factory=list)
    parts: list[int] = field(default_factory=list)
    weight: int = 0
    """Bytes of the parts, as PostgreSQL keeps them; SQLite tells by its pages."""


def sweep(database: Database, limit_s: float) -> Swept:
    """Removes what nothing needs, for so many seconds; all is done once nothing was looked at.

    Raises:
        peewee.DatabaseError: the database cannot be written.
    """
    give_up_at = time.monotonic() + limit_s
    swept = Swept()
    try:
        with writing(database):
            waiting = execute(database, _NEXT, (_AT_ONCE,)).fetchall()
            for (node,) in waiting:
                # One at least, however slow the database is: nothing looked at means all is done.
                _remove_back(database, node, give_up_at, swept)
                if time.monotonic() >= give_up_at:
                    break
    except IntegrityError:
        # Another instance has just begun to use one of them; it is looked at again later.
        return Swept()
    return swept


def _remove_back(database: Database, node: int, give_up_at: float, swept: Swept) -> None:
    """Removes a node and those before it, as far as nothing needs them."""
    execute(database, _SETTLE, (node,))
    while True:
        swept.looked_at += 1
        needless = execute(database, _NEEDLESS, (node,)).fetchone()
        if needless is None:
            return
        parent, part = needless
        execute(database, _DELETE_NODE, (node,))
        swept.nodes.append(node)
        _remove_part(database, part, swept)
        node = parent
        if time.monotonic() >= give_up_at:
            execute(database, _LOOSEN, (node,))
            return


def _remove_part(database: Database, part: int, swept: Swept) -> None:
    """Removes a part, unless another node needs it."""
    if isinstance(database, PostgresqlDatabase):
        weighed = execute(database, _DELETE_PART_WEIGHED, (part,)).fetchall()
        swept.weight += sum(weight for (weight,) in weighed)
        removed = len(weighed)
    else:
        removed = execute(database, _DELETE_PART, (part,)).rowcount
    if removed:
        swept.parts.append(part)
