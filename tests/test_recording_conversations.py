"""Random conversations give exactly the tree that they were made from."""

from __future__ import annotations

import asyncio
import json
import tempfile
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from recording import Recorder
from recording.database import RecordDatabase
from recording.rows import write_row
from tests.records import answered_row, asked_row, request_record, rows

QUESTIONS = st.sampled_from(["Hi", "More", "Why?"])
STEPS = st.lists(
    st.tuples(
        st.sampled_from(["new", "go on", "go on", "edit", "retry", "fail"]),
        st.integers(0, 1000),
        QUESTIONS,
    ),
    min_size=1,
    max_size=14,
)
TRIES = settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])


@dataclass
class Call:
    """One call, as the test knows that it belongs."""

    name: str
    history: list[dict]
    session: str
    parent: str | None
    answer: dict | None = None
    """None where the call failed."""
    retried: bool = False


@dataclass
class Story:
    """Calls made step by step, the truth beside them."""

    calls: list[Call] = field(default_factory=list)

    def step(self, kind: str, pick: int, question: str) -> None:
        """The next call, on one of those so far."""
        answered = [call for call in self.calls if call.answer]
        failed = [call for call in self.calls if not call.answer and not call.retried]
        if kind == "retry" and failed:
            first = failed[pick % len(failed)]
            first.retried = True
            self._call(first.history, first.session, first.parent)
        elif kind == "edit" and any(call.parent for call in self.calls):
            later = [call for call in self.calls if call.parent]
            before = later[pick % len(later)]
            self._call([*before.history[:-1], _user(question)], before.session, before.parent)
        elif kind in ("go on", "fail") and answered:
            before = answered[pick % len(answered)]
            self._continue(before, question, fails=kind == "fail")
        else:
            # What failed and is asked anew is a retry: no two failures begin alike here.
            words = f"{question} {len(self.calls)}" if kind == "fail" else question
            self._call([_user(words)], None, None, fails=kind == "fail")

    def _continue(self, before: Call, question: str, *, fails: bool) -> None:
        assert before.answer is not None
        history = [*before.history, before.answer, *_results(before.answer), _user(question)]
        if fails:
            history[-1] = _user(f"{question} {len(self.calls)}")
        self._call(history, before.session, f"answer to {before.name}", fails=fails)

    def _call(
        self, history: list[dict], session: str | None, parent: str | None, *, fails: bool = False
    ) -> None:
        name = f"r{len(self.calls)}"
        answer = None if fails else _said(name, len(self.calls))
        self.calls.append(Call(name, history, session or name, parent, answer))


def _user(text: str) -> dict:
    return {"role": "user", "content": text}


def _said(name: str, number: int) -> dict:
    """An answer that is nobody else's, a text or a call."""
    if number % 3:
        return {"role": "assistant", "content": f"Answer of {name}."}
    arguments = json.dumps({"name": name, "list": [1, {"deep": None}]})
    call = {"id": "call_0", "type": "function", "function": {"name": "f", "arguments": arguments}}
    return {"role": "assistant", "content": None, "tool_calls": [call]}


def _results(answer: dict) -> list[dict]:
    return [
        {"role": "tool", "tool_call_id": call["id"], "content": "18 degrees"}
        for call in answer.get("tool_calls", ())
    ]


def _as_a_client_sends(message: dict, draw) -> dict:
    """The same message, in one of the ways in which clients write it."""
    way = draw(st.integers(0, 4))
    content = message.get("content")
    if content and way == 1:
        message = {**message, "content": [{"type": "text", "text": content}]}
    if content is None and way:
        message = {name: value for name, value in message.items() if name != "content"}
        message.update({} if way == 1 else {"content": ""})
    if message["role"] == "assistant" and way > 1:
        message = {**message, "refusal": None, "annotations": [], "reasoning_content": "Hm"}
    for call in message.get("tool_calls", ()) if way > 2 else ():
        arguments = json.loads(call["function"]["arguments"])
        spaced = json.dumps(arguments, indent=2, sort_keys=True)
        function = {**call["function"], "arguments": spaced}
        message = {**message, "tool_calls": [{**call, "id": "other", "function": function}]}
    return message


def _body(history: list[dict], draw) -> dict:
    messages = [_as_a_client_sends(message, draw) for message in history]
    prompt = {"role": draw(st.sampled_from(["system", "developer"])), "content": ""}
    prompt["content"] = f"It is {draw(st.integers(0, 9))} o'clock."
    messages.insert(draw(st.sampled_from([0, len(messages)])), prompt)
    return {"model": "m", "messages": messages, "tools": draw(st.sampled_from([[], [{}]]))}


