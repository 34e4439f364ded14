"""Ollama's own chat API, streamed as newline-delimited JSON.

Endpoint: `POST /api/chat`, on the local server and on ollama.com. The server's OpenAI layer is
not used, because it ignores `options` and `keep_alive`.

Source: ollama/ollama, docs/api.md and api/types.go (2026-09); types of the ollama client 0.6.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from transforms.chat_request import content_parts, present
from transforms.contract import JSON, WEB, Call, ErrorAnswer, Event, Provider, ProviderRequest
from transforms.errors import RequestError, ResponseError, error_for_status, unreadable_error
from transforms.framing import NDJSONDecoder, parse_event
from transforms.json_text import dumps, loads
from transforms.room import Parts, Pieces, Room, take_in
from transforms.tools import name_of, named_tools

FINISH_REASONS = {"stop": "stop", "length": "length", "load": "stop", "unload": "stop"}
"""`done_reason` -> `finish_reason`. Old versions leave it out of a normal end, so any other word
is `stop` too; a `stop` with calls becomes `tool_calls`."""

_OPTIONS = {
    "max_tokens": "num_predict",
    "max_completion_tokens": "num_predict",
    "temperature": "temperature",
    "top_p": "top_p",
    "seed": "seed",
    "stop": "stop",
    "presence_penalty": "presence_penalty",
    "frequency_penalty": "frequency_penalty",
    "top_k": "top_k",
    "min_p": "min_p",
    "repetition_penalty": "repeat_penalty",
}
"""Parameter -> member of `options`. Of two that mean the same, the later wins."""

_TOP_LEVEL = ("logprobs", "top_logprobs", "keep_alive", "think", "truncate", "shift")

_MAPPED = frozenset(
    {"model", "messages", "stream", "stream_options", "options", "tools", "tool_choice"}
    | {"response_format", "reasoning_effort"}
    | {*_OPTIONS, *_TOP_LEVEL}
)

_NEUTRAL: JSON = {
    "n": 1,
    "logprobs": False,
    "logit_bias": {},
    "metadata": {},
    "modalities": ["text"],
    "parallel_tool_calls": True,
    "store": False,
    "verbosity": "medium",
}
"""Values that ask for what happens anyway."""

_REFUSED = {
    "n": "gives one choice per request",
    "modalities": "answers in text only",
    "functions": "takes functions as `tools`",
    "function_call": "takes functions as `tools`",
    "web_search_options": "does not search the web",
}
"""Parameters whose absence would change what the client gets."""

_EFFORTS = {
    "minimal": "low",
    "low": "low",
    "medium": "medium",
    "high": "high",
    "xhigh": "max",
    "max": "max",
}
"""`reasoning_effort` -> level of `think`."""

_MODELS_WITH_LEVELS = "gpt-oss"
"""The models that know levels of `think`; the server refuses a level for the others."""

_ROLES = {"system": "system", "developer": "system", "user": "user"}


def build_request(call: Call) -> ProviderRequest:
    """The body of `/api/chat`; parameters outside OpenAI's that Ollama knows are carried too.

    Drops: what only tunes and has no counterpart, `tool_choice` where it forces a call, names
    of participants, the detail of images, `strict` of tools.

    Raises:
        RequestError: a parameter, part or tool that Ollama cannot do.
    """
    request = {
        name: value
        for name, value in present(call.request).items()
        if name not in _NEUTRAL or value != _NEUTRAL[name]
    }
    for name, reason in _REFUSED.items():
        if name in request:
            raise _unsupported(name, f"`{name}` cannot be sent to Ollama, which {reason}.")
    dropped = [name for name in request if name not in _MAPPED]
    # The server streams unless it is told not to.
    body: JSON = {"model": call.model, "messages": [], "stream": call.streams}
    body["messages"] = _messages(request["messages"], dropped)
    _add_tools(body, request, dropped)
    _add_options(body, request, dropped)
    if "response_format" in request:
        body.update(_format(request["response_format"]))
    if "reasoning_effort" in request:
        body["think"] = _think(request["reasoning_effort"], call.model)
    body.update({name: request[name] for name in _TOP_LEVEL if name in request})
    return ProviderRequest("/api/chat", body, dropped=tuple(dict.fromkeys(dropped)))


def _unsupported(param: str, message: str) -> RequestError:
    return RequestError(message, param=param, code="unsupported_parameter")


def _messages(messages: list[JSON], dropped: list[str]) -> list[JSON]:
    """Ollama's messages, the results of one turn in the order of its calls.

    Templates that know no call ids match results by their place.
    """
    mapped: list[JSON] = []
    calls: list[str] = []
    names: dict[str, str] = {}
    for position, message in enumerate(messages):
        param = f"messages[{position}]"
        if message["role"] == "tool":
            mapped.append(_tool_message(message, names, param, dropped))
            continue
        _order_results(mapped, calls)
        calls = [told["id"] for told in message.get("tool_calls") or ()]
        mapped.append(_message(message, param, dropped))
        names.update(
            (told["id"], told["function"]["name"]) for told in message.get("tool_calls") or ()
        )
    _order_results(mapped, calls)
    return mapped


def _order_results(mapped: list[JSON], calls: list[str]) -> None:
    if len(calls) > 1:
        mapped[-len(calls) :] = sorted(
            mapped[-len(calls) :], key=lambda result: calls.index(result["tool_call_id"])
        )


def _message(message: JSON, param: str, dropped: list[str]) -> JSON:
    role = message["role"]
    if role == "assistant":
        return _assistant_message(message, param, dropped)
    if role not in _ROLES:
        raise _unsupported(f"{param}.role", f"`{param}.role` is `{role}`; send `tool` messages.")
    _drop_unknown(message, {"role", "content"}, dropped)
    return {"role": _ROLES[role], **_content(message, param, dropped)}


def _assistant_message(message: JSON, param: str, dropped: list[str]) -> JSON:
    if message.get("function_call"):
        raise _unsupported(
            f"{param}.function_call", f"`{param}.function_call` is legacy; send `tool_calls`."
        )
    known = {"role", "content", "refusal", "reasoning_content", "reasoning", "tool_calls"}
    _drop_unknown(message, known, dropped)
    mapped = {"role": "assistant", **_content(message, param, dropped)}
    mapped["content"] = mapped["content"] or message.get("refusal") or ""
    thinking = message.get("reasoning_content") or message.get("reasoning")
    if isinstance(thinking, str):
        mapped["thinking"] = thinking
    calls = [
        _sent_call(told, f"{param}.tool_calls[{index}]")
        for index, told in enumerate(message.get("tool_calls") or ())
    ]
    return {**mapped, "tool_calls": calls} if calls else mapped


def _tool_message(message: JSON, names: dict[str, str], param: str, dropped: list[str]) -> JSON:
    _drop_unknown(message, {"role", "content", "tool_call_id"}, dropped)
    return {
        "role": "tool",
        **_content(message, param, dropped),
        "tool_name": names[message["tool_call_id"]],
        "tool_call_id": message["tool_call_id"],
    }


def _drop_unknown(message: JSON, known: set[str], dropped: list[str]) -> None:
    dropped += [
        f"messages[].{name}"
        for name, value in message.items()
        if name not in known and value is not None
    ]


def _sent_call(told: JSON, param: str) -> JSON:
    if told.get("type", "function") != "function":
        raise _unsupported(f"{param}.type", f"`{param}.type` is `{told['type']}`, not `function`.")
    function = told["function"]
    return {
        "id": told["id"],
        "function": {
            "name": function["name"],
            "arguments": _arguments_object(function.get("arguments") or "{}", told["id"], param),
        },
    }


def _arguments_object(text: str, call_id: str, param: str) -> JSON:
    param = f"{param}.function.arguments"
    try:
        arguments = loads(text.encode("utf-8", "surrogatepass"))
    except ValueError as exc:
        message = f"`{param}` of the tool call `{call_id}` is not JSON."
        raise RequestError(message, param=param, code="invalid_value") from exc
    if not isinstance(arguments, dict):
        message = f"`{param}` of the tool call `{call_id}` is not a JSON object."
        raise RequestError(message, param=param, code="invalid_value")
    return arguments


def _content(message: JSON, param: str, dropped: list[str]) -> JSON:
    """`content`, and `images` where there are any; audio travels among the images."""
    texts, images = [], []
    for position, part in enumerate(content_parts(message.get("content"), f"{param}.content")):
        place = f"{param}.content[{position}]"
        match part["type"]:
            case "text" | "refusal" as kind:
                texts.append(part[kind])
            case "image_url":
                images.append(_image(part["image_url"], f"{place}.image_url", dropped))
            case "input_audio":
                images.append(part["input_audio"].get("data", ""))
            case kind:
                raise _unsupported(place, f"`{place}` is a `{kind}` part; Ollama takes none.")
    content: JSON = {"content": "\n".join(texts)}
    return {**content, "images": images} if images else content


def _image(image: str | JSON, param: str, dropped: list[str]) -> str:
    """The bare base64 of a data URI."""
    if isinstance(image, dict):
        if image.get("detail") not in (None, "auto"):
            dropped.append("messages[].content[].image_url.detail")
        image = str(image.get("url", ""))
    head, _, encoded = image.partition(",")
    if head[:5].lower() != "data:" or not head.lower().endswith(";base64"):
        raise RequestError(
            f"`{param}` is not a base64 data URI. Ollama fetches no images: send"
            " `data:image/png;base64,...`.",
            param=param,
            code="invalid_image_url",
        )
    return encoded


def _add_tools(body: JSON, request: JSON, dropped: list[str]) -> None:
    tools = request.get("tools") or []
    for position, tool in enumerate(tools):
        if tool.get("type", "function") != "function":
            param = f"tools[{position}].type"
            raise _unsupported(param, f"`{param}` is `{tool['type']}`; Ollama takes `function`.")
    offered, is_forced = _chosen_tools(tools, request.get("tool_choice"))
    if is_forced:
        dropped.append("tool_choice")
    if any(tool["function"].get("strict") for tool in offered):
        dropped.append("tools[].function.strict")
    if offered:
        body["tools"] = [_tool(tool) for tool in offered]


def _chosen_tools(tools: list[JSON], choice: object) -> tuple[list[JSON], bool]:
    """The tools to offer, and whether the choice asked for more than that can say.

    A call cannot be forced; offering only the named tools comes nearest.
    """
    match choice:
        case None | "auto":
            return tools, False
        case "none":
            return [], False
        case "required":
            return tools, True
        case {"type": "function", "function": {"name": str(name)}}:
            return named_tools(tools, [name]), True
        case {"type": "allowed_tools", "allowed_tools": {"tools": list(allowed), **rest}}:
            names = [name_of(tool) for tool in allowed]
            return named_tools(tools, names), rest.get("mode") == "required"
        case _:
            raise _unsupported("tool_choice", f"`tool_choice` is {choice!r}; it cannot be sent.")


def _tool(tool: JSON) -> JSON:
    function = {name: value for name, value in tool["function"].items() if name != "strict"}
    return {**tool, "type": "function", "function": function}


def _add_options(body: JSON, request: JSON, dropped: list[str]) -> None:
    """Sampling, below what the client put into `options` in Ollama's own words."""
    own = request.get("options", {})
    if not isinstance(own, dict):
        raise RequestError("`options` is not an object.", param="options", code="invalid_type")
    options: JSON = {}
    for name, option in _OPTIONS.items():
        if name not in request:
            continue
        if option in own:
            dropped.append(name)
        options[option] = request[name]
    if "max_tokens" in request and "max_completion_tokens" in request:
        dropped.append("max_tokens")
    if isinstance(options.get("stop"), str):
        options["stop"] = [options["stop"]]
    if options or own:
        body["options"] = {**options, **own}


