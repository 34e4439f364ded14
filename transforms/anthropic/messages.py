"""OpenAI messages to `system` blocks and turns of the Messages API.

The API wants turns that begin with the user. The results of a turn's calls come first in the
very next user turn, all of them there, in the order of the calls. Text must not be empty. So
neighbours of one role are joined, results are sorted to the front, and where nothing is left of
a turn that must exist, a `.` stands in.

Source: Messages API reference, "messages" (2023-06-01); "Tool use", "Extended thinking".
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from itertools import pairwise

from transforms.anthropic.content import content_blocks, text_block, text_blocks
from transforms.chat_request import INSTRUCTIONS, drop_beside_call, drop_unknown, legacy
from transforms.claude import ModelRules
from transforms.contract import JSON
from transforms.errors import RequestError
from transforms.tools import arguments_object

_PLACEHOLDER: JSON = {"type": "text", "text": "."}
_TEXT_ALONE = {"type", "text"}

_KNOWN_FIELDS = {
    "system": {"role", "content", "cache_control"},
    "developer": {"role", "content", "cache_control"},
    "user": {"role", "content", "cache_control"},
    "tool": {"role", "content", "cache_control", "tool_call_id", "is_error"},
    "assistant": {"role", "content", "cache_control", "tool_calls", "refusal", "thinking_blocks"},
}

_UNMARKED = {"thinking", "redacted_thinking"}
"""Blocks that the API takes no mark for the cache on."""

_TOLD_BY_THINKING_BLOCKS = {"reasoning_content", "reasoning"}

_ID = re.compile(r"[A-Za-z0-9_-]+")
_NOT_IN_ID = re.compile(r"[^A-Za-z0-9_-]")
_ID_KEPT = 48


def build_messages(
    messages: list[JSON], rules: ModelRules, dropped: list[str]
) -> tuple[list[JSON], list[JSON]]:
    """The `system` blocks of the instructions at the start, and the turns.

    Drops: names of participants, reasoning without a signature, unknown fields.

    Raises:
        RequestError: a message that cannot be said in this format.
    """
    first = next(
        (at for at, message in enumerate(messages) if message["role"] not in INSTRUCTIONS),
        len(messages),
    )
    system = [
        block
        for position, message in enumerate(messages[:first])
        for block in _blocks(message, f"messages[{position}]", rules, dropped)
    ]
    turns = _joined(messages, first, rules, dropped)
    _put_results_first(turns)
    _settle_start(turns)
    _settle_end(turns, rules)
    return system, [_turn(role, blocks) for role, blocks in turns]


_Turns = list[tuple[str, list[JSON]]]


def _joined(messages: list[JSON], first: int, rules: ModelRules, dropped: list[str]) -> _Turns:
    turns: _Turns = []
    for position in range(first, len(messages)):
        message = messages[position]
        role = _turn_role(messages, position, turns, rules)
        blocks = _blocks(message, f"messages[{position}]", rules, dropped)
        if not blocks and message["role"] != "user":
            continue
        if turns and turns[-1][0] == role:
            turns[-1][1].extend(blocks)
        else:
            turns.append((role, blocks))
    return turns


def _turn_role(messages: list[JSON], position: int, turns: _Turns, rules: ModelRules) -> str:
    """The side a message is on. Instructions in mid-conversation are the user's, but for models
    that take them as such after a user turn, before an assistant turn or at the end."""
    role: str = messages[position]["role"]
    if role == "assistant":
        return role
    if role not in INSTRUCTIONS or not rules.system_turns:
        return "user"
    following = (message["role"] for message in messages[position:])
    speaker = next((role for role in following if role not in INSTRUCTIONS), "assistant")
    after_user = bool(turns) and turns[-1][0] in {"user", "system"}
    return "system" if after_user and speaker == "assistant" else "user"


def _put_results_first(turns: _Turns) -> None:
    for (role, calls), (_, blocks) in pairwise(turns):
        if role != "assistant":
            continue
        order = {block["id"]: at for at, block in enumerate(calls) if block["type"] == "tool_use"}
        if order:
            blocks.sort(key=lambda block: order.get(block.get("tool_use_id", ""), len(calls)))


def _settle_start(turns: _Turns) -> None:
    """Begins with the user, and fills user turns in which nothing is left."""
    if not turns or turns[0][0] != "user":
        turns.insert(0, ("user", []))
    for role, blocks in turns:
        if role == "user" and not blocks:
            blocks.append({**_PLACEHOLDER})


def _settle_end(turns: _Turns, rules: ModelRules) -> None:
    """An assistant message at the end is a beginning to go on from; it must not end in space."""
    role, blocks = turns[-1]
    if role != "assistant":
        return
    if not rules.prefill:
        raise RequestError(
            "The last of `messages` is from the assistant; this model does not go on from a"
            " beginning, so end with a user message.",
            param="messages",
        )
    if blocks[-1]["type"] == "text":
        blocks[-1] = {**blocks[-1], "text": blocks[-1]["text"].rstrip()}


def _turn(role: str, blocks: list[JSON]) -> JSON:
    if len(blocks) == 1 and blocks[0].keys() == _TEXT_ALONE:
        return {"role": role, "content": blocks[0]["text"]}
    return {"role": role, "content": blocks}


def _blocks(message: JSON, param: str, rules: ModelRules, dropped: list[str]) -> list[JSON]:
    build = _BY_ROLE.get(message["role"])
    if build is None:
        raise legacy(f"{param}.role")
    known = _KNOWN_FIELDS[message["role"]]
    if message.get("thinking_blocks"):
        known = known | _TOLD_BY_THINKING_BLOCKS
    drop_unknown(message, known, "messages[]", dropped)
    blocks = build(message, param, rules, dropped)
    if message.get("cache_control") is not None:
        _mark(blocks, message["cache_control"], dropped)
    return blocks


def _mark(blocks: list[JSON], control: object, dropped: list[str]) -> None:
    """Marks the end of a message for the cache, which clients such as opencode ask for beside the
    content; a part's own mark comes before that."""
    if blocks and blocks[-1]["type"] not in _UNMARKED:
        blocks[-1].setdefault("cache_control", control)
    else:
        dropped.append("messages[].cache_control")


