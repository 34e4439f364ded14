"""What the recorder is told of a request, and what it remembers until the answer is whole."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass

import msgspec

from recording.redaction import Secrets
from transforms.contract import JSON


class RequestRecord(msgspec.Struct, frozen=True):
    """One request as it is about to leave for the provider."""

    request_id: str
    timestamp: int
    """Milliseconds since 1970 UTC."""
    openai_request: bytes
    """The client's body as it was on the wire, content encoding undone."""
    provider_request: bytes | None
    """The body sent to the provider; None when nothing is sent."""
    body: JSON | None
    """The parsed client body, never changed; None if it is unreadable."""
    said: list[JSON]
    """What it says of its conversation: its messages, but for system prompts."""
    headers: Mapping[str, str]
    """The client's headers, names in lower case; looked at, never stored."""
    provider: str
    model: str
    provider_model: str
    upstream_url: str
    method: str
    path: str
    stream: bool
    dropped: tuple[str, ...] = ()
    secrets: tuple[str, ...] = ()
    """Keys of this exchange, replaced in everything that is stored of it."""
    routed: bool = False
    """Whether what the provider gives with its answer is to be put back on the next turn."""
    waited_s: float = 0.0
    """Seconds that the call has waited for the database already."""


Piece = tuple[int, bytes]
"""Raw bytes of a provider's stream, after their arrival in milliseconds."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What a provider's state is remembered with."""

    provider: str
    context: bytes
    """Of the message that the answer follows."""


class PersistenceTracker:
    """One exchange from its request to the final state of its answer."""

    def __init__(
        self,
        request_id: str,
        *,
        secrets: tuple[str, ...] = (),
        message_count: int = 0,
        asked: Asked | None = None,
        who: str = "",
        before: str = "",
    ) -> None:
        self.request_id = request_id
        self.response_id = request_id
        """The provider's, once an answer told it. The database keeps `request_id` all the same when
        another request's answer already has it."""
        self.secrets = Secrets(secrets)
        self.message_count = message_count
        self.asked = asked
        """None where the provider's state is the client's own business."""
        self.who = who
        """The client, as its clues tell it."""
        self.before = before
        """What the answer follows, in brief."""
        self.finished = False
        """Set by the first final verb; later ones are ignored."""
        self.first_chunk_ms: int | None = None
        self.pieces: list[Piece] = []
        """Those that wait for the next snapshot."""
        self.pieces_written = 0
        self._started = time.monotonic()

    def elapsed_ms(self) -> int:
        """Milliseconds since the request was recorded."""
        return round((time.monotonic() - self._started) * 1000)

    def first_chunk(self) -> None:
        """Notes, once, when the answer began."""
        if self.first_chunk_ms is None:
            self.first_chunk_ms = self.elapsed_ms()

    def write_pieces(self, count: int, waiting: list[Piece]) -> int:
        """Takes note of how many raw pieces are written and which go on waiting; the position of
        the first one that is written."""
        first = self.pieces_written
        self.pieces_written, self.pieces = first + count, waiting
        return first
