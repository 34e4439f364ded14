"""Requests that go on from a draft are those that would have been built at once."""

from __future__ import annotations

import copy
import re
from dataclasses import replace
from itertools import count
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.cases import all_cases
from tests.test_client_requests import CAPTURED
from transforms import PROVIDERS
from transforms.chat_request import check_request
from transforms.contract import Call, Provider
from transforms.drafts import Draft, begin, complete, extend, place_to_go_on, write
from transforms.errors import RequestError
from transforms.json_text import dumps, loads

DRAFTED = [provider for provider in PROVIDERS.values() if provider.turns]
MODELS = {
    "anthropic": ["claude-sonnet-4-5", "claude-opus-5", "claude-3-haiku"],
    "bedrock": ["anthropic.claude-sonnet-4-5-v1:0", "amazon.nova-pro-v1:0"],
    "gemini": ["gemini-2.5-pro", "gemini-3-pro"],
    "vertex": ["gemini-2.5-pro", "gemini-3-pro"],
    "responses": ["gpt-5.1", "gpt-4o"],
}
LONE_SURROGATE = re.compile(rb"\\ud[89a-f]")
every_drafted = pytest.mark.parametrize("provider", DRAFTED, ids=lambda each: each.name)


def calls(provider: Provider, request: dict[str, Any]) -> list[Call]:
    """The request as a call to each of a provider's kinds of model."""
    base_url = provider.base_url or "http://host/v1"
    models = MODELS.get(provider.name, ["gpt-4o", "m-1"])
    return [Call(request, model, "chatcmpl-1", 1, base_url=base_url) for model in models]


def places(messages: list[dict[str, Any]]) -> list[int]:
    """Everywhere that a draft may end, the first place first."""
    found, end = [], len(messages)
    while end := place_to_go_on(messages[:end]):
        found.append(end)
    return found[::-1]


def is_the_same(draft: Draft, call: Call) -> bool:
    """Whether a request could be completed; then it is the one that is built at once."""
    written = complete(draft, call)
    if written is None:
        return False
    whole = write(draft.provider.build_request(call))
    if LONE_SURROGATE.search(whole.text):
        # Spelled alike: beside one, other letters may be escaped or not.
        written = replace(written, text=dumps(loads(written.text)))
    assert written == whole
    return True


def told_to_be() -> list[dict[str, Any]]:
    """The requests of all cases and of real clients, for any provider."""
    told = [case.json("request") for case in all_cases() if case.has("request.json")]
    found = []
    for request in [*told, *(each["body"] for each in CAPTURED.values())]:
        try:
            found.append(check_request(request))
        except RequestError:
            continue
    return found


@every_drafted
def test_every_recorded_conversation_can_be_gone_on_with(provider):
    drafted = 0
    for request in told_to_be():
        for call in calls(provider, request):
            for place in places(request["messages"]):
                draft = begin(provider, call, place)
                drafted += draft is not None and is_the_same(draft, call)
    assert drafted > 50


