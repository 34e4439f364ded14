"""Messages of a chat completion request as a host of the OpenAI format takes them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from transforms.chat_request import content_parts, drop_beside_call, drop_unknown
from transforms.contract import JSON
from transforms.errors import RequestError
from transforms.openai.quirks import PARTS, Quirks

REASONING_SENT_BACK = ("reasoning_content", "reasoning", "reasoning_details", "thinking_blocks")
"""Members by which clients send back what a model thought."""

_REASONING = frozenset(REASONING_SENT_BACK)

_ANSWERED_FOR = _REASONING | {"refusal"}
"""Members that go elsewhere, or are named, where a host does not read them."""

_TEXT_PART = frozenset({"type", "text"})

_CALL_MEMBERS = frozenset({"id", "type", "function", "custom"})


@dataclass(frozen=True, slots=True)
class _Rules:
    """What holds for every message of one request."""

    quirks: Quirks
    model: str
    lost: str | None
    dropped: list[str]
    read: frozenset[str] | None
    """The members of a message that the host reads, reasoning aside; None where it reads all."""

    known: frozenset[str]
    """Those of which it is known where they go: to the host, elsewhere, or among the dropped."""


def build_messages(
    messages: list[JSON], quirks: Quirks, model: str, lost: str | None, dropped: list[str]
) -> list[JSON]:
    """The messages with what the host reads, and nothing it refuses.

    `lost` stands for reasoning that a call must not be without.

    Drops: members of messages and calls that the host does not take, as `messages[].name`.

    Raises:
        RequestError: a part or a call of a kind the host does not take.
    """
    members = quirks.message_members
    read = None if members is None else members - _REASONING
    known = _ANSWERED_FOR if members is None else members | _ANSWERED_FOR
    rules = _Rules(quirks, model, lost, dropped, read, known)
    told = [
        _message(message, f"messages[{position}]", rules)
        for position, message in enumerate(messages)
    ]
    if quirks.alternates:
        told = _alternating(told)
    return quirks.messages(told, dropped) if quirks.messages else told


def _message(message: JSON, param: str, rules: _Rules) -> JSON:
    _refuse_legacy(message, param, rules.quirks)
    told = _members(message, rules)
    if message["role"] == "developer":
        told["role"] = rules.quirks.developer
    if "content" in told:
        told["content"] = _content(told["content"], f"{param}.content", rules)
    if message["role"] != "assistant":
        return told
    if message.get("refusal") and "refusal" not in told and not told.get("content"):
        told["content"] = message["refusal"]
    if message.get("tool_calls"):
        told["tool_calls"] = [
            _tool_call(call, f"{param}.tool_calls[{place}]", rules)
            for place, call in enumerate(message["tool_calls"])
        ]
    return {**told, **_reasoning(message, told, rules)}


def _refuse_legacy(message: JSON, param: str, quirks: Quirks) -> None:
    if quirks.legacy_functions:
        return
    if message["role"] == "function":
        raise RequestError(
            f"`{param}.role` is `function`, which belongs to an older API; send `tool` messages.",
            param=f"{param}.role",
            code="unsupported_value",
        )
    if message.get("function_call") is not None:
        raise RequestError(
            f"`{param}.function_call` belongs to an older API; send `tool_calls`.",
            param=f"{param}.function_call",
            code="unsupported_parameter",
        )


def _members(message: JSON, rules: _Rules) -> JSON:
    """What the host reads of a message, reasoning aside; a list of no calls is none."""
    read = rules.read
    if read is None:
        told = {name: value for name, value in message.items() if name not in _REASONING}
    else:
        told = {name: value for name, value in message.items() if name in read}
        drop_unknown(message, rules.known, "messages[]", rules.dropped)
    if not told.get("tool_calls", True):
        del told["tool_calls"]
    return told


def _content(content: object, param: str, rules: _Rules) -> object:
    if not isinstance(content, list):
        return content
    parts = [
        _content_part(part, f"{param}[{place}]", rules.quirks)
        for place, part in enumerate(content_parts(content, param))
    ]
    if rules.quirks.joins_text and all(part["type"] == "text" for part in parts):
        for part in parts:
            drop_unknown(part, _TEXT_PART, "messages[].content[]", rules.dropped)
        return "\n".join(part["text"] for part in parts)
    return parts


def _content_part(part: JSON, param: str, quirks: Quirks) -> JSON:
    kind = part["type"]
    if kind in PARTS - quirks.parts:
        raise RequestError(
            f"`{param}` is a part of type `{kind}`, which this provider does not take.",
            param=param,
            code="unsupported_value",
        )
    if kind == "image_url":
        return _with_image_object(part)
    if kind == "refusal" and quirks.message_members is not None:
        return {"type": "text", "text": part["refusal"]}
    return part


def with_image_objects(message: JSON) -> JSON:
    """The message with the address of each image in an object; some clients send it bare."""
    content = message.get("content")
    if not isinstance(content, list):
        return message
    return {**message, "content": [_with_image_object(part) for part in content]}


def _with_image_object(part: JSON) -> JSON:
    if part["type"] == "image_url" and isinstance(part["image_url"], str):
        return {**part, "image_url": {"url": part["image_url"]}}
    return part


def _tool_call(call: JSON, param: str, rules: _Rules) -> JSON:
    if call.get("type") == "custom" and not rules.quirks.custom_tools:
        raise RequestError(
            f"`{param}` is a custom call; this provider knows functions only.",
            param=param,
            code="unsupported_value",
        )
    drop_beside_call(call, rules.dropped)
    told = {"type": "function", **{name: call[name] for name in call if name in _CALL_MEMBERS}}
    if told["type"] == "function":
        function = told["function"]
        told["function"] = {**function, "arguments": function.get("arguments") or "{}"}
    return told


def _reasoning(message: JSON, told: JSON, rules: _Rules) -> JSON:
    """The members by which an earlier turn's reasoning goes back to the host."""
    given = {name for name in REASONING_SENT_BACK if message.get(name)}
    details = rules.quirks.reasoning.details
    back: JSON = {}
    if details != "no" and message.get("reasoning_details"):
        back["reasoning_details"] = message["reasoning_details"]
    if not back or details == "beside":
        back.update(_reasoning_as_text(message, told, rules))
    spelled = {"reasoning_content", "reasoning"} if back else set()
    rules.dropped.extend(f"messages[].{name}" for name in sorted(given - back.keys() - spelled))
    return back


