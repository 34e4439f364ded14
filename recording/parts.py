"""Long bodies in the database: parts kept once, chains of them, and segments of chains.

A chain's node is a part after all that came before it, so that a history that is sent again is
one number. What was written is remembered by its digest: known history costs a look into memory.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import islice
from typing import Generic, TypeVar

from peewee import Database, PostgresqlDatabase

from models import PANELS, execute
from recording.bodies import digest_of
from recording.cutting import Segment, cut, cut_elements, cut_rest, cut_strings
from recording.database import batches
from recording.histories import Histories, Known, conversation_in

WHOLE = 4096
"""Bytes below which a body stays in its row: to look for its parts costs more than they do."""

_REMEMBERED = 10_000
"""Entries of each generation of a memory; a 400 KB conversation has about a thousand.

An entry takes up to 250 bytes, and each memory has two generations: 9 MB in all.
"""

_AT_ONCE = 200
"""Rows asked for or written with one statement."""

_ROOT = 0

_GROWING = ("openai_request", "provider_request")
"""Bodies that mostly begin like the one before."""

_SEARCHED = ("openai_request", "openai_response")
"""The provider's bodies say the same."""

_FIND_NODE = "SELECT id FROM chains WHERE parent_id = ? AND part_id = ?"
_INSERT_NODE = (
    "INSERT INTO chains (id, parent_id, part_id) VALUES (?, ?, ?) "
    "ON CONFLICT (parent_id, part_id) DO NOTHING"
)
_DELETE_SEGMENTS = "DELETE FROM segments WHERE request_id = ? AND panel = ?"

Key = TypeVar("Key")


class PartStore:
    """Writes long bodies; belongs to one thread and one database."""

    def __init__(self) -> None:
        self._histories = Histories()
        self._parts: _Memory[bytes] = _Memory()
        """The number of a part by its digest."""
        self._nodes: _Memory[tuple[int, bytes]] = _Memory()
        """The node after an element, by the node before it and the element's digest."""

    def forget(self) -> None:
        """Forgets all numbers: the transaction that gave some of them was undone."""
        self._parts.clear()
        self._nodes.clear()
        self._histories.clear()

    def removed(self, nodes: Iterable[int], parts: Iterable[int]) -> None:
        """Forgets the numbers of what is in the database no longer."""
        self._parts.remove(parts)
        if not self._nodes.remove(nodes):
            self._histories.clear()

    def is_long(self, body: bytes | None) -> bool:
        """Whether a body is kept in parts."""
        return body is not None and len(body) >= WHOLE

    def write(self, database: Database, request: int, panel: str, body: bytes) -> None:
        """Writes a body of a request, given by its row's number.

        Raises:
            peewee.IntegrityError: a number that was remembered is there no longer.
            peewee.DatabaseError: the database cannot be written.
        """
        known, segments = self._cut(panel, body)
        searched = panel in _SEARCHED
        conversation = known.history.segment if known is not None else conversation_in(segments)
        nodes: Sequence[int] = ()
        ends: list[int] = []
        for position, segment in enumerate(segments):
            indexed = searched and segment.is_searched
            if position == conversation:
                first = known.node if known is not None else _ROOT
                nodes = self._chain(database, first, segment, indexed)
                last = nodes[-1]
            else:
                last = self._last_node(database, segment, indexed)
            ends.append(last)
        _write_segments(database, request, panel, ends)
        if panel in _GROWING:
            self._histories.remember(panel, body, segments, conversation, nodes, known)

    def _cut(self, panel: str, body: bytes) -> tuple[Known | None, Sequence[Segment]]:
        """The segments of a body, without what is known."""
        known = self._histories.find(panel, body)
        if known is not None and not self._nodes.is_removed(known.node):
            segments = _cut_on(known, body[known.end :])
            if segments is not None:
                return known, segments
        return None, cut(body)

    def erase(self, database: Database, request: int, panel: str) -> None:
        """Removes what is written of a body.

        Raises:
            peewee.DatabaseError: the database cannot be written.
        """
        execute(database, _DELETE_SEGMENTS, (request, PANELS[panel]))

    def _last_node(self, database: Database, segment: Segment, indexed: bool) -> int:
        """The node at the end of a segment that begins a chain, remembered as a whole."""
        key = (_ROOT, segment.digest)
        last = self._nodes.get(key)
        if last is None:
            last = self._chain(database, _ROOT, segment, indexed)[-1]
            self._nodes.put(key, last)
        return last

    def _chain(self, database: Database, node: int, segment: Segment, indexed: bool) -> list[int]:
        """The nodes after each element of a segment that goes on from a node."""
        nodes: list[int] = []
        for position, element in enumerate(segment):
            known = self._nodes.get((node, digest_of(element)))
            if known is None:
                rest = segment[position:]
                return nodes + self._longer_chain(database, node, rest, indexed)
            node = known
            nodes.append(node)
        return nodes

    def _longer_chain(
        self, database: Database, node: int, elements: Sequence[bytes], indexed: bool
    ) -> list[int]:
        cuts = [cut_strings(element) for element in elements]
        parts = self._numbers(database, [piece for pieces in cuts for piece in pieces], indexed)
        every = iter(_nodes(database, node, parts))
        nodes = []
        for element, pieces in zip(elements, cuts, strict=True):
            *_, last = islice(every, len(pieces))
            self._nodes.put((node, digest_of(element)), last)
            node = last
            nodes.append(node)
        return nodes

    def _numbers(self, database: Database, pieces: Sequence[bytes], indexed: bool) -> list[int]:
        """The numbers of the pieces' parts, which are written where there are none."""
        digests = [digest_of(piece) for piece in pieces]
        known = {digest: self._parts.get(digest) for digest in digests}
        missing = {
            digest: piece
            for digest, piece in zip(digests, pieces, strict=True)
            if known[digest] is None
        }
        if missing:
            known |= _find_parts(database, list(missing))
            new = [digest for digest in missing if known[digest] is None]
            _write_parts(database, {digest: missing[digest] for digest in new})
            written = _find_parts(database, new)
            known |= written
            if indexed:
                _note_unread(database, [number for number in written.values() if number])
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

    def is_removed(self, number: int) -> bool:
        return number in self._removed

    def remove(self, numbers: Iterable[int]) -> bool:
        """Notes what is gone, since no number is given twice; whether it is still noted."""
        self._removed.update(numbers)
        if len(self._removed) <= _REMEMBERED:
            return True
        self.clear()
        return False

    def clear(self) -> None:
        self._new, self._old, self._removed = {}, {}, set()


