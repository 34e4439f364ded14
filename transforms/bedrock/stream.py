"""Chunks from a Converse stream.

The protocol's story: `messageStart` opens the message. Then blocks come, each event of a block
bearing its `contentBlockIndex`. `contentBlockStart` announces a tool's call, and what else has a
name; text and reasoning begin with their first `contentBlockDelta`. One index may see two kinds of
content, so a block is known by both. `contentBlockStop` ends what has the index, and may come for
a block of which nothing was ever said. `messageStop` tells why the turn ended, and `metadata`,
behind it, the usage: it is the last event. An exception may come anywhere, and nothing follows it.
Events and deltas that nobody has heard of pass without a trace, and so does the padding `p`.

Text, reasoning and the arguments of calls become chunks as they come. Signed reasoning waits for
the end, because clients can take a list in one chunk only; so does the finish, for `metadata`
tells that the answer is whole. Where the body ends between the two, only the usage is missing.

    START --messageStart--> OPEN --messageStop--> ENDING --metadata--> FINISHED

Source: Amazon Bedrock Runtime API reference, "ConverseStream" (2026-09).
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable
from typing import Any, Literal

from transforms.bedrock.names import told_names
from transforms.bedrock.response import (
    build_completion,
    build_message,
    finish_reason,
    is_client_tool,
    parse_error,
)
from transforms.contract import JSON, Call, Event
from transforms.errors import ResponseError
from transforms.framing import EXCEPTION, parse_event
from transforms.json_text import loads
from transforms.room import Latest, Parts, Pieces, Room
from transforms.tools import object_in

State = Literal["start", "open", "ending", "finished"]

_PADDING = "p"


class ConverseStream:
    """One Converse stream on its way to `chat.completion.chunk` objects."""

    usage = None
    """Told with the end alone."""

    def __init__(self, call: Call) -> None:
        self.finished = False
        self.room = Room()
        self._call = call
        self._head = call.head()
        self._names = told_names(call.request)
        self._state: State = "start"
        self._role = "assistant"
        self._end: JSON = {}
        self._blocks: Parts[_Block] = Parts(self.room)
        self._open: Latest[tuple[int, str], _Block] = Latest()
        self._calls = 0
        self._ended: list[JSON] = []
        """Chunks that end calls, whose places others have taken."""

    @property
    def answer(self) -> JSON:
        """The answer Converse would have given plainly, folded from the events so far."""
        if self._state == "start":
            return {}
        content = [block.value() for block in self._blocks]
        return {"output": {"message": {"role": self._role, "content": content}}, **self._end}

    def feed(self, event: Event) -> list[JSON]:
        """The chunks for one event."""
        if self.finished:
            return []
        if event.name.startswith(EXCEPTION):
            raise _reported(event)
        if event.name not in _KNOWN_EVENTS:
            return []
        body = parse_event(event)
        step = _STEPS.get((self._state, event.name))
        if step is None:
            raise ResponseError(f"The provider sent `{event.name}` out of turn.")
        advance, state = step
        chunks = advance(self, body)
        self._state = state
        ended, self._ended = self._ended, []
        return [*ended, *chunks]

    def close(self) -> list[JSON]:
        """The finish, where the end of the body came before `metadata`.

        Raises:
            ResponseError: `messageStop` never came.
        """
        if self.finished:
            return []
        if self._state != "ending":
            raise ResponseError(
                "The provider's stream ended before `messageStop`.", code="upstream_stream_ended"
            )
        return self._finish({})

    def _start_message(self, body: JSON) -> list[JSON]:
        self._role = str(body.get("role") or self._role)
        return [self._chunk({"role": "assistant", "content": ""})]

    def _start_block(self, body: JSON) -> list[JSON]:
        index, start = _index(body), _object(body, "start")
        chunks = []
        for kind, opening in start.items():
            if not isinstance(opening, dict) or kind not in _OPENED:
                continue
            chunks += self._stop_kind(index, kind)
            block = self._block(index, kind)
            block.opening = opening
            if kind == "toolUse" and is_client_tool(opening):
                chunks.append(self._call_head(block))
        return chunks

    def _call_head(self, block: _Block) -> JSON:
        """The first fragment of a call: its place, which is not that of the block, and names."""
        block.call = self._calls
        self._calls += 1
        name = str(block.opening.get("name") or "")
        told = {
            "index": block.call,
            "id": str(block.opening.get("toolUseId") or self._call.tool_call_id(block.call)),
            "type": "function",
            "function": {"name": self._names.get(name, name), "arguments": ""},
        }
        return self._chunk({"tool_calls": [told]})

    def _grow_block(self, body: JSON) -> list[JSON]:
        index = _index(body)
        told = []
        for kind, delta in _object(body, "delta").items():
            grow = _GROWTHS.get(kind)
            if grow is not None and delta is not None:
                told.append(grow(self, index, delta))
        return [self._chunk(delta) for delta in told if delta]

    def grow_text(self, index: int, text: object) -> JSON | None:
        """Text, passed on."""
        piece = self._grow(self._block(index, "text"), text)
        return {"content": piece} if piece else None

    def grow_reasoning(self, index: int, delta: object) -> JSON | None:
        """Reasoning, passed on; its signature, and reasoning nobody may read, are kept."""
        if not isinstance(delta, dict):
            raise ResponseError("The provider's `reasoningContent` is not an object.")
        told = None
        for name, piece in _told(delta).items():
            if name == "redactedContent":
                self._grow(self._block(index, "redacted"), piece)
            elif name == "signature":
                self._block(index, "reasoning").signature.append(_string(piece, name))
            elif name == "text":
                told = self._grow(self._block(index, "reasoning"), piece)
        return {"reasoning_content": told} if told else None

    def grow_input(self, index: int, delta: object) -> JSON | None:
        """Arguments of a call, passed on; those of a server's own tool are only kept."""
        block = self._open.get((index, "toolUse"))
        if block is None:
            raise ResponseError(f"The provider went on with the call {index}, which is not open.")
        piece = _string(delta.get("input") if isinstance(delta, dict) else None, "toolUse.input")
        block.pieces.append(piece)
        block.has_grown = block.has_grown or bool(piece)
        return _arguments(block, piece) if piece and block.call >= 0 else None

    def cite(self, index: int, citation: object) -> None:
        """A citation, which may come before the text it belongs to."""
        self._block(index, "text").items.append(citation)

    def grow_result(self, index: int, parts: object) -> None:
        """The result of a server's own tool."""
        self._block(index, "toolResult").items.extend(parts if isinstance(parts, list) else [])

    def grow_image(self, index: int, delta: object) -> None:
        """An image, of which the record keeps what was told."""
        self._block(index, "image").items.append(delta)

    def _grow(self, block: _Block, text: object) -> str:
        piece = _string(text, block.kind)
        block.pieces.append(piece)
        return piece

    def _block(self, index: int, kind: str) -> _Block:
        block = self._open.get((index, kind))
        if block is None:
            block = _Block(kind, self.room)
            self._blocks.append(block)
            for old in self._open.put((index, kind), block):
                self._ended += self._end_block(old)
        return block

    def _stop_block(self, body: JSON) -> list[JSON]:
        index = _index(body)
        kinds = [kind for at, kind in self._open if at == index]
        return [chunk for kind in kinds for chunk in self._stop_kind(index, kind)]

    def _stop_kind(self, index: int, kind: str) -> list[JSON]:
        block = self._open.pop((index, kind), None)
        return [] if block is None else self._end_block(block)

    def _end_block(self, block: _Block) -> list[JSON]:
        """A call that got no arguments gets `{}`, once and only now."""
        if block.call < 0 or block.has_grown:
            return []
        return [self._chunk(_arguments(block, "{}"))]

    def _end_message(self, body: JSON) -> list[JSON]:
        self._end.update(_told(body))
        return [chunk for place in [*self._open] for chunk in self._stop_kind(*place)]

    def _finish(self, body: JSON) -> list[JSON]:
        self._end.update(_told(body))
        message = build_message(self._call, self.answer["output"]["message"]["content"])
        reason = finish_reason(self._end.get("stopReason"), message)
        chunks = []
        if "thinking_blocks" in message:
            chunks.append(self._chunk({"thinking_blocks": message["thinking_blocks"]}))
        last = build_completion({**self._head, "choices": []}, self._end)
        finish = {**last, **self._chunk({}, reason)}
        finish.pop("usage", None)
        self.finished = True
        return [*chunks, finish, *([last] if "usage" in last else [])]

    def _chunk(self, delta: JSON, reason: str | None = None) -> JSON:
        choice = {"index": 0, "delta": delta, "finish_reason": reason}
        return {**self._head, "choices": [choice]}


