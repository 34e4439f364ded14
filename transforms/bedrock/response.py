"""`chat.completion` from a Converse answer, and OpenAI's error from Bedrock's.

Source: Amazon Bedrock Runtime API reference, "Converse" (2026-09).
"""

from __future__ import annotations

import re
from typing import Any

from transforms.bedrock.names import told_names
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
    "guardrail_intervened": "content_filter",
    "content_filtered": "content_filter",
}
"""`stopReason` -> `finish_reason`. One that nobody has heard of becomes `stop`, and `tool_calls`
where there are calls: some families end a turn with calls by `end_turn`."""

_MALFORMED = frozenset({"malformed_model_output", "malformed_tool_use"})
"""Stop reasons that say that the model failed. Text that came before it still stands."""

_SERVER_TOOL = "server_tool_use"

_SERVICE_TIERS = frozenset({"default", "priority", "flex"})


def parse_response(call: Call, body: JSON) -> JSON:
    """The `chat.completion` that a Converse answer amounts to.

    Drops: server tools and their results, citations, images, guardrail traces, unknown blocks.

    Raises:
        ResponseError: the body is an error under status 200, has no message, or holds nothing
            but a malformed one.
    """
    content = _content(body)
    message = build_message(call, content)
    reason = finish_reason(body.get("stopReason"), message)
    return build_completion(
        {
            **call.head(),
            "object": "chat.completion",
            "choices": [{"index": 0, "message": message, "finish_reason": reason}],
        },
        body,
    )


def _content(body: JSON) -> list[Any]:
    content = member(member(body.get("output"), "message"), "content")
    if isinstance(content, list):
        return content
    if _message(body):
        raise ResponseError.reported(parse_error(502, body))
    raise ResponseError("The provider's answer has no `output.message.content`.")


def build_completion(completion: JSON, body: JSON) -> JSON:
    """The completion, or its last chunk, with what the answer tells about itself at its end."""
    tier = member(body.get("serviceTier"), "type")
    if isinstance(tier, str) and tier in _SERVICE_TIERS:
        completion["service_tier"] = tier
    usage = _usage(body.get("usage"))
    return completion if usage is None else {**completion, "usage": usage}


def build_message(call: Call, content: list[Any]) -> JSON:
    """The assistant message of an answer's blocks. `content` is `""` where there is no text,
    because clients written against plain strings break on null."""
    blocks = [block for block in content if isinstance(block, dict)]
    reasoning = [block["reasoningContent"] for block in blocks if "reasoningContent" in block]
    uses = [block["toolUse"] for block in blocks if is_client_tool(block.get("toolUse"))]
    names = told_names(call.request)
    message: JSON = {
        "role": "assistant",
        "content": "".join(_text(block) for block in blocks),
        "reasoning_content": "".join(
            _string(member(each, "reasoningText"), "text") for each in reasoning
        ),
        "thinking_blocks": [block for each in reasoning if (block := _thinking_block(each))],
        "tool_calls": [
            {
                "id": _string(use, "toolUseId") or call.tool_call_id(index),
                "type": "function",
                "function": {
                    "name": names.get(_string(use, "name"), _string(use, "name")),
                    "arguments": arguments(use.get("input")),
                },
            }
            for index, use in enumerate(uses)
        ],
    }
    return {name: value for name, value in message.items() if value or name == "content"}


def is_client_tool(use: object) -> bool:
    """Whether a `toolUse` is the client's to answer; a server's own tool has answered already."""
    return isinstance(use, dict) and use.get("type") != _SERVER_TOOL


def _text(block: JSON) -> str:
    """A block's text, also where citations are attached to it."""
    cited = member(block.get("citationsContent"), "content")
    parts = [part for part in cited if isinstance(part, dict)] if isinstance(cited, list) else []
    return "".join([_string(block, "text"), *(_string(part, "text") for part in parts)])


def _string(value: object, name: str) -> str:
    text = member(value, name)
    return text if isinstance(text, str) else ""


def _thinking_block(reasoning: object) -> JSON | None:
    """Reasoning that can be sent back: it is signed or redacted. In the words that clients know
    from Anthropic."""
    text = member(reasoning, "reasoningText")
    if signature := _string(text, "signature"):
        return {"type": "thinking", "thinking": _string(text, "text"), "signature": signature}
    if redacted := _string(reasoning, "redactedContent"):
        return {"type": "redacted_thinking", "data": redacted}
    return None


