"""`chat.completion` from a `GenerateContentResponse`.

Source: Gemini API reference, "GenerateContentResponse", "Candidate" and "UsageMetadata"
(2026-09); types of the google-genai SDK 3.4.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from transforms.contract import JSON, Call, FinishReason
from transforms.errors import ResponseError
from transforms.gemini.citations import url_citations
from transforms.gemini.errors import raise_reported_error
from transforms.gemini.names import told_names
from transforms.json_text import dumps
from transforms.values import count, member

FINISH_REASONS: dict[str, FinishReason] = {
    "STOP": "stop",
    "MAX_TOKENS": "length",
    "CONTINUATION": "length",
    "SAFETY": "content_filter",
    "RECITATION": "content_filter",
    "BLOCKLIST": "content_filter",
    "PROHIBITED_CONTENT": "content_filter",
    "SPII": "content_filter",
    "MODEL_ARMOR": "content_filter",
    "ESCALATION": "content_filter",
    "IMAGE_SAFETY": "content_filter",
    "IMAGE_PROHIBITED_CONTENT": "content_filter",
    "IMAGE_RECITATION": "content_filter",
}
"""`finishReason` -> `finish_reason`. One that nobody has heard of becomes `stop`; a `stop` with
calls becomes `tool_calls`."""

FAILED_FINISHES = frozenset(
    {"MALFORMED_FUNCTION_CALL", "UNEXPECTED_TOOL_CALL", "TOO_MANY_TOOL_CALLS"}
    | {"MALFORMED_RESPONSE", "MISSING_THOUGHT_SIGNATURE"}
)
"""Finish reasons by which Gemini says that what the model wrote is no answer."""

_NUMBERED_FINISHES = {
    1: "STOP",
    2: "MAX_TOKENS",
    3: "SAFETY",
    4: "RECITATION",
    7: "PROHIBITED_CONTENT",
    8: "PROHIBITED_CONTENT",
}
"""The reasons as numbers, as some clients' libraries ask for them: those that mean the same on
both hosts."""

_MODALITIES = {"TEXT": "text_tokens", "AUDIO": "audio_tokens", "IMAGE": "image_tokens"}
_NUMBERED_MODALITIES = {1: "TEXT", 2: "IMAGE", 4: "AUDIO"}

_SERVICE_TIERS = {"standard": "default", "flex": "flex", "priority": "priority"}

_MOST_CHOICES = 128


def parse_response(call: Call, body: JSON) -> JSON:
    """The `chat.completion` of a plain answer.

    Drops: code that ran at Google and its output, server-side tools, media but images.

    Raises:
        ResponseError: an error under status 200, no candidates, or one that failed.
    """
    raise_reported_error(body)
    completion = {
        **head(call, body),
        "object": "chat.completion",
        "choices": build_choices(call, body),
        **service_tier(body),
    }
    usage = build_usage(body.get("usageMetadata"))
    return completion if usage is None else {**completion, "usage": usage}


def head(call: Call, body: JSON) -> JSON:
    """What the completion and each of its chunks have in common."""
    return {**call.head(body.get("responseId")), "created": _created(body, call)}


def _created(body: JSON, call: Call) -> int:
    """Unix seconds of `createTime`, which Vertex alone tells."""
    try:
        told = datetime.fromisoformat(body["createTime"])
        return int(told.timestamp()) if told.tzinfo else call.created
    except (KeyError, TypeError, ValueError, OverflowError):
        return call.created


def build_choices(call: Call, body: JSON) -> list[JSON]:
    """The choices of an answer; a prompt that was blocked gives one that says so.

    Raises:
        ResponseError: there are no candidates, or one of them failed.
    """
    candidates = sorted(told_candidates(body), key=lambda told: told[0])
    if not candidates and not blocks_prompt(body):
        raise ResponseError("The provider's answer has no candidates.")
    names = told_names(call.request)
    return [_choice(candidate, index, call, names) for index, candidate in candidates] or [
        _blocked_choice(body["promptFeedback"])
    ]


def told_candidates(body: JSON) -> list[tuple[int, JSON]]:
    """The candidates with their indexes; 0 is often left out.

    Raises:
        ResponseError: an index that no request asks for.
    """
    candidates = body.get("candidates")
    told = candidates if isinstance(candidates, list) else []
    indexed = [
        (candidate.get("index", position), candidate)
        for position, candidate in enumerate(told)
        if isinstance(candidate, dict)
    ]
    for index, _ in indexed:
        if not isinstance(index, int) or not 0 <= index < _MOST_CHOICES:
            raise ResponseError(f"The provider's answer has a candidate of index {index!r}.")
    return indexed


def blocks_prompt(body: JSON) -> bool:
    """Whether the prompt was blocked, so that no candidate comes."""
    return bool(_object(body, "promptFeedback").get("blockReason"))


def _blocked_choice(feedback: JSON) -> JSON:
    message = {"role": "assistant", "content": ""}
    why = _text(feedback, "blockReasonMessage")
    if why:
        message["refusal"] = why
    return {"index": 0, "message": message, "finish_reason": "content_filter"}


def _choice(candidate: JSON, index: int, call: Call, names: dict[str, str]) -> JSON:
    check_finish(candidate)
    message = _message(candidate, index, call, names)
    choice: JSON = {"index": index, "message": message}
    logprobs = build_logprobs(candidate)
    if logprobs is not None:
        choice["logprobs"] = logprobs
    choice["finish_reason"] = _finish_reason(candidate, called="tool_calls" in message)
    return choice


def _message(candidate: JSON, index: int, call: Call, names: dict[str, str]) -> JSON:
    """The assistant message. `content` is `""` where there is no text, because clients written
    against plain strings break on null."""
    parts = list(told_parts(candidate))
    content = "".join(text_of(part) for part in parts)
    calls = [part for part in parts if is_call(part)]
    message: JSON = {
        "role": "assistant",
        "content": content,
        "refusal": _refusal(candidate),
        "reasoning_content": "".join(thought_of(part) for part in parts),
        "images": [image for part in parts if (image := _image(part))],
        "annotations": url_citations(candidate, content),
        **_signed(next((sign for part in reversed(parts) if (sign := _text_signature(part))), "")),
        "tool_calls": [
            tool_call(part, number, index, call, names) for number, part in enumerate(calls)
        ],
    }
    return {name: value for name, value in message.items() if value or name == "content"}


def told_parts(candidate: JSON) -> Iterator[JSON]:
    """The parts of a candidate, which may have none."""
    parts = _object(candidate, "content").get("parts")
    return (part for part in (parts if isinstance(parts, list) else ()) if isinstance(part, dict))


def text_of(part: JSON) -> str:
    """What a part says; nothing if it is a thought or no text."""
    return "" if part.get("thought") else _text(part, "text")


def thought_of(part: JSON) -> str:
    """What a part thinks."""
    return _text(part, "text") if part.get("thought") else ""


def is_call(part: JSON) -> bool:
    """Whether a part calls a function of the client's; server-side tools are told otherwise."""
    return isinstance(part.get("functionCall"), dict)


