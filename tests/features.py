"""What providers can do, told by the cases that prove it.

A feature is a question to one case folder; a provider has the feature when one of its cases says
yes. The cases themselves are run in `test_providers.py`, so nothing is claimed that is not tested.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

from tests.cases import STREAM, Case, all_cases
from transforms import PROVIDERS
from transforms.contract import Call
from transforms.errors import RequestError

Proof = Callable[[Case], bool]

_HOLDERS = ("url", "file_data", "file_id", "data")
"""Members of a content part that hold what it shows."""

_DATA_URL = {
    "image": "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk",
    "file": "data:application/pdf;base64,JVBERi0xLjQKJSVFT0YK",
}

_PARTS: dict[str, list[dict[str, Any]]] = {
    "images": [
        {"type": "image_url", "image_url": {"url": url}}
        for url in (_DATA_URL["image"], "https://example.com/a.png")
    ],
    "files": [
        {"type": "file", "file": {"filename": "a.pdf", "file_data": _DATA_URL["file"]}},
        {"type": "file", "file": {"file_id": "file-abcdefgh"}},
    ],
    "audio": [
        {"type": "input_audio", "input_audio": {"data": "UklGRiQAAABXQVZF", "format": "wav"}}
    ],
}
"""Each kind of part in the ways in which it may come."""


def _parts(case: Case, kind: str) -> Iterator[dict[str, Any]]:
    for message in case.json("request")["messages"]:
        content = message.get("content")
        for part in content if isinstance(content, list) else ():
            if isinstance(part, dict) and part.get("type") == kind:
                yield part


def _sends(case: Case) -> bool:
    """Whether the case shows what is sent, and the provider did not answer it with an error."""
    return case.has("provider_request.json") and not case.has("error.json")


def _sent(case: Case) -> str:
    """The body that is sent, as text; empty where the case does not show it."""
    if not _sends(case):
        return ""
    return json.dumps(case.json("provider_request")["body"], ensure_ascii=False)


def _answers(case: Case) -> bool:
    return case.has("response.json") and (case.has("provider_response.json") or case.has(STREAM))


def _messages(case: Case) -> Iterator[dict[str, Any]]:
    for choice in case.json("response")["choices"] if _answers(case) else ():
        yield choice["message"]


def _usage(case: Case) -> dict[str, Any]:
    return (case.json("response").get("usage") or {}) if _answers(case) else {}


def _carries_part(kind: str) -> Proof:
    """Whether what a part of this kind holds, data or address, is found in what is sent."""
    return lambda case: any(
        text in _sent(case) for part in _parts(case, kind) for text in _texts(_held(part[kind]))
    )


def _held(part: Any) -> list[object]:
    """Where the part of a request says what it holds, without the head of a data URL."""
    held = [part] if isinstance(part, str) else [part.get(name) for name in _HOLDERS]
    return [
        text.partition(",")[2] if isinstance(text, str) and text.startswith("data:") else text
        for text in held
    ]


def _calls(least: int) -> Proof:
    return lambda case: any(
        len(message.get("tool_calls") or ()) >= least for message in _messages(case)
    )


def _carries_format(case: Case) -> bool:
    asked = case.json("request").get("response_format") or {}
    structured = asked.get("type") in ("json_schema", "json_object")
    # A member of it may be: a schema that is told in words is not kept to strictly.
    is_dropped = _sends(case) and "response_format" in case.json("provider_request")["dropped"]
    return structured and _sends(case) and not is_dropped


def _keeps_state(case: Case) -> bool:
    """What stood beside the text of an assistant's message is found in what is sent."""
    return any(text in _sent(case) for text in _states(case))


def _states(case: Case) -> Iterator[str]:
    known = {"role", "content", "tool_calls", "name", "refusal", "audio", "annotations"}
    for message in case.json("request")["messages"]:
        if message.get("role") == "assistant":
            beside = [value for name, value in message.items() if name not in known]
            for call in message.get("tool_calls") or ():
                beside += [
                    value
                    for name, value in call.items()
                    if name not in {"id", "type", "function", "custom", "index"}
                ]
            yield from (text for value in beside for text in _texts(value))


def _texts(value: object) -> Iterator[str]:
    """The texts in a state that are long enough to be told from others, as JSON writes them."""
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        for each in value:
            yield from _texts(each)
    elif isinstance(value, str) and len(value) >= 8:
        yield json.dumps(value, ensure_ascii=False)[1:-1]


FEATURES: dict[str, Proof] = {
    "text": lambda case: any(message.get("content") for message in _messages(case)),
    "images": _carries_part("image_url"),
    "files": _carries_part("file"),
    "audio": _carries_part("input_audio"),
    "tools": _calls(1),
    "parallel tools": _calls(2),
    "structured output": _carries_format,
    "reasoning": lambda case: any(each.get("reasoning_content") for each in _messages(case)),
    "reasoning state kept": _keeps_state,
    "streaming": lambda case: _answers(case) and case.has(STREAM),
    "usage": lambda case: bool(_usage(case)),
    "cached tokens": lambda case: bool(
        (_usage(case).get("prompt_tokens_details") or {}).get("cached_tokens")
    ),
}
"""In the order of the README's columns."""


@cache
def proof(provider: str, feature: str) -> Case | None:
    """The first case that proves a feature of a provider; None where none does."""
    cases = (case for case in all_cases() if case.folder.parent.name == provider)
    return next((case for case in cases if FEATURES[feature](case)), None)


def cell(provider: str, feature: str) -> str:
    """What the README says: a tick where a case proves it, what becomes of it where the provider
    says no, and nothing where nobody has looked."""
    if proof(provider, feature):
        return "✓"
    if feature in _PARTS:
        return "refused" if all(_is_refused(provider, part) for part in _PARTS[feature]) else ""
    return ""


def _is_refused(provider: str, part: dict[str, Any]) -> bool:
    text = {"type": "text", "text": "What is this?"}
    request = {"model": "m", "messages": [{"role": "user", "content": [text, part]}]}
    try:
        PROVIDERS[provider].build_request(Call(request, "m", "chatcmpl-1", 1))
    except RequestError as error:
        return "content" in (error.answer().param or "")
    return False
