"""What a chat at chat.qwen.ai knows, and the text of what it does not know yet.

The server takes one text per turn and keeps the rest. A chat holds a conversation if everything
that was said before, word for word and by the same login, is what it was told: a digest over all
of that goes with each answer, and comes back on the assistant's message. Anything else, such as
an edited message or other tools, begins a new chat with the whole conversation in one text.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from transforms.chat_request import content_parts, legacy
from transforms.contract import JSON, Call
from transforms.errors import RequestError
from transforms.history import after_last_answer, meant, normalized
from transforms.json_text import dumps
from transforms.qwen.tools import call_block, instructions

STATE = "qwen"
"""Field of an assistant message: chat, answer, and the digest of what was said up to it."""

NO_OUTPUT = "(The tool gave no output.)"
"""Stands for an empty result, which a model would take for a missing one."""

_HEADINGS = {"system": "System", "developer": "System", "user": "User", "assistant": "Assistant"}


@dataclass(frozen=True, slots=True)
class Turn:
    """What is sent, and where in which chat it belongs."""

    chat_id: str
    parent_id: str | None
    content: str


def build_turn(call: Call) -> Turn:
    """The turn of a call: what is new in its chat, or all of it in a new one."""
    known = None if call.chat_id else _known(call)
    if known is None:
        turn = Turn(call.chat_id, None, _whole(call.request))
    else:
        state, start = known
        content = _texts(call.request["messages"], start)
        turn = Turn(state["chat_id"], state["parent_id"], content)
    if not turn.content.strip():
        raise RequestError("`messages` holds no content.", param="messages", code="invalid_value")
    return turn


def goes_on(call: Call) -> bool:
    """Whether the call goes on in a chat that the server has."""
    return not call.begins and _known(call) is not None


def build_state(call: Call, chat_id: str, parent_id: str, message: JSON) -> JSON:
    """What the assistant's message carries, so that the next turn can follow it."""
    said = [*call.request["messages"], message]
    return {"chat_id": chat_id, "parent_id": parent_id, "prefix": _digest(call, said)}


def _known(call: Call) -> tuple[JSON, int] | None:
    """The state of the last answer, and how many messages its chat knows; None if it does not
    know them as they are now."""
    messages = call.request["messages"]
    start = after_last_answer(messages)
    state = messages[start - 1].get(STATE) if start else None
    if not isinstance(state, dict) or state.get("prefix") != _digest(call, messages[:start]):
        return None
    ids = (state.get("chat_id"), state.get("parent_id"))
    return (state, start) if all(isinstance(each, str) and each for each in ids) else None


def _digest(call: Call, messages: list[JSON]) -> str:
    told = [
        *(call.account, call.model, instructions(call.request)),
        *(normalized(message) for message in messages),
    ]
    return hashlib.sha256(dumps(told)).hexdigest()


def _whole(request: JSON) -> str:
    """The whole conversation, what the system says first."""
    messages = request["messages"]
    told = instructions(request)
    if len(messages) == 1 and messages[0]["role"] == "user" and not told:
        return _said(messages[0], "messages[0]")
    system = [
        _said(message, f"messages[{at}]")
        for at, message in enumerate(messages)
        if _HEADINGS.get(message["role"]) == "System"
    ]
    block = "\n\n".join(text for text in (*system, told) if text)
    rest = _blocks(messages, 0, {"system", "developer"})
    return "\n\n".join([f"System:\n{block}", *rest] if block else rest)


def _texts(messages: list[JSON], start: int) -> str:
    """What follows in a chat that knows the rest."""
    if start == len(messages) - 1 and messages[start]["role"] == "user":
        return _said(messages[start], f"messages[{start}]")
    return "\n\n".join(_blocks(messages, start, set()))


def _blocks(messages: list[JSON], start: int, left_out: set[str]) -> list[str]:
    names = {
        call["id"]: call["function"]["name"]
        for message in messages
        for call in message.get("tool_calls") or ()
        if isinstance(call.get("function"), dict)
    }
    return [
        _block(message, f"messages[{at}]", names)
        for at, message in enumerate(messages)
        if at >= start and message["role"] not in left_out
    ]


def _block(message: JSON, param: str, names: dict[str, str]) -> str:
    role = message["role"]
    text = _said(message, param)
    if role == "tool":
        call_id = message["tool_call_id"]
        return f"Tool result ({names.get(call_id, 'call')}, {call_id}):\n{text or NO_OUTPUT}"
    if role not in _HEADINGS or message.get("function_call"):
        raise legacy(param)
    calls = [
        _called(call, f"{param}.tool_calls[{at}]")
        for at, call in enumerate(message.get("tool_calls") or ())
    ]
    return "\n".join([f"{_HEADINGS[role]}:", *([text] if text else ()), *calls])


def _called(call: JSON, param: str) -> str:
    if call.get("type", "function") != "function":
        raise RequestError(
            f"`{param}.type` is `{call['type']}`, not `function`.",
            param=f"{param}.type",
            code="unsupported_parameter",
        )
    return call_block(call["function"]["name"], meant(call["function"].get("arguments")))


def _said(message: JSON, param: str) -> str:
    """The text of a message, its parts joined.

    Raises:
        RequestError: a part that is no text; files would have to be uploaded first.
    """
    content = message.get("content")
    if isinstance(content, str):
        return content
    texts = []
    for at, part in enumerate(content_parts(content, f"{param}.content")):
        kind = part["type"]
        if kind not in ("text", "refusal"):
            raise RequestError(
                f"`{param}.content[{at}]` is a `{kind}` part; chat.qwen.ai takes text alone.",
                param=f"{param}.content[{at}]",
                code="unsupported_value",
            )
        texts.append(part[kind])
    return "".join(texts) or message.get("refusal") or ""
