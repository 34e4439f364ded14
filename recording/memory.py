"""What providers gave with their answers, remembered until the client sends the message again.

Three places know it: the states used last, in memory; the database, which other instances and
earlier runs have written to; and, where nothing may be written, memory alone. State must come
back byte for byte, so it is never redacted: one in which a key is found is not written at all.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence

from recording import sessions, state_reader
from recording.bodies import answer_messages
from recording.building import Answer, AnswerState
from recording.redaction import Redactor, Secrets
from recording.state_reader import Found, StateReader
from recording.state_rows import Answers, StateRow
from recording.states import (
    Keys,
    ProviderState,
    context,
    first_key,
    has_whole_calls,
    keys_of,
    merged,
    state_of,
)
from recording.tracker import Asked, PersistenceTracker, RequestRecord
from transforms.contract import JSON

LARGEST_MEMORY = 32 << 20
"""Bytes that the states in memory take, about."""

_BESIDE = 2048
"""Bytes that a state takes beside what it says: its keys, and its place among the others."""

EMPTY_FOR_S = 1.0
"""How long a provider of which the database knows nothing is not asked for again: another
instance may write its first state at any time."""


class Memory:
    """Remembers states, and puts them back. All of it belongs to the event loop's thread."""

    def __init__(self, redactor: Redactor, reader: StateReader | None) -> None:
        """Without a reader nothing is written, and memory alone remembers."""
        self._redactor = redactor
        self._reader = reader
        self._recent = RecentStates(LARGEST_MEMORY)
        self._givers: set[str] = set()
        self._empty_until: dict[str, float] = {}

    def start(self, loop: asyncio.AbstractEventLoop) -> None:
        """Starts to read the database."""
        if self._reader is not None:
            self._reader.start(loop, self._learn)

    def stop(self) -> None:
        """Reads no more."""
        if self._reader is not None:
            self._reader.stop()
            self._reader = None

    def remember(self, tracker: PersistenceTracker, answer: Answer) -> list[StateRow]:
        """Remembers the states of a final answer; gives the rows of those that may be written."""
        asked = tracker.asked
        completion = answer.openai_response
        if asked is None or not isinstance(completion, dict):
            return []
        rows = []
        for position, message in _final_messages(completion, answer.state):
            state = state_of(message, asked.context)
            if state is not None:
                keys = keys_of(message, asked.context)
                row = StateRow(position, asked.provider, [*keys.with_context, *keys.alone], "")
                self._keep(asked.provider, row.keys, state)
                if self._may_be_written(state, tracker.secrets):
                    row.state = state.text
                    rows.append(row)
        return rows

    async def recall(self, provider: str, messages: list[JSON]) -> list[JSON]:
        """The messages, with what the provider gave on those of the assistant that lack it.

        A state goes back once: a client may have split a message into several.
        """
        give_up_at = time.monotonic() + state_reader.LONGEST_RECALL_S
        if sessions.last_answer(messages) is None or not await self._gives(provider):
            return messages
        assistants = [
            place for place, message in enumerate(messages) if message.get("role") == "assistant"
        ]
        found: dict[int, ProviderState] = {}
        missing: list[int] = []
        for place in assistants:
            key = first_key(messages[place], context(messages, place))
            state = self._recent.last(provider, key)
            if state is None:
                missing.append(place)
            else:
                found[place] = state
        if missing:
            found |= await self._look_up(provider, messages, missing, give_up_at)
        return _restored(messages, found)

    def _keep(self, provider: str, keys: Iterable[str], state: ProviderState) -> None:
        self._givers.add(provider)
        self._recent.add(provider, keys, state)

    def _may_be_written(self, state: ProviderState, secrets: Secrets) -> bool:
        if self._reader is None:
            return False
        text = state.text.encode()
        return self._redactor.json_text(text, secrets) is text

    async def _gives(self, provider: str) -> bool:
        """Whether there are states of a provider, asked for before any message is looked at."""
        known_empty = time.monotonic() < self._empty_until.get(provider, 0.0)
        if provider not in self._givers and self._reader is not None and not known_empty:
            known = await self._reader.ask(provider, ())
            if known is not None:
                self._learn(provider, (), known)
        return provider in self._givers

    async def _look_up(
        self, provider: str, messages: list[JSON], places: list[int], give_up_at: float
    ) -> Mapping[int, ProviderState]:
        questions = [keys_of(messages[place], context(messages, place)) for place in places]
        known = None
        if self._reader is not None:
            left_s = max(give_up_at - time.monotonic(), 0.0)
            known = await self._reader.ask(provider, questions, left_s)
        answers: Answers = [False] * len(places)
        if known is not None:
            self._learn(provider, questions, known)
            answers = known.answers
        found = {}
        for place, keys, answer in zip(places, questions, answers, strict=True):
            state = self._recent.find(provider, keys) if answer is False else None
            if isinstance(answer, ProviderState) and self._is_clear(provider, keys, answer):
                state = answer
            if state is not None:
                found[place] = state
        return found

    def _is_clear(self, provider: str, keys: Keys, state: ProviderState) -> bool:
        """Whether the message is this state's alone; another may not be written yet."""
        return state.turn in keys.with_context or not self._recent.is_shared(provider, keys)

    def _learn(self, provider: str, questions: Sequence[Keys], known: Found) -> None:
        """Keeps what the database knows under its own turn, to be found at once the next time."""
        if known.any:
            self._givers.add(provider)
        else:
            self._empty_until[provider] = time.monotonic() + EMPTY_FOR_S
        for keys, answer in zip(questions, known.answers, strict=True):
            if isinstance(answer, ProviderState) and self._is_clear(provider, keys, answer):
                self._recent.add(provider, keys.with_context, answer)


