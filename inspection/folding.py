"""A raw stream of any known format as the plain answer it amounts to.

The stream machines of the providers already know their formats, so each is tried; the one that
gets furthest is the right one. A new provider needs nothing here.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from transforms import PROVIDERS
from transforms.contract import JSON, Call, Decoder, Stream
from transforms.errors import ResponseError

_CALL = Call(
    request={"model": "", "messages": [], "stream": True}, model="", completion_id="", created=0
)


@dataclass(frozen=True, slots=True)
class Folded:
    """What a stream amounts to."""

    answer: JSON
    """The provider's own plain answer, as far as it was told."""

    chunks: int
    finished: bool
    error: JSON | None
    """OpenAI's error object, where the stream ended in one."""


def fold(raw: bytes) -> Folded | None:
    """The plain answer of a raw stream; None when it is a stream in no known format."""
    # In the registry's order, so that hosts of one format, which read alike, always give the same.
    possible = [each for each in PROVIDERS.values() if each.stream_mark in raw]
    marked = [each for each in possible if each.stream_mark]
    machines = dict.fromkeys((each.decoder, each.open_stream) for each in marked or possible)
    folded = [_fold(raw, decoder, open_stream) for decoder, open_stream in machines]
    best = max(folded, key=lambda each: (each.finished, each.chunks))
    return best if best.chunks else None


def _fold(
    raw: bytes, decoder_of: Callable[[], Decoder], open_stream: Callable[[Call], Stream]
) -> Folded:
    decoder, stream, chunks, error = decoder_of(), open_stream(_CALL), 0, None
    try:
        for event in [*decoder.feed(raw), *decoder.close()]:
            chunks += len(stream.feed(event))
        stream.close()
    except ResponseError as exc:
        error = exc.answer().body()["error"]
    return Folded(stream.answer, chunks, stream.finished, error)
