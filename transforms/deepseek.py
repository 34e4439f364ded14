"""DeepSeek, at `api.deepseek.com`, with or without `/v1`; `/beta` has `prefix` and strict tools.

Its models think unless told otherwise. Then a forced call is refused, so thinking is switched off
for it, and in a conversation with tools no answer may come back without its `reasoning_content`:
an empty one stands for what got lost.

Source: DeepSeek API reference, "Create Chat Completion" and "Thinking Mode" (2026-08); recorded
exchanges (2026-06).
"""

from transforms.openai import openai_format
from transforms.openai.quirks import LOW_TO_MAX, OPENAI_ALONE, ErrorRule, Quirks, Reasoning

PROVIDER = openai_format(
    "deepseek",
    "https://api.deepseek.com",
    "DEEPSEEK_API_KEY",
    quirks=Quirks(
        path="/chat/completions",
        dropped=OPENAI_ALONE | {"seed", "logit_bias", "user", "parallel_tool_calls"},
        dropped_when_thinking=frozenset(
            {"temperature", "top_p", "presence_penalty", "frequency_penalty"}
            | {"logprobs", "top_logprobs"}
        ),
        max_tokens="max_tokens",
        efforts=((r".*", {**LOW_TO_MAX, "none": {"thinking": {"type": "disabled"}}}),),
        effort_beside_thinking=True,
        thinking_models=r"(?!deepseek-chat|deepseek-coder).*",
        forced_choice="without_thinking",
        json_schema=False,
        json_word=True,
        parts=frozenset(),
        joins_text=True,
        message_members=frozenset(
            {"role", "content", "name", "tool_calls", "tool_call_id", "prefix"}
        ),
        reasoning=Reasoning(names=("reasoning_content",), lost="", lost_everywhere=True),
        errors=(ErrorRule(r"insufficient balance", 402),),
        statuses={422: 400},
    ),
)