class _Block:
    """A content block as it grows. Pieces are joined when asked for, not one by one, so that a
    long answer stays linear."""

    __slots__ = ("call", "has_grown", "items", "kind", "opening", "pieces", "signature")

    def __init__(self, kind: str, room: Room) -> None:
        self.kind = kind
        self.opening: JSON = {}
        self.pieces: Pieces[str] = Pieces(room)
        self.items: Pieces[Any] = Pieces(room)
        self.signature: Pieces[str] = Pieces(room)
        self.call = -1
        self.has_grown = False
        """Whether a call has got arguments."""

    def value(self) -> JSON:
        """The block as a plain answer would hold it."""
        text = "".join(self.pieces)
        match self.kind:
            case "text":
                return _cited(text, self.items)
            case "reasoning":
                signed = {"signature": "".join(self.signature)} if self.signature else {}
                return {"reasoningContent": {"reasoningText": {"text": text, **signed}}}
            case "redacted":
                return {"reasoningContent": {"redactedContent": _joined_base64(self.pieces)}}
            case "toolUse":
                return {"toolUse": {**self.opening, "input": _input(text)}}
            case "toolResult":
                return {"toolResult": {**self.opening, "content": list(self.items)}}
            case _:
                told = [item for item in self.items if isinstance(item, dict)]
                return {
                    self.kind: {key: item[key] for item in [self.opening, *told] for key in item}
                }


