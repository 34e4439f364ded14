"""Moonshot's Kimi, at `api.moonshot.ai/v1`; in China `.cn`; the coding plan has a base of its own.

While a model thinks, a call in the history must have its `reasoning_content`, and an empty one
counts as missing: a space stands for what got lost. Images are taken as data alone.

Source: Kimi API reference, "Create Chat Completion" (2026-07), and its guide to vision;
earendil-works/pi#4178; HeyPuter/puter#2931.
"""

from transforms.contract import WEB
from transforms.openai import openai_format
from transforms.openai.quirks import (
    LOW_TO_MAX,
    ON_OR_OFF,
    OPENAI_ALONE,
    ErrorRule,
    Quirks,
    Reasoning,
)

_OLDER = r"moonshot-.*|kimi-k2-.*|kimi-latest.*|kimi-thinking-preview"

PROVIDER = openai_format(
    "moonshot",
    "https://api.moonshot.ai",
    "MOONSHOT_API_KEY",
    fetches={"image_url": WEB},
    quirks=Quirks(
        dropped=(OPENAI_ALONE - {"prompt_cache_key", "safety_identifier"})
        | {"seed", "logit_bias", "logprobs", "top_logprobs", "user", "parallel_tool_calls"},
        dropped_for=(
            (_OLDER, frozenset()),
            # One value of each is allowed, and it is the usual one.
            (
                r".*",
                frozenset({"temperature", "top_p", "presence_penalty", "frequency_penalty"}),
            ),
        ),
        max_tokens="max_tokens",
        several_choices=True,
        single_choice_for=rf"(?!{_OLDER}).*",
        most_temperature=1,
        most_stops=5,
        efforts=(
            (r"kimi-k2\.[56].*|kimi-for-coding.*", ON_OR_OFF),
            (rf"{_OLDER}|kimi-k2\.7.*", {}),
            (r".*", LOW_TO_MAX),
        ),
        thinking_models=r"(?!moonshot-|kimi-latest|kimi-k2-(?!thinking)).*",
        forced_choice="never",
        tool_parameters=True,
        message_members=frozenset(
            {"role", "content", "name", "tool_calls", "tool_call_id", "partial"}
        ),
        reasoning=Reasoning(names=("reasoning_content",), lost=" "),
        errors=(
            ErrorRule(r"exceeded_current_quota_error", 402),
            ErrorRule(r"rate_limit_reached_error", 429),
            ErrorRule(r"engine_overloaded_error", 503),
            ErrorRule(r"exceeded model token limit", 400, "context_length_exceeded"),
        ),
    ),
)
