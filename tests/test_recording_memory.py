"""What providers gave with their answers, remembered and put back."""

from __future__ import annotations

import asyncio
import copy
import json
import re
import sqlite3
import time
import tracemalloc

import pytest

from recording import Recorder, memory, state_reader
from recording.memory import RecentStates, held_bytes
from recording.state_rows import find_states
from recording.states import Keys, ProviderState, keys_of, state_of
from tests.records import recorded, request_record, rows, said, with_recorder

THINKING = [{"type": "thinking", "thinking": "Hm 🌍", "signature": "EqQB/+aZ=="}]
CALL = {
    "id": "toolu_01Abc",
    "type": "function",
    "function": {"name": "weather", "arguments": '{"city": "Paris"}'},
}
GIVEN = {"role": "assistant", "content": "", "tool_calls": [CALL], "thinking_blocks": THINKING}
SENT = {"role": "assistant", "content": None, "tool_calls": [CALL]}
RESULT = {"role": "tool", "tool_call_id": CALL["id"], "content": "18 degrees"}
ASKED = said("Weather in Paris?")
NEXT = [*ASKED["messages"], SENT, RESULT]


@pytest.fixture
def path(tmp_path):
    return tmp_path / "chats.db"


@pytest.fixture(autouse=True)
def patience(monkeypatch):
    """A busy machine is no reason to fail."""
    monkeypatch.setattr(state_reader, "LONGEST_RECALL_S", 10)


async def answered(recorder, message=GIVEN, body=ASKED, state="complete", **changes):
    """One exchange, and the message of its answer."""
    tracker = await recorder.log_request(request_record(body, **{"routed": True, **changes}))
    recorder.log_streaming_response(
        tracker,
        openai_response={"choices": [{"index": 0, "message": message}]},
        provider_response=None,
        status_code=200,
        state=state,
    )


async def _recalled(recorder, messages=NEXT, provider="anthropic"):
    messages = copy.deepcopy(messages)
    before = copy.deepcopy(messages)
    restored = await recorder.recall(provider, messages)
    assert messages == before
    return [message.get("thinking_blocks") for message in restored]


def _remembered(path, story=answered, *, restart=True, messages=NEXT, provider="anthropic", **how):
    """What is put back on the next turn, from the database or from memory alone."""
    seen = []

    async def told(recorder):
        await story(recorder)
        if not restart:
            seen.extend(await _recalled(recorder, messages, provider))

    async def asked(recorder):
        seen.extend(await _recalled(recorder, messages, provider))

    recorded(path, told, **how)
    if restart:
        recorded(path, asked, **how)
    return seen


@pytest.mark.parametrize("restart", [False, True], ids=["memory", "database"])
def test_the_next_turn_has_what_the_provider_gave(path, restart):
    assert _remembered(path, restart=restart) == [None, THINKING, None]


@pytest.mark.parametrize("restart", [False, True], ids=["memory", "database"])
def test_another_provider_gets_nothing_of_it(path, restart):
    assert _remembered(path, restart=restart, provider="bedrock") == [None, None, None]


@pytest.mark.parametrize("restart", [False, True], ids=["memory", "database"])
@pytest.mark.parametrize(
    ("text", "expected"), [("OK.", THINKING), ("OK!", None)], ids=["same", "edited"]
)
def test_an_answer_without_calls_is_known_by_its_words(path, restart, text, expected):
    async def story(recorder):
        await answered(recorder, {**GIVEN, "content": "OK.", "tool_calls": None})

    messages = said("Weather in Paris?", text, "More")["messages"]
    assert _remembered(path, story, restart=restart, messages=messages) == [None, expected, None]


@pytest.mark.parametrize("restart", [False, True], ids=["memory", "database"])
def test_a_call_is_known_by_its_id_whatever_stands_before_it(path, restart):
    messages = [{"role": "user", "content": "Summary of earlier turns"}, SENT, RESULT]
    assert _remembered(path, restart=restart, messages=messages) == [None, THINKING, None]


@pytest.mark.parametrize("restart", [False, True], ids=["memory", "database"])
def test_counted_ids_of_two_conversations_are_not_mixed_up(path, restart):
    call = {**CALL, "id": "functions.weather:0"}

    async def story(recorder):
        for city in ("Paris", "Rome"):
            blocks = [{"type": "redacted_thinking", "data": city}]
            message = {**GIVEN, "tool_calls": [call], "thinking_blocks": blocks}
            await answered(recorder, message, said(f"Weather in {city}?"))

    sent = {**SENT, "tool_calls": [call]}
    messages = [*ASKED["messages"], sent, *said("Weather in Oslo?")["messages"], sent]
    paris = [{"type": "redacted_thinking", "data": "Paris"}]
    assert _remembered(path, story, restart=restart, messages=messages) == [None, paris, None, None]


