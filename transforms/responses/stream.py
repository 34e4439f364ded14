"""Chunks from the stream of a Response.

The protocol's story: `response.created` brings the Response without output. Then output items
come, each opened by `response.output_item.added` and ended by `response.output_item.done`; in
between they grow by the deltas of their texts or arguments, and what has grown is told once more,
whole, by the `.done` of its kind. Items may grow at the same time; an event names its item by id
and by place. The last event repeats the whole Response with its usage: `response.completed`, or
`response.incomplete` where it was cut; `response.failed` and `error` tell that there is none.
Progress of the server's own tools, and whatever nobody has heard of, passes without a trace.

Hosts leave out much of that: texts come without deltas, calls without an end, the last event
without output. So every whole that is told is held against what has been passed on, and only the
rest goes out. Lists wait for the end, because clients can take a list in one chunk only.

Source: Responses API reference, "Streaming" (2026-09).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from transforms.contract import JSON, Call, Event
from transforms.errors import ResponseError
from transforms.framing import parse_event
from transforms.responses.continuation import STATE, with_state
from transforms.responses.reasoning import CALLS, parts, text
from transforms.responses.response import (
    PARAGRAPH,
    build_logprobs,
    build_message,
    build_usage,
    call_id,
    check_status,
    extras,
    finish_reason,
    head,
    raise_reported,
)
from transforms.room import Latest, Parts, Pieces, Room

_Slot = tuple[str, str, str]
"""Member of an item that holds parts, kind of the part, member of the part that holds text."""

_TEXT: _Slot = ("content", "output_text", "text")
_REFUSAL: _Slot = ("content", "refusal", "refusal")
_THOUGHT: _Slot = ("content", "reasoning_text", "text")
_SUMMARY: _Slot = ("summary", "summary_text", "text")

_PartPlace = tuple[_Slot, int]

_SLOTS = (_TEXT, _REFUSAL, _THOUGHT, _SUMMARY)

_DELTA_FIELD = {
    _TEXT: "content",
    _REFUSAL: "refusal",
    _THOUGHT: "reasoning_content",
    _SUMMARY: "reasoning_content",
}

_INPUT_FIELD = {"function_call": "arguments", "custom_tool_call": "input"}

_WAITING = ("reasoning_details", "annotations", STATE)


class ResponseStream:
    """One streamed Response on its way to `chat.completion.chunk` objects."""

    def __init__(self, call: Call) -> None:
        self.finished = False
        self.room = Room()
        self._call = call
        self._head: JSON = {}
        self._response: JSON = {}
        self._items: Parts[_Item] = Parts(self.room)
        self._places: Latest[str | int, _Item] = Latest()
        self._count = 0
        self._calls = 0
        self._has_thought = False

    @property
    def usage(self) -> JSON | None:
        """The tokens counted so far."""
        return build_usage(self._response.get("usage"))

    @property
    def answer(self) -> JSON:
        """The Response, folded from the events so far."""
        if not self._response and not self._items:
            return {}
        return {**self._response, "output": [item.value() for item in self._items]}

    def feed(self, event: Event) -> list[JSON]:
        """The chunks for one server-sent event; an end mark in OpenAI's manner is passed over."""
        if self.finished or event.data.strip() == b"[DONE]":
            return []
        body = parse_event(event)
        kind = text(body.get("type")) or event.name
        if kind == "error" or body.get("error"):
            raise_reported(body.get("error") or body)
        step = _STEPS.get(kind)
        return list(step(self, body)) if step else []

    def close(self) -> list[JSON]:
        """Nothing: every chunk has left with its event.

        Raises:
            ResponseError: the last event never came.
        """
        if not self.finished:
            raise ResponseError(
                "The provider's stream ended before the answer did.", code="upstream_stream_ended"
            )
        return []

    def _start(self, body: JSON) -> Iterator[JSON]:
        if not self._head:
            self._response = _object(body, "response")
            yield from self._open()

    def _open(self) -> Iterator[JSON]:
        self._head = head(self._call, self._response)
        yield self._chunk({"role": "assistant", "content": ""})

    def _tell(self, delta: JSON, logprobs: list[JSON] | None = None) -> Iterator[JSON]:
        """One chunk, after the first one where the provider announced nothing."""
        if not self._head:
            yield from self._open()
        yield self._chunk(delta, logprobs)

    def _chunk(
        self, delta: JSON, logprobs: list[JSON] | None = None, reason: str | None = None
    ) -> JSON:
        choice: JSON = {"index": 0, "delta": delta, "finish_reason": reason}
        if logprobs:
            choice["logprobs"] = build_logprobs(logprobs)
        return {**self._head, "choices": [choice]}

    def _add_item(self, body: JSON) -> Iterator[JSON]:
        yield from self._begin(_object(body, "item"), body.get("output_index"))

    def _begin(self, opening: JSON, place: object) -> Iterator[JSON]:
        item = _Item(opening, self.room)
        self._items.append(item)
        self._count += 1
        for name in (opening.get("id"), place):
            if isinstance(name, str | int):
                for forgotten in self._places.put(name, item):
                    yield from self._settle_rest(forgotten)
        if item.kind in CALLS:
            # A counter of our own: the place of an item counts its reasoning too.
            item.call = self._calls
            self._calls += 1
            yield from self._tell({"tool_calls": [self._first_fragment(item)]})

    def _first_fragment(self, item: _Item) -> JSON:
        """The head of a call; chunks know no custom calls, so they go out as functions."""
        return {
            "index": item.call,
            "id": call_id(item.opening, item.call, self._call),
            "type": "function",
            "function": {"name": text(item.opening.get("name")), "arguments": ""},
        }

    def _item(self, body: JSON) -> _Item:
        """The item of an event. The id comes first, since hosts give all items one place; others
        give an item a new id with each event, and then its place is right."""
        item_id, place = body.get("item_id"), body.get("output_index")
        item = self._places.get(item_id) if isinstance(item_id, str) else None
        if item is None and isinstance(place, int):
            item = self._places.get(place)
        if item is None:
            raise ResponseError(f"The provider's `{body.get('type')}` is of no item it has opened.")
        return item

    def _grow(
        self, item: _Item, slot: _Slot, index: int, piece: str, logprobs: list[JSON] | None = None
    ) -> Iterator[JSON]:
        """Passes on a piece of text. Reasoning is told once, by whichever kind comes first."""
        part = item.part(slot, index)
        is_first = not part.told.length
        part.told.add(piece)
        part.logprobs.extend(logprobs or [])
        if not piece and not logprobs:
            return
        if slot in (_THOUGHT, _SUMMARY):
            item.voice = item.voice or slot
            if item.voice != slot:
                return
            if is_first and self._has_thought:
                piece = PARAGRAPH + piece
            self._has_thought = True
        yield from self._tell({_DELTA_FIELD[slot]: piece}, logprobs)

    def _grow_rest(self, item: _Item, slot: _Slot, index: int, whole: JSON) -> Iterator[JSON]:
        part = item.part(slot, index)
        logprobs = None if part.told.length else parts(whole, "logprobs")
        rest = part.told.rest(text(whole.get(slot[2])))
        yield from self._grow(item, slot, index, rest, logprobs)

    def _argue(self, item: _Item, piece: str) -> Iterator[JSON]:
        if piece and item.call >= 0:
            item.told.add(piece)
            fragment = {"index": item.call, "function": {"arguments": piece}}
            yield from self._tell({"tool_calls": [fragment]})

    def _annotate(self, body: JSON) -> Iterator[JSON]:
        part = self._item(body).part(_TEXT, _index(body, "content_index"))
        part.annotations.append(body.get("annotation"))
        return iter(())

    def _end_item(self, body: JSON) -> Iterator[JSON]:
        told = _object(body, "item")
        place = {**body, "item_id": told.get("id")}
        yield from self._settle(self._item(place), told)

    def _settle(self, item: _Item, whole: JSON) -> Iterator[JSON]:
        """Passes on what of an item has not been told yet."""
        for slot in _SLOTS:
            for index, part in enumerate(parts(whole, slot[0])):
                if part.get("type") == slot[1]:
                    yield from self._grow_rest(item, slot, index, part)
        if item.call >= 0:
            told = text(whole.get(_INPUT_FIELD[item.kind]))
            yield from self._argue(item, item.told.rest(told))
            if not item.told.length and item.kind == "function_call":
                yield from self._argue(item, text(item.opening.get("arguments")) or "{}")
        item.settle(whole)

    def _settle_rest(self, item: _Item) -> Iterator[JSON]:
        """Ends an item that the provider did not end."""
        if not item.is_settled:
            yield from self._settle(item, item.value())

    def _end(self, body: JSON) -> Iterator[JSON]:
        response = _object(body, "response")
        check_status(response)
        self._response = {**self._response, **response}
        yield from self._settle_all(parts(response, "output"))
        if not self._head:
            yield from self._open()
        answer = self.answer
        output = parts(answer, "output")
        message = with_state(self._call, answer, build_message(output, self._call))
        waiting = {name: message[name] for name in _WAITING if name in message}
        if waiting:
            yield self._chunk(waiting)
        reason = finish_reason(answer, called=self._calls > 0)
        yield {**self._chunk({}, reason=reason), **extras(answer)}
        usage = build_usage(answer.get("usage"))
        if usage is not None:
            yield {**self._head, "choices": [], "usage": usage}
        self.finished = True

    def _settle_all(self, output: list[JSON]) -> Iterator[JSON]:
        """Takes in the output as the last event tells it, where that fits what came before."""
        for place, told in enumerate(output):
            if place == self._count:
                yield from self._begin(told, place)
            is_kept = place < len(self._items)
            item = self._items[place] if is_kept else self._places.get(place)
            if item is not None and item.is_same(told):
                yield from self._settle(item, told)
        for item in [*self._items, *self._places.values()]:
            yield from self._settle_rest(item)

    def _fail(self, body: JSON) -> Iterator[JSON]:
        response = _object(body, "response")
        check_status(response)
        raise_reported(response.get("error"))


