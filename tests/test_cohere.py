"""Cohere's format, beyond what the table of providers asks of every case."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest
from pydantic import BaseModel, TypeAdapter

from tests.calls import USER, calls_of, tool
from tests.cases import STREAM, Case, feed_all, fold, params
from transforms.cohere import PROVIDER
from transforms.cohere.stream import MessageStream
from transforms.contract import Event
from transforms.errors import ResponseError

PLAIN_MODEL = "command-a-03-2025"
THINKING_MODEL = "command-a-reasoning-08-2025"

pytest.importorskip("cohere", reason="cohere's SDK cannot be had beside mitmproxy 11")

from cohere import ClientV2  # noqa: E402  # it may be missing
from cohere.types.chat_message_v2 import ChatMessageV2  # noqa: E402  # it may be missing
from cohere.types.response_format_v2 import ResponseFormatV2  # noqa: E402  # it may be missing
from cohere.types.thinking import Thinking  # noqa: E402  # it may be missing
from cohere.types.tool_v2 import ToolV2  # noqa: E402  # it may be missing
from cohere.v2.types.v2chat_response import V2ChatResponse  # noqa: E402  # it may be missing

BUILT = [case for case in params("provider_request.json") if case.id.startswith("cohere/")]
PLAIN = [
    case
    for case in params("provider_response.json", "response.json")
    if case.id.startswith("cohere/")
]
STREAMED = [case for case in params(STREAM, "response.json") if case.id.startswith("cohere/")]


call, built, refusal = calls_of(PROVIDER.build_request, PLAIN_MODEL)


def body(model: str = PLAIN_MODEL, **parameters: Any) -> dict[str, Any]:
    """What is sent beside model, messages and stream."""
    sent = built(model, **parameters).body
    return {key: sent[key] for key in sent if key not in {"model", "messages", "stream"}}


def messages(*given: dict[str, Any], model: str = PLAIN_MODEL) -> list[dict[str, Any]]:
    return built(model, messages=list(given)).body["messages"]


def tool_call(call_id: str = "c_1", arguments: str = "{}") -> dict[str, Any]:
    return {"id": call_id, "type": "function", "function": {"name": "f", "arguments": arguments}}


def result(call_id: str = "c_1", content: Any = "rain") -> dict[str, Any]:
    return {"role": "tool", "tool_call_id": call_id, "content": content}


def part(text: str) -> dict[str, Any]:
    return {"type": "text", "text": text}


# Beside the SDK

SENT_TYPES: dict[str, Any] = {
    "messages": list[ChatMessageV2],
    "tools": list[ToolV2],
    "response_format": ResponseFormatV2,
    "thinking": Thinking,
}


def unknown_fields(value: object) -> list[str]:
    """The fields, at any depth, that the SDK's types do not know."""
    if isinstance(value, list):
        return [name for each in value for name in unknown_fields(each)]
    if not isinstance(value, BaseModel):
        return []
    known = [name for each in dict(value).values() for name in unknown_fields(each)]
    return [*(value.model_extra or ()), *known]


@pytest.mark.parametrize("case", BUILT)
def test_request_is_valid_for_coheres_own_types(case: Case) -> None:
    sent = case.provider.build_request(case.call).body

    for name in SENT_TYPES.keys() & sent.keys():
        value = TypeAdapter(SENT_TYPES[name]).validate_python(sent[name])
        assert unknown_fields(value) == []


def sdk(status: int, content_type: str, content: bytes, seen: list[httpx.Request]) -> ClientV2:
    """The official client, whose every request is answered by this."""

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(status, headers={"content-type": content_type}, content=content)

    return ClientV2("key", httpx_client=httpx.Client(transport=httpx.MockTransport(answer)))


@pytest.mark.parametrize("case", PLAIN)
def test_sdk_sends_the_same_request_and_hears_the_same_answer(case: Case) -> None:
    sent = case.provider.build_request(case.call)
    answer = json.dumps(case.json("provider_response")).encode()
    seen: list[httpx.Request] = []
    arguments = {name: value for name, value in sent.body.items() if name != "stream"}

    heard = sdk(200, "application/json", answer, seen).chat(**arguments)

    assert (seen[0].method, seen[0].url.path) == ("POST", sent.path)
    assert str(seen[0].url).startswith(PROVIDER.base_url)
    assert json.loads(seen[0].content) == sent.body
    assert told(heard) == meant(case.json("response"))


@pytest.mark.parametrize("case", STREAMED)
def test_sdk_sends_the_same_request_and_hears_the_same_stream(case: Case) -> None:
    sent = case.provider.build_request(case.call)
    seen: list[httpx.Request] = []
    arguments = {name: value for name, value in sent.body.items() if name != "stream"}

    heard = accumulated(sdk(200, "text/event-stream", case.stream, seen).chat_stream(**arguments))

    assert json.loads(seen[0].content) == sent.body
    assert heard == meant(case.json("response"))


