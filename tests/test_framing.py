"""Bytes to events, however the bytes are split."""

from __future__ import annotations

import struct
import zlib
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.event_streams import frame
from transforms.contract import Decoder, Event
from transforms.errors import ResponseError
from transforms.framing import (
    DONE,
    EventStreamDecoder,
    LineDecoder,
    NDJSONDecoder,
    SSEDecoder,
    encode_event,
    parse_event,
)


def decode(decoder: Decoder, *pieces: bytes) -> list[Event]:
    events = [event for piece in pieces for event in decoder.feed(piece)]
    return events + decoder.close()


def cut(body: bytes, places: list[int]) -> list[bytes]:
    """The body in pieces, some of which may be empty."""
    edges = [0, *sorted(place % (len(body) + 1) for place in places), len(body)]
    return [body[start:end] for start, end in pairwise(edges)]


PLACES = st.lists(st.integers(0, 10_000), max_size=12)

LINE_ENDS = st.sampled_from(["\n", "\r\n", "\r"])

LINES = st.sampled_from(
    [
        "",
        "data",
        "data:",
        "data: {}",
        'data:{"text": "čaj 日本 🫖"}',
        "data:  two spaces",
        "data: [DONE]",
        "event: delta",
        "event:",
        "error: {}",
        "id: 7",
        "retry: 10",
        ": comment",
        ":",
        "unheard: of",
        "data : not this field",
        "\ufeffdata: 1",
    ]
)

BODIES = st.lists(st.tuples(LINES, LINE_ENDS), max_size=20).map(
    lambda lines: "".join(line + end for line, end in lines).encode()
)


@settings(max_examples=100)
@given(body=BODIES, tail=LINES, places=PLACES)
def test_any_split_of_server_sent_events_gives_the_same_events(
    body: bytes, tail: str, places: list[int]
) -> None:
    body += tail.encode()

    assert decode(SSEDecoder(), *cut(body, places)) == decode(SSEDecoder(), body)


@settings(max_examples=50)
@given(body=BODIES)
def test_server_sent_events_byte_by_byte_are_the_same(body: bytes) -> None:
    pieces = [body[i : i + 1] for i in range(len(body))]

    assert decode(SSEDecoder(), *pieces) == decode(SSEDecoder(), body)


@settings(max_examples=50)
@given(body=st.binary(max_size=200), places=PLACES)
def test_any_split_of_arbitrary_bytes_gives_the_same_events(body: bytes, places: list[int]) -> None:
    assert decode(SSEDecoder(), *cut(body, places)) == decode(SSEDecoder(), body)
    assert decode(NDJSONDecoder(), *cut(body, places)) == decode(NDJSONDecoder(), body)


@settings(max_examples=50)
@given(
    texts=st.lists(st.text(max_size=20), max_size=6),
    ends=st.lists(LINE_ENDS, min_size=12, max_size=12),
    places=PLACES,
)
def test_mixed_line_ends_and_splits_inside_characters_keep_every_text(
    texts: list[str], ends: list[str], places: list[int]
) -> None:
    bodies = [encode_event({"text": text}) for text in texts]
    body = b"".join(
        encoded.rstrip(b"\n") + (ends[2 * i] + ends[2 * i + 1]).encode()
        for i, encoded in enumerate(bodies)
    )
    # CR followed by LF is one line end, so such a pair needs another for its blank line.
    body = body.replace(b"}\r\ndata", b"}\r\n\r\ndata")

    events = decode(SSEDecoder(), *cut(body, places))

    assert [parse_event(event)["text"] for event in events] == texts


@settings(max_examples=50)
@given(lines=st.lists(st.tuples(st.sampled_from(["{}", '{"a": "🫖"}', "", "  "]), LINE_ENDS)))
def test_json_lines_are_the_lines_that_are_not_blank(lines: list[tuple[str, str]]) -> None:
    body = "".join(line + end for line, end in lines).encode()

    events = decode(NDJSONDecoder(), *[body[i : i + 1] for i in range(len(body))])

    assert [event.data.decode() for event in events] == [line for line, _ in lines if line.strip()]


# The examples of the standard, WHATWG HTML, section 9.2.6, with blank lines that end them.
WHATWG = {
    "lines of one event are joined": (
        b"data: YHOO\ndata: +2\ndata: 10\n\n",
        [Event("", b"YHOO\n+2\n10")],
    ),
    "comment, id, and a field without a colon": (
        b": test stream\n\ndata: first event\nid: 1\n\n"
        b"data:second event\nid\n\ndata:  third event\n\n",
        [Event("", b"first event"), Event("", b"second event"), Event("", b" third event")],
    ),
    "empty data is an event, an unended one is not": (
        b"data\n\ndata\ndata\n\ndata:",
        [Event("", b""), Event("", b"\n")],
    ),
    "one space after the colon says nothing": (
        b"data:test\n\ndata: test\n\n",
        [Event("", b"test"), Event("", b"test")],
    ),
    "named events": (
        b"event: add\ndata: 73857293\n\nevent: remove\ndata: 2153\n\ndata: 113411\n\n",
        [Event("add", b"73857293"), Event("remove", b"2153"), Event("", b"113411")],
    ),
}


