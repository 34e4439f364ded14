"""The thread that reads states never holds anybody up."""

from __future__ import annotations

import asyncio
import time

import pytest
from peewee import OperationalError

from recording import state_reader
from recording.database import RecordDatabase
from recording.rows import write_row
from recording.state_reader import Found, StateReader
from recording.state_rows import StateRow, find_states
from recording.states import Keys
from tests.records import request_row, response_row

TEXT = '{"turn":"turn:a","fields":{"thinking_blocks":[]},"calls":[]}'
KNOWN = Keys(["turn:a"], ["call:a"])
UNKNOWN = Keys(["turn:b"], [])


@pytest.fixture
def path(tmp_path):
    store = RecordDatabase(f"sqlite:///{tmp_path / 'chats.db'}")
    store.open()
    with store.database.atomic():
        write_row(store.database, request_row("r"))
        row = StateRow(0, "anthropic", ["turn:a", "call:a"], TEXT)
        write_row(store.database, response_row("r", states=[row]))
        write_row(store.database, response_row("r", states=[row]))
    store.close()
    return store.path


@pytest.fixture(autouse=True)
def patience(monkeypatch):
    """A busy machine is no reason to fail."""
    monkeypatch.setattr(state_reader, "LONGEST_RECALL_S", 10)


def _told(path, story, learn=lambda *late: None):
    async def run():
        reader = StateReader(RecordDatabase(f"sqlite:///{path}"))
        reader.start(asyncio.get_running_loop(), learn)
        try:
            return await story(reader)
        finally:
            reader.stop()

    return asyncio.run(run())


def _texts(found):
    return [getattr(answer, "text", answer) for answer in found.answers]


@pytest.mark.parametrize(
    ("keys", "answer"),
    [
        (KNOWN, TEXT),
        (Keys(["turn:b"], ["call:a"]), TEXT),
        (UNKNOWN, False),
    ],
    ids=["with the context", "alone", "unknown"],
)
def test_a_message_is_found_by_its_keys(path, keys, answer):
    found = _told(path, lambda reader: reader.ask("anthropic", [keys]))
    assert (_texts(found), found.any) == ([answer], True)


def test_a_provider_without_any_is_told_apart(path):
    found = _told(path, lambda reader: reader.ask("openai", [KNOWN]))
    assert found == Found([False], any=False)


def test_more_keys_than_one_statement_takes_are_asked_for_in_several(path):
    questions = [*(Keys([f"turn:{number}"], []) for number in range(1000)), KNOWN]
    found = _told(path, lambda reader: reader.ask("anthropic", questions))
    assert _texts(found) == [*[False] * 1000, TEXT]


def test_who_waits_for_a_slow_database_goes_on_and_nobody_else_waits(path, monkeypatch):
    learned = []

    def slow(*asked):
        time.sleep(0.2)
        return find_states(*asked)

    async def story(reader):
        monkeypatch.setattr(state_reader, "LONGEST_RECALL_S", 0.02)
        monkeypatch.setattr(state_reader, "find_states", slow)
        times = []
        for _ in range(3):
            started = time.perf_counter()
            assert await reader.ask("anthropic", [KNOWN]) is None
            times.append(time.perf_counter() - started)
        monkeypatch.setattr(state_reader, "find_states", find_states)
        while (found := await reader.ask("anthropic", [KNOWN])) is None:
            await asyncio.sleep(0.02)
        return times, _texts(found)

    (first, *others), found = _told(path, story, lambda *late: learned.append(late))
    assert 0.02 <= first < 0.15
    assert max(others) < 0.02
    assert found == [TEXT]
    assert [(asked, keys, _texts(late)) for asked, keys, late in learned] == [
        ("anthropic", [KNOWN], [TEXT])
    ]


def test_a_database_in_trouble_is_told_once_and_tried_again(path, monkeypatch, caplog):
    def broken(*asked):
        raise OperationalError("disk I/O error")

    async def story(reader):
        monkeypatch.setattr(state_reader, "find_states", broken)
        lost = [await reader.ask("anthropic", [KNOWN]) for _ in range(3)]
        monkeypatch.setattr(state_reader, "find_states", find_states)
        return lost, await reader.ask("anthropic", [KNOWN])

    lost, found = _told(path, story)
    assert (lost, _texts(found)) == ([None] * 3, [TEXT])
    assert [line.message.partition("(")[0] for line in caplog.records] == [
        "What providers gave with earlier answers cannot be read ",
        "What providers gave with earlier answers can be read again.",
    ]


def test_a_file_that_is_gone_is_not_made_again(path):
    async def story(reader):
        await reader.ask("anthropic", [KNOWN])
        path.unlink()
        return await reader.ask("anthropic", [KNOWN])

    assert _told(path, story) is None
    assert not path.exists()


def test_who_leaves_while_waiting_is_no_trouble(path):
    async def story(reader):
        task = asyncio.create_task(reader.ask("anthropic", [KNOWN]))
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.sleep(0.05)
        return await reader.ask("anthropic", [KNOWN])

    assert _texts(_told(path, story)) == [TEXT]


def test_before_the_start_nothing_is_known(path):
    reader = StateReader(RecordDatabase(f"sqlite:///{path}"))
    assert asyncio.run(reader.ask("anthropic", [KNOWN])) is None
    reader.stop()
