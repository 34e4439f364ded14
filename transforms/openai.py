"""OpenAI chat completions, and the factory for hosts that speak the same format.

Endpoint: `POST /v1/chat/completions`. The request goes on nearly as it came; the answer is
brought back into the letter of the format, because hosts that call themselves compatible repeat
names, renumber tool calls, send `null` for `[]` and put usage where it suits them.

Source: OpenAI API reference, "Chat Completions" (2026-09); types of the openai SDK 3.54.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from transforms.assembly import Assembler
from transforms.contract import JSON, Auth, Call, ErrorAnswer, Event, Provider, ProviderRequest
from transforms.errors import ResponseError, error_for_status, unreadable_error
from transforms.framing import SSEDecoder, parse_event
from transforms.json_text import dumps, loads

FINISH_REASONS = {
    "stop": "stop",
    "length": "length",
    "tool_calls": "tool_calls",
    "function_call": "function_call",
    "content_filter": "content_filter",
    "eos": "stop",
    "end_turn": "stop",
    "stop_sequence": "stop",
    "STOP": "stop",
    "max_tokens": "length",
    "MAX_TOKENS": "length",
    "model_context_window_exceeded": "length",
    "tool_use": "tool_calls",
    "sensitive": "content_filter",
    "SAFETY": "content_filter",
}
"""Host's word -> OpenAI's. A word nobody has heard of becomes `stop`; the record keeps it."""

FAILED_FINISHES = frozenset({"error", "insufficient_system_resource", "network_error"})
"""Finish reasons by which hosts report an error."""

_REASONING_SENT_BACK = ("reasoning_content", "reasoning", "reasoning_details", "thinking_blocks")

_SERVICE_TIERS = frozenset({"auto", "default", "flex", "scale", "priority", "fast"})

_IN_EVERY_CHUNK = ("system_fingerprint", "service_tier")

_EXTRAS = (*_IN_EVERY_CHUNK, "moderation", "metadata", "citations", "search_results")
"""Members beside the choices that are OpenAI's, or that clients of a host read."""

_MESSAGE_FIELDS = frozenset(
    {"content", "refusal", "annotations", "audio", "images", "function_call", "tool_calls"}
    | {"reasoning_content", "reasoning", "reasoning_details", "thinking_blocks", "extra_content"}
)
"""Members of a message or delta that are OpenAI's or customary. Clients add up what they do not
know: a `token_id` in each delta is summed, a repeated `name` becomes `assistantassistant`."""


def build_request(call: Call) -> ProviderRequest:
    """OpenAI's own API: everything is carried, but for reasoning that other providers gave.

    Drops: reasoning fields of assistant messages, which OpenAI's messages do not have.
    """
    body = _carried(call)
    messages = [_without_reasoning(message) for message in body["messages"]]
    dropped = {
        f"messages[].{name}"
        for message in body["messages"]
        for name in _REASONING_SENT_BACK
        if name in message
    }
    body["messages"] = messages
    return ProviderRequest("/v1/chat/completions", body, dropped=tuple(sorted(dropped)))


def build_compatible_request(call: Call) -> ProviderRequest:
    """A host of which nothing is known: everything is carried, unknown parameters too."""
    return ProviderRequest("/chat/completions", _carried(call))


def _carried(call: Call) -> JSON:
    body = {**call.request, "model": call.model}
    if call.streams:
        body["stream_options"] = {
            **(call.request.get("stream_options") or {}),
            "include_usage": True,
        }
    return body


def _without_reasoning(message: JSON) -> JSON:
    if not any(name in message for name in _REASONING_SENT_BACK):
        return message
    return {name: value for name, value in message.items() if name not in _REASONING_SENT_BACK}


