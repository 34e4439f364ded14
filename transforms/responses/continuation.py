"""Going on from an answer that the API has stored, for routes that set `previous_response_id`.

What was said before is then named instead of told. The API knows it as it was: if anything but
the new messages differs from what the answer followed, word for word and by the same key, all is
told. A digest over that goes with each answer, and comes back on the assistant's message.

Source: Responses API reference, "previous_response_id"; guide "Conversation state" (2026-09).
"""

from __future__ import annotations

import hashlib
from typing import NamedTuple

from transforms.contract import JSON, Call, ErrorAnswer
from transforms.history import after_last_answer, normalized
from transforms.json_text import dumps

SETTING = "previous_response_id"

STATE = "responses"
"""Field of an assistant message: the answer's id, and the digest of what was said up to it."""


class Known(NamedTuple):
    """What the API has of a conversation."""

    response_id: str
    messages: int
    """How many, from the first on."""


def is_wanted(call: Call) -> bool:
    """Whether answers are to be gone on from, and so to be stored; a client may forbid that."""
    return call.settings.get(SETTING) == "true" and call.request.get("store") is not False


def known(call: Call) -> Known | None:
    """The answer that the call goes on from; None if all has to be told."""
    messages = call.request["messages"]
    start = after_last_answer(messages)
    state = messages[start - 1].get(STATE) if start else None
    if call.begins or not is_wanted(call) or not isinstance(state, dict):
        return None
    response_id = state.get("id")
    if not isinstance(response_id, str) or state.get("prefix") != _digest(call, messages[:start]):
        return None
    return Known(response_id, start)


def goes_on(call: Call) -> bool:
    """Whether the call goes on from an answer that the API has stored."""
    return known(call) is not None


def is_lost(answer: ErrorAnswer) -> bool:
    """Whether the API does not have the answer that was named."""
    return answer.code == "previous_response_not_found" or (
        answer.status in (400, 404) and answer.param == SETTING
    )


def with_state(call: Call, response: JSON, message: JSON) -> JSON:
    """The message of an answer, with what the next call needs to go on from it."""
    response_id = response.get("id")
    if not is_wanted(call) or not isinstance(response_id, str) or not response_id:
        return message
    said = [*call.request["messages"], message]
    return {**message, STATE: {"id": response_id, "prefix": _digest(call, said)}}


def _digest(call: Call, messages: list[JSON]) -> str:
    told = [call.base_url, call.account, call.model, *(normalized(each) for each in messages)]
    return hashlib.sha256(dumps(told)).hexdigest()
