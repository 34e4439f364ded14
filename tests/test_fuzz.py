"""What providers and clients say, changed at random: no exception but `TransformError`.

`FUZZ=5000 python -m pytest tests/test_fuzz.py` tries so many changes per provider and direction.
"""

from __future__ import annotations

import copy
import json
import os
import random
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.cases import STREAM, Case, all_cases, decode
from transforms import PROVIDERS
from transforms.assembly import Assembler
from transforms.chat_request import check_request
from transforms.contract import Event
from transforms.errors import TransformError
from transforms.json_text import dumps

EXAMPLES = int(os.environ.get("FUZZ", "40"))
SEEDS = st.integers(0, 2**32)
STRANGE: tuple[Any, ...] = (
    *(None, True, False, 0, -1, 1.5, 10**30, "", "x", "\ud800", "\0", "null", "{", "[1]"),
    *([], {}, [None], [[]], [{}], {"": None}, {"type": "x"}, [{"type": None}], ["x"], [1]),
    *({"type": []}, {"text": 1}, {"id": {}}, {"index": -1}, {"index": 10**9}, {"content": [1]}),
)

fuzzed = settings(max_examples=EXAMPLES, deadline=None, derandomize="FUZZ" not in os.environ)
providers = pytest.mark.parametrize("name", PROVIDERS)


def cases(name: str, role: str) -> list[Case]:
    """The cases of a provider that have a file of this role."""
    return [case for case in all_cases() if case.provider.name == name and case.has(role)]


def changed(value: Any, chance: random.Random) -> Any:
    """A copy with one to three places of it exchanged, left out, doubled or moved."""
    value = copy.deepcopy(value)
    for _ in range(chance.randint(1, 3)):
        holders = list(_holders(value))
        if not holders:
            return chance.choice(STRANGE)
        holder = chance.choice(holders)
        place = chance.choice(list(holder) if isinstance(holder, dict) else range(len(holder)))
        match chance.randrange(4):
            case 0:
                del holder[place]
            case 1 if isinstance(holder, list):
                holder.append(copy.deepcopy(holder[place]))
            case 2:
                holder[place] = copy.deepcopy(chance.choice(holders))
            case _:
                holder[place] = copy.deepcopy(chance.choice(STRANGE))
    return value


def _holders(value: Any):
    if value and isinstance(value, dict | list):
        yield value
        for inner in value.values() if isinstance(value, dict) else value:
            yield from _holders(inner)


def changed_events(events: list[Event], chance: random.Random) -> list[Event]:
    """The events with some of them changed, left out, doubled or moved."""
    events = list(events)
    for _ in range(chance.randint(1, 3)):
        if not events:
            break
        place = chance.randrange(len(events))
        match chance.randrange(6):
            case 0:
                del events[place]
            case 1:
                events.insert(place, events[place])
            case 2:
                events.insert(chance.randrange(len(events)), events.pop(place))
            case _:
                events[place] = _changed_event(events[place], chance)
    return events


def _changed_event(event: Event, chance: random.Random) -> Event:
    try:
        said = json.loads(event.data)
    except ValueError:
        return event._replace(data=_changed_bytes(event.data, chance))
    return event._replace(data=json.dumps(changed(said, chance)).encode())


def _changed_bytes(text: bytes, chance: random.Random) -> bytes:
    changing = bytearray(text)
    for _ in range(chance.randint(1, 4)):
        place = chance.randrange(len(changing) + 1)
        changing[place : place + chance.randint(0, 3)] = chance.randbytes(chance.randint(0, 3))
    return bytes(changing)


def run(case: Case, events: list[Event]) -> None:
    """The whole way of a stream, as the addon goes it."""
    stream = case.provider.open_stream(case.call)
    told = Assembler()
    try:
        for event in events:
            for chunk in stream.feed(event):
                told.add(chunk)
                dumps(chunk)
        if not stream.finished:
            for chunk in stream.close():
                told.add(chunk)
    except TransformError as exc:
        dumps(exc.answer().body())
    dumps(told.completion())
    dumps(stream.answer)


@providers
@fuzzed
@given(seed=SEEDS)
def test_any_events_become_chunks_or_an_error(name, seed):
    chance = random.Random(seed)
    case = chance.choice(cases(name, STREAM))
    events = decode(case.provider, [case.stream])
    run(case, changed_events(events, chance))


@providers
@fuzzed
@given(seed=SEEDS)
def test_any_bytes_become_chunks_or_an_error(name, seed):
    chance = random.Random(seed)
    case = chance.choice(cases(name, STREAM))
    try:
        events = decode(case.provider, [_changed_bytes(case.stream, chance)])
    except TransformError:
        return
    run(case, events)


@providers
@fuzzed
@given(seed=SEEDS)
def test_any_answer_becomes_a_completion_or_an_error(name, seed):
    chance = random.Random(seed)
    case = chance.choice(cases(name, "provider_response.json"))
    answer = changed(case.json("provider_response"), chance)
    if not isinstance(answer, dict):
        return
    try:
        completion = case.provider.parse_response(case.call, answer)
    except TransformError as exc:
        completion = exc.answer().body()
    dumps(completion)


@providers
@fuzzed
@given(seed=SEEDS, status=st.integers(400, 599))
def test_any_error_becomes_an_error(name, seed, status):
    chance = random.Random(seed)
    case = chance.choice(cases(name, "provider_error.json"))
    error = changed(case.json("provider_error")["body"], chance)
    dumps(case.provider.parse_error(status, error).body())


@providers
@fuzzed
@given(seed=SEEDS)
def test_any_request_that_passes_the_check_is_built_or_refused(name, seed):
    chance = random.Random(seed)
    case = chance.choice(cases(name, "request.json"))
    try:
        request = check_request(changed(case.json("request"), chance))
        built = case.provider.build_request(replace(case.call, request=request))
    except TransformError as exc:
        dumps(exc.answer().body())
    else:
        dumps(built.body)
