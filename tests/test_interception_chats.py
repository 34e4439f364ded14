"""Conversations that a provider keeps itself, seen from a call."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from interception.chats import begun, in_its_chat, is_lost
from tests.clients import ask
from transforms import PROVIDERS
from transforms.contract import Call, ErrorAnswer
from transforms.errors import RequestError, ResponseError
from transforms.json_text import dumps

QWEN = PROVIDERS["qwen"]


@pytest.fixture
def call():
    return Call(ask("qwen3-max"), "qwen3-max", "chatcmpl-1", 1795000000, QWEN.base_url)


@pytest.fixture
def site():
    """Answers with a new chat."""
    return Site(200, {"success": True, "data": {"id": "a-chat"}})


class Site:
    """The provider as far as it is asked for chats; notes the paths."""

    def __init__(self, status, answer):
        self.asked = []
        self._answer = status, dumps(answer)

    async def __call__(self, written):
        self.asked.append(written.path)
        return self._answer


def never(*anything):
    raise AssertionError("not to be asked")


def test_where_no_conversations_are_kept_a_call_stays_as_it_is(call):
    assert asyncio.run(in_its_chat(PROVIDERS["openai"], call, never, never)) is call


def test_a_conversation_begins_in_a_new_chat(call, site):
    there = asyncio.run(in_its_chat(QWEN, call, lambda: "k", site))
    assert (there.chat_id, there.begins) == ("a-chat", True)
    assert site.asked == ["/api/v2/chats/new"]


def test_two_keys_have_conversations_of_their_own_and_neither_is_told(call, site):
    accounts = [
        asyncio.run(in_its_chat(QWEN, call, lambda key=key: key, site)).account
        for key in ("one-key", "another-key", None)
    ]
    assert len({*accounts}) == 3
    assert not any("key" in account for account in accounts)


def test_no_chat_is_made_for_what_cannot_be_said_in_it(call):
    unspeakable = replace(call, request={**call.request, "n": 2})
    with pytest.raises(RequestError, match="`n`"):
        asyncio.run(in_its_chat(QWEN, unspeakable, lambda: "k", never))


@pytest.mark.parametrize(("status", "answer"), [(401, {"detail": "no"}), (200, "a page")])
def test_without_a_chat_there_is_no_call(call, status, answer):
    with pytest.raises(ResponseError):
        asyncio.run(begun(QWEN, call, Site(status, answer)))


def test_where_only_answers_are_kept_nothing_is_asked_for_a_beginning(call):
    assert asyncio.run(begun(PROVIDERS["responses"], call, never)).begins


def test_what_was_never_kept_is_not_lost(call):
    answer = ErrorAnswer(404, "Gone.", "invalid_request_error", "previous_response_not_found")
    assert not is_lost(PROVIDERS["openai"], call, answer)
    assert not is_lost(PROVIDERS["responses"], replace(call, begins=True), answer)
