"""Chunks from a chat stream.

The protocol's story: `message-start` brings the id. A message that calls tells its plan in
`tool-plan-delta`, and each call in `tool-call-start`, `tool-call-delta` and `tool-call-end`; one
that answers comes in blocks of `text` or `thinking`, each opened by `content-start`, grown by
`content-delta` and closed by `content-end`, with a `citation-start` for each place cited. Blocks,
calls and citations are numbered apart. `message-end` brings finish and usage, or the error that
ended the answer; `[DONE]` follows and says nothing more. Members with plural names hold one
object here, not a list.

Text, thinking, plan and calls become chunks as they come. Citations and log probabilities wait
for the end: clients can take a list in one chunk only, and whether the latter can be told at all
shows when the last has come.

    START --message-start--> OPEN --message-end--> FINISHED

Source: Chat API reference, version 2, "Streaming" (2026-09).
"""

from __future__ import annotations

from collections.abc import Callable

from transforms.cohere.response import (
    build_logprobs,
    build_message,
    build_usage,
    finish_reason,
    heard_call,
    parse_error,
    raise_failure,
)
from transforms.contract import JSON, Call, Event
from transforms.errors import ResponseError
from transforms.framing import parse_event
from transforms.room import Latest, Parts, Pieces, Room

_WAITING = ("annotations", "citations")


class MessageStream:
    """One chat stream on its way to `chat.completion.chunk` objects."""

    usage = None
    """Told with the end alone."""

    def __init__(self, call: Call) -> None:
        self.finished = False
        self.room = Room()
        self._call = call
        self._head: JSON = {}
        self._told: JSON = {}
        self._end: JSON = {}
        self._content: Parts[_Block] = Parts(self.room)
        self._blocks: Latest[tuple[int, str], _Block] = Latest()
        self._plan: Pieces[str] = Pieces(self.room)
        self._calls: Parts[_ToolCall] = Parts(self.room)
        self._called: Latest[int, _ToolCall] = Latest()
        self._count = 0
        self._citations: Pieces[JSON] = Pieces(self.room)
        self._logprobs: Pieces[JSON] = Pieces(self.room)

    @property
    def answer(self) -> JSON:
        """The plain answer, folded from the events so far."""
        if not self._head:
            return {}
        message = {
            "role": "assistant",
            "content": [block.value() for block in self._content],
            "tool_plan": "".join(self._plan),
            "tool_calls": [call.value() for call in self._calls],
            "citations": list(self._citations),
        }
        said = {name: value for name, value in message.items() if value}
        answer = {**self._told, "message": said, **self._end}
        return {**answer, "logprobs": list(self._logprobs)} if self._logprobs else answer

    def feed(self, event: Event) -> list[JSON]:
        """The chunks for one server-sent event."""
        if self.finished or event.data.strip() == b"[DONE]":
            return []
        body = parse_event(event)
        kind = body.get("type")
        if not isinstance(kind, str):
            kind = event.name
        if kind == "error" or (not kind and isinstance(body.get("message"), str)):
            raise ResponseError.reported(parse_error(502, body))
        step = _STEPS.get(kind)
        if step is None:
            return []
        if bool(self._head) == (kind == "message-start"):
            raise ResponseError(f"The provider sent `{kind}` out of turn.")
        return step(self, body)

    def close(self) -> list[JSON]:
        """Nothing: every chunk has left with its event.

        Raises:
            ResponseError: `message-end` never came.
        """
        if not self.finished:
            raise ResponseError(
                "The provider's stream ended before `message-end`.", code="upstream_stream_ended"
            )
        return []

    def _start(self, body: JSON) -> list[JSON]:
        self._told = {"id": body.get("id")}
        self._head = self._call.head(body.get("id"))
        return [self._chunk({"role": "assistant", "content": ""})]

    def _grow_block(self, body: JSON) -> list[JSON]:
        content = _member(body, "content")
        kind = "thinking" if isinstance(content.get("thinking"), str) else "text"
        block = self._block(_index(body), kind)
        if isinstance(body.get("logprobs"), dict):
            self._logprobs.append(body["logprobs"])
        piece = content.get(kind)
        if not isinstance(piece, str) or not piece:
            return []
        block.pieces.append(piece)
        return [self._chunk({_DELTA_FIELD[kind]: piece})]

    def _block(self, index: int, kind: str) -> _Block:
        block = self._blocks.get((index, kind))
        if block is None:
            block = _Block(kind, self.room)
            self._content.append(block)
            self._blocks.put((index, kind), block)
        return block

    def _grow_plan(self, body: JSON) -> list[JSON]:
        piece = _message(body).get("tool_plan")
        if not isinstance(piece, str) or not piece:
            return []
        self._plan.append(piece)
        return [self._chunk({"reasoning_content": piece})]

    def _start_call(self, body: JSON) -> list[JSON]:
        told = _member(body, "tool_calls")
        index, self._count = self._count, self._count + 1
        call = _ToolCall(index, told, self.room)
        self._calls.append(call)
        ended = self._started(call, _index(body))
        heard = heard_call(self._call, told, index)
        heard["function"]["arguments"] = _arguments(told)
        return [*ended, self._chunk({"tool_calls": [{"index": index, **heard}]})]

    def _started(self, call: _ToolCall, index: int) -> list[JSON]:
        """Goes on with the call. One whose number it has got, or whose place, is over."""
        old = self._called.get(index)
        forgotten = [*([old] if old else []), *self._called.put(index, call)]
        return [chunk for each in forgotten for chunk in self._completed(each)]

    def _grow_call(self, body: JSON) -> list[JSON]:
        call = self._called.get(_index(body))
        if call is None:
            raise ResponseError("The provider went on with a call that it had not started.")
        piece = _arguments(_member(body, "tool_calls"))
        if not piece:
            return []
        call.grow(piece)
        return [self._chunk(call.arguments_delta(piece))]

    def _end_call(self, body: JSON) -> list[JSON]:
        call = self._called.get(_index(body))
        return self._completed(call) if call else []

    def _completed(self, call: _ToolCall) -> list[JSON]:
        """The arguments of a call that got none: an empty object."""
        if call.has_arguments:
            return []
        call.grow("{}")
        return [self._chunk(call.arguments_delta("{}"))]

    def _cite(self, body: JSON) -> list[JSON]:
        self._citations.append(_member(body, "citations"))
        return []

    def _finish(self, body: JSON) -> list[JSON]:
        delta = body.get("delta")
        delta = delta if isinstance(delta, dict) else {}
        reason = delta.get("finish_reason")
        raise_failure(reason, delta.get("error"))
        self._end = {name: delta[name] for name in ("finish_reason", "usage") if name in delta}
        chunks = [chunk for call in self._called.values() for chunk in self._completed(call)]
        chunks += self._waiting()
        chunks.append(self._chunk({}, finish_reason(reason, called=self._count > 0)))
        usage = build_usage(delta.get("usage"))
        if usage is not None:
            chunks.append({**self._head, "choices": [], "usage": usage})
        self.finished = True
        return chunks

    def _waiting(self) -> list[JSON]:
        message = build_message(self._call, self.answer["message"])
        chunk = self._chunk({name: message[name] for name in _WAITING if name in message})
        choice = chunk["choices"][0]
        logprobs = build_logprobs(self._logprobs)
        if logprobs is not None:
            choice["logprobs"] = logprobs
        return [chunk] if choice["delta"] or logprobs is not None else []

    def _chunk(self, delta: JSON, reason: str | None = None) -> JSON:
        choice = {"index": 0, "delta": delta, "finish_reason": reason}
        return {**self._head, "choices": [choice]}


