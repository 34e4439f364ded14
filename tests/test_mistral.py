"""Mistral's rules on messages, and what it takes of a request."""

from __future__ import annotations

import json
from typing import Any

import pytest
from mistralai.client import models

from tests.cases import Case, decode, feed_all, fold, params
from transforms.contract import Call, ErrorAnswer, Event, ProviderRequest
from transforms.errors import RequestError
from transforms.mistral import PROVIDER
from transforms.mistral.messages import call_id

USER = {"role": "user", "content": "Hello"}
SYSTEM = {"role": "system", "content": "Be brief."}
ID = "Nr1uNItcS"
"""As Mistral makes them."""

TOOL_CALL = {"type": "function", "id": ID, "function": {"name": "f", "arguments": "{}"}}
CALLING = {"role": "assistant", "tool_calls": [TOOL_CALL]}
RESULT = {"role": "tool", "tool_call_id": ID, "content": "1"}
OK = {"role": "assistant", "content": "OK."}


def call(model: str = "mistral-large-latest", **parameters: Any) -> Call:
    request = {"model": "m", "messages": [USER], **parameters}
    return Call(request, model, "chatcmpl-fixture", 1700000000)


def sent(model: str = "mistral-large-latest", **parameters: Any) -> ProviderRequest:
    return PROVIDER.build_request(call(model, **parameters))


def body(model: str = "mistral-large-latest", **parameters: Any) -> dict[str, Any]:
    """What is sent beside model and messages."""
    told = sent(model, **parameters).body
    return {name: value for name, value in told.items() if name not in {"model", "messages"}}


def messages(*history: dict[str, Any]) -> list[dict[str, Any]]:
    told: list[dict[str, Any]] = sent(messages=list(history)).body["messages"]
    return told


# The official types

MESSAGES = {
    "system": models.SystemMessage,
    "user": models.UserMessage,
    "assistant": models.AssistantMessage,
    "tool": models.ToolMessage,
}


@pytest.mark.parametrize(
    "case", [each for each in params("provider_request.json") if each.id.startswith("mistral/")]
)
def test_request_is_valid_for_the_mistral_sdk(case: Case) -> None:
    """The API refuses members that it does not know, the SDK's models do not."""
    told = case.json("provider_request")["body"]

    models.ChatCompletionRequest.model_validate(told)

    assert told.keys() <= models.ChatCompletionRequest.model_fields.keys()
    for message in told["messages"]:
        assert message.keys() <= MESSAGES[message["role"]].model_fields.keys()


def sdk_texts(content: Any) -> tuple[str, str]:
    """Text and thinking as the SDK reads a content."""
    if not isinstance(content, list):
        return content or "", ""
    thinking = [each for part in content if part.type == "thinking" for each in part.thinking]
    return (
        "".join(part.text for part in content if part.type == "text"),
        "".join(each.text for each in thinking),
    )


@pytest.mark.parametrize(
    "case",
    [
        each
        for each in params("provider_response.json", "response.json")
        if each.id.startswith("mistral/")
    ],
)
def test_answer_says_what_the_mistral_sdk_reads(case: Case) -> None:
    told = models.ChatCompletionResponse.model_validate(case.json("provider_response"))
    ours = case.json("response")["choices"][0]["message"]

    content = told.choices[0].message.content
    assert sdk_texts(content) == (ours["content"], ours.get("reasoning_content", ""))


@pytest.mark.parametrize(
    "case",
    [
        each
        for each in params("provider_stream.*", "response.json")
        if each.id.startswith("mistral/")
    ],
)
def test_stream_says_what_the_mistral_sdk_reads(case: Case) -> None:
    events = [event.data for event in decode(PROVIDER, [case.stream]) if event.data != b"[DONE]"]
    choices = [models.CompletionChunk.model_validate_json(data).choices[0] for data in events]
    ours = case.json("response")["choices"][0]["message"]

    texts = [sdk_texts(choice.delta.content) for choice in choices]
    calls = [each.function.name for choice in choices for each in choice.delta.tool_calls or ()]
    assert "".join(text for text, _ in texts) == ours["content"]
    assert "".join(thought for _, thought in texts) == ours.get("reasoning_content", "")
    assert calls == [each["function"]["name"] for each in ours.get("tool_calls", [])]