@pytest.mark.parametrize(("body", "events"), WHATWG.values(), ids=WHATWG)
def test_examples_of_the_standard(body: bytes, events: list[Event]) -> None:
    assert decode(SSEDecoder(), body) == events


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"], ids=["LF", "CRLF", "CR"])
@pytest.mark.parametrize(("body", "events"), WHATWG.values(), ids=WHATWG)
def test_examples_of_the_standard_whatever_the_line_ends(
    body: bytes, events: list[Event], end: bytes
) -> None:
    assert decode(SSEDecoder(), body.replace(b"\n", end)) == events


def test_byte_order_mark_is_passed_over_at_the_start_only() -> None:
    body = "\ufeffdata: 1\n\n\ufeffdata: 2\n\n".encode()

    assert decode(SSEDecoder(), body) == [Event("", b"1")]


def test_event_without_data_is_none() -> None:
    assert decode(SSEDecoder(), b"event: ping\n\ndata: {}\n\n") == [Event("", b"{}")]


def test_comments_are_passed_over_between_the_lines_of_an_event() -> None:
    assert decode(SSEDecoder(), b"data: 1\n: keep-alive\ndata: 2\n\n") == [Event("", b"1\n2")]


def test_event_is_given_as_soon_as_its_blank_line_is_in() -> None:
    decoder = SSEDecoder()

    assert decoder.feed(b"data: {}\r\n") == []
    assert decoder.feed(b"\r") == [Event("", b"{}")]
    assert decoder.feed(b"\ndata: 1\n\n") == [Event("", b"1")]


def test_field_named_error_is_an_event_of_that_name() -> None:
    """llama.cpp builds report a failure in mid-stream so."""
    assert decode(SSEDecoder(), b'error: {"code": 500}\n\n') == [Event("error", b'{"code": 500}')]


@pytest.mark.parametrize("tail", [b"", b"\n", b"\r", b"\r\n"])
@pytest.mark.parametrize("data", [b'{"a": 1}', b"[DONE]"])
def test_last_event_may_lack_its_blank_line(data: bytes, tail: bytes) -> None:
    assert decode(SSEDecoder(), b"data: " + data + tail) == [Event("", data)]


@pytest.mark.parametrize("body", [b'data: {"a": "b', b"data: [DON", "data: {“".encode()[:-1]])
def test_half_an_event_at_the_end_is_none(body: bytes) -> None:
    assert decode(SSEDecoder(), b"data: {}\n\n" + body) == [Event("", b"{}")]


@pytest.mark.parametrize(
    ("tail", "events"),
    [(b'{"b": 2}', [Event("", b'{"b": 2}')]), (b'{"b": ', []), (b"  ", [])],
    ids=["whole", "half", "blank"],
)
def test_last_json_line_may_lack_its_newline_but_not_its_end(
    tail: bytes, events: list[Event]
) -> None:
    assert decode(NDJSONDecoder(), b'{"a": 1}\n\n' + tail) == [Event("", b'{"a": 1}'), *events]


def test_cr_at_the_end_of_a_piece_and_lf_at_the_start_of_the_next_are_one_line_end() -> None:
    decoder = LineDecoder()

    assert decoder.feed(b"a\r") == [b"a"]
    assert decoder.feed(b"") == []
    assert decoder.feed(b"\nb\n") == [b"b"]
    assert decoder.close() == b""


def test_line_that_never_ends_is_kept_once() -> None:
    decoder = LineDecoder()

    for _ in range(3):
        assert decoder.feed(b"ab") == []

    assert decoder.close() == b"ababab"
    assert decoder.close() == b""


def test_encoded_events_decode_to_what_they_were() -> None:
    bodies = [{"text": "line\r\nend\u2028"}, {"text": "čaj"}, {}]

    events = decode(SSEDecoder(), *[encode_event(body) for body in bodies], DONE)

    assert [parse_event(event) for event in events[:-1]] == bodies
    assert events[-1] == Event("", b"[DONE]")


def test_bytes_that_are_not_utf8_become_replacement_characters() -> None:
    assert parse_event(Event("", b'{"a": "\xff"}')) == {"a": "\ufffd"}


def test_bare_string_is_an_error_by_its_text() -> None:
    assert parse_event(Event("error", b'"out of memory"')) == {"error": "out of memory"}


@pytest.mark.parametrize("data", [b"{", b"", b"[DONE]", b"<html>"])
def test_event_that_is_not_json_is_the_providers_fault(data: bytes) -> None:
    with pytest.raises(ResponseError, match="an event that is not JSON"):
        parse_event(Event("", data))


@pytest.mark.parametrize("data", [b"[]", b"7", b"null", b"true"])
def test_event_that_is_no_object_is_the_providers_fault(data: bytes) -> None:
    with pytest.raises(ResponseError, match="not a JSON object"):
        parse_event(Event("", data))


