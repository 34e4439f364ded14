"""Chunks to a plain answer, and a plain answer to chunks."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from openai.types.chat import ChatCompletionChunk

from tests.cases import Case, fold, params, without_nulls
from transforms.assembly import Assembler, one_call_each, split_completion
from transforms.room import Room


def chunk(delta: dict[str, Any], *, index: int = 0, **rest: Any) -> dict[str, Any]:
    finish = rest.pop("finish_reason", None)
    choice = {"index": index, "delta": delta, "finish_reason": finish}
    return {"id": "a", "created": 7, "model": "m", "choices": [choice], **rest}


def message(*deltas: dict[str, Any]) -> dict[str, Any]:
    """The message the deltas amount to."""
    return fold(chunk(delta) for delta in deltas)["choices"][0]["message"]


def fragment(arguments: str, index: int = 0, **rest: Any) -> dict[str, Any]:
    return {"tool_calls": [{"index": index, "function": {"arguments": arguments, **rest}}]}


# Assembling


def test_nothing_amounts_to_an_answer_without_choices() -> None:
    assert Assembler().completion() == {
        "id": "",
        "object": "chat.completion",
        "created": 0,
        "model": "",
        "choices": [],
    }


def test_text_is_joined() -> None:
    assert message({"role": "assistant", "content": ""}, {"content": "Hel"}, {"content": "lo"}) == {
        "role": "assistant",
        "content": "Hello",
    }


def test_unfinished_answer_has_no_finish_reason() -> None:
    assert fold([chunk({"content": "Hel"})])["choices"] == [
        {
            "index": 0,
            "message": {"role": "assistant", "content": "Hel"},
            "finish_reason": None,
        }
    ]


def test_names_told_again_are_told_once() -> None:
    repeated = {"id": "c", "type": "function"}
    first, second = fragment('{"x"', name="f"), fragment(":1}", name="f")
    first["tool_calls"][0].update(repeated)
    second["tool_calls"][0].update(repeated)

    assert message({"role": "assistant", **first}, {"role": "assistant", **second}) == {
        "role": "assistant",
        "content": None,
        "tool_calls": [
            {"id": "c", "type": "function", "function": {"name": "f", "arguments": '{"x":1}'}}
        ],
    }


def test_interleaved_calls_keep_apart() -> None:
    calls = message(
        fragment("{", 1, name="g"), fragment("[", 0, name="f"), fragment("}", 1), fragment("]", 0)
    )["tool_calls"]

    assert [call["function"] for call in calls] == [
        {"name": "f", "arguments": "[]"},
        {"name": "g", "arguments": "{}"},
    ]


def test_interleaved_choices_keep_apart() -> None:
    choices = fold(
        [
            chunk({"content": "b"}, index=1),
            chunk({"content": "a"}),
            chunk({"content": "B"}, index=1),
            chunk({}, finish_reason="stop"),
            chunk({}, index=1, finish_reason="length"),
        ]
    )["choices"]

    assert [
        (choice["index"], choice["message"]["content"], choice["finish_reason"])
        for choice in choices
    ] == [(0, "a", "stop"), (1, "bB", "length")]


def test_id_time_and_model_are_those_first_told() -> None:
    """Azure's first event has none; Groq's last has another."""
    completion = fold(
        [
            {"id": "", "created": 0, "model": "", "choices": []},
            {"id": "a", "created": 7, "model": "m", "choices": []},
            {"id": "stub", "created": 9, "model": "n", "choices": []},
        ]
    )

    assert (completion["id"], completion["created"], completion["model"]) == ("a", 7, "m")


def test_running_usage_replaces_and_null_does_not() -> None:
    completion = fold(
        [chunk({}, usage={"total_tokens": 1}), chunk({}, usage={"total_tokens": 2}), chunk({})]
    )

    assert completion["usage"] == {"total_tokens": 2}
    assert "usage" not in fold([chunk({}, usage=None)])


def test_members_that_stay_null_stay_null() -> None:
    assert message({"content": None, "refusal": None}) == {
        "role": "assistant",
        "content": None,
        "refusal": None,
    }


def test_null_between_texts_changes_nothing() -> None:
    assert message({"content": "a"}, {"content": None}, {"content": "b"})["content"] == "ab"


def test_log_probabilities_are_joined() -> None:
    chunks = [chunk({"content": text}) for text in "ab"]
    for number, each in enumerate(chunks):
        each["choices"][0]["logprobs"] = {"content": [{"token": number}], "refusal": None}

    assert fold(chunks)["choices"][0]["logprobs"] == {
        "content": [{"token": 0}, {"token": 1}],
        "refusal": None,
    }


def test_nested_objects_grow() -> None:
    """Audio comes as an id, then pieces of base64, then a time."""
    assert message(
        {"audio": {"id": "a", "data": "QU"}},
        {"audio": {"data": "JD"}},
        {"audio": {"expires_at": 7}},
    )["audio"] == {"id": "a", "data": "QUJD", "expires_at": 7}


def test_listed_items_grow_by_their_index() -> None:
    assert message(
        {"reasoning_details": [{"index": 0, "type": "reasoning.text", "text": "Hm"}]},
        {"reasoning_details": [{"index": 0, "type": "reasoning.text", "text": "m"}]},
        {"reasoning_details": [{"index": 1, "type": "reasoning.text", "text": "So"}]},
    )["reasoning_details"] == [
        {"index": 0, "type": "reasoning.text", "text": "Hmm"},
        {"index": 1, "type": "reasoning.text", "text": "So"},
    ]


def test_lists_without_index_grow_by_their_items() -> None:
    assert message({"annotations": [1]}, {"annotations": [2, 3]})["annotations"] == [1, 2, 3]


def test_text_after_content_parts_is_one_more_part() -> None:
    """Mistral thinks in content parts and goes on in bare text."""
    thinking = {"type": "thinking", "thinking": [{"type": "text", "text": "Hm"}]}

    assert message({"content": [thinking]}, {"content": "1"}, {"content": "2"})["content"] == [
        thinking,
        {"type": "text", "text": "12"},
    ]


@pytest.mark.parametrize(
    "odd",
    [
        {"choices": None},
        {"choices": {}},
        {"choices": [None]},
        {"choices": [{"index": "0", "delta": None}]},
        {"choices": [{"delta": {"tool_calls": None}}]},
        {"choices": [{"delta": {"tool_calls": []}, "logprobs": []}]},
        {},
    ],
)
def test_chunk_of_any_shape_is_taken(odd: dict[str, Any]) -> None:
    completion = fold([chunk({"content": "a"}), odd, chunk({"content": "b"})])

    assert completion["choices"][0]["message"]["content"] == "ab"


def test_chunks_are_left_unchanged() -> None:
    told = chunk({"reasoning_details": [{"index": 0, "text": "a"}]})
    assembler = Assembler()
    assembler.add(told)
    assembler.completion()["choices"][0]["message"]["reasoning_details"][0]["text"] = "b"

    assert told == chunk({"reasoning_details": [{"index": 0, "text": "a"}]})


# Splitting

ANSWERS = params("provider_response.json", "response.json")

TEXTS = st.text(min_size=1, max_size=10)
TOOL_CALLS = st.lists(
    st.builds(
        lambda name, arguments: {
            "id": "c",
            "type": "function",
            "function": {"name": name, "arguments": arguments},
        },
        TEXTS,
        TEXTS,
    ),
    min_size=1,
    max_size=3,
)
MESSAGES = st.fixed_dictionaries(
    {"role": st.just("assistant"), "content": st.just("") | TEXTS},
    optional={"reasoning_content": TEXTS, "refusal": TEXTS, "tool_calls": TOOL_CALLS},
)
COMPLETIONS = st.builds(
    lambda messages, usage: {
        "id": "a",
        "object": "chat.completion",
        "created": 7,
        "model": "m",
        "choices": [
            {"index": index, "message": each, "finish_reason": "stop"}
            for index, each in enumerate(messages)
        ],
        **({"usage": {"total_tokens": usage}} if usage else {}),
    },
    st.lists(MESSAGES, min_size=1, max_size=3),
    st.none() | st.integers(1, 9),
)


@settings(max_examples=100)
@given(completion=COMPLETIONS)
def test_split_answer_folds_back_into_itself(completion: dict[str, Any]) -> None:
    assert fold(split_completion(completion)) == completion


@pytest.mark.parametrize(
    "case", [answer for answer in ANSWERS if not str(answer.id).endswith("/custom_tool_call")]
)
def test_split_answer_of_a_case_folds_back_into_itself(case: Case) -> None:
    completion = case.json("response")

    assert without_nulls(fold(split_completion(completion))) == without_nulls(completion)


def test_custom_call_is_split_into_a_function_call() -> None:
    """Chunks have no other kind of call."""
    custom = {"id": "c", "type": "custom", "custom": {"name": "f", "input": "1 + 1"}}
    completion = {"choices": [{"index": 0, "message": {"tool_calls": [custom]}}]}

    assert fold(split_completion(completion))["choices"][0]["message"]["tool_calls"] == [
        {"id": "c", "type": "function", "function": {"name": "f", "arguments": "1 + 1"}}
    ]


@pytest.mark.parametrize("case", ANSWERS)
def test_split_answer_is_valid_for_the_openai_sdk(case: Case) -> None:
    for each in split_completion(case.json("response")):
        ChatCompletionChunk.model_validate(each)


def test_split_answer_comes_in_openais_order() -> None:
    completion = {
        "id": "a",
        "object": "chat.completion",
        "created": 7,
        "model": "m",
        "choices": [
            {
                "index": 0,
                "message": {
                    "role": "assistant",
                    "content": "Hello",
                    "reasoning_content": "Hm",
                    "tool_calls": [{"id": "c"}, {"id": "d"}],
                },
                "finish_reason": "tool_calls",
            }
        ],
        "usage": {"total_tokens": 9},
    }

    chunks = list(split_completion(completion))

    assert [choice["delta"] for each in chunks for choice in each["choices"]] == [
        {"role": "assistant", "content": ""},
        {"reasoning_content": "Hm"},
        {"content": "Hello"},
        {"tool_calls": [{"index": 0, "id": "c"}]},
        {"tool_calls": [{"index": 1, "id": "d"}]},
        {},
    ]
    assert [each["object"] for each in chunks] == ["chat.completion.chunk"] * 7
    assert [choice["finish_reason"] for each in chunks for choice in each["choices"]] == [
        None,
        None,
        None,
        None,
        None,
        "tool_calls",
    ]
    assert chunks[-1]["choices"] == []
    assert chunks[-1]["usage"] == {"total_tokens": 9}


@pytest.mark.parametrize(
    "delta",
    [
        {"content": "more"},
        {"annotations": [{"type": "url_citation"}]},
        {"audio": {"data": "more"}},
        {"tool_calls": [{"index": 0, "function": {"arguments": "more"}}]},
    ],
    ids=["text", "list", "nested", "item"],
)
def test_nothing_more_is_kept_without_room(delta: dict[str, Any]) -> None:
    room = Room()
    told = Assembler(room)
    told.add(chunk(delta))
    kept = told.completion()

    room.is_full = True
    told.add(chunk(delta))

    assert told.completion() == kept


def test_each_call_of_a_delta_gets_a_chunk_of_its_own() -> None:
    """LlamaIndex looks at the first call of a delta alone."""
    called = [
        {"index": index, "id": f"c{index}", "function": {"name": "f", "arguments": "{}"}}
        for index in range(3)
    ]
    said = {"index": 1, "delta": {"content": "Hm"}, "finish_reason": None}
    calls = {"index": 0, "delta": {"content": "I", "tool_calls": called}, "finish_reason": None}

    told = one_call_each({"id": "a", "choices": [calls, said]})

    assert [each["choices"] for each in told] == [
        [{**calls, "delta": {"content": "I", "tool_calls": called[:1]}}, said],
        [{**calls, "delta": {"tool_calls": called[1:2]}}],
        [{**calls, "delta": {"tool_calls": called[2:]}}],
    ]
    assert {each["id"] for each in told} == {"a"}
