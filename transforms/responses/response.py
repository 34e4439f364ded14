"""`chat.completion` from a Response, and OpenAI's error from the API's.

Source: Responses API reference, "The response object" (2026-09).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, NoReturn

from transforms.contract import JSON, Call, ErrorAnswer, FinishReason
from transforms.errors import ResponseError, error_for_status, unreadable_error
from transforms.responses.continuation import with_state
from transforms.responses.reasoning import CALLS, parts, reasoning_details, reasoning_texts, text
from transforms.values import count

FINISH_REASONS: dict[str, FinishReason] = {
    "max_output_tokens": "length",
    "content_filter": "content_filter",
}
"""`incomplete_details.reason` -> `finish_reason`. Any other reason, and none, is a normal end:
`tool_calls` where there are calls, else `stop`."""

PARAGRAPH = "\n\n"
"""Between two texts of reasoning."""

_UNFINISHED = ("queued", "in_progress")

_SERVICE_TIERS = frozenset({"auto", "default", "flex", "scale", "priority", "fast"})

_ERROR_STATUS = {
    "server_error": 500,
    "vector_store_timeout": 500,
    "rate_limit_exceeded": 429,
    "insufficient_quota": 429,
    "invalid_api_key": 401,
    "data_residency_mismatch": 403,
    "model_not_found": 404,
    "invalid_prompt": 400,
    "context_length_exceeded": 400,
    "unsupported_image_media_type": 400,
    "empty_image_file": 400,
    "failed_to_download_image": 400,
    "bio_policy": 400,
    "misalignment_policy_violation": 400,
    "image_content_policy_violation": 400,
}
"""`error.code` -> the HTTP status it would have had; a code not listed is the provider's fault."""

_POLICY_CODES = ("bio_policy", "misalignment_policy_violation", "image_content_policy_violation")

_IMAGE_CODES = ("invalid_image", "image_", "invalid_base64_image")

_HAS_PREFIX = re.compile(r"[A-Za-z]+[-_]")


def parse_response(call: Call, body: JSON) -> JSON:
    """The `chat.completion` that a Response amounts to.

    Drops: calls of the server's own tools and what they gave, citations of files, unknown items.

    Raises:
        ResponseError: the body is an error under status 200, has no `output`, or the answer is
            not made yet.
    """
    check_status(body)
    if not isinstance(body.get("output"), list):
        raise ResponseError("The provider's answer has no `output`.")
    output = parts(body, "output")
    message = with_state(call, body, build_message(output, call))
    reason = finish_reason(body, called="tool_calls" in message)
    choice: JSON = {"index": 0, "message": message, "finish_reason": reason}
    logprobs = [token for part in _texts(output) for token in parts(part, "logprobs")]
    if logprobs:
        choice["logprobs"] = build_logprobs(logprobs)
    completion = {
        **head(call, body),
        "object": "chat.completion",
        "choices": [choice],
        **extras(body),
    }
    usage = build_usage(body.get("usage"))
    return completion if usage is None else {**completion, "usage": usage}


def check_status(body: JSON) -> None:
    """Passes what is a final answer. Some servers tell no status at all.

    Raises:
        ResponseError: the answer failed, was cancelled, or is still being made.
    """
    status, error = body.get("status"), body.get("error")
    if error or status == "failed":
        raise_reported(error)
    if status == "cancelled":
        raise ResponseError.reported(error_for_status(500, "The provider cancelled the answer."))
    if status in _UNFINISHED:
        raise ResponseError(f"The provider's answer is `{status}`, and not told yet.")


def head(call: Call, response: JSON) -> JSON:
    """What the completion and each of its chunks have in common."""
    told, created = text(response.get("id")), response.get("created_at")
    if told and not _HAS_PREFIX.match(told):
        told = f"chatcmpl-{told}"
    return {
        "id": told or call.completion_id,
        "object": "chat.completion.chunk",
        "created": int(created) if isinstance(created, int | float) else call.created,
        "model": call.request["model"],
    }


def extras(response: JSON) -> JSON:
    """What stands beside the choices and is real."""
    told = {name: response.get(name) for name in ("service_tier", "moderation")}
    if text(told["service_tier"]) not in _SERVICE_TIERS:
        del told["service_tier"]
    return {name: value for name, value in told.items() if value}


def build_message(output: list[JSON], call: Call) -> JSON:
    """The assistant message of an answer's items. `content` is `""` where there is no text,
    because clients written against plain strings break on null."""
    calls = [item for item in output if item.get("type") in CALLS]
    ids = [call_id(item, index, call) for index, item in enumerate(calls)]
    thoughts = [
        told for item in output if item.get("type") == "reasoning" for told in reasoning_texts(item)
    ]
    message: JSON = {
        "role": "assistant",
        "content": "".join(text(part.get("text")) for part in _texts(output)),
        "refusal": "".join(text(part.get("refusal")) for part in _content(output, "refusal")),
        "reasoning_content": PARAGRAPH.join(thoughts),
        "reasoning_details": reasoning_details(output, ids),
        "annotations": _annotations(output),
        "tool_calls": [_tool_call(item, told) for item, told in zip(calls, ids, strict=True)],
    }
    return {name: value for name, value in message.items() if value or name == "content"}