def _format(response_format: JSON) -> JSON:
    match response_format:
        case {"type": "text"}:
            return {}
        case {"type": "json_schema", "json_schema": {"schema": dict(schema)}}:
            return {"format": schema}
        case {"type": "json_object"} | {"type": "json_schema", "json_schema": {}}:
            return {"format": "json"}
        case _:
            raise RequestError(
                f"`response_format.type` is {response_format.get('type')!r}; it must be `text`,"
                " `json_object` or `json_schema` with its `json_schema`.",
                param="response_format",
                code="invalid_value",
            )


def _think(effort: str, model: str) -> bool | str:
    if effort == "none":
        return False
    if effort not in _EFFORTS:
        raise RequestError(
            f"`reasoning_effort` is `{effort}`; it must be one of none, {', '.join(_EFFORTS)}.",
            param="reasoning_effort",
            code="invalid_value",
        )
    return _EFFORTS[effort] if _MODELS_WITH_LEVELS in model.lower() else True


def parse_response(call: Call, body: JSON) -> JSON:
    """The `chat.completion` of a plain answer.

    Raises:
        ResponseError: an error under status 200, or no whole answer.
    """
    _raise_reported_error(body)
    message = body.get("message")
    if not isinstance(message, dict) or body.get("done") is False:
        raise ResponseError("The provider's answer is not a whole chat message.")
    choice: JSON = {"index": 0, "message": _heard_message(message, call)}
    tokens = _tokens(body)
    if tokens:
        choice["logprobs"] = _logprobs(tokens)
    choice["finish_reason"] = _finish_reason(body, called="tool_calls" in choice["message"])
    completion = {
        "id": call.completion_id,
        "object": "chat.completion",
        "created": _created(body, call),
        "model": call.request["model"],
        "choices": [choice],
    }
    usage = _usage(body)
    return completion if usage is None else {**completion, "usage": usage}