class RecentStates:
    """The states used last, by provider and key."""

    def __init__(self, largest: int) -> None:
        """`largest` counts bytes."""
        self._largest = largest
        self._size = 0
        self._named: dict[tuple[str, str], list[ProviderState]] = {}
        self._names: OrderedDict[ProviderState, list[tuple[str, str]]] = OrderedDict()

    def add(self, provider: str, keys: Iterable[str], state: ProviderState) -> None:
        """Adds a state, or more keys of one; the oldest ones make room for it."""
        if state not in self._names:
            self._names[state] = []
            self._size += held_bytes(state)
        for key in keys:
            name = (provider, key)
            others = [other for other in self._named.get(name, ()) if other.text != state.text]
            self._named[name] = [*others, state]
            self._names[state].append(name)
        while self._size > self._largest:
            self._drop_oldest()

    def last(self, provider: str, key: str) -> ProviderState | None:
        """The newest state with this key."""
        states = self._named.get((provider, key))
        if not states:
            return None
        self._names.move_to_end(states[-1])
        return states[-1]

    def find(self, provider: str, keys: Keys) -> ProviderState | None:
        """The state of a message that memory alone may know."""
        for key in keys.with_context:
            if (state := self.last(provider, key)) is not None:
                return state
        for key in keys.alone:
            if len(self._named.get((provider, key), ())) == 1:
                return self.last(provider, key)
        return None

    def is_shared(self, provider: str, keys: Keys) -> bool:
        """Whether several states have a key that only one may have."""
        return any(len(self._named.get((provider, key), ())) > 1 for key in keys.alone)

    def _drop_oldest(self) -> None:
        state, names = self._names.popitem(last=False)
        self._size -= held_bytes(state)
        for name in names:
            states = [other for other in self._named.get(name, ()) if other is not state]
            if states:
                self._named[name] = states
            else:
                self._named.pop(name, None)


def held_bytes(state: ProviderState) -> int:
    """What a state takes in memory, about; it is held twice, as a text and as the fields."""
    return 2 * sys.getsizeof(state.text) + _BESIDE


def asked_with(record: RequestRecord) -> Asked | None:
    """What the state of the answer to a request will be remembered with."""
    messages = record.body.get("messages") if record.body else None
    if not record.routed or not isinstance(messages, list):
        return None
    return Asked(record.provider, context(messages, len(messages)))


def _final_messages(completion: JSON, state: AnswerState) -> list[tuple[int, JSON]]:
    """Position and message of each choice that a client can go on from."""
    return [
        (position, message)
        for position, message in answer_messages(completion)
        if state == "complete" or (state == "interrupted" and has_whole_calls(message))
    ]


def _restored(messages: list[JSON], found: Mapping[int, ProviderState]) -> list[JSON]:
    if not found:
        return messages
    used: set[str] = set()
    restored = list(messages)
    for place in sorted(found):
        state = found[place]
        if state.text not in used:
            used.add(state.text)
            restored[place] = merged(messages[place], state)
    return restored
