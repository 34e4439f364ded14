"""Ollama's own format, beyond the recorded cases."""

from __future__ import annotations

import json
from typing import Any

import pytest
from ollama._types import ChatRequest, Image, Message, Options, Tool

from tests.calls import USER, calls_of, tool, tool_call
from tests.cases import Case, feed_all, fold, params
from transforms import ollama
from transforms.contract import Call, ErrorAnswer, Event
from transforms.errors import ResponseError

OLLAMA_CASES = [case for case in params("provider_request.json") if case.id.startswith("ollama/")]


call, built, refusal = calls_of(ollama.build_request, "qwen3:8b")


def body(**parameters: Any) -> dict[str, Any]:
    """What is sent beside model, messages and stream."""
    sent = built(**parameters).body
    return {key: sent[key] for key in sent if key not in {"model", "messages", "stream"}}


def messages(*given: dict[str, Any]) -> list[dict[str, Any]]:
    return built(messages=list(given)).body["messages"]


# Requests


@pytest.mark.parametrize("case", OLLAMA_CASES)
def test_request_is_valid_for_ollamas_own_types(case: Case) -> None:
    sent = case.provider.build_request(case.call).body

    ChatRequest.model_validate({**sent, "tools": None}, extra="forbid")
    Options.model_validate(sent.get("options", {}), extra="forbid")
    for each in sent["messages"]:
        Message.model_validate({name: each[name] for name in each if name != "images"})
        for image in each.get("images", []):
            assert Image(value=image).model_dump() == image
    for each in sent.get("tools", []):
        Tool.model_validate(each)


@pytest.mark.parametrize(("asked", "sent"), [(True, True), (False, False), (None, False)])
def test_stream_is_always_told(asked: bool | None, sent: bool) -> None:
    assert built(stream=asked).body["stream"] is sent


def test_sampling_goes_into_options() -> None:
    assert body(
        max_completion_tokens=77,
        temperature=0,
        top_p=0.9,
        seed=7,
        stop="END",
        presence_penalty=0.5,
        frequency_penalty=0,
        top_k=40,
        min_p=0.1,
        repetition_penalty=1.1,
    ) == {
        "options": {
            "num_predict": 77,
            "temperature": 0,
            "top_p": 0.9,
            "seed": 7,
            "stop": ["END"],
            "presence_penalty": 0.5,
            "frequency_penalty": 0,
            "top_k": 40,
            "min_p": 0.1,
            "repeat_penalty": 1.1,
        }
    }


def test_newer_name_for_the_most_tokens_wins() -> None:
    sent = built(max_tokens=1, max_completion_tokens=2)

    assert sent.body["options"] == {"num_predict": 2}
    assert sent.dropped == ("max_tokens",)


def test_ollamas_own_options_win_and_the_loser_is_named() -> None:
    sent = built(temperature=0.5, top_p=0.9, options={"temperature": 1, "num_ctx": 32768})

    assert sent.body["options"] == {"temperature": 1, "top_p": 0.9, "num_ctx": 32768}
    assert sent.dropped == ("temperature",)


def test_options_that_are_no_object_are_refused() -> None:
    answer = refusal(options=["num_ctx"])

    assert (answer.param, answer.code) == ("options", "invalid_type")


def test_ollamas_own_parameters_pass() -> None:
    limits = {"truncate": False, "shift": False}

    assert body(keep_alive="10m", think="low", logprobs=True, top_logprobs=2, **limits) == {
        **limits,
        "keep_alive": "10m",
        "think": "low",
        "logprobs": True,
        "top_logprobs": 2,
    }


def test_unknown_parameters_are_dropped_by_name() -> None:
    assert built(user="someone", top_a=0.2).dropped == ("user", "top_a")


def test_values_that_ask_for_nothing_are_not_named() -> None:
    sent = built(n=1, logprobs=False, parallel_tool_calls=True, modalities=["text"], store=False)

    assert (sent.dropped, [*sent.body]) == ((), ["model", "messages", "stream"])


