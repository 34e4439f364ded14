"""Ollama's own chat API, streamed as newline-delimited JSON.

Endpoint: `POST /api/chat`, on the local server and on ollama.com. The server's OpenAI layer is
not used, because it ignores `options` and `keep_alive`.

Source: ollama/ollama, docs/api.md and api/types.go (2026-09); types of the ollama client 0.6.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

from transforms.beside import ENFORCED, unknown_members
from transforms.chat_request import (
    NEUTRAL,
    REFUSED,
    content_parts,
    drop_beside_call,
    drop_beside_content,
    drop_unknown,
    refuse,
    saying_something,
    unknown_parameters,
)
from transforms.contract import JSON, WEB, Call, ErrorAnswer, Event, Provider, ProviderRequest
from transforms.errors import (
    RequestError,
    ResponseError,
    error_for_status,
    unreadable_error,
    unsupported,
)
from transforms.framing import NDJSONDecoder, parse_event
from transforms.json_text import dumps
from transforms.media import is_data_url, split_data_url
from transforms.room import Parts, Pieces, Room, take_in
from transforms.tools import arguments_object, name_of, named_tools, order_results
from transforms.values import count, member

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

_PENALTIES = ("presence_penalty", "frequency_penalty")

_NEUTRAL: JSON = {name: value for name, value in NEUTRAL.items() if name not in _PENALTIES}
"""Values that ask for what happens anyway. A penalty of 0 does not, since a model may come with one
of its own."""

_REFUSED = {
    **{name: reason for name, reason in REFUSED.items() if name != "audio"},
    "web_search_options": "does not search the web",
}
"""Parameters whose absence would change what the client gets. Whoever wants to hear the answer says
so in `modalities`."""

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

_ASSISTANT_FIELDS = frozenset(
    {"role", "content", "refusal", "reasoning_content", "reasoning", "tool_calls"}
)


def build_request(call: Call) -> ProviderRequest:
    """The body of `/api/chat`; parameters outside OpenAI's that Ollama knows are carried too.

    Drops: what only tunes and has no counterpart, `tool_choice` where it forces a call, names
    of participants, the detail of images, `strict` of tools.

    Raises:
        RequestError: a parameter, part or tool that Ollama cannot do.
    """
    request = saying_something(call.request, _NEUTRAL)
    refuse(request, _REFUSED, "Ollama")
    dropped = unknown_parameters(request, _MAPPED)
    # What else is in a tool is passed on with it.
    tools = {name for tool in request.get("tools", ()) for name in tool}
    dropped += unknown_members(request, schema=ENFORCED, tool=tools)
    # The server streams unless it is told not to.
    body: JSON = {"model": call.model, "messages": [], "stream": call.streams}
    body["messages"] = _messages(request["messages"], dropped)
    _add_tools(body, request, dropped)
    _add_options(body, request, dropped)
    if "response_format" in request:
        body.update(_format(request["response_format"]))
    body.update(_think(request, call.model, dropped))
    body.update({name: request[name] for name in _TOP_LEVEL if name in request})
    return ProviderRequest("/api/chat", body, dropped=tuple(dict.fromkeys(dropped)))


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
        order_results(mapped, calls)
        mapped.append(_message(message, param, dropped))
        called = message.get("tool_calls") or ()
        calls = [told["id"] for told in called]
        names |= {told["id"]: told["function"]["name"] for told in called}
    order_results(mapped, calls)
    return mapped


def _message(message: JSON, param: str, dropped: list[str]) -> JSON:
    role = message["role"]
    if role == "assistant":
        return _assistant_message(message, param, dropped)
    if role not in _ROLES:
        raise unsupported(f"{param}.role", f"is `{role}`; send `tool` messages")
    drop_unknown(message, {"role", "content"}, "messages[]", dropped)
    return {"role": _ROLES[role], **_content(message, param, dropped)}


def _assistant_message(message: JSON, param: str, dropped: list[str]) -> JSON:
    if message.get("function_call"):
        raise unsupported(f"{param}.function_call", "is legacy; send `tool_calls`")
    drop_unknown(message, _ASSISTANT_FIELDS, "messages[]", dropped)
    mapped = {"role": "assistant", **_content(message, param, dropped)}
    mapped["content"] = mapped["content"] or message.get("refusal") or ""
    thinking = message.get("reasoning_content") or message.get("reasoning")
    if isinstance(thinking, str):
        mapped["thinking"] = thinking
    calls = [
        _sent_call(told, f"{param}.tool_calls[{index}]", dropped)
        for index, told in enumerate(message.get("tool_calls") or ())
    ]
    return {**mapped, "tool_calls": calls} if calls else mapped


def _tool_message(message: JSON, names: dict[str, str], param: str, dropped: list[str]) -> JSON:
    drop_unknown(message, {"role", "content", "tool_call_id"}, "messages[]", dropped)
    return {
        "role": "tool",
        **_content(message, param, dropped),
        "tool_name": names[message["tool_call_id"]],
        "tool_call_id": message["tool_call_id"],
    }


def _sent_call(told: JSON, param: str, dropped: list[str]) -> JSON:
    if told.get("type", "function") != "function":
        raise unsupported(f"{param}.type", f"is `{told['type']}`, not `function`")
    drop_beside_call(told, dropped)
    function = {"name": told["function"]["name"], "arguments": arguments_object(told, param)}
    return {"id": told["id"], "function": function}


def _content(message: JSON, param: str, dropped: list[str]) -> JSON:
    """`content`, and `images` where there are any; audio travels among the images."""
    texts, images = [], []
    for position, part in enumerate(content_parts(message.get("content"), f"{param}.content")):
        place = f"{param}.content[{position}]"
        drop_beside_content(part, dropped)
        match part["type"]:
            case "text" | "refusal" as kind:
                texts.append(part[kind])
            case "image_url":
                images.append(_image(part["image_url"], f"{place}.image_url", dropped))
            case "input_audio":
                images.append(_sound(part["input_audio"], f"{place}.input_audio.data", dropped))
            case kind:
                raise unsupported(place, f"is a `{kind}` part; Ollama takes none")
    content: JSON = {"content": "\n".join(texts)}
    return {**content, "images": images} if images else content


def _image(image: str | JSON, param: str, dropped: list[str]) -> str:
    """The bare base64 of a data URL."""
    if isinstance(image, dict):
        # A `detail` of `auto` is what happens anyway.
        known = {"url", "detail"} if image.get("detail") == "auto" else {"url"}
        drop_unknown(image, known, "messages[].content[].image_url", dropped)
        image = str(image.get("url", ""))
    if not is_data_url(image) or not image.partition(",")[0].lower().endswith(";base64"):
        raise RequestError(
            f"`{param}` is not a base64 data URL. Ollama fetches no images: send"
            " `data:image/png;base64,...`.",
            param=param,
            code="invalid_image_url",
        )
    return split_data_url(image, param)[1]


def _sound(audio: JSON, param: str, dropped: list[str]) -> str:
    """The base64 of a sound, whose format its bytes tell."""
    drop_unknown(audio, {"data", "format"}, "messages[].content[].input_audio", dropped)
    encoded = audio.get("data")
    if not isinstance(encoded, str) or not encoded:
        raise RequestError(
            f"`{param}` must be base64 text.", param=param, code="missing_required_parameter"
        )
    return encoded


def _add_tools(body: JSON, request: JSON, dropped: list[str]) -> None:
    tools = request.get("tools") or []
    for position, tool in enumerate(tools):
        if tool.get("type", "function") != "function":
            param = f"tools[{position}].type"
            raise unsupported(param, f"is `{tool['type']}`; Ollama takes `function`")
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
            raise unsupported("tool_choice", f"is {choice!r}; it cannot be sent")


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
    limit = request.get("max_completion_tokens")
    if limit is not None and request.get("max_tokens", limit) != limit:
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


def _think(request: JSON, model: str, dropped: list[str]) -> JSON:
    """`think` for a `reasoning_effort`; what the client says in Ollama's own word goes first.

    Drops: an effort in place of which another is sent.
    """
    effort = request.get("reasoning_effort", "none")
    if effort not in ("none", *_EFFORTS):
        raise RequestError(
            f"`reasoning_effort` is `{effort}`; it must be one of none, {', '.join(_EFFORTS)}.",
            param="reasoning_effort",
            code="invalid_value",
        )
    if "reasoning_effort" not in request:
        return {}
    has_levels = _MODELS_WITH_LEVELS in model.lower()
    think = effort != "none" and (_EFFORTS[effort] if has_levels else True)
    if think not in (True, False, effort) or request.get("think", think) != think:
        dropped.append("reasoning_effort")
    return {"think": think}


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
        isinstance(member(told, "function"), dict) for told in calls
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
    prompt, completion = count(body.get("prompt_eval_count")), count(body.get("eval_count"))
    if prompt is None and completion is None:
        return None
    prompt, completion = prompt or 0, completion or 0
    return {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": prompt + completion,
    }


def parse_error(status: int, body: object) -> ErrorAnswer:
    """OpenAI's error from `{"error": "text"}`, which newer versions write as an object."""
    error = member(body, "error")
    message = error if isinstance(error, str) else member(error, "message")
    if not isinstance(message, str) or not message:
        return unreadable_error(status)
    is_unknown_model = status == 404 and "model" in message
    return error_for_status(status, message, code="model_not_found" if is_unknown_model else None)


def _raise_reported_error(body: JSON) -> None:
    """An error inside a 200; the hosted service tells the status it would have had."""
    if body.get("error"):
        status = body.get("StatusCode")
        raise ResponseError.reported(parse_error(status if isinstance(status, int) else 502, body))


class MessageStream:
    """Lines of one answer, each a whole object in the shape of the plain answer.

    Every line but the last is `done: false` and adds to the message; calls arrive whole, over
    any number of lines. The line with `done: true` may still add to it, and carries the finish
    and the counts. A line that holds neither `message` nor `done` is of a kind not known here
    and is passed over; the end of the body before `done` is an error.
    """

    usage = None
    """Told with the end alone."""

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
    turns="messages",
)
