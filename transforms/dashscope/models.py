"""What DashScope's models differ in, by their names.

Source: Model Studio documentation, "Deep thinking", "Structured output" and "Visual understanding"
(2026-09).
"""

from __future__ import annotations

import re

_ALWAYS_THINK = re.compile(r"(^|.*/)(qwq|qvq)|.*-thinking(-|$)")

_NEVER_THINK = re.compile(
    r"qwen-(max|long|mt|coder)|qwen1\.5-|qwen2(\.5)?-|.*-instruct(-|$)|.*-coder"
)

_THINK_UNLESS_TOLD = re.compile(r"qwen3-\d+(\.\d+)?b(-a\d+b)?$")
"""The open models of Qwen3, which think by themselves and then refuse a plain call."""

_MULTIMODAL = re.compile(r"(.*[-/])?(qvq|vl|omni|ocr|audio|asr)([-\d]|$)|.*qwen-?vl|qwen3\.[5-9]")
"""Models that are served by multimodal generation alone."""

_KNOW_SCHEMAS = re.compile(r"qwen3-max|qwen-(plus|flash)|qwen3\.[5-9]|deepseek-v3\.2")


def always_thinks(model: str) -> bool:
    """Whether a model refuses to answer without thinking."""
    return _ALWAYS_THINK.match(model.lower()) is not None


def never_thinks(model: str) -> bool:
    """Whether a model is known not to think."""
    return not always_thinks(model) and _NEVER_THINK.match(model.lower()) is not None


def thinks_unless_told(model: str) -> bool:
    """Whether a model thinks where nothing is said about it."""
    return _THINK_UNLESS_TOLD.match(model.lower()) is not None


def is_multimodal(model: str) -> bool:
    """Whether a model is called by multimodal generation even with text alone."""
    return _MULTIMODAL.match(model.lower()) is not None


def knows_schemas(model: str) -> bool:
    """Whether a model takes `json_schema`; the others know JSON mode only."""
    return _KNOW_SCHEMAS.match(model.lower()) is not None
