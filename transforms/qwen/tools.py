"""Tools for a model that has none: asked for in words, and found in what it says.

The model is told to write a call as `<tool_call>{"name": …, "arguments": …}</tool_call>`. Text is
held back from where a tag, or the whitespace before one, may begin, until it shows what it is. A
tag inside a code fence, or right behind a backtick, is talk about calls, and stays text; so does
a block that holds no call, or goes on too long for one.
"""

from __future__ import annotations

import json
import re
from typing import Any

from transforms.contract import JSON
from transforms.errors import RequestError
from transforms.json_text import dumps
from transforms.tools import bad_choice, name_of, named_tools

OPEN, CLOSE = "<tool_call>", "</tool_call>"

_HOW = f"""You can call tools. To call one, write this, with nothing after it:
{OPEN}{{"name": "NAME", "arguments": {{}}}}{CLOSE}
`arguments` is a JSON object that fits the tool's parameters. The result comes with the next \
message. Never invent a result, and never put a call that you mean into a code block."""
_SEVERAL = "For several calls at once, write several such blocks, one after the other."
_ONE = "Make no more than one call at a time."
_MUST = "You must call a tool now."
_TOOLS = "The tools, each with the JSON schema of its parameters:"

_MARK = re.compile(rf"{OPEN}|`{{3,}}|~{{3,}}")
_BEGINNING = "|".join(re.escape(OPEN[:length]) for length in range(len(OPEN) - 1, 0, -1))
_UNDECIDED = re.compile(rf"\s*(?:{_BEGINNING}|`+|~+)?\Z")
"""The end of a text that may yet be the beginning of a mark."""

_LONGEST_CALL = 1 << 20
_LONGEST_DOUBT = 1 << 14
"""Characters that are held back of a call in pieces, and of what may be the beginning of one."""

_read = json.JSONDecoder(strict=False).raw_decode


def instructions(request: JSON) -> str:
    """What the model is told about tools and the form of its answer; `""` if there is nothing.

    Raises:
        RequestError: a tool that is no function, a choice that cannot be made, or a form of
            answer that is none of OpenAI's.
    """
    return "\n\n".join(each for each in (_about_tools(request), _about_form(request)) if each)


def offers_tools(request: JSON) -> bool:
    """Whether calls are to be looked for in the answer."""
    return bool(request.get("tools")) and _choice(request) != "none"


def call_block(name: str, arguments: Any) -> str:
    """A call as the model itself would write it."""
    return f"{OPEN}{dumps({'name': name, 'arguments': arguments}).decode()}{CLOSE}"


def _about_tools(request: JSON) -> str:
    tools = request.get("tools") or []
    for position, tool in enumerate(tools):
        if tool.get("type", "function") != "function":
            param = f"tools[{position}].type"
            raise RequestError(
                f"`{param}` is `{tool['type']}`; chat.qwen.ai is told of functions alone.",
                param=param,
                code="unsupported_parameter",
            )
    choice = _choice(request)
    if choice == "none" or (choice == "auto" and not tools):
        return ""
    offered, must = _chosen(tools, choice)
    several = _ONE if request.get("parallel_tool_calls") is False else _SEVERAL
    listed = [_TOOLS, *(_tool(tool["function"]) for tool in offered)]
    return "\n".join([_HOW, several, *([_MUST] if must else ()), *listed])


def _choice(request: JSON) -> object:
    return request.get("tool_choice") or "auto"


def _tool(function: JSON) -> str:
    told = {"name": function["name"]}
    if function.get("description"):
        told["description"] = function["description"]
    parameters = function.get("parameters") or {"type": "object", "properties": {}}
    return dumps({**told, "parameters": parameters}).decode()


def _chosen(tools: list[JSON], choice: object) -> tuple[list[JSON], bool]:
    """The tools to offer, and whether one of them must be called."""
    match choice:
        case "auto":
            return tools, False
        case "required" if tools:
            return tools, True
        case {"type": "function", "function": {"name": str(name)}}:
            return named_tools(tools, [name]), True
        case {"type": "allowed_tools", "allowed_tools": {"tools": list(allowed), **rest}}:
            names = [name_of(tool) for tool in allowed]
            return named_tools(tools, names), rest.get("mode") == "required"
        case _:
            raise bad_choice(f"`tool_choice` is {choice!r}, which cannot be chosen from `tools`.")


def _about_form(request: JSON) -> str:
    match request.get("response_format") or {"type": "text"}:
        case {"type": "text"}:
            return ""
        case {"type": "json_object"}:
            return "Answer with one JSON object, and nothing before or after it."
        case {"type": "json_schema", "json_schema": {"schema": dict(schema)}}:
            return (
                "Answer with one JSON value that fits this JSON schema, and nothing before or after"
                f" it:\n{dumps(schema).decode()}"
            )
        case _:
            raise RequestError(
                "`response_format` must be `text`, `json_object`, or `json_schema` with its"
                " `json_schema.schema`.",
                param="response_format",
                code="invalid_value",
            )


