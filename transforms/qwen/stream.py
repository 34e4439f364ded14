"""Chunks from the stream of one turn.

The protocol's story: `response.created` names chat and answer. Deltas follow, each of a phase:
thinking goes before the answer, a search may come in between, and a phase that nobody knows is
answer as far as it has content. `status: finished` ends its phase; that of the answer ends the
turn. Usage is cumulative and often missing in the last frame, so what was seen last counts; a
stream that has not told any yet is read to its end for it. Frames of other answers than the one
that was begun belong to somebody else.

    START --response.created--> OPEN --finished--> ENDED --usage, or the end of the body--> FINISHED
"""

from __future__ import annotations

from transforms.contract import JSON, Call, Event
from transforms.errors import ResponseError
from transforms.framing import parse_event
from transforms.qwen.conversation import STATE, build_state
from transforms.qwen.errors import is_error, parse_error
from transforms.qwen.framing import PAGE
from transforms.qwen.response import Content, build_usage, citations, head, text_of
from transforms.room import MOST_PARTS, Parts, Pieces, Room

_ANSWER = (None, "", "answer")
_THINKING = ("think", "thinking_summary")
_SEARCH = "web_search"

_TELLING = 3
"""Characters from which on a piece that repeats all before it is no coincidence."""


_COMPARED = 4096
"""Characters from its beginning by which a repetition of a long text is known."""


class TurnStream:
    """One turn on its way to `chat.completion.chunk` objects."""

    def __init__(self, call: Call) -> None:
        self.finished = False
        self.room = Room()
        self._call = call
        self._head: JSON = {}
        self._ids: JSON = {}
        self._ended = False
        self._usage: JSON | None = None
        self._content = Content(call)
        self._raw = _Growing(self.room)
        self._thought = _Growing(self.room)
        self._summary = _Summary()
        self._said: Pieces[str] = Pieces(self.room)
        self._calls: Parts[JSON] = Parts(self.room)
        self._count = 0
        self._found: list[JSON] = []

    @property
    def usage(self) -> JSON | None:
        """The tokens counted so far."""
        return build_usage(self._usage)

    @property
    def answer(self) -> JSON:
        """The plain answer, folded from the frames so far."""
        if not self._head:
            return {}
        message: JSON = {"role": "assistant", "content": self._raw.text}
        if self._thought.text:
            message["reasoning_content"] = self._thought.text
        if self._found:
            message["web_search_info"] = list(self._found)
        told: JSON = {**self._ids, "choices": [{"message": message}]}
        if self._usage is not None:
            told["usage"] = self._usage
        return {"success": True, "data": told}

    def feed(self, event: Event) -> list[JSON]:
        """The chunks for one frame."""
        if self.finished:
            return []
        if event.name == PAGE:
            raise ResponseError.reported(parse_error(200, event.data.decode("utf-8", "replace")))
        if event.data == b"[DONE]":
            self._ended = self._ended or bool(self._raw.text)
            return self._finish() if self._ended else []
        body = parse_event(event)
        if is_error(body):
            raise ResponseError.reported(parse_error(200, body))
        created = body.get("response.created")
        if isinstance(created, dict):
            return self._start(created)
        if self._is_of_another(body):
            return []
        if isinstance(body.get("usage"), dict):
            self._usage = body["usage"]
        chunks = [] if self._ended else self._grow(body)
        if self._ended and self._usage is not None:
            chunks += self._finish()
        return chunks

    def close(self) -> list[JSON]:
        """The finish, if it waited for usage that did not come.

        Raises:
            ResponseError: the answer was not finished.
        """
        if self.finished:
            return []
        if not self._ended:
            raise ResponseError(
                "The provider's stream ended before the answer was finished.",
                code="upstream_stream_ended",
            )
        return self._finish()

    def _start(self, created: JSON) -> list[JSON]:
        if self._head:
            return []
        names = {"chat_id": "chat_id", "parent_id": "parent_id", "response_id": "message_id"}
        self._ids = {ours: created[name] for name, ours in names.items() if created.get(name)}
        self._head = head(self._call, self._answer_id)
        return [self._chunk({"role": "assistant", "content": ""})]

    @property
    def _answer_id(self) -> str:
        return text_of(self._ids.get("message_id"))

    def _is_of_another(self, body: JSON) -> bool:
        answer_id = text_of(body.get("response_id"))
        return bool(answer_id and self._answer_id and answer_id != self._answer_id)

    def _grow(self, body: JSON) -> list[JSON]:
        delta = _delta(body)
        if delta is None:
            return []
        chunks = [] if self._head else self._start({"response_id": body.get("response_id")})
        phase = delta.get("phase")
        extra = delta.get("extra")
        extra = extra if isinstance(extra, dict) else {}
        if phase == _SEARCH or delta.get("name") == _SEARCH:
            self._add_pages(extra)
        elif phase in _THINKING:
            thought = self._summary.feed(extra) if phase == "thinking_summary" else ""
            chunks += self._think(thought + text_of(delta.get("content")))
        else:
            chunks += self._say(text_of(delta.get("content")))
        self._ended = delta.get("status") == "finished" and phase in _ANSWER
        return chunks

    def _think(self, piece: str) -> list[JSON]:
        new = self._thought.add(piece)
        return [self._chunk({"reasoning_content": new})] if new else []

    def _say(self, piece: str) -> list[JSON]:
        new = self._raw.add(piece)
        return self._heard(self._content.feed(new)) if new else []

    def _heard(self, pieces: list[str | JSON]) -> list[JSON]:
        chunks = []
        for piece in pieces:
            if isinstance(piece, str):
                self._said.append(piece)
                chunks.append(self._chunk({"content": piece}))
            else:
                chunks.append(self._chunk({"tool_calls": [{"index": self._count, **piece}]}))
                self._calls.append(piece)
                self._count += 1
        return chunks

    def _add_pages(self, extra: JSON) -> None:
        """The list is cumulative; nobody reads all of one that never ends."""
        pages = extra.get("web_search_info")
        for page in pages if isinstance(pages, list) else ():
            if len(self._found) < MOST_PARTS and page not in self._found:
                self._found.append(page)

    def _finish(self) -> list[JSON]:
        chunks = self._heard(self._content.close())
        delta: JSON = {}
        pages = citations(self._found)
        if pages:
            delta["citations"] = pages
        chat_id = text_of(self._ids.get("chat_id"))
        if chat_id and self._answer_id:
            heard = {"role": "assistant", "content": "".join(self._said)}
            told = {**heard, "tool_calls": self._calls}
            delta[STATE] = build_state(self._call, chat_id, self._answer_id, told)
        if delta:
            chunks.append(self._chunk(delta))
        chunks.append(self._chunk({}, "tool_calls" if self._count else "stop"))
        usage = self.usage
        if usage is not None:
            chunks.append({**self._head, "choices": [], "usage": usage})
        self.finished = True
        return chunks

    def _chunk(self, delta: JSON, reason: str | None = None) -> JSON:
        choice = {"index": 0, "delta": delta, "finish_reason": reason}
        return {**self._head, "choices": [choice]}


