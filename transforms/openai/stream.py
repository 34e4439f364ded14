"""A host's stream as OpenAI chunks."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from transforms.assembly import Assembler, joined_items
from transforms.contract import JSON, Call, Event
from transforms.errors import ResponseError
from transforms.framing import parse_event
from transforms.openai.errors import raise_reported_error, reported_error
from transforms.openai.quirks import NONE, Quirks
from transforms.openai.response import (
    FAILED_FINISHES,
    IN_EVERY_CHUNK,
    annotations_of,
    arguments_of,
    created_at,
    extras_of,
    failed_finish,
    finish_reason_of,
    index_of,
    logprobs_of,
    marked_citations,
    told_fields,
)
from transforms.openai.usage import usage_of
from transforms.room import MOST_PARTS, Latest, Pieces, Room, take_in
from transforms.values import text_of


class ChunkStream:
    """Chunks of an OpenAI-like host, brought into the letter of the format.

    One role per choice, then deltas; tool calls with a dense index, named once; lists in one piece
    before the finish; one finish per choice, held back until `[DONE]` or the end of the body
    because some hosts send calls after it; then usage. The end of the body before any finish is
    an error, and so are more choices than anybody asks for.
    """

    def __init__(self, call: Call, quirks: Quirks = NONE) -> None:
        self.finished = False
        self.room = Room()
        self._call = call
        self._quirks = quirks
        self._told = Assembler(self.room)
        self._head: JSON = {}
        self._extras: JSON = {}
        self._choices: dict[int, _ChoiceState] = {}
        self.usage: JSON | None = None

    @property
    def answer(self) -> JSON:
        """The host's `chat.completion`, folded from its chunks as they came."""
        return self._told.completion()

    def feed(self, event: Event) -> list[JSON]:
        """The chunks for one server-sent event."""
        data = event.data.strip()
        if self.finished or not data:
            return []
        if data == b"[DONE]":
            return self._finish()
        body = parse_event(event)
        self._told.add(body)
        if event.name == "error" and not body.get("error"):
            raise ResponseError.reported(reported_error(body, self._quirks))
        raise_reported_error(body, self._quirks)
        return list(self._chunks(body))

    def close(self) -> list[JSON]:
        """The held finish and usage, where the host sent no `[DONE]`."""
        return [] if self.finished else self._finish()

    def _finish(self) -> list[JSON]:
        if not self._choices or any(not state.finish for state in self._choices.values()):
            raise ResponseError(
                "The provider's stream ended before the answer did.", code="upstream_stream_ended"
            )
        self.finished = True
        sources = self._extras if self._quirks.cited_by_marks else {}
        ends = [
            self._chunk([{"index": index, "delta": delta, "finish_reason": finish_reason}])
            for index, state in sorted(self._choices.items())
            for delta, finish_reason in state.ends(sources)
        ]
        ends[-1].update(self._extras)
        if self.usage is not None:
            ends.append({**self._chunk([]), "usage": self.usage})
        return ends

    def _chunks(self, body: JSON) -> Iterator[JSON]:
        choices = body.get("choices")
        choices = choices if isinstance(choices, list) else []
        self.usage = usage_of(body, choices) or self.usage
        take_in(self._extras, extras_of(body))
        # Azure's asynchronous filter tells of text already sent, in choices without a delta.
        choices = [
            choice
            for choice in choices
            if isinstance(choice, dict) and ("delta" in choice or choice.get("finish_reason"))
        ]
        before = list(self._skipped(choices))
        told = [self._told_choice(choice) for choice in choices]
        fresh = [choice for choice in told if choice is not None]
        if fresh:
            # What Azure's filter tells, even before the first delta, has no id and no time.
            self._head = self._head or self._constant_head(body)
            yield from (self._chunk([choice]) for choice in before)
            yield self._chunk(fresh)

    def _skipped(self, choices: list[JSON]) -> Iterator[JSON]:
        """The beginnings of choices that a later one has overtaken: clients count the choices as
        they appear."""
        asked = self._call.request.get("n") or 1
        last = max(map(index_of, choices), default=0) if asked > 1 else 0
        for index in range(last if last < asked else 0):
            if index not in self._choices:
                delta = self._choice(index).delta({})
                yield {"index": index, "delta": delta, "finish_reason": None}

    def _choice(self, index: int) -> _ChoiceState:
        state = self._choices.get(index)
        if state is None:
            if len(self._choices) >= MOST_PARTS:
                raise ResponseError(f"The provider's stream has more than {MOST_PARTS} choices.")
            state = self._choices[index] = _ChoiceState(self._call, self.room)
        return state

    def _constant_head(self, body: JSON) -> JSON:
        return {
            "id": text_of(body.get("id")) or self._call.completion_id,
            "object": "chat.completion.chunk",
            "created": created_at(body.get("created"), self._call),
            "model": self._call.request["model"],
        }

    def _chunk(self, choices: list[JSON]) -> JSON:
        extras = {name: self._extras[name] for name in IN_EVERY_CHUNK if name in self._extras}
        return {**self._head, **extras, "choices": choices}

    def _told_choice(self, choice: JSON) -> JSON | None:
        index = index_of(choice)
        state = self._choice(index)
        state.finish = state.finish or text_of(choice.get("finish_reason")) or ""
        if state.finish in FAILED_FINISHES:
            raise failed_finish(state.finish)
        delta = choice.get("delta")
        delta = state.delta(delta if isinstance(delta, dict) else {})
        logprobs = logprobs_of(choice.get("logprobs"))
        if not delta and not logprobs:
            return None
        told = {"index": index, "delta": delta, "finish_reason": None}
        if logprobs is not None:
            told["logprobs"] = logprobs
        return told


