"""Which of Cohere's models think before they answer.

It decides how `reasoning_effort` is said, and where the deliberation of an earlier turn belongs:
models that think read `thinking` parts, the others a `tool_plan`.

Source: model overview and "Reasoning" (2026-09).
"""

from __future__ import annotations

import re

_NEVER_THINK = re.compile(
    r"command(-light|-nightly|-light-nightly)?$"
    r"|command-r(7b)?(?![a-z0-9])"
    r"|command-a-(03-2025|vision|translate)"
    r"|aya-"
)
"""A model nobody has heard of is newer rather than older, and the newer ones think."""


def thinks(model: str) -> bool:
    """Whether a model takes `thinking`, by its name."""
    return _NEVER_THINK.search(model.lower()) is None
