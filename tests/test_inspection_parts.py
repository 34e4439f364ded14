"""Content parts of all formats: text, reasoning, calls, results."""

from __future__ import annotations

import pytest

from inspection.parts import content_lines, part_lines, result_title

SEAL = "A" * 400


@pytest.mark.parametrize(
    ("content", "lines"),
    [
        pytest.param("one\n\ntwo", ["  one", "", "  two"], id="text"),
        pytest.param(["one", {"type": "text", "text": "two"}], ["  one", "  two"], id="list"),
        pytest.param({"text": "one"}, ["  one"], id="single_part"),
        pytest.param(None, [], id="null"),
        pytest.param("", [], id="empty_text"),
        pytest.param([{"type": "text", "text": ""}], [], id="empty_part"),
        pytest.param(7, ["7"], id="number"),
    ],
)
def test_content_is_shown_whole_and_indented(content, lines):
    assert content_lines(content, {}) == lines


@pytest.mark.parametrize(
    "part",
    [
        pytest.param(
            {
                "id": "c1",
                "type": "function",
                "function": {"name": "f", "arguments": '{"city": "Paris"}'},
            },
            id="openai",
        ),
        pytest.param(
            {"type": "tool_use", "id": "c1", "name": "f", "input": {"city": "Paris"}},
            id="anthropic",
        ),
        pytest.param(
            {"id": "c1", "function": {"name": "f", "arguments": {"city": "Paris"}, "index": 0}},
            id="ollama",
        ),
        pytest.param(
            {"functionCall": {"id": "c1", "name": "f", "args": {"city": "Paris"}}}, id="gemini"
        ),
        pytest.param(
            {"toolUse": {"toolUseId": "c1", "name": "f", "input": {"city": "Paris"}}},
            id="bedrock",
        ),
        pytest.param(
            {
                "type": "function_call",
                "id": "fc_1",
                "call_id": "c1",
                "name": "f",
                "arguments": '{"city":"Paris"}',
            },
            id="responses",
        ),
    ],
)
def test_a_tool_call_is_told_alike_in_every_format(part):
    names = {}
    assert part_lines(part, names) == ["→ f · c1", '  {"city": "Paris"}']
    assert names["c1"] == "f"


@pytest.mark.parametrize(
    ("arguments", "lines"),
    [
        pytest.param("{}", ["  {}"], id="none"),
        pytest.param("", [], id="empty"),
        pytest.param('{"a": 1', ['  {"a": 1'], id="broken"),
        pytest.param('{"a": "x\\ny", "b": 2}', ["  a:", "    x", "    y", "  b: 2"], id="lines"),
        pytest.param(
            '{"a": "' + "x" * 70 + '"}', ["  {", f'    "a": "{"x" * 70}"', "  }"], id="long"
        ),
    ],
)
def test_arguments_are_laid_out_to_be_read(arguments, lines):
    call = {"id": "c1", "type": "function", "function": {"name": "f", "arguments": arguments}}
    assert part_lines(call, {}) == ["→ f · c1", *lines]


def test_a_custom_call_shows_its_text():
    call = {"id": "c1", "type": "custom", "custom": {"name": "sql", "input": "select 1\nfrom t"}}
    assert part_lines(call, {}) == ["→ sql · c1", "  select 1", "  from t"]


def test_a_call_without_arguments_is_still_a_call():
    assert part_lines({"functionCall": {"name": "f"}}, {}) == ["→ f"]


def test_what_else_a_call_carries_is_shown():
    call = {
        "id": "c1",
        "function": {"name": "f", "arguments": "{}"},
        "extra_content": {"google": {"thought_signature": SEAL}},
    }
    assert part_lines(call, {})[2:] == [
        '(extra_content: {"google": {"thought_signature": "[base64 · 300 B]"}})'
    ]


@pytest.mark.parametrize(
    "part",
    [
        pytest.param(
            {"type": "tool_result", "tool_use_id": "c1", "content": "22 °C"}, id="anthropic"
        ),
        pytest.param(
            {
                "type": "tool_result",
                "tool_use_id": "c1",
                "content": [{"type": "text", "text": "22 °C"}],
            },
            id="anthropic_parts",
        ),
        pytest.param(
            {"toolResult": {"toolUseId": "c1", "content": [{"text": "22 °C"}]}}, id="bedrock"
        ),
        pytest.param(
            {"type": "function_call_output", "call_id": "c1", "output": "22 °C"}, id="responses"
        ),
    ],
)
def test_a_result_names_its_call_in_every_format(part):
    assert part_lines(part, {"c1": "f"}) == ["← result of f · c1", "    22 °C"]


def test_a_result_of_gemini_is_an_object():
    part = {"functionResponse": {"name": "f", "response": {"output": 22}}}
    assert part_lines(part, {}) == ["← result of f", '  {"output": 22}']


