"""The Responses API as a provider, beyond the recorded cases."""

from __future__ import annotations

import json
from functools import cache
from typing import Any

import httpx
import pytest
from openai import OpenAI
from openai.types.responses import Response, ResponseInputParam, ToolParam
from openai.types.responses.response_create_params import (
    ResponseCreateParamsBase,
    ResponseCreateParamsNonStreaming,
    ResponseCreateParamsStreaming,
    ToolChoice,
)
from pydantic import TypeAdapter

from tests.calls import USER, calls_of, result, tool, tool_call
from tests.cases import Case, decode, feed_all, fold, params, run_stream
from transforms.contract import ErrorAnswer, Event, ProviderRequest
from transforms.errors import ResponseError
from transforms.responses import PROVIDER
from transforms.responses.reasoning import FORMAT


def own(*roles: str) -> list[Any]:
    """The cases of this provider that have a file of each role."""
    return [case for case in params(*roles) if case.id.startswith("responses/")]


call, built, refusal = calls_of(PROVIDER.build_request, "gpt-5")


def body(model: str = "gpt-5", **parameters: Any) -> dict[str, Any]:
    """What is sent beside what always is."""
    sent = built(model, **parameters).body
    usual = {"model", "store", "include", "input"}
    return {key: sent[key] for key in sent if key not in usual}


def items(*messages: dict[str, Any], **parameters: Any) -> list[dict[str, Any]]:
    return built(messages=list(messages), **parameters).body["input"]


def custom(name: str, **rest: Any) -> dict[str, Any]:
    return {"type": "custom", "custom": {"name": name, **rest}}


# Requests


@pytest.mark.parametrize("case", own("provider_request.json"))
def test_request_is_valid_for_the_openai_sdk(case: Case) -> None:
    sent = case.provider.build_request(case.call).body
    streams = sent.get("stream", False)

    # Some clients were recorded without the ids of reasoning items, which the type demands.
    told = [
        {"id": "rs_1", **each} if each.get("type") == "reasoning" else each
        for each in sent["input"]
    ]
    shape = ResponseCreateParamsStreaming if streams else ResponseCreateParamsNonStreaming
    adapter(shape).validate_python({**sent, "input": []})
    adapter(ResponseInputParam).validate_python(told)
    adapter(list[ToolParam]).validate_python(sent.get("tools", []))
    adapter(ToolChoice).validate_python(sent.get("tool_choice", "auto"))
    assert sent.keys() <= ResponseCreateParamsBase.__annotations__.keys() | {"stream"}


@cache
def adapter(shape: Any) -> TypeAdapter[Any]:
    return TypeAdapter(shape)


def test_nothing_is_stored_and_reasoning_is_asked_for_sealed() -> None:
    assert built().body == {
        "model": "gpt-5",
        "store": False,
        "include": ["reasoning.encrypted_content"],
        "input": [USER],
    }


def test_client_may_ask_to_store() -> None:
    assert built(store=True).body["store"] is True


@pytest.mark.parametrize(
    ("model", "reasons"),
    [
        ("gpt-4o-mini", False),
        ("openai/gpt-4.1", False),
        ("gpt-3.5-turbo", False),
        ("gpt-5-chat-latest", False),
        ("gpt-5.6", True),
        ("o4-mini", True),
        ("openai/gpt-oss-20b", True),
        ("grok-4.3", True),
        ("unheard-of", True),
    ],
)
def test_models_that_do_not_reason_are_not_asked_to(model: str, reasons: bool) -> None:
    """They answer 400: "Encrypted content is not supported with this model."."""
    sent = built(model, reasoning_effort="low")

    assert ("include" in sent.body, "reasoning" in sent.body) == (reasons, reasons)
    assert sent.dropped == (() if reasons else ("reasoning_effort",))


def test_parameters_of_the_same_name_pass() -> None:
    same = {
        "temperature": 0,
        "top_p": 0.9,
        "metadata": {"a": "b"},
        "user": "someone",
        "safety_identifier": "someone",
        "prompt_cache_key": "a",
        "prompt_cache_options": {"mode": "explicit"},
        "prompt_cache_retention": "24h",
        "service_tier": "flex",
        "parallel_tool_calls": False,
        "moderation": {"model": "omni-moderation-latest"},
        "top_logprobs": 2,
    }

    assert body(**same) == same


def test_logprobs_are_included() -> None:
    include = ["reasoning.encrypted_content", "message.output_text.logprobs"]

    assert built(logprobs=True).body["include"] == include
    assert built("gpt-4o", logprobs=True).body["include"] == include[1:]
    assert "include" not in built("gpt-4o", logprobs=False).body


@pytest.mark.parametrize(
    ("limits", "sent", "dropped"),
    [
        ({"max_tokens": 100}, 100, ()),
        ({"max_completion_tokens": 100}, 100, ()),
        ({"max_tokens": 50, "max_completion_tokens": 100}, 100, ("max_tokens",)),
        ({"max_tokens": 1}, 16, ("max_tokens",)),
        ({"max_completion_tokens": 15}, 16, ("max_completion_tokens",)),
    ],
)
def test_limit_has_one_name_and_is_at_least_16(
    limits: dict[str, int], sent: int, dropped: tuple[str, ...]
) -> None:
    request = built(**limits)

    assert request.body["max_output_tokens"] == sent
    assert request.dropped == dropped


@pytest.mark.parametrize(
    ("asked", "sent", "dropped"),
    [
        ({"reasoning_effort": "low"}, {"effort": "low"}, ()),
        (
            {"reasoning_effort": "low", "reasoning": {"summary": "auto"}},
            {"effort": "low", "summary": "auto"},
            (),
        ),
        (
            {"reasoning_effort": "low", "reasoning": {"effort": "high", "exclude": True}},
            {"effort": "high"},
            ("reasoning.exclude", "reasoning_effort"),
        ),
        ({"reasoning": {"enabled": True}}, None, ("reasoning.enabled",)),
    ],
    ids=["effort", "effort and summary", "two efforts", "unknown"],
)
def test_reasoning_is_one_object(
    asked: dict[str, Any], sent: dict[str, Any] | None, dropped: tuple[str, ...]
) -> None:
    request = built(**asked)

    assert (request.body.get("reasoning"), request.dropped) == (sent, dropped)


