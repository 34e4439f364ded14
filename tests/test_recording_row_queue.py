"""How rows get from one thread to the other."""

from __future__ import annotations

import asyncio

from recording.row_queue import LINGER_S, Entry, RowQueue
from tests.records import request_row, response_row


def _entry(name, **fields):
    return Entry(request_row(name), **fields)


def _names(batch):
    return [entry.row.request_id for entry in batch]


def test_as_many_rows_are_taken_as_asked_for_and_the_rest_wakes_again():
    queue = RowQueue()
    for name in "abc":
        queue.put(_entry(name))
    assert (_names(queue.take(2, 1000)), queue.wait(0)) == (["a", "b"], True)
    assert (_names(queue.take(2, 1000)), queue.wait(0.001)) == (["c"], False)


def test_no_row_is_taken_after_so_many_bytes_and_the_bytes_of_what_waits_are_known():
    queue = RowQueue()
    for name in "abc":
        queue.put(Entry(response_row(name, openai_response="x" * 10)))
    assert queue.waiting_bytes == 30
    assert _names(queue.take(9, 11)) == ["a", "b"]
    assert queue.waiting_bytes == 10


def test_a_row_that_somebody_waits_for_wakes_at_once_and_another_lingers():
    async def story():
        loop, queue = asyncio.get_running_loop(), RowQueue()
        queue.open(loop)
        woken = [queue.wait(0)]
        queue.put(_entry("a", stored=loop.create_future()))
        await asyncio.sleep(0)
        woken.append(queue.wait(0.001))
        queue.put(_entry("b"))
        await asyncio.sleep(0)
        woken.append(queue.wait(0.001))
        await asyncio.sleep(2 * LINGER_S)
        return [*woken, queue.wait(0.001)]

    assert asyncio.run(story()) == [True, True, False, True]


def test_who_waits_is_told_and_a_loop_that_has_ended_does_no_harm():
    async def story():
        loop, queue = asyncio.get_running_loop(), RowQueue()
        queue.open(loop)
        queue.put(_entry("a", stored=loop.create_future()))
        queue.put(_entry("b"))
        batch = queue.take(9, 1000)
        queue.tell(batch)
        await asyncio.wait_for(batch[0].stored, 5)
        return queue, batch

    queue, batch = asyncio.run(story())
    queue.tell(batch)
    assert batch[0].stored.done()
