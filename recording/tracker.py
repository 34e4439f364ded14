"""What the recorder is told of a request, and what it remembers until the answer is whole."""

from __future__ import annotations

import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass

from transforms.contract import JSON

SNAPSHOT_EVERY_S = 1.0


@dataclass(frozen=True, slots=True)
class RequestRecord:
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
        self.response_id = str(uuid.uuid4())
        """The provider's, once an answer told it. The database keeps `fallback_id` instead when
        another request's answer already has it."""
        self.fallback_id = self.response_id
        self.secrets = secrets
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
        self.pieces: list[tuple[int, bytes]] = []
        """Raw bytes, and their arrival in milliseconds, that wait for the next snapshot."""
        self.pieces_written = 0
        self._started = time.monotonic()
        self._last_snapshot = self._started

    def elapsed_ms(self) -> int:
        """Milliseconds since the request was recorded."""
        return round((time.monotonic() - self._started) * 1000)

    def first_chunk(self) -> None:
        """Notes, once, when the answer began."""
        if self.first_chunk_ms is None:
            self.first_chunk_ms = self.elapsed_ms()

    def due(self) -> bool:
        """Whether a second has passed since the last snapshot."""
        return time.monotonic() - self._last_snapshot >= SNAPSHOT_EVERY_S

    def snapshot_taken(self) -> None:
        """Begins the next second."""
        self._last_snapshot = time.monotonic()

    def take_pieces(self) -> tuple[int, list[tuple[int, bytes]]]:
        """The raw pieces since the last snapshot, and the position of the first one."""
        first, pieces = self.pieces_written, self.pieces
        self.pieces_written, self.pieces = first + len(pieces), []
        return first, pieces
