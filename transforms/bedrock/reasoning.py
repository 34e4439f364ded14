"""`reasoning_effort` in the words of each family, among the `additionalModelRequestFields`.

Source: Anthropic's pages on extended and adaptive thinking; Amazon Nova 2 user guide, "Extended
thinking"; for gpt-oss and Qwen, requests recorded by pydantic/pydantic-ai (2026-09).
"""

from __future__ import annotations

from collections.abc import Callable

from transforms.bedrock.models import ModelRules
from transforms.bedrock.tools import Tools
from transforms.claude import ModelRules as ClaudeRules
from transforms.claude import build_thinking, effort_level
from transforms.contract import JSON
from transforms.errors import RequestError

EFFORTS = ("none", "minimal", "low", "medium", "high", "xhigh", "max")

_LEVELS = {
    "minimal": "low",
    "low": "low",
    "medium": "medium",
    "high": "high",
    "xhigh": "high",
    "max": "high",
}
"""`reasoning_effort` -> one of three levels."""

_WORDS = {
    "gpt-oss": ("low", "medium", "high"),
    "nova": ("none", "low", "medium", "high"),
    "qwen": ("low", "high"),
}
"""The efforts that a family knows as such; in place of others the nearest is said."""


def reasoning_fields(
    asked: JSON, rules: ModelRules, turns: list[JSON], tools: Tools, dropped: list[str]
) -> JSON:
    """The fields by which this model is told how much to think; empty where it cannot be told.

    Raises:
        RequestError: an effort nobody knows, or `thinking` that is no object.
    """
    effort = asked.get("reasoning_effort")
    if effort is not None and effort not in EFFORTS:
        raise RequestError(
            f"`reasoning_effort` is `{effort}`; it must be one of {', '.join(EFFORTS)}.",
            param="reasoning_effort",
            code="invalid_value",
        )
    if rules.claude is not None:
        return _claude(asked, rules.claude, turns, tools, dropped)
    if "thinking" in asked:
        dropped.append("thinking")
    if effort is None:
        return {}
    fields = _FIELDS[rules.reasoning](effort)
    if effort not in _WORDS.get(rules.reasoning, ()):
        dropped.append("reasoning_effort")
    return fields


def _gpt_oss(effort: str) -> JSON:
    return {"reasoning_effort": _LEVELS[effort]} if effort != "none" else {}


def _nova(effort: str) -> JSON:
    if effort == "none":
        return {"reasoningConfig": {"type": "disabled"}}
    return {"reasoningConfig": {"type": "enabled", "maxReasoningEffort": _LEVELS[effort]}}


def _qwen(effort: str) -> JSON:
    """Two levels, and no way to switch it off."""
    if effort == "none":
        return {}
    return {"reasoning_config": "low" if _LEVELS[effort] == "low" else "high"}


_FIELDS: dict[str, Callable[[str], JSON]] = {
    "none": lambda effort: {},
    "gpt-oss": _gpt_oss,
    "nova": _nova,
    "qwen": _qwen,
}


def _claude(
    asked: JSON, claude: ClaudeRules, turns: list[JSON], tools: Tools, dropped: list[str]
) -> JSON:
    """`thinking` and `output_config`."""
    thinking = build_thinking(
        asked,
        claude,
        claude.max_output,
        dropped,
        forced=tools.forced,
        is_lost=lambda: _is_lost(turns),
    )
    fields: JSON = {} if thinking is None else {"thinking": thinking}
    effort = effort_level(asked, claude, dropped)
    return fields if effort is None else {**fields, "output_config": {"effort": effort}}


def _is_lost(turns: list[JSON]) -> bool:
    """Whether the last assistant turn must begin with reasoning, and does not."""
    if turns[-1]["role"] == "assistant":
        return True
    spoken = [turn["content"] for turn in turns if turn["role"] == "assistant"]
    if not spoken or not any("toolUse" in block for block in spoken[-1]):
        return False
    return "reasoningContent" not in spoken[-1][0]
