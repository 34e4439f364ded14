"""Whole messages: heading, reasoning, content, calls, and what no other format has."""

from __future__ import annotations

import pytest

from inspection.messages import message_lines


@pytest.mark.parametrize(
    ("message", "lines"),
    [
        pytest.param({"role": "user", "content": "Hi"}, ["── user ──", "  Hi"], id="text"),
        pytest.param(
            {"role": "user", "name": "Ann", "content": "Hi"},
            ["── user · Ann ──", "  Hi"],
            id="named",
        ),
        pytest.param(
            {"role": "model", "parts": [{"text": "Hi"}]}, ["── model ──", "  Hi"], id="gemini"
        ),
        pytest.param(
            {"role": "assistant", "content": None}, ["── assistant ──", "(empty)"], id="empty"
        ),
        pytest.param(
            {"role": "assistant", "content": None, "refusal": "No."},
            ["── assistant ──", "refusal:", "  No."],
            id="refusal",
        ),
        pytest.param(
            {"role": "user", "content": "See", "images": ["iVBORw0KGgo" + "A" * 389]},
            ["── user ──", "  See", "[image · image/png · 300 B]"],
            id="ollama_image",
        ),
        pytest.param(
            {
                "role": "assistant",
                "content": "",
                "images": [{"type": "image_url", "image_url": {"url": "https://a.b/c.png"}}],
            },
            ["── assistant ──", "[image · https://a.b/c.png]"],
            id="images_as_parts",
        ),
        pytest.param(
            {
                "role": "assistant",
                "content": None,
                "audio": {"id": "audio_1", "data": "A" * 400, "transcript": "Hi"},
            },
            ["── assistant ──", "[audio · 300 B · id: audio_1 · transcript: Hi]"],
            id="audio",
        ),
        pytest.param(
            {"role": "assistant", "function_call": {"name": "f", "arguments": "{}"}},
            ["── assistant ──", "→ f", "  {}"],
            id="legacy_call",
        ),
        pytest.param(
            {"role": "user", "content": "Hi", "mood": "good", "gone": None},
            ["── user ──", "  Hi", "(mood: good)"],
            id="unknown_member",
        ),
        pytest.param(
            {"type": "web_search_call", "id": "ws_1"},
            ["── web_search_call ──", '{"type": "web_search_call", "id": "ws_1"}'],
            id="item",
        ),
    ],
)
def test_a_message_has_a_heading_and_all_its_members(message, lines):
    assert message_lines(message, {}) == lines


@pytest.mark.parametrize("name", ["reasoning_content", "reasoning", "thinking", "tool_plan"])
def test_reasoning_comes_before_the_answer_whatever_its_name(name):
    message = {"role": "assistant", "content": "Yes", name: "Hm"}
    assert message_lines(message, {}) == ["── assistant ──", "reasoning:", "    Hm", "  Yes"]


def test_reasoning_that_is_told_twice_is_shown_once():
    thought = "The user asks for the capital of France, which is Paris."
    message = {
        "role": "assistant",
        "content": "Paris",
        "reasoning_content": thought,
        "thinking_blocks": [{"type": "thinking", "thinking": thought, "signature": "S"}],
    }
    assert message_lines(message, {})[-1] == (
        '(thinking_blocks: [{"type": "thinking", "thinking": "[as above]", "signature": "S"}])'
    )


@pytest.mark.parametrize(
    ("message", "title"),
    [
        ({"role": "tool", "tool_call_id": "c1"}, "tool · result of f · c1"),
        ({"role": "tool", "tool_call_id": "c9"}, "tool · result of an unknown call · c9"),
        ({"role": "tool", "tool_name": "g"}, "tool · result of g"),
        ({"role": "function", "name": "g"}, "function · result of g"),
        ({"role": "tool"}, "tool"),
    ],
    ids=["known", "unknown", "ollama", "legacy", "without"],
)
def test_a_tool_message_names_the_call_it_answers(message, title):
    assert message_lines({**message, "content": "22"}, {"c1": "f"})[0] == f"── {title} ──"


def test_a_remark_stands_in_the_heading():
    assert message_lines({"role": "assistant"}, {}, "choice 1")[0] == "── assistant · choice 1 ──"


def test_a_role_cannot_start_a_line():
    message = {"role": "user ──\n── system", "content": "x"}
    assert message_lines(message, {})[0] == "── user ──\\n── system ──"
