"""Parameters, tools offered, usage and ends, in the words of each format."""

from __future__ import annotations

import pytest

from inspection.members import member_lines


@pytest.mark.parametrize(
    "tools",
    [
        pytest.param(
            [
                {"type": "function", "function": {"name": "f", "parameters": {}}},
                {"type": "custom", "custom": {"name": "g"}},
            ],
            id="openai",
        ),
        pytest.param([{"name": "f", "input_schema": {}}, {"name": "g"}], id="anthropic"),
        pytest.param([{"functionDeclarations": [{"name": "f"}, {"name": "g"}]}], id="gemini"),
        pytest.param(
            [{"toolSpec": {"name": "f"}}, {"toolSpec": {"name": "g", "inputSchema": {}}}],
            id="bedrock",
        ),
        pytest.param([{"type": "function", "name": "f"}, {"type": "g"}], id="responses"),
    ],
)
def test_tools_offered_are_told_by_name(tools):
    assert member_lines({"tools": tools}) == ["tools: f, g"]


def test_a_tool_without_a_name_is_told_whole():
    body = {"tools": ["f", {"googleSearch": {}}]}
    assert member_lines(body) == ['tools: "f", {"googleSearch": {}}']


def test_parameters_keep_their_order_and_tools_come_first():
    body = {"temperature": 0.2, "stop": ["A"], "tools": [{"name": "f"}], "user": "me"}
    assert member_lines(body) == ["tools: f", "temperature: 0.2", 'stop: ["A"]', "user: me"]


def test_tools_within_an_object_are_found():
    body = {"toolConfig": {"tools": [{"toolSpec": {"name": "f"}}], "toolChoice": {"any": {}}}}
    assert member_lines(body) == [
        "toolConfig.tools: f",
        'toolConfig.toolChoice: {"any": {}}',
    ]


@pytest.mark.parametrize(
    ("body", "line"),
    [
        pytest.param(
            {
                "usage": {
                    "prompt_tokens": 1234,
                    "completion_tokens": 0,
                    "prompt_tokens_details": {"cached_tokens": 1024, "audio_tokens": 0},
                }
            },
            "usage: prompt_tokens 1 234 · completion_tokens 0 · cached_tokens 1 024",
            id="openai",
        ),
        pytest.param(
            {"usage": {"input_tokens": 9, "cache_read_input_tokens": None, "service_tier": "std"}},
            "usage: input_tokens 9 · service_tier std",
            id="anthropic",
        ),
        pytest.param(
            {"usageMetadata": {"promptTokenCount": 3, "thoughtsTokenCount": 12}},
            "usageMetadata: promptTokenCount 3 · thoughtsTokenCount 12",
            id="gemini",
        ),
        pytest.param(
            {"usage": {"billed_units": {"input_tokens": 1}, "tokens": {"input_tokens": 7.0}}},
            "usage: billed_units.input_tokens 1 · tokens.input_tokens 7.0",
            id="cohere",
        ),
    ],
)
def test_usage_is_one_line_in_the_words_of_its_format(body, line):
    assert member_lines(body) == [line]


@pytest.mark.parametrize(
    "name", ["finish_reason", "stop_reason", "done_reason", "finishReason", "stopReason", "status"]
)
def test_why_the_answer_ended_comes_first(name):
    assert member_lines({"created": 1, name: "stop"}) == [f"{name}: stop", "created: 1"]


def test_logprobs_are_counted():
    body = {"logprobs": {"content": [{"token": "a"}, {"token": "b"}], "refusal": None}}
    assert member_lines(body) == ["logprobs: 2 tokens"]


def test_the_parameter_logprobs_is_no_list_of_them():
    assert member_lines({"logprobs": True}) == ["logprobs: true"]


def test_members_that_tell_nothing_are_left_out():
    assert member_lines({"a": None, "b": [], "c": {}, "d": "", "e": 0, "f": False}) == [
        "e: 0",
        "f: false",
    ]


def test_a_value_cannot_start_a_line():
    assert member_lines({"user\n── user ──": "x\n── user ──"}) == [
        "user\\n── user ──: x\\n── user ──"
    ]
