"""Content parts of all formats as lines: text, reasoning, calls, results, media.

A part is recognised by the members it has, never by who sent it: formats borrow from each other,
and hosts of one format add parts of another. What no function of `_RECOGNISERS` takes is shown
as JSON, and members that a function does not read are shown below the part.

Every line that a client or a model wrote is indented, and every line of ours is not. So no text
can pass for a call, a result or a heading.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from inspection.media import media_line
from inspection.plain_text import Lines, compact, indented, one_line, pretty, without_blobs
from transforms.contract import JSON
from transforms.json_text import loads

Names = dict[str, str]
"""Id of a tool call -> name of the tool, for the calls seen so far."""

_CALL_WRAPPERS = ("function", "custom", "toolUse", "functionCall")
_CALL_IDS = ("call_id", "toolUseId", "id")
_ARGUMENTS = ("arguments", "input", "args")
_RESULT_WRAPPERS = ("toolResult", "functionResponse")
_RESULT_IDS = ("tool_use_id", "toolUseId", "call_id", "id")
_RESULT_CONTENTS = ("content", "output", "response")

_ONE_LINE = 72
"""Characters of JSON that still read well on one line."""


def content_lines(content: object, names: Names) -> Lines:
    """A message's content: one text, one part, or a list of both."""
    if isinstance(content, list):
        return [line for part in content for line in content_lines(part, names)]
    if isinstance(content, dict):
        return part_lines(content, names)
    return [] if content is None else text_lines(content)


def part_lines(part: JSON, names: Names) -> Lines:
    """One content part."""
    for recognise in _RECOGNISERS:
        lines = recognise(part, names)
        if lines is not None:
            return lines
    return [compact(part)]


def text_lines(text: object) -> Lines:
    """A text, whole and indented; anything else as JSON."""
    if isinstance(text, str):
        return indented(text.split("\n")) if text else []
    return [compact(text)]


def reasoning_lines(text: object, names: Names) -> Lines:
    """What the model thought before it answered; some providers only give it sealed."""
    lines = content_lines(text, names)
    return ["reasoning:", *indented(lines)] if lines else ["reasoning: (sealed)"]


def rest_lines(members: JSON, *known: str, shown: str = "") -> Lines:
    """The members that nothing else shows, each on a line; empty ones tell nothing."""
    return [
        f"({one_line(key)}: {one_line(without_blobs(value, shown))})"
        for key, value in members.items()
        if key not in known and not is_empty(value)
    ]


def is_empty(value: object) -> bool:
    """Whether a member tells nothing: null, or an empty text, list or object."""
    return value is None or value == "" or value == [] or value == {}


def first_text(members: JSON, names: tuple[str, ...]) -> str:
    """The first of these members that is a text, `""` where none is."""
    return next((members[name] for name in names if isinstance(members.get(name), str)), "")


def _unwrapped(part: JSON, wrappers: tuple[str, ...]) -> tuple[str, JSON]:
    """The object that tells what the part is, and the name of the member it was in."""
    for name in wrappers:
        if isinstance(part.get(name), dict):
            return name, part[name]
    return "", part


def _call(part: JSON, names: Names) -> Lines | None:
    """A tool call, with its arguments. Custom tools take a text in place of arguments."""
    wrapper, call = _unwrapped(part, _CALL_WRAPPERS)
    given = next((name for name in _ARGUMENTS if name in call), "")
    if not isinstance(call.get("name"), str) or not (wrapper or given):
        return None
    call_id = first_text(part, _CALL_IDS) or first_text(call, _CALL_IDS)
    names[call_id] = call["name"]
    title = " · ".join(one_line(word) for word in ("→ " + call["name"], call_id) if word)
    outer = rest_lines(part, wrapper, *_CALL_IDS, "type", "index") if wrapper else []
    inner = rest_lines(call, given, *_CALL_IDS, "name", "type", "index")
    arguments = indented(_arguments(call[given])) if given else []
    return [title, *arguments, *outer, *inner]


