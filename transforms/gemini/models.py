"""What the Gemini models differ in.

The rules follow the model's name, because there is no call to ask for them in time. They age: a
new family is one line in the table, and a model nobody has heard of is newer rather than older.

Source: Gemini API reference, "Thinking", "Thought signatures" and "Structured outputs" (2026-09);
budgets of Google's own OpenAI layer; recorded exchanges (2026-08).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal


@dataclass(frozen=True, slots=True)
class ModelRules:
    """What one family of models takes."""

    thinking: Literal["never", "budget", "level"] = "level"
    """How to say how long it thinks; both ways in one request are refused."""

    least_level: str = "LOW"
    """For models with levels."""

    least_budget: int = 0
    """Tokens, for models with a budget; 0 where thinking can be switched off."""

    most_budget: int = 24_576
    """Tokens."""

    third: bool = True
    """Of generation 3 or later: demands thought signatures back, keeps a schema beside tools,
    takes the resolution of each image, and takes images among the results of a function."""


_OLD = ModelRules("never", third=False)
_BUDGET = ModelRules("budget", third=False)
_NEW = ModelRules()
_FLASH = replace(_NEW, least_level="MINIMAL")

_FAMILIES: tuple[tuple[str, ModelRules], ...] = (
    ("gemini-1", _OLD),
    ("gemini-2.0", _OLD),
    ("gemini-2.5-flash-image", _OLD),
    ("gemini-2.5-pro", replace(_BUDGET, least_budget=128, most_budget=32_768)),
    ("gemini-2.5", _BUDGET),
    ("gemma", _OLD),
    ("gemini-3-flash", _FLASH),
    ("gemini-3.1-flash", _FLASH),
    ("gemini-3.5-flash", _FLASH),
    ("gemini-3.6-flash", _FLASH),
)
"""Part of the model's name -> its rules; the first that fits wins."""


def rules_for(model: str) -> ModelRules:
    """The rules of a model by its name."""
    name = model.lower()
    return next((rules for part, rules in _FAMILIES if part in name), _NEW)