def tool_call(part: JSON, number: int, choice: int, call: Call, names: dict[str, str]) -> JSON:
    """An OpenAI tool call; models before Gemini 3 give no id."""
    told = part["functionCall"]
    args, name = told.get("args"), _text(told, "name")
    made = call.tool_call_id(number) + (f"_{choice}" if choice else "")
    return {
        "id": _text(told, "id") or made,
        "type": "function",
        "function": {
            "name": names.get(name, name),
            "arguments": dumps(args).decode() if isinstance(args, dict) else "{}",
        },
        **_signed(_text(part, "thoughtSignature")),
    }


def _signed(signature: str) -> JSON:
    """`extra_content` as Google's own OpenAI layer has it, on a call or a message."""
    google = {"thought_signature": signature}
    return {"extra_content": {"google": google}} if signature else {}


def _text_signature(part: JSON) -> str:
    """The signature of what is said; a last part without text may bear it alone."""
    return _text(part, "thoughtSignature") if isinstance(part.get("text"), str) else ""


def _image(part: JSON) -> JSON | None:
    """A picture in the answer, as OpenAI-compatible hosts give it; drafts are left out."""
    blob = _object(part, "inlineData")
    kind, encoded = _text(blob, "mimeType"), _text(blob, "data")
    if part.get("thought") or not kind.startswith("image/") or not encoded:
        return None
    return {"type": "image_url", "image_url": {"url": f"data:{kind};base64,{encoded}"}}