class _Told:
    """A text as far as it was passed on. Pieces are joined when asked for, not one by one, so that
    a long answer stays linear."""

    __slots__ = ("_pieces", "length")

    def __init__(self, room: Room) -> None:
        self.length = 0
        self._pieces: Pieces[str] = Pieces(room)

    @property
    def text(self) -> str:
        """The text, as far as it is kept."""
        return "".join(self._pieces)

    def add(self, piece: str) -> None:
        """Takes in what is passed on."""
        self.length += len(piece)
        self._pieces.append(piece)

    def rest(self, whole: str) -> str:
        """What of a whole has not been passed on; nothing where the two differ, for what is out
        cannot be taken back."""
        return whole[self.length :] if whole.startswith(self.text) else ""


class _Part:
    """A part of an item as it grows."""

    __slots__ = ("annotations", "logprobs", "told")

    def __init__(self, room: Room) -> None:
        self.told = _Told(room)
        self.logprobs: Pieces[JSON] = Pieces(room)
        self.annotations: Pieces[Any] = Pieces(room)


class _Item:
    """An output item as it grows."""

    __slots__ = (
        *("_kept", "_parts", "_room", "_whole"),
        *("call", "is_settled", "kind", "opening", "told", "voice"),
    )

    def __init__(self, opening: JSON, room: Room) -> None:
        self.kind = text(opening.get("type"))
        self.opening = opening
        self.call = -1
        self.told = _Told(room)
        self.voice: _Slot | None = None
        self.is_settled = False
        self._room = room
        self._whole: JSON | None = None
        self._parts: Latest[_PartPlace, _Part] = Latest()
        self._kept: Parts[tuple[_PartPlace, _Part]] = Parts(room)

    def part(self, slot: _Slot, index: int) -> _Part:
        """The part at a place, which need not have been announced."""
        part = self._parts.get((slot, index))
        if part is None:
            part = _Part(self._room)
            self._parts.put((slot, index), part)
            self._kept.append(((slot, index), part))
        return part

    def settle(self, whole: JSON) -> None:
        """Takes in the item as it is told at its end, if there is room."""
        self.is_settled = True
        if not self._room.is_full:
            self._whole = whole

    def is_same(self, told: JSON) -> bool:
        """Whether this is the item that the last event tells at its place."""
        calls = (told.get("call_id"), self.opening.get("call_id"))
        return told.get("type") == self.kind and (self.call < 0 or calls[0] == calls[1])

    def value(self) -> JSON:
        """The item as a plain answer would hold it."""
        grown = self._grown()
        if self._whole is None:
            return {**self.opening, **grown}
        untold = {name: value for name, value in grown.items() if not self._whole.get(name)}
        return self._with_logprobs({**self._whole, **untold})

    def _grown(self) -> JSON:
        """The members that came in pieces."""
        grown: JSON = {}
        for ((member, kind, name), _), part in sorted(self._kept, key=_by_place):
            told: JSON = {"type": kind, name: part.told.text}
            told |= {"annotations": part.annotations} if part.annotations else {}
            told |= {"logprobs": part.logprobs} if part.logprobs else {}
            grown.setdefault(member, []).append(told)
        if self.told.text:
            grown[_INPUT_FIELD[self.kind]] = self.told.text
        return grown

    def _with_logprobs(self, whole: JSON) -> JSON:
        """The whole with the logprobs that came with the deltas; its own are rounded."""
        streamed = {
            index: part.logprobs
            for (slot, index), part in self._kept
            if slot == _TEXT and part.logprobs
        }
        if not streamed:
            return whole
        content = [
            {**part, "logprobs": streamed[index]} if index in streamed else part
            for index, part in enumerate(parts(whole, "content"))
        ]
        return {**whole, "content": content}


