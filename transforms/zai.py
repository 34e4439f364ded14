"""Z.ai's GLM, at `api.z.ai/api/paas/v4`; in China `open.bigmodel.cn`; `/api/coding/paas/v4` for
the coding plan.

Errors are told by numbers. Models before GLM-5.2 think or do not, without degrees.

Source: types of the zai-sdk 0.2; Z.ai API reference, "Errors" (2026-07); recorded exchanges.
"""

from transforms.openai import openai_format
from transforms.openai.quirks import ON_OR_OFF, OPENAI_ALONE, ErrorRule, Quirks, Reasoning

PROVIDER = openai_format(
    "zai",
    "https://api.z.ai/api/paas/v4",
    "ZAI_API_KEY",
    quirks=Quirks(
        path="/chat/completions",
        dropped=OPENAI_ALONE
        | {"logit_bias", "logprobs", "top_logprobs", "presence_penalty", "frequency_penalty"}
        | {"parallel_tool_calls", "user"},
        max_tokens="max_tokens",
        most_temperature=1,
        most_stops=1,
        stop_as_list=True,
        efforts=((r"glm-4.*|glm-5(\.[01])?(-.*)?", ON_OR_OFF),),
        forced_choice="never",
        json_schema=False,
        joins_text=True,
        reasoning=Reasoning(names=("reasoning_content",)),
        errors=(
            ErrorRule(r"^100[0-4] ", 401),
            ErrorRule(r"^1113 ", 402),
            ErrorRule(r"^1211 ", 404, "model_not_found"),
            ErrorRule(r"^1261 ", 400, "context_length_exceeded"),
            ErrorRule(r"^121\d ", 400),
            ErrorRule(r"^1301 ", 400, "content_policy_violation"),
            ErrorRule(r"^130[235] ", 429),
        ),
    ),
)