def _reasoning_as_text(message: JSON, told: JSON, rules: _Rules) -> JSON:
    rule, text = rules.quirks.reasoning, _reasoning_text(message)
    if text and re.fullmatch(rule.tagged, rules.model, re.IGNORECASE):
        return {"content": _tagged(text, told.get("content"))}
    if text:
        return dict.fromkeys(rule.names, text)
    if rules.lost is not None and (rule.lost_everywhere or told.get("tool_calls")):
        return dict.fromkeys(rule.names, rules.lost)
    return {}


def _tagged(text: str, content: object) -> object:
    tagged = f"<think>{text}</think>"
    if isinstance(content, list):
        return [{"type": "text", "text": tagged}, *content]
    return tagged + (content if isinstance(content, str) else "")


def _reasoning_text(message: JSON) -> str | None:
    for name in ("reasoning_content", "reasoning"):
        if isinstance(message.get(name), str) and message[name]:
            return str(message[name])
    return None


def _alternating(messages: list[JSON]) -> list[JSON]:
    """System messages first, as one; then neighbours of one role joined.

    Raises:
        RequestError: the assistant has the last word.
    """
    system = [message for message in messages if message["role"] == "system"]
    turns = list(_joined(message for message in messages if message["role"] != "system"))
    if turns and turns[-1]["role"] == "assistant":
        raise RequestError(
            "`messages` ends with the assistant; this provider wants the user or a tool last.",
            param="messages",
            code="invalid_value",
        )
    return [*_joined(iter(system)), *turns]


def _joined(messages: Iterator[JSON]) -> Iterator[JSON]:
    last: JSON | None = None
    for message in messages:
        if last is None:
            last = message
        elif last["role"] == message["role"] and not {"tool_calls", "tool_call_id"} & last.keys():
            last = {**last, **message, "content": _together(last, message)}
        else:
            yield last
            last = message
    if last is not None:
        yield last


def _together(first: JSON, second: JSON) -> object:
    one, other = first.get("content"), second.get("content")
    if isinstance(one, list) or isinstance(other, list):
        return [*content_parts(one, "content"), *content_parts(other, "content")]
    return "\n\n".join(text for text in (one, other) if text)
