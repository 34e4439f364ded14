"""What providers and clients say, changed at random: no exception but `TransformError`.

`FUZZ=5000 python -m pytest tests/test_fuzz.py` tries so many changes per provider and direction.
"""

from __future__ import annotations

import json
import os
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.cases import STREAM, Case, all_cases, decode, params
from tests.fuzz_targets import Faults, Target
from tests.fuzzing import (
    build,
    changed,
    changed_bytes,
    changed_events,
    framed,
    read_answer,
    read_body,
    read_error,
    read_events,
)
from transforms import PROVIDERS
from transforms.contract import Event

EXAMPLES = int(os.environ.get("FUZZ", "40"))
SEEDS = st.integers(0, 2**32)

fuzzed = settings(max_examples=EXAMPLES, derandomize="FUZZ" not in os.environ)
providers = pytest.mark.parametrize("name", PROVIDERS)


def cases(name: str, role: str) -> list[Case]:
    """The cases of a provider that have a file of this role."""
    return [case for case in all_cases() if case.provider.name == name and case.has(role)]


@providers
@fuzzed
@given(seed=SEEDS)
def test_any_events_become_chunks_or_an_error(name, seed):
    chance = random.Random(seed)
    case = chance.choice(cases(name, STREAM))
    events = decode(case.provider, [case.stream])
    read_events(case.provider, case.call, changed_events(events, chance))


@providers
@fuzzed
@given(seed=SEEDS)
def test_any_bytes_become_chunks_or_an_error(name, seed):
    chance = random.Random(seed)
    case = chance.choice(cases(name, STREAM))
    body = changed_bytes(case.stream, chance)
    read_body(case.provider, case.call, body, chance.randint(1, 64))


@providers
@fuzzed
@given(seed=SEEDS)
def test_any_answer_becomes_a_completion_or_an_error(name, seed):
    chance = random.Random(seed)
    case = chance.choice(cases(name, "provider_response.json"))
    read_answer(case.provider, case.call, changed(case.json("provider_response"), chance))


@providers
@fuzzed
@given(seed=SEEDS, status=st.integers(400, 599))
def test_any_error_becomes_an_error(name, seed, status):
    chance = random.Random(seed)
    case = chance.choice(cases(name, "provider_error.json"))
    read_error(case.provider, status, changed(case.json("provider_error")["body"], chance))


@providers
@fuzzed
@given(seed=SEEDS)
def test_any_request_that_passes_the_check_is_built_or_refused(name, seed):
    chance = random.Random(seed)
    case = chance.choice(cases(name, "request.json"))
    build(case.provider, case.call, changed(case.json("request"), chance))


# What was found


_ODD_LOGPROBS = {"output": {"choices": [{"message": {}, "logprobs": {"content": True}}]}}

_BEGUN = {"type": "message_start", "message": {}}
_NAMELESS_TEXT = {"type": "content_block_start", "index": 0, "content_block": {"": "x"}}

FOUND_EVENTS = {
    "a choice that says nothing but its odd logprobs": (
        "dashscope",
        [_ODD_LOGPROBS, _ODD_LOGPROBS],
    ),
    "a Response of nothing": ("responses", [{"type": "response.completed", "response": {}}]),
    "a block of no kind, with a member without a name": ("anthropic", [_BEGUN, _NAMELESS_TEXT]),
    "a Message of nothing": (
        "anthropic",
        [_BEGUN, {"type": "message_delta", "delta": {}}, {"type": "message_stop"}],
    ),
}


@pytest.mark.parametrize(("name", "bodies"), FOUND_EVENTS.values(), ids=FOUND_EVENTS)
def test_events_that_were_found(name, bodies):
    events = [Event("", json.dumps(body).encode()) for body in bodies]
    read_events(PROVIDERS[name], cases(name, STREAM)[0].call, events)


FOUND_CALLS = {
    "no name": {"id": "c", "type": "x", "function": {}},
    "no function": {"id": "c", "type": "x", "function": None},
    "arguments of no text": {"id": "c", "type": {}, "function": {"name": "f", "arguments": [1]}},
}


@providers
@pytest.mark.parametrize("call", FOUND_CALLS.values(), ids=FOUND_CALLS)
def test_a_call_of_no_known_kind_that_was_found(name, call):
    case = cases(name, "request.json")[0]
    state = {"chat_id": "c", "parent_id": "p", "prefix": "x"}
    answers = [
        {"role": "assistant", "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "c", "content": ""},
        {"role": "assistant", "content": "", "qwen": state},
        {"role": "user", "content": "And now?"},
    ]
    messages = [{"role": "user", "content": "Go."}, *answers]
    build(case.provider, case.call, {"model": "m", "messages": messages})


# Fuzzing that is guided by the code that is reached


@providers
def test_what_the_cases_say_is_where_a_target_begins(name):
    target = Target(name)
    for seed in target.seeds():
        target.run(seed)


@pytest.mark.parametrize("case", params(STREAM))
def test_events_that_are_changed_are_framed_again(case):
    events = decode(case.provider, [case.stream])
    assert decode(case.provider, [framed(case.provider, events)]) == events


def test_a_fault_is_told_once_for_each_place(tmp_path, capsys):
    run = Faults(tmp_path).watched(lambda text: {b"a": 1}[text])
    for text in (b"a", b"b", b"c"):
        run(text)
    assert capsys.readouterr().out == "INPUT b'b'\n"
    assert [path.read_bytes() for path in tmp_path.iterdir()] == [b"b"]
