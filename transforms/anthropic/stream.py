"""Chunks from a Messages stream.

The protocol's story: `message_start` brings the Message without content. Then blocks come, each
opened by `content_block_start`, grown by `content_block_delta` and ended by
`content_block_stop`; the events of a block bear its `index`. `message_delta` tells why the turn
ended and how many tokens there were in all: its counts replace those of `message_start`, they
are not added. `message_stop` ends the turn. A `ping` may come anywhere, and so may an `error`,
after which nothing follows. Kinds of events, blocks and deltas that nobody has heard of are
announced as allowed, so they pass without a trace, and so does an event without data.

Text, thinking and the arguments of calls become chunks as they come. Two things wait for the
end: lists (thinking to be sent back, citations), because clients can take a list in one chunk
only, and the finish, because only `message_stop` says that the answer is whole.

    START --message_start--> OPEN --message_delta--> ENDING --message_stop--> FINISHED

Source: "Streaming messages" (2023-06-01).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

from transforms.anthropic.response import (
    BROKEN_INPUT,
    arguments,
    build_message,
    build_usage,
    finish_reason,
    head,
    is_error,
    reported_error,
)
from transforms.contract import JSON, Call, Event
from transforms.errors import ResponseError
from transforms.framing import parse_event
from transforms.room import Latest, Parts, Pieces, Room, take_in
from transforms.tools import object_in

State = Literal["start", "open", "ending", "finished"]


class MessageStream:
    """One Messages stream on its way to `chat.completion.chunk` objects."""

    def __init__(self, call: Call) -> None:
        self.finished = False
        self.room = Room()
        self._call = call
        self._state: State = "start"
        self._message: JSON = {}
        self._content: Parts[_Block] = Parts(self.room)
        self._blocks: Latest[int, _Block] = Latest()
        self._calls = 0
        self._head: JSON = {}

    @property
    def usage(self) -> JSON | None:
        """The tokens counted so far: the prompt's at the start, the answer's at its end."""
        return build_usage(self._message.get("usage"))

    @property
    def answer(self) -> JSON:
        """The Message, folded from the events so far."""
        if self._state == "start":
            return {}
        return {**self._message, "content": [block.value() for block in self._content]}

    def feed(self, event: Event) -> list[JSON]:
        """The chunks for one server-sent event."""
        if self.finished or not event.data.strip():
            return []
        body = parse_event(event)
        kind = body.get("type")
        if not isinstance(kind, str):
            kind = event.name
        step = _STEPS.get((self._state, kind))
        if step is None:
            self._check_ignorable(kind, body)
            return []
        advance, state = step
        chunks = advance(self, body)
        self._state = state
        return chunks

    def close(self) -> list[JSON]:
        """Nothing: every chunk has left with its event.

        Raises:
            ResponseError: `message_stop` never came.
        """
        if not self.finished:
            raise ResponseError(
                "The provider's stream ended before `message_stop`.", code="upstream_stream_ended"
            )
        return []

    def _check_ignorable(self, kind: str, body: JSON) -> None:
        if kind == "error" or is_error(body):
            raise ResponseError.reported(reported_error(body))
        if kind in _KNOWN_EVENTS:
            raise ResponseError(f"The provider sent `{kind}` out of turn.")

    def _start_message(self, body: JSON) -> list[JSON]:
        message = _object(body, "message")
        self._message = dict(message)
        usage = message.get("usage")
        if isinstance(usage, dict):
            self._message["usage"] = dict(usage)
        self._head = head(self._call, message)
        return [self._chunk({"role": "assistant", "content": ""})]

    def _start_unannounced(self, body: JSON) -> list[JSON]:
        """A message that begins with its first block. llama.cpp tells nothing before it where the
        first token is no whole letter."""
        return self._start_message({"message": {}}) + self._start_block(body)

    def _start_block(self, body: JSON) -> list[JSON]:
        index = _index(body)
        if index in self._blocks:
            raise ResponseError(f"The provider started the block {index} twice.")
        block = _Block(_object(body, "content_block"), self.room)
        self._content.append(block)
        if block.kind == "tool_use":
            block.call = self._calls
            self._calls += 1
        forgotten = [old for old in self._blocks.put(index, block) if old.open]
        return [
            *(chunk for old in forgotten for chunk in self._close_block(old)),
            *(self._chunk(delta) for delta in block.first_deltas()),
        ]

    def _grow_block(self, body: JSON) -> list[JSON]:
        block = self._block(body)
        delta = _object(body, "delta")
        grow = _GROWTHS.get((block.kind, str(delta.get("type"))))
        if grow is None:
            return []
        told = grow(block, delta)
        return [self._chunk(told)] if told else []

    def _stop_block(self, body: JSON) -> list[JSON]:
        return self._close_block(self._block(body))

    def _close_block(self, block: _Block) -> list[JSON]:
        block.open = False
        told = block.last_delta()
        return [self._chunk(told)] if told else []

    def _block(self, body: JSON) -> _Block:
        index = _index(body)
        block = self._blocks.get(index)
        if block is None or not block.open:
            raise ResponseError(f"The provider went on with the block {index}, which is not open.")
        return block

    def _end_turn(self, body: JSON) -> list[JSON]:
        """Takes in what the turn's end told; null leaves what was told before."""
        delta, usage = _object(body, "delta"), body.get("usage")
        take_in(self._message, _told(delta))
        if isinstance(usage, dict):
            known = self._message.get("usage")
            self._message["usage"] = (known if isinstance(known, dict) else {}) | _told(usage)
        beside = {name: body[name] for name in body if name not in {"type", "delta", "usage"}}
        take_in(self._message, beside)
        return []

    def _finish(self, body: JSON) -> list[JSON]:
        chunks = [
            chunk
            for block in self._blocks.values()
            if block.open
            for chunk in self._close_block(block)
        ]
        answer = self.answer
        message = build_message(answer["content"], answer.get("stop_details"))
        waiting = {name: message[name] for name in _WAITING if name in message}
        if waiting:
            chunks.append(self._chunk(waiting))
        reason = finish_reason(answer.get("stop_reason"), called=self._calls > 0)
        chunks.append(self._chunk({}, reason))
        usage = self.usage
        if usage is not None:
            chunks.append({**self._head, "choices": [], "usage": usage})
        self.finished = True
        return chunks

    def _chunk(self, delta: JSON, reason: str | None = None) -> JSON:
        choice = {"index": 0, "delta": delta, "finish_reason": reason}
        return {**self._head, "choices": [choice]}


