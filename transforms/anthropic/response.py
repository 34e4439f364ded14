"""`chat.completion` from a Messages answer, and OpenAI's error from Anthropic's.

Source: Messages API reference, "Response" and "Errors" (2023-06-01).
"""

from __future__ import annotations

from typing import Any

from transforms.anthropic.messages import is_signed
from transforms.contract import JSON, Call, ErrorAnswer, FinishReason
from transforms.errors import ResponseError, error_for_status, unreadable_error
from transforms.json_text import dumps
from transforms.values import count, member

FINISH_REASONS: dict[str, FinishReason] = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "tool_use": "tool_calls",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "pause_turn": "stop",
    "refusal": "content_filter",
    "compaction": "stop",
}
"""`stop_reason` -> `finish_reason`. One that nobody has heard of becomes `stop`, and `tool_calls`
where there are calls; the record keeps it."""

_ERROR_STATUS = {
    "invalid_request_error": 400,
    "authentication_error": 401,
    "billing_error": 402,
    "permission_error": 403,
    "not_found_error": 404,
    "conflict_error": 409,
    "request_too_large": 413,
    "rate_limit_error": 429,
    "api_error": 500,
    "timeout_error": 504,
    "overloaded_error": 529,
}
"""`error.type` -> the HTTP status it has where it comes as an answer of its own."""

_SPENT = "spend_limit_reached"
"""How the codes in the details of an error end that tell of a limit on spending; their status is
that of a rate limit."""

_SERVICE_TIERS = {"standard": "default", "priority": "priority"}

BROKEN_INPUT = "INVALID_JSON"
"""The one key of an `input` whose text is not JSON, as Anthropic's documentation of fine-grained
tool streaming has it: arguments that `max_tokens` cut short are kept under it."""


def parse_response(call: Call, body: JSON) -> JSON:
    """The `chat.completion` that a Message amounts to.

    Drops: server tools and their results, compaction, citations of documents, unknown blocks.

    Raises:
        ResponseError: the body is an error under status 200, or has no `content`.
    """
    if is_error(body):
        raise ResponseError.reported(reported_error(body))
    content = body.get("content")
    if not isinstance(content, list):
        raise ResponseError("The provider's answer has no `content`.")
    message = build_message(content, body.get("stop_details"))
    reason = finish_reason(body.get("stop_reason"), called="tool_calls" in message)
    completion = {
        **head(call, body),
        "object": "chat.completion",
        "choices": [{"index": 0, "message": message, "finish_reason": reason}],
    }
    usage = build_usage(body.get("usage"))
    return completion if usage is None else {**completion, "usage": usage}


def head(call: Call, message: JSON) -> JSON:
    """What the completion and each of its chunks have in common."""
    answer_id = message.get("id")
    told = {
        "id": answer_id if isinstance(answer_id, str) and answer_id else call.completion_id,
        "object": "chat.completion.chunk",
        "created": call.created,
        "model": call.request["model"],
    }
    usage = message.get("usage")
    tier = usage.get("service_tier") if isinstance(usage, dict) else None
    if isinstance(tier, str) and tier in _SERVICE_TIERS:
        told["service_tier"] = _SERVICE_TIERS[tier]
    return told


def build_message(content: list[Any], stop_details: object) -> JSON:
    """The assistant message of an answer's blocks. `content` is `""` where there is no text,
    because clients written against plain strings break on null."""
    blocks = [block for block in content if isinstance(block, dict)]
    thoughts = [block for block in blocks if block.get("type") == "thinking"]
    message: JSON = {
        "role": "assistant",
        "content": "".join(_text(block, "text") for block in _of_type(blocks, "text")),
        "refusal": _explanation(stop_details),
        "reasoning_content": "".join(_text(block, "thinking") for block in thoughts),
        "thinking_blocks": [block for block in blocks if is_signed(block)],
        "annotations": _annotations(blocks),
        "tool_calls": [_tool_call(block) for block in _of_type(blocks, "tool_use")],
    }
    return {name: value for name, value in message.items() if value or name == "content"}


def _of_type(blocks: list[JSON], kind: str) -> list[JSON]:
    return [block for block in blocks if block.get("type") == kind]


def _text(block: JSON, name: str) -> str:
    text = block.get(name)
    return text if isinstance(text, str) else ""


def _explanation(stop_details: object) -> str | None:
    return _text(stop_details, "explanation") if isinstance(stop_details, dict) else None


