"""What the models of the Messages API differ in.

The rules follow the model's name, because the API offers no call to ask for them in time. They
age: a new family is one line in the table.

Source: models overview, extended thinking, adaptive thinking, effort and structured outputs
pages (2026-09).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

_LEVELS = ("low", "medium", "high", "xhigh", "max")


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
        is_off = isinstance(thinking, dict) and thinking.get("type") == "disabled"
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
