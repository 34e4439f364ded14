"""The reader of chunked bodies; `test_proxy_upstreams` tries the rest."""

from __future__ import annotations

import h11
import pytest
from h11._receivebuffer import ReceiveBuffer

from interception import http1


def test_a_body_with_trailers_ends_without_them():
    received = ReceiveBuffer()
    received += b"3\r\nabc\r\n0\r\nx-checksum: 1\r\n\r\n"
    read = http1.BodyReader()
    assert bytes(read(received).data) == b"abc"
    assert read(received) == h11.EndOfMessage()
    assert not received


def test_chunks_that_have_come_together_are_told_as_one():
    received = ReceiveBuffer()
    received += b"3\r\nabc\r\n2\r\nde\r\n5\r\nfg"
    read = http1.BodyReader()
    assert bytes(read(received).data) == b"abcdefg"
    assert read(received) is None
    received += b"hij\r\n0\r\n\r\n"
    assert bytes(read(received).data) == b"hij"
    assert read(received) == h11.EndOfMessage()


def test_what_came_before_a_broken_chunk_is_told_before_the_error():
    received = ReceiveBuffer()
    received += b"3\r\nabc\r\nno chunk\r\n"
    read = http1.BodyReader()
    assert bytes(read(received).data) == b"abc"
    for _ in range(2):
        with pytest.raises(h11.ProtocolError, match="chunk header"):
            read(received)
