"""Long conversations told lately: the next call mostly goes on from one of them.

What both have in common has its digests already, and mostly is the very same objects.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from recording.lately import LONG, Lately
from recording.sessions import Conversation, chained, conversation_from
from transforms.contract import JSON

_PARSED = 2
"""What is parsed of a body takes about so many times its bytes."""


@dataclass(frozen=True, slots=True)
class _Chain:
    said: Sequence[JSON]
    links: Sequence[bytes]
    """For each message, the digest of the conversation up to there."""


class Chains:
    """Tells what a request says of its conversation; belongs to one thread."""

    def __init__(self) -> None:
        self._lately: Lately[_Chain] = Lately()

    def conversation(self, said: list[JSON], length: int) -> Conversation:
        """What the messages of a body of so many bytes tell, system prompts left out."""
        earlier, known = None, 0
        if length >= LONG:
            earlier, known = self._lately.best(lambda each: _common(said, each.said))
        links = chained(said, earlier.links[:known] if earlier is not None else ())
        if length >= LONG:
            if earlier is not None and known > len(earlier.said) // 2:
                self._lately.remove(earlier)
            self._lately.add(_Chain(said, links), length * _PARSED)
        return conversation_from(said, links)


def _common(said: Sequence[JSON], others: Sequence[JSON]) -> int:
    """How many messages both begin with; those that are the very same are quickly compared."""
    same, most = 0, min(len(said), len(others))
    while same < most:
        middle = (same + most + 1) // 2
        if said[same:middle] == others[same:middle]:
            same = middle
        else:
            most = middle - 1
    return same
