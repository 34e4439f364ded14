"""A host's plain answer, and its chunks' parts, in the letter of OpenAI's format."""

from __future__ import annotations

import re
from typing import Any

from transforms.contract import JSON, Call
from transforms.errors import ResponseError, error_for_status
from transforms.json_text import dumps
from transforms.openai.errors import raise_reported_error
from transforms.openai.quirks import NONE, Quirks
from transforms.openai.usage import usage_of
from transforms.values import member, text_of

FINISH_REASONS = {
    "stop": "stop",
    "length": "length",
    "tool_calls": "tool_calls",
    "function_call": "function_call",
    "content_filter": "content_filter",
    "eos": "stop",
    "end_turn": "stop",
    "stop_sequence": "stop",
    "STOP": "stop",
    "max_tokens": "length",
    "MAX_TOKENS": "length",
    "model_context_window_exceeded": "length",
    "model_length": "length",
    "tool_use": "tool_calls",
    "sensitive": "content_filter",
    "SAFETY": "content_filter",
}
"""Host's word -> OpenAI's. A word nobody has heard of becomes `stop`; the record keeps it."""

FAILED_FINISHES = frozenset({"error", "insufficient_system_resource", "network_error"})
"""Finish reasons by which hosts report an error."""

_OVERLOADED_FINISHES = frozenset({"insufficient_system_resource"})
"""Those that another try may mend."""

IN_EVERY_CHUNK = ("system_fingerprint", "service_tier")

_SERVICE_TIERS = frozenset({"auto", "default", "flex", "scale", "priority", "fast"})

_EXTRAS = (*IN_EVERY_CHUNK, "moderation", "metadata", "citations", "search_results")
"""Members beside the choices that are OpenAI's, or that clients of a host read."""

_SIGNED = {"type": "reasoning.text", "format": "mistral", "index": 0}
"""The detail that holds the signature of thinking whose text is `reasoning_content`."""

_MESSAGE_FIELDS = frozenset(
    {"content", "refusal", "annotations", "audio", "images", "function_call", "tool_calls"}
    | {"reasoning_content", "reasoning", "reasoning_details", "thinking_blocks", "extra_content"}
    | {"context"}
)
"""Members of a message or delta that are OpenAI's or customary. Clients add up what they do not
know: a `token_id` in each delta is summed, a repeated `name` becomes `assistantassistant`."""


def parse_response(call: Call, body: JSON, quirks: Quirks = NONE) -> JSON:
    """The host's `chat.completion` in the letter of the format.

    Raises:
        ResponseError: the body is an error under status 200, or has no choices.
    """
    raise_reported_error(body, quirks)
    choices = body.get("choices")
    if not isinstance(choices, list):
        raise ResponseError("The provider's answer has no `choices`.")
    sources = body if quirks.cited_by_marks else {}
    completion = {
        "id": text_of(body.get("id")) or call.completion_id,
        "object": "chat.completion",
        "created": created_at(body.get("created"), call),
        "model": call.request["model"],
        "choices": [_choice(item, call, sources) for item in choices if isinstance(item, dict)],
        **extras_of(body),
    }
    usage = usage_of(body, choices)
    if usage is not None:
        completion["usage"] = usage
    return completion


def created_at(value: object, call: Call) -> int:
    """The host's time of the answer in unix seconds, the call's where it tells none."""
    return int(value) if isinstance(value, int | float) and value > 0 else call.created


def extras_of(body: JSON) -> JSON:
    """Members beside the choices that go on to the client."""
    extras = {name: body[name] for name in _EXTRAS if body.get(name)}
    if text_of(extras.get("service_tier")) not in _SERVICE_TIERS:
        extras.pop("service_tier", None)
    return extras


def _choice(choice: JSON, call: Call, sources: JSON) -> JSON:
    message = choice.get("message")
    message = _message(message if isinstance(message, dict) else {}, call)
    annotations = message.get("annotations") or marked_citations(message["content"], sources)
    logprobs = logprobs_of(choice.get("logprobs"))
    return {
        **({"logprobs": logprobs} if "logprobs" in choice else {}),
        "index": index_of(choice),
        "message": {**message, **({"annotations": annotations} if annotations else {})},
        # The body is whole, so the answer ended, even where the host does not say how.
        "finish_reason": finish_reason_of(
            text_of(choice.get("finish_reason")) or "stop", called="tool_calls" in message
        ),
    }


def index_of(choice: JSON) -> int:
    """The choice's index; hosts with a single choice leave it out."""
    index = choice.get("index")
    return index if isinstance(index, int) else 0


def _message(message: JSON, call: Call) -> JSON:
    told = told_fields(message)
    calls = told.pop("tool_calls", None)
    annotations = annotations_of(told.pop("annotations", None))
    # Clients written against plain strings break on null beside tool calls.
    told = {"role": "assistant", **told, "content": told.get("content") or ""}
    if annotations:
        told["annotations"] = annotations
    if isinstance(calls, list) and calls:
        told["tool_calls"] = [
            _tool_call(item, call.tool_call_id(index))
            for index, item in enumerate(calls)
            if isinstance(item, dict)
        ]
    return told