@pytest.mark.parametrize(
    ("model", "effort", "think"),
    [
        ("qwen3:8b", "none", False),
        ("qwen3:8b", "minimal", True),
        ("qwen3:8b", "high", True),
        ("gpt-oss:20b", "none", False),
        ("gpt-oss:20b", "medium", "medium"),
        ("hf.co/unsloth/GPT-OSS-20b", "max", "max"),
    ],
)
def test_reasoning_effort_is_a_level_only_for_models_that_know_levels(
    model: str, effort: str, think: bool | str
) -> None:
    sent = built(model, reasoning_effort=effort)

    assert (sent.body["think"], sent.dropped) == (think, ())


@pytest.mark.parametrize(
    ("parameters", "think"),
    [
        ({"reasoning_effort": "minimal"}, "low"),
        ({"reasoning_effort": "xhigh"}, "max"),
        ({"reasoning_effort": "high", "think": False}, False),
    ],
    ids=str,
)
def test_effort_in_place_of_which_another_is_sent_is_named(
    parameters: dict[str, Any], think: bool | str
) -> None:
    sent = built("gpt-oss:20b", **parameters)

    assert (sent.body["think"], sent.dropped) == (think, ("reasoning_effort",))


def test_unknown_reasoning_effort_is_refused() -> None:
    answer = refusal(reasoning_effort="utmost")

    assert answer.param == "reasoning_effort"
    assert answer.message == (
        "`reasoning_effort` is `utmost`; it must be one of none, minimal, low, medium, high,"
        " xhigh, max."
    )


SCHEMA = {"type": "object", "properties": {"a": {"$ref": "#/$defs/b"}}, "$defs": {"b": {}}}


@pytest.mark.parametrize(
    ("response_format", "sent"),
    [
        ({"type": "text"}, {}),
        ({"type": "json_object"}, {"format": "json"}),
        ({"type": "json_schema", "json_schema": {"name": "a"}}, {"format": "json"}),
        (
            {"type": "json_schema", "json_schema": {"name": "a", "schema": SCHEMA}},
            {"format": SCHEMA},
        ),
    ],
    ids=["text", "JSON mode", "no schema", "schema"],
)
def test_response_format_is_the_bare_schema(
    response_format: dict[str, Any], sent: dict[str, Any]
) -> None:
    assert body(response_format=response_format) == sent


@pytest.mark.parametrize("response_format", [{}, {"type": "grammar"}, {"type": "json_schema"}])
def test_unknown_response_format_is_refused(response_format: dict[str, Any]) -> None:
    assert refusal(response_format=response_format).param == "response_format"


CHOICES = {
    "none": ("none", [], ()),
    "auto": ("auto", ["f", "g"], ()),
    "required": ("required", ["f", "g"], ("tool_choice",)),
    "named": ({"type": "function", "function": {"name": "g"}}, ["g"], ("tool_choice",)),
    "some allowed": (
        {
            "type": "allowed_tools",
            "allowed_tools": {"mode": "auto", "tools": [{"function": {"name": "g"}}]},
        },
        ["g"],
        (),
    ),
    "some required": (
        {
            "type": "allowed_tools",
            "allowed_tools": {"mode": "required", "tools": [{"function": {"name": "g"}}]},
        },
        ["g"],
        ("tool_choice",),
    ),
}


@pytest.mark.parametrize(("choice", "names", "dropped"), CHOICES.values(), ids=CHOICES)
def test_tool_choice_decides_what_is_offered(
    choice: object, names: list[str], dropped: tuple[str, ...]
) -> None:
    sent = built(tools=[tool("f"), tool("g")], tool_choice=choice)

    assert [each["function"]["name"] for each in sent.body.get("tools", [])] == names
    assert sent.dropped == dropped


def test_choice_of_a_tool_that_is_not_there_is_refused() -> None:
    answer = refusal(
        tools=[tool("f")], tool_choice={"type": "function", "function": {"name": "foo"}}
    )

    assert answer == ErrorAnswer(
        400,
        "`tool_choice` names `foo`, which is not in `tools`.",
        "invalid_request_error",
        "invalid_value",
        "tool_choice",
    )