# Parameters


def test_parameters_have_mistrals_names() -> None:
    assert body(
        max_completion_tokens=50,
        seed=1,
        stream=True,
        stream_options={"include_usage": True},
        safe_prompt=True,
        metadata={"team": "a"},
    ) == {
        "max_tokens": 50,
        "random_seed": 1,
        "stream": True,
        "safe_prompt": True,
        "metadata": {"team": "a"},
    }


def test_what_mistral_does_not_know_is_named() -> None:
    built = sent(
        user="a", logprobs=True, top_logprobs=2, store=True, chat_template_kwargs={"thinking": True}
    )

    assert built.dropped == ("user", "logprobs", "top_logprobs", "store", "chat_template_kwargs")
    assert built.body.keys() == {"model", "messages"}


@pytest.mark.parametrize(
    ("asked", "told", "dropped"),
    [
        ({"temperature": 2}, {"temperature": 1.5}, ("temperature",)),
        ({"temperature": 1.5}, {"temperature": 1.5}, ()),
        ({"top_p": 0}, {}, ("top_p",)),
        ({"temperature": 0, "top_p": 0.5}, {"temperature": 0}, ("top_p",)),
        ({"temperature": 0, "top_p": 1}, {"temperature": 0, "top_p": 1}, ()),
        ({"temperature": 0.5, "top_p": 0.5}, {"temperature": 0.5, "top_p": 0.5}, ()),
    ],
    ids=["hot", "warm", "no tokens", "greedy", "greedy over all", "usual"],
)
def test_sampling_keeps_to_mistrals_ranges(
    asked: dict[str, float], told: dict[str, float], dropped: tuple[str, ...]
) -> None:
    assert body(**asked) == told
    assert sent(**asked).dropped == dropped


