"""Fireworks, at `api.fireworks.ai/inference/v1`.

Fragments of a tool call repeat its id and name; reasoning is `reasoning_content`.

Source: types of the fireworks-ai SDK 1.2.
"""

from transforms.openai import openai_format
from transforms.openai.quirks import LOW_TO_HIGH, OPENAI_ALONE, Quirks, Reasoning

PROVIDER = openai_format(
    "fireworks",
    "https://api.fireworks.ai/inference",
    "FIREWORKS_API_KEY",
    quirks=Quirks(
        dropped=OPENAI_ALONE - {"metadata", "prediction", "prompt_cache_key", "service_tier"},
        max_tokens="max_tokens",
        several_choices=True,
        # Its own `thinking` excludes the effort.
        efforts=((r".*", LOW_TO_HIGH),),
        message_members=frozenset({"role", "content", "tool_calls", "tool_call_id"}),
        reasoning=Reasoning(names=("reasoning_content",)),
    ),
)
