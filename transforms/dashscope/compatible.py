"""DashScope's door of OpenAI format, `/compatible-mode/v1`, as a host of that format.

Thinking, tools, ranges and formats are settled before the request gets here.

Source: Model Studio documentation, "OpenAI compatible" and "Error codes" (2026-09); recorded
exchanges (2026-04).
"""

from transforms.dashscope.media import with_data_urls
from transforms.openai import openai_format
from transforms.openai.quirks import OPENAI_ALONE, Door, ErrorRule, Quirks, Reasoning

COMPATIBLE = openai_format(
    "dashscope",
    "https://dashscope-intl.aliyuncs.com/compatible-mode",
    "DASHSCOPE_API_KEY",
    quirks=Quirks(
        doors=(
            Door(r"/v1/?$", "/chat/completions"),
            Door("", "/v1/chat/completions"),
        ),
        dropped=OPENAI_ALONE | {"frequency_penalty", "logit_bias", "user"},
        max_tokens="max_tokens",
        several_choices=True,
        parts=frozenset({"image_url", "input_audio"}),
        joins_text=True,
        message_members=frozenset(
            {"role", "content", "name", "tool_calls", "tool_call_id", "partial"}
        ),
        reasoning=Reasoning(names=("reasoning_content",)),
        messages=with_data_urls,
        errors=(
            ErrorRule(r"Range of input length should be", 400, "context_length_exceeded"),
            ErrorRule(r"^data_?inspection_?failed", 400, "content_policy_violation"),
            ErrorRule(r"^Arrearage|FreeTierOnly|AllocationQuota", 402),
            ErrorRule(r"^\S+ insufficient_quota|^insufficient_quota", 402),
            ErrorRule(r"^Throttling|^limit_?requests|^limit_burst_rate", 429),
            ErrorRule(r"^invalid_?api_?-?key", 401),
            ErrorRule(r"^(Model\.)?access_?denied", 403),
            ErrorRule(r"^model_?not_?(found|exist)", 404, "model_not_found"),
            ErrorRule(r"^request_?time_?out", 504),
            ErrorRule(r"^invalid_?(parameter|url)", 400),
            ErrorRule(r"^internal_?(server_?)?error", 500),
            ErrorRule(r"^Model(Unavailable|ServingError)|^ServiceUnavailable", 503),
        ),
        statuses={408: 504},
    ),
)

parse_told_error = COMPATIBLE.parse_error
"""OpenAI's error from an error object of either door: the native one is the other's without its
wrapper, and the codes are the same in another spelling."""