TOOL = {"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}
NAMED = {"type": "function", "function": {"name": "f"}}


@pytest.mark.parametrize(
    ("choice", "told"),
    [("required", "any"), ("auto", "auto"), ("none", "none"), (NAMED, NAMED)],
    ids=["required", "auto", "none", "named"],
)
def test_choice_of_tools_is_told_in_mistrals_words(choice: Any, told: Any) -> None:
    assert body(tools=[TOOL], tool_choice=choice) == {"tools": [TOOL], "tool_choice": told}


def test_function_without_parameters_says_so() -> None:
    bare = {"type": "function", "function": {"name": "f"}}
    empty = {"name": "f", "parameters": {"type": "object", "properties": {}}}

    assert body(tools=[bare]) == {"tools": [{"type": "function", "function": empty}]}


@pytest.mark.parametrize(
    ("model", "effort", "told", "dropped"),
    [
        ("mistral-small-latest", "high", {"reasoning_effort": "high"}, ()),
        ("mistral-small-latest", "none", {"reasoning_effort": "none"}, ()),
        ("mistral-small-latest", "low", {"reasoning_effort": "high"}, ("reasoning_effort",)),
        ("mistral-medium-3.5", "minimal", {"reasoning_effort": "none"}, ("reasoning_effort",)),
        ("magistral-medium-latest", "none", {"prompt_mode": None}, ()),
        ("magistral-small-2509", "high", {"prompt_mode": "reasoning"}, ("reasoning_effort",)),
        ("mistral-large-latest", "high", {}, ("reasoning_effort",)),
        ("another-4", "max", {"reasoning_effort": "max"}, ()),
    ],
)
def test_effort_is_told_as_the_model_knows_it(
    model: str, effort: str, told: dict[str, Any], dropped: tuple[str, ...]
) -> None:
    assert body(model, reasoning_effort=effort) == told
    assert sent(model, reasoning_effort=effort).dropped == dropped


# Messages


@pytest.mark.parametrize("after", [USER, SYSTEM], ids=["user", "system"])
def test_assistant_stands_between_a_result_and_whoever_follows(after: dict[str, Any]) -> None:
    assert messages(USER, CALLING, RESULT, after) == [USER, CALLING, RESULT, OK, after]


def test_results_of_one_turn_stay_together() -> None:
    calling = {**CALLING, "tool_calls": [TOOL_CALL, {**TOOL_CALL, "id": "Nr1uNItcT"}]}
    history = [USER, calling, RESULT, {**RESULT, "tool_call_id": "Nr1uNItcT"}]

    assert messages(*history) == history


def test_assistant_that_has_the_last_word_begins_the_answer() -> None:
    assert messages(USER, {"role": "assistant", "content": "Once upon"}) == [
        USER,
        {"role": "assistant", "content": "Once upon", "prefix": True},
    ]


@pytest.mark.parametrize("content", [None, "", []])
def test_assistant_that_says_nothing_is_left_out(content: object) -> None:
    assert messages({"role": "assistant", "content": content}, USER) == [USER]


@pytest.mark.parametrize("content", [None, "", []])
def test_nothing_is_said_beside_calls(content: object) -> None:
    assert messages({**CALLING, "content": content}, RESULT) == [CALLING, RESULT]


def test_text_beside_calls_is_kept() -> None:
    said = {**CALLING, "content": "One moment."}

    assert messages(said, RESULT) == [said, RESULT]


@pytest.mark.parametrize("given", ["call_abc123", "toolu_bdrk_01L9", "", "caféteria", "\ud83d"])
def test_id_of_another_provider_becomes_nine_letters_and_digits(given: str) -> None:
    told = call_id(given)

    assert len(told) == 9
    assert told.isascii()
    assert told.isalnum()
    assert call_id(given) == told
    assert call_id(f"{given}.") != told


def test_mistrals_own_id_is_left_alone() -> None:
    assert call_id(ID) == ID


def test_call_and_result_keep_one_id() -> None:
    calling = {**CALLING, "tool_calls": [{**TOOL_CALL, "id": "call_1"}]}

    _, called, result = messages(USER, calling, {**RESULT, "tool_call_id": "call_1"})

    assert called["tool_calls"][0]["id"] == result["tool_call_id"] == call_id("call_1")


THINKING = {"type": "thinking", "thinking": [{"type": "text", "text": "Hm."}]}
THOUGHT = {"role": "assistant", "content": "4", "reasoning_content": "Hm."}


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("4", [THINKING, {"type": "text", "text": "4"}]),
        ([{"type": "text", "text": "4"}], [THINKING, {"type": "text", "text": "4"}]),
        (None, [THINKING]),
    ],
    ids=["text", "parts", "nothing"],
)
def test_thinking_goes_back_as_a_part(content: Any, told: list[dict[str, Any]]) -> None:
    assert messages({**THOUGHT, "content": content}, USER)[0] == {
        "role": "assistant",
        "content": told,
    }


@pytest.mark.parametrize(
    ("details", "thinking"),
    [
        ([{"format": "mistral", "signature": "c2ln"}], {**THINKING, "signature": "c2ln"}),
        ([None, {"format": "anthropic-claude-v1", "signature": "c2ln"}], THINKING),
        ("nonsense", THINKING),
    ],
    ids=["own", "foreign", "nonsense"],
)
def test_only_mistrals_signature_goes_back(details: Any, thinking: dict[str, Any]) -> None:
    told = messages({**THOUGHT, "reasoning_details": details}, USER)[0]

    assert told["content"][0] == thinking


def signed(text: str, **rest: Any) -> dict[str, Any]:
    return {"type": "thinking", "thinking": [{"type": "text", "text": text}], **rest}


SIGNED = {"type": "reasoning.text", "format": "mistral", "index": 0, "signature": "c2ln"}


def test_signature_of_thinking_is_told() -> None:
    content = [signed("Hm."), signed("So.", signature="c2ln"), {"type": "text", "text": "4"}]

    told = PROVIDER.parse_response(call(), {"choices": [{"message": {"content": content}}]})

    assert told["choices"][0]["message"] == {
        "role": "assistant",
        "content": "4",
        "reasoning_content": "Hm.So.",
        "reasoning_details": [SIGNED],
    }