REASONS = {
    "COMPLETE": "stop",
    "STOP_SEQUENCE": "stop",
    "MAX_TOKENS": "length",
    "TOOL_CALL": "tool_calls",
}


def told(answer: V2ChatResponse) -> dict[str, Any]:
    """What an answer says, as the SDK reads it."""
    content = answer.message.content or []
    return {
        "text": "".join(each.text for each in content if each.type == "text"),
        "thought": "".join(each.thinking for each in content if each.type == "thinking")
        + (answer.message.tool_plan or ""),
        "calls": [
            (each.id, each.function.name, json.loads(each.function.arguments))
            for each in answer.message.tool_calls or []
        ],
        "finish": REASONS[answer.finish_reason],
        "tokens": (answer.usage.tokens.input_tokens, answer.usage.tokens.output_tokens),
        "cached": answer.usage.cached_tokens,
    }


def accumulated(events: Any) -> dict[str, Any]:
    """What a stream says, as the SDK reads its events; it has no accumulation of its own."""
    said: dict[str, Any] = {"text": "", "thought": "", "calls": []}
    for event in events:
        message = getattr(getattr(event, "delta", None), "message", None)
        match event.type:
            case "content-delta":
                said["text"] += message.content.text or ""
                said["thought"] += message.content.thinking or ""
            case "tool-plan-delta":
                said["thought"] += message.tool_plan
            case "tool-call-start":
                said["calls"].append([message.tool_calls.id, message.tool_calls.function.name, ""])
            case "tool-call-delta":
                said["calls"][-1][2] += message.tool_calls.function.arguments
            case "message-end":
                tokens = event.delta.usage.tokens
                said["finish"] = REASONS[event.delta.finish_reason]
                said["tokens"] = (tokens.input_tokens, tokens.output_tokens)
                said["cached"] = event.delta.usage.cached_tokens
    said["calls"] = [(*head, json.loads(text or "{}")) for *head, text in said["calls"]]
    return said


def meant(completion: dict[str, Any]) -> dict[str, Any]:
    """The same of a completion."""
    (choice,) = completion["choices"]
    message, usage = choice["message"], completion["usage"]
    return {
        "text": message["content"],
        "thought": message.get("reasoning_content", ""),
        "calls": [
            (each["id"], each["function"]["name"], json.loads(each["function"]["arguments"]))
            for each in message.get("tool_calls", [])
        ],
        "finish": choice["finish_reason"],
        "tokens": (usage["prompt_tokens"], usage["completion_tokens"]),
        "cached": usage.get("prompt_tokens_details", {}).get("cached_tokens"),
    }


# Parameters


@pytest.mark.parametrize(
    ("given", "sent", "dropped"),
    [
        pytest.param({"max_tokens": 5}, {"max_tokens": 5}, (), id="max_tokens"),
        pytest.param({"max_completion_tokens": 5}, {"max_tokens": 5}, (), id="completion tokens"),
        pytest.param(
            {"max_tokens": 4, "max_completion_tokens": 5},
            {"max_tokens": 5},
            ("max_tokens",),
            id="two limits",
        ),
        pytest.param({"temperature": 0.3, "seed": 7}, {"temperature": 0.3, "seed": 7}, (), id="as"),
        pytest.param({"top_k": 40}, {"k": 40}, (), id="top_k"),
        pytest.param({"top_p": 0.9}, {"p": 0.9}, (), id="top_p"),
        pytest.param({"top_p": 1}, {}, (), id="top_p of 1"),
        pytest.param({"top_p": 0.999}, {"p": 0.99}, ("top_p",), id="top_p too high"),
        pytest.param({"top_p": 0}, {"p": 0.01}, ("top_p",), id="top_p of 0"),
        pytest.param({"presence_penalty": 0.5}, {"presence_penalty": 0.5}, (), id="penalty"),
        pytest.param({"presence_penalty": 0}, {}, (), id="no penalty"),
        pytest.param(
            {"frequency_penalty": 2},
            {"frequency_penalty": 1},
            ("frequency_penalty",),
            id="penalty too high",
        ),
        pytest.param({"frequency_penalty": -1}, {}, ("frequency_penalty",), id="negative penalty"),
        pytest.param({"stop": "END"}, {"stop_sequences": ["END"]}, (), id="stop"),
        pytest.param({"stop": ["A", "B"]}, {"stop_sequences": ["A", "B"]}, (), id="stops"),
        pytest.param(
            {"logprobs": True, "top_logprobs": 3},
            {"logprobs": True},
            ("top_logprobs",),
            id="logprobs",
        ),
        pytest.param(
            {"logprobs": False, "n": 1, "store": False, "modalities": ["text"]}, {}, (), id="idle"
        ),
        pytest.param({"parallel_tool_calls": False}, {}, ("parallel_tool_calls",), id="parallel"),
        pytest.param({"user": "u", "min_p": 0.1}, {}, ("user", "min_p"), id="unknown"),
        pytest.param(
            {
                "documents": ["a"],
                "citation_options": {"mode": "FAST"},
                "safety_mode": "OFF",
                "priority": 1,
            },
            {
                "documents": ["a"],
                "citation_options": {"mode": "FAST"},
                "safety_mode": "OFF",
                "priority": 1,
            },
            (),
            id="own",
        ),
    ],
)
def test_parameter_maps(
    given: dict[str, Any], sent: dict[str, Any], dropped: tuple[str, ...]
) -> None:
    assert (body(**given), built(**given).dropped) == (sent, dropped)


