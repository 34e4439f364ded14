"""Whole bodies as a conversation: requests, answers, errors, streams, and anything else."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inspection.conversation import render
from tests.answers import CLAUDE, OLLAMA, OPENAI, body, claude_events, openai_events
from tests.cases import all_cases, params


def text(*lines):
    """Lines as `render` joins them."""
    return "\n".join(lines)


REQUEST = {
    "model": "gpt-4o",
    "stream": True,
    "temperature": 0.2,
    "tools": [{"type": "function", "function": {"name": "get_weather", "parameters": {}}}],
    "messages": [
        {"role": "system", "content": "Be brief."},
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "Where is this?"},
                {
                    "type": "image_url",
                    "image_url": {"url": "data:image/png;base64," + "A" * 4000},
                },
            ],
        },
        {
            "role": "assistant",
            "content": None,
            "tool_calls": [
                {
                    "id": "call_1",
                    "type": "function",
                    "function": {"name": "get_weather", "arguments": '{"city":"Paris"}'},
                }
            ],
        },
        {"role": "tool", "tool_call_id": "call_1", "content": "22 °C"},
    ],
}


def test_a_request_is_told_from_its_parameters_to_its_last_message():
    assert render(body(REQUEST)) == text(
        "request · gpt-4o · streamed",
        "  tools: get_weather",
        "  temperature: 0.2",
        "",
        "── system ──",
        "  Be brief.",
        "",
        "── user ──",
        "  Where is this?",
        "[image · image/png · 3.0 kB]",
        "",
        "── assistant ──",
        "→ get_weather · call_1",
        '  {"city": "Paris"}',
        "",
        "── tool · result of get_weather · call_1 ──",
        "  22 °C",
    )


@pytest.mark.parametrize(
    "sent",
    [
        pytest.param(
            {
                "model": "m",
                "messages": [
                    {"role": "system", "content": "Be brief."},
                    {"role": "user", "content": "Hi"},
                ],
            },
            id="openai",
        ),
        pytest.param(
            {
                "model": "m",
                "system": [{"type": "text", "text": "Be brief."}],
                "messages": [{"role": "user", "content": [{"type": "text", "text": "Hi"}]}],
            },
            id="anthropic",
        ),
        pytest.param(
            {
                "model": "m",
                "systemInstruction": {"parts": [{"text": "Be brief."}]},
                "contents": [{"role": "user", "parts": [{"text": "Hi"}]}],
            },
            id="gemini",
        ),
        pytest.param({"model": "m", "instructions": "Be brief.", "input": "Hi"}, id="responses"),
        pytest.param(
            {
                "model": "m",
                "input": {
                    "messages": [
                        {"role": "system", "content": "Be brief."},
                        {"role": "user", "content": [{"text": "Hi"}]},
                    ]
                },
            },
            id="dashscope",
        ),
        pytest.param(
            {
                "model": "m",
                "system": [{"text": "Be brief."}],
                "messages": [{"role": "user", "content": [{"text": "Hi"}]}],
            },
            id="bedrock",
        ),
        pytest.param({"model": "m", "system": "Be brief.", "prompt": "Hi"}, id="prompt"),
    ],
)
def test_the_same_request_reads_the_same_in_every_format(sent):
    assert render(body(sent)) == text(
        "request · m", "", "── system ──", "  Be brief.", "", "── user ──", "  Hi"
    )


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        pytest.param(
            OPENAI,
            text(
                "answer · gpt-4o-mini-2024-07-18 · chatcmpl-Abc",
                "",
                "── assistant ──",
                "  Hello there",
                "",
                "── end ──",
                "  finish_reason: stop",
                "  usage: prompt_tokens 9 · completion_tokens 2 · total_tokens 11",
                "  created: 1767323045",
            ),
            id="openai",
        ),
        pytest.param(
            CLAUDE,
            text(
                "answer · claude-sonnet-4-5-20250929 · msg_01Abc",
                "",
                "── assistant ──",
                "  Hello there",
                "",
                "── end ──",
                "  stop_reason: end_turn",
                "  usage: input_tokens 9 · output_tokens 4 · cache_read_input_tokens 3",
            ),
            id="anthropic",
        ),
        pytest.param(
            OLLAMA,
            text(
                "answer · llama3.2",
                "",
                "── assistant ──",
                "  Hello there",
                "",
                "── end ──",
                "  done_reason: stop",
                "  created_at: 2026-01-02T03:04:05.6789Z",
                "  done: true",
                "  prompt_eval_count: 12",
                "  eval_count: 3",
            ),
            id="ollama",
        ),
        pytest.param(
            {
                "candidates": [
                    {
                        "content": {"role": "model", "parts": [{"text": "Hello there"}]},
                        "finishReason": "STOP",
                        "index": 0,
                    }
                ],
                "modelVersion": "gemini",
                "responseId": "r1",
                "usageMetadata": {"promptTokenCount": 9},
            },
            text(
                "answer · gemini · r1",
                "",
                "── model ──",
                "  Hello there",
                "",
                "── end ──",
                "  finishReason: STOP",
                "  usageMetadata: promptTokenCount 9",
            ),
            id="gemini",
        ),
        pytest.param(
            {
                "output": {"message": {"role": "assistant", "content": [{"text": "Hello there"}]}},
                "stopReason": "end_turn",
                "usage": {"inputTokens": 9},
            },
            text(
                "answer",
                "",
                "── assistant ──",
                "  Hello there",
                "",
                "── end ──",
                "  stopReason: end_turn",
                "  usage: inputTokens 9",
            ),
            id="bedrock",
        ),
        pytest.param(
            {
                "id": "c1",
                "message": {"role": "assistant", "content": [{"type": "text", "text": "Hello"}]},
                "finish_reason": "COMPLETE",
            },
            text(
                "answer · c1",
                "",
                "── assistant ──",
                "  Hello",
                "",
                "── end ──",
                "  finish_reason: COMPLETE",
            ),
            id="cohere",
        ),
        pytest.param(
            {
                "request_id": "r1",
                "output": {
                    "choices": [
                        {
                            "finish_reason": "stop",
                            "message": {"role": "assistant", "content": [{"text": "Hello"}]},
                        }
                    ]
                },
            },
            text(
                "answer",
                "",
                "── assistant ──",
                "  Hello",
                "",
                "── end ──",
                "  finish_reason: stop",
                "  request_id: r1",
            ),
            id="dashscope",
        ),
        pytest.param(
            {
                "id": "resp_1",
                "object": "response",
                "model": "gpt-5",
                "status": "completed",
                "output": [
                    {"type": "reasoning", "summary": [{"type": "summary_text", "text": "Hm"}]},
                    {
                        "type": "message",
                        "role": "assistant",
                        "content": [{"type": "output_text", "text": "Hello", "annotations": []}],
                    },
                ],
            },
            text(
                "answer · gpt-5 · resp_1",
                "",
                "── reasoning ──",
                "reasoning:",
                "    Hm",
                "",
                "── assistant ──",
                "  Hello",
                "",
                "── end ──",
                "  status: completed",
            ),
            id="responses",
        ),
    ],
)
def test_an_answer_is_told_with_its_end_and_usage(answer, told):
    assert render(body(answer)) == told


def test_several_choices_are_told_apart():
    choices = [
        {"index": index, "message": {"role": "assistant", "content": said}, "finish_reason": end}
        for index, said, end in ((0, "Yes", "stop"), (1, "No", "length"))
    ]
    assert render(body({"choices": choices})) == text(
        "answer",
        "",
        "── assistant · choice 0 ──",
        "  Yes",
        "",
        "── assistant · choice 1 ──",
        "  No",
        "",
        "── end ──",
        "  choice 0 · finish_reason: stop",
        "  choice 1 · finish_reason: length",
    )


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        pytest.param(
            {
                "error": {
                    "message": "Slow down.",
                    "type": "requests",
                    "param": None,
                    "code": "rate_limit_exceeded",
                }
            },
            "error · rate_limit_exceeded · requests\n  Slow down.",
            id="openai",
        ),
        pytest.param(
            {
                "type": "error",
                "error": {"type": "overloaded_error", "message": "Overloaded"},
                "request_id": "req_1",
            },
            "error · overloaded_error\n  Overloaded\n(request_id: req_1)",
            id="anthropic",
        ),
        pytest.param({"error": "model 'x' not found"}, "error\n  model 'x' not found", id="ollama"),
        pytest.param(
            [{"error": {"code": 400, "message": "Bad", "status": "INVALID_ARGUMENT"}}],
            "error · 400\n  Bad\n(status: INVALID_ARGUMENT)",
            id="gemini",
        ),
        pytest.param(
            {"code": "InvalidApiKey", "message": "Invalid key", "request_id": "r1"},
            "error · InvalidApiKey\n  Invalid key\n(request_id: r1)",
            id="dashscope",
        ),
        pytest.param(
            {
                "success": False,
                "request_id": "r1",
                "data": {"code": "RateLimited", "details": "Too much.", "num": 1},
            },
            "error · RateLimited\n  Too much.\n(num: 1)\n(success: false)\n(request_id: r1)",
            id="qwen",
        ),
        pytest.param({"detail": "Not Found"}, "error\n  Not Found", id="fastapi"),
    ],
)
def test_an_error_is_told_in_every_shape(answer, told):
    assert render(body(answer)) == told


@pytest.mark.parametrize(
    ("raw", "title"),
    [
        (b"".join(openai_events()), "answer · gpt-4o · chatcmpl-Abc"),
        (b"".join(claude_events()), "answer · claude-sonnet-4-5-20250929 · msg_01Abc"),
    ],
    ids=["openai", "anthropic"],
)
def test_a_raw_stream_is_told_as_the_answer_it_amounts_to(raw, title):
    lines = render(raw).split("\n")
    assert lines[:4] == [title, "", "── assistant ──", "  Hello there"]


def test_a_stream_that_was_cut_says_so():
    raw = b"".join(claude_events(end=False))
    assert "  Hello there" in render(raw).split("\n")
    assert ", cut off before the end" in render(raw)


def test_a_stream_that_failed_shows_its_error():
    failed = b'event: error\ndata: {"type":"error","error":{"type":"overloaded_error",' + (
        b'"message":"Overloaded"}}\n\n'
    )
    told = render(b"".join(claude_events(end=False)) + failed)
    assert told.endswith("\n\nerror · overloaded · server_error\n  Overloaded")


@pytest.mark.parametrize(
    ("raw", "told"),
    [
        (b"", "(empty)"),
        (b" \n", "(empty)"),
        (b"Bad Gateway\n\x1b[2J", "── as it is ──\n  Bad Gateway\n  \\x1b[2J"),
        (b"\xff\xfe", "── as it is ──\n  \ufffd\ufffd"),
        (b'{"a": 1}', '{\n  "a": 1\n}'),
        (b"[1, 2]", "[\n  1,\n  2\n]"),
        (b'"text"', '"text"'),
        (b"null", "null"),
        (b'{"input": [], "model": "m"}', "request · m"),
    ],
    ids=["nothing", "blank", "page", "binary", "object", "list", "text", "null", "no_messages"],
)
def test_a_body_that_is_no_conversation_is_shown_all_the_same(raw, told):
    assert render(raw) == told


def test_text_is_taken_as_well_as_bytes():
    assert render(json.dumps(REQUEST)) == render(body(REQUEST))


def test_a_very_long_text_is_shown_whole():
    long = "word " * 100_000
    assert long in render(body({"messages": [{"role": "user", "content": long}]}))


def test_deep_nesting_is_shown_all_the_same():
    raw = b'{"messages":' + b'[{"a":' * 900 + b"1" + b"}]" * 900 + b"}"
    assert '[{"a":' in render(raw).replace(" ", "")


def test_hostile_characters_of_a_model_are_harmless():
    said = {"role": "assistant", "content": "\x1b]0;owned\x07 \u202egnp.exe \ud83d"}
    assert "  \\x1b]0;owned\\x07 \\u202egnp.exe \\ud83d" in render(
        json.dumps({"choices": [{"message": said}]})
    )


def test_a_data_uri_within_a_text_is_no_wall_of_characters():
    said = "![x](data:image/png;base64," + "A" * 4000 + ")"
    told = render(body({"messages": [{"role": "user", "content": said}]}))
    assert told.endswith("  ![x]([image/png · 3.0 kB])")


@pytest.mark.parametrize("case", params("request.json"))
def test_nothing_that_a_message_says_is_left_out(case):
    request = case.json("request")
    told = render(body(request))
    said = [
        line
        for message in request.get("messages") or ()
        if isinstance(message, dict) and isinstance(message.get("content"), str)
        for line in message["content"].split("\n")
    ]
    assert [line for line in said if line.strip() and line not in told] == []


@pytest.mark.parametrize("case", [pytest.param(case, id=case.name) for case in all_cases()])
def test_every_fixture_is_recognised(case):
    roles = ("request", "provider_response", "response")
    bodies = [case.json(role) for role in roles if case.has(f"{role}.json")]
    titles = {render(body(each)).split("\n")[0].split(" ")[0] for each in bodies}
    assert titles <= {"request", "answer", "error"}


MEMBERS = """
    messages choices content parts role type text message input output function name arguments
    tool_calls source image_url usage tools error system candidates thinking reasoningContent
    toolResult tool_use_id call_id logprobs images audio delta
"""

JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=9),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(MEMBERS.split()), inner, max_size=4)
    ),
    max_leaves=20,
)


@given(JSON_VALUES)
@settings(max_examples=100)
def test_no_body_is_too_strange(value):
    assert isinstance(render(body(value)), str)


@given(st.binary(max_size=200))
@settings(max_examples=50)
def test_no_bytes_are_too_strange(raw):
    assert isinstance(render(raw), str)