def parse_response(call: Call, body: JSON) -> JSON:
    """The host's `chat.completion` in the letter of the format.

    Raises:
        ResponseError: the body is an error under status 200, or has no choices.
    """
    _raise_reported_error(body)
    choices = body.get("choices")
    if not isinstance(choices, list):
        raise ResponseError("The provider's answer has no `choices`.")
    completion = {
        "id": _text(body.get("id")) or call.completion_id,
        "object": "chat.completion",
        "created": _created(body.get("created"), call),
        "model": call.request["model"],
        "choices": [_choice(choice, call) for choice in choices if isinstance(choice, dict)],
        **_extras(body),
    }
    usage = _usage(body, choices)
    if usage is not None:
        completion["usage"] = usage
    return completion


def _extras(body: JSON) -> JSON:
    extras = {name: body[name] for name in _EXTRAS if body.get(name)}
    if extras.get("service_tier", "auto") not in _SERVICE_TIERS:
        del extras["service_tier"]
    return extras


def _choice(choice: JSON, call: Call) -> JSON:
    message = choice.get("message")
    message = _message(message if isinstance(message, dict) else {}, call)
    return {
        **{key: value for key, value in choice.items() if key in {"logprobs"}},
        "index": _index(choice),
        "message": message,
        # The body is whole, so the answer ended, even where the host does not say how.
        "finish_reason": _finish_reason(
            _text(choice.get("finish_reason")) or "stop", called="tool_calls" in message
        ),
    }


def _index(choice: JSON) -> int:
    index = choice.get("index")
    return index if isinstance(index, int) else 0


def _message(message: JSON, call: Call) -> JSON:
    told = _told_fields(message)
    calls = told.pop("tool_calls", None)
    annotations = _annotations(told.pop("annotations", None))
    # Clients written against plain strings break on null beside tool calls.
    told = {"role": "assistant", **told, "content": told.get("content") or ""}
    if annotations:
        told["annotations"] = annotations
    if isinstance(calls, list) and calls:
        told["tool_calls"] = [
            _tool_call(item, call.tool_call_id(index))
            for index, item in enumerate(calls)
            if isinstance(item, dict)
        ]
    return told


def _told_fields(message: JSON) -> JSON:
    """What a message or delta holds for the client: content as text, reasoning under one name."""
    told = {name: value for name, value in message.items() if name in _MESSAGE_FIELDS}
    content = told.get("content")
    if isinstance(content, dict):
        # Cloudflare's answer to a JSON schema.
        told["content"] = dumps(content).decode()
    elif isinstance(content, list):
        told.update(_joined_parts(content))
    reasoning = told.pop("reasoning", None)
    if isinstance(reasoning, str) and not told.get("reasoning_content"):
        told["reasoning_content"] = reasoning
    return told


def _joined_parts(parts: list[Any]) -> JSON:
    """Mistral's content parts, text and thinking, as two texts."""
    thinking = [part for part in parts if _get(part, "type") == "thinking"]
    reasoning = "".join(_part_text(inner) for part in thinking for inner in part["thinking"])
    content = "".join(_part_text(part) for part in parts)
    return (
        {"content": content, "reasoning_content": reasoning} if thinking else {"content": content}
    )


def _part_text(part: object) -> str:
    return _text(_get(part, "text")) or ""


def _annotations(annotations: object) -> list[JSON]:
    """Citations with all that OpenAI's type demands; hosts use the list for other things too."""
    if not isinstance(annotations, list):
        return []
    needed = {"url", "title", "start_index", "end_index"}
    return [
        annotation
        for annotation in annotations
        if _get(annotation, "type") == "url_citation"
        and needed <= (_get(annotation, "url_citation") or {}).keys()
    ]


def _tool_call(item: JSON, made_id: str) -> JSON:
    told = {key: value for key, value in item.items() if key != "index"}
    told["id"] = told.get("id") or made_id
    told["type"] = told.get("type") or "function"
    function = told.get("function")
    if isinstance(function, dict):
        told["function"] = {**function, "arguments": _arguments(function.get("arguments")) or "{}"}
    return told


def _arguments(arguments: object) -> str:
    if isinstance(arguments, str):
        return arguments
    return dumps(arguments).decode() if isinstance(arguments, dict) else ""


