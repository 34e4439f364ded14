"""DashScope's doors, beyond what the table of providers asks of every case."""

from __future__ import annotations

import json
from typing import Any, get_type_hints

import pytest
import requests
from dashscope import Generation, MultiModalConversation
from dashscope.api_entities.dashscope_response import DashScopeAPIResponse
from pydantic import ConfigDict, TypeAdapter

from tests.calls import USER, calls_of, tool
from tests.cases import STREAM, Case, decode, feed_all, fold, params
from tests.upstream import Reply, Upstream, json_reply, stream_reply
from transforms.contract import Event, ProviderRequest
from transforms.dashscope import PROVIDER
from transforms.dashscope.framing import StatusDecoder
from transforms.dashscope.stream import FrameStream
from transforms.errors import ResponseError

COMPATIBLE = "https://dashscope.aliyuncs.com/compatible-mode/v1"
TEXT = "/services/aigc/text-generation/generation"
MULTIMODAL = "/services/aigc/multimodal-generation/generation"


call, built, refusal = calls_of(PROVIDER.build_request, "qwen-plus")


def sent(model: str = "qwen-plus", **parameters: Any) -> dict[str, Any]:
    """The parameters beside the result format, which is always the same."""
    told = dict(built(model, **parameters).body["parameters"])
    assert told.pop("result_format") == "message"
    return told


def messages(*given: dict[str, Any], model: str = "qwen-plus", **more: Any) -> list[dict[str, Any]]:
    return built(model, messages=list(given), **more).body["input"]["messages"]


def sent_tool(name: str) -> dict[str, Any]:
    parameters = {"type": "object", "properties": {}}
    return {"type": "function", "function": {"name": name, "parameters": parameters}}


# Beside the SDK, which knows the native door alone


def native(*roles: str) -> list[Any]:
    cases = [case for case in params(*roles) if case.id.startswith("dashscope/")]
    return [case for case in cases if "compatible-mode" not in case.values[0].call.base_url]


CUMULATIVE = "cumulative"
"""What the names of cases begin with in which frames repeat though they were asked not to."""

STREAMED = [
    case
    for case in native(STREAM, "response.json")
    # The SDK takes a name that is told again for more of the name.
    if case.id != "dashscope/streamed_parallel_tool_calls"
]


def asked_by_sdk(
    upstream: Upstream, sent: ProviderRequest, reply: Reply, merges: bool = True
) -> list[DashScopeAPIResponse]:
    """What the SDK hears to the same request, which it makes anew.

    Frames that it `merges`, as it does where whole ones are wanted, hold all there is so far.
    """
    service = MultiModalConversation if MULTIMODAL in sent.path else Generation
    asked = dict(sent.body["parameters"])
    streams = "X-DashScope-SSE" in sent.headers
    if streams:
        asked |= {"stream": True, "incremental_output": not merges}
    upstream.reply(reply)
    with requests.Session() as session:
        session.trust_env = False
        heard = service.call(
            model=sent.body["model"],
            messages=sent.body["input"]["messages"],
            api_key="key",
            base_address=f"{upstream.url}/api/v1",
            session=session,
            **asked,
        )
        return list(heard) if streams else [heard]


def check_same_request(upstream: Upstream, sent: ProviderRequest) -> None:
    (asked,) = upstream.received
    assert (asked.method, asked.path, asked.json) == ("POST", sent.path, sent.body)
    assert {name: asked.headers.get(name.lower()) for name in sent.headers} == sent.headers
    assert asked.headers["authorization"] == "Bearer key"


@pytest.mark.parametrize("case", native("provider_request.json"))
def test_parameters_have_the_types_of_the_sdk(case: Case) -> None:
    told = case.provider.build_request(case.call).body["parameters"]

    types = get_type_hints(Generation.call)
    strict = ConfigDict(strict=True)
    # One that the SDK has no name for goes through it as it is.
    for name in told.keys() & types.keys():
        TypeAdapter(types[name], config=strict).validate_python(told[name])
    assert told.keys() - types.keys() <= {"preserve_thinking"}


