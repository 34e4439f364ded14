"""Long bodies in the database: parts kept once, chains of them, and segments of chains.

A chain's node is a part after all that came before it, so that a history that is sent again is
one number. What was written is remembered by its digest: known history costs a look into memory.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from typing import Generic, TypeVar

from peewee import Database, PostgresqlDatabase

from models import PANELS, execute
from recording.cutting import LONG, cut, cut_strings

_REMEMBERED = 50_000
"""Entries of each generation of a memory; a 400 KB conversation has about a thousand."""

_AT_ONCE = 200
"""Parts asked for or written with one statement; databases limit its parameters."""

_ROOT = 0

_FIND_NODE = "SELECT id FROM chains WHERE parent_id = ? AND part_id = ?"
_INSERT_NODE = "INSERT INTO chains (parent_id, part_id) VALUES (?, ?) ON CONFLICT DO NOTHING"
_INSERT_SEGMENT = "INSERT INTO segments (request_id, panel, position, node_id) VALUES (?, ?, ?, ?)"
_DELETE_SEGMENTS = "DELETE FROM segments WHERE request_id = ? AND panel = ?"

Key = TypeVar("Key")


class PartStore:
    """Writes long bodies; belongs to one thread and one database."""

    def __init__(self) -> None:
        self._parts: _Memory[bytes] = _Memory()
        """The number of a part by its digest."""
        self._nodes: _Memory[tuple[int, bytes]] = _Memory()
        """The node after an element, by the node before it and the element's digest."""

    def forget(self) -> None:
        """Forgets all numbers: the transaction that gave some of them was undone."""
        self._parts.clear()
        self._nodes.clear()

    def removed(self, nodes: Iterable[int], parts: Iterable[int]) -> None:
        """Forgets the numbers of what is in the database no longer."""
        self._nodes.remove(nodes)
        self._parts.remove(parts)

    def is_long(self, body: str | None) -> bool:
        """Whether a body is kept in parts."""
        return body is not None and len(body) >= LONG

    def write(self, database: Database, request: int, panel: str, body: str) -> None:
        """Writes a body of a request, given by its row's number.

        Raises:
            peewee.IntegrityError: a number that was remembered is there no longer.
            peewee.DatabaseError: the database cannot be written.
        """
        for position, segment in enumerate(cut(body.encode())):
            node = self._chain(database, segment)
            execute(database, _INSERT_SEGMENT, (request, PANELS[panel], position, node))

    def erase(self, database: Database, request: int, panel: str) -> None:
        """Removes what is written of a body.

        Raises:
            peewee.DatabaseError: the database cannot be written.
        """
        execute(database, _DELETE_SEGMENTS, (request, PANELS[panel]))

    def _chain(self, database: Database, segment: Sequence[bytes]) -> int:
        """The node after the last element."""
        node = _ROOT
        for position, element in enumerate(segment):
            known = self._nodes.get((node, _digest(element)))
            if known is None:
                return self._longer_chain(database, node, segment[position:])
            node = known
        return node

    def _longer_chain(self, database: Database, node: int, elements: Sequence[bytes]) -> int:
        cuts = [cut_strings(element) for element in elements]
        numbers = iter(self._numbers(database, [piece for pieces in cuts for piece in pieces]))
        is_new = False
        for element, pieces in zip(elements, cuts, strict=True):
            before = node
            for _ in pieces:
                node, is_new = self._node(database, node, next(numbers), is_new)
            self._nodes.put((before, _digest(element)), node)
        return node

    def _node(
        self, database: Database, parent: int, part: int, parent_is_new: bool
    ) -> tuple[int, bool]:
        """The node of a part after another, and whether it is new: then so are all after it."""
        if not parent_is_new:
            found = execute(database, _FIND_NODE, (parent, part)).fetchone()
            if found is not None:
                return found[0], False
        if isinstance(database, PostgresqlDatabase):
            row = execute(database, _INSERT_NODE + " RETURNING id", (parent, part)).fetchone()
        else:
            cursor = execute(database, _INSERT_NODE, (parent, part))
            row = (cursor.lastrowid,) if cursor.rowcount == 1 else None
        if row is not None:
            return row[0], True
        # Another instance was quicker.
        row = execute(database, _FIND_NODE, (parent, part)).fetchone()
        assert row is not None
        return row[0], False

    def _numbers(self, database: Database, pieces: Sequence[bytes]) -> list[int]:
        """The numbers of the pieces' parts, which are written where there are none."""
        digests = [_digest(piece) for piece in pieces]
        known = {digest: self._parts.get(digest) for digest in digests}
        missing = {
            digest: piece
            for digest, piece in zip(digests, pieces, strict=True)
            if known[digest] is None
        }
        if missing:
            known |= _find_parts(database, list(missing))
            _write_parts(
                database, {digest: missing[digest] for digest in missing if known[digest] is None}
            )
            known |= _find_parts(database, [each for each in missing if known[each] is None])
        numbers = []
        for digest in digests:
            number = known[digest]
            assert number is not None
            self._parts.put(digest, number)
            numbers.append(number)
        return numbers


class _Memory(Generic[Key]):
    """Numbers by their keys; of those not asked for lately it keeps the last generation."""

    def __init__(self) -> None:
        self._new: dict[Key, int] = {}
        self._old: dict[Key, int] = {}
        self._removed: set[int] = set()

    def get(self, key: Key) -> int | None:
        number = self._new.get(key)
        if number is None:
            number = self._old.get(key)
            if number is not None:
                self.put(key, number)
        return None if number in self._removed else number

    def put(self, key: Key, number: int) -> None:
        if len(self._new) >= _REMEMBERED:
            self._old, self._new = self._new, {}
        self._new[key] = number

    def remove(self, numbers: Iterable[int]) -> None:
        """Databases never give a number twice; those that are gone only have to be noted."""
        self._removed.update(numbers)
        if len(self._removed) > _REMEMBERED:
            self.clear()

    def clear(self) -> None:
        self._new, self._old, self._removed = {}, {}, set()


def _digest(text: bytes) -> bytes:
    return hashlib.sha256(text).digest()[:16]


def _find_parts(database: Database, digests: Sequence[bytes]) -> dict[bytes, int | None]:
    found: dict[bytes, int | None] = dict.fromkeys(digests)
    for start in range(0, len(digests), _AT_ONCE):
        some = digests[start : start + _AT_ONCE]
        sql = f"SELECT digest, id FROM parts WHERE digest IN ({', '.join('?' * len(some))})"
        for digest, number in execute(database, sql, some).fetchall():
            found[bytes(digest)] = number
    return found


def _write_parts(database: Database, pieces: dict[bytes, bytes]) -> None:
    # In one order everywhere: two instances that write the same parts must not wait in a circle.
    rows = sorted(pieces.items())
    for start in range(0, len(rows), _AT_ONCE):
        some = rows[start : start + _AT_ONCE]
        sql = (
            f"INSERT INTO parts (digest, body) VALUES {', '.join(['(?, ?)'] * len(some))} "
            "ON CONFLICT (digest) DO NOTHING"
        )
        execute(database, sql, [each for digest, text in some for each in (digest, text.decode())])
