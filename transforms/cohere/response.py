"""`chat.completion` from a chat answer, and OpenAI's error from Cohere's.

Source: Chat API reference, version 2, "Response" and "Errors" (2026-09).
"""

from __future__ import annotations

from itertools import accumulate
from typing import Any

from transforms.contract import JSON, Call, ErrorAnswer, FinishReason
from transforms.errors import ResponseError, error_for_status, unreadable_error
from transforms.values import count

FINISH_REASONS: dict[str, FinishReason] = {
    "COMPLETE": "stop",
    "STOP_SEQUENCE": "stop",
    "TOOL_CALL": "tool_calls",
    "MAX_TOKENS": "length",
    "ERROR_LIMIT": "length",
    "ERROR_TOXIC": "content_filter",
}
"""`finish_reason` of Cohere -> that of OpenAI. One that nobody has heard of becomes `stop`, and
`tool_calls` where there are calls; the record keeps it."""

_FAILURES = {"ERROR": 502, "TIMEOUT": 504}
"""`finish_reason` of an answer that failed -> the status it has as an error."""

_STATUS = {422: 400, 498: 401, 501: 400}
"""Statuses that mean what another says more plainly."""

_TYPES = {"insufficient_quota": "insufficient_quota"}
"""Code -> type, where it is not the status's own."""


def parse_response(call: Call, body: JSON) -> JSON:
    """The `chat.completion` that a chat answer amounts to.

    Drops: the billed counts.

    Raises:
        ResponseError: the answer is an error under status 200, or holds no message.
    """
    message = body.get("message")
    if isinstance(message, str):
        raise ResponseError.reported(parse_error(502, body))
    if not isinstance(message, dict):
        raise ResponseError("The provider's answer has no `message`.")
    reason = body.get("finish_reason")
    raise_failure(reason, None)
    heard = build_message(call, message)
    choice: JSON = {"index": 0, "message": heard}
    logprobs = build_logprobs(body.get("logprobs"))
    if logprobs is not None:
        choice["logprobs"] = logprobs
    choice["finish_reason"] = finish_reason(reason, called="tool_calls" in heard)
    completion = {**call.head(body.get("id")), "object": "chat.completion", "choices": [choice]}
    usage = build_usage(body.get("usage"))
    return completion if usage is None else {**completion, "usage": usage}


def raise_failure(reason: object, message: object) -> None:
    """Raises ResponseError if this is the finish of an answer that failed, or if it says why."""
    status = _FAILURES.get(reason) if isinstance(reason, str) else None
    if status is None and not message:
        return
    text = message if isinstance(message, str) else None
    text = text or f"The provider ended the answer by `{reason or 'ERROR'}`."
    raise ResponseError.reported(error_for_status(status or 502, text))


def build_message(call: Call, message: JSON) -> JSON:
    """The assistant message. `content` is `""` where there is no text, because clients written
    against plain strings break on null; the plan of a call is deliberation, not answer."""
    blocks = _objects(message.get("content"))
    plan = _text(message, "tool_plan")
    citations = _objects(message.get("citations"))
    heard: JSON = {
        "role": "assistant",
        "content": "".join(_text(block, "text") for block in blocks),
        "reasoning_content": "".join(_text(block, "thinking") for block in blocks) + plan,
        "annotations": _annotations(blocks, citations),
        "citations": citations,
        "tool_calls": [
            heard_call(call, told, index)
            for index, told in enumerate(_objects(message.get("tool_calls")))
        ],
    }
    return {name: value for name, value in heard.items() if value or name == "content"}


def _objects(value: object) -> list[JSON]:
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []


def _text(holder: JSON, name: str) -> str:
    text = holder.get(name)
    return text if isinstance(text, str) else ""


def heard_call(call: Call, told: JSON, index: int) -> JSON:
    """One OpenAI tool call; without arguments it takes an empty object."""
    function = told.get("function")
    function = function if isinstance(function, dict) else {}
    return {
        "id": _text(told, "id") or call.tool_call_id(index),
        "type": "function",
        "function": {
            "name": _text(function, "name"),
            "arguments": _text(function, "arguments") or "{}",
        },
    }