@pytest.mark.parametrize(
    ("given", "param"),
    [
        pytest.param({"n": 2}, "n", id="choices"),
        pytest.param({"modalities": ["text", "audio"]}, "modalities", id="modalities"),
        pytest.param({"audio": {"voice": "alloy", "format": "wav"}}, "audio", id="audio"),
        pytest.param({"functions": [{"name": "f"}]}, "functions", id="functions"),
        pytest.param({"function_call": "auto"}, "function_call", id="function_call"),
        pytest.param({"web_search_options": {"search_context_size": "low"}}, "web_search_options"),
        pytest.param({"stop": list("abcdef")}, "stop", id="stops"),
        pytest.param({"reasoning_effort": "huge"}, "reasoning_effort", id="effort"),
        pytest.param({"response_format": {"type": "xml"}}, "response_format", id="format"),
        pytest.param(
            {"response_format": {"type": "json_object"}, "tools": [tool("f")]},
            "response_format",
            id="format beside tools",
        ),
        pytest.param(
            {"response_format": {"type": "json_object"}, "documents": ["a"]},
            "response_format",
            id="format beside documents",
        ),
        pytest.param({"tools": [{"type": "custom", "custom": {}}]}, "tools[0].type", id="custom"),
        pytest.param({"tool_choice": "required"}, "tool_choice", id="required without tools"),
        pytest.param(
            {"tools": [tool("f")], "tool_choice": tool("g")}, "tool_choice", id="unknown tool"
        ),
        pytest.param(
            {"tools": [tool("f")], "tool_choice": {"type": "custom"}}, "tool_choice", id="choice"
        ),
    ],
)
def test_parameter_is_refused(given: dict[str, Any], param: str) -> None:
    answer = refusal(**given)

    assert (answer.status, answer.param) == (400, param)


@pytest.mark.parametrize(
    ("model", "effort", "sent", "dropped"),
    [
        pytest.param(THINKING_MODEL, "high", {"thinking": {"type": "enabled"}}, (), id="high"),
        pytest.param(
            THINKING_MODEL,
            "low",
            {"thinking": {"type": "enabled", "token_budget": 2048}},
            (),
            id="low",
        ),
        pytest.param(THINKING_MODEL, "none", {"thinking": {"type": "disabled"}}, (), id="none"),
        pytest.param("command-z-2030", "high", {"thinking": {"type": "enabled"}}, (), id="new"),
        pytest.param(PLAIN_MODEL, "none", {}, (), id="never and none"),
        pytest.param(PLAIN_MODEL, "high", {}, ("reasoning_effort",), id="command-a"),
        pytest.param("command-r-plus-08-2024", "high", {}, ("reasoning_effort",), id="command-r"),
        pytest.param("command-r7b-12-2024", "high", {}, ("reasoning_effort",), id="command-r7b"),
        pytest.param("c4ai-aya-vision-32b", "high", {}, ("reasoning_effort",), id="aya"),
    ],
)
def test_effort_goes_to_models_that_think(
    model: str, effort: str, sent: dict[str, Any], dropped: tuple[str, ...]
) -> None:
    request = built(model, reasoning_effort=effort)

    assert (body(model, reasoning_effort=effort), request.dropped) == (sent, dropped)


def test_coheres_own_thinking_goes_before_effort() -> None:
    thinking = {"type": "enabled", "token_budget": 9}

    sent = built(THINKING_MODEL, thinking=thinking, reasoning_effort="low")

    assert (sent.body["thinking"], sent.dropped) == (thinking, ("reasoning_effort",))


SCHEMA = {"type": "object", "properties": {"a": {"$ref": "#/$defs/a"}}, "$defs": {"a": {}}}


