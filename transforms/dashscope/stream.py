"""Chunks from a native stream.

Every event holds a frame of the same form as the plain answer: a message with what is new in each
of its fields, a `finish_reason` that is the word "null" until the end, and the usage so far. A call
is named once; what follows has an empty id, or the same id again, and is told apart by its index
alone. Of several choices each has frames of its own, which count its own output. An event with the
status of an error ends the answer. Nothing marks the end of the stream, so finish and usage are
held back until the body is over.

Source: recorded exchanges (2025-11); the dashscope SDK 2.0, which adds up the output of choices;
Model Studio documentation, "Streaming" (2026-09).
"""

from __future__ import annotations

from transforms.contract import JSON, Call, Event
from transforms.dashscope.errors import raise_reported_error
from transforms.dashscope.frames import Increments, Told, read_frame
from transforms.dashscope.response import (
    build_usage,
    finish_reason,
    joined_usage,
    search_results,
)
from transforms.errors import ResponseError
from transforms.framing import parse_event
from transforms.room import MOST_PARTS, Latest, Parts, Pieces, Room

_TEXTS = ("reasoning_content", "content")


class FrameStream:
    """One native stream on its way to `chat.completion.chunk` objects."""

    def __init__(self, call: Call) -> None:
        self.finished = False
        self.room = Room()
        self._call = call
        self._head: JSON = {}
        self._told: JSON = {}
        self._output: JSON = {}
        self._increments = Increments()
        self._choices: dict[int, _Choice] = {}
        self._usages: Latest[int, JSON] = Latest()

    @property
    def usage(self) -> JSON | None:
        """The tokens counted so far."""
        return build_usage(joined_usage(self._usages))

    @property
    def answer(self) -> JSON:
        """The plain answer, folded from the frames so far."""
        if not self._head:
            return {}
        choices = [choice.value() for _, choice in sorted(self._choices.items())]
        usage = {"usage": joined_usage(self._usages)} if self._usages else {}
        return {"output": {"choices": choices, **self._output}, **usage, **self._told}

    def feed(self, event: Event) -> list[JSON]:
        """The chunks for one server-sent event."""
        if self.finished or event.data.strip() in (b"", b"[DONE]"):
            return []
        body = parse_event(event)
        raise_reported_error(body, event.name)
        output = body.get("output")
        if not isinstance(output, dict):
            return []
        self._head = self._head or self._call.head(body.get("request_id"))
        self._told.update({name: body[name] for name in ("request_id",) if body.get(name)})
        self._output.update({name: output[name] for name in ("search_info",) if output.get(name)})
        frame_told = read_frame(body)
        self._count(frame_told, body.get("usage"))
        return [
            chunk
            for frame in self._increments.take(frame_told)
            for told in frame
            for chunk in self._grow(told)
        ]

    def close(self) -> list[JSON]:
        """The finish of each choice and the usage, which waited for the end of the body.

        Raises:
            ResponseError: a choice was not finished.
        """
        if self.finished:
            return []
        finished = [choice for choice in self._choices.values() if choice.finish]
        if len(finished) < max(len(self._choices), self._call.request.get("n") or 1):
            raise ResponseError(
                "The provider's stream ended before the answer did.", code="upstream_stream_ended"
            )
        self.finished = True
        ends = [
            self._chunk(index, delta, reason)
            for index, choice in sorted(self._choices.items())
            for delta, reason in choice.ends()
        ]
        ends[-1].update(search_results({"output": self._output}))
        usage = self.usage
        return ends if usage is None else [*ends, {**self._head, "choices": [], "usage": usage}]

    def _count(self, frame: list[Told], usage: object) -> None:
        """Keeps the usage so far, which counts the output of the frame's own choice alone."""
        index = frame[0].index if frame else next(reversed(self._usages), 0)
        if isinstance(usage, dict) and usage:
            # Taken out first, so that the latest comes last.
            self._usages.pop(index, None)
            self._usages.put(index, usage)

    def _choice(self, index: int) -> _Choice:
        choice = self._choices.get(index)
        if choice is None:
            if len(self._choices) >= MOST_PARTS:
                raise ResponseError(f"The provider's stream has more than {MOST_PARTS} choices.")
            choice = self._choices[index] = _Choice(self._call, index, self.room)
        return choice

    def _grow(self, told: Told) -> list[JSON]:
        delta = self._choice(told.index).delta(told)
        if not delta and told.logprobs is None:
            return []
        chunk = self._chunk(told.index, delta)
        if told.logprobs is not None:
            chunk["choices"][0]["logprobs"] = told.logprobs
        return [chunk]

    def _chunk(self, index: int, delta: JSON, reason: str | None = None) -> JSON:
        return {
            **self._head,
            "choices": [{"index": index, "delta": delta, "finish_reason": reason}],
        }


