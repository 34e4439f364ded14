"""OpenAI usage from wherever a host puts it, under whatever name."""

from __future__ import annotations

from typing import Any

from transforms.contract import JSON
from transforms.openai.values import member

_DETAILS = (
    ("prompt_cache_hit_tokens", "prompt_tokens_details", "cached_tokens"),
    ("cached_tokens", "prompt_tokens_details", "cached_tokens"),
    ("num_cached_tokens", "prompt_tokens_details", "cached_tokens"),
    ("reasoning_tokens", "completion_tokens_details", "reasoning_tokens"),
)
"""Names that hosts give at the top of usage -> where OpenAI counts the same."""


def usage_of(body: JSON, choices: list[Any]) -> JSON | None:
    """Usage beside `choices`, in one of them, or in `x_groq`; None where it is not told."""
    usage = body.get("usage")
    if not isinstance(usage, dict):
        usage = next(
            (choice["usage"] for choice in choices if isinstance(member(choice, "usage"), dict)),
            member(body.get("x_groq"), "usage"),
        )
    if not isinstance(usage, dict):
        return None
    return _with_true_sums(_with_details(usage))


def _with_details(usage: JSON) -> JSON:
    """The usage with what it tells at the top told in OpenAI's place too."""
    for name, details, inner in _DETAILS:
        if _is_count(usage.get(name)) and not _is_count(member(usage.get(details), inner)):
            usage = {**usage, details: {**(usage.get(details) or {}), inner: int(usage[name])}}
    return usage


def _with_true_sums(usage: JSON) -> JSON:
    prompt, completion = usage.get("prompt_tokens"), usage.get("completion_tokens")
    if not isinstance(prompt, int | float) or not isinstance(completion, int | float):
        return usage
    reasoning = member(usage.get("completion_tokens_details"), "reasoning_tokens") or 0
    audio = member(usage.get("prompt_tokens_details"), "audio_tokens") or 0
    beside = (usage.get("total_tokens") or 0) - prompt - completion
    # xAI's older models count reasoning beside the completion, Mistral audio beside the prompt.
    if reasoning and beside == reasoning:
        completion += reasoning
    elif audio and beside == audio:
        prompt += audio
    usage = _without_impossible(usage, "prompt_tokens_details", "cached_tokens", prompt)
    usage = _without_impossible(usage, "completion_tokens_details", "reasoning_tokens", completion)
    return {
        **usage,
        "prompt_tokens": int(prompt),
        "completion_tokens": int(completion),
        "total_tokens": int(prompt + completion),
    }


def _without_impossible(usage: JSON, details: str, name: str, most: float) -> JSON:
    """The usage without a part that exceeds its whole, as Grok on Azure reports it."""
    part = member(usage.get(details), name)
    if not _is_count(part) or part <= most:
        return usage
    rest = {key: value for key, value in usage[details].items() if key != name}
    return {**usage, details: rest}


def _is_count(value: object) -> bool:
    return isinstance(value, int | float)