@pytest.mark.parametrize(
    ("wanted", "sent"),
    [
        pytest.param({"type": "text"}, {}, id="text"),
        pytest.param(
            {"type": "json_object"}, {"response_format": {"type": "json_object"}}, id="object"
        ),
        pytest.param(
            {"type": "json_schema", "json_schema": {"name": "a"}},
            {"response_format": {"type": "json_object"}},
            id="no schema",
        ),
        pytest.param(
            {"type": "json_schema", "json_schema": {"name": "a", "strict": True, "schema": SCHEMA}},
            {"response_format": {"type": "json_object", "json_schema": SCHEMA}},
            id="schema",
        ),
    ],
)
def test_response_format_maps(wanted: dict[str, Any], sent: dict[str, Any]) -> None:
    assert body(response_format=wanted) == sent


# Tools

NO_PARAMETERS = {"type": "object", "properties": {}}


def sent_tool(name: str, **rest: Any) -> dict[str, Any]:
    return tool(name, **{"parameters": NO_PARAMETERS, **rest})


@pytest.mark.parametrize(
    ("choice", "sent"),
    [
        pytest.param(None, {"tools": [sent_tool("f"), sent_tool("g")]}, id="absent"),
        pytest.param("auto", {"tools": [sent_tool("f"), sent_tool("g")]}, id="auto"),
        pytest.param(
            "none",
            {"tools": [sent_tool("f"), sent_tool("g")], "tool_choice": "NONE"},
            id="none",
        ),
        pytest.param(
            "required",
            {"tools": [sent_tool("f"), sent_tool("g")], "tool_choice": "REQUIRED"},
            id="required",
        ),
        pytest.param(tool("g"), {"tools": [sent_tool("g")], "tool_choice": "REQUIRED"}, id="named"),
        pytest.param(
            {"type": "allowed_tools", "allowed_tools": {"mode": "auto", "tools": [tool("f")]}},
            {"tools": [sent_tool("f")]},
            id="allowed",
        ),
        pytest.param(
            {"type": "allowed_tools", "allowed_tools": {"mode": "required", "tools": [tool("f")]}},
            {"tools": [sent_tool("f")], "tool_choice": "REQUIRED"},
            id="allowed and required",
        ),
    ],
)
def test_tool_choice_maps(choice: Any, sent: dict[str, Any]) -> None:
    assert body(tools=[tool("f"), tool("g")], tool_choice=choice) == sent


@pytest.mark.parametrize("choice", ["auto", "none"])
def test_choice_without_tools_says_nothing(choice: str) -> None:
    assert body(tools=[], tool_choice=choice) == {}


def test_malformed_allowed_tool_is_refused() -> None:
    choice = {"type": "allowed_tools", "allowed_tools": {"mode": "auto", "tools": ["f"]}}

    assert refusal(tools=[tool("f")], tool_choice=choice).param == "tool_choice"


def test_tool_keeps_its_schema_whole() -> None:
    sent = body(tools=[tool("f", description="d", parameters=SCHEMA)])

    assert sent == {"tools": [tool("f", description="d", parameters=SCHEMA)]}


@pytest.mark.parametrize(
    ("strict", "sent", "dropped"),
    [
        pytest.param([True, True], True, (), id="all"),
        pytest.param([True, False], None, ("tools[].function.strict",), id="some"),
        pytest.param([False, None], None, (), id="none"),
    ],
)
def test_cohere_is_strict_with_all_tools_or_none(
    strict: list[Any], sent: bool | None, dropped: tuple[str, ...]
) -> None:
    tools = [tool(name, strict=each) for name, each in zip("fg", strict, strict=True)]

    request = built(tools=tools)

    assert (request.body.get("strict_tools"), request.dropped) == (sent, dropped)


def test_unknown_field_of_a_function_is_dropped_by_name() -> None:
    sent = built(tools=[tool("f", description=None, color="red")])

    assert sent.body["tools"] == [sent_tool("f")]
    assert sent.dropped == ("tools[].function.color",)


# Messages


def test_instructions_keep_their_places() -> None:
    given = [
        {"role": "developer", "content": "A"},
        USER,
        {"role": "system", "content": [part("B")]},
    ]

    assert messages(*given) == [
        {"role": "system", "content": "A"},
        USER,
        {"role": "system", "content": [part("B")]},
    ]


@pytest.mark.parametrize(
    "empty",
    [
        pytest.param({"role": "system", "content": ""}, id="system"),
        pytest.param({"role": "user", "content": [part("")]}, id="user"),
        pytest.param({"role": "assistant", "content": None}, id="assistant"),
    ],
)
def test_empty_message_is_left_out(empty: dict[str, Any]) -> None:
    assert messages(empty, USER) == [USER]