@pytest.mark.parametrize("case", native("provider_response.json", "response.json"))
def test_sdk_sends_the_same_request_and_hears_the_same_answer(
    case: Case, upstream: Upstream
) -> None:
    sent = case.provider.build_request(case.call)
    answer = json.dumps(case.json("provider_response")).encode()

    (heard,) = asked_by_sdk(upstream, sent, json_reply(answer))

    check_same_request(upstream, sent)
    assert told_by(heard) == meant(case.json("response"))


@pytest.mark.parametrize("case", STREAMED)
def test_sdk_sends_the_same_request_and_hears_the_same_stream(
    case: Case, upstream: Upstream
) -> None:
    sent = case.provider.build_request(case.call)
    merges = CUMULATIVE not in case.name

    heard = asked_by_sdk(upstream, sent, stream_reply([case.stream]), merges)

    check_same_request(upstream, sent)
    assert told_by(heard[-1]) == meant(case.json("response"))


@pytest.mark.parametrize("case", native("provider_request.json", "provider_error.json"))
def test_sdk_hears_the_same_error(case: Case, upstream: Upstream) -> None:
    sent, error = case.provider.build_request(case.call), case.json("provider_error")
    is_event = isinstance(error["body"], str)
    body = error["body"] if is_event else json.dumps(error["body"])
    content_type = "text/event-stream" if is_event else "application/json"
    reply = Reply([body.encode()], status=error["status"], content_type=content_type)

    heard = asked_by_sdk(upstream, sent, reply)[-1]

    check_same_request(upstream, sent)
    assert (heard.status_code, heard.message) == (
        error["status"],
        case.json("error")["body"]["error"]["message"],
    )


@pytest.mark.parametrize("case", [each for each in native(STREAM) if "stream_error" in each.id])
def test_sdk_hears_the_same_error_in_a_stream(case: Case, upstream: Upstream) -> None:
    error = case.json("error")
    sent = case.provider.build_request(case.call)

    heard = asked_by_sdk(upstream, sent, stream_reply([case.stream]))[-1]

    assert (heard.status_code, heard.message) == (
        error["status"],
        error["body"]["error"]["message"],
    )


def told_by(heard: DashScopeAPIResponse) -> dict[str, Any]:
    """What an answer says, as the SDK reads it."""
    output, usage = heard.output, heard.usage
    choices = output["choices"] or [{**output, "message": {"content": output["text"]}}]
    details = {**usage.get("input_tokens_details", {}), **usage.get("prompt_tokens_details", {})}
    return {
        "id": f"chatcmpl-{heard.request_id}",
        "choices": [told_choice(choice) for choice in choices],
        "tokens": (usage["input_tokens"], usage["output_tokens"]),
        "cached": details.get("cached_tokens"),
        "reasoning": usage.get("output_tokens_details", {}).get("reasoning_tokens"),
    }


def told_choice(choice: dict[str, Any]) -> dict[str, Any]:
    message = choice["message"]
    content, calls = message["content"], message.get("tool_calls", [])
    is_listed = isinstance(content, list)
    return {
        "text": "".join(part["text"] for part in content) if is_listed else content,
        "thought": message.get("reasoning_content", ""),
        "calls": [spoken(call) for call in calls],
        "finish": "tool_calls" if calls else choice["finish_reason"],
    }


def meant(completion: dict[str, Any]) -> dict[str, Any]:
    """The same of a completion."""
    usage = completion["usage"]
    return {
        "id": completion["id"],
        "choices": [meant_choice(choice) for choice in completion["choices"]],
        "tokens": (usage["prompt_tokens"], usage["completion_tokens"]),
        "cached": usage.get("prompt_tokens_details", {}).get("cached_tokens"),
        "reasoning": usage.get("completion_tokens_details", {}).get("reasoning_tokens"),
    }


def meant_choice(choice: dict[str, Any]) -> dict[str, Any]:
    message = choice["message"]
    return {
        "text": message["content"],
        "thought": message.get("reasoning_content", ""),
        "calls": [spoken(call) for call in message.get("tool_calls", [])],
        "finish": choice["finish_reason"],
    }