def test_signature_of_streamed_thinking_is_told_before_the_finish() -> None:
    deltas = [[signed("Hm.")], [signed("So.", signature="c2ln")], "4"]
    chunks = [{"choices": [{"index": 0, "delta": {"content": each}}]} for each in deltas]
    end = {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}
    stream = PROVIDER.open_stream(call(stream=True))

    told = feed_all(stream, [Event("", json.dumps(each).encode()) for each in [*chunks, end]])
    told += stream.close()

    assert told[-2]["choices"][0]["delta"] == {"reasoning_details": [SIGNED]}
    assert fold(told)["choices"][0]["message"]["reasoning_content"] == "Hm.So."


@pytest.mark.parametrize(
    ("part", "told"),
    [
        (
            {"type": "input_audio", "input_audio": {"data": "AA==", "format": "wav"}},
            {"type": "input_audio", "input_audio": "AA=="},
        ),
        (
            {"type": "file", "file": {"file_data": "data:application/pdf;base64,JVBE"}},
            {"type": "document_url", "document_url": "data:application/pdf;base64,JVBE"},
        ),
        (
            {"type": "file", "file": {"file_id": "f", "filename": "a.pdf"}},
            {"type": "file", "file_id": "f"},
        ),
        (
            {"type": "image_url", "image_url": "https://example.com/a.png"},
            {"type": "image_url", "image_url": {"url": "https://example.com/a.png"}},
        ),
        (
            {"type": "document_url", "document_url": "https://example.com/a.pdf"},
            {"type": "document_url", "document_url": "https://example.com/a.pdf"},
        ),
    ],
    ids=["audio", "document", "uploaded file", "image", "Mistral's own"],
)
def test_part_is_told_in_mistrals_shape(part: dict[str, Any], told: dict[str, Any]) -> None:
    assert messages({"role": "user", "content": [part]}) == [{"role": "user", "content": [told]}]


@pytest.mark.parametrize(
    "part",
    [{"type": "input_audio", "input_audio": {}}, {"type": "file", "file": {}}],
    ids=["audio", "file"],
)
def test_part_without_its_data_is_refused(part: dict[str, Any]) -> None:
    with pytest.raises(RequestError, match="holds no data"):
        messages({"role": "user", "content": [part]})


# Answers


def test_what_only_mistral_counts_is_told_in_openais_places() -> None:
    usage = {"prompt_tokens": 9, "completion_tokens": 4, "total_tokens": 13}
    choice = {"message": {"content": "Hi", "prefix": True}, "finish_reason": "model_length"}

    told = PROVIDER.parse_response(
        call(), {"choices": [choice], "usage": {**usage, "num_cached_tokens": 8}}
    )

    assert told["choices"][0]["message"] == {"role": "assistant", "content": "Hi"}
    assert told["choices"][0]["finish_reason"] == "length"
    assert told["usage"]["prompt_tokens_details"] == {"cached_tokens": 8}


ERRORS: dict[str, tuple[int, object, ErrorAnswer]] = {
    "key, at the gateway": (
        401,
        {"message": "Unauthorized"},
        ErrorAnswer(401, "Unauthorized", "invalid_request_error", "invalid_api_key"),
    ),
    "id of a call": (
        400,
        {"object": "error", "message": "No.", "type": "invalid_function_call", "code": "3280"},
        ErrorAnswer(400, "No.", "invalid_request_error", "3280"),
    ),
    "rate": (
        429,
        {"object": "error", "message": "Requests rate limit exceeded", "code": "1300"},
        ErrorAnswer(429, "Requests rate limit exceeded", "requests", "rate_limit_exceeded"),
    ),
    "edge": (
        520,
        {"message": "No."},
        ErrorAnswer(503, "No.", "server_error", "overloaded"),
    ),
}


@pytest.mark.parametrize(("status", "told", "answer"), ERRORS.values(), ids=ERRORS)
def test_error_is_told_as_openai_would(status: int, told: object, answer: ErrorAnswer) -> None:
    assert PROVIDER.parse_error(status, told) == answer