def build_logprobs(candidate: JSON) -> JSON | None:
    """OpenAI's `logprobs`: each chosen token with its rivals."""
    result = _object(candidate, "logprobsResult")
    chosen, rivals = _objects(result, "chosenCandidates"), _objects(result, "topCandidates")
    if not chosen:
        return None
    content = [
        {
            **_token(token),
            "top_logprobs": [
                _token(each)
                for step in rivals[at : at + 1]
                for each in _objects(step, "candidates")
            ],
        }
        for at, token in enumerate(chosen)
    ]
    return {"content": content, "refusal": None}


def _token(told: JSON) -> JSON:
    token = _text(told, "token")
    return {
        "token": token,
        "logprob": told.get("logProbability", 0.0),
        "bytes": list(token.encode("utf-8", "surrogatepass")),
    }


def finish_of(candidate: JSON) -> str:
    """Gemini's word for why the answer ended; `""` while it has not."""
    reason = candidate.get("finishReason")
    if isinstance(reason, int):
        return _NUMBERED_FINISHES.get(reason, "OTHER")
    return reason if isinstance(reason, str) else ""


def check_finish(candidate: JSON) -> None:
    """Nothing, for an answer that is one.

    Raises:
        ResponseError: the model wrote what is no answer.
    """
    reason = finish_of(candidate)
    if reason in FAILED_FINISHES:
        message = _text(candidate, "finishMessage") or f"The provider's answer ended: {reason}."
        raise ResponseError(message, code=reason.lower())


def _finish_reason(candidate: JSON, called: bool) -> FinishReason:
    reason = FINISH_REASONS.get(finish_of(candidate), "stop")
    return "tool_calls" if called and reason == "stop" else reason


def _refusal(candidate: JSON) -> str:
    """Why an answer was held back. Beside other ends the message says nothing of use."""
    is_blocked = FINISH_REASONS.get(finish_of(candidate)) == "content_filter"
    return _text(candidate, "finishMessage") if is_blocked else ""


def service_tier(body: JSON) -> JSON:
    """`service_tier`, where it is told."""
    tier = _SERVICE_TIERS.get(_text(_object(body, "usageMetadata"), "serviceTier"))
    return {"service_tier": tier} if tier else {}


def build_usage(usage: Any) -> JSON | None:
    """OpenAI usage in tokens; none where the prompt, which is never empty, was not counted.

    Gemini leaves out a count that is 0. It counts what tools put into the prompt, and thoughts,
    apart; OpenAI counts them inside `prompt_tokens` and `completion_tokens`. Cached tokens lie
    inside the prompt on both sides.
    """
    asked, tools, cached, said, thought = (count(member(usage, name)) for name in _COUNTS)
    if asked is None:
        return None
    prompt, completion = asked + (tools or 0), (said or 0) + (thought or 0)
    built: JSON = {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": prompt + completion,
    }
    details = {"cached_tokens": cached, **_by_modality(usage, "promptTokensDetails")}
    if told := {name: count for name, count in details.items() if count is not None}:
        built["prompt_tokens_details"] = told
    details = {"reasoning_tokens": thought, **_by_modality(usage, "candidatesTokensDetails")}
    if told := {name: count for name, count in details.items() if count is not None}:
        built["completion_tokens_details"] = told
    return built


_COUNTS = (
    "promptTokenCount",
    "toolUsePromptTokenCount",
    "cachedContentTokenCount",
    "candidatesTokenCount",
    "thoughtsTokenCount",
)


def _by_modality(usage: JSON, name: str) -> JSON:
    counts: JSON = {}
    for told in _objects(usage, name):
        modality = told.get("modality")
        if isinstance(modality, int):
            modality = _NUMBERED_MODALITIES.get(modality)
        tokens = count(member(told, "tokenCount"))
        if isinstance(modality, str) and modality in _MODALITIES and tokens is not None:
            counts[_MODALITIES[modality]] = tokens
    return counts


def _object(value: JSON, name: str) -> JSON:
    found = value.get(name)
    return found if isinstance(found, dict) else {}


def _objects(value: JSON, name: str) -> list[JSON]:
    found = value.get(name)
    return [each for each in found if isinstance(each, dict)] if isinstance(found, list) else []


def _text(value: JSON, name: str) -> str:
    found = value.get(name)
    return found if isinstance(found, str) else ""