class _Choice:
    """A choice as it grows."""

    def __init__(self, call: Call, index: int, room: Room) -> None:
        self.finish = ""
        self._call = call
        self._index = index
        self._room = room
        self._started = False
        self._texts: dict[str, Pieces[str]] = {name: Pieces(room) for name in _TEXTS}
        self._count = 0
        self._calls: Latest[int, _ToolCall] = Latest()
        self._told_calls: Parts[_ToolCall] = Parts(room)
        self._logprobs: Pieces[JSON] = Pieces(room)

    def delta(self, told: Told) -> JSON:
        """What the choice has to say that was not said."""
        self.finish = self.finish or told.finish
        for name, pieces in self._texts.items():
            pieces.append(told.texts.get(name, ""))
        if told.logprobs is not None:
            self._logprobs.extend(told.logprobs["content"])
        delta: JSON = {name: told.texts[name] for name in _TEXTS if told.texts.get(name)}
        fragments = [fragment for index in told.calls for fragment in self._fragments(index, told)]
        if fragments:
            delta["tool_calls"] = fragments
        if not self._started:
            self._started = True
            delta = {"role": "assistant", "content": "", **delta}
        return delta

    def ends(self) -> list[tuple[JSON, str | None]]:
        """The last deltas: an empty object for calls without arguments, and the finish."""
        silent = [end for call in self._calls.values() for end in call.end()]
        finish = finish_reason(self.finish, called=self._count > 0)
        return [*([({"tool_calls": silent}, None)] if silent else []), ({}, finish)]

    def value(self) -> JSON:
        """The choice as a plain answer would hold it."""
        message: JSON = {
            "role": "assistant",
            "content": "".join(self._texts["content"]),
            "reasoning_content": "".join(self._texts["reasoning_content"]),
            "tool_calls": [call.value() for call in self._told_calls],
        }
        said = {name: value for name, value in message.items() if value or name == "content"}
        choice = {"finish_reason": self.finish or "null", "index": self._index, "message": said}
        return {**choice, "logprobs": {"content": self._logprobs}} if self._logprobs else choice

    def _fragments(self, index: int, told: Told) -> list[JSON]:
        """What is new of a call, and the end of one that never got arguments, where there are too
        many calls."""
        arguments = told.texts.get(index, "")
        call = self._calls.get(index)
        if call is not None:
            return call.grow(arguments)
        at, self._count = self._count, self._count + 1
        call = _ToolCall(at, *told.calls[index], self._room)
        self._told_calls.append(call)
        ends = [end for old in self._calls.put(index, call) for end in old.end()]
        call.grow(arguments)
        opening = {
            "index": at,
            "id": call.id or self._call.tool_call_id(at),
            "type": "function",
            "function": {"name": call.name, "arguments": arguments},
        }
        return [*ends, opening]


class _ToolCall:
    """A call as it grows, and the place it has among the calls; named in its first fragment
    alone."""

    __slots__ = ("_at", "_has_arguments", "_pieces", "id", "name")

    def __init__(self, at: int, call_id: str, name: str, room: Room) -> None:
        self.id = call_id
        self.name = name
        self._at = at
        self._pieces: Pieces[str] = Pieces(room)
        self._has_arguments = False

    def grow(self, arguments: str) -> list[JSON]:
        """The fragment for more arguments, if there are any."""
        if not arguments:
            return []
        self._has_arguments = True
        self._pieces.append(arguments)
        return [{"index": self._at, "function": {"arguments": arguments}}]

    def end(self) -> list[JSON]:
        """The fragment for arguments that never came: an empty object."""
        return [] if self._has_arguments else [{"index": self._at, "function": {"arguments": "{}"}}]

    def value(self) -> JSON:
        """The call as a plain answer would hold it."""
        return {
            "index": self._at,
            "id": self.id,
            "type": "function",
            "function": {"name": self.name, "arguments": "".join(self._pieces)},
        }