# AWS event streams

HI = bytes.fromhex(
    "0000009d 00000057 b9bbf89f"
    "0b3a6576656e742d74797065 07 0011 636f6e74656e74426c6f636b44656c7461"
    "0d3a636f6e74656e742d74797065 07 0010 6170706c69636174696f6e2f6a736f6e"
    "0d3a6d6573736167652d74797065 07 0005 6576656e74"
    "7b22636f6e74656e74426c6f636b496e646578223a302c2264656c7461223a7b22746578"
    "74223a224869227d2c2270223a226162227d"
    "8b38b268"
)
"""A message as Bedrock sends it."""

HI_EVENT = Event("contentBlockDelta", b'{"contentBlockIndex":0,"delta":{"text":"Hi"},"p":"ab"}')

PRELUDE = 12


def crowned(prelude: bytes, rest: bytes) -> bytes:
    """A message of these parts, with both checksums right."""
    prelude += struct.pack("!I", zlib.crc32(prelude))
    return prelude + rest + struct.pack("!I", zlib.crc32(prelude + rest))


def with_headers(headers: bytes) -> bytes:
    return crowned(struct.pack("!II", 16 + len(headers), len(headers)), headers)


def test_aws_message_is_an_event_of_its_event_type() -> None:
    assert decode(EventStreamDecoder(), HI) == [HI_EVENT]


@given(PLACES)
@settings(max_examples=60)
def test_aws_messages_decode_in_any_split(places: list[int]) -> None:
    body = HI + frame("metadata", {"usage": {}}) + HI

    assert decode(EventStreamDecoder(), *cut(body, places)) == [
        HI_EVENT,
        Event("metadata", b'{"usage":{}}'),
        HI_EVENT,
    ]


def test_aws_messages_in_one_large_piece_all_come() -> None:
    assert decode(EventStreamDecoder(), HI * 1000) == [HI_EVENT] * 1000


def test_aws_exception_is_marked() -> None:
    body = frame("throttlingException", {"message": "Slow down"}, ":exception-type")

    assert decode(EventStreamDecoder(), body) == [
        Event("exception:throttlingException", b'{"message":"Slow down"}')
    ]


@pytest.mark.parametrize(
    ("headers", "told"),
    [
        ({":error-message": "It broke"}, b'{"message":"It broke"}'),
        ({}, b'{"message":"InternalFailure"}'),
    ],
    ids=["message", "code alone"],
)
def test_aws_error_tells_its_headers(headers: dict[str, str], told: bytes) -> None:
    body = frame("InternalFailure", None, ":error-code", **headers)

    assert decode(EventStreamDecoder(), body) == [Event("exception:InternalFailure", told)]


def test_aws_message_without_headers_has_no_name() -> None:
    assert decode(EventStreamDecoder(), with_headers(b"")) == [Event("", b"")]


def test_aws_message_that_the_end_cuts_off_is_not_told() -> None:
    assert decode(EventStreamDecoder(), HI, HI[:-1]) == [HI_EVENT]


DAMAGED = {
    "prelude": HI[:3] + b"\x9c" + HI[4:],
    "prelude checksum": HI[:8] + b"\0" + HI[9:],
    "header": HI[:PRELUDE] + b"\x0c" + HI[PRELUDE + 1 :],
    "payload": HI[:-6] + b"!" + HI[-5:],
    "checksum": HI[:-1] + b"\0",
    "too long": crowned(struct.pack("!II", 25 * 1024 * 1024, 0), b""),
    "long headers": crowned(struct.pack("!II", 1024 * 1024, 200 * 1024), b""),
    "no length": crowned(struct.pack("!II", 0, 0), b""),
    "unknown header type": with_headers(b"\x01a\x0c"),
    "header cut off": with_headers(b"\x01a\x05\x00"),
    "header not UTF-8": with_headers(b"\x01\xff\x00"),
    "header twice": with_headers(b"\x01a\x00\x01a\x00"),
}


@pytest.mark.parametrize("message", DAMAGED.values(), ids=DAMAGED)
def test_damaged_aws_message_raises(message: bytes) -> None:
    with pytest.raises(ResponseError, match="damaged message"):
        decode(EventStreamDecoder(), message)


@pytest.mark.parametrize("pieces", [[HI + DAMAGED["payload"]], [HI, DAMAGED["payload"]]])
def test_aws_messages_before_the_damage_are_told(pieces: list[bytes]) -> None:
    decoder = EventStreamDecoder()

    assert decoder.feed(pieces[0]) == [HI_EVENT]
    with pytest.raises(ResponseError):
        decode(decoder, *pieces[1:])


def test_nothing_is_told_after_the_damage() -> None:
    decoder = EventStreamDecoder()

    decoder.feed(HI + DAMAGED["checksum"])

    with pytest.raises(ResponseError):
        decoder.feed(HI)
    with pytest.raises(ResponseError):
        decoder.close()