def _finish_reason(reason: str, called: bool) -> str:
    """OpenAI's word for why the answer ended; a normal end with calls is `tool_calls`."""
    if reason in FAILED_FINISHES:
        raise ResponseError(f"The provider ended the answer with `{reason}`.")
    known = FINISH_REASONS.get(reason, "stop")
    return "tool_calls" if called and known == "stop" else known


def _usage(body: JSON, choices: list[Any]) -> JSON | None:
    """OpenAI usage, wherever the host put it: beside `choices`, in one of them, or in `x_groq`."""
    usage = body.get("usage")
    if not isinstance(usage, dict):
        usage = next(
            (choice["usage"] for choice in choices if isinstance(_get(choice, "usage"), dict)),
            _get(body.get("x_groq"), "usage"),
        )
    if not isinstance(usage, dict):
        return None
    return _with_true_sums(usage)


def _with_true_sums(usage: JSON) -> JSON:
    prompt, completion = usage.get("prompt_tokens"), usage.get("completion_tokens")
    if not isinstance(prompt, int | float) or not isinstance(completion, int | float):
        return usage
    reasoning = _get(usage.get("completion_tokens_details"), "reasoning_tokens") or 0
    # xAI's older models count reasoning beside the completion, not inside it.
    if reasoning and usage.get("total_tokens") == prompt + completion + reasoning:
        completion += reasoning
    usage = _without_impossible(usage, "prompt_tokens_details", "cached_tokens", prompt)
    usage = _without_impossible(usage, "completion_tokens_details", "reasoning_tokens", completion)
    return {
        **usage,
        "prompt_tokens": int(prompt),
        "completion_tokens": int(completion),
        "total_tokens": int(prompt + completion),
    }


def _without_impossible(usage: JSON, details: str, name: str, most: float) -> JSON:
    """The usage without a part that exceeds its whole, as Grok on Azure reports it."""
    part = _get(usage.get(details), name)
    if not isinstance(part, int | float) or part <= most:
        return usage
    rest = {key: value for key, value in usage[details].items() if key != name}
    return {**usage, details: rest}


def parse_error(status: int, body: object) -> ErrorAnswer:
    """OpenAI's error from the shapes that hosts use for it.

    Known are `{"error": {...}}`, `{"error": "text"}`, the same in a list, an error without its
    wrapper, and FastAPI's `{"detail": ...}`.
    """
    if isinstance(body, list) and body:
        body = body[0]
    if not isinstance(body, dict):
        return unreadable_error(status)
    error = body.get("error") or body
    if isinstance(error, str):
        error = {**body, "message": error}
    message = _inner_message(error) or _text(_get(error, "message"))
    message = message or _detail(body.get("detail"))
    if not isinstance(error, dict) or not message:
        return unreadable_error(status)
    code = error.get("code")
    return error_for_status(
        status,
        message,
        type=_text(error.get("type")),
        code=None if code in (None, status, str(status)) else str(code),
        param=_text(error.get("param")),
    )


def _inner_message(error: object) -> str | None:
    """What the provider behind OpenRouter said, as text or as an error of its own in JSON."""
    raw = _text(_get(_get(error, "metadata"), "raw"))
    if raw is None:
        return None
    try:
        inner = loads(raw.encode("utf-8", "surrogatepass"))
    except ValueError:
        return raw
    return _text(_get(_get(inner, "error") or inner, "message"))


def _detail(detail: object) -> str | None:
    if isinstance(detail, list):
        places = [
            f"{'.'.join(map(str, _get(item, 'loc') or []))}: {_get(item, 'msg')}" for item in detail
        ]
        return "; ".join(places) or None
    return _text(detail)


def _raise_reported_error(body: JSON) -> None:
    """An error inside a 200: a member `error`, or an error where `choices` should be."""
    if body.get("error") or ("choices" not in body and (body.keys() & {"message", "detail"})):
        code = _get(body.get("error"), "code") or body.get("status_code")
        status = code if isinstance(code, int) and 400 <= code < 600 else 502
        raise ResponseError.reported(parse_error(status, body))


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None


