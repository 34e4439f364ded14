"""`chat.completion` from a native answer.

Source: Model Studio documentation, "Qwen API reference", DashScope, "Response" (2026-09).
"""

from __future__ import annotations

from collections.abc import Mapping

from transforms.contract import JSON, Call, FinishReason
from transforms.dashscope.errors import raise_reported_error
from transforms.dashscope.frames import Told, read_frame
from transforms.errors import ResponseError
from transforms.values import count

FINISH_REASONS: dict[str, FinishReason] = {
    "stop": "stop",
    "length": "length",
    "tool_calls": "tool_calls",
    "content_filter": "content_filter",
}
"""`finish_reason` of DashScope -> that of OpenAI. One that nobody has heard of becomes `stop`, and
`tool_calls` where there are calls; the record keeps it."""

_REASONING = ("output_tokens_details", "reasoning_tokens")


def parse_response(call: Call, body: JSON) -> JSON:
    """The `chat.completion` that a native answer amounts to.

    Raises:
        ResponseError: the answer is an error under status 200, or holds no choice.
    """
    raise_reported_error(body)
    choices = read_frame(body)
    if not choices:
        raise ResponseError("The provider's answer has no `output.choices`.")
    completion = {
        **call.head(body.get("request_id")),
        "object": "chat.completion",
        "choices": [_choice(call, told) for told in choices],
        **search_results(body),
    }
    usage = build_usage(body.get("usage"))
    return completion if usage is None else {**completion, "usage": usage}


def _choice(call: Call, told: Told) -> JSON:
    # `""` where there is no text, because clients written against plain strings break on null.
    message: JSON = {"role": "assistant", "content": told.texts.get("content", "")}
    if "reasoning_content" in told.texts:
        message["reasoning_content"] = told.texts["reasoning_content"]
    if told.calls:
        message["tool_calls"] = [
            {
                "id": call_id or call.tool_call_id(at),
                "type": "function",
                "function": {"name": name, "arguments": told.texts.get(index) or "{}"},
            }
            for at, (index, (call_id, name)) in enumerate(told.calls.items())
        ]
    choice: JSON = {"index": told.index, "message": message}
    if told.logprobs is not None:
        choice["logprobs"] = told.logprobs
    choice["finish_reason"] = finish_reason(told.finish, called=bool(told.calls))
    return choice


def finish_reason(reason: str, called: bool) -> FinishReason:
    """OpenAI's word for why the answer ended. With calls a normal end is `tool_calls`; without
    any it never is, for the client would wait for some."""
    heard = FINISH_REASONS.get(reason, "stop")
    if heard in {"stop", "tool_calls"}:
        return "tool_calls" if called else "stop"
    return heard


def search_results(body: JSON) -> JSON:
    """The pages that a search found, as hosts of the OpenAI format tell them. They are no
    annotations, which need places in the text."""
    output = body.get("output")
    found = output.get("search_info") if isinstance(output, dict) else None
    results = found.get("search_results") if isinstance(found, dict) else None
    return {"search_results": results} if isinstance(results, list) and results else {}


def joined_usage(usages: Mapping[int, JSON]) -> JSON:
    """The usage of an answer from the usage of each of its choices, the latest last: all count the
    prompt, and each its own output."""
    *others, joined = usages.values() or [{}]
    for usage in others:
        joined = _with_output(joined, usage)
    return joined


def _with_output(usage: JSON, other: JSON) -> JSON:
    """The usage with the output of another choice added."""
    output = count(other.get("output_tokens")) or 0
    counts = {name: count(usage.get(name)) for name in ("output_tokens", "total_tokens")}
    joined: JSON = {name: count + output for name, count in counts.items() if count is not None}
    thought, more = (_member(each, *_REASONING) for each in (usage, other))
    if thought is not None and more is not None:
        place, name = _REASONING
        joined[place] = {**usage[place], name: thought + more}
    return {**usage, **joined}


def build_usage(usage: object) -> JSON | None:
    """OpenAI usage, in tokens; those of images, audio and video lie inside `input_tokens`."""
    if not isinstance(usage, dict):
        return None
    prompt, completion = count(usage.get("input_tokens")), count(usage.get("output_tokens"))
    if prompt is None or completion is None:
        return None
    counts: JSON = {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": prompt + completion,
    }
    details = {
        "cached_tokens": _detail(usage, "cached_tokens", prompt),
        "cache_write_tokens": _detail(usage, "cache_creation_input_tokens", prompt),
    }
    details = {name: count for name, count in details.items() if count is not None}
    if details:
        counts["prompt_tokens_details"] = details
    reasoning = _member(usage, *_REASONING)
    if reasoning is not None and reasoning <= completion:
        counts["completion_tokens_details"] = {"reasoning_tokens": reasoning}
    return counts


def _detail(usage: JSON, name: str, most: int) -> int | None:
    """A part of the prompt from either of its places, unless it exceeds the whole."""
    for place in ("prompt_tokens_details", "input_tokens_details"):
        count = _member(usage, place, name)
        if count is not None and count <= most:
            return count
    return None


def _member(usage: JSON, place: str, name: str) -> int | None:
    details = usage.get(place)
    return count(details.get(name)) if isinstance(details, dict) else None
