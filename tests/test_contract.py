"""The values that cross the border to a provider."""

from __future__ import annotations

import pytest

from transforms.contract import Auth, Call


def call(**parameters: object) -> Call:
    return Call({"model": "m", **parameters}, "m-1", completion_id="chatcmpl-abc", created=7)


@pytest.mark.parametrize(
    ("parameters", "streams"),
    [({"stream": True}, True), ({"stream": False}, False), ({"stream": None}, False), ({}, False)],
    ids=["true", "false", "null", "absent"],
)
def test_client_gets_a_stream_only_if_it_asked(parameters: dict[str, bool], streams: bool) -> None:
    assert call(**parameters).streams is streams


def test_made_ids_of_tool_calls_differ_by_answer_and_place() -> None:
    other = Call({"model": "m"}, "m-1", completion_id="chatcmpl-def", created=7)

    assert call().tool_call_id(0) == "call_abc_0"
    assert call().tool_call_id(1) == "call_abc_1"
    assert other.tool_call_id(0) == "call_def_0"


def test_a_completion_has_the_id_that_the_provider_tells() -> None:
    own = {"id": "chatcmpl-abc", "object": "chat.completion.chunk", "created": 7, "model": "m"}

    assert call().head() == call().head("") == call().head(7) == own
    assert call().head("x") == {**own, "id": "chatcmpl-x"}


def test_key_goes_into_the_header_the_provider_reads() -> None:
    assert Auth().headers("k") == {"authorization": "Bearer k"}
    assert Auth("x-api-key", "").headers("k") == {"x-api-key": "k"}
