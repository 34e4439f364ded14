"""Content encodings, piece by piece."""

from __future__ import annotations

import gzip
import zlib

import brotli
import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from interception.decoding import ContentDecoder, UnreadableEncoding


def _raw_deflate(body: bytes) -> bytes:
    compressor = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return compressor.compress(body) + compressor.flush()


COMPRESSED = {
    "identity": lambda body: body,
    "": lambda body: body,
    "gzip": gzip.compress,
    "deflate": zlib.compress,
    "Deflate": _raw_deflate,
    "br": brotli.compress,
    "zstd": zstandard.ZstdCompressor().compress,
    "gzip, br": lambda body: brotli.compress(gzip.compress(body)),
}


@pytest.mark.parametrize("encoding", COMPRESSED)
@given(body=st.binary(max_size=300), cut=st.integers(0, 300))
def test_any_split_gives_the_body(encoding, body, cut):
    packed = COMPRESSED[encoding](body)
    decoder = ContentDecoder(encoding)
    assert decoder.decode(packed[:cut]) + decoder.decode(packed[cut:]) == body


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "br", "zstd"])
def test_a_body_in_another_encoding_is_refused(encoding):
    with pytest.raises(UnreadableEncoding):
        ContentDecoder(encoding).decode(b"not compressed at all, but long enough to notice")


def test_an_unknown_encoding_is_refused():
    with pytest.raises(UnreadableEncoding, match="lzma"):
        ContentDecoder("lzma")