@pytest.mark.parametrize("restart", [False, True], ids=["memory", "database"])
def test_an_id_that_two_answers_have_is_neithers(path, restart):
    async def story(recorder):
        for city in ("Paris", "Rome"):
            await answered(recorder, body=said(city))

    messages = [*said("Oslo")["messages"], SENT]
    assert _remembered(path, story, restart=restart, messages=messages) == [None, None]


@pytest.mark.parametrize("restart", [False, True], ids=["memory", "database"])
def test_a_message_that_the_client_split_gets_its_state_once(path, restart):
    other = {**CALL, "id": "toolu_02Def"}

    async def story(recorder):
        await answered(recorder, {**GIVEN, "tool_calls": [CALL, other]})

    messages = [*NEXT, {**SENT, "tool_calls": [other]}, {**RESULT, "tool_call_id": other["id"]}]
    expected = [None, THINKING, None, None, None]
    assert _remembered(path, story, restart=restart, messages=messages) == expected


def test_a_second_instance_on_the_same_database_remembers_too(path):
    seen = []

    async def story(recorder):
        other = Recorder(f"sqlite:///{path}")
        other.start(asyncio.get_running_loop())
        seen.append(await _recalled(other))
        await answered(recorder)
        while not rows(path, "SELECT 1 FROM states"):
            await asyncio.sleep(0.01)
        # A provider of which nothing was known is not asked for at once again.
        other._memory._empty_until.clear()
        seen.append(await _recalled(other))
        other.stop()

    recorded(path, story)
    assert seen == [[None, None, None], [None, THINKING, None]]


@pytest.mark.parametrize(
    ("state", "arguments", "written"),
    [
        ("interrupted", "{}", 1),
        ("interrupted", '{"ci', 0),
        ("failed", "{}", 0),
        ("streaming", "{}", 0),
    ],
    ids=["whole calls", "half a call", "failed", "not the end"],
)
def test_a_partial_answer_counts_with_whole_calls(path, state, arguments, written):
    call = {**CALL, "function": {"name": "weather", "arguments": arguments}}

    async def story(recorder):
        await answered(recorder, {**GIVEN, "tool_calls": [call]}, state=state)

    recorded(path, story)
    assert len(rows(path, "SELECT 1 FROM states")) == written


def test_a_call_that_no_route_takes_is_the_clients_own_business(path):
    async def story(recorder):
        await answered(recorder, routed=False)

    assert _remembered(path, story, restart=False) == [None, None, None]


KEY = "sk-ant-api03-0123456789abcdef0123"


@pytest.mark.parametrize(
    ("thought", "how"),
    [
        (KEY, {}),
        ("the code is 4711", {"redact": [re.compile("4711")]}),
        ("the-key-of-the-call", {"secrets": ("the-key-of-the-call",)}),
    ],
    ids=["shape", "pattern", "key of the exchange"],
)
def test_a_state_with_a_key_in_it_stays_in_memory(path, thought, how):
    blocks = [{"type": "thinking", "thinking": thought, "signature": "Eq=="}]
    secrets = how.pop("secrets", ())
    seen = []

    async def story(recorder):
        await answered(recorder, {**GIVEN, "thinking_blocks": blocks}, secrets=secrets)
        seen.extend(await _recalled(recorder))
        # What is sent on with it goes into the record as well.
        restored = await recorder.recall("anthropic", NEXT)
        body = {"messages": NEXT}
        sent = json.dumps(restored).encode()
        record = request_record(body, provider_request=sent, secrets=secrets)
        await recorder.log_request(record)

    recorded(path, story, **how)
    assert seen == [None, blocks, None]
    assert rows(path, "SELECT 1 FROM states") == []
    assert not any(thought.encode() in file.read_bytes() for file in path.parent.iterdir())


@pytest.mark.parametrize("store", ["metadata", "off"])
def test_without_bodies_in_the_record_memory_alone_remembers(path, store):
    async def story(recorder):
        await answered(recorder)
        return await _recalled(recorder)

    assert with_recorder(f"sqlite:///{path}", story, store=store) == [None, THINKING, None]
    assert not any(b"EqQB" in file.read_bytes() for file in path.parent.iterdir())


def test_a_database_in_memory_needs_no_other_connection(caplog):
    async def story(recorder):
        await answered(recorder)
        return await _recalled(recorder)

    assert with_recorder("sqlite:///:memory:", story) == [None, THINKING, None]
    assert caplog.text == ""


def test_states_go_with_their_session(path):
    recorded(path, answered)
    assert len(rows(path, "SELECT 1 FROM state_keys")) == 3

    async def story(recorder):
        while rows(path, "SELECT 1 FROM sessions"):
            await asyncio.sleep(0.01)

    seen = rows(path, "SELECT id FROM sessions")
    _age(path)
    recorded(path, story, keep_days=1)
    tables = [rows(path, f"SELECT 1 FROM {table}") for table in ("states", "state_keys")]
    assert (len(seen), tables) == (1, [[], []])