def arguments(tool_input: object) -> str:
    """The JSON text of a call's `input`; a string is such a text already."""
    if isinstance(tool_input, str):
        return tool_input or "{}"
    return "{}" if tool_input is None else dumps(tool_input).decode()


def finish_reason(stop_reason: object, message: JSON) -> FinishReason:
    """OpenAI's word for why the turn ended.

    Raises:
        ResponseError: the model's output was malformed, and there is nothing else.
    """
    called, told = "tool_calls" in message, str(stop_reason)
    if told in _MALFORMED and (called or not message["content"]):
        raise ResponseError(f"The model's output was malformed (`{told}`).")
    reason = FINISH_REASONS.get(told, "stop")
    return "tool_calls" if called and reason == "stop" else reason


def _usage(usage: object) -> JSON | None:
    """OpenAI usage from Converse usage, in tokens.

    Converse counts cached prompt tokens apart; OpenAI counts them inside `prompt_tokens`.
    """
    fresh, completion = _count(usage, "inputTokens"), _count(usage, "outputTokens")
    if fresh is None or completion is None:
        return None
    # The same number goes by two names.
    read = _count(usage, "cacheReadInputTokens", "cacheReadInputTokenCount")
    written = _count(usage, "cacheWriteInputTokens", "cacheWriteInputTokenCount")
    prompt = fresh + (read or 0) + (written or 0)
    counts: JSON = {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": prompt + completion,
    }
    cached = {"cached_tokens": read, "cache_write_tokens": written}
    if told := {name: count for name, count in cached.items() if count is not None}:
        counts["prompt_tokens_details"] = told
    return counts


def _count(usage: object, *names: str) -> int | None:
    counts = (count(member(usage, name)) for name in names)
    return next((each for each in counts if each is not None), None)


_ERROR_STATUS = {
    "ValidationException": 400,
    "ServiceQuotaExceededException": 402,
    "AccessDeniedException": 403,
    "UnrecognizedClientException": 401,
    "InvalidSignatureException": 401,
    "IncompleteSignatureException": 401,
    "MissingAuthenticationTokenException": 401,
    "ExpiredTokenException": 401,
    "ResourceNotFoundException": 404,
    "ModelTimeoutException": 504,
    "ModelErrorException": 502,
    "ModelStreamErrorException": 502,
    "ThrottlingException": 429,
    "ModelNotReadyException": 503,
    "InternalServerException": 500,
    "ServiceUnavailableException": 503,
}
"""Name of an exception -> the HTTP status of OpenAI's error."""

_STATUS = {408: 504, 424: 502}
"""What Bedrock means by a status -> what OpenAI's clients take it for."""

_CREDENTIALS = re.compile(
    r"security token|signature|expired|credential|authentication|api key|bearer token", re.I
)
_UNKNOWN_MODEL = re.compile(r"model identifier is invalid|model id .*(invalid|not found)", re.I)
_OVERFLOW = re.compile(
    r"(input|prompt) is too long|input tokens exceeded|too many input tokens"
    r"|exceed context limit|exceeds the maximum (number of )?(input|context|prompt)",
    re.I,
)


def parse_error(status: int, body: object, name: str = "") -> ErrorAnswer:
    """OpenAI's error from `{"message"}`; the exception's name is in `__type`, where a header's is
    put too, or in the stream."""
    name = name or _string(body, "__type").rpartition("#")[2].partition(":")[0]
    message = _message(body)
    if not message:
        return unreadable_error(_STATUS.get(status, status))
    meant = _ERROR_STATUS.get(name[:1].upper() + name[1:]) or _STATUS.get(status, status)
    return _meant_error(meant, message)


def _message(body: object) -> str:
    """The words of the error; a gateway before Bedrock puts its own where OpenAI does."""
    told = _string(body, "message") or _string(body, "Message")
    return told or _string(member(body, "error"), "message")


def _meant_error(status: int, message: str) -> ErrorAnswer:
    """OpenAI's error; where Bedrock has one status for many causes, its words tell them apart."""
    match status:
        case 400 if _UNKNOWN_MODEL.search(message):
            return error_for_status(404, message, code="model_not_found")
        case 400 if _OVERFLOW.search(message):
            return error_for_status(400, message, code="context_length_exceeded")
        case 403 if _CREDENTIALS.search(message):
            return error_for_status(401, message)
        case 404:
            return error_for_status(404, message, code="model_not_found")
        case 429 if "per day" in message.lower():
            return error_for_status(402, message)
        case 429 if "not ready" in message.lower():
            return error_for_status(503, message)
        case _:
            return error_for_status(status, message)
