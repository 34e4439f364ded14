"""A request, an answer, an error or a raw stream, in any known format, as a conversation.

The formats differ in where they keep the messages; `_REQUEST_MESSAGES` and `_ANSWER_MESSAGES`
list the places. All members beside them are parameters of a request, or the end of an answer.
"""

from __future__ import annotations

from typing import Any

from inspection.folding import Folded, fold
from inspection.members import SYSTEM, member_lines
from inspection.messages import heading, message_lines
from inspection.parts import Names, is_empty, rest_lines, text_lines
from inspection.plain_text import (
    Lines,
    indented,
    neutralise,
    one_line,
    pretty,
    without_blobs,
    without_data_uris,
)
from transforms.contract import JSON
from transforms.json_text import loads

_Path = tuple[str, ...]

_REQUEST_MESSAGES: tuple[_Path, ...] = (
    ("messages",),
    ("input", "messages"),
    ("contents",),
    ("input", "prompt"),
    ("input",),
    ("prompt",),
)
_ANSWER_MESSAGES: tuple[_Path, ...] = (
    ("choices",),
    ("output", "choices"),
    ("data", "choices"),
    ("candidates",),
    ("message",),
    ("output", "message"),
    ("output", "text"),
    ("output",),
)

_WITHOUT_CANDIDATES = {"promptFeedback", "usageMetadata"}
"""What is left of an answer of Gemini's where the prompt was blocked."""

_ANSWER_HEADED = ("model", "modelVersion", "id", "responseId", "object", "type")
"""Shown in the first line of an answer, or told by its being one."""


def render(body: bytes | str) -> str:
    """A body as a readable conversation, safe to print; what is unreadable, as it is.

    Never raises. Nothing is left out but base64 and the schemas of tools.
    """
    raw = body.encode("utf-8", "backslashreplace") if isinstance(body, str) else body
    if not raw.strip():
        return "(empty)"
    try:
        text = "\n".join(_body_lines(raw))
    except RecursionError:
        text = "\n".join(_verbatim(raw))
    return neutralise(without_data_uris(text))


def _body_lines(raw: bytes) -> Lines:
    try:
        return _document_lines(loads(raw))
    except ValueError:
        folded = fold(raw)
    return _stream_lines(folded) if folded else _verbatim(raw)


def _verbatim(raw: bytes) -> Lines:
    return [heading("as it is"), *text_lines(raw.decode("utf-8", "replace"))]


def _stream_lines(folded: Folded) -> Lines:
    """A stream as the answer it amounts to, and how it ended if not well."""
    end = "" if folded.finished else ", cut off before the end"
    lines = [*_document_lines(folded.answer), f"  stream: {folded.chunks} chunks{end}"]
    if folded.error is not None:
        lines += ["", *_error_lines({"error": folded.error})]
    return lines


def _document_lines(body: Any) -> Lines:
    if isinstance(body, list) and body and all(isinstance(item, dict) for item in body):
        return [line for item in body for line in [*_document_lines(item), ""]][:-1]
    if not isinstance(body, dict):
        return pretty(without_blobs(body)).split("\n")
    for path in _REQUEST_MESSAGES:
        messages, rest = _taken(body, path)
        if messages is not None:
            return _request_lines(messages, rest)
    if _is_message(body):
        message = {key: body[key] for key in ("role", "content")}
        return _answer_lines([message], _without(body, *message))
    for path in _ANSWER_MESSAGES:
        messages, rest = _taken(body, path)
        if messages is not None:
            return _answer_lines(messages, rest)
    if body.keys() & _WITHOUT_CANDIDATES:
        return _answer_lines([], body)
    return _error_lines(body)


def _is_message(body: JSON) -> bool:
    return isinstance(body.get("role"), str) and "content" in body


def _taken(body: JSON, path: _Path) -> tuple[list[Any] | None, JSON]:
    """The messages at a place in the body, and the body without them."""
    name, *deeper = path
    value = body.get(name)
    rest = _without(body, name)
    if deeper and isinstance(value, dict):
        messages, inner = _taken(value, tuple(deeper))
        return messages, {**rest, name: inner}
    if deeper:
        return None, body
    match value:
        case list():
            return value, rest
        case str() if name in {"input", "prompt"}:
            return [{"role": "user", "content": value}], rest
        case str() if name == "text":
            return [{"role": "assistant", "content": value}], rest
        case dict() if name == "message" and "role" in value:
            return [value], rest
    return None, body


def _without(body: JSON, *names: str) -> JSON:
    return {key: value for key, value in body.items() if key not in names}


def _request_lines(messages: list[Any], rest: JSON) -> Lines:
    names: Names = {}
    system = [
        {"role": "system", **(rest[key] if _has_parts(rest[key]) else {"content": rest[key]})}
        for key in SYSTEM
        if not is_empty(rest.get(key))
    ]
    title = ["request", rest.get("model"), "streamed" if rest.get("stream") is True else None]
    lines = [_titled(title), *indented(member_lines(_without(rest, "model", "stream", *SYSTEM)))]
    for message in [*system, *messages]:
        lines += ["", *_message(message, names)]
    return lines


def _has_parts(value: object) -> bool:
    return isinstance(value, dict) and "parts" in value


def _answer_lines(messages: list[Any], rest: JSON) -> Lines:
    names: Names = {}
    model = next((rest[key] for key in ("model", "modelVersion") if rest.get(key)), None)
    lines = [_titled(["answer", model, rest.get("id") or rest.get("responseId")])]
    ends: Lines = []
    for number, choice in enumerate(messages):
        message, around = _unwrapped_choice(choice)
        remark = f"choice {around.get('index', number)}" if around and len(messages) > 1 else ""
        lines += ["", *_message(message, names, remark)]
        members = member_lines(_without(around, "index"))
        ends += [f"{remark} · {line}" if remark else line for line in members]
    ends += member_lines(_without(rest, *_ANSWER_HEADED))
    return [*lines, "", heading("end"), *indented(ends)]


def _unwrapped_choice(choice: Any) -> tuple[Any, JSON]:
    """The message of a choice or candidate, and what stands around it."""
    if not isinstance(choice, dict):
        return choice, {}
    for name in ("message", "delta", "content"):
        if isinstance(choice.get(name), dict):
            return {"role": "assistant", **choice[name]}, _without(choice, name)
    if "role" not in choice and "type" not in choice and "text" in choice:
        return {"role": "assistant", "content": choice["text"]}, _without(choice, "text")
    if "finishReason" in choice or "finish_reason" in choice:
        return {"role": "assistant"}, choice
    return choice, {}


def _message(message: Any, names: Names, remark: str = "") -> Lines:
    if isinstance(message, dict):
        return message_lines(message, names, remark)
    return message_lines({"role": "message", "content": message}, names, remark)


def _titled(words: list[Any]) -> str:
    return " · ".join(one_line(word) for word in words if word)


def _error_lines(body: JSON) -> Lines:
    """An error in any of its shapes; a body in no known shape, as JSON."""
    place = "error" if body.get("error") else "data" if body.get("success") is False else ""
    error = body.get(place) or body
    error = error if isinstance(error, dict) else {"message": error}
    message = next((error[key] for key in ("message", "detail", "details") if error.get(key)), None)
    if message is None:
        return pretty(without_blobs(body)).split("\n")
    title = _titled(["error", error.get("code"), error.get("type")])
    around = _without(body, place, "type") if body.get(place) else {}
    rest = {**_without(error, "message", "detail", "details", "code", "type"), **around}
    return [title, *text_lines(message), *rest_lines(rest)]