def _cited(text: str, citations: list[Any]) -> JSON:
    if not citations:
        return {"text": text}
    content = [{"text": text}] if text else []
    return {"citationsContent": {"content": content, "citations": list(citations)}}


def _joined_base64(pieces: list[str]) -> str:
    """The base64 of what the pieces stand for; they come whole as a rule, and then as they are."""
    if len(pieces) == 1:
        return pieces[0]
    try:
        return base64.b64encode(b"".join(map(base64.b64decode, pieces))).decode()
    except binascii.Error:
        return "".join(pieces)


def _input(text: str) -> JSON | str:
    """The object that the fragments amount to; text that is none, since it was cut short, as it
    is."""
    told = object_in(text or "{}")
    return text if told is None else told


def _arguments(block: _Block, fragment: str) -> JSON:
    return {"tool_calls": [{"index": block.call, "function": {"arguments": fragment}}]}


def _reported(event: Event) -> ResponseError:
    """The error that an exception in the stream reports."""
    try:
        body: object = loads(event.data)
    except ValueError:
        body = None
    return ResponseError.reported(parse_error(502, body, event.name.removeprefix(EXCEPTION)))


_OPENED = frozenset({"toolUse", "toolResult", "image"})
"""Kinds of blocks that are announced."""

_GROWTHS: dict[str, Callable[[ConverseStream, int, Any], JSON | None]] = {
    "text": ConverseStream.grow_text,
    "reasoningContent": ConverseStream.grow_reasoning,
    "toolUse": ConverseStream.grow_input,
    "citation": ConverseStream.cite,
    "toolResult": ConverseStream.grow_result,
    "image": ConverseStream.grow_image,
}
"""Kind of delta -> what it does; any other passes without a trace."""

_STEPS: dict[tuple[State, str], tuple[Callable[[ConverseStream, JSON], list[JSON]], State]] = {
    ("start", "messageStart"): (ConverseStream._start_message, "open"),
    ("open", "contentBlockStart"): (ConverseStream._start_block, "open"),
    ("open", "contentBlockDelta"): (ConverseStream._grow_block, "open"),
    ("open", "contentBlockStop"): (ConverseStream._stop_block, "open"),
    ("open", "messageStop"): (ConverseStream._end_message, "ending"),
    ("ending", "metadata"): (ConverseStream._finish, "finished"),
}
"""(state, kind of event) -> what it does, and the state after it."""

_KNOWN_EVENTS = frozenset(kind for _, kind in _STEPS)


def _object(body: JSON, name: str) -> JSON:
    value = body.get(name)
    if not isinstance(value, dict):
        raise ResponseError(f"An event of the provider's stream has no `{name}`.")
    return value


def _index(body: JSON) -> int:
    index = body.get("contentBlockIndex")
    if not isinstance(index, int):
        raise ResponseError("An event of the provider's stream has no `contentBlockIndex`.")
    return index


def _string(value: object, name: str) -> str:
    if not isinstance(value, str):
        raise ResponseError(f"The provider's `{name}` delta is no text.")
    return value


def _told(body: JSON) -> JSON:
    return {name: value for name, value in body.items() if name != _PADDING and value is not None}