def _texts(output: list[JSON]) -> list[JSON]:
    return [*_content(output, "output_text")]


def _content(output: list[JSON], kind: str) -> Iterator[JSON]:
    for item in output:
        if item.get("type") == "message":
            yield from (part for part in parts(item, "content") if part.get("type") == kind)


def _annotations(output: list[JSON]) -> list[JSON]:
    """Web pages cited, with their places in the joined text, counted in characters."""
    annotations = []
    before = 0
    for part in _texts(output):
        pages = (_cited_page(told, before) for told in parts(part, "annotations"))
        annotations += [{"type": "url_citation", "url_citation": page} for page in pages if page]
        before += len(text(part.get("text")))
    return annotations


def _cited_page(annotation: JSON, before: int) -> JSON | None:
    """The citation of a page in a text that `before` characters precede; None for other kinds,
    and where something is missing that OpenAI's type demands."""
    match annotation:
        case {
            "type": "url_citation",
            "start_index": int(start),
            "end_index": int(end),
            "title": str(title),
            "url": str(url),
        }:
            place = {"start_index": start + before, "end_index": end + before}
            return {**place, "title": title, "url": url}
    return None


def call_id(item: JSON, index: int, call: Call) -> str:
    """The id that binds a result to its call; the item's own `id` names something else."""
    return text(item.get("call_id")) or call.tool_call_id(index)


def _tool_call(item: JSON, told: str) -> JSON:
    name = text(item.get("name"))
    if item["type"] == "custom_tool_call":
        custom = {"name": name, "input": text(item.get("input"))}
        return {"id": told, "type": "custom", "custom": custom}
    function = {"name": name, "arguments": text(item.get("arguments")) or "{}"}
    return {"id": told, "type": "function", "function": function}


def build_logprobs(tokens: list[JSON]) -> JSON:
    """`logprobs` of a choice; streams leave out what is empty."""
    return {"content": [{"bytes": None, "top_logprobs": [], **token} for token in tokens]}


def finish_reason(response: JSON, called: bool) -> FinishReason:
    """OpenAI's word for why the answer ended; the status does not know of calls."""
    details = response.get("incomplete_details")
    reason = text(details.get("reason")) if isinstance(details, dict) else ""
    return FINISH_REASONS.get(reason, "tool_calls" if called else "stop")


def build_usage(usage: object) -> JSON | None:
    """OpenAI usage from that of a Response, in tokens; both count cached tokens inside the
    prompt, and reasoning inside the completion."""
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
    cached = _details(usage, "input", ("cached_tokens", "cache_write_tokens"), prompt)
    if cached:
        counts["prompt_tokens_details"] = cached
    thought = _details(usage, "output", ("reasoning_tokens",), completion)
    if thought:
        counts["completion_tokens_details"] = thought
    return counts


def _details(usage: JSON, side: str, names: tuple[str, ...], most: int) -> JSON:
    """The parts of one count, but for those that exceed their whole, as hosts have reported."""
    details = usage.get(f"{side}_tokens_details")
    told = {name: count(details.get(name)) for name in names} if isinstance(details, dict) else {}
    return {name: count for name, count in told.items() if count is not None and count <= most}


def raise_reported(error: object) -> NoReturn:
    """Raises the error that came under status 200 or in mid-stream.

    Raises:
        ResponseError: always.
    """
    code = text(error.get("code")) if isinstance(error, dict) else ""
    kind = error.get("type") if isinstance(error, dict) else None
    usual = 400 if kind == "invalid_request_error" or code.startswith(_IMAGE_CODES) else 500
    status = _ERROR_STATUS.get(code, usual)
    if isinstance(error, dict) and code in _POLICY_CODES:
        error = {**error, "code": "content_policy_violation"}
    # The kind of a bare event is `error`, which is none of an error's.
    if kind == "error" and isinstance(error, dict):
        error = {**error, "type": None}
    raise ResponseError.reported(parse_error(status, {"error": error}))


def parse_error(status: int, body: object) -> ErrorAnswer:
    """OpenAI's error from `{"error": {...}}`, with or without its wrapper, and from xAI's
    `{"code": ..., "error": "text"}`."""
    error: Any = body.get("error") or body if isinstance(body, dict) else None
    if isinstance(error, str) and isinstance(body, dict):
        error = {"message": error, "code": body.get("code")}
    message = text(error.get("message")) if isinstance(error, dict) else ""
    if not message:
        return unreadable_error(status)
    code = error.get("code")
    return error_for_status(
        status,
        message,
        type=text(error.get("type")) or None,
        code=None if code in (None, status, str(status)) else str(code),
        param=text(error.get("param")) or None,
    )