def told_fields(message: JSON) -> JSON:
    """What a message or delta holds for the client: content as text, reasoning under one name."""
    told = {name: value for name, value in message.items() if name in _MESSAGE_FIELDS}
    content = told.get("content")
    if isinstance(content, dict):
        # Cloudflare's answer to a JSON schema.
        told["content"] = dumps(content).decode()
    elif isinstance(content, list):
        told.update(_joined_parts(content))
    elif not isinstance(content, str):
        told.pop("content", None)
    texts = [text_of(told.pop(name, None)) for name in ("reasoning_content", "reasoning")]
    if any(texts):
        told["reasoning_content"] = texts[0] or texts[1]
    return told


def _joined_parts(parts: list[Any]) -> JSON:
    """Mistral's content parts as two texts, and the signature of its thinking, if it has one."""
    told: JSON = {"content": "".join(_part_text(part) for part in parts)}
    thinking = [part for part in parts if member(part, "type") == "thinking"]
    if thinking:
        told["reasoning_content"] = "".join(_thought(part.get("thinking")) for part in thinking)
    signed = [part["signature"] for part in thinking if text_of(part.get("signature"))]
    if signed:
        told["reasoning_details"] = [{**_SIGNED, "signature": signed[0]}]
    return told


def _thought(thinking: object) -> str:
    if isinstance(thinking, list):
        return "".join(_part_text(part) for part in thinking)
    return text_of(thinking) or ""


def _part_text(part: object) -> str:
    return text_of(member(part, "text")) or ""


def annotations_of(annotations: object) -> list[JSON]:
    """Citations with all that OpenAI's type demands; hosts use the list for other things too."""
    if not isinstance(annotations, list):
        return []
    return [
        annotation
        for annotation in annotations
        if member(annotation, "type") == "url_citation"
        and all(
            member(member(annotation, "url_citation"), name) is not None
            for name in ("url", "title", "start_index", "end_index")
        )
    ]


def marked_citations(content: str, sources: JSON) -> list[JSON]:
    """Citations from marks like `[1]`, which count the answer's `citations` from one."""
    urls, results = sources.get("citations"), sources.get("search_results")
    if not isinstance(urls, list):
        return []
    titles = {
        text_of(member(result, "url")): text_of(member(result, "title"))
        for result in (results if isinstance(results, list) else ())
    }
    return [
        {
            "type": "url_citation",
            "url_citation": {
                "start_index": mark.start(),
                "end_index": mark.end(),
                "title": titles.get(url) or url,
                "url": url,
            },
        }
        for mark in re.finditer(r"\[(\d{1,3})\]", content)
        for url in map(text_of, urls[int(mark[1]) - 1 : int(mark[1])])
        if url
    ]


def logprobs_of(logprobs: object) -> JSON | None:
    """OpenAI's log probabilities; Together's are two lists side by side."""
    if not isinstance(logprobs, dict):
        return None
    tokens, values = logprobs.get("tokens"), logprobs.get("token_logprobs")
    if not isinstance(tokens, list) or not isinstance(values, list):
        return logprobs
    content = [
        {"token": token, "logprob": float(value), "bytes": list(token.encode()), "top_logprobs": []}
        for token, value in zip(tokens, values, strict=False)
        if isinstance(token, str) and isinstance(value, int | float)
    ]
    return {"content": content, "refusal": None}


def _tool_call(item: JSON, made_id: str) -> JSON:
    told = {key: value for key, value in item.items() if key != "index"}
    told["id"] = told.get("id") or made_id
    told["type"] = told.get("type") or "function"
    function = told.get("function")
    if isinstance(function, dict):
        told["function"] = {
            **function,
            "arguments": arguments_of(function.get("arguments")) or "{}",
        }
    return told


def arguments_of(arguments: object) -> str:
    """Arguments as JSON text, whole or a fragment."""
    if isinstance(arguments, str):
        return arguments
    return dumps(arguments).decode() if isinstance(arguments, dict) else ""


def finish_reason_of(reason: str, called: bool) -> str:
    """OpenAI's word for why the answer ended; a normal end with calls is `tool_calls`.

    Raises:
        ResponseError: the reason is a failure.
    """
    if reason in FAILED_FINISHES:
        raise failed_finish(reason)
    known = FINISH_REASONS.get(reason, "stop")
    return "tool_calls" if called and known == "stop" else known


def failed_finish(reason: str) -> ResponseError:
    """The error for an answer that ended in a failure."""
    message = f"The provider ended the answer with `{reason}`."
    if reason in _OVERLOADED_FINISHES:
        return ResponseError.reported(error_for_status(503, message))
    return ResponseError(message)
