"""The beginning of what a call asked and of what it was answered, for a line of a thread."""

from __future__ import annotations

from dataclasses import dataclass

from inspection.plain_text import one_line
from recording.sessions import content_text
from transforms.contract import JSON
from transforms.json_text import loads

LENGTH = 160
"""Characters."""


@dataclass(frozen=True, slots=True)
class Preview:
    """Each is empty where there is nothing to tell."""

    role: str = ""
    asked: str = ""
    answered: str = ""


def preview(openai_request: str | None, openai_response: str | None) -> Preview:
    """The last message of a request, by whose role it is, and the first choice of its answer."""
    messages = _read(openai_request).get("messages")
    last = messages[-1] if isinstance(messages, list) and messages else None
    asked = last if isinstance(last, dict) else {}
    choices = _read(openai_response).get("choices")
    first = choices[0] if isinstance(choices, list) and choices else None
    answered = first.get("message") if isinstance(first, dict) else None
    role = asked.get("role")
    return Preview(
        role if isinstance(role, str) else "",
        _beginning(asked),
        _beginning(answered if isinstance(answered, dict) else {}),
    )


def _read(body: str | None) -> JSON:
    try:
        parsed = loads(body.encode("utf-8", "backslashreplace")) if body else {}
    except (ValueError, RecursionError):
        return {}
    return parsed if isinstance(parsed, dict) else {}


def _beginning(message: JSON) -> str:
    text = content_text(message.get("content")) or ", ".join(_calls(message))
    text = " ".join(one_line(text[: 2 * LENGTH].replace("\n", " ")).split())
    return text if len(text) <= LENGTH else text[: LENGTH - 1] + "…"


def _calls(message: JSON) -> list[str]:
    """The names of the tools that a message calls."""
    calls = message.get("tool_calls")
    names = []
    for call in calls if isinstance(calls, list) else ():
        function = call.get("function") if isinstance(call, dict) else None
        name = function.get("name") if isinstance(function, dict) else None
        names.append(f"→ {name}" if isinstance(name, str) else "→ a tool")
    return names