def _by_place(entry: tuple[_PartPlace, _Part]) -> int:
    return entry[0][1]


_Step = Callable[[ResponseStream, JSON], Iterator[JSON]]


def _text_delta(slot: _Slot, place: str) -> _Step:
    def step(stream: ResponseStream, body: JSON) -> Iterator[JSON]:
        logprobs = parts(body, "logprobs")
        item, index = stream._item(body), _index(body, place)
        yield from stream._grow(item, slot, index, text(body.get("delta")), logprobs)

    return step


def _text_done(slot: _Slot, place: str) -> _Step:
    def step(stream: ResponseStream, body: JSON) -> Iterator[JSON]:
        yield from stream._grow_rest(stream._item(body), slot, _index(body, place), body)

    return step


def _input_delta(stream: ResponseStream, body: JSON) -> Iterator[JSON]:
    yield from stream._argue(stream._item(body), text(body.get("delta")))


def _input_done(stream: ResponseStream, body: JSON) -> Iterator[JSON]:
    item = stream._item(body)
    told = text(body.get(_INPUT_FIELD.get(item.kind, "")))
    yield from stream._argue(item, item.told.rest(told))


_STEPS: dict[str, _Step] = {
    "response.created": ResponseStream._start,
    "response.output_item.added": ResponseStream._add_item,
    "response.output_item.done": ResponseStream._end_item,
    "response.output_text.delta": _text_delta(_TEXT, "content_index"),
    "response.output_text.done": _text_done(_TEXT, "content_index"),
    "response.output_text.annotation.added": ResponseStream._annotate,
    "response.refusal.delta": _text_delta(_REFUSAL, "content_index"),
    "response.refusal.done": _text_done(_REFUSAL, "content_index"),
    "response.reasoning_text.delta": _text_delta(_THOUGHT, "content_index"),
    "response.reasoning_text.done": _text_done(_THOUGHT, "content_index"),
    "response.reasoning_summary_text.delta": _text_delta(_SUMMARY, "summary_index"),
    "response.reasoning_summary_text.done": _text_done(_SUMMARY, "summary_index"),
    "response.function_call_arguments.delta": _input_delta,
    "response.function_call_arguments.done": _input_done,
    "response.custom_tool_call_input.delta": _input_delta,
    "response.custom_tool_call_input.done": _input_done,
    "response.completed": ResponseStream._end,
    "response.incomplete": ResponseStream._end,
    "response.failed": ResponseStream._fail,
    "response.cancelled": ResponseStream._fail,
}
"""Kind of event -> what it does; any other passes without a trace."""


def _index(body: JSON, name: str) -> int:
    index = body.get(name)
    return index if isinstance(index, int) else 0


def _object(body: JSON, name: str) -> JSON:
    value = body.get(name)
    if not isinstance(value, dict):
        raise ResponseError(f"The provider's event `{body.get('type')}` has no `{name}`.")
    return value