def spoken(call: dict[str, Any]) -> tuple[str, str, Any]:
    function = call["function"]
    return call["id"], function["name"], json.loads(function["arguments"] or "{}")


# Doors


@pytest.mark.parametrize(
    ("base_url", "path"),
    [
        pytest.param("", "/api/v1" + TEXT, id="none"),
        pytest.param("https://dashscope.aliyuncs.com", "/api/v1" + TEXT, id="host"),
        pytest.param("https://dashscope.aliyuncs.com/api/v1", TEXT, id="api"),
        pytest.param(COMPATIBLE, "/chat/completions", id="compatible"),
        pytest.param(COMPATIBLE.removesuffix("/v1"), "/v1/chat/completions", id="compatible host"),
    ],
)
def test_base_url_tells_the_door(base_url: str, path: str) -> None:
    assert built(base_url=base_url).path == path


@pytest.mark.parametrize(
    ("model", "path"),
    [
        ("qwen-vl-max", MULTIMODAL),
        ("qwen2.5-vl-72b-instruct", MULTIMODAL),
        ("qwen3-omni-flash", MULTIMODAL),
        ("qvq-max", MULTIMODAL),
        ("qwen3.5-plus", MULTIMODAL),
        ("qwen-max", TEXT),
        ("qwen3-235b-a22b", TEXT),
    ],
)
def test_model_tells_the_service(model: str, path: str) -> None:
    assert built(model).path == "/api/v1" + path


def test_compatible_door_streams_for_a_model_that_thinks() -> None:
    request = built("qwq-plus", COMPATIBLE, max_completion_tokens=5, top_k=3, user="u")

    assert request.body["stream"] is True
    assert request.body["stream_options"] == {"include_usage": True}
    assert (request.body["max_tokens"], request.body["top_k"]) == (5, 3)
    assert request.dropped == ("user",)


def test_compatible_door_takes_audio_by_address() -> None:
    audio = {"type": "input_audio", "input_audio": {"data": "AAAA", "format": "mp3"}}
    content = [audio, {"type": "text", "text": "?"}]

    request = built("qwen-omni", COMPATIBLE, messages=[{"role": "user", "content": content}])

    data = {"data": "data:audio/mp3;base64,AAAA", "format": "mp3"}
    assert request.body["messages"][0]["content"][0]["input_audio"] == data


# Parameters

EXTENSIONS = {
    "enable_thinking": True,
    "thinking_budget": 100,
    "preserve_thinking": True,
    "enable_search": True,
    "search_options": {"forced_search": True},
    "top_k": 20,
    "repetition_penalty": 1.1,
    "vl_high_resolution_images": True,
    "enable_code_interpreter": True,
    "translation_options": {"source_lang": "auto", "target_lang": "English"},
}


def test_parameters_of_dashscopes_own_are_carried() -> None:
    assert sent(**EXTENSIONS, stream=True) == {"incremental_output": True, **EXTENSIONS}


def test_compatible_door_has_parameters_of_dashscopes_own_beside_the_others() -> None:
    body = built("qwen-plus", COMPATIBLE, **EXTENSIONS, stream=True).body

    assert {name: body.get(name) for name in EXTENSIONS} == EXTENSIONS


@pytest.mark.parametrize("base_url", ["", COMPATIBLE], ids=["native", "compatible"])
def test_what_dashscope_does_not_know_is_named(base_url: str) -> None:
    unknown = {
        "user": "u",
        "metadata": {"a": "b"},
        "store": True,
        "service_tier": "flex",
        "prediction": {"type": "content", "content": "a"},
        "verbosity": "low",
        "logit_bias": {"1": 2},
        "frequency_penalty": 1,
    }

    request = built("qwen-plus", base_url, **unknown)

    assert sorted(request.dropped) == sorted(unknown)
    assert not unknown.keys() & {*request.body, *request.body.get("parameters", ())}