@pytest.mark.parametrize("mark", [{"is_error": True}, {"status": "error"}], ids=["flag", "status"])
def test_a_failed_result_says_so(mark):
    part = {"type": "tool_result", "tool_use_id": "c1", "content": "no", **mark}
    assert part_lines(part, {"c1": "f"})[0] == "← result of f · c1 · error"


def test_an_image_in_a_result_is_a_placeholder():
    source = {"type": "base64", "media_type": "image/png", "data": SEAL}
    part = {
        "type": "tool_result",
        "tool_use_id": "c1",
        "content": [{"type": "image", "source": source}],
    }
    assert part_lines(part, {}) == [
        "← result of an unknown call · c1",
        "  [image · image/png · 300 B]",
    ]


@pytest.mark.parametrize(
    ("call_id", "name", "title"),
    [
        ("c1", "", "result of f · c1"),
        ("c2", "", "result of an unknown call · c2"),
        ("", "g", "result of g"),
        ("c2", "g", "result of g · c2"),
    ],
)
def test_a_result_is_titled_by_its_call(call_id, name, title):
    assert result_title(call_id, name, {"c1": "f"}) == title


@pytest.mark.parametrize(
    ("part", "lines"),
    [
        pytest.param(
            {"type": "thinking", "thinking": "Hm", "signature": SEAL},
            ["reasoning:", "    Hm", "(signature: [base64 · 300 B])"],
            id="anthropic",
        ),
        pytest.param(
            {"type": "redacted_thinking", "data": SEAL},
            ["reasoning: (sealed)", "(data: [base64 · 300 B])"],
            id="anthropic_sealed",
        ),
        pytest.param({"text": "Hm", "thought": True}, ["reasoning:", "    Hm"], id="gemini"),
        pytest.param(
            {"reasoningContent": {"reasoningText": {"text": "Hm", "signature": "S"}}},
            ["reasoning:", "    Hm", "(signature: S)"],
            id="bedrock",
        ),
        pytest.param(
            {"type": "thinking", "thinking": [{"type": "text", "text": "Hm"}]},
            ["reasoning:", "    Hm"],
            id="mistral",
        ),
        pytest.param(
            {"type": "reasoning", "id": "rs_1", "summary": [{"text": "Hm"}], "content": None},
            ["reasoning:", "    Hm", "(id: rs_1)"],
            id="responses",
        ),
        pytest.param(
            {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": SEAL},
            ["reasoning: (sealed)", "(id: rs_1)", "(encrypted_content: [base64 · 300 B])"],
            id="responses_sealed",
        ),
    ],
)
def test_reasoning_is_told_alike_in_every_format(part, lines):
    assert part_lines(part, {}) == lines


def test_a_refusal_is_marked():
    assert part_lines({"type": "refusal", "refusal": "No."}, {}) == ["refusal:", "  No."]


def test_a_document_of_text_is_shown():
    source = {"type": "text", "media_type": "text/plain", "data": "one\ntwo"}
    part = {"type": "document", "title": "Notes", "source": source}
    assert part_lines(part, {}) == ["[document · Notes · text/plain]", "  one", "  two"]


def test_what_else_a_text_carries_is_shown():
    part = {"type": "text", "text": "Hi", "cache_control": {"type": "ephemeral"}, "citations": []}
    assert part_lines(part, {}) == ["  Hi", '(cache_control: {"type": "ephemeral"})']


@pytest.mark.parametrize(
    ("part", "line"),
    [
        ({"type": "hologram", "bytes": SEAL}, '{"type": "hologram", "bytes": "[base64 · 300 B]"}'),
        ({"cachePoint": {"type": "default"}}, '{"cachePoint": {"type": "default"}}'),
        ({}, "{}"),
    ],
    ids=["unknown", "bedrock_cache_point", "empty"],
)
def test_an_unknown_part_is_shown_as_json(part, line):
    assert part_lines(part, {}) == [line]


@pytest.mark.parametrize(
    "part",
    [
        {"type": "text", "text": "── user ──\n→ f · c1"},
        {"type": "thinking", "thinking": "── user ──\n→ f · c1"},
        {"type": "refusal", "refusal": "── user ──\n→ f · c1"},
        {"type": "tool_result", "tool_use_id": "c1", "content": "── user ──\n→ f · c1"},
        {"type": "tool_use", "id": "c\n── user ──", "name": "f\n→ f", "input": "\n── user ──"},
        {"type": "hologram", "x": "\n── user ──"},
    ],
    ids=lambda part: part["type"],
)
def test_no_text_can_pass_for_a_line_of_ours(part):
    ours = [line for line in part_lines(part, {}) if not line.startswith(" ")]
    assert not any(line.startswith(("── user", "→ f · c1")) for line in ours)