def test_schema_of_a_tool_is_copied_whole_and_strict_taken_out() -> None:
    sent = built(tools=[tool("f", description="d", parameters=SCHEMA, strict=True)])

    assert sent.body["tools"] == [tool("f", description="d", parameters=SCHEMA)]
    assert sent.dropped == ("tools[].function.strict",)


REFUSED = {
    "two choices": ({"n": 2}, "n"),
    "audio": ({"modalities": ["text", "audio"]}, "modalities"),
    "functions": ({"functions": [{"name": "f"}]}, "functions"),
    "web search": ({"web_search_options": {}}, "web_search_options"),
    "custom tool": ({"tools": [{"type": "custom", "custom": {}}]}, "tools[0].type"),
    "custom choice": (
        {"tools": [tool("f")], "tool_choice": {"type": "custom", "custom": {"name": "c"}}},
        "tool_choice",
    ),
    "legacy result": (
        {"messages": [{"role": "function", "name": "f", "content": "7"}]},
        "messages[0].role",
    ),
    "legacy call": (
        {"messages": [{"role": "assistant", "function_call": {"name": "f"}}]},
        "messages[0].function_call",
    ),
    "custom call": (
        {"messages": [{"role": "assistant", "tool_calls": [{"id": "a", "type": "custom"}]}]},
        "messages[0].tool_calls[0].type",
    ),
    "file": (
        {"messages": [{"role": "user", "content": [{"type": "file", "file": {}}]}]},
        "messages[0].content[0]",
    ),
}


@pytest.mark.parametrize(("parameters", "param"), REFUSED.values(), ids=REFUSED)
def test_what_ollama_cannot_do_is_refused(parameters: dict[str, Any], param: str) -> None:
    answer = refusal(**parameters)

    assert (answer.status, answer.param, answer.code) == (400, param, "unsupported_parameter")


@pytest.mark.parametrize("text", ["{", "[]", "7", "null"])
def test_arguments_that_are_no_object_are_refused(text: str) -> None:
    answer = refusal(messages=[{"role": "assistant", "tool_calls": [tool_call("a", "f", text)]}])

    assert answer.param == "messages[0].tool_calls[0].function.arguments"
    assert "`a`" in answer.message


def test_roles_and_parts_become_ollamas() -> None:
    assert messages(
        {"role": "system", "content": "a"},
        {"role": "developer", "content": "b"},
        {"role": "user", "content": [{"type": "text", "text": t} for t in ("c", "d")]},
        {"role": "assistant", "content": [{"type": "refusal", "refusal": "No."}]},
        {"role": "assistant", "content": None, "refusal": "No."},
        {"role": "assistant", "content": "e", "reasoning": "Hm"},
    ) == [
        {"role": "system", "content": "a"},
        {"role": "system", "content": "b"},
        {"role": "user", "content": "c\nd"},
        {"role": "assistant", "content": "No."},
        {"role": "assistant", "content": "No."},
        {"role": "assistant", "content": "e", "thinking": "Hm"},
    ]


def test_results_follow_the_order_of_their_calls_and_bear_their_names() -> None:
    calls = [tool_call("a", "f", ""), tool_call("b", "g", '{"x": 1}')]
    turn = [
        {"role": "assistant", "tool_calls": calls},
        {"role": "tool", "tool_call_id": "b", "content": "2"},
        {"role": "tool", "tool_call_id": "a", "content": "1"},
    ]

    sent = messages(*turn, USER, *turn)

    assert (
        sent[:3]
        == sent[4:]
        == [
            {
                "role": "assistant",
                "content": "",
                "tool_calls": [
                    {"id": "a", "function": {"name": "f", "arguments": {}}},
                    {"id": "b", "function": {"name": "g", "arguments": {"x": 1}}},
                ],
            },
            {"role": "tool", "content": "1", "tool_name": "f", "tool_call_id": "a"},
            {"role": "tool", "content": "2", "tool_name": "g", "tool_call_id": "b"},
        ]
    )


def image(url: object) -> dict[str, Any]:
    return {"role": "user", "content": [{"type": "image_url", "image_url": url}]}


