"""The comment of a flow."""

from __future__ import annotations

import pytest

from inspection.summary import summary

ROUTED = {
    "model": "gpt-4o",
    "provider": "anthropic",
    "provider_model": "claude-sonnet-4-5",
}


def completion(finish_reason="stop", **usage):
    """A `chat.completion` as far as the comment reads it."""
    return {"choices": [{"index": 0, "finish_reason": finish_reason}], "usage": usage or None}


def test_a_routed_call_tells_both_models_tokens_finish_and_time():
    told = summary(
        **ROUTED,
        completion=completion(prompt_tokens=1234, completion_tokens=567),
        duration_ms=2345,
    )
    assert told == ("gpt-4o → anthropic/claude-sonnet-4-5 · 1 234 → 567 tokens · stop · 2.3 s")


def test_a_bare_call_tells_who_answered_too():
    """As on the pages: nothing on record tells it from a routed call."""
    told = summary(
        model="gpt-4o",
        provider="openai",
        provider_model="gpt-4o",
        completion=completion("length", prompt_tokens=1, completion_tokens=2),
        duration_ms=80,
    )
    assert told == "gpt-4o → openai/gpt-4o · 1 → 2 tokens · length · 80 ms"


@pytest.mark.parametrize(
    ("state", "error", "told"),
    [
        ("failed", "429 rate_limit_exceeded", "gpt-4o · error 429 rate_limit_exceeded"),
        ("failed", None, "gpt-4o · error"),
        ("interrupted", "client left", "gpt-4o · interrupted: client left"),
        ("interrupted", None, "gpt-4o · interrupted"),
        ("streaming", None, "gpt-4o · streaming"),
        ("unanswered", None, "gpt-4o · unanswered"),
    ],
)
def test_a_call_without_a_good_end_tells_how_it_ended(state, error, told):
    assert summary(model="gpt-4o", state=state, error=error) == told


def test_an_interrupted_call_keeps_the_tokens_it_was_told():
    told = summary(
        model="m",
        completion=completion(None, prompt_tokens=9, completion_tokens=1),
        error="client left",
        state="interrupted",
        duration_ms=1000,
    )
    assert told == "m · 9 → 1 tokens · interrupted: client left · 1.0 s"


@pytest.mark.parametrize(
    ("usage", "told"),
    [
        ({"prompt_tokens": 12345, "completion_tokens": 0}, "m · 12 345 → 0 tokens"),
        ({"prompt_tokens": 1500}, "m · 1 500 prompt tokens"),
        ({"completion_tokens": 7}, "m · 7 completion tokens"),
        ({"prompt_tokens": "many"}, "m"),
        ([], "m"),
        (None, "m"),
    ],
    ids=["both", "prompt_alone", "completion_alone", "no_number", "no_object", "none"],
)
def test_tokens_that_are_not_known_are_left_out(usage, told):
    assert summary(model="m", completion={"usage": usage}) == told


@pytest.mark.parametrize(
    ("duration_ms", "told"),
    [
        (0, "0 ms"),
        (999, "999 ms"),
        (1000, "1.0 s"),
        (59_949, "59.9 s"),
        (59_990, "1 min 00 s"),
        (125_000, "2 min 05 s"),
    ],
)
def test_times_are_for_people(duration_ms, told):
    assert summary(model="m", duration_ms=duration_ms) == f"m · {told}"


def test_choices_that_end_differently_are_all_told():
    choices = [{"finish_reason": reason} for reason in ("stop", "length", "stop", None)]
    assert summary(model="m", completion={"choices": choices}) == "m · stop, length"


def test_a_call_that_keeps_the_model_names_it_once_more():
    assert summary(model="qwen3:8b", provider="ollama") == "qwen3:8b → ollama/qwen3:8b"


def test_nothing_known_is_an_empty_comment():
    assert summary(model="") == ""


def test_a_hostile_model_cannot_paint_the_terminal_nor_start_a_line():
    assert summary(model="gpt\x1b[2J\nfake") == "gpt\\x1b[2J\\nfake"


def test_a_long_error_is_cut():
    told = summary(model="m", state="failed", error="x" * 300)
    assert told == "m · error " + "x" * 119 + "…"
