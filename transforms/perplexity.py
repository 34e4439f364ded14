"""Perplexity's Sonar, at `api.perplexity.ai`.

Every chunk repeats the whole message, the usage so far and the sources; the stream ends without
`[DONE]`. Marks such as `[1]` in the text become OpenAI's annotations.

Source: types of the perplexityai SDK 0.46; recorded exchanges (2025-06, 2026-06).
"""

from transforms.openai import openai_format
from transforms.openai.quirks import LOW_TO_HIGH, OPENAI_ALONE, Quirks

_EFFORTS = {
    effort: said
    for effort, said in {**LOW_TO_HIGH, "minimal": {"reasoning_effort": "minimal"}}.items()
    if effort != "none"
}

PROVIDER = openai_format(
    "perplexity",
    "https://api.perplexity.ai",
    "PERPLEXITY_API_KEY",
    quirks=Quirks(
        path="/chat/completions",
        dropped=(OPENAI_ALONE - {"web_search_options"}) | {"seed", "logit_bias", "user"},
        max_tokens="max_tokens",
        one_penalty=True,
        efforts=((r".*", _EFFORTS),),
        named_choice=False,
        tool_parameters=True,
        json_object=False,
        message_members=frozenset({"role", "content", "tool_calls", "tool_call_id"}),
        alternates=True,
        cited_by_marks=True,
    ),
)
