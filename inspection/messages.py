"""Messages of all formats as lines: a heading with the role, and all members below it."""

from __future__ import annotations

from inspection.media import bare_image_line
from inspection.parts import (
    Names,
    content_lines,
    first_text,
    is_empty,
    part_lines,
    reasoning_lines,
    rest_lines,
    result_title,
)
from inspection.plain_text import Lines, compact, one_line
from transforms.contract import JSON

_REASONING = ("reasoning_content", "reasoning", "thinking", "tool_plan")
_CONTENTS = ("content", "parts", "tool_calls", "function_call")
_HEADED = ("role", "type", "name", "tool_call_id", "tool_name")


def heading(text: str) -> str:
    """A line that separates one message from the next."""
    return f"── {one_line(text)} ──"


def message_lines(message: JSON, names: Names, remark: str = "") -> Lines:
    """One message, or one item that stands where messages stand."""
    role = first_text(message, ("role",))
    if not role:
        title, body = first_text(message, ("type",)) or "message", part_lines(message, names)
    else:
        title, body = _title(message, role, names), _members(message, names)
    title = " · ".join(word for word in (title, remark) if word)
    return [heading(title), *(body or ["(empty)"])]


def _title(message: JSON, role: str, names: Names) -> str:
    call_id = first_text(message, ("tool_call_id",))
    name = first_text(message, ("tool_name", "name"))
    if call_id or (name and role in {"tool", "function"}):
        return f"{role} · {result_title(call_id, name, names)}"
    return " · ".join(word for word in (role, name) if word)


def _members(message: JSON, names: Names) -> Lines:
    """Reasoning, content, calls, then what no other format has."""
    reasoning = {key: message[key] for key in _REASONING if not is_empty(message.get(key))}
    lines = [line for text in reasoning.values() for line in reasoning_lines(text, names)]
    for key in _CONTENTS:
        lines += content_lines(message.get(key) or None, names)
    lines += _images(message.get("images"), names)
    if not is_empty(message.get("refusal")):
        lines += part_lines({"refusal": message["refusal"]}, names)
    if isinstance(message.get("audio"), dict):
        lines += part_lines({"audio": message["audio"]}, names)
    shown = (*_HEADED, *reasoning, *_CONTENTS, "images", "refusal", "audio")
    # Many hosts tell their reasoning twice, as a text and in blocks with a seal.
    return lines + rest_lines(message, *shown, shown="\n".join(map(str, reasoning.values())))


def _images(images: object, names: Names) -> Lines:
    """Images that stand beside the content: bare base64, or parts."""
    if not isinstance(images, list):
        return [] if is_empty(images) else [compact(images)]
    return [
        line
        for image in images
        for line in (
            [bare_image_line(image)] if isinstance(image, str) else content_lines(image, names)
        )
    ]