class CallFinder:
    """Text as it comes, to text and calls."""

    def __init__(self) -> None:
        self._held = ""
        self._in_call = False
        self._gap = ""
        """The whitespace before the call."""
        self._searched = 0
        self._fence = ""
        self._line_is_blank = True
        self._last = ""
        self._calls = 0

    def feed(self, piece: str) -> list[str | JSON]:
        """What is decided now: texts, and calls `{"name", "arguments"}` in their order."""
        self._held += piece
        told: list[str | JSON] = []
        while self._step(told):
            pass
        return told

    def close(self) -> list[str | JSON]:
        """What was held back: a call whose end tag is missing still counts."""
        told: list[str | JSON] = []
        if self._in_call:
            call = _call(self._held[len(OPEN) :])
            if call:
                return [call]
            self._put_back_gap(0)
        self._in_call = False
        if self._held.strip() or not self._calls:
            self._say(len(self._held), told)
        return told

    def _step(self, told: list[str | JSON]) -> bool:
        """Decides on what is held as far as the next mark; False if more must come first."""
        if self._in_call:
            return self._take_call(told)
        mark = _MARK.search(self._held)
        if mark is None:
            undecided = _UNDECIDED.search(self._held, max(len(self._held) - _LONGEST_DOUBT, 0))
            self._say(undecided.start() if undecided else len(self._held), told)
            return False
        if mark[0] == OPEN:
            self._open(mark.start(), told)
            return True
        if mark.end() == len(self._held) and len(mark[0]) <= _LONGEST_DOUBT:
            # The run may go on.
            return False
        self._say(mark.start(), told)
        self._turn_fence(mark[0])
        self._say(len(mark[0]), told)
        return True

    def _turn_fence(self, run: str) -> None:
        """A run of backticks or tildes at the beginning of a line opens a block of code, and one
        at least as long closes it."""
        if not self._line_is_blank:
            return
        if not self._fence:
            self._fence = run
        elif run.startswith(self._fence):
            self._fence = ""

    def _open(self, start: int, told: list[str | JSON]) -> None:
        before = self._held[:start]
        if self._fence or (before or self._last)[-1:] == "`":
            self._say(start + len(OPEN), told)
            return
        said = before.rstrip()
        self._say(len(said), told)
        self._gap = before[len(said) :]
        self._held = self._held.removeprefix(self._gap)
        self._in_call, self._searched = True, 0

    def _take_call(self, told: list[str | JSON]) -> bool:
        end = self._held.find(CLOSE, max(self._searched, len(OPEN)))
        if end < 0:
            self._searched = len(self._held) - len(CLOSE) + 1
            if len(self._held) > _LONGEST_CALL:
                self._in_call = False
                self._say(self._put_back_gap(len(self._held)), told)
            return False
        self._searched = end + len(CLOSE)
        call = _call(self._held[len(OPEN) : end])
        if call is None:
            # The end tag stands in a string of the arguments.
            return True
        self._in_call = False
        if call:
            told.append(call)
            self._calls += 1
            self._held = self._held[self._searched :]
        else:
            block = self._put_back_gap(self._searched)
            self._say(block, told)
        return True

    def _put_back_gap(self, length: int) -> int:
        """Holds the whitespace before a block that is no call after all; so much is longer."""
        self._held = self._gap + self._held
        return len(self._gap) + length

    def _say(self, length: int, told: list[str | JSON]) -> None:
        """Tells so much of what is held."""
        text, self._held = self._held[:length], self._held[length:]
        if not text:
            return
        told.append(text)
        _, line_end, line = text.rpartition("\n")
        self._line_is_blank = (bool(line_end) or self._line_is_blank) and not line.strip()
        self._last = text[-1]


def _call(text: str) -> JSON | None:
    """The call in a block; empty if it holds none, None if a string in it has not ended."""
    try:
        value, end = _read(text.strip())
    except json.JSONDecodeError as exc:
        return None if exc.msg.startswith("Unterminated string") else {}
    except RecursionError:
        return {}
    if text.strip()[end:].strip() or not isinstance(value, dict):
        return {}
    name, arguments = value.get("name"), value.get("arguments", value.get("parameters"))
    if isinstance(arguments, str):
        arguments = _object_in(arguments)
    arguments = {} if arguments is None else arguments
    if not isinstance(name, str) or not name or not isinstance(arguments, dict):
        return {}
    return {"name": name, "arguments": arguments}


def _object_in(text: str) -> Any:
    try:
        return json.loads(text) if text.strip() else {}
    except (ValueError, RecursionError):
        return text