def test_messages_without_content_are_refused() -> None:
    assert refusal(messages=[{"role": "user", "content": ""}]).param == "messages"


@pytest.mark.parametrize(
    ("image", "sent"),
    [
        pytest.param("https://example.com/a.png", {"url": "https://example.com/a.png"}, id="bare"),
        pytest.param(
            {"url": "data:image/png;base64,iVBO", "detail": "low"},
            {"url": "data:image/png;base64,iVBO", "detail": "low"},
            id="data",
        ),
    ],
)
def test_image_is_sent(image: Any, sent: dict[str, Any]) -> None:
    given = {"role": "user", "content": [part("?"), {"type": "image_url", "image_url": image}]}

    assert messages(given) == [
        {"role": "user", "content": [part("?"), {"type": "image_url", "image_url": sent}]}
    ]


def test_unknown_detail_of_an_image_is_dropped_by_name() -> None:
    image = {"url": "https://example.com/a.png", "detail": "original"}

    sent = built(
        messages=[{"role": "user", "content": [{"type": "image_url", "image_url": image}]}]
    )

    assert sent.dropped == ("messages[].content[].image_url.detail",)


IMAGE = {"type": "image_url", "image_url": {"url": "https://example.com/a.png"}}
AUDIO = {"type": "input_audio", "input_audio": {"data": "", "format": "wav"}}
FILE = {"type": "file", "file": {"file_data": "data:application/pdf;base64,JVBE"}}
CALLING = {"role": "assistant", "content": None, "tool_calls": [tool_call()]}
CUSTOM = {"id": "c_1", "type": "custom", "custom": {"name": "f", "input": ""}}


@pytest.mark.parametrize(
    ("given", "param"),
    [
        pytest.param([{"role": "user", "content": [AUDIO]}], "messages[0].content[0]", id="audio"),
        pytest.param([{"role": "user", "content": [FILE]}], "messages[0].content[0]", id="file"),
        pytest.param(
            [{"role": "system", "content": [IMAGE]}], "messages[0].content[0]", id="image"
        ),
        pytest.param([CALLING, result(content=[IMAGE])], "messages[1].content[0]", id="result"),
        pytest.param(
            [{"role": "user", "content": [{"type": "image_url", "image_url": "file:///a.png"}]}],
            "messages[0].content[0].image_url.url",
            id="local image",
        ),
        pytest.param(
            [{"role": "function", "name": "f", "content": ""}], "messages[0].role", id="function"
        ),
        pytest.param(
            [{"role": "assistant", "content": None, "function_call": {"name": "f"}}],
            "messages[0].function_call",
            id="function_call",
        ),
        pytest.param(
            [{"role": "assistant", "tool_calls": [CUSTOM]}, result()],
            "messages[0].tool_calls[0].type",
            id="custom call",
        ),
    ],
)
def test_message_is_refused(given: list[dict[str, Any]], param: str) -> None:
    answer = refusal(messages=given)

    assert (answer.status, answer.param) == (400, param)


def test_name_of_a_participant_is_dropped_by_name() -> None:
    sent = built(messages=[{**USER, "name": "Ann"}])

    assert (sent.body["messages"], sent.dropped) == ([USER], ("messages[].name",))


@pytest.mark.parametrize(
    ("model", "said", "sent"),
    [
        pytest.param(PLAIN_MODEL, {"content": None}, {}, id="nothing said"),
        pytest.param(PLAIN_MODEL, {"content": "A"}, {"tool_plan": "A"}, id="text is the plan"),
        pytest.param(
            PLAIN_MODEL, {"content": [part("A"), part("B")]}, {"tool_plan": "AB"}, id="parts"
        ),
        pytest.param(
            PLAIN_MODEL,
            {"reasoning_content": "R"},
            {"tool_plan": "R"},
            id="plan of an earlier turn",
        ),
        pytest.param(
            THINKING_MODEL,
            {"content": "A", "reasoning": "R"},
            {"content": [{"type": "thinking", "thinking": "R\nA"}]},
            id="a model that thinks",
        ),
    ],
)
def test_no_text_stands_beside_calls(
    model: str, said: dict[str, Any], sent: dict[str, Any]
) -> None:
    given = {"role": "assistant", "tool_calls": [tool_call(arguments="")], **said}

    told, _ = messages(given, result(), model=model)

    assert told == {"role": "assistant", **sent, "tool_calls": [tool_call(arguments="{}")]}