def _annotations(blocks: list[JSON]) -> list[JSON]:
    """Web pages cited, each with the place of the citing block in the joined text, counted in
    characters."""
    annotations = []
    end = 0
    for block in _of_type(blocks, "text"):
        start, end = end, end + len(_text(block, "text"))
        citations = block.get("citations")
        for citation in citations if isinstance(citations, list) else ():
            page = _cited_page(citation)
            if page is not None:
                place = {**page, "start_index": start, "end_index": end}
                annotations.append({"type": "url_citation", "url_citation": place})
    return annotations


def _cited_page(citation: object) -> JSON | None:
    if not isinstance(citation, dict) or citation.get("type") != "web_search_result_location":
        return None
    url, title = citation.get("url"), citation.get("title")
    if not isinstance(url, str) or not isinstance(title, str):
        return None
    return {"url": url, "title": title}


def _tool_call(block: JSON) -> JSON:
    return {
        "id": _text(block, "id"),
        "type": "function",
        "function": {"name": _text(block, "name"), "arguments": arguments(block.get("input"))},
    }


def arguments(tool_input: object) -> str:
    """The JSON text of a call's `input`."""
    if isinstance(tool_input, dict) and tool_input.keys() == {BROKEN_INPUT}:
        return str(tool_input[BROKEN_INPUT])
    return dumps(tool_input).decode() if isinstance(tool_input, dict) else "{}"


def finish_reason(stop_reason: object, called: bool) -> FinishReason:
    """OpenAI's word for why the answer ended. With calls a normal end is `tool_calls`; without
    any it never is, for the client would wait for some."""
    reason = FINISH_REASONS.get(stop_reason, "stop") if isinstance(stop_reason, str) else "stop"
    if reason in {"stop", "tool_calls"}:
        return "tool_calls" if called else "stop"
    return reason


def build_usage(usage: object) -> JSON | None:
    """OpenAI usage from Anthropic usage, in tokens.

    Anthropic counts cached prompt tokens apart; OpenAI counts them inside `prompt_tokens`.
    """
    if not isinstance(usage, dict):
        return None
    fresh, completion = count(usage.get("input_tokens")), count(usage.get("output_tokens"))
    if fresh is None or completion is None:
        return None
    read = count(usage.get("cache_read_input_tokens"))
    written = count(usage.get("cache_creation_input_tokens"))
    prompt = fresh + (read or 0) + (written or 0)
    counts: JSON = {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": prompt + completion,
    }
    cached = {"cached_tokens": read, "cache_write_tokens": written}
    if told := {name: count for name, count in cached.items() if count is not None}:
        counts["prompt_tokens_details"] = told
    details = usage.get("output_tokens_details")
    thought = count(details.get("thinking_tokens")) if isinstance(details, dict) else None
    if thought is not None:
        counts["completion_tokens_details"] = {"reasoning_tokens": thought}
    return counts


def is_error(body: JSON) -> bool:
    """Whether a body, or an event, is an error whatever its status says."""
    return body.get("type") == "error" or bool(body.get("error"))


def reported_error(body: JSON) -> ErrorAnswer:
    """OpenAI's error for one that came under status 200 or in mid-stream."""
    error = body.get("error")
    kind = error.get("type") if isinstance(error, dict) else None
    return parse_error(_ERROR_STATUS.get(kind, 502) if isinstance(kind, str) else 502, body)


def parse_error(status: int, body: object) -> ErrorAnswer:
    """OpenAI's error from `{"type": "error", "error": {"type", "message"}}`."""
    error = body.get("error") if isinstance(body, dict) else None
    message = error.get("message") if isinstance(error, dict) else error
    if not isinstance(message, str) or not message:
        return unreadable_error(status)
    if _is_about_money(status, message, member(member(error, "details"), "error_code")):
        return error_for_status(402, message)
    return error_for_status(status, message, code=_code(status, message))


def _is_about_money(status: int, message: str, code: object) -> bool:
    """Whether another try would fail the same way until somebody pays, whatever the status says."""
    is_spent = isinstance(code, str) and code.endswith(_SPENT)
    return is_spent or (status == 400 and "credit balance is too low" in message)


def _code(status: int, message: str) -> str | None:
    if status == 400 and "exceed context limit" in message:
        return "context_length_exceeded"
    if status == 404 and "model" in message:
        return "model_not_found"
    return None