def _cut_on(known: Known, rest: bytes) -> Sequence[Segment] | None:
    """The segments of a body without what is known; None where it must be cut as a whole."""
    history = known.history
    if rest.endswith(history.tail):
        new = cut_elements(rest[: len(rest) - len(history.tail)])
        if new is not None:
            return [*history.before, new, *history.after]
    return cut_rest(history.head, history.segment, rest)


def _write_segments(database: Database, request: int, panel: str, ends: Sequence[int]) -> None:
    rows = ((request, PANELS[panel], position, node) for position, node in enumerate(ends))
    _insert(database, "segments (request_id, panel, position, node_id)", rows)


def _note_unread(database: Database, numbers: Sequence[int]) -> None:
    rows = ((number,) for number in numbers)
    _insert(database, "unread (id)", rows, "ON CONFLICT DO NOTHING")


def _nodes(database: Database, node: int, parts: Sequence[int]) -> list[int]:
    """The nodes of parts that follow a node; what is not yet there is written."""
    nodes: list[int] = []
    for part in parts:
        found = execute(database, _FIND_NODE, (node, part)).fetchone()
        if found is None:
            break
        node = found[0]
        nodes.append(node)
    new = parts[len(nodes) :]
    if not new:
        return nodes
    numbers = _new_numbers(database, len(new))
    if not execute(database, _INSERT_NODE, (numbers[0], node, new[0])).rowcount:
        # Another instance was quicker.
        return nodes + _nodes(database, node, new)
    # After a node that nobody else knows yet, nobody else writes one.
    rows = zip(numbers[1:], numbers, new[1:], strict=False)
    _insert(database, "chains (id, parent_id, part_id)", rows)
    return [*nodes, *numbers]


def _new_numbers(database: Database, count: int) -> list[int]:
    """Numbers that no node ever had."""
    if isinstance(database, PostgresqlDatabase):
        sql = "SELECT nextval('chains_id_seq') FROM generate_series(1, ?)"
        return sorted(number for (number,) in execute(database, sql, (count,)).fetchall())
    row = execute(database, "SELECT seq FROM sqlite_sequence WHERE name = 'chains'").fetchone()
    last = row[0] if row is not None else 0
    return [*range(last + 1, last + 1 + count)]


def _find_parts(database: Database, digests: Sequence[bytes]) -> dict[bytes, int | None]:
    found: dict[bytes, int | None] = dict.fromkeys(digests)
    for some in batches(digests, _AT_ONCE):
        sql = f"SELECT digest, id FROM parts WHERE digest IN ({', '.join('?' * len(some))})"
        for digest, number in execute(database, sql, some).fetchall():
            found[bytes(digest)] = number
    return found


def _write_parts(database: Database, pieces: dict[bytes, bytes]) -> None:
    # In one order everywhere: two instances that write the same parts must not wait in a circle.
    rows = ((digest, text.decode()) for digest, text in sorted(pieces.items()))
    _insert(database, "parts (digest, body)", rows, "ON CONFLICT (digest) DO NOTHING")


def _insert(
    database: Database, columns: str, rows: Iterable[tuple[object, ...]], unless: str = ""
) -> None:
    """Writes rows to a table, which stands before its columns, with few statements."""
    for some in batches(rows, _AT_ONCE):
        values = ", ".join([f"({', '.join('?' * len(some[0]))})"] * len(some))
        sql = f"INSERT INTO {columns} VALUES {values} {unless}"
        execute(database, sql, [each for row in some for each in row])
