"""Raw streams of every provider, told apart by nothing but their bytes."""

from __future__ import annotations

import pytest

from inspection.folding import fold
from tests.cases import STREAM, decode, feed_all, params, run_stream
from transforms.errors import ResponseError


@pytest.mark.parametrize("case", params(STREAM, "response.json"))
def test_a_stream_is_read_by_the_machine_of_its_provider(case):
    _, told = run_stream(case, [case.stream])
    folded = fold(case.stream)
    assert (folded.answer, folded.finished, folded.error) == (told.answer, True, None)


@pytest.mark.parametrize("case", params(STREAM, "response.json"))
def test_a_stream_that_was_cut_keeps_what_was_told(case):
    """Half an event at the end is an error to the machine, so the cut is made between two."""
    end = b"\n\n" if case.has("provider_stream.sse") else b"\n"
    events = case.stream.replace(b"\r\n", b"\n").split(end)
    cut = end.join(events[: len(events) // 2]) + end
    told = case.provider.open_stream(case.call)
    chunks = feed_all(told, decode(case.provider, [cut]))
    folded = fold(cut)
    assert (folded.answer if folded else None) == (told.answer if chunks else None)


@pytest.mark.parametrize("case", params(STREAM, "error.json"))
def test_a_stream_that_fails_tells_its_error(case):
    """Which type and code an error gets is the host's own rule, and no stream names its host."""
    with pytest.raises(ResponseError) as raised:
        run_stream(case, [case.stream])
    folded = fold(case.stream)
    assert folded is None or folded.error["message"] == raised.value.answer().message


@pytest.mark.parametrize(
    "raw",
    [b"hello", b"\x00\x01\xff", b"data: {}\n\n", b'{"a": 1}\n{"a": 2}\n', b"<html></html>"],
    ids=["text", "binary", "empty_event", "foreign_lines", "page"],
)
def test_what_is_no_stream_of_a_known_format_is_not_folded(raw):
    assert fold(raw) is None