_WAITING = ("refusal", "thinking_blocks", "annotations")


class _Block:
    """A content block as it grows. Pieces are joined when asked for, not one by one, so that a
    long answer stays linear."""

    __slots__ = (
        *("_citations", "_has_grown", "_opening", "_pieces", "_signature"),
        *("call", "kind", "open"),
    )

    def __init__(self, opening: JSON, room: Room) -> None:
        self.kind = str(opening.get("type"))
        self.open = True
        self.call = -1
        self._opening = opening
        self._pieces: Pieces[str] = Pieces(room)
        self._has_grown = False
        self._signature: str | None = None
        self._citations: Pieces[Any] = Pieces(room)

    def value(self) -> JSON:
        """The block as a plain answer would hold it."""
        grown: JSON = {}
        if self._pieces:
            text = "".join(self._pieces)
            name = _GROWING_FIELD.get(self.kind, "input")
            grown[name] = _input(text) if name == "input" else self._opening_text() + text
        if self._signature is not None:
            grown["signature"] = self._signature
        if self._citations:
            opening = self._opening.get("citations")
            grown["citations"] = [
                *(opening if isinstance(opening, list) else ()),
                *self._citations,
            ]
        return {**self._opening, **grown}

    def first_deltas(self) -> list[JSON]:
        """The head of a call, or the text some hosts put into the opening already."""
        if self.call >= 0:
            function = {"name": str(self._opening.get("name") or ""), "arguments": ""}
            call_id = str(self._opening.get("id") or "")
            call = {"index": self.call, "id": call_id, "type": "function", "function": function}
            return [{"tool_calls": [call]}]
        text = self._opening_text()
        return [{_DELTA_FIELD[self.kind]: text}] if text else []

    def last_delta(self) -> JSON | None:
        """The arguments of a call that got none while it was open: `{}`, or the whole input
        that came with the opening."""
        if self.call < 0 or self._has_grown:
            return None
        return self._arguments(arguments(self._opening.get("input")))

    def grow_text(self, delta: JSON) -> JSON | None:
        """Text or thinking, passed on."""
        piece = _string(delta, _GROWING_FIELD[self.kind])
        self._pieces.append(piece)
        return {_DELTA_FIELD[self.kind]: piece} if piece else None

    def grow_input(self, delta: JSON) -> JSON | None:
        """Arguments of a call, passed on; those of a server's own tool are only kept."""
        piece = _string(delta, "partial_json")
        if not piece:
            return None
        self._pieces.append(piece)
        self._has_grown = True
        return self._arguments(piece) if self.call >= 0 else None

    def sign(self, delta: JSON) -> None:
        """The signature comes whole."""
        self._signature = _string(delta, "signature")

    def cite(self, delta: JSON) -> None:
        """A citation may come before the text it belongs to, so it waits."""
        self._citations.append(delta.get("citation"))

    def _opening_text(self) -> str:
        name = _GROWING_FIELD.get(self.kind)
        text = self._opening.get(name) if name else None
        return text if isinstance(text, str) else ""

    def _arguments(self, fragment: str) -> JSON:
        return {"tool_calls": [{"index": self.call, "function": {"arguments": fragment}}]}