def _annotations(blocks: list[JSON], citations: list[JSON]) -> list[JSON]:
    """The citations of web pages; places are characters of the joined text."""
    starts = [0, *accumulate(len(_text(block, "text")) for block in blocks)]
    annotations = []
    for citation in citations:
        at, start, end = (count(citation.get(name)) for name in ("content_index", "start", "end"))
        in_text = citation.get("type", "TEXT_CONTENT") == "TEXT_CONTENT"
        if not in_text or start is None or end is None:
            continue
        offset = starts[at] if at is not None and 0 <= at < len(blocks) else 0
        for page in _pages(citation):
            place = {**page, "start_index": offset + start, "end_index": offset + end}
            annotations.append({"type": "url_citation", "url_citation": place})
    return annotations


def _pages(citation: JSON) -> list[JSON]:
    documents = [source.get("document") for source in _objects(citation.get("sources"))]
    return [
        {"url": document["url"], "title": _text(document, "title") or document["url"]}
        for document in _objects(documents)
        if _text(document, "url")
    ]


def build_logprobs(items: object) -> JSON | None:
    """OpenAI's `logprobs`, or None where an item spans several tokens: their shares of its text
    are not told."""
    told = _objects(items)
    tokens: list[Any] = [item.get("logprobs") for item in told]
    if not told or not all(isinstance(each, list) and len(each) == 1 for each in tokens):
        return None
    content = [
        {"token": _text(item, "text"), "logprob": each[0], "bytes": None, "top_logprobs": []}
        for item, each in zip(told, tokens, strict=True)
    ]
    return {"content": content}


def finish_reason(reason: object, called: bool) -> FinishReason:
    """OpenAI's word for why the answer ended. With calls a normal end is `tool_calls`; without
    any it never is, for the client would wait for some."""
    heard = FINISH_REASONS.get(reason, "stop") if isinstance(reason, str) else "stop"
    if heard in {"stop", "tool_calls"}:
        return "tool_calls" if called else "stop"
    return heard


def build_usage(usage: object) -> JSON | None:
    """OpenAI usage, in tokens, from `usage.tokens`; what is billed leaves out the prompt that
    Cohere puts around the client's. Counts come as floats."""
    tokens = usage.get("tokens") if isinstance(usage, dict) else None
    if not isinstance(usage, dict) or not isinstance(tokens, dict):
        return None
    prompt, completion = count(tokens.get("input_tokens")), count(tokens.get("output_tokens"))
    if prompt is None or completion is None:
        return None
    counts: JSON = {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": prompt + completion,
    }
    cached, reasoning = count(usage.get("cached_tokens")), count(tokens.get("reasoning_tokens"))
    if cached is not None and cached <= prompt:
        counts["prompt_tokens_details"] = {"cached_tokens": cached}
    if reasoning is not None and reasoning <= completion:
        counts["completion_tokens_details"] = {"reasoning_tokens": reasoning}
    return counts


def parse_error(status: int, body: object) -> ErrorAnswer:
    """OpenAI's error from `{"message", "error_type"}`, or from what a gateway before Cohere says
    in OpenAI's own form."""
    told = body if isinstance(body, dict) else {}
    if isinstance(told.get("error"), dict):
        told = told["error"]
    message = told.get("message")
    if not isinstance(message, str) or not message:
        return unreadable_error(status)
    status = _STATUS.get(status, status)
    code = _code(status, message, told.get("error_type"))
    return error_for_status(status, message, type=_TYPES.get(code or ""), code=code)


def _code(status: int, message: str, kind: object) -> str | None:
    words = message.lower()
    if kind == "TOO_MANY_TOKENS" or (status == 400 and "too many tokens" in words):
        return "context_length_exceeded"
    if status == 404:
        return "model_not_found"
    # A trial key is limited by the minute, where waiting helps, and by the month.
    if status == 429 and "month" in words:
        return "insufficient_quota"
    return None
