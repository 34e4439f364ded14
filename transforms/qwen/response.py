"""`chat.completion` from a plain answer, which is how a folded stream is kept too."""

from __future__ import annotations

from typing import TypeGuard

from transforms.contract import JSON, Call
from transforms.errors import ResponseError
from transforms.json_text import dumps
from transforms.qwen.conversation import STATE, build_state
from transforms.qwen.errors import is_error, parse_error
from transforms.qwen.tools import CallFinder, offers_tools


def parse_response(call: Call, body: JSON) -> JSON:
    """The `chat.completion` that an answer amounts to; its choices are under `data`.

    Raises:
        ResponseError: the answer is an error under status 200, or holds no message.
    """
    if is_error(body):
        raise ResponseError.reported(parse_error(200, body))
    told = body.get("data")
    told = told if isinstance(told, dict) else body
    message = _message(told)
    if message is None:
        raise ResponseError("The provider's answer has no `data.choices`.")
    content = Content(call)
    pieces = [*content.feed(text_of(message.get("content"))), *content.close()]
    heard: JSON = {"role": "assistant", "content": "", "reasoning_content": ""}
    heard["reasoning_content"] = text_of(message.get("reasoning_content"))
    heard["content"] = "".join(piece for piece in pieces if isinstance(piece, str))
    heard["tool_calls"] = [piece for piece in pieces if isinstance(piece, dict)]
    heard["citations"] = citations(message.get("web_search_info"))
    chat_id, answer_id = text_of(told.get("chat_id")), text_of(told.get("message_id"))
    if chat_id and answer_id:
        heard[STATE] = build_state(call, chat_id, answer_id, heard)
    heard = {name: value for name, value in heard.items() if value or name == "content"}
    reason = "tool_calls" if "tool_calls" in heard else "stop"
    completion = {
        **head(call, answer_id),
        "object": "chat.completion",
        "choices": [{"index": 0, "message": heard, "finish_reason": reason}],
    }
    usage = build_usage(told.get("usage"))
    return completion if usage is None else {**completion, "usage": usage}


def parse_chat_response(body: JSON) -> str:
    """The id of a new chat.

    Raises:
        ResponseError: an error, or no id.
    """
    if is_error(body):
        raise ResponseError.reported(parse_error(200, body))
    told = body.get("data")
    chat_id = told.get("id") if isinstance(told, dict) else None
    if not isinstance(chat_id, str) or not chat_id:
        raise ResponseError("The provider made a chat without an id.")
    return chat_id


class Content:
    """The text of an answer as it comes, with the calls taken out of it."""

    def __init__(self, call: Call) -> None:
        self._call = call
        self._finder = CallFinder() if offers_tools(call.request) else None
        self._count = 0

    def feed(self, piece: str) -> list[str | JSON]:
        """Texts, and OpenAI's tool calls."""
        if self._finder is None:
            return [piece] if piece else []
        return [self._heard(each) for each in self._finder.feed(piece)]

    def close(self) -> list[str | JSON]:
        """What was held back until now."""
        if self._finder is None:
            return []
        return [self._heard(each) for each in self._finder.close()]

    def _heard(self, found: str | JSON) -> str | JSON:
        if isinstance(found, str):
            return found
        index, self._count = self._count, self._count + 1
        function = {"name": found["name"], "arguments": dumps(found["arguments"]).decode()}
        return {"id": self._call.tool_call_id(index), "type": "function", "function": function}


def head(call: Call, answer_id: str) -> JSON:
    """What the completion and each of its chunks have in common."""
    return {
        "id": answer_id or call.completion_id,
        "object": "chat.completion.chunk",
        "created": call.created,
        "model": call.request["model"],
    }


def build_usage(usage: object) -> JSON | None:
    """OpenAI usage; None where the counts were not told."""
    if not isinstance(usage, dict):
        return None
    prompt, completion = usage.get("input_tokens"), usage.get("output_tokens")
    if not _is_count(prompt) or not _is_count(completion):
        return None
    built: JSON = {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": prompt + completion,
    }
    cached = usage.get("cached_tokens")
    if _is_count(cached) and cached <= prompt:
        built["prompt_tokens_details"] = {"cached_tokens": cached}
    details = usage.get("output_tokens_details")
    reasoning = details.get("reasoning_tokens") if isinstance(details, dict) else None
    if _is_count(reasoning) and reasoning <= completion:
        built["completion_tokens_details"] = {"reasoning_tokens": reasoning}
    return built


def citations(found: object) -> list[JSON]:
    """Title and address of the pages that a search found."""
    return [
        {name: page[name] for name in ("title", "url") if isinstance(page.get(name), str)}
        for page in (found if isinstance(found, list) else ())
        if isinstance(page, dict) and isinstance(page.get("url"), str)
    ]


def text_of(value: object) -> str:
    """The value if it is a text."""
    return value if isinstance(value, str) else ""


def _message(told: JSON) -> JSON | None:
    choices = told.get("choices")
    first = choices[0] if isinstance(choices, list) and choices else None
    message = first.get("message") if isinstance(first, dict) else None
    return message if isinstance(message, dict) else None


def _is_count(value: object) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0