@pytest.mark.parametrize(
    ("given", "told", "dropped"),
    [
        pytest.param({"max_completion_tokens": 5}, {"max_tokens": 5}, (), id="limit"),
        pytest.param(
            {"max_tokens": 4, "max_completion_tokens": 5},
            {"max_tokens": 5},
            ("max_tokens",),
            id="two limits",
        ),
        pytest.param({"temperature": 2}, {"temperature": 1.99}, ("temperature",), id="hot"),
        pytest.param({"top_p": 0}, {"top_p": 0.001}, ("top_p",), id="top_p of 0"),
        pytest.param({"seed": 2**31 + 7}, {"seed": 7}, ("seed",), id="seed"),
        pytest.param(
            {"logprobs": True, "top_logprobs": 20},
            {"logprobs": True, "top_logprobs": 5},
            ("top_logprobs",),
            id="logprobs",
        ),
        pytest.param({"frequency_penalty": 1}, {}, ("frequency_penalty",), id="frequency"),
        pytest.param({"presence_penalty": 1}, {"presence_penalty": 1}, (), id="presence"),
        pytest.param({"stop": "END", "n": 3}, {"stop": "END", "n": 3}, (), id="as they are"),
        pytest.param({"user": "u", "min_p": 0.1}, {}, ("user", "min_p"), id="unknown"),
        pytest.param({"web_search_options": {}}, {"enable_search": True}, (), id="search"),
        pytest.param({"response_format": {"type": "text"}}, {}, (), id="text"),
        pytest.param(
            {"stream": True}, {"incremental_output": True}, (), id="a stream is never cumulative"
        ),
    ],
)
def test_parameter_maps(
    given: dict[str, Any], told: dict[str, Any], dropped: tuple[str, ...]
) -> None:
    assert (sent(**given), built(**given).dropped) == (told, dropped)


@pytest.mark.parametrize(
    ("given", "param"),
    [
        ({"n": 5}, "n"),
        ({"n": 2, "tools": [tool("f")]}, "n"),
        ({"modalities": ["text", "audio"]}, "modalities"),
        ({"audio": {"voice": "a"}}, "audio"),
        ({"functions": [{"name": "f"}]}, "functions"),
        ({"reasoning_effort": "huge"}, "reasoning_effort"),
        ({"response_format": {"type": "xml"}}, "response_format"),
        ({"tools": [{"type": "custom", "custom": {}}]}, "tools[0].type"),
        ({"tool_choice": "required"}, "tool_choice"),
        ({"tools": [tool("f")], "tool_choice": tool("g")}, "tool_choice"),
        ({"messages": [{"role": "function", "name": "f", "content": ""}]}, "messages[0].role"),
        (
            {"messages": [{"role": "assistant", "function_call": {"name": "f"}}]},
            "messages[0].function_call",
        ),
        (
            {"messages": [{"role": "user", "content": [{"type": "file", "file": {}}]}]},
            "messages[0].content[0]",
        ),
        (
            {"messages": [{"role": "assistant", "tool_calls": [{"id": "1", "type": "custom"}]}]},
            "messages[0].tool_calls[0].type",
        ),
    ],
)
def test_parameter_is_refused(given: dict[str, Any], param: str) -> None:
    answer = refusal(**given)

    assert (answer.status, answer.param) == (400, param)


@pytest.mark.parametrize(
    ("choice", "told", "names", "dropped"),
    [
        pytest.param("none", "none", "fg", (), id="none"),
        pytest.param("auto", None, "fg", (), id="auto"),
        pytest.param("required", "auto", "fg", ("tool_choice",), id="required of several"),
        pytest.param(tool("g"), tool("g"), "fg", (), id="named"),
        pytest.param(
            {"type": "allowed_tools", "allowed_tools": {"mode": "required", "tools": [tool("g")]}},
            tool("g"),
            "g",
            (),
            id="one allowed and required",
        ),
    ],
)
def test_tool_choice_maps(choice: Any, told: Any, names: str, dropped: tuple[str, ...]) -> None:
    request = built(tools=[tool("f"), tool("g")], tool_choice=choice)

    assert request.body["parameters"].get("tool_choice") == told
    assert request.body["parameters"]["tools"] == [sent_tool(name) for name in names]
    assert request.dropped == dropped