@pytest.mark.parametrize(
    "url",
    [
        "data:image/png;base64,AA==",
        {"url": "data:image/png;base64,AA=="},
        {"url": "DATA:image/png;name=a;BASE64,AA==", "detail": "auto"},
        "data:image/png;base64,A\nA%3D\r\n=",
    ],
    ids=["bare text", "object", "capitals", "broken and escaped"],
)
def test_image_is_the_bare_base64(url: object) -> None:
    assert messages(image(url)) == [{"role": "user", "content": "", "images": ["AA=="]}]


@pytest.mark.parametrize(
    "url",
    ["https://example.com/a.png", "data:image/svg+xml,%3Csvg/%3E", "AA==", "", {"detail": "low"}],
)
def test_image_that_would_have_to_be_fetched_is_refused(url: object) -> None:
    answer = refusal(messages=[image(url)])

    assert (answer.status, answer.param, answer.code) == (
        400,
        "messages[0].content[0].image_url",
        "invalid_image_url",
    )
    assert "data:image/png;base64," in answer.message


def test_audio_travels_among_the_images() -> None:
    audio = {"type": "input_audio", "input_audio": {"data": "AA==", "format": "wav"}}

    assert messages({"role": "user", "content": [audio]}) == [
        {"role": "user", "content": "", "images": ["AA=="]}
    ]


@pytest.mark.parametrize("audio", [{}, {"data": ""}, {"data": 7}], ids=str)
def test_audio_without_data_is_refused(audio: dict[str, Any]) -> None:
    part = {"type": "input_audio", "input_audio": audio}

    answer = refusal(messages=[{"role": "user", "content": [part]}])

    assert answer.param == "messages[0].content[0].input_audio.data"


def test_members_of_messages_that_cannot_be_said_are_named_once() -> None:
    named = {**USER, "name": "Ann"}
    detailed = image({"url": "data:image/png;base64,AA==", "detail": "high"})

    assert built(messages=[named, named, {**USER, "name": None}, detailed]).dropped == (
        "messages[].name",
        "messages[].content[].image_url.detail",
    )


# Answers


def answer(message: dict[str, Any] | None = None, **rest: Any) -> dict[str, Any]:
    return {"message": message or {"role": "assistant", "content": "Hi"}, "done": True, **rest}


@pytest.mark.parametrize(
    ("told", "created"),
    [
        ("2026-01-02T03:04:05.678912345Z", 1767323045),
        ("2026-01-02T03:04:05.6789Z", 1767323045),
        ("2026-01-02T04:04:05+01:00", 1767323045),
        ("2026-01-02T03:04:05", 1767323045),
        ("yesterday", 1700000000),
        ("", 1700000000),
        (None, 1700000000),
    ],
)
def test_time_is_read_to_the_second(told: object, created: int) -> None:
    assert ollama.parse_response(call(), answer(created_at=told))["created"] == created


@pytest.mark.parametrize(
    ("reason", "finish_reason"),
    [
        ("stop", "stop"),
        ("length", "length"),
        ("load", "stop"),
        ("unload", "stop"),
        ("", "stop"),
        (None, "stop"),
        ("unheard_of", "stop"),
    ],
)
def test_done_reason_is_the_finish_reason(reason: object, finish_reason: str) -> None:
    completion = ollama.parse_response(call(), answer(done_reason=reason))

    assert completion["choices"][0]["finish_reason"] == finish_reason


@pytest.mark.parametrize(
    ("reason", "finish_reason"), [("stop", "tool_calls"), ("length", "length")]
)
def test_answer_with_calls_stops_for_them_unless_it_was_cut(
    reason: str, finish_reason: str
) -> None:
    told = {"content": "", "tool_calls": [{"function": {"name": "f", "arguments": {}}}]}

    completion = ollama.parse_response(call(), answer(told, done_reason=reason))

    assert completion["choices"][0]["finish_reason"] == finish_reason