@pytest.mark.parametrize(
    ("asked", "text"),
    [
        ({"verbosity": "low"}, {"verbosity": "low"}),
        ({"response_format": {"type": "text"}}, {"format": {"type": "text"}}),
        ({"response_format": {"type": "json_object"}}, {"format": {"type": "json_object"}}),
        (
            {
                "response_format": {
                    "type": "json_schema",
                    "json_schema": {
                        "name": "a",
                        "description": "d",
                        "schema": {"$ref": "#/$defs/a"},
                        "strict": True,
                    },
                }
            },
            {
                "format": {
                    "type": "json_schema",
                    "name": "a",
                    "description": "d",
                    "schema": {"$ref": "#/$defs/a"},
                    "strict": True,
                }
            },
        ),
        (
            {
                "response_format": {
                    "type": "json_schema",
                    "json_schema": {"name": "a", "schema": {}, "strict": None},
                }
            },
            {"format": {"type": "json_schema", "name": "a", "schema": {}, "strict": False}},
        ),
    ],
    ids=["verbosity", "text", "JSON mode", "strict schema", "schema"],
)
def test_form_of_the_answer_is_flat(asked: dict[str, Any], text: dict[str, Any]) -> None:
    assert body(**asked) == {"text": text}


@pytest.mark.parametrize(
    ("options", "sent"),
    [
        ({"include_usage": True}, {}),
        ({"include_obfuscation": False}, {"stream_options": {"include_obfuscation": False}}),
    ],
)
def test_usage_comes_without_being_asked_for(
    options: dict[str, bool], sent: dict[str, Any]
) -> None:
    assert body(stream=True, stream_options=options) == {"stream": True, **sent}
    assert body(stream_options=options) == {}


def test_what_only_tunes_is_dropped_by_name() -> None:
    tuning = {"seed": 7, "logit_bias": {"1": 2}, "presence_penalty": 1, "frequency_penalty": 1}
    sent = built(**tuning, prediction={"type": "content", "content": "a"}, top_k=4)

    assert sent == ProviderRequest(
        "/v1/responses", built().body, dropped=(*tuning, "prediction", "top_k")
    )


def test_values_that_ask_for_nothing_are_not_named() -> None:
    sent = built(n=1, stop="", presence_penalty=0, modalities=["text"], logprobs=False, tools=[])

    assert sent == built()


REFUSED: dict[str, tuple[dict[str, Any], str, str]] = {
    "two choices": ({"n": 2}, "n", "unsupported_parameter"),
    "stop": ({"stop": "END"}, "stop", "unsupported_parameter"),
    "audio": ({"modalities": ["text", "audio"]}, "modalities", "unsupported_parameter"),
    "voice": ({"audio": {"voice": "alloy"}}, "audio", "unsupported_parameter"),
    "functions": ({"functions": [{"name": "f"}]}, "functions", "unsupported_parameter"),
    "no tokens": ({"max_tokens": 0}, "max_tokens", "invalid_value"),
    "reasoning": ({"reasoning": "much"}, "reasoning", "invalid_type"),
    "form": ({"response_format": {"type": "xml"}}, "response_format", "invalid_value"),
    "form without schema": (
        {"response_format": {"type": "json_schema", "json_schema": {"name": "a"}}},
        "response_format",
        "invalid_value",
    ),
    "tool of another kind": (
        {"tools": [{"type": "mcp", "server_label": "a"}]},
        "tools[0].type",
        "unsupported_value",
    ),
    "custom tool without name": (
        {"tools": [{"type": "custom", "custom": {}}]},
        "tools[0].type",
        "unsupported_value",
    ),
    "grammar": (
        {"tools": [custom("a", format={"type": "grammar"})]},
        "tools[0].custom.format",
        "invalid_value",
    ),
    "choice": ({"tool_choice": "any"}, "tool_choice", "invalid_value"),
    "choice of nothing": (
        {"tools": [tool("f")], "tool_choice": {"type": "function", "function": {"name": "g"}}},
        "tool_choice",
        "invalid_value",
    ),
    "allowed nothing": (
        {
            "tools": [tool("f")],
            "tool_choice": {"type": "allowed_tools", "allowed_tools": {"tools": ["f"]}},
        },
        "tool_choice",
        "invalid_value",
    ),
    "legacy result": (
        {"messages": [{"role": "function", "name": "f", "content": "7"}]},
        "messages[0].role",
        "unsupported_parameter",
    ),
    "legacy call": (
        {"messages": [{"role": "assistant", "function_call": {"name": "f"}}]},
        "messages[0].function_call",
        "unsupported_parameter",
    ),
    "audio of the assistant": (
        {"messages": [{"role": "assistant", "audio": {"id": "a"}}]},
        "messages[0].audio",
        "unsupported_parameter",
    ),
    "half a custom call": (
        {"messages": [{"role": "assistant", "tool_calls": [{"id": "a", "type": "custom"}]}]},
        "messages[0].tool_calls[0]",
        "invalid_value",
    ),
    "refusal of the user": (
        {"messages": [{"role": "user", "content": [{"type": "refusal", "refusal": "No."}]}]},
        "messages[0].content[0]",
        "unsupported_value",
    ),
    "image without URL": (
        {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {}}]}]},
        "messages[0].content[0].image_url.url",
        "invalid_image_url",
    ),
    "empty file": (
        {"messages": [{"role": "user", "content": [{"type": "file", "file": {}}]}]},
        "messages[0].content[0].file",
        "missing_required_parameter",
    ),
}


@pytest.mark.parametrize(("parameters", "param", "code"), REFUSED.values(), ids=REFUSED)
def test_what_the_api_cannot_do_is_refused(
    parameters: dict[str, Any], param: str, code: str
) -> None:
    answer = refusal(**parameters)

    assert (answer.status, answer.param, answer.code) == (400, param, code)


# Tools


def test_function_is_flat_whole_and_not_made_strict() -> None:
    schema = {"type": "object", "properties": {"a": {"$ref": "#/$defs/b"}}, "$defs": {"b": {}}}
    tools = [
        tool("f", description="d", parameters=schema, strict=True),
        {"function": {"name": "g", "cache_control": {"type": "ephemeral"}}},
    ]
    sent = built(tools=tools)

    assert sent.body["tools"] == [
        {"type": "function", "name": "f", "description": "d", "parameters": schema, "strict": True},
        {
            "type": "function",
            "name": "g",
            "parameters": {"type": "object", "properties": {}},
            "strict": False,
        },
    ]
    assert sent.dropped == ("tools[].function.cache_control",)


