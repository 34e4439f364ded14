"""What a provider was told of a conversation, kept so that the next call goes on from it.

A client sends its whole history with every call. Where a provider names its `turns`, what is sent
for the messages up to a place at which the assistant begins to speak stays the same, whatever
follows: so only what follows is built, after an opening that is taken out again, and put behind
the JSON text of what was built before. Wherever this cannot be seen to hold, there is no draft, and
the whole request is built at once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from operator import is_
from typing import Any

from transforms.chat_request import INSTRUCTIONS
from transforms.contract import JSON, Call, Provider, ProviderRequest
from transforms.errors import RequestError
from transforms.json_text import dumps

_OPENING: JSON = {"role": "user", "content": "."}
"""Stands before an assistant's message that begins what is built: many providers want a user to
begin."""


@dataclass(frozen=True, slots=True)
class Written:
    """A provider's request with the text of its body."""

    path: str
    headers: Mapping[str, str]
    dropped: tuple[str, ...]
    """In the order of the alphabet: that in which they were met depends on what was built when."""
    text: bytes
    """JSON in UTF-8."""


@dataclass(frozen=True, slots=True)
class Draft:
    """The beginning of a conversation as a provider is told it."""

    provider: Provider
    call: Call
    """The one that began it, without its messages: only what is told of them is kept."""

    messages: list[JSON]
    """The messages that are told."""

    lead: ProviderRequest
    """What is sent for what stands before all that is built: instructions, and the opening."""

    around: ProviderRequest
    """What is sent beside the turns; `dropped` is what was dropped of these messages, `names` what
    their documents are called."""

    head: bytes
    """The JSON text before the first turn."""
    turns: bytes
    """The JSON texts of the turns, one at least, with commas between them."""
    tail: bytes
    """The JSON text after the last turn."""

    @property
    def size(self) -> int:
        """The bytes of its texts."""
        return len(self.head) + len(self.turns) + len(self.tail)

    def precedes(self, provider: Provider, call: Call) -> bool:
        """Whether a call goes on from here: the same messages, asked for in the same way, and
        answered as those of the draft were; an answer may have been taken back since."""
        messages, end = call.request["messages"], len(self.messages)
        return (
            len(messages) > end
            and _is_answered(messages[end - 1], messages[end])
            and provider is self.provider
            and _is_written_alike(messages[0], self.messages[0])
            and asks_alike(call, self.call)
            and (
                all(map(is_, messages, self.messages))
                or all(map(_is_written_alike, messages, self.messages))
            )
        )


def write(request: ProviderRequest) -> Written:
    """A whole request with its text.

    Raises:
        ValueError: the body holds something that is not JSON.
    """
    return _written(request, request.dropped, dumps(request.body))


def asks_alike(call: Call, other: Call) -> bool:
    """Whether two calls are the same but for what they say, and for the answers that they get."""
    asked, others = call.request, other.request
    return (
        _addressed(call) == _addressed(other)
        and [*asked] == [*others]
        and all(
            _is_written_alike(asked[name], others[name]) for name in asked if name != "messages"
        )
    )


def place_to_go_on(messages: Sequence[JSON]) -> int:
    """The last place at which the assistant begins to answer; 0 where there is none."""
    for place in range(len(messages) - 1, 0, -1):
        if _is_answered(messages[place - 1], messages[place]):
            return place
    return 0


def begin(provider: Provider, call: Call, end: int) -> Draft | None:
    """The draft of a call's first messages; None where what follows would change it.

    `end` is a place at which the assistant begins to speak.
    """
    messages = call.request["messages"]
    try:
        built = provider.build_request(_with(call, messages[:end]))
        lead = provider.build_request(_with(call, [*_instructions(messages), _OPENING]))
    except RequestError:
        return None
    name = provider.turns
    around, turns = _around(provider, built), _joined(built.body[name])
    if not turns:
        return None
    members = [*around.body.items()]
    place = [*around.body].index(name)
    head = dumps(dict(members[: place + 1])).removesuffix(b"]}")
    tail = dumps(dict(members[place:]))[len(dumps({name: []})) - len(b"]}") :]
    return Draft(provider, _with(call, []), messages[:end], lead, around, head, turns, tail)


