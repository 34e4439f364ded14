"""What providers and clients say, changed at random, and what must hold whatever they say.

`test_fuzz` tries some changes with every run of the tests; `fuzz_targets` goes on for as long as it
is let, towards code that no change has reached yet.
"""

from __future__ import annotations

import copy
import json
import random
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from tests.cases import decode
from tests.event_streams import frame
from transforms.assembly import Assembler
from transforms.chat_request import check_request
from transforms.contract import Call, Event, Provider
from transforms.errors import TransformError
from transforms.framing import EXCEPTION, EventStreamDecoder, NDJSONDecoder
from transforms.json_text import dumps

STRANGE: tuple[Any, ...] = (
    *(None, True, False, 0, -1, 1.5, 10**30, "", "x", "\ud800", "\0", "null", "{", "[1]"),
    *([], {}, [None], [[]], [{}], {"": None}, {"type": "x"}, [{"type": None}], ["x"], [1]),
    *({"type": []}, {"text": 1}, {"id": {}}, {"index": -1}, {"index": 10**9}, {"content": [1]}),
)


# Changes


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


def _holders(value: Any) -> Iterator[Any]:
    if value and isinstance(value, dict | list):
        yield value
        for inner in value.values() if isinstance(value, dict) else value:
            yield from _holders(inner)


def changed_events(events: Sequence[Event], chance: random.Random) -> list[Event]:
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
    except (ValueError, RecursionError):
        return event._replace(data=changed_bytes(event.data, chance))
    return event._replace(data=json.dumps(changed(said, chance)).encode())


def changed_bytes(text: bytes, chance: random.Random) -> bytes:
    """The bytes with a few of them exchanged, left out or added."""
    changing = bytearray(text)
    for _ in range(chance.randint(1, 4)):
        place = chance.randrange(len(changing) + 1)
        changing[place : place + chance.randint(0, 3)] = chance.randbytes(chance.randint(0, 3))
    return bytes(changing)


def framed(provider: Provider, events: Sequence[Event]) -> bytes:
    """The events as the provider would have put them on the wire."""
    return b"".join(_framed(provider.decoder, event) for event in events)


def _framed(decoder: object, event: Event) -> bytes:
    if decoder is NDJSONDecoder:
        return event.data + b"\n"
    if decoder is EventStreamDecoder:
        header = ":exception-type" if event.name.startswith(EXCEPTION) else ":event-type"
        return frame(event.name.removeprefix(EXCEPTION), _json(event.data), header)
    lines = b"".join(b"data: %s\n" % line for line in event.data.split(b"\n"))
    return (b"event: %s\n" % event.name.encode() if event.name else b"") + lines + b"\n"


def _json(text: bytes) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return None


# What must hold: no exception but `TransformError`, and nothing that JSON cannot tell.


def read_body(provider: Provider, call: Call, body: bytes, piece_bytes: int) -> None:
    """A streamed body, whole and in pieces, and then the whole way of its events."""
    pieces = [body[at : at + piece_bytes] for at in range(0, len(body), piece_bytes)]
    try:
        events = decode(provider, [body])
    except TransformError as exc:
        dumps(exc.answer().body())
        try:
            decode(provider, pieces)
        except TransformError:
            return
        raise AssertionError("in pieces, a damaged body is not damaged") from exc
    assert decode(provider, pieces) == events
    read_events(provider, call, events)


def read_events(provider: Provider, call: Call, events: Sequence[Event]) -> None:
    """The whole way of a stream, as the addon goes it."""
    stream = provider.open_stream(call)
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


def read_answer(provider: Provider, call: Call, answer: Any) -> None:
    """A plain answer; the addon gives objects alone to the provider."""
    if not isinstance(answer, dict):
        return
    try:
        completion = provider.parse_response(call, answer)
    except TransformError as exc:
        completion = exc.answer().body()
    dumps(completion)


def read_error(provider: Provider, status: int, error: Any) -> None:
    """An error answer."""
    dumps(provider.parse_error(status, error).body())


def build(provider: Provider, call: Call, request: Any) -> None:
    """A request that the check lets through, or not."""
    try:
        checked = check_request(request)
        built = provider.build_request(replace(call, request=checked))
    except TransformError as exc:
        dumps(exc.answer().body())
    else:
        dumps(built.body)