class _Growing:
    """A text that comes in pieces, or, from some models, whole again with each piece."""

    def __init__(self, room: Room) -> None:
        self._pieces: Pieces[str] = Pieces(room)
        self._length = 0
        self._beginning = ""
        self._is_repeated = False

    @property
    def text(self) -> str:
        """All of it so far."""
        return "".join(self._pieces)

    def add(self, piece: str) -> str:
        """What of this piece is new."""
        is_long = len(piece) >= self._length + (not self._is_repeated)
        if is_long and self._length >= _TELLING and piece.startswith(self._beginning):
            self._is_repeated = True
            piece = piece[self._length :]
        self._pieces.append(piece)
        self._length += len(piece)
        self._beginning += piece[: _COMPARED - len(self._beginning)]
        return piece


class _Summary:
    """A summary of thinking: lists of titles and thoughts that are told again as they grow."""

    def __init__(self) -> None:
        self._told: dict[tuple[int, str], str] = {}

    def feed(self, extra: JSON) -> str:
        """What is new in the lists."""
        lists = {name: _contents(extra, name) for name in ("summary_title", "summary_thought")}
        new = []
        for index in range(max(map(len, lists.values()))):
            for name, texts in lists.items():
                if index < len(texts):
                    new.append(self._new(index, name, texts[index]))
        return "".join(new)

    def _new(self, index: int, name: str, text: str) -> str:
        old = self._told.get((index, name))
        between = "\n" if self._told and old is None else ""
        self._told[index, name] = text
        return between + text.removeprefix(old or "")


def _contents(extra: JSON, name: str) -> list[str]:
    told = extra.get(name)
    content = told.get("content") if isinstance(told, dict) else None
    return [text_of(each) for each in content] if isinstance(content, list) else []


def _delta(body: JSON) -> JSON | None:
    choices = body.get("choices")
    first = choices[0] if isinstance(choices, list) and choices else None
    delta = first.get("delta") if isinstance(first, dict) else None
    return delta if isinstance(delta, dict) else None