_GROWING_FIELD = {"text": "text", "thinking": "thinking"}
_DELTA_FIELD = {"text": "content", "thinking": "reasoning_content"}

_GROWTHS: dict[tuple[str, str], Callable[[_Block, JSON], JSON | None]] = {
    ("text", "text_delta"): _Block.grow_text,
    ("text", "citations_delta"): _Block.cite,
    ("thinking", "thinking_delta"): _Block.grow_text,
    ("thinking", "signature_delta"): _Block.sign,
    ("tool_use", "input_json_delta"): _Block.grow_input,
    ("server_tool_use", "input_json_delta"): _Block.grow_input,
    ("mcp_tool_use", "input_json_delta"): _Block.grow_input,
}
"""(kind of block, kind of delta) -> what it does; any other pair passes without a trace."""

_STEPS: dict[tuple[State, str], tuple[Callable[[MessageStream, JSON], list[JSON]], State]] = {
    ("start", "message_start"): (MessageStream._start_message, "open"),
    ("start", "content_block_start"): (MessageStream._start_unannounced, "open"),
    ("open", "content_block_start"): (MessageStream._start_block, "open"),
    ("open", "content_block_delta"): (MessageStream._grow_block, "open"),
    ("open", "content_block_stop"): (MessageStream._stop_block, "open"),
    ("open", "message_delta"): (MessageStream._end_turn, "ending"),
    ("ending", "message_delta"): (MessageStream._end_turn, "ending"),
    ("ending", "message_stop"): (MessageStream._finish, "finished"),
}
"""(state, kind of event) -> what it does, and the state after it."""

_KNOWN_EVENTS = frozenset(kind for _, kind in _STEPS)


def _object(body: JSON, name: str) -> JSON:
    value = body.get(name)
    if not isinstance(value, dict):
        raise ResponseError(f"The provider's event `{body.get('type')}` has no `{name}`.")
    return value


def _index(body: JSON) -> int:
    index = body.get("index")
    if not isinstance(index, int):
        raise ResponseError(f"The provider's event `{body.get('type')}` has no `index`.")
    return index


def _string(delta: JSON, name: str) -> str:
    value = delta.get(name)
    if not isinstance(value, str):
        raise ResponseError(f"The provider's `{delta.get('type')}` has no `{name}`.")
    return value


def _told(fields: JSON) -> JSON:
    return {name: value for name, value in fields.items() if value is not None}


def _input(text: str) -> JSON:
    told = object_in(text)
    return {BROKEN_INPUT: text} if told is None else told
