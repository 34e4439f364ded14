"""Chunks from a stream of `generateContent` answers.

The protocol's story: every event is a whole `GenerateContentResponse` that adds to the ones
before. Text and thoughts come in pieces, calls whole, over any number of events; with several
candidates each bears its `index`. Counts of tokens are those of the answer so far and replace
the earlier ones, but an event may leave some out. There is no start event and no end mark: a
candidate has ended when an event gave its `finishReason`, often with an empty last part that
bears nothing but a signature, and the answer has ended with the body. A blocked prompt gives no
candidates. An `error` may come instead of any event.

Text, thoughts and calls become chunks as they come. The rest waits for the end of the body:
lists, because clients can take a list in one chunk only, and the finish, because usage and
sources may follow it.

Source: Gemini API reference, "streamGenerateContent" (2026-09); recorded exchanges (2026-08).
"""

from __future__ import annotations

from collections.abc import Iterator

from transforms.contract import JSON, Call, Event
from transforms.errors import ResponseError
from transforms.framing import parse_event
from transforms.gemini.errors import raise_reported_error
from transforms.gemini.names import told_names
from transforms.gemini.response import (
    blocks_prompt,
    build_choices,
    build_logprobs,
    build_usage,
    check_finish,
    finish_of,
    head,
    is_call,
    service_tier,
    text_of,
    thought_of,
    told_candidates,
    told_parts,
    tool_call,
)
from transforms.room import Parts, Pieces, Room, take_in

_WAITING = ("refusal", "images", "annotations", "extra_content")
"""Members of a message that are told in one chunk at the end."""

_FOLDED = {"candidates", "usageMetadata"}
_CONSTANT = {"responseId", "createTime"}

_TEXT_FIELDS = {"text", "thought"}


class AnswerStream:
    """One streamed answer on its way to `chat.completion.chunk` objects."""

    def __init__(self, call: Call) -> None:
        self.finished = False
        self.room = Room()
        self._call = call
        self._names = told_names(call.request)
        self._head: JSON = {}
        self._fields: JSON = {}
        self._usage: JSON = {}
        self._candidates: list[_Candidate] = []

    @property
    def usage(self) -> JSON | None:
        """The tokens counted so far."""
        return build_usage(self._usage)

    @property
    def answer(self) -> JSON:
        """The answer, folded from the events so far."""
        candidates = [candidate.value() for candidate in self._candidates if candidate.told]
        return {
            **({"candidates": candidates} if candidates else {}),
            **({"usageMetadata": self._usage} if self._usage else {}),
            **self._fields,
        }

    def feed(self, event: Event) -> list[JSON]:
        """The chunks for one event."""
        body = parse_event(event)
        raise_reported_error(body)
        candidates = told_candidates(body)
        usage = body.get("usageMetadata")
        if isinstance(usage, dict):
            take_in(self._usage, _told(usage))
        if not candidates and not blocks_prompt(body):
            return []
        told = {name: value for name, value in _told(body).items() if name not in _FOLDED}
        if self._head:
            # Id and time are those of the first event, which the client has heard.
            told = {name: value for name, value in told.items() if name not in _CONSTANT}
        else:
            self._head = head(self._call, body)
        take_in(self._fields, told)
        return list(self._chunks(candidates))

    def close(self) -> list[JSON]:
        """The chunks that were waiting for the end of the body.

        Raises:
            ResponseError: an answer has not ended, or none has begun.
        """
        answer = self.answer
        ended = [finish_of(candidate) for _, candidate in told_candidates(answer)]
        is_whole = all(ended) and len(ended) == len(self._candidates) if ended else False
        if not is_whole and (ended or not blocks_prompt(answer)):
            raise ResponseError(
                "The provider's stream ended before the answer did.", code="upstream_stream_ended"
            )
        self.finished = True
        return list(self._last_chunks(answer))

    def _chunks(self, candidates: list[tuple[int, JSON]]) -> Iterator[JSON]:
        most = max((index for index, _ in candidates), default=0)
        # Clients take choices in their order, so a later one does not begin before the first.
        for index in range(len(self._candidates), most + 1):
            self._candidates.append(_Candidate(self.room))
            yield self._chunk(index, {"role": "assistant", "content": ""})
        for index, candidate in candidates:
            check_finish(candidate)
            for part in told_parts(candidate):
                delta = self._delta(index, part)
                if delta:
                    yield self._chunk(index, delta)
            logprobs = build_logprobs(candidate)
            if logprobs is not None:
                yield self._chunk(index, {"content": ""}, logprobs=logprobs)
            self._candidates[index].add(candidate, index)

    def _delta(self, index: int, part: JSON) -> JSON:
        if is_call(part):
            # A counter of our own: Gemini's parts have none, and calls come in several events.
            number = self._candidates[index].calls
            self._candidates[index].calls += 1
            told = tool_call(part, number, index, self._call, self._names)
            return {"tool_calls": [{"index": number, **told}]}
        content, thought = text_of(part), thought_of(part)
        if thought:
            return {"reasoning_content": thought}
        return {"content": content} if content else {}

    def _last_chunks(self, answer: JSON) -> Iterator[JSON]:
        choices = build_choices(self._call, answer)
        for choice in choices:
            message = choice["message"]
            waiting = {name: message[name] for name in _WAITING if name in message}
            if waiting:
                yield self._chunk(choice["index"], waiting)
        self._head |= service_tier(answer)
        for choice in choices:
            yield self._chunk(choice["index"], {}, finish=self._finish(choice))
        usage = self.usage
        if usage is not None:
            yield {**self._head, "choices": [], "usage": usage}

    def _finish(self, choice: JSON) -> str:
        """Why a choice ended; the calls that it made may not all be in the answer."""
        reason = str(choice["finish_reason"])
        called = any(candidate.calls for candidate in self._candidates[choice["index"] :][:1])
        return "tool_calls" if called and reason == "stop" else reason

    def _chunk(
        self, index: int, delta: JSON, *, logprobs: JSON | None = None, finish: str | None = None
    ) -> JSON:
        choice: JSON = {"index": index, "delta": delta, "finish_reason": finish}
        if logprobs is not None:
            choice["logprobs"] = logprobs
        return {**self._head, "choices": [choice]}