def _arguments(arguments: Any) -> Lines:
    """The arguments of a call; values of several lines are shown as the texts they are."""
    if isinstance(arguments, str):
        try:
            arguments = loads(arguments.encode("utf-8", "backslashreplace"))
        except ValueError:
            return arguments.split("\n") if arguments else []
    if isinstance(arguments, dict) and any(_has_lines(value) for value in arguments.values()):
        return [line for key, value in arguments.items() for line in _argument(key, value)]
    return _json_lines(arguments)


def _argument(name: str, value: Any) -> Lines:
    if _has_lines(value):
        return [f"{one_line(name)}:", *text_lines(value)]
    first, *more = _json_lines(value)
    return [f"{one_line(name)}: {first}", *more]


def _has_lines(value: object) -> bool:
    return isinstance(value, str) and "\n" in value


def _json_lines(value: object) -> Lines:
    line = pretty(value).split("\n")
    joined = compact(value)
    return [joined] if len(joined) <= _ONE_LINE else line


def _result(part: JSON, names: Names) -> Lines | None:
    """A tool's result, told by the id of its call."""
    wrapper, result = _unwrapped(part, _RESULT_WRAPPERS)
    call_id = first_text(result, _RESULT_IDS)
    content = next((name for name in _RESULT_CONTENTS if name in result), "")
    if not wrapper and not ("tool_use_id" in part or ("call_id" in part and content == "output")):
        return None
    failed = result.get("is_error") is True or result.get("status") == "error"
    title = result_title(call_id, first_text(result, ("name",)), names)
    known = (content, *_RESULT_IDS, "name", "type", "is_error")
    body = [*_result_content(result.get(content), names), *rest_lines(result, *known)]
    return [f"← {title}{' · error' if failed else ''}", *indented(body)]


def _result_content(content: object, names: Names) -> Lines:
    if isinstance(content, dict) and "type" not in content:
        return _json_lines(content)
    return content_lines(content, names)


def result_title(call_id: str, name: str, names: Names) -> str:
    """Such as `result of get_weather · call_1`."""
    name = names.get(call_id) or name
    words = [f"result of {name}" if name else "result of an unknown call", call_id]
    return " · ".join(one_line(word) for word in words if word)


def _reasoning(part: JSON, names: Names) -> Lines | None:
    """Reasoning, open or sealed; the seal is among the other members."""
    wrapper, reasoning = _unwrapped(part, ("reasoningContent",))
    if wrapper:
        _, reasoning = _unwrapped(reasoning, ("reasoningText",))
    known = next((name for name in ("thinking", "text") if name in reasoning), "")
    sealed = part.get("type") == "redacted_thinking"
    if "thinking" in part or part.get("thought") is True or wrapper or sealed:
        return [
            *reasoning_lines(reasoning.get(known), names),
            *rest_lines(reasoning, known, "type", "thought"),
        ]
    if part.get("type") == "reasoning":
        texts = [part.get(name) or [] for name in ("summary", "content")]
        return [*reasoning_lines(texts, names), *rest_lines(part, "summary", "content", "type")]
    return None


def _text(part: JSON, names: Names) -> Lines | None:
    if not isinstance(part.get("text"), str):
        return None
    return [*text_lines(part["text"]), *rest_lines(part, "text", "type")]


def _refusal(part: JSON, names: Names) -> Lines | None:
    if not isinstance(part.get("refusal"), str):
        return None
    return [
        "refusal:",
        *text_lines(part["refusal"]),
        *rest_lines(part, "refusal", "type"),
    ]


def _media(part: JSON, names: Names) -> Lines | None:
    source = part.get("source")
    if isinstance(source, dict) and source.get("type") == "text":
        words = ("document", first_text(part, ("title",)), first_text(source, ("media_type",)))
        title = " · ".join(one_line(word) for word in words if word)
        return [f"[{title}]", *text_lines(source.get("data"))]
    line = media_line(part)
    return None if line is None else [line]


_RECOGNISERS: tuple[Callable[[JSON, Names], Lines | None], ...] = (
    _result,
    _call,
    _reasoning,
    _text,
    _refusal,
    _media,
)
"""The first that takes a part shows it. Results come first, as some carry a name like calls."""
