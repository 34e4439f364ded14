"""Long conversations told lately: the next call mostly goes on from one of them.

What both have in common has its digests already: to compare two messages costs a tenth of what
it takes to normalize one and digest it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from recording.lately import Lately
from recording.sessions import Conversation, chained, conversation_of, told_by
from transforms.contract import JSON

SHORTEST = 64 << 10
"""Characters of a body that is worth remembering."""

_PARSED = 2
"""Times the characters of a body are the bytes of what is parsed of it, about."""


@dataclass(frozen=True, slots=True)
class _Chain:
    said: Sequence[JSON]
    links: Sequence[bytes]
    """For each message, the digest of the conversation up to there."""


class Chains:
    """Tells what a request says of its conversation; belongs to one thread."""

    def __init__(self) -> None:
        self._lately: Lately[_Chain] = Lately()

    def conversation(self, body: JSON, length: int) -> Conversation:
        """The same as `sessions.conversation`, for a body of so many characters."""
        said = conversation_of(body)
        earlier, known = self._like(said) if length >= SHORTEST else (None, 0)
        links = chained(said, earlier.links[:known] if earlier is not None else ())
        if length >= SHORTEST:
            if earlier is not None and known > len(earlier.said) // 2:
                self._lately.remove(earlier)
            self._lately.add(_Chain(said, links), length * _PARSED)
        return told_by(said, links)

    def _like(self, said: Sequence[JSON]) -> tuple[_Chain | None, int]:
        """The conversation that begins most like this one, and for how many messages it does."""
        best: tuple[_Chain | None, int] = None, 0
        for earlier in self._lately:
            known = _common(said, earlier.said)
            if known > best[1]:
                best = earlier, known
        return best


def _common(said: Sequence[JSON], others: Sequence[JSON]) -> int:
    """How many messages both begin with."""
    for position, (message, other) in enumerate(zip(said, others, strict=False)):
        if message != other:
            return position
    return min(len(said), len(others))
