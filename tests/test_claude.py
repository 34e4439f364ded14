"""Claude's own rules, which hold wherever Claude is served."""

from __future__ import annotations

from typing import Any

import pytest

from transforms.claude import (
    build_thinking,
    effort_level,
    goes_with_thinking,
    is_on,
    limit_beside,
    rules_for,
)
from transforms.errors import RequestError

SONNET = "claude-sonnet-4-5"
EFFORT = "claude-opus-4-6"
NEWEST = "claude-opus-4-8"
UNSTOPPABLE = "claude-fable-5"
ANCIENT = "claude-3-haiku-20240307"


@pytest.mark.parametrize(
    ("name", "like"),
    [
        ("claude-sonnet-4-0", "claude-sonnet-4-20250514"),
        ("us.anthropic.claude-haiku-4-5-20251001-v1:0", "claude-haiku-4-5"),
        ("Claude-Opus-4.6", EFFORT),
        ("claude-opus-5-5", "claude-opus-5"),
        ("claude-haiku-6", "claude-sonnet-5"),
        ("claude-mythos-preview", UNSTOPPABLE),
    ],
)
def test_rules_follow_the_family_in_the_name(name: str, like: str) -> None:
    assert rules_for(name) == rules_for(like)


def thinking(
    model: str, forced: bool = False, lost: bool = False, **asked: Any
) -> tuple[dict[str, Any] | None, list[str]]:
    rules, dropped = rules_for(model), list[str]()
    told = build_thinking(
        asked, rules, rules.max_output, dropped, forced=forced, is_lost=lambda: lost
    )
    return told, dropped


@pytest.mark.parametrize(
    ("model", "effort", "told", "dropped"),
    [
        (SONNET, "low", {"type": "enabled", "budget_tokens": 2048}, []),
        (SONNET, "none", None, []),
        (EFFORT, "high", {"type": "adaptive"}, []),
        (EFFORT, "none", {"type": "disabled"}, []),
        (UNSTOPPABLE, "none", None, ["reasoning_effort"]),
        (ANCIENT, "low", None, ["reasoning_effort"]),
        (ANCIENT, "none", None, []),
        (SONNET, None, None, []),
    ],
)
def test_effort_becomes_thinking_as_the_model_takes_it(
    model: str, effort: str | None, told: dict[str, Any] | None, dropped: list[str]
) -> None:
    assert thinking(model, reasoning_effort=effort) == (told, dropped)


def test_a_budget_leaves_room_for_an_answer() -> None:
    told, _ = thinking("claude-opus-4-1", reasoning_effort="max")

    assert told == {"type": "enabled", "budget_tokens": 32_000 - 1024}


@pytest.mark.parametrize(
    ("state", "told"),
    [
        ({"forced": True}, None),
        ({"lost": True}, None),
        ({"forced": True, "thinking": {"type": "adaptive"}}, {"type": "adaptive"}),
        ({"lost": True, "thinking": {"type": "adaptive"}}, {"type": "adaptive"}),
        ({"lost": True, "thinking": {"type": "disabled"}}, {"type": "disabled"}),
    ],
    ids=["forced", "lost", "forced without a budget", "lost without a budget", "switched off"],
)
def test_thinking_gives_way_where_it_would_be_refused(
    state: dict[str, Any], told: dict[str, Any] | None
) -> None:
    asked = {"thinking": {"type": "enabled", "budget_tokens": 2000}, **state}

    assert thinking(SONNET, **asked) == (told, [] if told else ["thinking"])


def test_thinking_is_an_object() -> None:
    with pytest.raises(RequestError, match="`thinking` must be an object"):
        thinking(SONNET, thinking=True)


@pytest.mark.parametrize(
    ("value", "on"),
    [
        (None, False),
        ({"type": "disabled"}, False),
        ({"type": "between_tools"}, False),
        ({"type": "adaptive"}, True),
        ({"type": ["odd"]}, True),
    ],
)
def test_thinking_is_on_unless_it_is_switched_off(value: dict[str, Any] | None, on: bool) -> None:
    assert is_on(value) is on


@pytest.mark.parametrize("off", ["disabled", "between_tools"])
def test_an_effort_without_thinking_is_no_higher_than_the_model_takes(off: str) -> None:
    dropped: list[str] = []
    asked = {"reasoning_effort": "max", "thinking": {"type": off}}

    assert effort_level(asked, rules_for("claude-opus-5"), dropped) == "high"
    assert dropped == ["reasoning_effort"]


@pytest.mark.parametrize(
    ("budget", "limit", "told"), [(2000, 500, 2500), (60_000, 9000, 64_000), (70_000, 9, 70_001)]
)
def test_an_answer_has_room_beside_its_budget(budget: int, limit: int, told: int) -> None:
    assert limit_beside(budget, limit, rules_for(SONNET)) == told


@pytest.mark.parametrize(
    ("name", "value", "goes"),
    [
        ("temperature", 1, True),
        ("temperature", 0.9, False),
        ("top_p", 0.95, True),
        ("top_p", 0.9, False),
        ("top_k", 5, False),
    ],
)
def test_sampling_is_not_narrowed_beside_thinking(name: str, value: float, goes: bool) -> None:
    assert goes_with_thinking(name, value) is goes
