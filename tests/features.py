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

Proof = Callable[[Case], bool]


def _parts(case: Case, kind: str) -> Iterator[dict[str, Any]]:
    for message in case.json("request")["messages"]:
        content = message.get("content")
        for part in content if isinstance(content, list) else ():
            if isinstance(part, dict) and part.get("type") == kind:
                yield part


def _sends(case: Case) -> bool:
    return case.has("provider_request.json")


def _answers(case: Case) -> bool:
    return case.has("response.json") and (case.has("provider_response.json") or case.has(STREAM))


def _messages(case: Case) -> Iterator[dict[str, Any]]:
    for choice in case.json("response")["choices"] if _answers(case) else ():
        yield choice["message"]


def _usage(case: Case) -> dict[str, Any]:
    return (case.json("response").get("usage") or {}) if _answers(case) else {}


def _carries_part(kind: str) -> Proof:
    return lambda case: _sends(case) and any(_parts(case, kind))


def _calls(least: int) -> Proof:
    return lambda case: any(
        len(message.get("tool_calls") or ()) >= least for message in _messages(case)
    )


def _carries_format(case: Case) -> bool:
    asked = case.json("request").get("response_format") or {}
    structured = asked.get("type") in ("json_schema", "json_object")
    return structured and _sends(case) and not _is_dropped(case, "response_format")


def _is_dropped(case: Case, parameter: str) -> bool:
    dropped = case.json("provider_request")["dropped"]
    return any(name.partition(".")[0] == parameter for name in dropped)


def _keeps_state(case: Case) -> bool:
    """What stood beside the text of an assistant's message is found in what is sent."""
    if not _sends(case):
        return False
    sent = json.dumps(case.json("provider_request")["body"], ensure_ascii=False)
    return any(text in sent for text in _states(case))


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