@pytest.mark.parametrize(
    ("given", "sent"),
    [
        ({}, {}),
        (
            {"description": "d", "format": {"type": "text"}},
            {"description": "d", "format": {"type": "text"}},
        ),
        (
            {"format": {"type": "grammar", "grammar": {"definition": "a", "syntax": "lark"}}},
            {"format": {"type": "grammar", "definition": "a", "syntax": "lark"}},
        ),
    ],
    ids=["bare", "text", "grammar"],
)
def test_custom_tool_is_flat(given: dict[str, Any], sent: dict[str, Any]) -> None:
    assert body(tools=[custom("a", **given)])["tools"] == [{"type": "custom", "name": "a", **sent}]


@pytest.mark.parametrize(
    ("choice", "sent"),
    [
        ("required", "required"),
        ({"type": "function", "function": {"name": "f"}}, {"type": "function", "name": "f"}),
        ({"type": "custom", "custom": {"name": "c"}}, {"type": "custom", "name": "c"}),
        (
            {
                "type": "allowed_tools",
                "allowed_tools": {"mode": "required", "tools": [tool("f"), custom("c")]},
            },
            {
                "type": "allowed_tools",
                "mode": "required",
                "tools": [{"type": "function", "name": "f"}, {"type": "custom", "name": "c"}],
            },
        ),
    ],
    ids=["word", "function", "custom", "allowed"],
)
def test_choice_is_flat(choice: object, sent: object) -> None:
    tools = [tool("f"), custom("c")]

    assert body(tools=tools, tool_choice=choice)["tool_choice"] == sent


def test_choice_without_tools_is_sent() -> None:
    assert body(tool_choice="none") == {"tool_choice": "none"}


def test_web_search_is_a_tool_and_its_place_is_flat() -> None:
    place = {"type": "approximate", "approximate": {"city": "Köln", "region": None}}

    assert body(web_search_options={"search_context_size": "low", "user_location": place}) == {
        "tools": [
            {
                "type": "web_search",
                "search_context_size": "low",
                "user_location": {"type": "approximate", "city": "Köln"},
            }
        ]
    }


# Messages


@pytest.mark.parametrize("role", ["system", "developer"])
def test_first_instruction_stands_apart_and_later_ones_in_their_place(role: str) -> None:
    first, later = {"role": role, "content": "a"}, {"role": role, "content": "b"}
    sent = built(messages=[first, USER, later]).body

    assert (sent["instructions"], sent["input"]) == ("a", [USER, later])


def test_instruction_alone_is_input() -> None:
    alone = {"role": "system", "content": "a"}

    assert built(messages=[alone]).body["input"] == [alone]


def test_instruction_in_parts_keeps_its_place() -> None:
    mark = {"mode": "explicit"}
    part = {"type": "text", "text": "a", "prompt_cache_breakpoint": mark}

    assert items({"role": "system", "content": [part]}, USER) == [
        {
            "role": "system",
            "content": [{"type": "input_text", "text": "a", "prompt_cache_breakpoint": mark}],
        },
        USER,
    ]


def test_parts_of_the_user_become_input_parts() -> None:
    parts = [
        {"type": "text", "text": "a"},
        {"type": "image_url", "image_url": "https://example.com/a.png"},
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA==", "detail": "low"}},
        {
            "type": "file",
            "file": {"file_data": "data:application/pdf;base64,AA==", "filename": "a"},
        },
        {"type": "file", "file": {"file_id": "file-1"}},
        {"type": "input_audio", "input_audio": {"data": "AA==", "format": "wav"}},
    ]

    assert items({"role": "user", "content": parts})[0]["content"] == [
        {"type": "input_text", "text": "a"},
        {"type": "input_image", "image_url": "https://example.com/a.png", "detail": "auto"},
        {"type": "input_image", "image_url": "data:image/png;base64,AA==", "detail": "low"},
        {"type": "input_file", "file_data": "data:application/pdf;base64,AA==", "filename": "a"},
        {"type": "input_file", "file_id": "file-1"},
        {"type": "input_audio", "input_audio": {"data": "AA==", "format": "wav"}},
    ]


def test_what_the_assistant_said_goes_back_as_output() -> None:
    parts = [{"type": "text", "text": "a"}, {"type": "refusal", "refusal": "No."}]
    one = {"role": "assistant", "content": [parts[0]]}
    first, both = items(one, {"role": "assistant", "content": parts})

    assert first == {"role": "assistant", "content": "a"}
    assert both == {
        "type": "message",
        "id": both["id"],
        "role": "assistant",
        "status": "completed",
        "content": [{"type": "output_text", "text": "a", "annotations": []}, parts[1]],
    }
    assert both["id"].startswith("msg_")


def test_assistant_that_said_nothing_leaves_no_item() -> None:
    empty = [{"role": "assistant", "content": nothing} for nothing in ("", None, [])]

    assert items(*empty, USER) == [USER]


def test_calls_follow_what_was_said_and_results_name_them() -> None:
    image = {"type": "image_url", "image_url": {"url": "https://example.com/a.png"}}
    turn = [
        {"role": "assistant", "content": "a", "tool_calls": [tool_call("b", arguments="")]},
        result("b", [{"type": "text", "text": "7"}, image]),
    ]

    assert items(*turn) == [
        {"role": "assistant", "content": "a"},
        {"type": "function_call", "call_id": "b", "name": "f", "arguments": "{}"},
        {
            "type": "function_call_output",
            "call_id": "b",
            "output": [
                {"type": "input_text", "text": "7"},
                {
                    "type": "input_image",
                    "image_url": "https://example.com/a.png",
                    "detail": "auto",
                },
            ],
        },
    ]


def test_call_of_a_custom_tool_is_one_even_where_it_was_streamed_as_a_function() -> None:
    calls = [
        {"id": "a", "type": "custom", "custom": {"name": "c", "input": "4 + 4"}},
        tool_call("b", "c", "5 + 5"),
    ]
    turn = [{"role": "assistant", "tool_calls": calls}, result("a"), result("b", [])]

    assert items(*turn, tools=[custom("c")]) == [
        {"type": "custom_tool_call", "call_id": "a", "name": "c", "input": "4 + 4"},
        {"type": "custom_tool_call", "call_id": "b", "name": "c", "input": "5 + 5"},
        {"type": "custom_tool_call_output", "call_id": "a", "output": "7"},
        {"type": "custom_tool_call_output", "call_id": "b", "output": ""},
    ]