def _get(value: object, name: str) -> Any:
    return value.get(name) if isinstance(value, dict) else None


def _created(value: object, call: Call) -> int:
    return int(value) if isinstance(value, int | float) and value > 0 else call.created


class ChunkStream:
    """Chunks of an OpenAI-like host, brought into the letter of the format.

    One role per choice, then deltas; tool calls with a dense index, named once; one finish per
    choice, held back until `[DONE]` or the end of the body because some hosts send calls after
    it; then usage. The end of the body before any finish is an error.
    """

    def __init__(self, call: Call) -> None:
        self.finished = False
        self._call = call
        self._told = Assembler()
        self._head: JSON = {}
        self._extras: JSON = {}
        self._choices: dict[int, _ChoiceState] = {}
        self._usage: JSON | None = None

    @property
    def answer(self) -> JSON:
        """The host's `chat.completion`, folded from its chunks as they came."""
        return self._told.completion()

    def feed(self, event: Event) -> list[JSON]:
        """The chunks for one server-sent event."""
        data = event.data.strip()
        if self.finished or not data:
            return []
        if data == b"[DONE]":
            return self._finish()
        body = parse_event(event)
        self._told.add(body)
        if event.name == "error" and not body.get("error"):
            raise ResponseError.reported(parse_error(502, body))
        _raise_reported_error(body)
        return list(self._chunks(body))

    def close(self) -> list[JSON]:
        """The held finish and usage, where the host sent no `[DONE]`."""
        return [] if self.finished else self._finish()

    def _finish(self) -> list[JSON]:
        if not self._choices or any(not state.finish for state in self._choices.values()):
            raise ResponseError(
                "The provider's stream ended before the answer did.", code="upstream_stream_ended"
            )
        self.finished = True
        ends = [
            self._chunk([{"index": index, "delta": delta, "finish_reason": finish_reason}])
            for index, state in sorted(self._choices.items())
            for delta, finish_reason in state.ends()
        ]
        ends[-1].update(self._extras)
        if self._usage is not None:
            ends.append({**self._chunk([]), "usage": self._usage})
        return ends

    def _chunks(self, body: JSON) -> Iterator[JSON]:
        choices = body.get("choices")
        choices = choices if isinstance(choices, list) else []
        self._usage = _usage(body, choices) or self._usage
        self._extras.update(_extras(body))
        # Azure's first event is about the prompt alone, and has no id and no time.
        if not self._head and choices:
            self._head = self._constant_head(body)
        told = [self._told_choice(choice) for choice in choices if isinstance(choice, dict)]
        fresh = [choice for choice in told if choice is not None]
        if fresh:
            yield self._chunk(fresh)

    def _constant_head(self, body: JSON) -> JSON:
        return {
            "id": _text(body.get("id")) or self._call.completion_id,
            "object": "chat.completion.chunk",
            "created": _created(body.get("created"), self._call),
            "model": self._call.request["model"],
        }

    def _chunk(self, choices: list[JSON]) -> JSON:
        extras = {name: self._extras[name] for name in _IN_EVERY_CHUNK if name in self._extras}
        return {**self._head, **extras, "choices": choices}

    def _told_choice(self, choice: JSON) -> JSON | None:
        index = _index(choice)
        state = self._choices.get(index)
        if state is None:
            state = self._choices[index] = _ChoiceState(self._call)
        state.finish = state.finish or _text(choice.get("finish_reason")) or ""
        if state.finish in FAILED_FINISHES:
            raise ResponseError(f"The provider ended the answer with `{state.finish}`.")
        delta = choice.get("delta")
        delta = state.delta(delta if isinstance(delta, dict) else {})
        logprobs = choice.get("logprobs")
        if not delta and not logprobs:
            return None
        told = {"index": index, "delta": delta, "finish_reason": None}
        if logprobs is not None:
            told["logprobs"] = logprobs
        return told


