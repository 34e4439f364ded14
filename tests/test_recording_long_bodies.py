"""Long bodies through the recorder: real clients, a database in trouble, several instances."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3

import pytest
from peewee import OperationalError

from models import execute
from recording import Recorder
from recording.database import RecordDatabase
from recording.sweeping import sweep
from tests.records import recorded, request_record, said
from tests.test_client_requests import CAPTURED
from transforms import PROVIDERS, json_text
from transforms.contract import Call

WORDS = "There is more to say – and to hear. " * 150


def _record(body, provider="anthropic", **changes):
    call = Call(body, "m", "chatcmpl-1", 1)
    built = json_text.dumps(PROVIDERS[provider].build_request(call).body)
    return request_record(body, provider_request=built, provider=provider, **changes)


def _talk(topic, turns):
    """The calls of a conversation that grows."""
    texts = [f"{topic} {turn} {WORDS}" for turn in range(2 * turns)]
    return [said(*texts[: 2 * turn + 1]) for turn in range(turns)]


async def _exchange(recorder, record):
    tracker = await recorder.log_request(record)
    answer = {"choices": [{"message": {"role": "assistant", "content": f"So: {WORDS}"}}]}
    recorder.log_response(
        tracker, openai_response=answer, provider_response=answer, status_code=200
    )


@pytest.mark.parametrize("provider", ["anthropic", "gemini", "ollama", "responses", "bedrock"])
def test_requests_of_real_clients_come_back_byte_for_byte(tmp_path, provider):
    records = [_record(captured["body"], provider) for captured in CAPTURED.values()]

    async def story(recorder):
        for record in records:
            await _exchange(recorder, record)

    exchanges = recorded(tmp_path / "chats.db", story)
    assert [(each["openai_request"], each["provider_request"]) for each in exchanges] == [
        (record.openai_request.decode(), record.provider_request.decode()) for record in records
    ]


def test_long_bodies_wait_in_the_spill_file_and_come_back_whole(tmp_path):
    path = tmp_path / "chats.db"
    records = [_record(body) for body in _talk("spilled", 4)]

    async def story(recorder):
        await _exchange(recorder, records[0])
        locked = sqlite3.connect(path, isolation_level=None)
        locked.execute("BEGIN EXCLUSIVE")
        for record in records[1:]:
            await _exchange(recorder, record)
        assert recorder.waiting
        locked.execute("ROLLBACK")
        locked.close()

    exchanges = recorded(path, story)
    assert [each["openai_request"] for each in exchanges] == [
        record.openai_request.decode() for record in records
    ]


def test_metadata_alone_leaves_no_parts(tmp_path):
    path = tmp_path / "chats.db"

    async def story(recorder):
        await _exchange(recorder, _record(_talk("secret", 2)[-1]))

    recorded(path, story, store="metadata")
    with sqlite3.connect(path) as connection:
        assert connection.execute("SELECT body FROM parts").fetchall() == [("",)]
    connection.close()


def test_a_key_is_not_in_the_parts(tmp_path):
    path, key = tmp_path / "chats.db", "sk-" + "k" * 40

    async def story(recorder):
        await _exchange(recorder, _record(said(f"{WORDS} {key} {WORDS}"), secrets=(key,)))

    (exchange,) = recorded(path, story)
    assert "[redacted]" in exchange["openai_request"]
    assert key.encode() not in b"".join(file.read_bytes() for file in tmp_path.iterdir())


async def _run_on(url, conversations):
    recorder = Recorder(url)
    recorder.start(asyncio.get_running_loop())
    try:
        for records in zip(*conversations, strict=True):
            await asyncio.gather(*(_exchange(recorder, record) for record in records))
            await asyncio.sleep(0.005)
    finally:
        await asyncio.to_thread(recorder.stop)


async def _take_over(url):
    """The next start writes what others could not, in time, on a machine that is busy."""
    recorder = Recorder(url)
    recorder.start(asyncio.get_running_loop())
    async with asyncio.timeout(60):
        while recorder.waiting:
            await asyncio.sleep(0.05)
    await asyncio.to_thread(recorder.stop)


async def _forget_and_sweep(url, name, running):
    """What retention does, as fast as it can, in an instance of its own."""
    store = RecordDatabase(url)
    store.open()
    try:
        while not running.done():
            # Whoever waits in a circle with others gives way, and tries again later.
            with contextlib.suppress(OperationalError):
                execute(store.database, "DELETE FROM sessions WHERE SUBSTR(id, 1, 4) = ?", (name,))
                await asyncio.to_thread(sweep, store.database, 0.01)
            await asyncio.sleep(0.001)
    finally:
        store.close()


def test_four_instances_share_one_database_while_one_cleans_up(postgres_url, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    bodies = [_talk(f"topic {topic % 2}", 12) for topic in range(8)]

    def records(instance, topic):
        headers = {"x-session-id": f"{'gone' if topic < 2 else 'kept'}-{instance}-{topic}"}
        return [_record(body, headers=headers) for body in bodies[topic]]

    every = [[records(instance, topic) for topic in range(6)] for instance in range(4)]

    async def run():
        running = asyncio.gather(*(_run_on(postgres_url, each) for each in every))
        await asyncio.gather(running, _forget_and_sweep(postgres_url, "gone", running))
        await _take_over(postgres_url)

    asyncio.run(run())
    expected = {
        record.request_id: (record.openai_request.decode(), record.provider_request.decode())
        for each in every
        for conversation in each[2:]
        for record in conversation
    }
    store = RecordDatabase(postgres_url)
    store.open()
    found = execute(
        store.database,
        "SELECT request_id, openai_request, provider_request FROM exchanges "
        "WHERE SUBSTR(session_id, 1, 4) = 'kept'",
    ).fetchall()
    store.close()
    assert {name: (asked, sent) for name, asked, sent in found} == expected
