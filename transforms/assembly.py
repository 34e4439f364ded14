"""Chunks to a plain answer, and a plain answer to chunks.

One assembler and one splitter serve every provider: what a client heard as a stream is recorded
as the `chat.completion` it amounts to, and a client that asked for a stream gets one even where
the provider answered plainly.
"""

from __future__ import annotations

from collections.abc import Iterator
from operator import itemgetter
from typing import Any

from transforms.contract import JSON
from transforms.room import Pieces, Room

_ONCE = frozenset({"role", "id", "type", "name", "index", "format"})
"""Strings that name something. Hosts repeat them; only text grows by fragments."""

_Place = tuple[int, str | None]
"""The `index` of an item of a list, and its type or id."""

_CONSTANT = frozenset({"id", "created", "model"})
"""The same in all chunks of one answer, so the first that says something stands."""


class Assembler:
    """Folds `chat.completion.chunk` objects into the `chat.completion` they amount to.

    Takes whatever a host may send: a field of an unexpected type replaces what was there.
    """

    def __init__(self, room: Room | None = None) -> None:
        """`room` is shared with whatever else keeps the answer."""
        self._room = room or Room()
        self._head: JSON = {}
        self._choices: dict[int, _Growing] = {}
        self._finish: dict[int, Any] = {}
        self._extra: dict[int, JSON] = {}

    def add(self, chunk: JSON) -> None:
        """Takes one chunk in, as far as there is room."""
        if self._room.is_full:
            return
        for key, value in chunk.items():
            if key == "choices":
                for choice in value if isinstance(value, list) else ():
                    if isinstance(choice, dict):
                        self._add_choice(choice)
            elif key in _CONSTANT:
                self._head[key] = self._head.get(key) or value
            elif value is not None and key != "object":
                self._head[key] = value

    def completion(self) -> JSON:
        """The `chat.completion` so far; `finish_reason` is null until the stream told one."""
        head = {key: value for key, value in self._head.items() if value is not None}
        usage = head.pop("usage", None)
        completion = {
            "id": head.pop("id", ""),
            "object": "chat.completion",
            "created": head.pop("created", 0),
            "model": head.pop("model", ""),
            "choices": [self._choice(index) for index in sorted(self._choices)],
            **head,
        }
        if usage is not None:
            completion["usage"] = usage
        return completion

    def _add_choice(self, choice: JSON) -> None:
        index = choice.get("index")
        if not isinstance(index, int):
            index = 0
        growing = self._choices.get(index)
        if growing is None:
            if self._room.is_full:
                return
            growing = self._choices[index] = _Growing(self._room)
            self._extra[index] = {}
        delta = choice.get("delta")
        if isinstance(delta, dict):
            growing.add(delta)
        if choice.get("finish_reason"):
            self._finish[index] = choice["finish_reason"]
        if isinstance(choice.get("usage"), dict):
            # Moonshot's place for it.
            self._extra[index]["usage"] = choice["usage"]
        logprobs = choice.get("logprobs")
        if isinstance(logprobs, dict):
            self._add_logprobs(index, logprobs)

    def _add_logprobs(self, index: int, logprobs: JSON) -> None:
        kept = self._extra[index].setdefault("logprobs", {})
        for key, tokens in logprobs.items():
            if isinstance(tokens, list) and isinstance(kept.get(key), list):
                kept[key].extend(tokens)
            elif isinstance(tokens, list):
                kept[key] = Pieces(self._room)
                kept[key].extend(tokens)
            elif tokens is not None or key not in kept:
                kept[key] = tokens

    def _choice(self, index: int) -> JSON:
        message = self._choices[index].value()
        extra = dict(self._extra[index])
        if "logprobs" in extra:
            # They go on growing while the record is written.
            extra["logprobs"] = {
                key: [*tokens] if isinstance(tokens, list) else tokens
                for key, tokens in extra["logprobs"].items()
            }
        return {
            "index": index,
            "message": {
                "role": message.pop("role", "assistant"),
                "content": message.pop("content", None),
                **message,
            },
            **extra,
            "finish_reason": self._finish.get(index),
        }


class _Growing:
    """An object that arrives in fragments: strings grow, and so do lists, item by item where
    their items have an `index`."""

    def __init__(self, room: Room) -> None:
        room.take()
        self._room = room
        self._text: dict[str, Pieces[str]] = {}
        self._items: dict[str, _Items] = {}
        self._lists: dict[str, Pieces[Any]] = {}
        self._nested: dict[str, _Growing] = {}
        self._last: JSON = {}

    def add(self, fragment: JSON) -> None:
        for key, value in fragment.items():
            if value is None:
                self._last.setdefault(key, None)
            elif key in _ONCE:
                if not self._last.get(key):
                    self._last[key] = value
            elif isinstance(value, str):
                self._last.setdefault(key, None)
                text = self._text.get(key)
                if text is None:
                    text = self._text[key] = Pieces(self._room)
                text.append(value)
            elif isinstance(value, dict):
                self._last.setdefault(key, None)
                self._nested_in(key).add(value)
            elif _is_indexed(value):
                self._last.setdefault(key, None)
                mark = "id" if key == "tool_calls" else "type"
                self._items.setdefault(key, _Items(self._room, mark)).add(value)
            elif isinstance(value, list):
                self._last.setdefault(key, None)
                self._lists.setdefault(key, Pieces(self._room)).extend(value)
            else:
                self._last[key] = value

    def _nested_in(self, key: str) -> _Growing:
        nested = self._nested.get(key)
        if nested is None:
            nested = self._nested[key] = _Growing(self._room)
        return nested

    def value(self) -> JSON:
        value = dict(self._last)
        for key, pieces in self._text.items():
            value[key] = "".join(pieces)
        for key, parts in self._lists.items():
            # Mistral thinks in content parts and goes on in bare text.
            text = value[key] if isinstance(value[key], str) else ""
            value[key] = [*parts, {"type": "text", "text": text}] if text else [*parts]
        for key, nested in self._nested.items():
            value[key] = nested.value()
        for key, items in self._items.items():
            value[key] = items.value()
            if key == "tool_calls":
                for item in value[key]:
                    item.pop("index", None)
        return value


