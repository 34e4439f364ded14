"""Cerebras, at `api.cerebras.ai/v1`.

A body with a member it does not know is refused. GLM wants its earlier reasoning inside `<think>`,
other models in `reasoning`. Images are taken as data alone.

Source: types of the cerebras-cloud-sdk 1.91; its documentation, "Image inputs" (2026-09); recorded
exchanges (2026-06).
"""

from transforms.contract import WEB
from transforms.openai import openai_format
from transforms.openai.quirks import LOW_TO_HIGH, Quirks, Reasoning

PROVIDER = openai_format(
    "cerebras",
    "https://api.cerebras.ai",
    "CEREBRAS_API_KEY",
    fetches={"image_url": WEB},
    quirks=Quirks(
        dropped=frozenset(),
        only=frozenset(
            {"model", "messages", "stream", "stream_options", "max_completion_tokens"}
            | {"max_tokens", "temperature", "top_p", "n", "stop", "seed", "presence_penalty"}
            | {"frequency_penalty", "logit_bias", "logprobs", "top_logprobs", "response_format"}
            | {"tools", "tool_choice", "parallel_tool_calls", "reasoning_effort", "prediction"}
            | {"prompt_cache_key", "service_tier", "user", "clear_thinking", "reasoning_format"}
            | {"disable_reasoning", "min_completion_tokens", "min_tokens", "model_parameters"}
        ),
        max_tokens="max_completion_tokens",
        several_choices=True,
        most_stops=4,
        service_tiers={name: name for name in ("auto", "default", "flex", "priority")},
        efforts=(
            (r"gpt-oss.*", {**LOW_TO_HIGH, "none": {"reasoning_effort": "low"}}),
            (r".*", LOW_TO_HIGH),
        ),
        developer="developer",
        reasoning=Reasoning(names=("reasoning",), tagged=r".*glm.*"),
    ),
)