def _heard_message(message: JSON, call: Call) -> JSON:
    heard: JSON = {"role": "assistant", "content": _text(message, "content")}
    if thinking := _text(message, "thinking"):
        heard["reasoning_content"] = thinking
    calls = [_heard_call(told, index, call) for index, told in enumerate(_told_calls(message))]
    return {**heard, "tool_calls": calls} if calls else heard


def _text(message: JSON, name: str) -> str:
    text = message.get(name) or ""
    if not isinstance(text, str):
        raise ResponseError(f"The provider's `{name}` is not a text.")
    return text


def _told_calls(message: JSON) -> list[JSON]:
    calls = message.get("tool_calls") or []
    if not isinstance(calls, list) or not all(
        isinstance(_get(told, "function"), dict) for told in calls
    ):
        raise ResponseError("The provider's `tool_calls` are not a list of function calls.")
    return calls


def _heard_call(told: JSON, index: int, call: Call) -> JSON:
    """An OpenAI tool call; old versions give no id."""
    function = told["function"]
    return {
        "id": told.get("id") or call.tool_call_id(index),
        "type": "function",
        "function": {
            "name": function.get("name") or "",
            "arguments": dumps(function.get("arguments") or {}).decode(),
        },
    }


def _tokens(body: JSON) -> list[JSON]:
    tokens = body.get("logprobs") or []
    if not isinstance(tokens, list) or not all(isinstance(token, dict) for token in tokens):
        raise ResponseError("The provider's `logprobs` are not a list of tokens.")
    return tokens


