"""OpenAI messages to `system` blocks and turns of Converse.

Converse wants turns that alternate and begin with the user. The results of a turn's calls all
stand in the very next user turn, in the order of the calls, and some models suffer little or
nothing beside them. Text must not be blank, and a document needs text beside it. So neighbours of
one role are joined, results are sorted to the front, what a model does not suffer beside them
moves behind a short word of the assistant, and where nothing is left of a turn that must exist, a
`.` stands in.

Source: Amazon Bedrock Runtime API reference, "Message" (2026-09); Amazon Bedrock user guide, "Call
a tool with the Converse API"; pydantic/pydantic-ai#6081.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

from transforms.bedrock.content import (
    PLACEHOLDER,
    Scope,
    content_blocks,
    mark,
    text_block,
    text_blocks,
)
from transforms.bedrock.names import tool_name, tool_use_id
from transforms.chat_request import INSTRUCTIONS, drop_beside_call, drop_unknown, legacy
from transforms.contract import JSON
from transforms.errors import RequestError
from transforms.tools import arguments_object, object_in

_KNOWN_FIELDS = {
    "system": {"role", "content", "cache_control"},
    "developer": {"role", "content", "cache_control"},
    "user": {"role", "content", "cache_control"},
    "tool": {"role", "content", "cache_control", "tool_call_id", "is_error"},
    "assistant": {"role", "content", "cache_control", "tool_calls", "refusal", "thinking_blocks"},
}

_TOLD_BY_THINKING_BLOCKS = {"reasoning_content", "reasoning"}


def build_messages(messages: list[JSON], scope: Scope) -> tuple[list[JSON], list[JSON]]:
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
        for block in _blocks(message, f"messages[{position}]", scope)
    ]
    turns = _joined(messages, first, scope)
    _put_results_first(turns)
    _settle_start(turns)
    _settle_end(turns, scope)
    told = [part for turn in turns for part in _split(turn, scope)]
    return system, [_turn(role, blocks) for role, blocks in told]


_Turns = list[tuple[str, list[JSON]]]


def _joined(messages: list[JSON], first: int, scope: Scope) -> _Turns:
    turns: _Turns = []
    for position in range(first, len(messages)):
        message = messages[position]
        # Instructions in mid-conversation are said by the user.
        role = "assistant" if message["role"] == "assistant" else "user"
        blocks = _blocks(message, f"messages[{position}]", scope)
        if not blocks and message["role"] != "user":
            continue
        if turns and turns[-1][0] == role:
            turns[-1][1].extend(blocks)
        else:
            turns.append((role, blocks))
    return turns


def _put_results_first(turns: _Turns) -> None:
    for (_, calls), (_, blocks) in pairwise(turns):
        called = [block["toolUse"]["toolUseId"] for block in calls if "toolUse" in block]
        order = {call_id: at for at, call_id in enumerate(called)}
        if order:
            blocks.sort(
                key=lambda block: order.get(
                    block.get("toolResult", {}).get("toolUseId", ""), len(order)
                )
            )


def _settle_start(turns: _Turns) -> None:
    """Begins with the user, and fills user turns in which nothing is left."""
    if not turns or turns[0][0] != "user":
        turns.insert(0, ("user", []))
    for role, blocks in turns:
        if role == "user" and not blocks:
            blocks.append({"text": PLACEHOLDER})


def _settle_end(turns: _Turns, scope: Scope) -> None:
    """An assistant message at the end is a beginning to go on from; it must not end in space."""
    role, blocks = turns[-1]
    if role != "assistant":
        return
    claude = scope.rules.claude
    if claude is not None and not claude.prefill:
        raise RequestError(
            "The last of `messages` is from the assistant; this model does not go on from a"
            " beginning, so end with a user message.",
            param="messages",
        )
    if "text" in blocks[-1]:
        blocks[-1] = {"text": blocks[-1]["text"].rstrip()}


def _split(turn: tuple[str, list[JSON]], scope: Scope) -> _Turns:
    """A user turn in two where something stands beside results that the model does not suffer.

    Between the two the assistant says a word, because two user turns in a row are joined again.
    """
    role, blocks = turn
    count = next(
        (at for at, block in enumerate(blocks) if not block.keys() & {"toolResult", "cachePoint"}),
        len(blocks),
    )
    rest = blocks[count:]
    kinds = {kind for block in rest for kind in block if kind != "cachePoint"}
    if role == "assistant" or not count or kinds <= scope.rules.beside_results:
        return [turn]
    return [(role, blocks[:count]), ("assistant", [{"text": PLACEHOLDER}]), (role, rest)]


def _turn(role: str, blocks: list[JSON]) -> JSON:
    kinds = {kind for block in blocks for kind in block}
    if "document" in kinds and "text" not in kinds:
        blocks = [*blocks, {"text": PLACEHOLDER}]
    return {"role": role, "content": blocks}


def _blocks(message: JSON, param: str, scope: Scope) -> list[JSON]:
    build = _BY_ROLE.get(message["role"])
    if build is None:
        raise legacy(f"{param}.role")
    known = _KNOWN_FIELDS[message["role"]]
    if message.get("thinking_blocks"):
        known = known | _TOLD_BY_THINKING_BLOCKS
    drop_unknown(message, known, "messages[]", scope.dropped)
    blocks = build(message, param, scope)
    mark(blocks, message, "messages[].cache_control", scope)
    return blocks


def _instruction(message: JSON, param: str, scope: Scope) -> list[JSON]:
    return text_blocks(message["content"], f"{param}.content", scope)


def _user(message: JSON, param: str, scope: Scope) -> list[JSON]:
    return content_blocks(message["content"], f"{param}.content", scope)


def _tool(message: JSON, param: str, scope: Scope) -> list[JSON]:
    """The one `toolResult`, and the marks for the cache, which must not stand inside it."""
    blocks = content_blocks(message["content"], f"{param}.content", scope)
    marks = [block for block in blocks if "cachePoint" in block]
    told = [block for block in blocks if "cachePoint" not in block] or [{"text": PLACEHOLDER}]
    if scope.rules.json_results:
        told = [_as_json(block) for block in told]
    result: JSON = {"toolUseId": tool_use_id(message["tool_call_id"]), "content": told}
    if message.get("is_error") is True:
        if scope.rules.result_status:
            result["status"] = "error"
        else:
            scope.dropped.append("messages[].is_error")
    return [{"toolResult": result}, *marks]


def _as_json(block: JSON) -> JSON:
    if "text" not in block:
        return block
    value = object_in(block["text"])
    return {"json": {"result": block["text"]} if value is None else value}


def _assistant(message: JSON, param: str, scope: Scope) -> list[JSON]:
    """Reasoning first and as it came, for it is signed; then text, then calls."""
    if message.get("function_call") is not None:
        raise legacy(f"{param}.function_call")
    if message.get("audio") is not None:
        raise RequestError(
            f"`{param}.audio` names audio that the model never heard; send its transcript.",
            param=f"{param}.audio",
        )
    blocks = text_blocks(message.get("content"), f"{param}.content", scope)
    refusal = message.get("refusal")
    if isinstance(refusal, str) and (block := text_block(refusal)):
        blocks.append(block)
    for position, call in enumerate(message.get("tool_calls") or ()):
        drop_beside_call(call, scope.dropped, {"cache_control"})
        blocks.append(_tool_use(call, f"{param}.tool_calls[{position}]"))
        mark(blocks, call, "messages[].tool_calls[].cache_control", scope)
    # Reasoning that led to nothing makes no turn.
    return [*_reasoning(message, scope), *blocks] if blocks else []


def _reasoning(message: JSON, scope: Scope) -> list[JSON]:
    """The reasoning that an earlier answer gave out, as far as it can be sent back: the API
    refuses what is not signed, and most models whatever there is."""
    sent = message.get("thinking_blocks")
    blocks = [_reasoning_block(block) for block in sent] if isinstance(sent, list) else []
    signed = [block for block in blocks if block is not None]
    if message.get("thinking_blocks") and not (signed and scope.rules.replays_reasoning):
        scope.dropped.append("messages[].thinking_blocks")
        return []
    return signed


def _reasoning_block(block: object) -> JSON | None:
    match block:
        case {"type": "thinking", "thinking": str(text), "signature": str(signature)} if signature:
            return {"reasoningContent": {"reasoningText": {"text": text, "signature": signature}}}
        case {"type": "redacted_thinking", "data": str(redacted)} if redacted:
            return {"reasoningContent": {"redactedContent": redacted}}
        case _:
            return None


def _tool_use(call: JSON, param: str) -> JSON:
    if call.get("type", "function") != "function":
        raise RequestError(
            f"`{param}` is of type `{call['type']}`; Bedrock knows calls of functions alone.",
            param=f"{param}.type",
        )
    return {
        "toolUse": {
            "toolUseId": tool_use_id(call["id"]),
            "name": tool_name(call["function"]["name"]),
            "input": arguments_object(call, param),
        }
    }


_BY_ROLE: dict[str, Callable[[JSON, str, Scope], list[JSON]]] = {
    "system": _instruction,
    "developer": _instruction,
    "user": _user,
    "tool": _tool,
    "assistant": _assistant,
}