def test_parallel_calls_are_asked_for_as_openai_does() -> None:
    assert sent(tools=[tool("f")])["parallel_tool_calls"] is True
    assert sent(tools=[tool("f")], parallel_tool_calls=False)["parallel_tool_calls"] is False
    assert "parallel_tool_calls" not in sent(parallel_tool_calls=False)


# Thinking

OBJECT = {"response_format": {"type": "json_object"}}
SCHEMA = {"response_format": {"type": "json_schema", "json_schema": {"schema": {"type": "object"}}}}


@pytest.mark.parametrize(
    ("model", "given", "told", "dropped"),
    [
        ("qwen-plus", {"reasoning_effort": "none"}, {"enable_thinking": False}, ()),
        ("qwen-max", {"reasoning_effort": "high"}, {}, ("reasoning_effort",)),
        ("qwen-max", {"reasoning_effort": "none"}, {}, ()),
        ("qwq-plus", {"reasoning_effort": "low"}, {"incremental_output": True}, ()),
        (
            "qwen3-8b-thinking",
            {"reasoning_effort": "none"},
            {"incremental_output": True},
            ("reasoning_effort",),
        ),
        (
            "qwq-plus",
            {"enable_thinking": False},
            {"incremental_output": True},
            ("enable_thinking",),
        ),
        (
            "qwen-plus",
            {"enable_thinking": False, "reasoning_effort": "low"},
            {"enable_thinking": False},
            ("reasoning_effort",),
        ),
        ("qwq-plus", OBJECT, {"incremental_output": True}, ("response_format",)),
        ("qwen3-max-thinking", SCHEMA, {"incremental_output": True}, ("response_format",)),
        (
            "qwen-plus",
            {"enable_thinking": True, **SCHEMA},
            {"enable_thinking": False, **SCHEMA},
            ("enable_thinking",),
        ),
        ("qwen3-8b", {"stream": True}, {"incremental_output": True}, ()),
    ],
)
def test_thinking_is_settled(
    model: str, given: dict[str, Any], told: dict[str, Any], dropped: tuple[str, ...]
) -> None:
    assert (sent(model, **given), built(model, **given).dropped) == (told, dropped)


def test_demanded_call_is_left_to_a_model_that_always_thinks() -> None:
    request = built("qwq-plus", tools=[tool("f")], tool_choice="required")

    assert "tool_choice" not in request.body["parameters"]
    assert request.dropped == ("tool_choice",)


@pytest.mark.parametrize("text", ["Say json.", "Say it."])
def test_json_mode_speaks_of_json(text: str) -> None:
    told = messages({"role": "user", "content": text}, **OBJECT)

    assert "json" in json.dumps(told).lower()
    assert len(told) == (1 if "json" in text else 2)


# Messages


@pytest.mark.parametrize("base_url", ["", COMPATIBLE], ids=["native", "compatible"])
def test_instructions_come_first_and_as_one(base_url: str) -> None:
    body = built(
        "qwen-plus",
        base_url,
        messages=[
            {"role": "system", "content": "A"},
            USER,
            {"role": "developer", "content": [{"type": "text", "text": "B"}]},
        ],
    ).body

    told = body["messages"] if base_url else body["input"]["messages"]
    assert told == [{"role": "system", "content": "A\n\nB"}, USER]


def test_media_are_parts_with_one_member() -> None:
    content = [
        {"type": "input_audio", "input_audio": {"data": "https://a.b/c.wav"}},
        {"type": "video_url", "video_url": {"url": "oss://a/b.mp4", "fps": 2}},
        {"type": "video", "video": ["https://a.b/1.png", "https://a.b/2.png"]},
        {"type": "image_url", "image_url": "https://a.b/c.png"},
        {"type": "text", "text": "?"},
    ]

    request = built(messages=[{"role": "developer", "content": "S"}, {**USER, "content": content}])

    assert request.body["input"]["messages"] == [
        {"role": "system", "content": [{"text": "S"}]},
        {
            "role": "user",
            "content": [
                {"audio": "https://a.b/c.wav"},
                {"video": "oss://a/b.mp4"},
                {"video": ["https://a.b/1.png", "https://a.b/2.png"]},
                {"image": "https://a.b/c.png"},
                {"text": "?"},
            ],
        },
    ]
    assert request.path.endswith(MULTIMODAL)
    assert request.headers == {"X-DashScope-OssResourceResolve": "enable"}
    assert request.dropped == ("messages[].content[].video_url.fps",)


