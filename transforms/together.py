"""Together, at `api.together.xyz/v1`.

Log probabilities are asked for by a number and come as two lists side by side.

Source: types of the together SDK 3.1; recorded exchanges (2026-08).
"""

from transforms.openai import openai_format
from transforms.openai.quirks import LOW_TO_HIGH, OPENAI_ALONE, ErrorRule, Quirks, Reasoning

PROVIDER = openai_format(
    "together",
    "https://api.together.xyz",
    "TOGETHER_API_KEY",
    quirks=Quirks(
        dropped=OPENAI_ALONE | {"parallel_tool_calls", "user"},
        max_tokens="max_tokens",
        several_choices=True,
        stop_as_list=True,
        logprobs_as_count=True,
        efforts=((r".*", {**LOW_TO_HIGH, "none": {"reasoning": {"enabled": False}}}),),
        reasoning=Reasoning(names=("reasoning",)),
        errors=(ErrorRule(r"max_new_tokens.? must be <=", 400, "context_length_exceeded"),),
        statuses={422: 400},
    ),
)
