"""OpenAI messages to Cohere's.

Roles and calls are the same. Two things are not: an assistant message that calls may hold no
text, so what was said and thought before the call goes where Cohere keeps deliberation, and
nothing may be empty, so empty text is left out, and with it a message of which nothing is left.

Source: Chat API reference, version 2, "messages"; "Reasoning" (2026-09).
"""

from __future__ import annotations

from transforms.chat_request import content_parts, drop_beside_content, drop_unknown, legacy
from transforms.contract import JSON
from transforms.errors import RequestError
from transforms.tools import function_call, order_results

_PLACEHOLDER = "."
"""Stands for the empty result of a call, which must exist and must not be empty."""

_KNOWN_FIELDS = {
    "system": {"role", "content"},
    "developer": {"role", "content"},
    "user": {"role", "content"},
    "tool": {"role", "content", "tool_call_id"},
    # Citations come from Cohere itself; going on needs none of them.
    "assistant": {"role", "content", "refusal", "tool_calls", "citations", "annotations"}
    | {"reasoning_content", "reasoning"},
}

_TEXT = {"text", "refusal"}
_PARTS = {
    "system": _TEXT,
    "developer": _TEXT,
    "user": {*_TEXT, "image_url"},
    "tool": {*_TEXT, "document"},
    "assistant": _TEXT,
}


def build_messages(messages: list[JSON], thinks: bool, dropped: list[str]) -> list[JSON]:
    """The messages as a model that thinks, or one that does not, reads them.

    Drops: names of participants, reasoning where the model does not read it, unknown fields.

    Raises:
        RequestError: a message that cannot be said in this format, or none with content.
    """
    mapped: list[JSON] = []
    calls: list[str] = []
    for position, message in enumerate(messages):
        if message["role"] != "tool":
            order_results(mapped, calls)
            calls = [call["id"] for call in message.get("tool_calls") or ()]
        told = _message(message, f"messages[{position}]", thinks, dropped)
        if told is not None:
            mapped.append(told)
    order_results(mapped, calls)
    if not mapped:
        raise RequestError("`messages` holds no content.", param="messages", code="invalid_value")
    return mapped


def _message(message: JSON, param: str, thinks: bool, dropped: list[str]) -> JSON | None:
    role = message["role"]
    if role not in _KNOWN_FIELDS:
        raise legacy(f"{param}.role")
    drop_unknown(message, _KNOWN_FIELDS[role], "messages[]", dropped)
    content = _content(message, param, dropped)
    match role:
        case "assistant":
            return _assistant(message, content, param, thinks, dropped)
        case "tool":
            call_id = message["tool_call_id"]
            return {"role": "tool", "tool_call_id": call_id, "content": content or _PLACEHOLDER}
        case "user":
            return {"role": "user", "content": content} if content else None
        case _:
            return {"role": "system", "content": content} if content else None


def _content(message: JSON, param: str, dropped: list[str]) -> str | list[JSON]:
    """A string as it is, or the parts that are not empty."""
    content = message.get("content")
    if isinstance(content, str):
        return content
    accepted = _PARTS[message["role"]]
    mapped = []
    for position, part in enumerate(content_parts(content, f"{param}.content")):
        place = f"{param}.content[{position}]"
        if part["type"] not in accepted:
            raise RequestError(
                f"`{place}` is a `{part['type']}` part; here Cohere takes"
                f" {', '.join(sorted(accepted))}.",
                param=place,
                code="unsupported_value",
            )
        told = _part(part, place, dropped)
        if told is not None:
            mapped.append(told)
    return mapped


def _part(part: JSON, param: str, dropped: list[str]) -> JSON | None:
    kind = part["type"]
    drop_beside_content(part, dropped)
    if kind == "image_url":
        return {"type": kind, kind: _image(part[kind], f"{param}.image_url", dropped)}
    if kind == "document":
        return {"type": kind, kind: part.get(kind)}
    return {"type": "text", "text": part[kind]} if part[kind] else None


def _image(image: str | JSON, param: str, dropped: list[str]) -> JSON:
    """An image by URL or as data; Cohere fetches the former itself."""
    if isinstance(image, str):
        image = {"url": image}
    url = image.get("url")
    if not isinstance(url, str) or not url.lower().startswith(("https://", "http://", "data:")):
        raise RequestError(
            f"`{param}.url` is neither a web address nor a data URL; send the image as"
            " `data:image/png;base64,...`.",
            param=f"{param}.url",
            code="invalid_image_url",
        )
    drop_unknown(image, {"url", "detail"}, "messages[].content[].image_url", dropped)
    detail = image.get("detail")
    if detail in ("auto", "low", "high"):
        return {"url": url, "detail": detail}
    if detail is not None:
        dropped.append("messages[].content[].image_url.detail")
    return {"url": url}


def _assistant(
    message: JSON, content: str | list[JSON], param: str, thinks: bool, dropped: list[str]
) -> JSON | None:
    if message.get("function_call"):
        raise legacy(f"{param}.function_call")
    content = content or message.get("refusal") or ""
    name = "reasoning_content" if message.get("reasoning_content") else "reasoning"
    thought = message.get(name)
    thought = thought if isinstance(thought, str) else ""
    calls = message.get("tool_calls")
    if calls:
        told = [
            function_call(call, f"{param}.tool_calls[{at}]", dropped)
            for at, call in enumerate(calls)
        ]
        return {
            "role": "assistant",
            **_deliberation(_joined(thought, _text(content)), thinks),
            "tool_calls": told,
        }
    if thought and not thinks:
        dropped.append(f"messages[].{name}")
    elif thought:
        parts = [{"type": "text", "text": content}] if isinstance(content, str) else content
        content = [_thinking(thought), *(parts if content else ())]
    return {"role": "assistant", "content": content} if content else None


def _text(content: str | list[JSON]) -> str:
    return content if isinstance(content, str) else "".join(part["text"] for part in content)


def _joined(thought: str, text: str) -> str:
    """What was thought and then said before a call."""
    return f"{thought}\n{text}" if thought and text else thought or text


def _deliberation(text: str, thinks: bool) -> JSON:
    """Text beside calls is refused; this is where it may stand."""
    if not text:
        return {}
    return {"content": [_thinking(text)]} if thinks else {"tool_plan": text}


def _thinking(text: str) -> JSON:
    return {"type": "thinking", "thinking": text}
