"""OpenAI messages to `instructions` and input items.

A message becomes one item, an assistant message as many as it needs: its reasoning, what it
said, each call. The ids of items are left out, for nothing is stored that they could name; what
binds a result to its call is the call's own id.

Source: Responses API reference, "input" (2026-09).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field

from transforms.beside import drop_beside_arguments
from transforms.chat_request import INSTRUCTIONS, drop_beside_call, drop_unknown, legacy
from transforms.contract import JSON
from transforms.errors import RequestError
from transforms.responses.content import (
    assistant_content,
    instruction_content,
    output_refusal,
    result_content,
    user_content,
)
from transforms.responses.continuation import STATE
from transforms.responses.reasoning import reasoning_items

_KNOWN_FIELDS = {
    "system": {"role", "content"},
    "developer": {"role", "content"},
    "user": {"role", "content"},
    "tool": {"role", "content", "tool_call_id"},
    "assistant": {"role", "content", "refusal", "tool_calls", "reasoning_details", STATE},
}

_TOLD_BY_REASONING_DETAILS = {"reasoning_content", "reasoning"}

_LONGEST_CALL_ID = 64
_CALL_ID_KEPT = 51


@dataclass(slots=True)
class Conversation:
    """What the items of one conversation have in common while they are built."""

    custom: set[str]
    """Names of tools that take free text."""

    keeps_reasoning: bool
    """Whether reasoning items may be sent back."""

    dropped: list[str]
    custom_calls: set[str] = field(default_factory=set)
    """Ids of the calls of such tools in the assistant's last message, to which the results belong;
    an id may come again, for a call of another kind."""


def build_input(messages: list[JSON], talk: Conversation, known: int = 0) -> JSON:
    """`instructions`, if the conversation begins with any, and `input`: the items of all messages
    but the first ones that are known. Instructions are not kept, and told each time.

    Drops: names of participants, reasoning of other formats, unknown fields.

    Raises:
        RequestError: a message that cannot be said in this format.
    """
    # Those that are known are looked at as well: they tell which results are of custom tools.
    told = [
        [*_items(message, f"messages[{position}]", talk)]
        for position, message in enumerate(messages)
    ]
    items = [item for each in told for item in each]
    new = [item for each in told[known:] for item in each]
    first = items[0] if items else {}
    # Without any input there would be nothing to answer.
    if len(items) > 1 and first.get("role") in INSTRUCTIONS and isinstance(first["content"], str):
        return {"instructions": first["content"], "input": new if known else items[1:]}
    return {"input": new}


def _items(message: JSON, param: str, talk: Conversation) -> Iterator[JSON]:
    role = message["role"]
    known = _KNOWN_FIELDS.get(role)
    if known is None:
        raise legacy(f"{param}.role")
    if role == "assistant":
        yield from _assistant(message, param, talk)
        return
    drop_unknown(message, known, "messages[]", talk.dropped)
    if role == "tool":
        yield _result(message, param, talk)
    else:
        build = user_content if role == "user" else instruction_content
        content = build(message["content"], f"{param}.content", talk.dropped)
        yield {"role": role, "content": content}


def _assistant(message: JSON, param: str, talk: Conversation) -> Iterator[JSON]:
    """Reasoning, what was said, calls; each reasoning item right before what it led to."""
    if message.get("function_call") is not None:
        raise legacy(f"{param}.function_call")
    if message.get("audio") is not None:
        raise RequestError(
            f"`{param}.audio` names audio that the Responses API never gave; send its transcript.",
            param=f"{param}.audio",
            code="unsupported_parameter",
        )
    talk.custom_calls.clear()
    thoughts = _thoughts(message, talk)
    said = _said(message, param, talk)
    if said is not None:
        yield from thoughts.pop(None, ())
        yield said
    for position, call in enumerate(message.get("tool_calls") or ()):
        yield from thoughts.pop(None, ())
        yield from thoughts.pop(call["id"], ())
        yield _call(call, f"{param}.tool_calls[{position}]", talk)
    # What it led to is gone, and alone a reasoning item is refused.
    if thoughts:
        talk.dropped.append("messages[].reasoning_details")


def _thoughts(message: JSON, talk: Conversation) -> dict[str | None, list[JSON]]:
    """Reasoning items by the id of the call they led to; None for what was said."""
    details = message.get("reasoning_details")
    thoughts: dict[str | None, list[JSON]] = {}
    if isinstance(details, list) and talk.keeps_reasoning:
        for item, call_id in reasoning_items(details):
            thoughts.setdefault(call_id, []).append(item)
    known = _KNOWN_FIELDS["assistant"]
    if thoughts:
        known = known | _TOLD_BY_REASONING_DETAILS
    elif details:
        talk.dropped.append("messages[].reasoning_details")
    drop_unknown(message, known, "messages[]", talk.dropped)
    return thoughts


def _said(message: JSON, param: str, talk: Conversation) -> JSON | None:
    """The item of what the assistant said, or None where it said nothing.

    One text goes as a string. Any other content has to be told in the shape of the API's own
    answers, and that one demands an id; it is made of the content, since the real one is lost.
    """
    parts = assistant_content(message.get("content"), f"{param}.content", talk.dropped)
    refusal = message.get("refusal")
    if isinstance(refusal, str) and refusal:
        parts.append(output_refusal(refusal))
    if not parts:
        return None
    if len(parts) == 1 and "text" in parts[0]:
        return {"role": "assistant", "content": parts[0]["text"]}
    digest = _digest("".join(part.get("text") or part.get("refusal") or "" for part in parts))
    return {
        "type": "message",
        "id": f"msg_{digest}",
        "role": "assistant",
        "status": "completed",
        "content": parts,
    }


def _call(call: JSON, param: str, talk: Conversation) -> JSON:
    """The item of a call. A custom call comes as a function's where it was streamed, because
    chunks have no other kind."""
    drop_beside_call(call, talk.dropped)
    match call:
        case {"type": "custom", "custom": {"name": str(name), "input": str(text)}}:
            return _custom_call(call, name, text, talk)
        case {"function": {"name": name} as told} if call.get("type", "function") == "function":
            drop_beside_arguments(told, talk.dropped)
            text = told.get("arguments") or ""
            if name in talk.custom:
                return _custom_call(call, name, text, talk)
            return {
                "type": "function_call",
                "call_id": call_id(call["id"]),
                "name": name,
                "arguments": text or "{}",
            }
        case _:
            raise RequestError(
                f"`{param}` is neither a function call nor a custom call with `name` and `input`.",
                param=param,
                code="invalid_value",
            )


def _custom_call(call: JSON, name: str, text: str, talk: Conversation) -> JSON:
    talk.custom_calls.add(call["id"])
    return {
        "type": "custom_tool_call",
        "call_id": call_id(call["id"]),
        "name": name,
        "input": text,
    }


def _result(message: JSON, param: str, talk: Conversation) -> JSON:
    is_custom = message["tool_call_id"] in talk.custom_calls
    return {
        "type": "custom_tool_call_output" if is_custom else "function_call_output",
        "call_id": call_id(message["tool_call_id"]),
        "output": result_content(message["content"], f"{param}.content", talk.dropped),
    }


def call_id(told: str) -> str:
    """A tool-call id of the length the API takes, the same for a call and its result."""
    if len(told) <= _LONGEST_CALL_ID:
        return told
    return f"{told[:_CALL_ID_KEPT]}_{_digest(told)[:12]}"


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:48]
