"""OpenRouter, at `openrouter.ai/api/v1`.

What a model thought comes as text in `reasoning` and, signed or encrypted, in `reasoning_details`,
which go back unchanged. An error of the provider behind it lies inside `metadata.raw`, and may come
under status 200 or in mid-stream.

Source: types of the openrouter SDK 1.3; recorded exchanges (2026-08).
"""

from transforms.openai import openai_format
from transforms.openai.quirks import OPENAI_ALONE, PARTS, Quirks, Reasoning

PROVIDER = openai_format(
    "openrouter",
    "https://openrouter.ai/api",
    "OPENROUTER_API_KEY",
    quirks=Quirks(
        # Ignored where a model behind it does not know them.
        dropped=OPENAI_ALONE
        - {"metadata", "prediction", "prompt_cache_key", "prompt_cache_options"}
        - {"service_tier", "verbosity", "web_search_options"},
        other_modalities=True,
        parts=PARTS,
        message_members=None,
        developer="developer",
        reasoning=Reasoning(names=("reasoning",), details="instead"),
    ),
)