def test_result_is_of_the_call_before_it_where_an_id_comes_again() -> None:
    free = {"id": "a", "type": "custom", "custom": {"name": "c", "input": "4 + 4"}}
    turns = [
        message
        for call in (free, tool_call("a", "f"), free)
        for message in ({"role": "assistant", "tool_calls": [call]}, result("a"))
    ]

    assert [item["type"] for item in items(*turns)[1::2]] == [
        "custom_tool_call_output",
        "function_call_output",
        "custom_tool_call_output",
    ]


def test_long_id_of_a_call_is_cut_alike_in_call_and_result() -> None:
    long = "call_" + 60 * "a"
    twins = [long, long + "b"]
    calls = {"role": "assistant", "tool_calls": [tool_call(each) for each in twins]}
    ids = [item["call_id"] for item in items(calls, *(result(each) for each in twins))]

    assert ids[:2] == ids[2:]
    assert len({*ids}) == 2
    assert {len(each) for each in ids} == {64}


def test_members_of_messages_that_cannot_be_said_are_named_once() -> None:
    named = {**USER, "name": "Ann", "extra": None}
    called = {**tool_call("a"), "extra_content": {"a": 1}}
    thought = {"role": "assistant", "tool_calls": [called], "reasoning_content": "Hm"}
    cached = {
        "role": "user",
        "content": [{"type": "text", "text": "a", "cache_control": {"type": "ephemeral"}}],
    }

    assert built(messages=[named, named, thought, result("a"), cached]).dropped == (
        "messages[].name",
        "messages[].reasoning_content",
        "messages[].tool_calls[].extra_content",
        "messages[].content[].cache_control",
    )


# Reasoning on its way back


def sealed(item_id: str, index: int = 0, **rest: Any) -> dict[str, Any]:
    return {
        "type": "reasoning.encrypted",
        "data": f"sealed {item_id}",
        "id": item_id,
        "format": FORMAT,
        "index": index,
        **rest,
    }


def thought(item_id: str, **rest: Any) -> dict[str, Any]:
    return {
        "type": "reasoning",
        "id": item_id,
        "summary": [],
        "encrypted_content": f"sealed {item_id}",
        **rest,
    }


def kinds(sent: ProviderRequest) -> list[str]:
    """The ids of reasoning items and calls, and the roles of messages."""
    return [
        item["id"] if item.get("type") == "reasoning" else item.get("call_id") or item["role"]
        for item in sent.body["input"]
    ]


def test_each_thought_stands_right_before_what_it_led_to() -> None:
    details = [
        sealed("rs_1"),
        sealed("rs_2", 1, tool_call_id="a"),
        sealed("rs_3", 2, tool_call_id="b"),
    ]
    spoken = {
        "role": "assistant",
        "content": "Look:",
        "reasoning_content": "Hm",
        "reasoning_details": details,
        "tool_calls": [tool_call("a"), tool_call("b")],
    }
    sent = built(messages=[USER, spoken, result("a"), result("b")])

    assert kinds(sent) == ["user", "rs_1", "assistant", "rs_2", "a", "rs_3", "b", "a", "b"]
    assert sent.dropped == ()


def test_thought_of_a_message_without_text_stands_before_its_first_call() -> None:
    spoken = {
        "role": "assistant",
        "reasoning_details": [sealed("rs_1")],
        "tool_calls": [tool_call("a"), tool_call("b")],
    }

    assert kinds(built(messages=[spoken, result("a"), result("b")])) == [
        *("rs_1", "a", "b", "a", "b")
    ]


def test_thought_is_put_together_as_it_was() -> None:
    shared = {"id": "rs_1", "format": FORMAT}
    details = [
        {"type": "reasoning.summary", "summary": "a", **shared, "index": 0},
        {"type": "reasoning.summary", "summary": "b", **shared, "index": 1},
        {"type": "reasoning.text", "text": "c", **shared, "index": 2},
        sealed("rs_1", 3),
        sealed("rs_1", 4),
        {"type": "reasoning.text", "text": "d", "id": "rs_2", "format": FORMAT, "index": 5},
        {"type": "reasoning.text", "text": "e", "format": FORMAT, "index": 6},
    ]
    sent = items({"role": "assistant", "content": "a", "reasoning_details": details})

    assert sent[:-1] == [
        thought(
            "rs_1",
            summary=[{"type": "summary_text", "text": "a"}, {"type": "summary_text", "text": "b"}],
            content=[{"type": "reasoning_text", "text": "c"}],
        ),
        thought("rs_1"),
        {
            "type": "reasoning",
            "id": "rs_2",
            "summary": [],
            "content": [{"type": "reasoning_text", "text": "d"}],
        },
        {
            "type": "reasoning",
            "summary": [],
            "content": [{"type": "reasoning_text", "text": "e"}],
        },
    ]


LOST: dict[str, tuple[dict[str, Any], Any]] = {
    "call is gone": ({"content": "a"}, sealed("rs_1", tool_call_id="gone")),
    "nothing was said": ({"content": ""}, sealed("rs_1")),
    "another format": ({"content": "a"}, {**sealed("rs_1"), "format": "anthropic-claude-v1"}),
    "no format": ({"content": "a"}, {"type": "reasoning.text", "text": "Hm"}),
    "summary alone": (
        {"content": "a"},
        {"type": "reasoning.summary", "summary": "Hm", "id": "rs_1", "format": FORMAT},
    ),
    "no object": ({"content": "a"}, "Hm"),
}


@pytest.mark.parametrize(("message", "entry"), LOST.values(), ids=LOST)
def test_thought_without_what_it_led_to_is_left_out_and_named(
    message: dict[str, Any], entry: object
) -> None:
    spoken = {"role": "assistant", **message, "reasoning_details": [entry]}
    sent = built(messages=[spoken, USER])

    assert not any(item.get("type") == "reasoning" for item in sent.body["input"])
    assert sent.dropped == ("messages[].reasoning_details",)


@pytest.mark.parametrize("changed", [{"store": True}, {"model": "gpt-4o"}], ids=str)
def test_thought_is_left_out_where_it_would_be_refused(changed: dict[str, Any]) -> None:
    """Stored items are held against their ids; models that do not reason take none."""
    spoken = {"role": "assistant", "content": "a", "reasoning_details": [sealed("rs_1")]}
    sent = built(**{"messages": [spoken, USER], **changed})

    assert kinds(sent) == ["assistant", "user"]
    assert sent.dropped == ("messages[].reasoning_details",)


