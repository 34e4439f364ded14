"""OpenAI usage from wherever a host puts it, under whatever name."""

from __future__ import annotations

from typing import Any, TypeGuard

from transforms.contract import JSON
from transforms.values import member

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
        count, known = usage.get(name), usage.get(details)
        if _is_count(count) and not _is_count(member(known, inner)):
            known = known if isinstance(known, dict) else {}
            usage = {**usage, details: {**known, inner: int(count)}}
    return usage


def _with_true_sums(usage: JSON) -> JSON:
    prompt, completion = usage.get("prompt_tokens"), usage.get("completion_tokens")
    if not _is_count(prompt) or not _is_count(completion):
        return usage
    total = usage.get("total_tokens")
    beside = total - prompt - completion if _is_count(total) else 0
    # xAI's older models count reasoning beside the completion, Mistral audio beside the prompt.
    if beside > 0 and beside == member(usage.get("completion_tokens_details"), "reasoning_tokens"):
        completion += beside
    elif beside > 0 and beside == member(usage.get("prompt_tokens_details"), "audio_tokens"):
        prompt += beside
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


def _is_count(value: object) -> TypeGuard[float]:
    return isinstance(value, int | float)
