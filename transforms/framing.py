"""Bytes to events and back: server-sent events, newline-delimited JSON and AWS event streams.

A decoder takes the body in any split, even inside a character or between CR and LF, and gives
the same events as for the whole. Newlines are brought to LF as the bytes come in; what is left
is cut at line ends only, so no decoder ever sees half a character. AWS messages carry their own
length and checksums.

Source: WHATWG HTML, "Server-sent events", section 9.2.6 (2026-01); ndjson.org; AWS SDK reference,
"Event stream encoding", `application/vnd.amazon.eventstream` (2026-09).
"""

from __future__ import annotations

import struct

from botocore.eventstream import EventStreamBuffer, EventStreamMessage, ParserError

from transforms.contract import JSON, Event
from transforms.errors import ResponseError
from transforms.json_text import dumps, loads

DONE = b"data: [DONE]\n\n"
"""The end mark of an OpenAI stream."""

EXCEPTION = "exception:"
"""What the name of an event that reports an error begins with, in an AWS event stream."""

_BOM = b"\xef\xbb\xbf"


def encode_event(body: JSON) -> bytes:
    """One server-sent event that carries a JSON object, as OpenAI writes it."""
    return b"data: " + dumps(body) + b"\n\n"


def parse_event(event: Event) -> JSON:
    """The JSON object an event carries; bytes that are not UTF-8 become U+FFFD, as the standard
    has it. A bare string, by which some hosts report an error, becomes `{"error": string}`.

    Raises:
        ResponseError: the event carries something else.
    """
    try:
        body = _loads_leniently(event.data)
    except ValueError as exc:
        raise ResponseError("The provider's stream holds an event that is not JSON.") from exc
    if isinstance(body, str):
        return {"error": body}
    if not isinstance(body, dict):
        raise ResponseError("The provider's stream holds an event that is not a JSON object.")
    return body


def _is_whole(event: Event) -> bool:
    """Whether an event that the end of the body cut off was cut after its data."""
    if event.data.strip() == b"[DONE]":
        return True
    try:
        _loads_leniently(event.data)
    except ValueError:
        return False
    return True


def _loads_leniently(text: bytes) -> object:
    try:
        return loads(text)
    except UnicodeDecodeError:
        return loads(text.decode("utf-8", "replace").encode())


class LineDecoder:
    """Bytes to lines that end in LF, CR or CRLF."""

    def __init__(self) -> None:
        # Pieces of the line that has no end yet. Joining them only at a line end keeps one huge
        # line that arrives in small pieces linear.
        self._pieces: list[bytes] = []
        self._after_cr = False

    def feed(self, chunk: bytes) -> list[bytes]:
        """The lines completed by this piece, without their ends."""
        if self._after_cr and chunk:
            self._after_cr = False
            chunk = chunk.removeprefix(b"\n")
        if b"\r" in chunk:
            self._after_cr = chunk.endswith(b"\r")
            chunk = chunk.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        if b"\n" not in chunk:
            if chunk:
                self._pieces.append(chunk)
            return []
        *lines, rest = chunk.split(b"\n")
        if self._pieces:
            lines[0] = b"".join(self._pieces) + lines[0]
            self._pieces.clear()
        if rest:
            self._pieces.append(rest)
        return lines

    def close(self) -> bytes:
        """The last line, if the body ended without a line end."""
        line = b"".join(self._pieces)
        self._pieces.clear()
        return line


class SSEDecoder:
    """Server-sent events.

    Departs from the standard in two points, both seen in the wild: an event that the end of the
    body cuts off before its blank line is still given if its data is whole JSON (a provider that
    forgot the blank line meant it), and a field named `error` counts as an event of that name
    (llama.cpp).
    """

    def __init__(self) -> None:
        self._lines = LineDecoder()
        self._name = ""
        self._data: list[bytes] = []
        self._first = True

    def feed(self, chunk: bytes) -> list[Event]:
        """The events completed by this piece."""
        return self._events(self._lines.feed(chunk))

    def close(self) -> list[Event]:
        """The event left over at the end of the body, if any."""
        line = self._lines.close()
        events = self._events([line, b""] if line else [b""])
        return [event for event in events if _is_whole(event)]

    def _events(self, lines: list[bytes]) -> list[Event]:
        if self._first and lines:
            self._first = False
            lines[0] = lines[0].removeprefix(_BOM)
        events: list[Event] = []
        for line in lines:
            if not line:
                if self._data:
                    events.append(Event(self._name, b"\n".join(self._data)))
                    self._data.clear()
                self._name = ""
            elif line.startswith(b"data: "):
                # What nearly every other line is.
                self._data.append(line[6:])
            else:
                self._field(line)
        return events

    def _field(self, line: bytes) -> None:
        field, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if field == b"data":
            self._data.append(value)
        elif field == b"event":
            self._name = value.decode("utf-8", "replace")
        elif field == b"error":
            self._name = "error"
            self._data.append(value)


class NDJSONDecoder:
    """Newline-delimited JSON: every line that is not blank is an event without a name."""

    def __init__(self) -> None:
        self._lines = LineDecoder()

    def feed(self, chunk: bytes) -> list[Event]:
        """The events completed by this piece."""
        return [Event("", line) for line in self._lines.feed(chunk) if line.strip()]

    def close(self) -> list[Event]:
        """The last line, if the body ended without a newline but not in the middle of it."""
        event = Event("", self._lines.close())
        return [event] if _is_whole(event) else []


_SLICE = 64 * 1024
"""Bytes given to botocore's buffer at a time: it copies what it holds with each message."""


class EventStreamDecoder:
    """AWS event stream: binary messages with headers and two checksums.

    An event bears its `:event-type`; an exception its `:exception-type`, and an error its
    `:error-code`, behind `exception:`. botocore checks the sums and the sizes (24 MiB).
    """

    def __init__(self) -> None:
        self._messages = EventStreamBuffer()
        self._damage: ResponseError | None = None

    def feed(self, chunk: bytes) -> list[Event]:
        """The events completed by this piece.

        Raises:
            ResponseError: a message is damaged. The events before it are given first.
        """
        events: list[Event] = []
        for start in range(0, len(chunk), _SLICE):
            self._take(chunk[start : start + _SLICE], events)
        if not events:
            self._raise_damage()
        return events

    def close(self) -> list[Event]:
        """Nothing: a message that the end of the body cuts off is never told.

        Raises:
            ResponseError: a message was damaged.
        """
        self._raise_damage()
        return []

    def _take(self, piece: bytes, events: list[Event]) -> None:
        if self._damage is not None:
            return
        self._messages.add_data(piece)
        try:
            for message in self._messages:
                events.append(_aws_event(message))
        # What botocore's own checks do not foresee comes as the error of what it calls.
        except (ParserError, struct.error, KeyError, UnicodeDecodeError) as exc:
            self._damage = ResponseError("The provider's event stream holds a damaged message.")
            self._damage.__cause__ = exc

    def _raise_damage(self) -> None:
        if self._damage is not None:
            raise self._damage


def _aws_event(message: EventStreamMessage) -> Event:
    headers = message.headers
    match headers.get(":message-type"):
        case "exception":
            return Event(f"{EXCEPTION}{headers.get(':exception-type')}", message.payload)
        case "error":
            told = {"message": str(headers.get(":error-message") or headers.get(":error-code"))}
            return Event(f"{EXCEPTION}{headers.get(':error-code')}", dumps(told))
        case _:
            return Event(str(headers.get(":event-type", "")), message.payload)