@pytest.mark.parametrize(
    ("counts", "usage"),
    [
        ({"prompt_eval_count": 30, "eval_count": 12}, (30, 12, 42)),
        ({"eval_count": 12}, (0, 12, 12)),
        ({"prompt_eval_count": 30}, (30, 0, 30)),
        ({"prompt_eval_count": 30.0, "eval_count": "12"}, (30, 0, 30)),
        ({}, None),
    ],
    ids=["both", "cached prompt", "no answer", "odd", "none"],
)
def test_usage_is_what_was_counted(
    counts: dict[str, int], usage: tuple[int, int, int] | None
) -> None:
    told = ollama.parse_response(call(), answer(**counts)).get("usage")

    assert (told and tuple(told.values())) == usage


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"message": None, "done": True},
        {"message": {"content": "Hi"}, "done": False},
        answer({"content": "", "tool_calls": {"name": "f"}}),
        answer({"content": "", "tool_calls": [{"name": "f"}]}),
    ],
    ids=["empty", "no message", "not done", "calls are no list", "call without function"],
)
def test_answer_against_the_format_raises(body: dict[str, Any]) -> None:
    with pytest.raises(ResponseError) as caught:
        ollama.parse_response(call(), body)

    assert caught.value.answer().status == 502


ERRORS: dict[str, tuple[int, object, ErrorAnswer]] = {
    "text": (
        400,
        {"error": "bad"},
        ErrorAnswer(400, "bad", "invalid_request_error"),
    ),
    "object": (
        500,
        {"error": {"message": "bad", "type": "api_error"}},
        ErrorAnswer(500, "bad", "server_error"),
    ),
    "busy": (
        503,
        {"error": "server busy, please try again. maximum pending requests exceeded"},
        ErrorAnswer(
            503,
            "server busy, please try again. maximum pending requests exceeded",
            "server_error",
            "overloaded",
        ),
    ),
    "not allowed": (
        403,
        {"error": "remote not allowed"},
        ErrorAnswer(403, "remote not allowed", "invalid_request_error", "permission_denied"),
    ),
    "too large": (
        413,
        {"error": "too large"},
        ErrorAnswer(413, "too large", "invalid_request_error", "request_too_large"),
    ),
    "thinks not": (
        400,
        {"error": '"m" does not support thinking'},
        ErrorAnswer(400, '"m" does not support thinking', "invalid_request_error"),
    ),
    "not signed in": (
        401,
        {"error": "unauthorized", "signin_url": "https://ollama.com/connect"},
        ErrorAnswer(401, "unauthorized", "invalid_request_error", "invalid_api_key"),
    ),
    "context": (
        400,
        {"error": "prompt too long; exceeded max context length by 7 tokens"},
        ErrorAnswer(
            400,
            "prompt too long; exceeded max context length by 7 tokens",
            "invalid_request_error",
            "context_length_exceeded",
        ),
    ),
}


@pytest.mark.parametrize(("status", "body", "told"), ERRORS.values(), ids=ERRORS)
def test_error_of_each_shape_is_read(status: int, body: object, told: ErrorAnswer) -> None:
    assert ollama.parse_error(status, body) == told


# Streams


def streamed(*lines: dict[str, Any]) -> list[dict[str, Any]]:
    stream = ollama.MessageStream(call(stream=True))
    chunks = feed_all(stream, [Event("", json.dumps(line).encode()) for line in lines])
    return chunks + stream.close()


def deltas(*lines: dict[str, Any]) -> list[dict[str, Any]]:
    return [choice["delta"] for each in streamed(*lines) for choice in each["choices"]]


def line(**message: Any) -> dict[str, Any]:
    return {"message": {"role": "assistant", "content": "", **message}, "done": False}


def told_call(name: str, **rest: Any) -> dict[str, Any]:
    return {"function": {"name": name, "arguments": {}, **rest}}


DONE = {"message": {"role": "assistant", "content": ""}, "done": True, "done_reason": "stop"}


def test_empty_line_says_no_more_than_the_role() -> None:
    assert deltas(line(), line(thinking=""), line(content="Hi"), DONE) == [
        {"role": "assistant", "content": ""},
        {"content": "Hi"},
        {},
    ]