def test_frames_in_the_store_are_asked_to_be_read() -> None:
    content = [{"type": "video", "video": ["https://a.b/1.png", "oss://a/2.png"]}]

    request = built(messages=[{**USER, "content": content}])

    assert request.headers == {"X-DashScope-OssResourceResolve": "enable"}


@pytest.mark.parametrize(("model", "content"), [("qwen-plus", ""), ("qwen-vl-max", [])])
def test_call_without_text_has_empty_content(model: str, content: Any) -> None:
    calls = [{"id": "c", "type": "function", "function": {"name": "f", "arguments": ""}}]
    spoken = {"role": "assistant", "content": None, "tool_calls": calls, "reasoning": "R"}
    result = {"role": "tool", "tool_call_id": "c", "name": "f", "content": "rain"}

    told = messages(USER, spoken, result, model=model)

    function = {"name": "f", "arguments": "{}"}
    called = [{"id": "c", "type": "function", "function": function}]
    assert told[1] == {"role": "assistant", "content": content, "tool_calls": called}
    assert (told[2]["tool_call_id"], told[2]["name"]) == ("c", "f")


def test_beginning_of_an_answer_is_kept() -> None:
    begun = {"role": "assistant", "content": "I", "partial": True}

    assert messages(USER, begun)[1] == begun


# Answers


def answer(message: dict[str, Any], finish: str = "stop", **more: Any) -> dict[str, Any]:
    return {"output": {"choices": [{"message": message, "finish_reason": finish}]}, **more}


@pytest.mark.parametrize("body", [{}, {"output": {}}, {"output": None}])
def test_answer_without_choices_raises(body: dict[str, Any]) -> None:
    with pytest.raises(ResponseError, match=r"has no `output\.choices`"):
        PROVIDER.parse_response(call(), body)


def test_malformed_members_count_as_absent() -> None:
    usage = {
        "input_tokens": 5,
        "output_tokens": 2,
        "prompt_tokens_details": {"cached_tokens": 9},
        "output_tokens_details": {"reasoning_tokens": True},
    }
    body = answer({"content": [{"text": "A"}, 7], "tool_calls": [7]}, "eos", usage=usage)

    completion = PROVIDER.parse_response(call(), body)

    assert completion["id"] == "chatcmpl-fixture"
    assert completion["usage"] == {"prompt_tokens": 5, "completion_tokens": 2, "total_tokens": 7}
    choice = completion["choices"][0]
    assert choice["message"] == {"role": "assistant", "content": "A"}
    assert choice["finish_reason"] == "stop"


@pytest.mark.parametrize(
    ("finish", "alone", "with_calls"),
    [
        ("stop", "stop", "tool_calls"),
        ("tool_calls", "stop", "tool_calls"),
        ("length", "length", "length"),
        ("content_filter", "content_filter", "content_filter"),
        ("unheard_of", "stop", "tool_calls"),
    ],
)
def test_finish_reason_maps(finish: str, alone: str, with_calls: str) -> None:
    calling = {"content": "", "tool_calls": [{"id": "c", **tool("f")}]}

    for message, told in (({"content": "A"}, alone), (calling, with_calls)):
        completion = PROVIDER.parse_response(call(), answer(message, finish))
        assert completion["choices"][0]["finish_reason"] == told


def test_usage_that_counts_nothing_is_left_out() -> None:
    assert "usage" not in PROVIDER.parse_response(call(), answer({}, "length", usage={}))


