"""Where a body is cut, so that what is said again is the same bytes again.

A client sends its whole history with every call, and the provider gets it in another format. A
body is cut twice. First into segments, by its outermost members: the conversation, the tools and
each other long value are segments of their own, what stands between them too. A segment is a list
of elements, and grows at its end: system prompts, which clients change from call to call, belong
to what comes before the conversation. Then an element is cut around its long strings, so that a
file, an image or an answer is the same piece in every format.

What is cut, joined, is always what it was; what cannot be read as JSON is one element.
"""

from __future__ import annotations

import re
from functools import cached_property
from itertools import pairwise

import msgspec

from recording.bodies import digest_of
from transforms.chat_request import INSTRUCTIONS
from transforms.json_text import ends_of_elements

LONG = 1024
"""Bytes of a value that is a segment of its own."""

_DEEPEST = 3
"""Objects within objects whose members are looked at: `input.messages`."""

_SHORTEST = 512
"""Bytes of a string that is a piece of its own."""

_STRING = re.compile(
    # What a data URI says of itself is not part of what it holds.
    rb'"(?:data:[^",\\]{0,100},(?=[^"]{512}))?([^"\\]*+(?:\\.[^"\\]*+)*+)"',
    re.DOTALL,
)
_MEMBER = re.compile(rb'[\s,]*"[^"\\]*+(?:\\.[^"\\]*+)*+"\s*:\s*')
_GAP = re.compile(rb"[\s,]*")
_SURROGATE = re.compile(rb"\\u[dD](?=[89a-fA-F])")

_members = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_elements = msgspec.json.Decoder(list[msgspec.Raw]).decode


class _Spoken(msgspec.Struct):
    role: str = ""


_spoken = msgspec.json.Decoder(_Spoken).decode

_UNREADABLE = (msgspec.DecodeError, RecursionError)

_NOT_SEARCHED = frozenset({"tools", "functions", "tool_config", "toolConfig"})
"""Members that hold what may be called, and nothing that anybody says."""


class Segment(list[bytes]):
    """The elements of a stretch of a body."""

    is_searched = True
    """Whether what it says is put into the index for full-text search."""

    @cached_property
    def text(self) -> bytes:
        """The stretch itself, once it is whole."""
        return b"".join(self)

    @cached_property
    def digest(self) -> bytes:
        """Its digest, once it is whole."""
        return digest_of(self.text)


def cut(body: bytes) -> list[Segment]:
    """The segments of a body, whose elements joined are the body."""
    try:
        return _Cutter(body, body).cut()
    except _UNREADABLE:
        pass
    try:
        # The reader refuses lone surrogates: it sees others in their place, of the same length.
        return _Cutter(body, _SURROGATE.sub(rb"\\u0", body)).cut()
    except _UNREADABLE:
        return [Segment([body])]


def cut_rest(head: bytes, position: int, rest: bytes) -> list[Segment] | None:
    """The segments of a body from whose conversation some elements were left out.

    `head` is all before the conversation, which is the segment at `position`; `rest` is all after
    an element of it, comma and all. None where that segment does not begin with the rest.
    """
    body = head + rest
    # Where no system prompt stands before, the first element has no comma.
    text = head + b" " + rest[1:] if head.endswith(b"[") else body
    try:
        segments = _Cutter(body, text, resumed=len(head)).cut()
    except _UNREADABLE:
        return None
    before = sum(len(element) for segment in segments[:position] for element in segment)
    return segments if before == len(head) and position < len(segments) else None


def cut_elements(text: bytes) -> Segment | None:
    """The elements of a list that go on from others, each with the comma before it; None where the
    text is none of that."""
    try:
        ends = ends_of_elements(b"[" + text[1:] + b"]") if text.startswith(b",") else []
    except ValueError:
        return None
    if not ends or ends[-1] < len(text):
        # White space behind the last one belongs to none.
        return None
    return Segment(text[start:end] for start, end in pairwise([0, *ends]))


def cut_strings(element: bytes) -> list[bytes]:
    """The pieces of an element: its long strings without their quotes, and what is around them."""
    if len(element) < _SHORTEST:
        return [element]
    pieces, start = [], 0
    for match in _STRING.finditer(element):
        first, last = match.span(1)
        if last - first >= _SHORTEST:
            pieces += [element[start:first], element[first:last]]
            start = last
    if start < len(element):
        pieces.append(element[start:])
    return pieces


def role_of(message: memoryview | msgspec.Raw) -> str:
    """Who speaks in the JSON text of a message; empty where nobody is named."""
    try:
        return _spoken(message).role
    except _UNREADABLE:
        return ""


class _Cutter:
    """Walks through one body; `text` is the same, letter for letter, for the reader."""

    def __init__(self, body: bytes, text: bytes, resumed: int = -1) -> None:
        self._body = body
        self._text = text
        self._resumed = resumed
        """Where the conversation goes on, whatever its length and whoever speaks."""
        self._segments: list[Segment] = []
        self._segment = Segment()
        self._done = 0

    def cut(self) -> list[Segment]:
        gap = _GAP.match(self._text)
        start = gap.end() if gap else 0
        self._value(start, memoryview(self._text)[start:], 0)
        self._element(len(self._body))
        self._close()
        return self._segments

    def _element(self, end: int) -> None:
        """What is not yet cut, up to `end`, is an element."""
        if end > self._done:
            self._segment.append(self._body[self._done : end])
            self._done = end

    def _close(self) -> None:
        if self._segment:
            self._segments.append(self._segment)
            self._segment = Segment()

    def _value(self, start: int, value: memoryview, depth: int) -> None:
        kind = bytes(value[:1])
        if kind == b"{" and depth < _DEEPEST:
            self._object(start, value, depth)
        elif kind == b"[":
            self._array(start, value)
        else:
            self._element(start)
            self._close()
            self._element(start + len(value))
            self._close()

    def _object(self, start: int, value: memoryview, depth: int) -> None:
        position = start + 1
        for key, raw in _members(value).items():
            member = memoryview(raw)
            name = _MEMBER.match(self._text, position)
            # A name that comes twice is read once: then nothing is where it should be.
            if name is None or not self._text.startswith(member, name.end()):
                raise msgspec.DecodeError("a name comes twice")
            position = name.end()
            if len(member) >= LONG or position <= self._resumed < position + len(member):
                first = len(self._segments) + 1
                self._value(position, member, depth + 1)
                for segment in self._segments[first:] if key in _NOT_SEARCHED else ():
                    segment.is_searched = False
            position += len(member)

    def _array(self, start: int, value: memoryview) -> None:
        position, opening = start + 1, True
        self._element(position)
        for raw in _elements(value):
            element = memoryview(raw)
            gap = _GAP.match(self._text, position)
            resumed = position == self._resumed
            position = (gap.end() if gap else position) + len(element)
            if opening and (resumed or not _is_system(element)):
                self._close()
                opening = False
            self._element(position)
        self._close()


def _is_system(element: memoryview) -> bool:
    return role_of(element) in INSTRUCTIONS
