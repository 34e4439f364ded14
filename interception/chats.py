"""Conversations that a provider keeps itself: a call goes on in its own, or in a new one.

A call to a provider that keeps none stays as it is.
"""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable
from dataclasses import replace

from interception.messages import json_or_text
from transforms.contract import Call, ErrorAnswer, Provider
from transforms.drafts import Written, write
from transforms.errors import ResponseError

Ask = Callable[[Written], Awaitable[tuple[int, bytes]]]
"""A request of ours to the provider -> status and body of its answer."""


async def in_its_chat(
    provider: Provider, call: Call, key: Callable[[], str | None], ask: Ask
) -> Call:
    """The call, set to go on in its chat, or in a new chat where the provider needs one.

    Raises:
        RequestError: there is no key, or the provider cannot do what is asked.
        ResponseError: there is no new chat to be had.
    """
    chats = provider.chats
    if chats is None:
        return call
    call = replace(call, account=hashlib.sha256((key() or "").encode()).hexdigest())
    if chats.new is None or chats.goes_on(call):
        return call
    # No chat is made for what cannot be said in it.
    provider.build_request(call)
    return await begun(provider, call, ask)


async def begun(provider: Provider, call: Call, ask: Ask) -> Call:
    """The call, set to tell the whole conversation, in a new chat where the provider needs one.

    Raises:
        RequestError: there is no key.
        ResponseError: there is no new chat to be had.
    """
    call = replace(call, begins=True)
    assert provider.chats is not None
    new = provider.chats.new
    if new is None:
        return call
    status, body = await ask(write(new.build_request(call)))
    answer = json_or_text(body)
    if not 200 <= status < 300 or not isinstance(answer, dict):
        raise ResponseError.reported(provider.parse_error(status, answer))
    return replace(call, chat_id=new.parse_response(answer))


def is_lost(provider: Provider, call: Call, answer: ErrorAnswer) -> bool:
    """Whether the provider lost the conversation in which the call was to go on.

    Never of a call that tells the whole conversation, so no call is told anew twice.
    """
    chats = provider.chats
    return chats is not None and chats.is_lost(answer) and chats.goes_on(call)