# Answers


def answer(*output: Any, **rest: Any) -> dict[str, Any]:
    return {"id": "resp_1", "created_at": 1787150257.9, "output": [*output], **rest}


def said(text: str, **rest: Any) -> dict[str, Any]:
    part = {"type": "output_text", "text": text, "annotations": [], **rest}
    return {"type": "message", "id": "msg_1", "role": "assistant", "content": [part]}


def asked_for(call_id: str | None, arguments: str = "{}", **rest: Any) -> dict[str, Any]:
    return {
        "type": "function_call",
        "id": f"fc_{call_id}",
        "call_id": call_id,
        "name": "f",
        "arguments": arguments,
        **rest,
    }


def thinking(item_id: str, **rest: Any) -> dict[str, Any]:
    return {"type": "reasoning", "id": item_id, "summary": [], **rest}


def completion(*output: Any, **rest: Any) -> dict[str, Any]:
    return PROVIDER.parse_response(call(), answer(*output, **rest))


def message(*output: Any) -> dict[str, Any]:
    return completion(*output)["choices"][0]["message"]


@pytest.mark.parametrize("case", own("provider_response.json", "response.json"))
def test_answer_is_what_the_openai_sdk_reads(case: Case) -> None:
    sent = json.dumps(case.json("provider_response")).encode()
    with official_client(sent, "application/json") as client:
        told = client.responses.create(model="m", input="Hello")

    assert heard(case.json("response")) == read(told)


def official_client(sent: bytes, content_type: str) -> OpenAI:
    """The official client, to which these bytes are what the provider answered."""
    transport = httpx.MockTransport(
        lambda request: httpx.Response(200, content=sent, headers={"content-type": content_type})
    )
    return OpenAI(api_key="none", http_client=httpx.Client(transport=transport))


def heard(completion: dict[str, Any]) -> dict[str, Any]:
    """What the client got to hear."""
    (choice,) = completion["choices"]
    message = choice["message"]
    calls = [called[called["type"]] for called in message.get("tool_calls", [])]
    return {
        "content": message["content"],
        "refusal": message.get("refusal", ""),
        "reasoning": message.get("reasoning_content", ""),
        "calls": [each.get("arguments", each.get("input")) for each in calls],
        "ids": [called["id"] for called in message.get("tool_calls", [])],
        "cut": choice["finish_reason"] == "length",
        "usage": (completion.get("usage") or {}).get("total_tokens"),
    }


def read(told: Response) -> dict[str, Any]:
    """The same, as the SDK reads it."""
    parts = [part for item in told.output if item.type == "message" for part in item.content]
    calls = [item for item in told.output if item.type in ("function_call", "custom_tool_call")]
    thoughts = [item for item in told.output if item.type == "reasoning"]
    return {
        "content": told.output_text,
        "refusal": "".join(part.refusal for part in parts if part.type == "refusal"),
        "reasoning": "\n\n".join(
            part.text for item in thoughts for part in (item.content or item.summary) if part.text
        ),
        "calls": [getattr(item, "arguments", getattr(item, "input", None)) for item in calls],
        "ids": [item.call_id for item in calls],
        "cut": told.status == "incomplete",
        "usage": told.usage.total_tokens if told.usage else None,
    }


@pytest.mark.parametrize(
    ("told", "head"),
    [
        ({}, ("resp_1", 1787150257)),
        ({"id": "33df88f0-9f36", "created_at": None}, ("chatcmpl-33df88f0-9f36", 1700000000)),
        ({"id": None, "created_at": 7}, ("chatcmpl-fixture", 7)),
    ],
)
def test_id_gets_a_prefix_and_time_is_in_seconds(
    told: dict[str, Any], head: tuple[str, int]
) -> None:
    heard = completion(**told)

    assert (heard["id"], heard["created"]) == head


def test_texts_of_several_messages_are_joined_and_calls_come_after() -> None:
    assert message(said("Look: "), asked_for("a", ""), said("done")) == {
        "role": "assistant",
        "content": "Look: done",
        "tool_calls": [tool_call("a")],
    }


def test_call_without_id_gets_one() -> None:
    calls = message(asked_for("a"), asked_for(None))["tool_calls"]

    assert [each["id"] for each in calls] == ["a", "call_fixture_1"]


def test_thoughts_are_told_with_what_they_led_to() -> None:
    output = [
        thinking("rs_1", encrypted_content="1"),
        said("Look:"),
        thinking("rs_2", encrypted_content="2"),
        asked_for("a"),
        thinking("rs_3", encrypted_content="3"),
        thinking("rs_4", encrypted_content="4"),
        asked_for("b"),
    ]

    details = message(*output)["reasoning_details"]

    assert [(each["id"], each.get("tool_call_id"), each["index"]) for each in details] == [
        ("rs_1", None, 0),
        ("rs_2", "a", 1),
        ("rs_3", "b", 2),
        ("rs_4", "b", 3),
    ]


@pytest.mark.parametrize(
    "output",
    [
        [thinking("rs_1", encrypted_content="1")],
        [thinking("rs_1", encrypted_content="1"), {"type": "web_search_call"}, said("a")],
        [said("a"), thinking("rs_1", encrypted_content="1"), said("b")],
        [thinking("rs_1", summary=[{"type": "summary_text", "text": "Hm"}]), said("a")],
        [thinking("rs_1"), said("a")],
    ],
    ids=["cut", "search on the server", "second message", "summary alone", "id alone"],
)
def test_thought_that_could_not_be_sent_back_is_not_told(output: list[dict[str, Any]]) -> None:
    assert "reasoning_details" not in message(*output)


def test_what_is_told_comes_back_as_it_was() -> None:
    """The turn of one answer, sent back, gives the provider's own items, without their ids."""
    first = thinking("rs_1", encrypted_content="1", summary=[{"type": "summary_text", "text": "a"}])
    second = thinking("rs_2", content=[{"type": "reasoning_text", "text": "b"}])
    heard = message(first, said("Look:"), second, asked_for("a"))

    assert items(heard, result("a")) == [
        first,
        {"role": "assistant", "content": "Look:"},
        second,
        {"type": "function_call", "call_id": "a", "name": "f", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "a", "output": "7"},
    ]