@pytest.fixture
def new_database():
    """Makes databases, one for each example."""
    folder = tempfile.TemporaryDirectory()
    stores = []

    def make():
        stores.append(RecordDatabase(f"sqlite:///{folder.name}/{len(stores)}.db"))
        stores[-1].open()
        return stores[-1].database

    yield make
    for store in stores:
        store.close()
    folder.cleanup()


def _recorded_tree(database) -> dict[str, tuple[str, str | None]]:
    sql = "SELECT request_id, session_id, parent_id FROM requests ORDER BY id"
    return {name: (session, parent) for name, session, parent in database.execute_sql(sql)}


@TRIES
@given(STEPS, st.data())
def test_edits_retries_and_branches_give_the_tree_they_were_made_from(new_database, steps, data):
    story, database = Story(), new_database()
    for step in steps:
        story.step(*step)
        call = story.calls[-1]
        body = _body(call.history, data.draw)
        write_row(database, asked_row(call.name, body))
        write_row(database, answered_row(call.name, body, call.answer))
    tree = _recorded_tree(database)
    names = {call.session: tree[call.session][0] for call in story.calls}
    assert len(set(names.values())) == len(names)
    assert tree == {call.name: (names[call.session], call.parent) for call in story.calls}


@TRIES
@given(st.lists(st.lists(QUESTIONS, min_size=1, max_size=4), min_size=1, max_size=4), st.data())
def test_conversations_that_are_alike_word_for_word_stay_as_many_as_they_are(
    new_database, conversations, data
):
    database, told = new_database(), [0] * len(conversations)
    order = [place for place, said in enumerate(conversations) for _ in said]
    for count, place in enumerate(data.draw(st.permutations(order))):
        told[place] += 1
        history: list[dict] = []
        for question in conversations[place][: told[place]]:
            history += [_user(question), {"role": "assistant", "content": f"To {question}"}]
        body = {"model": "m", "messages": history[:-1]}
        write_row(database, asked_row(f"r{count}", body, timestamp=1795000000000 + count))
        write_row(database, answered_row(f"r{count}", body, history[-1]))
    lengths = Counter(session for session, _ in _recorded_tree(database).values())
    assert sorted(lengths.values()) == sorted(map(len, conversations))
    sql = "SELECT COUNT(*) FROM requests WHERE parent_id IS NOT NULL GROUP BY parent_id"
    assert {count for (count,) in database.execute_sql(sql)} <= {1}


def _answer(history: list[dict]) -> dict:
    message = {"role": "assistant", "content": f"Answer {len(history)}"}
    return {"choices": [{"message": message, "finish_reason": "stop"}]}


async def _turn(recorder: Recorder, history: list[dict]) -> None:
    body = {"model": "m", "messages": list(history)}
    tracker = await recorder.log_request(request_record(body))
    answer = _answer(history)
    recorder.log_response(tracker, openai_response=answer, provider_response=b"{}", status_code=200)
    history.append(answer["choices"][0]["message"])


async def _until_written(recorder: Recorder) -> None:
    while recorder.waiting:
        await asyncio.sleep(0.005)
    await asyncio.sleep(0.02)


def _with_two_instances(path: Path, story) -> list[dict]:
    async def run() -> None:
        recorders = [Recorder(f"sqlite:///{path}") for _ in range(2)]
        for recorder in recorders:
            recorder.start(asyncio.get_running_loop())
        try:
            await story(recorders)
        finally:
            for recorder in recorders:
                recorder.stop()

    asyncio.run(run())
    return rows(path, "SELECT * FROM requests ORDER BY id")


def test_a_conversation_goes_on_through_another_instance(tmp_path):
    async def story(recorders):
        history: list[dict] = []
        for count in range(6):
            history.append(_user(f"Question {count}"))
            await _turn(recorders[count % 2], history)
            await _until_written(recorders[count % 2])

    requests = _with_two_instances(tmp_path / "chats.db", story)
    assert len({request["session_id"] for request in requests}) == 1
    assert [bool(request["parent_id"]) for request in requests] == [False, *[True] * 5]


def test_a_client_that_is_quicker_than_the_record_is_followed_within_one_instance(tmp_path):
    async def story(recorders):
        history: list[dict] = []
        for count in range(6):
            history.append(_user(f"Question {count}"))
            await _turn(recorders[0], history)

    requests = _with_two_instances(tmp_path / "chats.db", story)
    assert len({request["session_id"] for request in requests}) == 1


def test_a_client_that_is_quicker_than_the_record_does_no_harm_across_instances(tmp_path):
    async def story(recorders):
        history: list[dict] = []
        for count in range(6):
            history.append(_user(f"Question {count}"))
            await _turn(recorders[count % 2], history)

    requests = _with_two_instances(tmp_path / "chats.db", story)
    assert len(requests) == 6