class _Candidate:
    """A candidate as it grows. Pieces of text are joined when asked for, not one by one, so that
    a long answer stays linear."""

    def __init__(self, room: Room) -> None:
        self.told = False
        self.calls = 0
        self._room = room
        self._fields: JSON = {}
        self._parts: Parts[JSON] = Parts(room)
        self._pieces: Pieces[str] = Pieces(room)
        self._logprobs: dict[str, Pieces[JSON]] = {}

    def add(self, candidate: JSON, index: int) -> None:
        """Takes in what an event told of it."""
        self.told = True
        for part in told_parts(candidate):
            if not self._room.is_full:
                self._add_part(part)
        take_in(self._fields, {"index": index, **_told(candidate)})
        result = self._fields.pop("logprobsResult", None)
        for name, tokens in result.items() if isinstance(result, dict) else ():
            if isinstance(tokens, list) and not self._room.is_full:
                self._logprobs.setdefault(name, Pieces(self._room)).extend(tokens)

    def value(self) -> JSON:
        """The candidate as a plain answer would hold it."""
        content: JSON = {"role": "model"}
        if self._parts:
            content["parts"] = [*self._parts[:-1], self._last_part()]
        value = {**self._fields, "content": content}
        return {**value, "logprobsResult": self._logprobs} if self._logprobs else value

    def _add_part(self, part: JSON) -> None:
        """Joins what is text and nothing else to such a part before it; a signature holds for
        the part it is on, so that part stays alone."""
        if self._parts and _grows(self._parts[-1], part):
            self._pieces.append(part["text"])
            return
        if self._parts:
            self._parts[-1] = self._last_part()
        self._parts.append(part)
        self._pieces = Pieces(self._room)

    def _last_part(self) -> JSON:
        last = self._parts[-1]
        return {**last, "text": "".join([last["text"], *self._pieces])} if self._pieces else last


def _grows(last: JSON, part: JSON) -> bool:
    return (
        all(isinstance(each.get("text"), str) for each in (last, part))
        and last.keys() | part.keys() <= _TEXT_FIELDS
        and bool(last.get("thought")) == bool(part.get("thought"))
    )


def _told(fields: JSON) -> JSON:
    return {name: value for name, value in fields.items() if value not in (None, {})}