@pytest.mark.parametrize(
    ("model", "said", "sent", "dropped"),
    [
        pytest.param(PLAIN_MODEL, {"content": "A"}, "A", (), id="text"),
        pytest.param(PLAIN_MODEL, {"content": None, "refusal": "No."}, "No.", (), id="refusal"),
        pytest.param(
            PLAIN_MODEL,
            {"content": "A", "reasoning": "R"},
            "A",
            ("messages[].reasoning",),
            id="thought for a model that does not think",
        ),
        pytest.param(
            THINKING_MODEL,
            {"content": "A", "reasoning_content": "R"},
            [{"type": "thinking", "thinking": "R"}, part("A")],
            (),
            id="thought",
        ),
        pytest.param(
            THINKING_MODEL,
            {"content": "", "reasoning_content": "R"},
            [{"type": "thinking", "thinking": "R"}],
            (),
            id="thought alone",
        ),
        pytest.param(
            THINKING_MODEL,
            {"content": [part("A")], "reasoning_content": "R", "citations": [], "annotations": []},
            [{"type": "thinking", "thinking": "R"}, part("A")],
            (),
            id="parts",
        ),
    ],
)
def test_assistant_message_maps(
    model: str, said: dict[str, Any], sent: Any, dropped: tuple[str, ...]
) -> None:
    request = built(model, messages=[{"role": "assistant", **said}, USER])

    assert request.body["messages"] == [{"role": "assistant", "content": sent}, USER]
    assert request.dropped == dropped


def test_results_come_in_the_order_of_their_calls() -> None:
    calls = [tool_call("c_1"), tool_call("c_2")]
    given = {"role": "assistant", "content": "", "tool_calls": calls}

    sent = messages(given, result("c_2", "two"), result("c_1", "one"))

    assert [told["content"] for told in sent[1:]] == ["one", "two"]


@pytest.mark.parametrize(
    ("content", "sent"),
    [
        pytest.param("rain", "rain", id="text"),
        pytest.param("", ".", id="empty"),
        pytest.param([part("")], ".", id="empty part"),
        pytest.param([part("rain")], [part("rain")], id="part"),
        pytest.param(
            [{"type": "document", "document": {"data": {"a": "b"}}}],
            [{"type": "document", "document": {"data": {"a": "b"}}}],
            id="document",
        ),
    ],
)
def test_result_is_never_empty(content: Any, sent: Any) -> None:
    assert messages(CALLING, result(content=content))[1] == result(content=sent)


# Answers


def answer(message: Any = None, **rest: Any) -> dict[str, Any]:
    return {"id": "u1", "finish_reason": "COMPLETE", "message": message or {}, **rest}


@pytest.mark.parametrize(
    ("reason", "message", "heard"),
    [
        pytest.param("COMPLETE", {}, "stop", id="complete"),
        pytest.param("COMPLETE", {"tool_calls": [tool_call()]}, "tool_calls", id="with calls"),
        pytest.param("TOOL_CALL", {}, "stop", id="call without calls"),
        pytest.param("STOP_SEQUENCE", {}, "stop", id="sequence"),
        pytest.param("TOOL_CALL", {"tool_calls": [tool_call()]}, "tool_calls", id="calls"),
        pytest.param("MAX_TOKENS", {}, "length", id="length"),
        pytest.param("MAX_TOKENS", {"tool_calls": [tool_call()]}, "length", id="length with calls"),
        pytest.param("ERROR_TOXIC", {}, "content_filter", id="toxic"),
        pytest.param("NEW", {}, "stop", id="unheard of"),
        pytest.param(None, {}, "stop", id="missing"),
    ],
)
def test_finish_reason_maps(reason: Any, message: dict[str, Any], heard: str) -> None:
    completion = PROVIDER.parse_response(call(), answer(message, finish_reason=reason))

    assert completion["choices"][0]["finish_reason"] == heard


@pytest.mark.parametrize(
    "usage",
    [
        pytest.param(None, id="none"),
        pytest.param({"billed_units": {"input_tokens": 1, "output_tokens": 1}}, id="billed"),
        pytest.param({"tokens": {"input_tokens": 1}}, id="half"),
        pytest.param({"tokens": {"input_tokens": True, "output_tokens": "1"}}, id="no numbers"),
    ],
)
def test_usage_is_not_invented(usage: Any) -> None:
    assert "usage" not in PROVIDER.parse_response(call(), answer(usage=usage))


def test_counts_that_do_not_fit_inside_the_whole_are_left_out() -> None:
    tokens = {"input_tokens": 2.0, "output_tokens": 3.0, "reasoning_tokens": 4.0}

    completion = PROVIDER.parse_response(
        call(), answer(usage={"tokens": tokens, "cached_tokens": 9.0})
    )

    assert completion["usage"] == {"prompt_tokens": 2, "completion_tokens": 3, "total_tokens": 5}