def test_thought_itself_is_read_rather_than_its_summary() -> None:
    both = thinking(
        "rs_1",
        summary=[{"type": "summary_text", "text": "short"}],
        content=[{"type": "reasoning_text", "text": "long"}],
    )
    other = thinking("rs_2", summary=[{"text": "a"}, {"text": ""}, {"text": "b"}])

    assert message(both, other, said("c"))["reasoning_content"] == "long\n\na\n\nb"


@pytest.mark.parametrize(
    ("told", "output", "finish_reason"),
    [
        ({"status": "completed"}, [said("a")], "stop"),
        ({"status": None}, [said("a")], "stop"),
        ({}, [asked_for("a")], "tool_calls"),
        (
            {"status": "incomplete", "incomplete_details": {"reason": "max_output_tokens"}},
            [],
            "length",
        ),
        (
            {"status": "incomplete", "incomplete_details": {"reason": "content_filter"}},
            [asked_for("a")],
            "content_filter",
        ),
        ({"status": "incomplete", "incomplete_details": {"reason": "steered"}}, [], "stop"),
        ({"status": "incomplete", "incomplete_details": None}, [], "stop"),
    ],
)
def test_finish_reason_looks_at_details_and_items(
    told: dict[str, Any], output: list[dict[str, Any]], finish_reason: str
) -> None:
    assert completion(*output, **told)["choices"][0]["finish_reason"] == finish_reason


@pytest.mark.parametrize(
    ("usage", "counts"),
    [
        (
            {
                "input_tokens": 50,
                "input_tokens_details": {"cached_tokens": 40, "cache_write_tokens": 5},
                "output_tokens": 30.0,
                "output_tokens_details": {"reasoning_tokens": 10},
                "total_tokens": 81,
            },
            {
                "prompt_tokens": 50,
                "completion_tokens": 30,
                "total_tokens": 80,
                "prompt_tokens_details": {"cached_tokens": 40, "cache_write_tokens": 5},
                "completion_tokens_details": {"reasoning_tokens": 10},
            },
        ),
        (
            {
                "input_tokens": 1,
                "input_tokens_details": {"cached_tokens": 2},
                "output_tokens": 1,
                "output_tokens_details": None,
            },
            {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2},
        ),
        ({"input_tokens": 1}, None),
        (None, None),
    ],
    ids=["all", "more cached than there was", "half", "none"],
)
def test_usage_keeps_its_sums(usage: object, counts: dict[str, Any] | None) -> None:
    assert completion(usage=usage).get("usage") == counts


@pytest.mark.parametrize(
    ("told", "extras"),
    [
        ({"service_tier": "priority"}, {"service_tier": "priority"}),
        ({"service_tier": "standard", "moderation": {}}, {}),
        ({"moderation": {"input": {}}}, {"moderation": {"input": {}}}),
    ],
)
def test_only_real_extras_are_told(told: dict[str, Any], extras: dict[str, Any]) -> None:
    heard = completion(**told)

    assert {name: heard[name] for name in heard.keys() & {"service_tier", "moderation"}} == extras


def test_citation_that_lacks_a_member_is_dropped() -> None:
    half = {"type": "url_citation", "url": "https://example.com", "start_index": 0, "end_index": 1}

    assert message(said("a", annotations=[half, None])) == {"role": "assistant", "content": "a"}


BROKEN: dict[str, tuple[dict[str, Any], int, str | None]] = {
    "no output": ({"output": None}, 502, None),
    "queued": ({"status": "queued"}, 502, None),
    "cancelled": ({"status": "cancelled"}, 500, None),
    "failed without a word": ({"status": "failed"}, 500, None),
    "error under 200": (
        {"error": {"message": "a", "code": "insufficient_quota"}},
        429,
        "insufficient_quota",
    ),
}


@pytest.mark.parametrize(("told", "status", "code"), BROKEN.values(), ids=BROKEN)
def test_what_is_no_answer_raises(told: dict[str, Any], status: int, code: str | None) -> None:
    with pytest.raises(ResponseError) as caught:
        completion(**told)

    answer = caught.value.answer()
    assert (answer.status, answer.code) == (status, code)


@pytest.mark.parametrize(
    ("code", "told"),
    [
        ("server_error", (500, "server_error", "server_error")),
        ("vector_store_timeout", (500, "server_error", "vector_store_timeout")),
        ("unheard_of", (500, "server_error", "unheard_of")),
        ("rate_limit_exceeded", (429, "requests", "rate_limit_exceeded")),
        ("invalid_prompt", (400, "invalid_request_error", "invalid_prompt")),
        ("invalid_image_mode", (400, "invalid_request_error", "invalid_image_mode")),
        ("image_too_large", (400, "invalid_request_error", "image_too_large")),
        ("empty_image_file", (400, "invalid_request_error", "empty_image_file")),
        *(
            (code, (400, "invalid_request_error", code))
            for code in (
                *("unsupported_image_media_type", "failed_to_download_image"),
                "invalid_base64_image",
            )
        ),
        *(
            (code, (400, "invalid_request_error", "content_policy_violation"))
            for code in ("misalignment_policy_violation", "image_content_policy_violation")
        ),
        ("bio_policy", (400, "invalid_request_error", "content_policy_violation")),
        ("data_residency_mismatch", (403, "invalid_request_error", "data_residency_mismatch")),
    ],
)
def test_code_of_a_failed_answer_tells_its_status(code: str, told: tuple[int, str, str]) -> None:
    with pytest.raises(ResponseError) as caught:
        completion(status="failed", error={"code": code, "message": "a"})

    answer = caught.value.answer()
    assert (answer.status, answer.type, answer.code) == told


ERRORS: dict[str, tuple[int, object, ErrorAnswer]] = {
    "object": (
        400,
        {
            "error": {
                "message": "a",
                "type": "invalid_request_error",
                "param": "input",
                "code": None,
            }
        },
        ErrorAnswer(400, "a", "invalid_request_error", None, "input"),
    ),
    "text": (
        400,
        {"code": "invalid-argument", "error": "a"},
        ErrorAnswer(400, "a", "invalid_request_error", "invalid-argument"),
    ),
    "without wrapper": (
        404,
        {"message": "a", "type": "NotFoundError", "code": 404},
        ErrorAnswer(404, "a", "NotFoundError"),
    ),
    "quota": (
        429,
        {"error": {"message": "a", "type": "insufficient_quota", "code": "insufficient_quota"}},
        ErrorAnswer(
            429,
            "a",
            "insufficient_quota",
            "insufficient_quota",
            headers={"x-should-retry": "false"},
        ),
    ),
}


