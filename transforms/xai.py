"""xAI, at `api.x.ai/v1`.

The error body is `{"code", "error"}`, both texts, and a wrong key is a 400. Older models count
reasoning beside the completion.

Source: xAI REST API reference, "Chat completions" (2026-08).
"""

from transforms.openai import openai_format
from transforms.openai.quirks import LOW_TO_MAX, OPENAI_ALONE, ErrorRule, Quirks

_NO_REASONING = r".*non-reasoning.*|grok-2.*|grok-3|grok-3-(?!mini).*"

_LOW_OR_HIGH = {**LOW_TO_MAX, "max": {"reasoning_effort": "high"}}

PROVIDER = openai_format(
    "xai",
    "https://api.x.ai",
    "XAI_API_KEY",
    quirks=Quirks(
        dropped=(OPENAI_ALONE - {"web_search_options"}) | {"logit_bias"},
        dropped_for=(
            (_NO_REASONING, frozenset()),
            (r".*", frozenset({"presence_penalty", "frequency_penalty", "stop"})),
        ),
        several_choices=True,
        efforts=(
            (r"grok-3-mini.*", _LOW_OR_HIGH),
            # Newer ones take OpenAI's words.
            (rf"{_NO_REASONING}|grok-4([.-][0-2])?(-.*)?|grok-code.*", {}),
        ),
        errors=(ErrorRule(r"incorrect api key", 401),),
    ),
)
