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

from transforms.assembly import Pieces
from transforms.contract import JSON, Call, Event
from transforms.dashscope.errors import raise_reported_error
from transforms.dashscope.frames import Field, Increments, Told, read_frame
from transforms.dashscope.response import (
    build_usage,
    finish_reason,
    head,
    joined_usage,
    search_results,
)
from transforms.errors import ResponseError
from transforms.framing import parse_event

_TEXTS = ("reasoning_content", "content")


class FrameStream:
    """One native stream on its way to `chat.completion.chunk` objects."""

    def __init__(self, call: Call) -> None:
        self.finished = False
        self._call = call
        self._head: JSON = {}
        self._told: JSON = {}
        self._output: JSON = {}
        self._increments = Increments()
        self._choices: dict[int, _Choice] = {}
        self._usages: dict[int, JSON] = {}

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
        self._head = self._head or head(self._call, body)
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
        usage = build_usage(joined_usage(self._usages))
        return ends if usage is None else [*ends, {**self._head, "choices": [], "usage": usage}]

    def _count(self, frame: list[Told], usage: object) -> None:
        """Keeps the usage so far, which counts the output of the frame's own choice alone."""
        index = frame[0].index if frame else next(reversed(self._usages), 0)
        if isinstance(usage, dict) and usage:
            # Taken out first, so that the latest comes last.
            self._usages.pop(index, None)
            self._usages[index] = usage

    def _grow(self, told: Told) -> list[JSON]:
        choice = self._choices.get(told.index)
        if choice is None:
            choice = self._choices[told.index] = _Choice(self._call, told.index)
        delta = choice.delta(told)
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

    def __init__(self, call: Call, index: int) -> None:
        self.finish = ""
        self._call = call
        self._index = index
        self._started = False
        self._texts: dict[Field, Pieces[str]] = {}
        self._calls: dict[int, _Opening] = {}
        self._logprobs: Pieces[JSON] = Pieces()

    def delta(self, told: Told) -> JSON:
        """What the choice has to say that was not said."""
        self.finish = self.finish or told.finish
        for field, text in told.texts.items():
            self._texts.setdefault(field, Pieces()).append(text)
        if told.logprobs is not None:
            self._logprobs.extend(told.logprobs["content"])
        delta: JSON = {name: told.texts[name] for name in _TEXTS if told.texts.get(name)}
        fragments = [self._fragment(index, told) for index in told.calls]
        fragments = [fragment for fragment in fragments if fragment]
        if fragments:
            delta["tool_calls"] = fragments
        if not self._started:
            self._started = True
            delta = {"role": "assistant", "content": "", **delta}
        return delta

    def ends(self) -> list[tuple[JSON, str | None]]:
        """The last deltas: an empty object for calls without arguments, and the finish."""
        silent = [
            {"index": call.at, "function": {"arguments": "{}"}}
            for index, call in self._calls.items()
            if not any(self._texts.get(index, ()))
        ]
        finish = finish_reason(self.finish, called=bool(self._calls))
        return [*([({"tool_calls": silent}, None)] if silent else []), ({}, finish)]

    def value(self) -> JSON:
        """The choice as a plain answer would hold it."""
        message: JSON = {
            "role": "assistant",
            "content": self._text("content"),
            "reasoning_content": self._text("reasoning_content"),
            "tool_calls": [
                {
                    "index": call.at,
                    "id": call.id,
                    "type": "function",
                    "function": {"name": call.name, "arguments": self._text(index)},
                }
                for index, call in self._calls.items()
            ],
        }
        said = {name: value for name, value in message.items() if value or name == "content"}
        choice = {"finish_reason": self.finish or "null", "index": self._index, "message": said}
        return {**choice, "logprobs": {"content": self._logprobs}} if self._logprobs else choice

    def _text(self, field: Field) -> str:
        return "".join(self._texts.get(field, ()))

    def _fragment(self, index: int, told: Told) -> JSON:
        """A fragment of a call, named in the first alone; nothing where it says nothing new."""
        arguments = told.texts.get(index, "")
        call = self._calls.get(index)
        if call is not None:
            return {"index": call.at, "function": {"arguments": arguments}} if arguments else {}
        call = self._calls[index] = _Opening(len(self._calls), *told.calls[index])
        return {
            "index": call.at,
            "id": call.id or self._call.tool_call_id(call.at),
            "type": "function",
            "function": {"name": call.name, "arguments": arguments},
        }


class _Opening:
    """How a call was opened, and the place it has among the calls."""

    __slots__ = ("at", "id", "name")

    def __init__(self, at: int, call_id: str, name: str) -> None:
        self.at = at
        self.id = call_id
        self.name = name
