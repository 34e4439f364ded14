"""What was said so far, whatever shape a client sends it back in.

For providers that keep conversations: whether one holds what a call tells is asked of the text,
the calls and their results, word for word.
"""

from __future__ import annotations

from typing import Any

from transforms.contract import JSON
from transforms.json_text import loads_text


def after_last_answer(messages: list[JSON]) -> int:
    """The place of the first message that follows the last of the assistant; 0 where nothing
    does, or nothing was answered."""
    answers = [at for at, message in enumerate(messages, 1) if message["role"] == "assistant"]
    return answers[-1] if answers and answers[-1] < len(messages) else 0


def normalized(message: JSON) -> list[Any]:
    """A message as JSON that is equal for all ways of saying the same."""
    calls = [
        [call.get("id"), told.get("name"), meant(told.get("arguments") or told.get("input"))]
        for call in message.get("tool_calls") or ()
        if isinstance(told := call.get("function") or call.get("custom"), dict)
    ]
    return [message["role"], _text_of(message), calls, message.get("tool_call_id")]


def meant(arguments: str | None) -> Any:
    """Arguments as what they mean, since clients write them with spaces of their own; a text that
    is no JSON stays as it is."""
    text = arguments or "{}"
    try:
        return loads_text(text)
    except ValueError:
        return text


def _text_of(message: JSON) -> Any:
    content = message.get("content")
    if isinstance(content, list):
        texts: list[Any] = [part.get("text") for part in content if isinstance(part, dict)]
        return "".join(texts) if all(isinstance(each, str) for each in texts) else content
    return content or message.get("refusal") or ""