CODES = [
    (400, "InvalidParameter", (400, None)),
    (400, "invalid_parameter_error", (400, None)),
    (400, "InvalidURL", (400, None)),
    (400, "DataInspectionFailed", (400, "content_policy_violation")),
    (400, "data_inspection_failed", (400, "content_policy_violation")),
    (400, "Arrearage", (429, "insufficient_quota")),
    (401, "InvalidApiKey", (401, "invalid_api_key")),
    (401, "invalid_api_key", (401, "invalid_api_key")),
    (403, "AccessDenied", (403, "permission_denied")),
    (403, "Model.AccessDenied", (403, "permission_denied")),
    (403, "access_denied", (403, "permission_denied")),
    (403, "AllocationQuota.FreeTierOnly", (429, "insufficient_quota")),
    (404, "ModelNotFound", (404, "model_not_found")),
    (404, "model_not_found", (404, "model_not_found")),
    (408, "RequestTimeOut", (504, "timeout")),
    (429, "Throttling", (429, "rate_limit_exceeded")),
    (429, "Throttling.RateQuota", (429, "rate_limit_exceeded")),
    (429, "Throttling.BurstRate", (429, "rate_limit_exceeded")),
    (429, "LimitRequests", (429, "rate_limit_exceeded")),
    (429, "limit_requests", (429, "rate_limit_exceeded")),
    (429, "Throttling.AllocationQuota", (429, "insufficient_quota")),
    (429, "insufficient_quota", (429, "insufficient_quota")),
    (500, "InternalError", (500, None)),
    (500, "InternalError.Algo", (500, None)),
    (500, "internal_server_error", (500, None)),
    (503, "ModelUnavailable", (503, "overloaded")),
    (503, "ModelServingError", (503, "overloaded")),
]


@pytest.mark.parametrize("wrapped", [False, True], ids=["native", "compatible"])
@pytest.mark.parametrize(("status", "code", "heard"), CODES)
def test_error_code_maps(
    status: int, code: str, heard: tuple[int, str | None], wrapped: bool
) -> None:
    told: dict[str, Any] = {"code": code, "message": "欠费"}
    body = {"error": {**told, "type": code, "param": None}} if wrapped else told

    error = PROVIDER.parse_error(status, {**body, "request_id": "q"})

    assert (error.status, error.code, error.message) == (*heard, "欠费")
    assert ("x-should-retry" in error.headers) is (heard[1] == "insufficient_quota")


@pytest.mark.parametrize(("status", "code", "heard"), CODES)
def test_error_code_tells_the_status_where_nothing_else_does(
    status: int, code: str, heard: tuple[int, str | None]
) -> None:
    stream = FrameStream(call(stream=True))

    with pytest.raises(ResponseError) as caught:
        stream.feed(event({"code": code, "message": "M"}, "error"))

    assert (caught.value.answer().status, caught.value.answer().code) == heard


@pytest.mark.parametrize(
    ("status", "message", "heard"),
    [
        (400, "Range of input length should be [1, 98304]", (400, "context_length_exceeded")),
        (413, "Too large.", (413, "request_too_large")),
    ],
)
def test_error_is_told_by_its_words_or_status(
    status: int, message: str, heard: tuple[int, str | None]
) -> None:
    error = PROVIDER.parse_error(status, {"code": "", "message": message})

    assert (error.status, error.code) == heard


def test_error_event_that_is_not_json_is_unreadable() -> None:
    error = PROVIDER.parse_error(500, "event:error\ndata:<html>\n\n")

    assert error.message == "The provider answered HTTP 500 without an error message."


# Streams


def event(body: dict[str, Any], name: str = "result") -> Event:
    return Event(name, json.dumps(body).encode())


def heard(*bodies: dict[str, Any]) -> dict[str, Any]:
    stream = FrameStream(call(stream=True))
    chunks = feed_all(stream, [event(body) for body in bodies])
    return fold(chunks + stream.close())["choices"][0]


