"""What Claude takes, and what its models differ in, wherever they are served.

The rules follow the model's name, because the API offers no call to ask for them in time. They
age: a new family is one line in the table.

Source: models overview, extended thinking, adaptive thinking, effort and structured outputs
pages (2026-09).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Literal

from transforms.contract import JSON
from transforms.errors import RequestError

BUDGETS = {
    "minimal": 1024,
    "low": 2048,
    "medium": 10_000,
    "high": 16_384,
    "xhigh": 32_768,
    "max": 32_768,
}
"""`reasoning_effort` -> tokens of thinking, for models that take no effort."""

_LEAST_BUDGET = 1024
_LEAST_TOP_P_WITH_THINKING = 0.95

_LEVELS = ("low", "medium", "high", "xhigh", "max")

_WITHOUT_THINKING = ("disabled", "between_tools")
"""Types of `thinking` that switch it off; with the second, what the model says of its progress
between calls comes as thinking."""


@dataclass(frozen=True, slots=True)
class ModelRules:
    """What one family of models takes."""

    max_output: int
    """Tokens; what is asked for where the client names no limit."""

    thinking: Literal["never", "budget", "adaptive"]
    """How `reasoning_effort` is said: not at all, as a budget, or as an effort."""

    efforts: tuple[str, ...] = ()
    """Levels of `output_config.effort`."""

    sampling: Literal["free", "one", "none"] = "free"
    """`one`: `temperature` and `top_p` exclude each other. `none`: both are refused."""

    structured: bool = True
    """Takes `output_config.format` and strict tools."""

    prefill: bool = True
    """Takes an assistant message at the end and goes on from there."""

    system_turns: bool = False
    """Takes messages of role `system` between the others."""

    stays_thinking: bool = False
    """Thinking cannot be switched off, so that no tool can be forced either."""

    calm_effort: str = "max"
    """The highest level of effort where thinking is switched off."""

    def level(self, effort: str, thinking: object = None) -> str:
        """`output_config.effort` for a `reasoning_effort`, beside this `thinking`."""
        level = {"minimal": "low"}.get(effort, effort)
        level = level if level in self.efforts else "max"
        is_off = isinstance(thinking, dict) and not is_on(thinking)
        return min(level, self.calm_effort, key=_LEVELS.index) if is_off else level


_OLD = ModelRules(4096, "never", structured=False)
_BUDGET = ModelRules(64_000, "budget", structured=False)
_BUDGET_STRUCTURED = replace(_BUDGET, structured=True)
_EFFORT = ModelRules(64_000, "adaptive", ("low", "medium", "high", "max"), prefill=False)
_NEW = replace(_EFFORT, efforts=_LEVELS, sampling="none")

_FAMILIES: tuple[tuple[str, ModelRules], ...] = (
    ("claude-2", _OLD),
    ("claude-instant", _OLD),
    ("claude-3-7", _BUDGET),
    ("claude-3-5", replace(_OLD, max_output=8192)),
    ("claude-3", _OLD),
    ("haiku-4-5", replace(_BUDGET_STRUCTURED, sampling="one")),
    ("sonnet-4-5", replace(_BUDGET_STRUCTURED, sampling="one")),
    ("opus-4-5", _BUDGET_STRUCTURED),
    ("opus-4-1", replace(_BUDGET_STRUCTURED, max_output=32_000, sampling="one")),
    ("sonnet-4-6", replace(_EFFORT, sampling="one")),
    ("opus-4-6", _EFFORT),
    ("opus-4-7", _NEW),
    ("opus-4-8", replace(_NEW, system_turns=True)),
    ("sonnet-4", _BUDGET),
    ("opus-4", replace(_BUDGET, max_output=32_000)),
    ("4-sonnet", _BUDGET),
    ("4-opus", replace(_BUDGET, max_output=32_000)),
    ("opus-5", replace(_NEW, system_turns=True, calm_effort="high")),
    ("fable-5", replace(_NEW, system_turns=True, stays_thinking=True)),
    ("mythos", replace(_NEW, system_turns=True, stays_thinking=True)),
    # A Claude nobody has heard of is newer rather than older.
    ("claude-", _NEW),
)
"""Part of the model's name -> its rules; the first that fits wins."""

