"""`reasoning_effort` in the words of each family, among the `additionalModelRequestFields`.

Source: Anthropic's pages on extended and adaptive thinking; Amazon Nova 2 user guide, "Extended
thinking"; for gpt-oss and Qwen, requests recorded by pydantic/pydantic-ai (2026-09).
"""

from __future__ import annotations

from collections.abc import Callable

from transforms.bedrock.claude import ClaudeRules
from transforms.bedrock.models import ModelRules
from transforms.bedrock.tools import Tools
from transforms.contract import JSON
from transforms.errors import RequestError

EFFORTS = ("none", "minimal", "low", "medium", "high", "xhigh", "max")

_BUDGETS = {
    "minimal": 1024,
    "low": 2048,
    "medium": 10_000,
    "high": 16_384,
    "xhigh": 32_768,
    "max": 32_768,
}
"""`reasoning_effort` -> tokens of thinking, for the Claude models that take no effort."""

_LEAST_BUDGET = 1024

_LEVELS = {
    "minimal": "low",
    "low": "low",
    "medium": "medium",
    "high": "high",
    "xhigh": "high",
    "max": "high",
}
"""`reasoning_effort` -> one of three levels."""


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
    if not fields:
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
    """`thinking` and `output_config`.

    A forced tool excludes a budget. An open tool loop must begin with the thinking that led to
    it, and a beginning to go on from cannot; where that thinking is lost, the call goes on
    without rather than fail.
    """
    if "thinking" in asked:
        name, thinking = "thinking", asked["thinking"]
    else:
        name, thinking = "reasoning_effort", _thinking(asked, claude, dropped)
    if thinking is not None and not isinstance(thinking, dict):
        raise RequestError("`thinking` must be an object.", param="thinking", code="invalid_type")
    if is_on(thinking) and ((tools.forced and has_budget(thinking)) or _is_lost(turns)):
        dropped.append(name)
        thinking = None
    fields: JSON = {} if thinking is None else {"thinking": thinking}
    effort = _effort(asked, claude, dropped)
    return fields if effort is None else {**fields, "output_config": {"effort": effort}}


def is_on(thinking: JSON | None) -> bool:
    """Whether Claude is told to think."""
    return thinking is not None and thinking.get("type") != "disabled"


def has_budget(thinking: JSON | None) -> bool:
    """Whether Claude is told how many tokens to think at most."""
    return thinking is not None and thinking.get("type") == "enabled"


def _is_lost(turns: list[JSON]) -> bool:
    """Whether the last assistant turn must begin with reasoning, and does not."""
    if turns[-1]["role"] == "assistant":
        return True
    spoken = [turn["content"] for turn in turns if turn["role"] == "assistant"]
    if not spoken or not any("toolUse" in block for block in spoken[-1]):
        return False
    return "reasoningContent" not in spoken[-1][0]


def _thinking(asked: JSON, claude: ClaudeRules, dropped: list[str]) -> JSON | None:
    effort = asked.get("reasoning_effort")
    if effort is None:
        return None
    if claude.thinking == "adaptive" and effort != "none":
        return {"type": "adaptive"}
    if claude.thinking == "adaptive" and not claude.stays_thinking:
        return {"type": "disabled"}
    if claude.thinking == "budget" and effort != "none":
        budget = min(_BUDGETS[effort], claude.max_output - _LEAST_BUDGET)
        return {"type": "enabled", "budget_tokens": budget}
    if effort != "none" or claude.stays_thinking:
        dropped.append("reasoning_effort")
    return None


def _effort(asked: JSON, claude: ClaudeRules, dropped: list[str]) -> str | None:
    effort = asked.get("reasoning_effort")
    if effort in (None, "none"):
        return None
    if not claude.efforts:
        if "thinking" in asked:
            dropped.append("reasoning_effort")
        return None
    level = claude.level(effort, asked.get("thinking"))
    if level != claude.level(effort):
        dropped.append("reasoning_effort")
    return level