TEXTS = st.sampled_from(["yes", "", "  ", "é\n", "\ud83d"])
IMAGE = {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo="}}
PARTS = [{"type": "text", "text": "look"}, {"type": "text", "text": ""}, IMAGE]
PDF = {"file_data": "data:application/pdf;base64,JVBERi0xLjQK"}
FILES = [
    {"type": "file", "file": PDF},
    {"type": "file", "file": {**PDF, "filename": "report.pdf"}},
    {"type": "file", "file": {**PDF, "filename": "report (2).pdf"}},
]
IDS = st.sampled_from(["call_a", "call/b", "functions.c:0"])
EXTRAS = st.sampled_from(
    [
        {},
        {"reasoning_content": "hm"},
        {"refusal": "no"},
        {"name": "ada"},
        {"thinking_blocks": [{"type": "thinking", "thinking": "hm", "signature": "c2ln"}]},
        {"prefix": True},
    ]
)


Messages = st.SearchStrategy[list[dict[str, Any]]]


def spoken(role: str, parts: list[dict[str, Any]] = PARTS) -> st.SearchStrategy[dict[str, Any]]:
    """A message of somebody who is no assistant."""
    content = st.one_of(TEXTS, st.lists(st.sampled_from(parts), max_size=2))
    return st.builds(lambda content: {"role": role, "content": content}, content)


FUNCTION = {"type": "function", "function": {"name": "search", "arguments": '{"a": 1}'}}
FUNCTIONS = [FUNCTION, {**FUNCTION, "function": {**FUNCTION["function"], "name": "read"}}]
CUSTOM = [{"type": "custom", "custom": {"name": "search", "input": "a"}}]


@st.composite
def answered(draw: Any, kinds: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """A message of the assistant, with the results of its calls."""
    ids = draw(st.lists(IDS, max_size=2, unique=True))
    message = {"role": "assistant", "content": draw(st.one_of(st.none(), TEXTS)), **draw(EXTRAS)}
    if ids:
        message["tool_calls"] = [{"id": each, **draw(st.sampled_from(kinds))} for each in ids]
    results = [
        {"role": "tool", "tool_call_id": each, "content": draw(TEXTS)}
        for each in draw(st.permutations(ids))
    ]
    return [message, *results]


def rounds(parts: list[dict[str, Any]], kinds: list[dict[str, Any]]) -> Messages:
    """What is said by others, and what is answered."""
    user = spoken("user", parts)
    return st.builds(
        lambda before, answers: [*before, *(each for answer in answers for each in answer)],
        st.lists(st.one_of(user, user, spoken("developer")), max_size=2),
        st.lists(answered(kinds), max_size=2),
    )


TOOLS = st.sampled_from(
    [
        {},
        {"tools": [{"type": "function", "function": {"name": "search", "parameters": {}}}]},
        {"seed": 1, "reasoning_effort": "high"},
    ]
)


@st.composite
def conversations(draw: Any, least: int = 1) -> dict[str, Any]:
    """A well-formed request. Files and custom calls are in some alone, for not all providers take
    any."""
    parts, kinds = draw(
        st.sampled_from(
            [(PARTS, FUNCTIONS), (PARTS + FILES, FUNCTIONS), (PARTS, FUNCTIONS + CUSTOM)]
        )
    )
    system = draw(st.lists(spoken("system"), max_size=1))
    told = draw(st.lists(rounds(parts, kinds), min_size=least, max_size=4))
    messages = [*system, *(message for each in told for message in each)]
    return {"model": "m", **draw(TOOLS), "messages": [*messages, draw(spoken("user", parts))]}


@every_drafted
@settings(max_examples=80)
@given(request=conversations())
def test_a_conversation_is_told_the_same_in_whatever_steps_it_grows(provider, request):
    before = copy.deepcopy(request)
    for call in calls(provider, check_request(request)):
        draft = None
        for place in places(request["messages"]):
            draft = begin(provider, call, place) if draft is None else extend(draft, call, place)
            if draft is not None:
                is_the_same(draft, call)
    assert request == before


@every_drafted
@settings(max_examples=80)
@given(request=conversations(), instead=conversations(least=0))
def test_a_conversation_that_takes_another_turn_is_told_the_same(provider, request, instead):
    """As where a client takes an answer back, or breaks it off."""
    for call in calls(provider, check_request(request)):
        for place in places(request["messages"]):
            messages = [*request["messages"][:place], *instead["messages"]]
            edited = replace(call, request={**request, "messages": messages})
            draft = begin(provider, call, place)
            if draft is not None and draft.precedes(provider, edited):
                is_the_same(draft, edited)


@every_drafted
def test_a_long_chain_of_calls_is_told_in_steps(provider):
    """As an agent grows it; at each step all but the last answer comes from the draft."""
    messages = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Go."}]
    draft = None
    for number in range(6):
        function = {"name": "search", "arguments": f'{{"n": {number}}}'}
        call_id = f"call{number:05}"
        messages = [
            *messages,
            {
                "role": "assistant",
                "content": None,
                "tool_calls": [{"id": call_id, "type": "function", "function": function}],
            },
            {"role": "tool", "tool_call_id": call_id, "content": f"found {number}"},
        ]
        tool = {"type": "function", "function": {"name": "search", "parameters": {}}}
        request = check_request({"model": "m", "messages": messages, "tools": [tool]})
        call = calls(provider, request)[0]
        place = place_to_go_on(messages)
        assert place == len(messages) - 2
        draft = extend(draft, call, place) if draft else begin(provider, call, place)
        assert draft is not None
        assert is_the_same(draft, call)


ANTHROPIC = PROVIDERS["anthropic"]


def asked(*messages: dict[str, Any], **parameters: Any) -> Call:
    return Call(
        {"model": "m", "messages": [*messages], **parameters}, "claude-sonnet-4-5", "c-1", 1
    )


USER = {"role": "user", "content": "Hi"}
ANSWER = {"role": "assistant", "content": "Yes."}


@pytest.mark.parametrize(
    ("roles", "place"),
    [
        ("u", 0),
        ("ua", 1),
        ("uau", 1),
        ("uaua", 3),
        ("uaa", 1),
        ("sa", 0),
        ("a", 0),
        ("uasa", 1),
        ("uat", 1),
        ("uata", 3),
        ("uaea", 1),
        ("uaue", 1),
    ],
)
def test_goes_on_where_the_assistant_last_began_to_answer(roles, place):
    told = {
        "u": USER,
        "a": ANSWER,
        "s": {"role": "system", "content": "Be brief."},
        "t": {"role": "tool", "tool_call_id": "a", "content": ""},
        "e": {"role": "user", "content": [{"type": "text", "text": " "}]},
    }
    assert place_to_go_on([told[each] for each in roles]) == place


def test_a_draft_precedes_what_begins_like_it_and_is_asked_for_in_the_same_way():
    call = asked(USER, ANSWER, USER, temperature=0.5)
    draft = begin(ANTHROPIC, call, 1)
    assert draft is not None
    assert draft.precedes(ANTHROPIC, replace(call, completion_id="c-2", created=2))
    assert not draft.precedes(PROVIDERS["bedrock"], call)
    assert not draft.precedes(ANTHROPIC, replace(call, model="claude-opus-5"))
    assert not draft.precedes(ANTHROPIC, asked(USER, ANSWER, USER, temperature=0.6))
    assert not draft.precedes(ANTHROPIC, asked(ANSWER, ANSWER, USER, temperature=0.5))
    assert not draft.precedes(ANTHROPIC, asked(USER, temperature=0.5))
    assert not draft.precedes(ANTHROPIC, asked(USER, USER, ANSWER, USER, temperature=0.5))


@pytest.mark.parametrize(("one", "other"), [(1, True), (1, 1.0), ({"a": 0}, {"a": False})])
def test_what_is_equal_but_written_in_another_way_is_another_call(one, other):
    local = PROVIDERS["compatible"]
    draft = begin(local, asked({**USER, "x": one}, ANSWER, USER, y=one), 1)
    assert draft is not None
    assert draft.precedes(local, asked({**USER, "x": one}, ANSWER, USER, y=one))
    assert not draft.precedes(local, asked({**USER, "x": other}, ANSWER, USER, y=one))
    assert not draft.precedes(local, asked({**USER, "x": one}, ANSWER, USER, y=other))


def test_what_was_dropped_is_named_whenever_it_was_told():
    named = {**USER, "name": "ada"}
    call = asked(named, ANSWER, USER, ANSWER, USER, seed=1)
    draft = begin(ANTHROPIC, call, 1)
    assert draft is not None
    later = extend(draft, call, 3)
    assert later is not None
    for each in (
        complete(draft, call),
        complete(later, call),
        write(ANTHROPIC.build_request(call)),
    ):
        assert each is not None
        assert each.dropped == ("messages[].name", "seed")


def test_calls_whose_tools_were_put_away_are_told_as_a_whole():
    """Anthropic wants every tool that the history calls declared."""
    function = {"name": "search", "arguments": "{}"}
    asks = {"role": "assistant", "content": None, "tool_calls": [{"id": "a", "function": function}]}
    found = {"role": "tool", "tool_call_id": "a", "content": "1"}
    call = asked(USER, asks, found, ANSWER, USER)
    draft = begin(ANTHROPIC, call, 3)
    assert draft is not None
    assert complete(draft, call) is None
    assert "search" in dumps(ANTHROPIC.build_request(call).body).decode()


def test_an_answer_without_words_leaves_no_seam():
    """Anthropic takes no empty turn, so the questions around it become one."""
    call = asked(USER, {"role": "assistant", "content": ""}, USER)
    assert place_to_go_on(call.request["messages"]) == 0
    draft = begin(ANTHROPIC, call, 1)
    assert draft is not None
    assert complete(draft, call) is None


def test_a_mistake_is_left_to_be_told_with_its_place():
    wrong = {"role": "function", "name": "f", "content": "1"}
    call = asked(USER, ANSWER, wrong)
    draft = begin(ANTHROPIC, call, 1)
    assert draft is not None
    assert complete(draft, call) is None
    with pytest.raises(RequestError, match=r"messages\[2\]"):
        ANTHROPIC.build_request(call)


def test_lone_surrogates_are_told_as_what_they_are():
    call = asked(USER, ANSWER, {"role": "user", "content": "\ud83d"})
    draft = begin(ANTHROPIC, call, 1)
    assert draft is not None
    written = complete(draft, call)
    assert written is not None
    assert loads(written.text) == ANTHROPIC.build_request(call).body


def test_only_what_is_new_is_built():
    numbers = count()
    counting = replace(
        ANTHROPIC,
        build_request=lambda call: (
            [next(numbers) for _ in call.request["messages"]] and ANTHROPIC.build_request(call)
        ),
    )
    call = asked(*[USER, ANSWER] * 500, USER)
    draft = begin(counting, call, 999)
    assert draft is not None
    before = next(numbers)
    assert complete(draft, call) is not None
    assert next(numbers) - before - 1 == 3


def test_documents_of_one_name_are_told_apart_on_both_sides_of_a_seam():
    bedrock = PROVIDERS["bedrock"]
    asks = {"role": "user", "content": [{"type": "text", "text": "Read."}, FILES[1]]}
    call = calls(bedrock, asked(asks, ANSWER, asks, ANSWER, asks).request)[0]
    draft = begin(bedrock, call, 1)
    assert draft is not None
    later = extend(draft, call, 3)
    assert later is not None
    assert is_the_same(draft, call)
    assert is_the_same(later, call)