class _ChoiceState:
    """What has been told of one choice, so that nothing is told twice."""

    def __init__(self, call: Call) -> None:
        self.finish = ""
        self._call = call
        self._started = False
        self._calls: dict[tuple[object, str | None], int] = {}
        self._argued: set[int] = set()
        self._lists: dict[str, list[Any]] = {}

    def ends(self) -> Iterator[tuple[JSON, str | None]]:
        """The last deltas: `{}` for calls that got no arguments, held lists, the finish."""
        silent = sorted(set(self._calls.values()) - self._argued)
        if silent:
            yield {"tool_calls": [_arguments_fragment(index, "{}") for index in silent]}, None
        lists = {name: items for name, items in self._lists.items() if items}
        if lists:
            yield lists, None
        yield {}, _finish_reason(self.finish, called=bool(self._calls))

    def delta(self, delta: JSON) -> JSON:
        fresh = {name: value for name, value in _told_fields(delta).items() if value}
        calls = fresh.pop("tool_calls", None)
        self._hold_lists(fresh)
        if isinstance(calls, list):
            fresh["tool_calls"] = [self._fragment(call) for call in calls if isinstance(call, dict)]
        if not self._started:
            self._started = True
            fresh = {"role": "assistant", "content": "", **fresh}
        return fresh

    def _hold_lists(self, fresh: JSON) -> None:
        """Keeps back lists whose items have no index: clients cannot join two of them."""
        for name in [name for name, value in fresh.items() if isinstance(value, list)]:
            if not all(isinstance(_get(item, "index"), int) for item in fresh[name]):
                items = fresh.pop(name)
                items = _annotations(items) if name == "annotations" else items
                self._lists.setdefault(name, []).extend(items)

    def _fragment(self, call: JSON) -> JSON:
        """One fragment of a tool call, under a dense index; names only in the first."""
        index, is_new = self._index(call)
        function = _called_function(call)
        arguments = _arguments(function.get("arguments"))
        if arguments:
            self._argued.add(index)
        if not is_new:
            return _arguments_fragment(index, arguments)
        return {
            **{
                key: value
                for key, value in call.items()
                if key not in {"index", "id", "type", "function", "custom", "name"}
            },
            "index": index,
            "id": _text(call.get("id")) or self._call.tool_call_id(index),
            "type": "function",
            "function": {"name": _text(function.get("name")) or "", "arguments": arguments},
        }

    def _index(self, call: JSON) -> tuple[int, bool]:
        """Dense index of the call a fragment belongs to, and whether it opens that call.

        The id tells calls apart where the host's own index is missing or constant.
        """
        index, call_id = call.get("index"), _text(call.get("id"))
        if (index, call_id) in self._calls:
            return self._calls[index, call_id], False
        if call_id is None:
            for known, dense in reversed(self._calls.items()):
                if index is None or index == known[0]:
                    return dense, False
        self._calls[index, call_id] = len(self._calls)
        return self._calls[index, call_id], True


def _called_function(call: JSON) -> JSON:
    """The function of a fragment; chunks know no custom calls, so they go out as functions."""
    custom, function = call.get("custom"), call.get("function")
    if isinstance(custom, dict):
        return {"name": custom.get("name"), "arguments": custom.get("input")}
    return function if isinstance(function, dict) else {}


def _arguments_fragment(index: int, arguments: str) -> JSON:
    return {"index": index, "function": {"arguments": arguments}}


def openai_format(
    name: str,
    base_url: str,
    key_variable: str | None,
    *,
    build_request: Any = build_compatible_request,
    key_required: bool = True,
) -> Provider:
    """A host that speaks OpenAI chat completions below `base_url`."""
    return Provider(
        name=name,
        base_url=base_url,
        key_variable=key_variable,
        decoder=SSEDecoder,
        build_request=build_request,
        parse_response=parse_response,
        parse_error=parse_error,
        open_stream=ChunkStream,
        auth=Auth("authorization", "Bearer "),
        key_required=key_required,
    )


PROVIDER = openai_format(
    "openai", "https://api.openai.com", "OPENAI_API_KEY", build_request=build_request
)
