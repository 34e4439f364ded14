"""OpenAI messages to `contents` and `systemInstruction`.

Contents begin with the user. All instructions become one system instruction, wherever they
stand. The results of a turn's calls are one content of their own, in the order of the calls,
under the function's name and in the user's role; what the user says then is the next content.
Thought signatures go back to the part they came on: to the call, or to the text. Models of
generation 3 refuse a first call without one, so a call that has lost its signature, or that
another provider made, bears the word by which Google lets it pass.

Source: Gemini API reference, "Content", "Function calling" and "Thought signatures" (2026-09).
"""

from __future__ import annotations

from typing import Any

from transforms.chat_request import drop_beside_call, drop_unknown, legacy
from transforms.contract import JSON
from transforms.errors import RequestError
from transforms.gemini.content import text_parts, user_parts
from transforms.gemini.models import ModelRules
from transforms.gemini.names import function_name, id_fields
from transforms.tools import arguments_object, object_in

_NO_SIGNATURE = "skip_thought_signature_validator"

_PLACEHOLDER: JSON = {"role": "user", "parts": [{"text": "."}]}

_KNOWN_FIELDS = {
    "system": {"role", "content"},
    "developer": {"role", "content"},
    "user": {"role", "content"},
    "tool": {"role", "content", "tool_call_id", "is_error"},
    # Annotations and images come from Gemini itself; going on needs none of them.
    "assistant": {"role", "content", "tool_calls", "refusal", "annotations", "images"},
}

_TOLD_BY_SIGNATURES = {"reasoning_content", "reasoning", "extra_content"}


def build_contents(
    messages: list[JSON], rules: ModelRules, dropped: list[str]
) -> tuple[list[JSON], list[JSON]]:
    """The parts of `systemInstruction`, and `contents`.

    Drops: names of participants, reasoning without a signature, unknown fields.

    Raises:
        RequestError: a message that cannot be said in this format, or none with content.
    """
    system: list[JSON] = []
    contents: list[JSON] = []
    results = _Results(rules)
    for position, message in enumerate(messages):
        param = f"messages[{position}]"
        _drop_unknown(message, param, dropped)
        match message["role"]:
            case "assistant":
                results.expect(message.get("tool_calls") or ())
                _add_turn(contents, _assistant(message, param, rules, dropped))
            case "tool":
                contents += results.take(message, param, dropped)
            case "user":
                parts = user_parts(message["content"], f"{param}.content", dropped)
                contents += [{"role": "user", "parts": parts}] if parts else []
            case _:
                system += text_parts(message["content"], f"{param}.content", dropped)
    _settle_start(contents, system)
    return system, contents


def _drop_unknown(message: JSON, param: str, dropped: list[str]) -> None:
    known = _KNOWN_FIELDS.get(message["role"])
    if known is None:
        raise legacy(f"{param}.role")
    if message["role"] == "assistant" and _is_signed(message):
        known = known | _TOLD_BY_SIGNATURES
    drop_unknown(message, known, "messages[]", dropped)


def _is_signed(message: JSON) -> bool:
    return any(_signature(each) for each in (message, *(message.get("tool_calls") or ())))


def _signature(bearer: JSON) -> str | None:
    """`extra_content.google.thought_signature` of a message or a call."""
    extra = bearer.get("extra_content")
    google = extra.get("google") if isinstance(extra, dict) else None
    signature = google.get("thought_signature") if isinstance(google, dict) else None
    return signature if isinstance(signature, str) and signature else None


def _add_turn(contents: list[JSON], parts: list[JSON]) -> None:
    """Adds what the model said. Two messages in a row are one turn of as many parts, because
    calls are refused but right after the user."""
    if not parts:
        return
    if contents and contents[-1]["role"] == "model":
        contents[-1]["parts"] += parts
    else:
        contents.append({"role": "model", "parts": parts})


def _settle_start(contents: list[JSON], system: list[JSON]) -> None:
    if not contents and not system:
        raise RequestError("`messages` holds no content.", param="messages", code="invalid_value")
    if not contents:
        contents.append({"role": "user", "parts": [system.pop()]})
    elif contents[0]["role"] != "user":
        contents.insert(0, {**_PLACEHOLDER})


def _assistant(message: JSON, param: str, rules: ModelRules, dropped: list[str]) -> list[JSON]:
    """Text first, then calls."""
    if message.get("function_call") is not None:
        raise legacy(f"{param}.function_call")
    if message.get("audio") is not None:
        raise RequestError(
            f"`{param}.audio` names audio that Gemini never heard; send its transcript.",
            param=f"{param}.audio",
        )
    parts = text_parts(message.get("content"), f"{param}.content", dropped)
    if isinstance(message.get("refusal"), str) and message["refusal"]:
        parts.append({"text": message["refusal"]})
    calls = [
        _call(call, f"{param}.tool_calls[{position}]", dropped)
        for position, call in enumerate(message.get("tool_calls") or ())
    ]
    signature = _signature(message)
    if signature and parts:
        parts[-1] = {**parts[-1], "thoughtSignature": signature}
    elif signature and calls:
        parts.append({"text": "", "thoughtSignature": signature})
    if calls and rules.third:
        calls[0].setdefault("thoughtSignature", _NO_SIGNATURE)
    return parts + calls


def _call(call: JSON, param: str, dropped: list[str]) -> JSON:
    if call.get("type", "function") != "function":
        raise RequestError(
            f"`{param}` is of type `{call['type']}`; Gemini knows calls of functions alone.",
            param=f"{param}.type",
        )
    part: JSON = {
        "functionCall": {
            **id_fields(call["id"]),
            "name": function_name(call["function"]["name"]),
            "args": arguments_object(call, param),
        }
    }
    signature = _signature(call)
    drop_beside_call(call, dropped, {"extra_content"} if signature else frozenset())
    return {**part, "thoughtSignature": signature} if signature else part


class _Results:
    """The results of one turn's calls, gathered until all are there."""

    def __init__(self, rules: ModelRules) -> None:
        self._rules = rules
        self._names: dict[str, str] = {}
        self._parts: dict[str, JSON] = {}
        self._media: list[JSON] = []

    def expect(self, calls: Any) -> None:
        """Calls whose results come next; `check_request` has seen that all do."""
        functions = {call["id"]: call.get("function") for call in calls}
        self._names = {name: function["name"] for name, function in functions.items() if function}
        self._parts, self._media = {}, []

    def take(self, message: JSON, param: str, dropped: list[str]) -> list[JSON]:
        """The contents that the last result completes: the results, and what they show."""
        call_id = message["tool_call_id"]
        parts = user_parts(message["content"], f"{param}.content", dropped)
        text = "\n".join(part["text"] for part in parts if "text" in part)
        result = {
            **id_fields(call_id),
            "name": function_name(self._names[call_id]),
            "response": _response(text, failed=message.get("is_error") is True),
        }
        media = [part for part in parts if "text" not in part]
        inside = [part for part in media if "inlineData" in part and self._rules.third]
        if inside:
            result["parts"] = [{"inlineData": part["inlineData"]} for part in inside]
        self._media += [part for part in media if part not in inside]
        self._parts[call_id] = {"functionResponse": result}
        return self._contents() if len(self._parts) == len(self._names) else []

    def _contents(self) -> list[JSON]:
        contents = [{"role": "user", "parts": [self._parts[name] for name in self._names]}]
        return [*contents, {"role": "user", "parts": self._media}] if self._media else contents


def _response(text: str, *, failed: bool) -> JSON:
    """What a function returned, as the object that is demanded."""
    if failed:
        return {"error": text}
    told = object_in(text)
    return {"output": text} if told is None else told