@pytest.mark.parametrize("told", [":HTTP_STATUS/{}", ": HTTP_STATUS/{}", "status:{}", "status: {}"])
def test_status_of_an_event_is_told_by_a_line_of_its_own(told: str) -> None:
    fine, bad = told.format(200), told.format(429)
    body = f"event:result\n{fine}\ndata:{{}}\n\nevent:error\n{bad}\ndata:{{}}\n\ndata:{{}}\n\n"

    assert decode(PROVIDER, [body.encode()]) == [
        Event("result", b"{}"),
        Event("error/429", b"{}"),
        Event("", b"{}"),
    ]


def test_event_cut_off_by_the_end_keeps_its_status() -> None:
    decoder = StatusDecoder()

    assert decoder.feed(b":HTTP_STATUS/400\ndata:{}") == []
    assert decoder.close() == [Event("error/400", b"{}")]


@pytest.mark.parametrize(
    ("name", "body", "status"),
    [
        ("error/403", {"code": "Odd", "message": "M"}, 403),
        ("error", {"code": "Odd", "message": "M"}, 502),
        ("", {"code": "Odd", "message": "M", "status_code": 503}, 503),
    ],
)
def test_error_event_raises_with_its_status(name: str, body: dict[str, Any], status: int) -> None:
    stream = FrameStream(call(stream=True))

    with pytest.raises(ResponseError) as caught:
        stream.feed(event(body, name))

    assert (caught.value.answer().status, caught.value.answer().message) == (status, "M")


def test_thought_of_several_choices_is_added_up() -> None:
    stream = FrameStream(call(stream=True, n=2))
    for index in (0, 1):
        choice = {"index": index, "message": {"content": "A"}, "finish_reason": "stop"}
        usage = {
            "input_tokens": 5,
            "output_tokens": 3,
            "output_tokens_details": {"reasoning_tokens": 2},
        }
        assert stream.feed(event({"output": {"choices": [choice]}, "usage": usage}))
    (*_, last) = stream.close()

    assert last["usage"] == {
        "prompt_tokens": 5,
        "completion_tokens": 6,
        "total_tokens": 11,
        "completion_tokens_details": {"reasoning_tokens": 4},
    }


def test_null_as_a_word_is_no_finish() -> None:
    stream = FrameStream(call(stream=True))
    stream.feed(event(answer({"content": "A"}, "null")))

    with pytest.raises(ResponseError, match="ended before"):
        stream.close()


def test_call_without_arguments_and_id_takes_an_empty_object() -> None:
    call_told = {"type": "function", "function": {"name": "f"}}

    choice = heard(answer({"content": "", "tool_calls": [call_told]}))

    function = {"name": "f", "arguments": "{}"}
    made = [{"id": "call_fixture_0", "type": "function", "function": function}]
    assert choice["message"]["tool_calls"] == made


def test_repeated_whole_at_the_finish_is_told_once() -> None:
    told = [answer({"content": "Yes."}, "null"), answer({"content": "Yes."})]

    assert heard(*told)["message"]["content"] == "Yes."


def test_field_that_shrinks_in_repeating_frames_says_nothing() -> None:
    texts = [("R", ""), ("Re", ""), ("Rea", "A"), ("R", "A."), ("", "A.")]
    told = [answer({"reasoning_content": r, "content": c}, "null") for r, c in texts]

    message = heard(*told, answer({"content": "A."}))["message"]

    assert (message["reasoning_content"], message["content"]) == ("Rea", "A.")


def test_held_frames_are_told_in_order_beside_other_choices() -> None:
    frames = [answer({"content": text}, "null") for text in ("a", "ab")]
    other = {"output": {"choices": [{"index": 1, "message": {"content": "x"}}]}}

    assert (
        heard(
            *frames,
            other,
            answer({"content": ""}),
            {"output": {"choices": [{"index": 1, "message": {}, "finish_reason": "stop"}]}},
        )["message"]["content"]
        == "aab"
    )


def test_nothing_is_heard_after_the_end() -> None:
    stream = FrameStream(call(stream=True))
    assert stream.answer == {}
    assert stream.feed(Event("", b"[DONE]")) == []
    stream.feed(event(answer({"content": "A"})))
    stream.close()

    assert (stream.feed(event(answer({"content": "B"}))), stream.close()) == ([], [])
