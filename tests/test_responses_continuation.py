"""Whether a call goes on from an answer that the Responses API has stored."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from transforms.contract import Call, ErrorAnswer
from transforms.responses.continuation import STATE, goes_on, is_lost, known, with_state

SAID = [{"role": "user", "content": "Hi"}]
ANSWER = {"role": "assistant", "content": "Hello"}
MORE = {"role": "user", "content": "More"}


def call(*messages: Any, **changes: Any) -> Call:
    settings = changes.pop("settings", {"previous_response_id": "true"})
    request = {"model": "m", "messages": [*messages], **changes}
    return Call(request, "m", "chatcmpl-1", 1, base_url="https://one", settings=settings)


def answered(asked: Call, response_id: Any = "resp_1") -> dict[str, Any]:
    return with_state(asked, {"id": response_id}, ANSWER)


def test_a_call_goes_on_from_the_answer_that_it_repeats():
    message = answered(call(*SAID))
    going_on = call(*SAID, message, MORE)
    assert (known(going_on), goes_on(going_on)) == (("resp_1", 2), True)


@pytest.mark.parametrize(
    "changes",
    [
        {"settings": {}},
        {"settings": {"previous_response_id": "false"}},
        {"store": False},
        {"messages": [*SAID, MORE]},
        {"messages": [{"role": "user", "content": "Ho"}, answered(call(*SAID)), MORE]},
        {"messages": [*SAID, {**ANSWER, STATE: "resp_1"}, MORE]},
        {"messages": [*SAID, {**ANSWER, STATE: {"id": 1}}, MORE]},
    ],
    ids=["unset", "off", "not stored", "no answer", "another history", "odd state", "odd id"],
)
def test_all_is_told_where_the_answer_may_not_be_there(changes):
    asked = call(*changes.pop("messages", [*SAID, answered(call(*SAID)), MORE]), **changes)
    assert not goes_on(asked)


@pytest.mark.parametrize(
    "changes", [{"begins": True}, {"base_url": "https://two"}, {"account": "b"}, {"model": "n"}]
)
def test_all_is_told_to_another_host_account_or_model_and_after_a_loss(changes):
    asked = call(*SAID, answered(call(*SAID)), MORE)
    assert goes_on(asked)
    assert not goes_on(replace(asked, **changes))


@pytest.mark.parametrize("response_id", [None, 1, ""])
def test_an_answer_without_an_id_is_not_gone_on_from(response_id):
    assert answered(call(*SAID), response_id) == ANSWER


@pytest.mark.parametrize(
    ("answer", "lost"),
    [
        (ErrorAnswer(400, "Gone", "x", code="previous_response_not_found"), True),
        (ErrorAnswer(404, "Gone", "x", param="previous_response_id"), True),
        (ErrorAnswer(500, "Gone", "x", param="previous_response_id"), False),
        (ErrorAnswer(400, "Bad", "x", param="input"), False),
    ],
    ids=["code", "parameter", "another status", "another parameter"],
)
def test_an_answer_that_is_stored_no_longer_is_told_by_code_or_parameter(answer, lost):
    assert is_lost(answer) == lost