def _age(path):
    connection = sqlite3.connect(path)
    with connection:
        connection.execute("UPDATE sessions SET last_accessed = 1")
        connection.execute("UPDATE requests SET created_at = 1")
    connection.close()


@pytest.mark.parametrize(
    ("provider", "messages"),
    [("anthropic", ASKED["messages"]), ("openai", NEXT)],
    ids=["no assistant message", "nothing known of the provider"],
)
def test_where_nothing_can_be_found_the_messages_come_back_at_once(path, provider, messages):
    async def story(recorder):
        await answered(recorder)
        await recorder.recall(provider, messages)
        # Without a single step of the loop.
        waiting = recorder.recall(provider, messages)
        with pytest.raises(StopIteration) as end:
            waiting.send(None)
        assert end.value.value is messages

    recorded(path, story)


def test_what_was_found_too_late_is_there_on_the_next_turn(path, monkeypatch):
    def slow(*asked):
        time.sleep(0.1)
        return find_states(*asked)

    async def story(recorder):
        with monkeypatch.context() as meanwhile:
            meanwhile.setattr(state_reader, "LONGEST_RECALL_S", 0.02)
            meanwhile.setattr(state_reader, "find_states", slow)
            first = await _recalled(recorder)
            await asyncio.sleep(0.3)
        return first, await _recalled(recorder)

    seen = []

    async def asked(recorder):
        seen.extend(await story(recorder))

    recorded(path, answered)
    recorded(path, asked)
    assert seen == [[None, None, None], [None, THINKING, None]]


def test_a_hit_of_200_messages_is_quick(path):
    messages = []
    for number in range(100):
        call = {**CALL, "id": f"toolu_{number:04}x"}
        messages += [{**SENT, "tool_calls": [call]}, {**RESULT, "content": f"{number} degrees"}]

    async def story(recorder):
        for place in range(0, 200, 2):
            given = {**messages[place], "thinking_blocks": [{"data": f"{place}"}]}
            await answered(recorder, given, {"messages": messages[:place]})
        times = []
        for _ in range(20):
            started = time.perf_counter()
            restored = await recorder.recall("anthropic", messages)
            times.append(time.perf_counter() - started)
        assert sum("thinking_blocks" in message for message in restored) == 100
        assert min(times) < 0.005

    recorded(path, story)


def _state(text):
    return ProviderState({"t": text}, [], "turn", text)


_LIMIT = held_bytes(_state("a" * 10))


def test_the_states_used_last_stay():
    recent = RecentStates(3 * _LIMIT)
    states = [_state(letter * 10) for letter in "abc"]
    for state in states:
        recent.add("p", [f"turn:{state.text[0]}", "call:x"], state)
    recent.last("p", "turn:a")
    recent.add("p", ["turn:d"], _state("d" * 10))
    found = [recent.last("p", f"turn:{letter}") for letter in "abcd"]
    assert [state and state.text[0] for state in found] == ["a", None, "c", "d"]


def test_a_state_too_large_for_memory_is_not_kept():
    recent = RecentStates(_LIMIT - 1)
    recent.add("p", ["turn:a"], _state("a" * 10))
    assert recent.find("p", Keys(["turn:a"], [])) is None


def test_a_state_read_twice_is_one():
    recent = RecentStates(3 * _LIMIT)
    for _ in range(2):
        recent.add("p", ["call:a"], _state("same"))
    found = recent.find("p", Keys(["turn:b"], ["call:a"]))
    assert found is not None


@pytest.mark.parametrize("text", ["x", "x" * 1000, "🌍" * 1000], ids=["short", "long", "wide"])
def test_states_take_no_more_memory_than_they_may(text):
    recent = RecentStates(1 << 20)
    tracemalloc.start()
    try:
        for number in range(2000):
            given = {**GIVEN, "content": f"{number}", "thinking_blocks": [{"text": text}]}
            state, keys = state_of(given, b"%d" % number), keys_of(given, b"%d" % number)
            recent.add("anthropic", [*keys.with_context, *keys.alone], state)
        taken, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert taken < 1.25 * (1 << 20)


def test_while_a_provider_gave_nothing_no_message_is_looked_at(path, monkeypatch):
    looked = []

    async def asked(recorder):
        with monkeypatch.context() as meanwhile:
            meanwhile.setattr(memory, "keys_of", lambda *told: looked.append(1))
            meanwhile.setattr(memory, "first_key", lambda *told: looked.append(1))
            for provider in ("bedrock", "gemini"):
                assert await recorder.recall(provider, NEXT) is NEXT

    recorded(path, answered)
    recorded(path, asked)
    assert looked == []