def extend(draft: Draft, call: Call, end: int) -> Draft | None:
    """A draft that goes on to `end` in a call that it precedes; None where it cannot."""
    built = _following(draft, call, end)
    if built is None:
        return None
    turns = b",".join((draft.turns, _joined(built.body[draft.provider.turns])))
    dropped = _all_dropped(draft, built)
    return replace(
        draft,
        messages=call.request["messages"][:end],
        turns=turns,
        around=replace(draft.around, dropped=dropped, names=built.names),
    )


def complete(draft: Draft, call: Call) -> Written | None:
    """The request of a call that a draft precedes; None where it cannot be made from it."""
    built = _following(draft, call, None)
    if built is None:
        return None
    turns = _joined(built.body[draft.provider.turns])
    text = b"".join((draft.head, draft.turns, b",", turns, draft.tail))
    return _written(built, _all_dropped(draft, built), text)


def _written(request: ProviderRequest, dropped: tuple[str, ...], text: bytes) -> Written:
    return Written(request.path, request.headers, tuple(sorted(dropped)), text)


def _following(draft: Draft, call: Call, end: int | None) -> ProviderRequest | None:
    """What is sent for the messages after a draft's, up to `end`; None where more would change
    than the turns."""
    messages, name = call.request["messages"], draft.provider.turns
    following = messages[len(draft.messages) : end]
    try:
        told = [*_instructions(messages), _OPENING, *following]
        known = replace(call, names=draft.around.names)
        built = draft.provider.build_request(_with(known, told))
    except RequestError:
        # What is wrong is said with its place in the whole.
        return None
    turns, lead = built.body[name], draft.lead.body[name]
    if turns[: len(lead)] != lead or len(turns) == len(lead):
        return None
    instructs = any(message["role"] in INSTRUCTIONS for message in following)
    if not _is_alike(draft, built, instructs):
        return None
    return replace(built, body={**built.body, name: turns[len(lead) :]})


def _is_alike(draft: Draft, built: ProviderRequest, instructs: bool) -> bool:
    """Whether all but the turns is what it was.

    Instructions may be told in one place with those of the draft, where nobody can tell them
    apart; then the draft must have none but the first ones.
    """
    others = [built, draft.lead] if instructs else [built]
    return all(_same_around(draft.around, each, draft.provider.turns) for each in others)


def _same_around(around: ProviderRequest, built: ProviderRequest, name: str) -> bool:
    return (
        (around.path, around.headers) == (built.path, built.headers)
        and around.body.keys() == built.body.keys()
        and all(value == built.body[each] for each, value in around.body.items() if each != name)
    )


def _is_answered(asks: JSON, answers: JSON) -> bool:
    """Whether one message is what the assistant says to the one before.

    Both must say something: of what says nothing many providers are told nothing, and what stands
    around it becomes one turn.
    """
    answered = answers["role"] == "assistant" and asks["role"] in ("user", "tool")
    return answered and _says_something(asks) and _says_something(answers)


def _says_something(message: JSON) -> bool:
    content = message.get("content")
    texts = [part.get("text") for part in content] if isinstance(content, list) else [content]
    said = any(isinstance(text, str) and text.strip() for text in texts)
    return said or message["role"] == "tool" or bool(message.get("tool_calls"))


def _instructions(messages: Sequence[JSON]) -> list[JSON]:
    """Those at the beginning, which many providers take apart from the rest."""
    count = 0
    while messages[count]["role"] in INSTRUCTIONS:
        count += 1
    return [*messages[:count]]


def _with(call: Call, messages: list[JSON]) -> Call:
    return replace(call, request={**call.request, "messages": messages})


def _addressed(call: Call) -> tuple[object, ...]:
    told = (call.model, call.base_url, call.settings)
    return (*told, call.chat_id, call.begins, call.account)


def _is_written_alike(one: Any, other: Any) -> bool:
    """Whether two values are the same in JSON; to Python, `1` and `true` are equal."""
    return one is other or (one == other and dumps(one) == dumps(other))


def _around(provider: Provider, built: ProviderRequest) -> ProviderRequest:
    return replace(built, body={**built.body, provider.turns: []})


def _all_dropped(draft: Draft, built: ProviderRequest) -> tuple[str, ...]:
    return tuple(dict.fromkeys(draft.around.dropped + built.dropped))


def _joined(turns: list[JSON]) -> bytes:
    return dumps(turns)[1:-1]