@pytest.mark.parametrize(("status", "body", "told"), ERRORS.values(), ids=ERRORS)
def test_error_of_each_shape_is_read(status: int, body: object, told: ErrorAnswer) -> None:
    assert PROVIDER.parse_error(status, body) == told


# Streams


@pytest.mark.parametrize("case", own("provider_stream.*", "response.json"))
def test_streamed_answer_is_what_the_openai_sdk_accumulates(case: Case) -> None:
    """The official client reads the recorded bytes; its last event holds what it made of them."""
    with (
        official_client(case.stream, "text/event-stream") as client,
        client.responses.stream(model="m", input="Hello") as stream,
    ):
        *_, last = stream

    assert heard(fold(run_stream(case, [case.stream])[0])) == read(last.response)


def event(kind: str, **rest: Any) -> Event:
    return Event(kind, json.dumps({"type": f"response.{kind}", **rest}).encode())


def added(place: int, item: dict[str, Any]) -> Event:
    return event("output_item.added", output_index=place, item=item)


def done(place: int, item: dict[str, Any]) -> Event:
    return event("output_item.done", output_index=place, item=item)


def delta(kind: str, piece: str, place: int = 0, **rest: Any) -> Event:
    return event(f"{kind}.delta", output_index=place, delta=piece, **rest)


CREATED = event("created", response=answer(status="in_progress"))
ARGUMENTS = "function_call_arguments"


def completed(*output: Any, **rest: Any) -> Event:
    return event("completed", response=answer(*output, status="completed", **rest))


def streamed(*events: Event) -> list[dict[str, Any]]:
    stream = PROVIDER.open_stream(call(stream=True))
    chunks = feed_all(stream, events)
    assert stream.finished
    return chunks


def deltas(*events: Event) -> list[dict[str, Any]]:
    return [choice["delta"] for each in streamed(*events) for choice in each["choices"]]


def folded(*events: Event) -> dict[str, Any]:
    """The message, once it is known to be that of the plain answer too."""
    stream = PROVIDER.open_stream(call(stream=True))
    completion = fold(feed_all(stream, events))
    assert PROVIDER.parse_response(call(), stream.answer) == completion
    return completion["choices"][0]["message"]


def test_item_is_found_by_its_id_where_all_have_one_place() -> None:
    """Some hosts let the pieces of two calls interleave and number neither."""
    told = folded(
        CREATED,
        added(0, asked_for("a", "")),
        added(0, asked_for("b", "")),
        delta(ARGUMENTS, '{"x":', item_id="fc_a"),
        delta(ARGUMENTS, '{"y":', item_id="fc_b"),
        delta(ARGUMENTS, "1}", item_id="fc_a"),
        delta(ARGUMENTS, "2}", item_id="fc_b"),
        completed(),
    )

    assert told["tool_calls"] == [
        tool_call("a", arguments='{"x":1}'),
        tool_call("b", arguments='{"y":2}'),
    ]


def test_item_is_found_by_its_place_where_its_id_changes() -> None:
    told = folded(
        CREATED,
        added(0, asked_for("a", "")),
        delta(ARGUMENTS, '{"x":1}', item_id="another"),
        done(0, asked_for("a", '{"x":1}', id="yet another")),
        completed(asked_for("a", '{"x":1}', id="a fourth")),
    )

    assert told["tool_calls"] == [tool_call("a", arguments='{"x":1}')]


def test_call_without_arguments_ends_as_an_empty_object_told_once() -> None:
    assert deltas(CREATED, added(0, asked_for("a", "")), done(0, asked_for("a", "")), completed())[
        1:
    ] == [
        {
            "tool_calls": [
                {
                    "index": 0,
                    "id": "a",
                    "type": "function",
                    "function": {"name": "f", "arguments": ""},
                }
            ]
        },
        {"tool_calls": [{"index": 0, "function": {"arguments": "{}"}}]},
        {},
    ]


def test_empty_pieces_say_nothing_and_the_whole_is_told_where_none_came() -> None:
    told = deltas(
        CREATED,
        added(0, thinking("rs_1")),
        added(1, asked_for("a", "")),
        delta(ARGUMENTS, "", 1),
        event(f"{ARGUMENTS}.done", output_index=1, arguments='{"x":1}'),
        completed(),
    )

    assert told[2:] == [{"tool_calls": [{"index": 0, "function": {"arguments": '{"x":1}'}}]}, {}]


def test_arguments_in_the_opening_are_told_where_no_others_come() -> None:
    told = folded(CREATED, added(0, asked_for("a", '{"x":1}')), completed())

    assert told["tool_calls"] == [tool_call("a", arguments='{"x":1}')]


def test_arguments_told_whole_in_other_spelling_are_not_told_again() -> None:
    told = deltas(
        CREATED,
        added(0, asked_for("a", "")),
        delta(ARGUMENTS, '{"x": 1}'),
        event(f"{ARGUMENTS}.done", output_index=0, arguments='{"x":1}'),
        completed(asked_for("a", '{"x":1}')),
    )

    assert told[2:] == [{"tool_calls": [{"index": 0, "function": {"arguments": '{"x": 1}'}}]}, {}]


def test_custom_call_is_streamed_as_a_function() -> None:
    opening = {"type": "custom_tool_call", "id": "ctc_1", "call_id": "a", "name": "c", "input": ""}
    told = fold(
        streamed(
            CREATED,
            added(0, opening),
            delta("custom_tool_call_input", "4 +"),
            event("custom_tool_call_input.done", output_index=0, input="4 + 4"),
            completed({**opening, "input": "4 + 4"}),
        )
    )

    assert told["choices"][0]["message"]["tool_calls"] == [tool_call("a", "c", "4 + 4")]
    assert told["choices"][0]["finish_reason"] == "tool_calls"


def test_input_of_the_servers_own_calls_is_kept_back() -> None:
    mcp = {"type": "mcp_call", "id": "mcp_1", "name": "f", "arguments": ""}

    assert deltas(
        CREATED,
        added(0, mcp),
        delta(ARGUMENTS, "{}"),
        event(f"{ARGUMENTS}.done", output_index=0, arguments="{}"),
        completed({**mcp, "arguments": "{}"}),
    ) == [{"role": "assistant", "content": ""}, {}]


