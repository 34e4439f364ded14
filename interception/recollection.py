"""What a provider gave with its earlier answers, put back on a call to it."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace

from recording import Recorder
from transforms.contract import JSON, Call


@dataclass(frozen=True, slots=True)
class Recollection:
    """A call, and what was put back on it."""

    call: Call
    """With the provider's own state on the assistant's messages."""

    fields: frozenset[str] = frozenset()
    """Of messages, that the client sent on none of them."""

    waited_s: float = 0.0

    def dropped_of_client(self, dropped: tuple[str, ...]) -> tuple[str, ...]:
        """What a provider dropped, without what the client never sent."""
        ours = {f"messages[].{name}" for name in self.fields}
        return tuple(name for name in dropped if name not in ours)


async def recollect(recorder: Recorder, provider: str, call: Call) -> Recollection:
    """The call with what can be remembered of this provider's answers in it."""
    started = time.monotonic()
    sent = call.request["messages"]
    messages = await recorder.recall(provider, sent)
    waited_s = time.monotonic() - started
    if messages is sent:
        return Recollection(call, waited_s=waited_s)
    request = {**call.request, "messages": messages}
    fields = frozenset(_fields(messages) - _fields(sent))
    return Recollection(replace(call, request=request), fields, waited_s)


def _fields(messages: list[JSON]) -> set[str]:
    return {name for message in messages for name, value in message.items() if value is not None}