class _Block:
    """A block of content as it grows."""

    __slots__ = ("kind", "pieces")

    def __init__(self, kind: str, room: Room) -> None:
        self.kind = kind
        self.pieces: Pieces[str] = Pieces(room)

    def value(self) -> JSON:
        """The block as a plain answer would hold it."""
        return {"type": self.kind, self.kind: "".join(self.pieces)}


class _ToolCall:
    """A call as its arguments grow."""

    __slots__ = ("_opening", "_pieces", "has_arguments", "index")

    def __init__(self, index: int, opening: JSON, room: Room) -> None:
        self.index = index
        self.has_arguments = False
        self._opening = opening
        self._pieces: Pieces[str] = Pieces(room)
        self.grow(_arguments(opening))

    def grow(self, piece: str) -> None:
        """Takes in more of the arguments."""
        self.has_arguments = self.has_arguments or bool(piece)
        self._pieces.append(piece)

    def value(self) -> JSON:
        """The call as a plain answer would hold it."""
        function = self._opening.get("function")
        function = function if isinstance(function, dict) else {}
        return {**self._opening, "function": {**function, "arguments": "".join(self._pieces)}}

    def arguments_delta(self, fragment: str) -> JSON:
        """The delta for more of the arguments."""
        return {"tool_calls": [{"index": self.index, "function": {"arguments": fragment}}]}


_DELTA_FIELD = {"text": "content", "thinking": "reasoning_content"}

_STEPS: dict[str, Callable[[MessageStream, JSON], list[JSON]]] = {
    "message-start": MessageStream._start,
    "content-start": MessageStream._grow_block,
    "content-delta": MessageStream._grow_block,
    "tool-plan-delta": MessageStream._grow_plan,
    "tool-call-start": MessageStream._start_call,
    "tool-call-delta": MessageStream._grow_call,
    "tool-call-end": MessageStream._end_call,
    "citation-start": MessageStream._cite,
    "message-end": MessageStream._finish,
}
"""Kind of event -> what it does; any other kind passes without a trace."""


def _message(body: JSON) -> JSON:
    delta = body.get("delta")
    message = delta.get("message") if isinstance(delta, dict) else None
    if not isinstance(message, dict):
        raise ResponseError(f"The provider's event `{body.get('type')}` has no message.")
    return message


def _member(body: JSON, name: str) -> JSON:
    member = _message(body).get(name)
    if not isinstance(member, dict):
        raise ResponseError(f"The provider's event `{body.get('type')}` has no `{name}`.")
    return member


def _index(body: JSON) -> int:
    index = body.get("index")
    return index if isinstance(index, int) else -1


def _arguments(told: JSON) -> str:
    function = told.get("function")
    arguments = function.get("arguments") if isinstance(function, dict) else None
    return arguments if isinstance(arguments, str) else ""