ONLY_AT_THE_END = {
    "text done": [event("output_text.done", output_index=0, text="Hi", logprobs=[])],
    "item done": [done(0, said("Hi"))],
    "completed": [],
}


@pytest.mark.parametrize("events", ONLY_AT_THE_END.values(), ids=ONLY_AT_THE_END)
def test_text_that_never_came_in_pieces_is_told_at_the_end(events: list[Event]) -> None:
    opening = {**said(""), "content": []}

    assert deltas(CREATED, added(0, opening), *events, completed(said("Hi")))[1:] == [
        {"content": "Hi"},
        {},
    ]


def test_answer_told_in_the_last_event_alone_is_told() -> None:
    whole = completed(thinking("rs_1", encrypted_content="1"), said("Hi"), asked_for("a"))

    assert folded(whole) == {
        "role": "assistant",
        "content": "Hi",
        "reasoning_details": [
            {"type": "reasoning.encrypted", "data": "1", "id": "rs_1", "format": FORMAT, "index": 0}
        ],
        "tool_calls": [tool_call("a")],
    }


def test_answer_of_no_items_is_one_empty_message() -> None:
    incomplete = {"reason": "max_output_tokens"}

    assert deltas(completed(incomplete_details=incomplete)) == [
        {"role": "assistant", "content": ""},
        {},
    ]


def test_output_that_lacks_items_already_told_takes_nothing_back() -> None:
    told = folded(
        CREATED,
        added(0, thinking("rs_1")),
        delta("reasoning_text", "Hm"),
        added(1, said("")),
        delta("output_text", "Hi", place=1),
        completed(said("Hi")),
    )

    assert (told["reasoning_content"], told["content"]) == ("Hm", "Hi")


def test_stream_that_announces_nothing_still_begins_with_the_role() -> None:
    assert deltas(added(0, said("")), delta("output_text", "Hi"), completed()) == [
        {"role": "assistant", "content": ""},
        {"content": "Hi"},
        {},
    ]


def test_reasoning_is_told_once_in_paragraphs() -> None:
    first = thinking("rs_1")
    told = deltas(
        CREATED,
        CREATED,
        added(0, first),
        delta("reasoning_text", "a"),
        delta("reasoning_text", ""),
        delta("reasoning_text", "b", content_index=1),
        delta("reasoning_summary_text", "short", summary_index=0),
        added(1, thinking("rs_2")),
        delta("reasoning_summary_text", "c", place=1, summary_index=0),
        event("reasoning_summary_text.done", output_index=1, summary_index=0, text="c"),
        completed(),
    )

    assert told[1:-1] == [{"reasoning_content": each} for each in ("a", "\n\nb", "\n\nc")]


def test_logprobs_told_only_with_the_whole_text_are_told() -> None:
    token = {"token": "Hi", "logprob": -0.5}
    chunks = streamed(
        CREATED,
        added(0, said("")),
        event("output_text.done", output_index=0, text="Hi", logprobs=[token]),
        completed(),
    )

    assert chunks[1]["choices"][0]["logprobs"] == {
        "content": [{"bytes": None, "top_logprobs": [], **token}]
    }


def test_answer_so_far_is_in_the_shape_of_a_plain_one() -> None:
    citation = {"type": "url_citation", "url": "https://example.com"}
    stream = PROVIDER.open_stream(call(stream=True))
    feed_all(
        stream,
        [
            CREATED,
            added(0, {**said(""), "content": []}),
            delta("output_text", "H", logprobs=[{"token": "H", "logprob": 0}]),
            delta("output_text", "i"),
            event("output_text.annotation.added", output_index=0, annotation=citation),
            added(1, asked_for("a", "")),
            delta(ARGUMENTS, "{", place=1),
        ],
    )

    logprobs = [{"token": "H", "logprob": 0}]
    assert stream.answer == answer(
        said("Hi", annotations=[citation], logprobs=logprobs),
        asked_for("a", "{"),
        status="in_progress",
    )


def test_answer_is_empty_before_anything_is_told() -> None:
    assert PROVIDER.open_stream(call(stream=True)).answer == {}


def test_events_after_the_end_and_end_marks_of_others_are_passed_over() -> None:
    mark = Event("", b"[DONE]")

    assert streamed(CREATED, mark, completed(), delta("output_text", "more"), mark) == streamed(
        CREATED, completed()
    )


FAILURES: dict[str, tuple[Event, ErrorAnswer]] = {
    "wrapped": (
        Event("error", b'{"error": {"type": "invalid_request_error", "message": "a"}}'),
        ErrorAnswer(400, "a", "invalid_request_error"),
    ),
    "bare": (
        Event("error", b'{"type": "error", "code": "rate_limit_exceeded", "message": "a"}'),
        ErrorAnswer(429, "a", "requests", "rate_limit_exceeded"),
    ),
    "text": (Event("", b'"a"'), ErrorAnswer(500, "a", "server_error")),
    "cancelled": (
        event("cancelled", response={"status": "cancelled"}),
        ErrorAnswer(500, "The provider cancelled the answer.", "server_error"),
    ),
    "failed without status": (
        event("failed", response={}),
        ErrorAnswer(
            500, "The provider answered HTTP 500 without an error message.", "server_error"
        ),
    ),
    "no response": (
        event("completed"),
        ErrorAnswer(
            502, "The provider's event `response.completed` has no `response`.", "upstream_error"
        ),
    ),
    "no such item": (
        delta("output_text", "a"),
        ErrorAnswer(
            502,
            "The provider's `response.output_text.delta` is of no item it has opened.",
            "upstream_error",
        ),
    ),
}


@pytest.mark.parametrize(("last", "told"), FAILURES.values(), ids=FAILURES)
def test_failure_in_mid_stream_raises(last: Event, told: ErrorAnswer) -> None:
    stream = PROVIDER.open_stream(call(stream=True))
    stream.feed(CREATED)

    with pytest.raises(ResponseError) as caught:
        stream.feed(last)

    assert caught.value.answer() == told
    assert not stream.finished


def test_recorded_reasoning_is_told_in_one_chunk() -> None:
    """Clients can take a list in one chunk only."""
    (case,) = [each.values[0] for each in own() if each.id == "responses/streamed_tool_call"]
    stream = case.provider.open_stream(case.call)
    chunks = feed_all(stream, decode(case.provider, [case.stream]))
    told = [each["delta"].get("reasoning_details") for c in chunks for each in c["choices"]]

    assert len([each for each in told if each]) == 1
