"""Server-sent events of which a line of their own tells the status.

`:HTTP_STATUS/400` is a comment, `status:400` a field; either stands between the event's name and
its data. The whole answer has status 200 even where an event has not, so this is the only place
that says what an error is worth.

Source: recorded exchanges (2025-11), for the comment; the dashscope SDK 2.0, for the field.
"""

from __future__ import annotations

import re

from transforms.contract import Event
from transforms.framing import LineDecoder, SSEDecoder

ERROR = "error/"
"""What the name of an event begins with whose status is an error's; the status follows."""

_STATUS = re.compile(rb"(?::\s*HTTP_STATUS/|status:\s*)([45]\d\d)\b")


class StatusDecoder:
    """Server-sent events; one with a status of 400 or more is named `error/` and that status."""

    def __init__(self) -> None:
        self._lines = LineDecoder()
        self._events = SSEDecoder()
        self._status = ""

    def feed(self, chunk: bytes) -> list[Event]:
        """The events completed by this piece."""
        return [event for line in self._lines.feed(chunk) for event in self._line(line)]

    def close(self) -> list[Event]:
        """The event left over at the end of the body, if any."""
        return self._named(self._events.feed(self._lines.close()) + self._events.close())

    def _line(self, line: bytes) -> list[Event]:
        told = _STATUS.match(line)
        if told is not None:
            self._status = told[1].decode()
        events = self._named(self._events.feed(line + b"\n"))
        if not line:
            self._status = ""
        return events

    def _named(self, events: list[Event]) -> list[Event]:
        if not self._status:
            return events
        return [Event(ERROR + self._status, event.data) for event in events]
