"""Content encodings, undone step by step.

Providers are asked for `identity`, and some compress all the same; bare calls keep whatever the
client asked for. mitmproxy decodes whole bodies only, to whatever length, and in some versions
passes over what follows the first gzip member or zstd frame.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterable, Iterator
from itertools import chain
from typing import Any

import brotli
import zstandard

LARGEST_BODY = 256 << 20
"""Bytes of a body that are gathered, as they are on the wire; and that it may decode to."""

Stage = Callable[[bytes], Iterable[bytes]]
"""A piece of a body in one encoding to pieces of it in the next, none of more than some megabytes:
they are made one by one, as they are asked for."""

_GZIP_STEP, _ZSTD_STEP, _BROTLI_STEP = 16 << 10, 1 << 10, 32
"""Bytes that are decoded at a time; in the worst case they make 16 to 64 MB of it."""

_MOST_ENCODINGS = 5
"""On top of one another; two are rare."""

_GZIP_OR_ZLIB = 32 + zlib.MAX_WBITS
"""Some servers call zlib's format gzip."""


class UnreadableEncoding(ValueError):
    """A body that is not in the encoding its header names."""


class TooLarge(UnreadableEncoding):
    """A body that decodes to more than is taken of one."""


def _steps(piece: bytes, size: int) -> Iterator[bytes]:
    return (piece[start : start + size] for start in range(0, len(piece), size))


def _series(open_one: Callable[[], Any], size: int) -> Stage:
    """One compressed text after another, called members by gzip and frames by zstd.

    Zeros may stand between them, to fill up a block.
    """
    one: Any = None

    def decode(piece: bytes) -> Iterator[bytes]:
        nonlocal one
        for rest in _steps(piece, size):
            while rest:
                if one is None:
                    one = open_one()
                elif one.eof:
                    rest = rest.lstrip(b"\0")
                    if not rest:
                        break
                    one = open_one()
                yield one.decompress(rest)
                rest = one.unused_data

    return decode


def _gzip() -> Stage:
    return _series(lambda: zlib.decompressobj(_GZIP_OR_ZLIB), _GZIP_STEP)


def _zstd() -> Stage:
    return _series(lambda: zstandard.ZstdDecompressor().decompressobj(), _ZSTD_STEP)


def _deflate() -> Stage:
    """`deflate` is zlib's format by the standard, and raw deflate by what servers send."""
    one: Any = None

    def decode(piece: bytes) -> Iterator[bytes]:
        nonlocal one
        for part in _steps(piece, _GZIP_STEP):
            if one is None:
                has_zlib_header = part[0] & 0x0F == 8
                one = zlib.decompressobj(zlib.MAX_WBITS if has_zlib_header else -zlib.MAX_WBITS)
            yield one.decompress(part)

    return decode


def _brotli() -> Stage:
    decompress = brotli.Decompressor().process
    return lambda piece: map(decompress, _steps(piece, _BROTLI_STEP))


def _limited(pieces: Iterable[bytes]) -> Iterator[bytes]:
    left = LARGEST_BODY
    for piece in pieces:
        left -= len(piece)
        if left < 0:
            raise TooLarge(f"it decodes to more than {LARGEST_BODY >> 20} MB")
        yield piece


_PLAIN = {"", "identity", "none"}

_STAGES: dict[str, Callable[[], Stage]] = {
    "gzip": _gzip,
    "x-gzip": _gzip,
    "deflate": _deflate,
    "br": _brotli,
    "zstd": _zstd,
}


class ContentDecoder:
    """Undoes a `content-encoding`, in any split of the body.

    A body that ends too early is decoded as far as it goes.

    Raises:
        UnreadableEncoding: on creation for an encoding nobody knows, on use for a body that is
            not in it, or of which one piece decodes to more than a whole body may.
    """

    def __init__(self, encoding: str) -> None:
        names = [name.strip() for name in encoding.lower().split(",")]
        self._stages: list[Stage] = []
        for name in reversed(names):
            if name in _PLAIN:
                continue
            if name not in _STAGES or len(self._stages) == _MOST_ENCODINGS:
                raise UnreadableEncoding(f"unknown content encoding `{name}`")
            self._stages.append(_STAGES[name]())

    def decode(self, piece: bytes) -> Iterable[bytes]:
        """What this piece of the body decodes to, bit by bit. Each is to be taken before the next
        piece is decoded."""
        return self._decoded(piece) if self._stages else (piece,)

    def _decoded(self, piece: bytes) -> Iterator[bytes]:
        pieces: Iterable[bytes] = (piece,)
        for stage in self._stages:
            pieces = _limited(chain.from_iterable(map(stage, pieces)))
        try:
            yield from pieces
        except (zlib.error, brotli.error, zstandard.ZstdError) as exc:
            raise UnreadableEncoding("the body is not in the encoding its header names") from exc


def decoded(body: bytes, encoding: str) -> bytes:
    """A whole body with its content encoding undone; the very same where there is none.

    Raises:
        UnreadableEncoding: an encoding nobody knows, or a body that is not in it.
        TooLarge: it decodes to more than is taken; all that it decoded to is dropped.
    """
    return b"".join(ContentDecoder(encoding).decode(body))
