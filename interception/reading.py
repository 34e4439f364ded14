"""The bodies of calls, read.

A client sends its whole history with every call. What a body begins with and was read lately is
not read again: the messages that both have are the very same objects, so that to compare two
conversations is to compare addresses. Nobody ever changes a message in place.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from mitmproxy.http import Request

from interception.decoding import TooLarge, UnreadableEncoding, decoded
from interception.messages import content_encoding
from recording.alike import common_start
from recording.lately import LONG, Lately
from transforms.chat_request import INSTRUCTIONS
from transforms.contract import JSON, ErrorAnswer
from transforms.errors import RequestError
from transforms.json_text import (
    Path,
    ends_of_elements,
    loads,
    places_of_elements,
    repeated_members,
)

_IN_MEMORY = 3
"""A body takes about three times its bytes in memory, read and unread."""

_MOST = 16
_LIST = "messages"


@dataclass
class Received:
    """The body of a call as it came."""

    text: bytes
    """With its content encoding undone."""
    body: JSON | None
    """None where it is no JSON object."""
    problem: RequestError | None = None
    """Why the call cannot be taken to a provider."""
    is_too_large: bool = False
    """Nothing of it was kept: whatever it says, and whoever it is for, it is refused."""
    checked: int = 0
    """How many of its first messages are known to be well-formed. Where there are any, all that
    stands beside the messages is well-formed too."""
    instructions: Sequence[int] = ()
    """The places of the messages that are system prompts."""
    in_parts: Sequence[int] = ()
    """The places of those with a list of parts as their content."""

    @cached_property
    def places(self) -> tuple[int, Sequence[int]]:
        """Where the messages begin in the text, and where each ends.

        Raises:
            ValueError: there is no list of messages.
        """
        return places_of_elements(self.text, _LIST)

    @property
    def messages(self) -> list[Any]:
        """The messages, whatever they are; none where there is no list of them."""
        listed = self.body.get(_LIST) if self.body is not None else None
        return listed if isinstance(listed, list) else []

    @property
    def said(self) -> list[JSON]:
        """The messages, without system prompts and without elements that are no messages."""
        said: list[JSON] = []
        start = 0
        for place in self.instructions:
            said += self.messages[start:place]
            start = place + 1
        return said + self.messages[start:]


class Reader:
    """Reads bodies, and remembers long ones. Belongs to the event loop's thread."""

    def __init__(self) -> None:
        self._lately: Lately[Received] = Lately(most=_MOST)

    def received(self, request: Request) -> Received:
        """The body of a request."""
        raw, encoding = request.raw_content or b"", content_encoding(request)
        try:
            text = decoded(raw, encoding)
        except TooLarge as exc:
            return _too_large(f"The request body is too large: {exc}.")
        except UnreadableEncoding:
            why = f"The request body is not in the content encoding `{encoding}`."
            return _unreadable(raw, why)
        return self.read(text)

    def read(self, text: bytes) -> Received:
        """What a body says, or why it cannot be taken."""
        if len(text) < LONG:
            return _read(text)
        earlier, shared = self._lately.best(lambda each: common_start(text, each.text))
        received = None
        if earlier is not None:
            received = _read_on(earlier, shared, text)
            if received is not None and shared > len(earlier.text) // 2:
                self._lately.remove(earlier)
        received = received or _read(text)
        if received.body is not None and received.problem is None:
            self._lately.add(received, len(text) * _IN_MEMORY)
        return received


def _read_on(earlier: Received, shared: int, text: bytes) -> Received | None:
    """A body that differs from an earlier one in its last messages alone; None where it may differ
    elsewhere."""
    try:
        start, ends = earlier.places
        count = bisect_right(ends, shared)
        # After the last element of a list there is no comma.
        while count and not text.startswith(b",", ends[count - 1]):
            count -= 1
        if not count or not text.endswith(tail := earlier.text[ends[-1] :]):
            return None
        known_end = ends[count - 1]
        # Of this, all but the comma; a comma and no message after it is no JSON.
        rest = b"[" + text[known_end + 1 : len(text) - len(tail)] + b"]"
        new, new_ends = loads(rest), ends_of_elements(rest)
        if not new or any(repeated_members(rest, new)):
            return None
    except ValueError:
        return None
    messages = earlier.messages[:count] + new
    received = Received(text, {**(earlier.body or {}), _LIST: messages})
    received.checked = min(count, earlier.checked)
    received.places = start, [*ends[:count], *(known_end + end for end in new_ends)]
    _note_kinds(received, earlier, count)
    return received


def _note_kinds(received: Received, earlier: Received | None = None, count: int = 0) -> None:
    """Notes which messages are system prompts, and which have a list of parts.

    Of the first `count` messages, which an earlier body has too, it is known.
    """
    instructions, in_parts = [], []
    if earlier is not None:
        instructions = [place for place in earlier.instructions if place < count]
        in_parts = [place for place in earlier.in_parts if place < count]
    for place, message in enumerate(received.messages[count:], count):
        if not isinstance(message, dict) or message.get("role") in INSTRUCTIONS:
            instructions.append(place)
        if isinstance(message, dict) and isinstance(message.get("content"), list):
            in_parts.append(place)
    received.instructions, received.in_parts = instructions, in_parts


def _read(text: bytes) -> Received:
    if not text.strip():
        return _unreadable(text, "The request body is empty; a JSON object is needed.")
    try:
        body = loads(text)
        repeated = next(filter(_is_judged, repeated_members(text, body)), None)
    except UnicodeDecodeError as exc:
        return _unreadable(text, f"The request body is not UTF-8 (byte {exc.start}).")
    except ValueError as exc:
        return _unreadable(text, f"The request body is not JSON: {exc}.")
    if not isinstance(body, dict):
        return _unreadable(text, "The request body is not a JSON object.")
    received = Received(text, body)
    _note_kinds(received)
    if repeated is not None:
        name = _spelled(repeated)
        message = f"`{name}` is in the request body twice."
        received.problem = RequestError(message, param=name)
    return received


def _is_judged(path: Path) -> bool:
    """Whether it matters that a name is there twice: not inside the schema of a tool's arguments,
    which others have made."""
    match path:
        case ("tools", _, "function", "parameters", _, *_) | ("functions", _, "parameters", _, *_):
            return False
    return True


def _spelled(path: Path) -> str:
    """A path as OpenAI names parameters."""
    steps = (f"[{step}]" if isinstance(step, int) else f".{step}" for step in path)
    return "".join(steps).removeprefix(".")


def _unreadable(text: bytes, why: str) -> Received:
    return Received(text, None, RequestError(why))


def _too_large(why: str) -> Received:
    answer = ErrorAnswer(413, why, "invalid_request_error", "request_too_large")
    return Received(b"", None, RequestError(why, answer=answer), is_too_large=True)
