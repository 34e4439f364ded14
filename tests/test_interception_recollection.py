"""What is put back on a call before it is translated."""

from __future__ import annotations

import asyncio

import pytest

from interception.recollection import Recollection, recollect
from recording import Recorder
from tests.test_recording_memory import ASKED, NEXT, THINKING, answered
from transforms.contract import Call


def _recollected(tmp_path, messages):
    request = {"model": "m", "messages": messages, "seed": 1}
    call = Call(request, "claude", "chatcmpl-1", 1)

    async def run():
        recorder = Recorder(f"sqlite:///{tmp_path / 'chats.db'}", store="off")
        await answered(recorder)
        return call, await recollect(recorder, "anthropic", call)

    return asyncio.run(run())


def test_a_call_that_needs_nothing_stays_as_it_is(tmp_path):
    call, recalled = _recollected(tmp_path, ASKED["messages"])
    assert recalled.call is call


def test_what_is_put_back_leaves_the_clients_call_alone(tmp_path):
    call, recalled = _recollected(tmp_path, NEXT)
    asked, sent, result = NEXT
    restored = [asked, {**sent, "thinking_blocks": THINKING}, result]
    assert recalled.call.request == {"model": "m", "messages": restored, "seed": 1}
    assert call.request["messages"] is NEXT


@pytest.mark.parametrize(
    ("sent", "told"),
    [({}, ("seed",)), ({"reasoning_content": "Hm"}, ("messages[].reasoning_content", "seed"))],
    ids=["put back", "sent by the client"],
)
def test_only_what_the_client_sent_is_told_as_dropped(sent, told):
    fields = frozenset({"reasoning_content"} - sent.keys())
    recalled = Recollection(Call({}, "m", "c", 1), fields)
    assert recalled.dropped_of_client(("messages[].reasoning_content", "seed")) == told
