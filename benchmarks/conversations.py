"""What is said in the benchmark: requests of two sizes, and one answer in both formats.

A request is a conversation with tools, calls and their results, as coding tools send it. Every
request and every answer carries `NUMBER`, which whoever sends it replaces, so that no two are the
same: a conversation that grows shares its history with the one before, and so do these.
"""

from __future__ import annotations

import json
from typing import Any

JSON = dict[str, Any]

NUMBER = b"10203040"
"""Of a fixed width, so that lengths stay as they are; nothing else reads so."""

EVENTS = 200
"""Content events of a streamed answer."""

FIRST_WORD = "Firstly"
_WORDS = (FIRST_WORD, *(f" word{n}" for n in range(2, EVENTS + 1)))
ANSWER = "".join(_WORDS)

_USAGE = {"prompt_tokens": 512, "completion_tokens": EVENTS, "total_tokens": 512 + EVENTS}
_MODEL = "claude-sonnet-4-5"


def numbered(text: bytes, number: int) -> bytes:
    """The same bytes with a number of their own."""
    return text.replace(NUMBER, b"%08d" % number)


def small_request(model: str, *, stream: bool = False) -> bytes:
    """About 2 KB: one question that was answered with the help of a tool, and the next one."""
    return _request(model, stream=stream, tools=2, turns=1, lines=6)


def large_request(model: str, *, stream: bool = False) -> bytes:
    """About 400 KB: a long session of a coding tool."""
    return _request(model, stream=stream, tools=24, turns=96, lines=48)


def unheard_request(model: str) -> bytes:
    """The large one as a client's first: no two of them share more than a few words."""
    first = b"You read code"
    return large_request(model).replace(first, b"(%s) %s" % (NUMBER, first), 1)


def _request(model: str, *, stream: bool, tools: int, turns: int, lines: int) -> bytes:
    """`lines` is the length of each file that a tool read."""
    history = [message for turn in range(turns) for message in _turn(turn, lines)]
    question = f"And what does step {NUMBER.decode()} do?"
    request: JSON = {
        "model": model,
        "messages": [
            {"role": "system", "content": "You read code and explain it. Be brief."},
            *history,
            {"role": "user", "content": question},
        ],
        "tools": [_tool(position) for position in range(tools)],
        "temperature": 0.2,
        "max_tokens": 4096,
    }
    if stream:
        request["stream"] = True
        request["stream_options"] = {"include_usage": True}
    return _compact(request)


def _turn(turn: int, lines: int) -> list[JSON]:
    call_id = f"call_{turn:024}"
    arguments = json.dumps({"path": f"src/module_{turn}.py", "lines": lines})
    function = {"name": "read_file_0", "arguments": arguments}
    call = {"id": call_id, "type": "function", "function": function}
    return [
        {"role": "user", "content": f"What does `src/module_{turn}.py` do – and for whom?"},
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": call_id, "content": _file(turn, lines)},
        {"role": "assistant", "content": "It checks the résumé and returns what is left of it."},
    ]


def _file(turn: int, lines: int) -> str:
    return "\n".join(
        f'{line:4}\tif request.get("step_{line}") == "{turn}": return self.step(request, {line})'
        for line in range(1, lines + 1)
    )


def _tool(position: int) -> JSON:
    properties = {
        "path": {"type": "string", "description": "The file, relative to the project's root."},
        "lines": {"type": "integer", "minimum": 1, "description": "How many lines to read."},
    }
    schema = {"type": "object", "properties": properties, "required": ["path"]}
    description = "Reads the first lines of a file and returns them with their numbers."
    function = {"name": f"read_file_{position}", "description": description, "parameters": schema}
    return {"type": "function", "function": function}


def openai_answer() -> bytes:
    """The plain answer as a `chat.completion`."""
    message: JSON = {"role": "assistant", "content": ANSWER, "refusal": None, "annotations": []}
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": "stop"}
    return _compact({**_openai_head("chat.completion"), "choices": [choice], "usage": _USAGE})


def openai_events() -> list[bytes]:
    """The streamed answer as `chat.completion.chunk` events: a role, the words, the end."""
    deltas: list[JSON] = [{"role": "assistant", "content": "", "refusal": None}]
    deltas += [{"content": word} for word in _WORDS]
    chunks = [_openai_chunk(delta, None) for delta in deltas]
    chunks.append(_openai_chunk({}, "stop"))
    chunks.append({**_openai_head("chat.completion.chunk"), "choices": [], "usage": _USAGE})
    return [*(b"data: %s\n\n" % _compact(chunk) for chunk in chunks), b"data: [DONE]\n\n"]


def _openai_head(kind: str) -> JSON:
    return {
        "id": f"chatcmpl-{NUMBER.decode()}BXk2mQ9pLr7",
        "object": kind,
        "created": 1_760_000_000,
        "model": _MODEL,
        "service_tier": "default",
        "system_fingerprint": "fp_44709d6fcb",
    }


def _openai_chunk(delta: JSON, finish_reason: str | None) -> JSON:
    choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish_reason}
    return {**_openai_head("chat.completion.chunk"), "choices": [choice], "usage": None}


def anthropic_answer() -> bytes:
    """The plain answer as a Message."""
    content = [{"type": "text", "text": ANSWER}]
    return _compact(_message(content, stop_reason="end_turn", output_tokens=EVENTS))


def anthropic_events() -> list[bytes]:
    """The streamed answer as Messages events: three that open, the words, three that close."""
    opening = _message([], stop_reason=None, output_tokens=1)
    ending = {"stop_reason": "end_turn", "stop_sequence": None}
    return [
        _event("message_start", message=opening),
        _event("content_block_start", index=0, content_block={"type": "text", "text": ""}),
        _event("ping"),
        *(
            _event("content_block_delta", index=0, delta={"type": "text_delta", "text": word})
            for word in _WORDS
        ),
        _event("content_block_stop", index=0),
        _event("message_delta", delta=ending, usage={"output_tokens": EVENTS}),
        _event("message_stop"),
    ]


def _message(content: list[JSON], *, stop_reason: str | None, output_tokens: int) -> JSON:
    return {
        "id": f"msg_01{NUMBER.decode()}Kq7TzVn4Ws",
        "type": "message",
        "role": "assistant",
        "model": _MODEL,
        "content": content,
        "stop_reason": stop_reason,
        "stop_sequence": None,
        "usage": {
            "input_tokens": 512,
            "cache_creation_input_tokens": 0,
            "cache_read_input_tokens": 0,
            "output_tokens": output_tokens,
        },
    }


def _event(kind: str, **fields: object) -> bytes:
    return b"event: %s\ndata: %s\n\n" % (kind.encode(), _compact({"type": kind, **fields}))


def _compact(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