class _Items:
    """The items of a list that are told apart by their `index` and a second mark.

    OpenRouter gives items of several types one `index`; Mistral has given all calls the same. The
    mark is often left out of later fragments, which belong to the last item of their index.
    """

    def __init__(self, room: Room, mark: str) -> None:
        self._room = room
        self._mark = mark
        self._items: dict[_Place, _Growing] = {}
        self._last: dict[int, _Place] = {}

    def add(self, fragments: list[JSON]) -> None:
        for fragment in fragments:
            place = self._place(fragment)
            if place not in self._items:
                if self._room.is_full:
                    return
                self._items[place] = _Growing(self._room)
                self._last[place[0]] = place
            self._items[place].add(fragment)

    def _place(self, fragment: JSON) -> _Place:
        index, mark = fragment["index"], fragment.get(self._mark)
        mark = mark if isinstance(mark, str) and mark else None
        last = self._last.get(index)
        if last is not None and (mark is None or last[1] is None):
            return last
        return index, mark

    def value(self) -> list[JSON]:
        return [self._items[place].value() for place in sorted(self._items, key=itemgetter(0))]


def joined_items(items: list[Any]) -> list[Any]:
    """A list that arrived in several pieces, fragments of one item put together."""
    growing = _Growing(Room())
    growing.add({"items": items})
    joined: list[Any] = growing.value()["items"]
    return joined


def _is_indexed(value: object) -> bool:
    return (
        isinstance(value, list)
        and bool(value)
        and all(isinstance(item, dict) and isinstance(item.get("index"), int) for item in value)
    )


def split_completion(completion: JSON) -> Iterator[JSON]:
    """The chunks of a plain answer, in the order OpenAI streams them.

    Per choice: role, reasoning and the other fields, content, one chunk for each tool call,
    finish. The usage chunk comes last, if there is usage.
    """
    head = {key: value for key, value in completion.items() if key not in {"choices", "usage"}}
    head["object"] = "chat.completion.chunk"
    for choice in completion.get("choices") or ():
        index = choice.get("index", 0)
        for delta, logprobs in _split_message(choice):
            told = {"index": index, "delta": delta, "logprobs": logprobs, "finish_reason": None}
            yield {**head, "choices": [told]}
        finish = {"index": index, "delta": {}, "finish_reason": choice.get("finish_reason")}
        yield {**head, "choices": [finish]}
    if completion.get("usage") is not None:
        yield {**head, "choices": [], "usage": completion["usage"]}


def one_call_each(chunk: JSON) -> list[JSON]:
    """The chunk, with every further call of a delta in a chunk of its own, as OpenAI streams them.

    Mistral and Groq tell parallel calls in one delta, and clients such as LlamaIndex look at the
    first call of a delta alone. The finish never stands beside calls, so it stays behind them.
    """
    if not any(len(_calls_of(choice)) > 1 for choice in chunk["choices"]):
        return [chunk]
    first, further = [], []
    for choice in chunk["choices"]:
        delta, calls = choice["delta"], _calls_of(choice)
        first.append({**choice, "delta": {**delta, "tool_calls": calls[:1]}} if calls else choice)
        further += [
            {"index": choice["index"], "delta": {"tool_calls": [call]}, "finish_reason": None}
            for call in calls[1:]
        ]
    return [{**chunk, "choices": choices} for choices in (first, *([each] for each in further))]


def _calls_of(choice: JSON) -> list[JSON]:
    return choice["delta"].get("tool_calls") or []


def _split_message(choice: JSON) -> Iterator[tuple[JSON, JSON | None]]:
    message = dict(choice.get("message") or {})
    yield {"role": message.pop("role", "assistant"), "content": ""}, None
    content = message.pop("content", None)
    tool_calls = message.pop("tool_calls", None) or ()
    for key, value in message.items():
        if value is not None:
            yield {key: value}, None
    if content or choice.get("logprobs"):
        yield {"content": content or ""}, choice.get("logprobs")
    for index, call in enumerate(tool_calls):
        yield {"tool_calls": [{"index": index, **_streamable(call)}]}, None


def _streamable(call: JSON) -> JSON:
    """A custom call as a function call: chunks have no other kind."""
    if call.get("type") != "custom":
        return call
    custom = call.get("custom") or {}
    function = {"name": custom.get("name", ""), "arguments": custom.get("input", "")}
    return {"id": call.get("id"), "type": "function", "function": function}
