"""Content encodings, piece by piece."""

from __future__ import annotations

import gzip
import zlib

import brotli
import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from interception import decoding
from interception.decoding import ContentDecoder, TooLarge, UnreadableEncoding, decoded


def _raw_deflate(body: bytes) -> bytes:
    compressor = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return compressor.compress(body) + compressor.flush()


def _halves(compress):
    """Compresses the two halves of a body by themselves."""
    return lambda body: compress(body[: len(body) // 2]) + compress(body[len(body) // 2 :])


ZSTD = zstandard.ZstdCompressor().compress
SKIPPABLE = b"\x50\x2a\x4d\x18\x03\0\0\0any"
COMPRESSED = {
    "identity": lambda body: body,
    "none": lambda body: body,
    "": lambda body: body,
    "gzip": gzip.compress,
    "deflate": zlib.compress,
    "Deflate": _raw_deflate,
    "br": brotli.compress,
    "zstd": ZSTD,
    "x-gzip": _halves(gzip.compress),
    "GZIP": lambda body: gzip.compress(b"") + gzip.compress(body) + bytes(9) + gzip.compress(b""),
    "ZSTD": lambda body: ZSTD(b"") + SKIPPABLE + _halves(ZSTD)(body),
    "zstd, gzip": lambda body: _halves(gzip.compress)(_halves(ZSTD)(body)),
    "gzip, br": lambda body: brotli.compress(gzip.compress(body)),
}


def parts(encoding: str, *pieces: bytes) -> list[bytes]:
    """What these pieces decode to."""
    decoder = ContentDecoder(encoding)
    return [part for piece in pieces for part in decoder.decode(piece)]


@pytest.mark.parametrize("encoding", COMPRESSED)
@given(body=st.binary(max_size=300), cut=st.integers(0, 300))
def test_any_split_gives_the_body(encoding, body, cut):
    packed = COMPRESSED[encoding](body)
    assert b"".join(parts(encoding, packed[:cut], packed[cut:])) == body
    assert decoded(packed, encoding) == body


@pytest.mark.parametrize("encoding", COMPRESSED)
def test_a_body_in_single_bytes_is_the_same(encoding):
    body = b"One byte after another, and some again and again and again."
    packed = COMPRESSED[encoding](body)
    assert b"".join(parts(encoding, *(bytes([each]) for each in packed))) == body


@pytest.mark.parametrize("encoding", COMPRESSED)
def test_a_body_that_inflates_does_so_in_small_parts(encoding):
    body = bytes(100_000_000)
    packed = COMPRESSED[encoding](body)
    if packed is not body:
        assert max(map(len, ContentDecoder(encoding).decode(packed))) <= 64 << 20


def test_a_body_without_an_encoding_is_not_copied():
    body = b"x" * 1000
    assert decoded(body, "") is body
    [part] = ContentDecoder("identity").decode(body)
    assert part is body


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "br", "zstd"])
def test_a_body_that_ends_too_early_is_decoded_as_far_as_it_goes(encoding):
    body = bytes(range(256)) * 9
    told = decoded(COMPRESSED[encoding](body)[:-3], encoding)
    assert body.startswith(told)


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "br", "zstd"])
def test_a_body_in_another_encoding_is_refused(encoding):
    with pytest.raises(UnreadableEncoding):
        decoded(b"not compressed at all, but long enough to notice", encoding)


@pytest.mark.parametrize("encoding", ["gzip", "zstd"])
def test_what_follows_must_be_in_the_encoding_too(encoding):
    with pytest.raises(UnreadableEncoding):
        decoded(COMPRESSED[encoding](b"body") + b"not compressed at all", encoding)


@pytest.mark.parametrize(
    ("encoding", "unknown"), [("lzma", "lzma"), ("gzip, lzma", "lzma"), ("gzip," * 6, "gzip")]
)
def test_an_unknown_encoding_is_refused(encoding, unknown):
    with pytest.raises(UnreadableEncoding, match=unknown):
        ContentDecoder(encoding)


@pytest.fixture
def narrow(monkeypatch):
    """Bodies may be no longer than a thousand bytes."""
    monkeypatch.setattr(decoding, "LARGEST_BODY", 1000)


@pytest.mark.usefixtures("narrow")
@pytest.mark.parametrize(
    "encoding", ["gzip", "x-gzip", "deflate", "br", "zstd", "ZSTD", "gzip, br"]
)
def test_a_body_that_decodes_to_too_much_is_refused(encoding):
    compress = COMPRESSED[encoding]
    assert decoded(compress(bytes(1000)), encoding) == bytes(1000)
    with pytest.raises(TooLarge):
        decoded(compress(bytes(1001)), encoding)


@pytest.mark.usefixtures("narrow")
def test_what_is_too_much_on_the_way_counts_though_little_comes_of_it():
    with pytest.raises(TooLarge):
        decoded(gzip.compress(gzip.compress(b"") * 100), "gzip, gzip")


@pytest.mark.usefixtures("narrow")
def test_what_is_too_much_is_not_decoded_to_its_end(monkeypatch):
    monkeypatch.setattr(decoding, "_GZIP_STEP", 100)
    parts = ContentDecoder("gzip").decode(gzip.compress(bytes(500)) * 100)
    with pytest.raises(TooLarge):
        assert len(list(parts)) <= 2


@pytest.mark.usefixtures("narrow")
def test_a_stream_may_be_as_long_as_it_likes():
    packed = gzip.compress(bytes(900))
    assert sum(map(len, parts("gzip", *[packed] * 20))) == 20 * 900