def test_last_line_may_still_add_to_the_message() -> None:
    last = {**line(content="!", tool_calls=[told_call("f")]), "done": True}

    assert deltas(line(content="Hi"), last)[2:] == [
        {"content": "!"},
        {
            "tool_calls": [
                {
                    "index": 0,
                    "id": "call_fixture_0",
                    "type": "function",
                    "function": {"name": "f", "arguments": "{}"},
                }
            ]
        },
        {},
    ]


def test_calls_are_counted_over_all_lines() -> None:
    told = fold(
        streamed(
            line(tool_calls=[told_call("f", index=0), told_call("g", index=1)]),
            line(tool_calls=[told_call("h", index=0)]),
            DONE,
        )
    )["choices"][0]

    assert told["finish_reason"] == "tool_calls"
    assert [(each["id"], each["function"]["name"]) for each in told["message"]["tool_calls"]] == [
        ("call_fixture_0", "f"),
        ("call_fixture_1", "g"),
        ("call_fixture_2", "h"),
    ]


def test_arguments_keep_text_outside_ascii() -> None:
    told = fold(streamed(line(tool_calls=[told_call("f", arguments={"q": "čaj"})]), DONE))

    assert told["choices"][0]["message"]["tool_calls"][0]["function"]["arguments"] == '{"q":"čaj"}'


def test_answer_so_far_is_in_the_shape_of_a_plain_one() -> None:
    stream = ollama.MessageStream(call(stream=True))
    lines = [
        {"model": "m", "created_at": "2026-01-02T03:04:05Z", **line(thinking="Hm")},
        {"model": "m", "created_at": "2026-01-02T03:04:06Z", **line(content="Hi")},
    ]
    feed_all(stream, [Event("", json.dumps(each).encode()) for each in lines])

    assert stream.answer == {
        "model": "m",
        "created_at": "2026-01-02T03:04:05Z",
        "done": False,
        "message": {"role": "assistant", "content": "Hi", "thinking": "Hm"},
    }
    assert not stream.finished


def test_lines_after_the_end_are_passed_over() -> None:
    assert streamed(line(content="Hi"), DONE, line(content="more")) == streamed(
        line(content="Hi"), DONE
    )


def test_reported_error_keeps_the_status_it_would_have_had() -> None:
    with pytest.raises(ResponseError) as caught:
        streamed(line(content="Hi"), {"StatusCode": 429, "error": "slow down"})

    assert caught.value.answer() == ErrorAnswer(429, "slow down", "requests", "rate_limit_exceeded")


def test_reported_error_without_a_status_is_the_provider_s_own() -> None:
    with pytest.raises(ResponseError) as caught:
        streamed(line(content="Hi"), {"error": "unexpected EOF"})

    assert caught.value.answer() == ErrorAnswer(502, "unexpected EOF", "server_error")


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ({"message": {"content": {}, "role": "assistant"}}, None),
        ({"message": {"content": {"x": 1}}}, "`content` is not a text"),
        ({"message": {"thinking": [1]}}, "`thinking` is not a text"),
        ({"message": {"content": "x"}, "logprobs": [1]}, "`logprobs` are not a list"),
        ({"message": {"content": "x"}, "done_reason": {"x": 1}}, None),
        ({"message": {"content": "x"}, "prompt_eval_count": {}, "eval_count": {"x": 1}}, None),
    ],
)
def test_values_of_a_wrong_type_are_an_error_or_passed_over(
    wrong: dict[str, Any], named: str | None
) -> None:
    call = Call({"model": "m", "messages": []}, "m", "c", 1)
    body = {"done": True, **wrong}
    if named is None:
        choice = ollama.parse_response(call, body)["choices"][0]
        assert choice["finish_reason"] == "stop"
    else:
        with pytest.raises(ResponseError, match=named):
            ollama.parse_response(call, body)


def test_log_probabilities_of_a_wrong_type_are_an_error_in_a_stream_too() -> None:
    with pytest.raises(ResponseError, match="`logprobs` are not a list"):
        streamed({"message": {"content": "x"}, "logprobs": -1})