def test_missing_ids_are_made_from_the_completion() -> None:
    message = {"tool_calls": [{"function": {"name": "f"}}, {}]}

    completion = PROVIDER.parse_response(call(), {"finish_reason": "TOOL_CALL", "message": message})

    assert completion["id"] == "chatcmpl-fixture"
    assert completion["choices"][0]["message"]["tool_calls"] == [
        {**tool_call("call_fixture_0"), "function": {"name": "f", "arguments": "{}"}},
        {**tool_call("call_fixture_1"), "function": {"name": "", "arguments": "{}"}},
    ]


PAGE = {"type": "document", "document": {"url": "https://example.com", "title": ""}}


@pytest.mark.parametrize(
    ("citation", "places"),
    [
        pytest.param({"start": 0, "end": 1, "sources": [PAGE]}, [(0, 1)], id="without block"),
        pytest.param(
            {"start": 0, "end": 1, "content_index": 1, "sources": [PAGE]}, [(2, 3)], id="block"
        ),
        pytest.param(
            {"start": 0, "end": 1, "content_index": 9, "sources": [PAGE]}, [(0, 1)], id="no block"
        ),
        pytest.param({"start": 0, "sources": [PAGE]}, [], id="without end"),
        pytest.param({"start": 0, "end": 1, "type": "PLAN", "sources": [PAGE]}, [], id="plan"),
        pytest.param({"start": 0, "end": 1, "sources": [{"type": "tool"}]}, [], id="tool"),
    ],
)
def test_cited_page_is_an_annotation(
    citation: dict[str, Any], places: list[tuple[int, int]]
) -> None:
    message = {"content": [part("ab"), part("cd")], "citations": [citation]}

    heard = PROVIDER.parse_response(call(), answer(message))["choices"][0]["message"]

    url = "https://example.com"
    assert heard.get("annotations", []) == [
        {
            "type": "url_citation",
            "url_citation": {"url": url, "title": url, "start_index": start, "end_index": end},
        }
        for start, end in places
    ]
    assert heard["citations"] == [citation]


@pytest.mark.parametrize(
    ("told", "status", "message"),
    [
        pytest.param({"message": "no"}, 502, "no", id="an error"),
        pytest.param({}, 502, "The provider's answer has no `message`.", id="nothing"),
        pytest.param(
            answer(finish_reason="TIMEOUT"),
            504,
            "The provider ended the answer by `TIMEOUT`.",
            id="time-out",
        ),
    ],
)
def test_answer_that_is_none_raises(told: dict[str, Any], status: int, message: str) -> None:
    with pytest.raises(ResponseError) as caught:
        PROVIDER.parse_response(call(), told)

    assert (caught.value.answer().status, caught.value.answer().message) == (status, message)


@pytest.mark.parametrize(
    ("status", "told", "heard"),
    [
        pytest.param(400, {"message": "bad"}, (400, None), id="bad request"),
        pytest.param(400, {"message": "too many tokens: 9"}, (400, "context_length_exceeded")),
        pytest.param(401, {"message": "invalid api token"}, (401, "invalid_api_key"), id="key"),
        pytest.param(402, {"message": "pay"}, (429, "insufficient_quota"), id="money"),
        pytest.param(
            400,
            {"message": "bad", "error_type": "TOO_MANY_TOKENS"},
            (400, "context_length_exceeded"),
            id="prompt",
        ),
        pytest.param(403, {"message": "no"}, (403, "permission_denied"), id="no access"),
        pytest.param(404, {"message": "model 'x' not found"}, (404, "model_not_found"), id="model"),
        pytest.param(422, {"message": "bad"}, (400, None), id="unprocessable"),
        pytest.param(429, {"message": "slow"}, (429, "rate_limit_exceeded"), id="rate"),
        pytest.param(429, {"message": "1000 / month"}, (429, "insufficient_quota"), id="month"),
        pytest.param(498, {"message": "token"}, (401, "invalid_api_key"), id="token"),
        pytest.param(500, {"message": "oh"}, (500, None), id="failure"),
        pytest.param(501, {"message": "not done"}, (400, None), id="not implemented"),
        pytest.param(503, {"message": "later"}, (503, "overloaded"), id="overloaded"),
        pytest.param(504, {"message": "late"}, (504, "timeout"), id="time-out"),
    ],
)
def test_error_status_maps(
    status: int, told: dict[str, Any], heard: tuple[int, str | None]
) -> None:
    error = PROVIDER.parse_error(status, told)

    assert (error.status, error.code, error.message) == (*heard, told["message"])
    assert ("x-should-retry" in error.headers) is (error.code == "insufficient_quota")


def test_error_of_a_gateway_keeps_its_words() -> None:
    error = PROVIDER.parse_error(429, {"error": {"message": "Slow down.", "type": "busy"}})

    assert (error.status, error.code, error.message) == (429, "rate_limit_exceeded", "Slow down.")


