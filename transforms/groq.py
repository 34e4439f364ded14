"""Groq, at `api.groq.com/openai/v1`.

The finish chunk carries usage in `x_groq`. What server-side tools did (`executed_tools`) is left
out of the answer: it asks nothing of the client.

Source: types of the groq SDK 1.7; recorded exchanges (2026-06).
"""

from transforms.openai import openai_format
from transforms.openai.quirks import LOW_TO_HIGH, OPENAI_ALONE, ErrorRule, Quirks, Reasoning

_OFF_OR_NOT = {
    effort: {"reasoning_effort": "none" if effort == "none" else "default"}
    for effort in LOW_TO_HIGH
}

PROVIDER = openai_format(
    "groq",
    "https://api.groq.com/openai",
    "GROQ_API_KEY",
    quirks=Quirks(
        dropped=(OPENAI_ALONE - {"service_tier"})
        | {"logprobs", "top_logprobs", "logit_bias", "presence_penalty", "frequency_penalty"},
        max_tokens="max_completion_tokens",
        service_tiers={
            "auto": "auto",
            "default": "on_demand",
            "flex": "flex",
            "priority": "performance",
            "fast": "performance",
        },
        efforts=(
            (r".*gpt-oss.*", {**LOW_TO_HIGH, "none": {"reasoning_effort": "low"}}),
            (r".*qwen3\.\d.*", LOW_TO_HIGH),
            (r".*qwen.*", _OFF_OR_NOT),
            # The others refuse the parameter.
            (r".*", {}),
        ),
        most_stops=4,
        reasoning=Reasoning(names=("reasoning",)),
        errors=(ErrorRule(r"^flex_capacity|capacity exceeded", 503),),
        statuses={498: 503},
    ),
)