def _logprobs(tokens: list[JSON]) -> JSON:
    return {"content": [{"bytes": None, "top_logprobs": [], **token} for token in tokens]}


def _finish_reason(body: JSON, called: bool) -> str:
    told = body.get("done_reason")
    reason = FINISH_REASONS.get(told, "stop") if isinstance(told, str) else "stop"
    return "tool_calls" if called and reason == "stop" else reason


def _created(body: JSON, call: Call) -> int:
    """Unix seconds of `created_at`, which is RFC 3339 with up to nine decimals."""
    try:
        told = datetime.fromisoformat(body["created_at"])
    except (KeyError, TypeError, ValueError):
        return call.created
    return int((told if told.tzinfo else told.replace(tzinfo=UTC)).timestamp())


def _usage(body: JSON) -> JSON | None:
    """OpenAI usage; Ollama leaves a count out when it is 0, and both when it counted nothing."""
    prompt, completion = body.get("prompt_eval_count"), body.get("eval_count")
    if prompt is None and completion is None:
        return None
    prompt, completion = prompt or 0, completion or 0
    if not isinstance(prompt, int) or not isinstance(completion, int):
        return None
    return {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": prompt + completion,
    }


def parse_error(status: int, body: object) -> ErrorAnswer:
    """OpenAI's error from `{"error": "text"}`, which newer versions write as an object."""
    error = _get(body, "error")
    message = error if isinstance(error, str) else _get(error, "message")
    if not isinstance(message, str) or not message:
        return unreadable_error(status)
    is_unknown_model = status == 404 and "model" in message
    return error_for_status(status, message, code="model_not_found" if is_unknown_model else None)


def _raise_reported_error(body: JSON) -> None:
    """An error inside a 200; the hosted service tells the status it would have had."""
    if body.get("error"):
        status = body.get("StatusCode")
        raise ResponseError.reported(parse_error(status if isinstance(status, int) else 502, body))