_UNKNOWN = ModelRules(4096, "budget")
"""Other makers' models, served in this format. What they cannot do they say themselves."""


def rules_for(model: str) -> ModelRules:
    """The rules of a model by its name, also where the version is written with a dot."""
    name = model.lower().replace(".", "-")
    return next((rules for part, rules in _FAMILIES if part in name), _UNKNOWN)


def build_thinking(
    asked: JSON,
    rules: ModelRules,
    most_output: int,
    dropped: list[str],
    *,
    forced: bool,
    is_lost: Callable[[], bool],
) -> JSON | None:
    """The `thinking` object, or None where the request must do without.

    A budget goes neither with a `forced` tool nor with a last turn of the assistant's that does
    not begin with thinking, be it an open tool loop whose thinking `is_lost` or a beginning to go
    on from; such a call goes on without thinking rather than fail. Adaptive thinking goes with
    both.

    Raises:
        RequestError: `thinking` is no object.
    """
    if "thinking" in asked:
        name, thinking = "thinking", asked["thinking"]
    else:
        name, thinking = "reasoning_effort", _for_effort(asked, rules, most_output, dropped)
    if thinking is not None and not isinstance(thinking, dict):
        raise RequestError("`thinking` must be an object.", param="thinking", code="invalid_type")
    if has_budget(thinking) and (forced or is_lost()):
        dropped.append(name)
        return None
    return thinking


def is_on(thinking: JSON | None) -> bool:
    """Whether Claude is told to think."""
    return thinking is not None and thinking.get("type") not in _WITHOUT_THINKING


def has_budget(thinking: JSON | None) -> bool:
    """Whether Claude is told how many tokens to think at most."""
    return thinking is not None and thinking.get("type") == "enabled"


def _for_effort(
    asked: JSON, rules: ModelRules, most_output: int, dropped: list[str]
) -> JSON | None:
    effort = asked.get("reasoning_effort")
    if effort is None:
        return None
    if rules.thinking == "adaptive" and effort != "none":
        return {"type": "adaptive"}
    if rules.thinking == "adaptive" and not rules.stays_thinking:
        return {"type": "disabled"}
    if rules.thinking == "budget" and effort != "none":
        budget = min(BUDGETS[effort], most_output - _LEAST_BUDGET)
        return {"type": "enabled", "budget_tokens": budget}
    if effort != "none" or rules.stays_thinking:
        dropped.append("reasoning_effort")
    return None


def effort_level(asked: JSON, rules: ModelRules, dropped: list[str]) -> str | None:
    """`output_config.effort`, or None where none is asked for or the model takes none.

    Drops: an effort in place of which another is sent.
    """
    effort = asked.get("reasoning_effort")
    if effort in (None, "none"):
        return None
    if not rules.efforts:
        if "thinking" in asked:
            dropped.append("reasoning_effort")
        return None
    level = rules.level(effort, asked.get("thinking"))
    if level != effort:
        dropped.append("reasoning_effort")
    return level


def limit_beside(budget: int, limit: int, rules: ModelRules) -> int:
    """The limit that leaves an answer its room beside a budget at least as high; in tokens."""
    return max(budget + 1, min(budget + limit, rules.max_output))


def goes_with_thinking(name: str, value: Any) -> bool:
    """Whether `temperature`, `top_p` or `top_k` may have a value while Claude thinks: sampling
    may not be narrowed then."""
    if name == "temperature":
        return bool(value == 1)
    return name == "top_p" and bool(value >= _LEAST_TOP_P_WITH_THINKING)
