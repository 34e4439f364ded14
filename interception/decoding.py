"""Content encodings, undone piece by piece.

Providers are asked for `identity`, and some compress all the same; bare calls keep whatever the
client asked for. mitmproxy decodes whole bodies only.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable

import brotli
import zstandard


class UnreadableEncoding(ValueError):
    """A body that is not in the encoding its header names."""


def _identity() -> Callable[[bytes], bytes]:
    return lambda piece: piece


def _inflate(window: int) -> Callable[[bytes], bytes]:
    return zlib.decompressobj(window).decompress


def _deflate() -> Callable[[bytes], bytes]:
    """`deflate` is zlib's format by the standard, and raw deflate by what servers send."""
    decompressor = None

    def decode(piece: bytes) -> bytes:
        nonlocal decompressor
        if decompressor is None and piece:
            has_zlib_header = piece[0] & 0x0F == 8
            decompressor = zlib.decompressobj(
                zlib.MAX_WBITS if has_zlib_header else -zlib.MAX_WBITS
            )
        return decompressor.decompress(piece) if decompressor else b""

    return decode


_GZIP = 16 + zlib.MAX_WBITS

_DECODERS: dict[str, Callable[[], Callable[[bytes], bytes]]] = {
    "": _identity,
    "identity": _identity,
    "gzip": lambda: _inflate(_GZIP),
    "x-gzip": lambda: _inflate(_GZIP),
    "deflate": _deflate,
    "br": lambda: brotli.Decompressor().process,
    "zstd": lambda: zstandard.ZstdDecompressor().decompressobj().decompress,
}


class ContentDecoder:
    """Undoes a `content-encoding`, in any split of the body.

    Raises:
        UnreadableEncoding: on creation for an encoding nobody knows, on use for a body that is
            not in it.
    """

    def __init__(self, encoding: str) -> None:
        self._stages: list[Callable[[bytes], bytes]] = []
        for name in reversed(encoding.lower().split(",")):
            try:
                self._stages.append(_DECODERS[name.strip()]())
            except KeyError as exc:
                raise UnreadableEncoding(f"unknown content encoding `{name.strip()}`") from exc

    def decode(self, piece: bytes) -> bytes:
        """What this piece of the body decodes to."""
        try:
            for stage in self._stages:
                if not piece:  # zstd takes nothing any more after its last frame, not even this
                    break
                piece = stage(piece)
        except (zlib.error, brotli.error, zstandard.ZstdError) as exc:
            raise UnreadableEncoding("the body is not in the encoding its header names") from exc
        return piece
