"""Mistral, at `api.mistral.ai/v1`; Codestral keys want `codestral.mistral.ai/v1`.

The OpenAI format with rules of its own on who may follow whom, on ids of tool calls, and with
thinking as a part of the content. A body with a member it does not know is refused.

Source: types of the mistralai SDK 3.7; recorded exchanges (2026-08).
"""

from transforms.mistral.messages import mistral_messages
from transforms.openai import openai_format
from transforms.openai.quirks import LOW_TO_HIGH, PARTS, ErrorRule, Quirks, Reasoning

_HIGH_OR_NONE = {
    effort: {"reasoning_effort": "none" if effort in ("none", "minimal") else "high"}
    for effort in LOW_TO_HIGH
}

_BY_PROMPT = {
    effort: {"prompt_mode": None if effort == "none" else "reasoning"} for effort in LOW_TO_HIGH
}

PROVIDER = openai_format(
    "mistral",
    "https://api.mistral.ai",
    "MISTRAL_API_KEY",
    quirks=Quirks(
        dropped=frozenset(),
        only=frozenset(
            {"model", "messages", "stream", "stream_options", "max_completion_tokens"}
            | {"max_tokens", "temperature", "top_p", "n", "stop", "seed", "presence_penalty"}
            | {"frequency_penalty", "response_format", "tools", "tool_choice"}
            | {"parallel_tool_calls", "reasoning_effort", "prediction", "metadata"}
            | {"random_seed", "safe_prompt", "min_tokens", "top_k", "repetition_penalty"}
            | {"guardrails", "prompt_mode"}
        ),
        renamed={"seed": "random_seed"},
        max_tokens="max_tokens",
        several_choices=True,
        most_temperature=1.5,
        greedy_top_p=False,
        efforts=(
            (r"magistral.*", _BY_PROMPT),
            (r"mistral-(small|medium).*", _HIGH_OR_NONE),
            # Models without reasoning refuse the parameter.
            (r"(open-|mistral-(tiny|large|saba)|ministral|codestral|devstral|pixtral).*", {}),
        ),
        stream_usage=False,
        choices={"required": "any"},
        tool_parameters=True,
        parts=PARTS,
        message_members=frozenset({"role", "content", "tool_calls", "tool_call_id", "prefix"}),
        reasoning=Reasoning(names=("reasoning_content",), details="beside"),
        messages=mistral_messages,
        error_types=False,
        errors=(
            ErrorRule(r"maximum context length", 400, "context_length_exceeded"),
            ErrorRule(r"^1500 |invalid model", 404, "model_not_found"),
            ErrorRule(r"^(1300|3505) ", 429, "rate_limit_exceeded"),
        ),
        statuses={422: 400, 520: 503},
    ),
)
