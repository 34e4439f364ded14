"""Conversations that begin like one told lately."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recording import chains, sessions
from recording.chains import Chains
from recording.lately import LONG
from tests.records import conversation, conversation_of, said

_MESSAGES = st.builds(
    lambda role, text: {"role": role, "content": text},
    st.sampled_from(["system", "user", "assistant"]),
    st.sampled_from(["yes", "no", [{"type": "text", "text": "yes"}]]),
)


@given(st.lists(st.tuples(st.integers(0, 3), st.lists(_MESSAGES, max_size=4)), max_size=8))
def test_a_conversation_reads_as_if_no_other_had_been_told(changes):
    remembering, told = Chains(), []
    for kept, more in changes:
        told = told[: len(told) - kept] + more
        body = {"messages": told}
        assert remembering.conversation(conversation_of(body), LONG) == conversation(body)


@pytest.mark.parametrize(("length", "digested"), [(LONG, 2), (LONG - 1, 5)])
def test_what_a_long_one_repeats_is_digested_once(monkeypatch, length, digested):
    digests = []
    monkeypatch.setattr(sessions, "message_digest", lambda message: digests.append(1) or b"")
    remembering = Chains()
    remembering.conversation(said("a", "b", "c")["messages"], length)
    digests.clear()
    remembering.conversation(said("a", "b", "c", "d", "e")["messages"], length)
    assert len(digests) == digested


def test_of_a_conversation_only_its_last_call_is_kept(monkeypatch):
    monkeypatch.setattr(chains, "_common", lambda one, other: compared.append(1) or len(other))
    remembering, compared = Chains(), []
    for count in range(1, 5):
        remembering.conversation(said(*"abcd"[:count])["messages"], LONG)
    assert len(compared) == 3
