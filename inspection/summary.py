"""One line that tells a person what became of a call: the flow's comment."""

from __future__ import annotations

from typing import Any

from inspection.plain_text import grouped, neutralise, one_line
from transforms.contract import JSON

UNANSWERED = "unanswered"
"""The state of a call with neither an answer nor an error so far."""

_ERROR_LENGTH = 120
"""Characters."""


def summary(
    *,
    model: str,
    provider: str = "",
    provider_model: str = "",
    completion: JSON | None = None,
    error: str | None = None,
    state: str = "complete",
    duration_ms: int | None = None,
) -> str:
    """Such as `gpt-4o → anthropic/claude-sonnet-4-5 · 1 234 → 567 tokens · stop · 2.3 s`.

    What is not known is left out. `completion` is the `chat.completion` as far as it was told,
    `error` the reason of a `failed` or `interrupted` call, such as `429 rate_limit_exceeded`
    or `client left`.
    """
    answer = completion or {}
    pieces = (
        f"{model} → {provider}/{provider_model or model}" if provider else model,
        _tokens(answer.get("usage")),
        _outcome(answer, error, state),
        "" if duration_ms is None else _duration(duration_ms),
    )
    return neutralise(" · ".join(one_line(piece) for piece in pieces if piece))


def _tokens(usage: object) -> str:
    if not isinstance(usage, dict):
        return ""
    match usage.get("prompt_tokens"), usage.get("completion_tokens"):
        case (int() | float() as prompt, int() | float() as completion):
            return f"{grouped(prompt)} → {grouped(completion)} tokens"
        case (int() | float() as prompt, _):
            return f"{grouped(prompt)} prompt tokens"
        case (_, int() | float() as completion):
            return f"{grouped(completion)} completion tokens"
    return ""


def _outcome(completion: JSON, error: str | None, state: str) -> str:
    match state:
        case "failed":
            return f"error {_shortened(error)}" if error else "error"
        case "interrupted":
            return f"interrupted: {_shortened(error)}" if error else "interrupted"
        case "complete":
            return _finish_reasons(completion.get("choices"))
    return state


def _shortened(error: str) -> str:
    """The error so far as a line of the list has room for it; the answer holds it whole."""
    return error if len(error) <= _ERROR_LENGTH else error[: _ERROR_LENGTH - 1] + "…"


def _finish_reasons(choices: Any) -> str:
    """The finish reasons of all choices, each once."""
    reasons = [
        choice["finish_reason"]
        for choice in (choices if isinstance(choices, list) else ())
        if isinstance(choice, dict) and isinstance(choice.get("finish_reason"), str)
    ]
    return ", ".join(dict.fromkeys(reasons))


def _duration(duration_ms: int) -> str:
    if duration_ms < 1000:
        return f"{duration_ms} ms"
    # Rounded first, or 59 990 ms would read `60.0 s`.
    tenths = round(duration_ms / 100)
    if tenths < 600:
        return f"{tenths / 10:.1f} s"
    minutes, seconds = divmod(round(duration_ms / 1000), 60)
    return f"{minutes} min {seconds:02} s"
