"""Requests of long conversations as they were built lately: the next one adds only what is new."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, replace

from recording.alike import note_common_start
from recording.lately import LARGEST, LONG, Lately
from transforms.contract import JSON, Call, Provider
from transforms.drafts import (
    Draft,
    Written,
    asks_alike,
    begin,
    complete,
    extend,
    place_to_go_on,
    write,
)
from transforms.json_text import dumps

_MOST = 16

_IN_MEMORY = 3
"""A draft takes about three times the bytes of its text, with the messages it is made of; and so
does what is kept of a call."""

_OPENING = 4
"""Messages by which a conversation is told from others that are asked for in the same way."""


@dataclass
class _Drafted:
    """A draft, and the last text that went on from it."""

    draft: Draft
    text: bytes = b""
    shared: int = 0
    """How many bytes that text begins with that any other from this draft begins with."""

    def note(self, text: bytes) -> None:
        """Notes what the text shares with the last one, so that nobody has to compare the two."""
        note_common_start(text, self.text, self.shared)
        self.text, self.shared = text, len(self.draft.head) + len(self.draft.turns)
        # What follows may be far longer, images for example, and is worth no room.
        if len(text) > 2 * self.shared or self.size > LARGEST:
            self.text, self.shared = b"", 0

    @property
    def size(self) -> int:
        """Bytes."""
        return self.draft.size * _IN_MEMORY + len(self.text)


class Drafting:
    """Builds providers' requests, and remembers long ones. Belongs to the event loop's thread."""

    def __init__(self) -> None:
        self._drafts: Lately[_Drafted] = Lately(most=_MOST)
        self._whole: Lately[Call] = Lately(most=_MOST)
        """Calls of conversations whose requests have to be built whole each time; only the opening
        messages of each."""

    def request(self, provider: Provider, call: Call, length: int) -> Written:
        """The request for a call whose own body has so many bytes.

        Raises:
            RequestError: the provider cannot do what is asked.
        """
        place = place_to_go_on(call.request["messages"]) if length >= LONG else 0
        if not place or not _may_go_on(provider, call):
            return write(provider.build_request(call))
        try:
            is_told_whole = self._is_told_whole(call)
            written = None if is_told_whole else self._from_draft(provider, call, place)
        except (RecursionError, ValueError):
            # Nested as deep as can just be read: here, farther up the stack, it is too deep.
            is_told_whole, written = True, None
        if written is None:
            written = write(provider.build_request(call))
            if not is_told_whole:
                self._remember_whole(call)
        return written

    def _from_draft(self, provider: Provider, call: Call, place: int) -> Written | None:
        drafted = self._last_draft(provider, call, place)
        written = complete(drafted.draft, call) if drafted is not None else None
        if drafted is not None and written is not None:
            drafted.note(written.text)
            self._drafts.remove(drafted)
            self._remembered(drafted)
        return written

    def _is_told_whole(self, call: Call) -> bool:
        return any(_is_like(call, other) for other in self._whole)

    def _remember_whole(self, call: Call) -> None:
        request = {**call.request, "messages": _opening(call)}
        with suppress(ValueError):
            self._whole.add(replace(call, request=request), len(dumps(request)) * _IN_MEMORY)

    def _last_draft(self, provider: Provider, call: Call, place: int) -> _Drafted | None:
        """What a call goes on from, up to where the assistant last began to speak."""
        earlier = self._before(provider, call)
        if earlier is None:
            draft = begin(provider, call, place)
            return self._remembered(_Drafted(draft)) if draft is not None else None
        if len(earlier.draft.messages) >= place:
            return earlier
        draft = extend(earlier.draft, call, place)
        if draft is None:
            return None
        self._drafts.remove(earlier)
        return self._remembered(_Drafted(draft, earlier.text, earlier.shared))

    def _remembered(self, drafted: _Drafted) -> _Drafted:
        self._drafts.add(drafted, drafted.size)
        return drafted

    def _before(self, provider: Provider, call: Call) -> _Drafted | None:
        """The longest draft that precedes a call."""
        found = [drafted for drafted in self._drafts if drafted.draft.precedes(provider, call)]
        return max(found, key=lambda drafted: len(drafted.draft.messages), default=None)


def _may_go_on(provider: Provider, call: Call) -> bool:
    keeps_it = provider.chats is not None and provider.chats.goes_on(call)
    return bool(provider.turns) and not keeps_it


def _is_like(call: Call, other: Call) -> bool:
    """Whether two calls are, as far as can be seen, of one conversation."""
    return _opening(call) == _opening(other) and asks_alike(call, other)


def _opening(call: Call) -> list[JSON]:
    messages: list[JSON] = call.request["messages"]
    return messages[:_OPENING]