def _get(value: object, name: str) -> Any:
    return value.get(name) if isinstance(value, dict) else None


class MessageStream:
    """Lines of one answer, each a whole object in the shape of the plain answer.

    Every line but the last is `done: false` and adds to the message; calls arrive whole, over
    any number of lines. The line with `done: true` may still add to it, and carries the finish
    and the counts. A line that holds neither `message` nor `done` is of a kind not known here
    and is passed over; the end of the body before `done` is an error.
    """

    def __init__(self, call: Call) -> None:
        self.finished = False
        self.room = Room()
        self._call = call
        self._created: int | None = None
        self._calls: Parts[JSON] = Parts(self.room)
        self._count = 0
        self._head: JSON = {}
        self._texts: dict[str, Pieces[str]] = {
            name: Pieces(self.room) for name in ("content", "thinking")
        }
        self._logprobs: Pieces[JSON] = Pieces(self.room)

    @property
    def answer(self) -> JSON:
        """The plain answer the lines amount to so far."""
        message: JSON = {
            name: "".join(texts)
            for name, texts in self._texts.items()
            if texts or name == "content"
        }
        if self._calls:
            message["tool_calls"] = list(self._calls)
        answer = {**self._head, "message": {"role": "assistant", **message}}
        return {**answer, "logprobs": list(self._logprobs)} if self._logprobs else answer

    def feed(self, event: Event) -> list[JSON]:
        """The chunks for one line."""
        line = parse_event(event)
        _raise_reported_error(line)
        if self.finished or not line.keys() & {"message", "done"}:
            return []
        return list(self._chunks(line))

    def close(self) -> list[JSON]:
        """Nothing is ever held back; only the end mark is looked for."""
        if not self.finished:
            raise ResponseError(
                "The provider's stream ended before the answer did.", code="upstream_stream_ended"
            )
        return []

    def _chunks(self, line: JSON) -> Iterator[JSON]:
        if self._created is None:
            self._created = _created(line, self._call)
            yield self._chunk({"role": "assistant", "content": ""})
        message = line.get("message")
        message = message if isinstance(message, dict) else {}
        yield from self._deltas(message, _tokens(line))
        created_at = self._head.get("created_at", line.get("created_at"))
        told = {key: line[key] for key in line if key not in {"message", "logprobs"}}
        take_in(self._head, told)
        self._head["created_at"] = created_at
        if line.get("done"):
            yield from self._end(line)

    def _deltas(self, message: JSON, logprobs: list[JSON]) -> Iterator[JSON]:
        thinking, content = _text(message, "thinking"), _text(message, "content")
        if thinking:
            self._texts["thinking"].append(thinking)
            yield self._chunk({"reasoning_content": thinking})
        if content or logprobs:
            self._texts["content"].append(content)
            self._logprobs.extend(logprobs)
            yield self._chunk({"content": content}, logprobs)
        for told in _told_calls(message):
            # A counter of our own: `function.index` starts anew in each line, or is missing.
            index, self._count = self._count, self._count + 1
            self._calls.append(told)
            heard = {"index": index, **_heard_call(told, index, self._call)}
            yield self._chunk({"tool_calls": [heard]})

    def _end(self, line: JSON) -> Iterator[JSON]:
        self.finished = True
        yield self._chunk({}, finish_reason=_finish_reason(line, called=self._count > 0))
        usage = _usage(line)
        if usage is not None:
            yield {**self._chunk({}), "choices": [], "usage": usage}

    def _chunk(
        self, delta: JSON, logprobs: list[JSON] | None = None, finish_reason: str | None = None
    ) -> JSON:
        choice: JSON = {"index": 0, "delta": delta, "finish_reason": finish_reason}
        if logprobs:
            choice["logprobs"] = _logprobs(logprobs)
        return {
            "id": self._call.completion_id,
            "object": "chat.completion.chunk",
            "created": self._created,
            "model": self._call.request["model"],
            "choices": [choice],
        }


PROVIDER = Provider(
    name="ollama",
    base_url="http://127.0.0.1:11434",
    key_variable="OLLAMA_API_KEY",
    decoder=NDJSONDecoder,
    build_request=build_request,
    parse_response=parse_response,
    parse_error=parse_error,
    open_stream=MessageStream,
    key_required=False,
    fetches={"image_url": WEB},
)