def _instruction(message: JSON, param: str, rules: ModelRules, dropped: list[str]) -> list[JSON]:
    return text_blocks(message["content"], f"{param}.content", dropped)


def _user(message: JSON, param: str, rules: ModelRules, dropped: list[str]) -> list[JSON]:
    return content_blocks(message["content"], f"{param}.content", dropped)


def _tool(message: JSON, param: str, rules: ModelRules, dropped: list[str]) -> list[JSON]:
    """The one `tool_result`; what a tool returned stays inside it, images too."""
    result: JSON = {"type": "tool_result", "tool_use_id": tool_id(message["tool_call_id"])}
    content = message["content"]
    if not isinstance(content, str):
        content = content_blocks(content, f"{param}.content", dropped)
    elif not content.strip():
        content = None
    if content:
        result["content"] = content
    if message.get("is_error") is True:
        result["is_error"] = True
    return [result]


def _assistant(message: JSON, param: str, rules: ModelRules, dropped: list[str]) -> list[JSON]:
    """Thinking first and as it came, for it is signed; then text, then calls."""
    if message.get("function_call") is not None:
        raise legacy(f"{param}.function_call")
    if message.get("audio") is not None:
        raise RequestError(
            f"`{param}.audio` names audio that Anthropic's models never hear; send its transcript.",
            param=f"{param}.audio",
        )
    blocks = _thinking(message, rules, dropped)
    blocks += text_blocks(message.get("content"), f"{param}.content", dropped)
    refusal = message.get("refusal")
    if isinstance(refusal, str) and (block := text_block(refusal)):
        blocks.append(block)
    for position, call in enumerate(message.get("tool_calls") or ()):
        drop_beside_call(call, dropped, {"cache_control"})
        blocks.append(_tool_use(call, f"{param}.tool_calls[{position}]"))
        if call.get("cache_control") is not None:
            blocks[-1]["cache_control"] = call["cache_control"]
    return blocks


def _thinking(message: JSON, rules: ModelRules, dropped: list[str]) -> list[JSON]:
    """The signed thinking that an earlier answer gave out; the API refuses any other."""
    sent = message.get("thinking_blocks")
    if not sent:
        return []
    if not isinstance(sent, list) or rules.thinking == "never":
        sent = []
    signed = [block for block in sent if isinstance(block, dict) and is_signed(block)]
    if not signed:
        dropped.append("messages[].thinking_blocks")
    return signed


def is_signed(block: JSON) -> bool:
    """Whether a thinking block can be sent back. One without text can: the text may be left out
    of the answer, the signature is not."""
    if block.get("type") == "redacted_thinking":
        return bool(block.get("data"))
    return block.get("type") == "thinking" and bool(block.get("signature"))


def _tool_use(call: JSON, param: str) -> JSON:
    if call.get("type", "function") != "function":
        raise RequestError(
            f"`{param}` is of type `{call['type']}`; Anthropic knows calls of functions alone.",
            param=f"{param}.type",
        )
    return {
        "type": "tool_use",
        "id": tool_id(call["id"]),
        "name": call["function"]["name"],
        "input": arguments_object(call, param),
    }


def tool_id(call_id: str) -> str:
    """A tool-call id in the characters the API takes, the same for a call and its result.

    Other characters become `_`, and a digest of the whole id keeps ids apart that differ in
    those alone.
    """
    if _ID.fullmatch(call_id):
        return call_id
    digest = hashlib.sha256(call_id.encode("utf-8", "surrogatepass")).hexdigest()[:12]
    return f"{_NOT_IN_ID.sub('_', call_id)[:_ID_KEPT]}_{digest}"


_BY_ROLE: dict[str, Callable[[JSON, str, ModelRules, list[str]], list[JSON]]] = {
    "system": _instruction,
    "developer": _instruction,
    "user": _user,
    "tool": _tool,
    "assistant": _assistant,
}