# Streams

START = {"type": "message-start", "id": "u1"}
END = {"type": "message-end", "delta": {"finish_reason": "COMPLETE"}}


def event(body: dict[str, Any], name: str = "") -> Event:
    return Event(name, json.dumps(body).encode())


def message_event(kind: str, index: int | None = 0, **message: Any) -> dict[str, Any]:
    return {"type": kind, "index": index, "delta": {"message": message}}


def heard(*bodies: dict[str, Any]) -> dict[str, Any]:
    """The completion of a stream that begins and ends as it should."""
    stream = MessageStream(call(stream=True))
    return fold(feed_all(stream, [event(each) for each in (START, *bodies, END)]))


def test_kind_of_an_event_may_be_told_by_its_name() -> None:
    stream = MessageStream(call(stream=True))
    nameless = [event({"id": "u1"}, "message-start"), event({"delta": {}}, "message-end")]

    chunks = feed_all(stream, nameless)

    assert (len(chunks), stream.finished) == (2, True)


def test_calls_without_index_are_told_apart() -> None:
    first, second = tool_call("c_1", ""), tool_call("c_2", '{"a":')
    more = {"function": {"arguments": "1}"}}

    completion = heard(
        message_event("tool-call-start", None, tool_calls=first),
        message_event("tool-call-start", None, tool_calls=second),
        message_event("tool-call-delta", None, tool_calls=more),
        message_event("tool-call-delta", None, tool_calls={}),
    )

    assert completion["choices"][0]["message"]["tool_calls"] == [
        tool_call("c_1", "{}"),
        tool_call("c_2", '{"a":1}'),
    ]


def test_thought_and_text_of_one_index_are_kept_apart() -> None:
    stream = MessageStream(call(stream=True))
    bodies = [
        START,
        message_event("content-delta", content={"thinking": "R"}),
        message_event("content-delta", content={"text": "A"}),
        message_event("content-delta", content={"text": ""}),
        message_event("tool-plan-delta", tool_plan=""),
    ]

    feed_all(stream, [event(each) for each in bodies])

    content = [{"type": "thinking", "thinking": "R"}, part("A")]
    assert stream.answer == {"id": "u1", "message": {"role": "assistant", "content": content}}


def test_nothing_is_heard_after_the_end() -> None:
    stream = MessageStream(call(stream=True))
    feed_all(stream, [event(START), event(END)])

    assert stream.feed(event(START)) == []


def test_answer_is_empty_before_the_start() -> None:
    assert MessageStream(call(stream=True)).answer == {}


@pytest.mark.parametrize(
    "silent",
    [
        pytest.param({"type": "tool-call-end", "index": 4}, id="end of no call"),
        pytest.param({"type": "debug", "prompt": "p"}, id="debug"),
        pytest.param({"type": "citation-end", "index": 0}, id="end of a citation"),
        pytest.param({"type": "content-end", "index": 0}, id="end of content"),
        pytest.param({"type": "unheard-of", "delta": {"message": {"content": 1}}}, id="new"),
    ],
)
def test_event_that_adds_nothing_says_nothing(silent: dict[str, Any]) -> None:
    assert heard(silent) == heard()


@pytest.mark.parametrize(
    ("bodies", "message"),
    [
        pytest.param([END], "The provider sent `message-end` out of turn.", id="end first"),
        pytest.param([START, START], "The provider sent `message-start` out of turn.", id="twice"),
        pytest.param(
            [START, {"type": "content-delta"}],
            "The provider's event `content-delta` has no message.",
            id="no message",
        ),
        pytest.param(
            [START, message_event("tool-call-start", tool_calls=[tool_call()])],
            "The provider's event `tool-call-start` has no `tool_calls`.",
            id="a list",
        ),
        pytest.param(
            [START, message_event("tool-call-delta", tool_calls={})],
            "The provider went on with a call that it had not started.",
            id="unknown call",
        ),
        pytest.param([START, {"message": "boom"}], "boom", id="bare error"),
        pytest.param([START, {"type": "error", "message": "boom"}], "boom", id="error"),
        pytest.param(
            [START, {"type": "message-end", "delta": {"error": "boom"}}], "boom", id="failed end"
        ),
        pytest.param(
            [START, {"type": "message-end", "delta": {"error": {}, "finish_reason": "ERROR"}}],
            "The provider ended the answer by `ERROR`.",
            id="speechless end",
        ),
    ],
)
def test_broken_stream_raises(bodies: list[dict[str, Any]], message: str) -> None:
    stream = MessageStream(call(stream=True))

    with pytest.raises(ResponseError) as caught:
        feed_all(stream, [event(each) for each in bodies])

    assert caught.value.answer().message == message
    assert not stream.finished