class _ChoiceState:
    """What has been told of one choice, so that nothing is told twice."""

    def __init__(self, call: Call, room: Room) -> None:
        self.finish = ""
        self._call = call
        self._room = room
        self._started = False
        self._text: Pieces[str] = Pieces(room)
        self._count = 0
        self._calls: Latest[tuple[object, str | None], _Called] = Latest()
        self._silent: Latest[_Called, _Called] = Latest()
        """Calls that have got no arguments yet."""
        self._lists: dict[str, Pieces[Any]] = {}

    def ends(self, sources: JSON) -> Iterator[tuple[JSON, str | None]]:
        """The last deltas: `{}` for calls that got no arguments, held lists, the finish."""
        if self._silent:
            yield {"tool_calls": [end for call in self._silent for end in self._end(call)]}, None
        if sources and not self._lists.get("annotations"):
            self._lists["annotations"] = Pieces(self._room)
            self._lists["annotations"].extend(marked_citations("".join(self._text), sources))
        lists = {name: joined_items(items) for name, items in self._lists.items() if items}
        if lists:
            yield lists, None
        yield {}, finish_reason_of(self.finish, called=self._count > 0)

    def delta(self, delta: JSON) -> JSON:
        fresh = {name: value for name, value in told_fields(delta).items() if value}
        calls = fresh.pop("tool_calls", None)
        self._hold_lists(fresh)
        self._text.append(text_of(fresh.get("content")) or "")
        fragments = [
            fragment
            for call in (calls if isinstance(calls, list) else ())
            if isinstance(call, dict)
            for fragment in self._fragments(call)
        ]
        if fragments:
            fresh["tool_calls"] = fragments
        if not self._started:
            self._started = True
            fresh = {"role": "assistant", "content": "", **fresh}
        return fresh

    def _hold_lists(self, fresh: JSON) -> None:
        """Keeps lists back: clients join two of them wrongly, and even those with an index where
        two items share one, as OpenRouter's `reasoning_details` of several types do."""
        for name in [name for name, value in fresh.items() if isinstance(value, list)]:
            items = fresh.pop(name)
            items = annotations_of(items) if name == "annotations" else items
            if not self._room.is_full:
                self._lists.setdefault(name, Pieces(self._room)).extend(items)

    def _fragments(self, told: JSON) -> list[JSON]:
        """The fragment of a call, and the end of one that never got arguments, where there are
        too many of those. A call of which only the id is told waits for its name, which clients
        take from the first fragment alone."""
        call, is_new = self._called(told)
        name, arguments = _name_and_arguments(told)
        ends: list[JSON] = []
        if arguments:
            self._silent.pop(call, None)
        elif is_new:
            ends = [end for old in self._silent.put(call, call) for end in self._end(old)]
        if call.index >= 0:
            return [*ends, _arguments_fragment(call.index, arguments)]
        return [*ends, self._open(call, name, arguments)] if name or arguments else ends

    def _end(self, call: _Called) -> list[JSON]:
        """The last of a call without arguments: the call itself, if it still waits, and `{}`."""
        opening = [self._open(call, "", "")] if call.index < 0 else []
        return [*opening, _arguments_fragment(call.index, "{}")]

    def _open(self, call: _Called, name: str, arguments: str) -> JSON:
        """The first fragment of a call, under a dense index; the others have no names."""
        call.index, self._count = self._count, self._count + 1
        told, call.told = call.told, {}
        return {
            **{
                key: value
                for key, value in told.items()
                if key not in {"index", "id", "type", "function", "custom", "name"}
            },
            "index": call.index,
            "id": text_of(told.get("id")) or self._call.tool_call_id(call.index),
            "type": "function",
            "function": {"name": name, "arguments": arguments},
        }

    def _called(self, told: JSON) -> tuple[_Called, bool]:
        """The call a fragment belongs to, and whether it is new.

        The id tells calls apart where the host's own index is missing or constant. A fragment
        without a name goes on with the call of its index, though, under whatever id: some hosts
        make up one for every fragment.
        """
        index, call_id = told.get("index"), text_of(told.get("id"))
        index = index if isinstance(index, int | str) else None
        if (index, call_id) in self._calls:
            return self._calls[index, call_id], False
        name, arguments = _name_and_arguments(told)
        if call_id is None or (not name and (arguments or index is not None)):
            for known, call in reversed(self._calls.items()):
                if index is None or index == known[0]:
                    return call, False
        call = _Called(told)
        self._calls.put((index, call_id), call)
        return call, True


class _Called:
    """A call, and the index by which the client knows it."""

    __slots__ = ("index", "told")

    def __init__(self, told: JSON) -> None:
        self.told = told
        """Its first fragment, until the client is told of it."""
        self.index = -1


def _name_and_arguments(call: JSON) -> tuple[str, str]:
    """What a fragment tells of its function; chunks know no custom calls, so they go out as
    functions."""
    custom, function = call.get("custom"), call.get("function")
    if isinstance(custom, dict):
        return text_of(custom.get("name")) or "", arguments_of(custom.get("input"))
    function = function if isinstance(function, dict) else {}
    return text_of(function.get("name")) or "", arguments_of(function.get("arguments"))


def _arguments_fragment(index: int, arguments: str) -> JSON:
    return {"index": index, "function": {"arguments": arguments}}
