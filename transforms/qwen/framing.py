"""Frames of chat.qwen.ai: one line each, `data:` before it, mostly.

An error may stand bare in a body that calls itself a stream, a page may come in place of one, and
the blank lines between frames are not always there; so each line is taken by itself.
"""

from __future__ import annotations

from transforms.contract import Event
from transforms.framing import LineDecoder
from transforms.json_text import loads

PAGE = "page"
"""Name of the event that a line of HTML is; a frame has none."""

_FIELD = b"data:"


class FrameDecoder:
    """Bytes to frames without names."""

    def __init__(self) -> None:
        self._lines = LineDecoder()

    def feed(self, chunk: bytes) -> list[Event]:
        """The frames completed by this piece."""
        return [frame for line in self._lines.feed(chunk) if (frame := _frame(line))]

    def close(self) -> list[Event]:
        """The last frame, if the body ended without a line end but not in the middle of it."""
        frame = _frame(self._lines.close())
        return [frame] if frame and (frame.name or _is_whole(frame.data)) else []


def _frame(line: bytes) -> Event | None:
    if line.startswith(_FIELD):
        told = line.removeprefix(_FIELD).strip()
        return Event("", told) if told else None
    if line.startswith(b"{"):
        return Event("", line)
    return Event(PAGE, line) if line.startswith(b"<") else None


def _is_whole(frame: bytes) -> bool:
    try:
        loads(frame)
    except ValueError:
        return frame == b"[DONE]"
    return True
