"""Gemini's own format, beyond the recorded cases."""

from __future__ import annotations

import base64
import json
from itertools import pairwise
from typing import Any

import pytest
from google.genai import types
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.calls import USER, calls_of, result, tool, tool_call
from tests.cases import STREAM, Case, decode, feed_all, fold, params, run_stream
from transforms import gemini, vertex
from transforms.contract import Event, Unsigned
from transforms.errors import RequestError, ResponseError
from transforms.gemini.framing import AnswerDecoder

PNG = base64.b64encode(b"\x89PNG\r\n\x1a\n" + bytes(8)).decode()
WEBP = base64.b64encode(b"RIFF\x00\x00\x00\x00WEBPVP8 ").decode()
PDF = base64.b64encode(b"%PDF-1.7 and so on").decode()

OURS = ("gemini/", "vertex/")
NUMBERED = {"gemini/numbered_finish", "gemini/streamed_array_of_numbers"}
"""Cases whose reasons are numbers, which the SDK does not ask for."""

SDK_LACKS_REASONS = pytest.mark.filterwarnings("ignore:.* is not a valid")
"""The SDK that Python 3.11 can have is older than some of the reasons."""


def ours(*roles: str) -> list[Any]:
    return [case for case in params(*roles) if case.id.startswith(OURS)]


call, built, refusal = calls_of(gemini.PROVIDER.build_request, "gemini-2.5-flash")


def config(model: str = "gemini-2.5-flash", **parameters: Any) -> dict[str, Any]:
    return built(model, **parameters).body.get("generationConfig", {})


def contents(*messages: dict[str, Any], model: str = "gemini-2.5-flash") -> list[dict[str, Any]]:
    return built(model, messages=list(messages)).body["contents"]


def user_parts(*parts: dict[str, Any], model: str = "gemini-2.5-flash") -> list[dict[str, Any]]:
    (content,) = contents({"role": "user", "content": list(parts)}, model=model)
    return content["parts"]


def signed(signature: object) -> dict[str, Any]:
    return {"extra_content": {"google": {"thought_signature": signature}}}


# Requests


@pytest.mark.parametrize("case", ours("provider_request.json"))
def test_request_is_valid_for_googles_own_types(case: Case) -> None:
    """The types forbid members they do not know."""
    sent = dict(case.provider.build_request(case.call).body)

    for content in [*sent.pop("contents"), sent.pop("systemInstruction", {})]:
        types.Content.model_validate(content)
    for each in sent.pop("tools", []):
        types.Tool.model_validate(each)
    types.ToolConfig.model_validate(sent.pop("toolConfig", {}))
    types.GenerationConfig.model_validate(sent.pop("generationConfig", {}))
    types.ServiceTier(sent.pop("serviceTier", "standard"))
    assert sent.keys() <= {"cachedContent", "safetySettings"}


@pytest.mark.parametrize(
    ("model", "stream", "path"),
    [
        ("gemini-2.5-flash", False, "/v1beta/models/gemini-2.5-flash:generateContent"),
        ("models/gemini-x", None, "/v1beta/models/gemini-x:generateContent"),
        ("google/gemini-x", True, "/v1beta/models/gemini-x:streamGenerateContent?alt=sse"),
        ("a@001", False, "/v1beta/models/a@001:generateContent"),
        ("../{HOME}:b?c", False, "/v1beta/models/..%2F%7BHOME%7D%3Ab%3Fc:generateContent"),
    ],
)
def test_model_and_method_are_in_the_path(model: str, stream: bool | None, path: str) -> None:
    sent = built(model, stream=stream)

    assert (sent.path, [*sent.body]) == (path, ["contents"])


PROJECT = "/v1beta1/projects/{GOOGLE_CLOUD_PROJECT}/locations/"


@pytest.mark.parametrize(
    ("base_url", "root"),
    [
        ("", f"{PROJECT}{{GOOGLE_CLOUD_LOCATION:global}}/publishers/google"),
        (
            "https://aiplatform.googleapis.com",
            f"{PROJECT}{{GOOGLE_CLOUD_LOCATION:global}}/publishers/google",
        ),
        (
            "https://europe-west1-aiplatform.googleapis.com/",
            f"{PROJECT}europe-west1/publishers/google",
        ),
        ("https://aiplatform.eu.rep.googleapis.com", f"{PROJECT}eu/publishers/google"),
        ("https://aiplatform.googleapis.com/v1/publishers/google/", ""),
    ],
    ids=["not told", "global", "a region", "several regions", "express"],
)
def test_vertex_has_its_models_below_project_and_location(base_url: str, root: str) -> None:
    sent = vertex.PROVIDER.build_request(call(base_url=base_url))

    assert sent.path == f"{root}/models/gemini-2.5-flash:generateContent"


def unsigned() -> Unsigned:
    return Unsigned("POST", "https://aiplatform.googleapis.com/", {"a": "b"}, b"{}", 1700000000)


def test_express_mode_takes_a_key_in_a_header() -> None:
    assert vertex.PROVIDER.sign is not None
    headers = vertex.PROVIDER.sign(unsigned(), {"GOOGLE_API_KEY": "k"})

    assert headers == {"a": "b", "x-goog-api-key": "k"}


def test_missing_credentials_name_both_variables() -> None:
    assert vertex.PROVIDER.sign is not None
    with pytest.raises(RequestError) as caught:
        vertex.PROVIDER.sign(unsigned(), {})

    answer = caught.value.answer()
    assert (answer.status, answer.code) == (401, "invalid_api_key")
    assert "`GOOGLE_OAUTH_ACCESS_TOKEN`" in answer.message
    assert "`GOOGLE_API_KEY`" in answer.message


def test_sampling_goes_into_the_generation_config() -> None:
    assert config(
        max_completion_tokens=77,
        temperature=0,
        top_p=0.9,
        top_k=40,
        n=2,
        stop="END",
        seed=7,
        presence_penalty=-2,
        frequency_penalty=0.5,
        logprobs=True,
        top_logprobs=2,
    ) == {
        "maxOutputTokens": 77,
        "temperature": 0,
        "topP": 0.9,
        "topK": 40,
        "seed": 7,
        "candidateCount": 2,
        "stopSequences": ["END"],
        "presencePenalty": -2,
        "frequencyPenalty": 0.5,
        "responseLogprobs": True,
        "logprobs": 2,
    }


def test_values_that_ask_for_nothing_are_not_sent() -> None:
    sent = built(n=1, logprobs=False, top_logprobs=0, modalities=["text"], service_tier="auto")

    assert (sent.dropped, [*sent.body]) == ((), ["contents"])


CHANGED = {
    "older limit": ({"max_tokens": 1, "max_completion_tokens": 2}, {"maxOutputTokens": 2}),
    "seed": ({"seed": 2**31 + 5}, {"seed": 5}),
    "presence_penalty": ({"presence_penalty": 2}, {"presencePenalty": 1.99}),
    "top_logprobs": ({"top_logprobs": 3}, {}),
    "one call at a time": ({"parallel_tool_calls": False}, {}),
    "logit_bias": ({"logit_bias": {"1": 2}}, {}),
}


@pytest.mark.parametrize(("parameters", "sent"), CHANGED.values(), ids=CHANGED)
def test_what_is_changed_is_named(parameters: dict[str, Any], sent: dict[str, Any]) -> None:
    assert config(**parameters) == sent
    assert built(**parameters).dropped == (next(iter(parameters)),)


OUT_OF_RANGE = {
    "limit": ({"max_tokens": 0}, "max_tokens"),
    "newer limit": ({"max_completion_tokens": 0}, "max_completion_tokens"),
    "no choice": ({"n": 0}, "n"),
    "many choices": ({"n": 9}, "n"),
    "stops": ({"stop": list("abcdef")}, "stop"),
    "effort": ({"reasoning_effort": "utmost"}, "reasoning_effort"),
}


@pytest.mark.parametrize(("parameters", "param"), OUT_OF_RANGE.values(), ids=OUT_OF_RANGE)
def test_value_out_of_range_is_refused(parameters: dict[str, Any], param: str) -> None:
    answer = refusal(**parameters)

    assert (answer.status, answer.param, answer.code) == (400, param, "invalid_value")


@pytest.mark.parametrize(
    ("tier", "sent", "dropped"),
    [
        ("default", "standard", ()),
        ("flex", "flex", ()),
        ("fast", "priority", ()),
        ("scale", None, ("service_tier",)),
    ],
)
def test_service_tier_is_googles_word(
    tier: str, sent: str | None, dropped: tuple[str, ...]
) -> None:
    request = built(service_tier=tier)

    assert (request.body.get("serviceTier"), request.dropped) == (sent, dropped)


THINKING = {
    "2.5 flash off": ("gemini-2.5-flash", "none", {"thinkingBudget": 0}),
    "2.5 pro least": ("gemini-2.5-pro", "none", {"thinkingBudget": 128}),
    "2.5 minimal": ("gemini-2.5-flash", "minimal", {"thinkingBudget": 1024}),
    "2.5 low": ("gemini-2.5-pro", "low", {"thinkingBudget": 1024}),
    "2.5 flash max": ("gemini-2.5-flash", "max", {"thinkingBudget": 24_576}),
    "2.5 medium": ("gemini-2.5-flash-lite", "medium", {"thinkingBudget": 8192}),
    "2.5 high": ("gemini-2.5-pro", "high", {"thinkingBudget": 24_576}),
    "2.5 pro max": ("gemini-2.5-pro", "max", {"thinkingBudget": 32_768}),
    "3 flash least": ("gemini-3-flash-preview", "none", {"thinkingLevel": "MINIMAL"}),
    "3 flash minimal": ("gemini-3.5-flash", "minimal", {"thinkingLevel": "MINIMAL"}),
    "3 pro minimal": ("gemini-3-pro-preview", "minimal", {"thinkingLevel": "LOW"}),
    "3.1 pro minimal": ("gemini-3.1-pro-preview", "minimal", {"thinkingLevel": "LOW"}),
    "3.7 flash minimal": ("gemini-3.7-flash", "minimal", {"thinkingLevel": "LOW"}),
    "3 low": ("gemini-3-flash-preview", "low", {"thinkingLevel": "LOW"}),
    "3 high": ("gemini-3.1-pro-preview", "high", {"thinkingLevel": "HIGH"}),
    "3 medium": ("gemini-3.1-pro-preview", "medium", {"thinkingLevel": "MEDIUM"}),
    "unknown xhigh": ("gemini-9-ultra", "xhigh", {"thinkingLevel": "HIGH"}),
    "unknown none": ("gemini-9-ultra", "none", {"thinkingLevel": "LOW"}),
}


@pytest.mark.parametrize(("model", "effort", "sent"), THINKING.values(), ids=THINKING)
def test_effort_is_a_budget_or_a_level(model: str, effort: str, sent: dict[str, Any]) -> None:
    shown = {} if effort == "none" else {"includeThoughts": True}

    assert config(model, reasoning_effort=effort) == {"thinkingConfig": {**sent, **shown}}


@pytest.mark.parametrize(
    ("model", "effort", "is_named"),
    [
        ("gemini-3-pro", "none", True),
        ("gemini-3-pro", "minimal", True),
        ("gemini-3-pro", "high", False),
        ("gemini-3-pro", "max", True),
        ("gemini-3-flash", "minimal", False),
        ("gemini-2.5-pro", "none", True),
        ("gemini-2.5-flash", "none", False),
    ],
)
def test_effort_in_place_of_which_another_is_sent_is_named(
    model: str, effort: str, is_named: bool
) -> None:
    sent = built(model, reasoning_effort=effort)

    assert sent.dropped == (("reasoning_effort",) if is_named else ())


@pytest.mark.parametrize(("effort", "dropped"), [("none", ()), ("low", ("reasoning_effort",))])
def test_model_that_does_not_think_gets_no_effort(effort: str, dropped: tuple[str, ...]) -> None:
    sent = built("gemini-2.0-flash", reasoning_effort=effort)

    assert ([*sent.body], sent.dropped) == (["contents"], dropped)


def test_googles_own_members_of_extra_body_are_carried() -> None:
    own = {
        "thinking_config": {"thinking_budget": 800, "include_thoughts": True},
        "safetySettings": [{"category": "HARM_CATEGORY_HARASSMENT", "threshold": "OFF"}],
        "thought_tag_marker": "t",
    }
    sent = built(extra_body={"google": own, "x": 1}, reasoning_effort="low")

    assert sent.body["generationConfig"] == {"thinkingConfig": own["thinking_config"]}
    assert sent.body["safetySettings"] == own["safetySettings"]
    assert sent.dropped == (
        "extra_body.x",
        "extra_body.google.thought_tag_marker",
        "reasoning_effort",
    )


@pytest.mark.parametrize("extra", [{"google": 7}, {"x": 1}, "a"])
def test_other_extra_body_is_dropped(extra: object) -> None:
    assert built(extra_body=extra).dropped == ("extra_body",)


def test_cached_beginning_stands_for_instructions_and_tools() -> None:
    sent = built(
        messages=[{"role": "system", "content": "Be brief."}, USER],
        tools=[tool("f")],
        tool_choice="auto",
        extra_body={"google": {"cached_content": "cachedContents/a"}},
    )

    assert sent.body == {
        "contents": [{"role": "user", "parts": [{"text": "Hello"}]}],
        "cachedContent": "cachedContents/a",
    }
    assert sent.dropped == ("messages[].content", "tools", "tool_choice")


SCHEMA = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "type": "object",
    "properties": {"title": {"$ref": "#/$defs/t"}, "default": {"const": 1}},
    "$defs": {"t": {"type": ["string", "null"]}},
}
SENT_SCHEMA = {name: SCHEMA[name] for name in ("type", "properties", "$defs")}


@pytest.mark.parametrize(
    ("response_format", "sent"),
    [
        ({"type": "text"}, {}),
        ({"type": "json_object"}, {"responseMimeType": "application/json"}),
        (
            {"type": "json_schema", "json_schema": {"name": "a"}},
            {"responseMimeType": "application/json"},
        ),
        (
            {"type": "json_schema", "json_schema": {"name": "a", "schema": SCHEMA}},
            {"responseMimeType": "application/json", "responseJsonSchema": SENT_SCHEMA},
        ),
    ],
    ids=["text", "JSON mode", "no schema", "schema"],
)
def test_response_format_is_type_and_schema(
    response_format: dict[str, Any], sent: dict[str, Any]
) -> None:
    assert config(response_format=response_format) == sent


@pytest.mark.parametrize("response_format", [{}, {"type": "grammar"}, {"type": "json_schema"}])
def test_unknown_response_format_is_refused(response_format: dict[str, Any]) -> None:
    assert refusal(response_format=response_format).param == "response_format"


def test_schema_beside_tools_needs_generation_3() -> None:
    parameters = {"tools": [tool("f")], "response_format": {"type": "json_object"}}

    assert refusal("gemini-2.5-pro", **parameters).param == "response_format"
    assert config("gemini-3-pro-preview", **parameters) == {"responseMimeType": "application/json"}


def test_functions_are_declared_in_one_entry_with_their_schemas_whole() -> None:
    sent = built(
        tools=[tool("f", description="d", parameters=SCHEMA, strict=True), tool("g", strict=False)]
    )

    declared = [
        {"name": "f", "description": "d", "parametersJsonSchema": SENT_SCHEMA},
        {"name": "g"},
    ]
    assert sent.body["tools"] == [{"functionDeclarations": declared}]
    assert sent.dropped == ("tools[].function.strict",)


@pytest.mark.parametrize(
    ("schema", "is_sent"),
    [
        (None, False),
        ({}, False),
        ({"type": "object", "properties": {}, "additionalProperties": False}, False),
        ({"type": "object", "additionalProperties": {"type": "string"}}, True),
        ({"type": "object", "required": ["a"]}, True),
        ({"anyOf": [{"type": "object"}]}, True),
    ],
    ids=["none", "empty", "nothing", "anything", "required", "union"],
)
def test_function_without_arguments_has_no_schema(
    schema: dict[str, Any] | None, is_sent: bool
) -> None:
    (sent,) = built(tools=[tool("f", parameters=schema)]).body["tools"]

    assert ("parametersJsonSchema" in sent["functionDeclarations"][0]) is is_sent


def allowed(mode: str, *names: str) -> dict[str, Any]:
    tools = [{"type": "function", "function": {"name": name}} for name in names]
    return {"type": "allowed_tools", "allowed_tools": {"mode": mode, "tools": tools}}


CHOICES = {
    "none told": (None, ["f", "g"], None),
    "auto": ("auto", ["f", "g"], {"mode": "AUTO"}),
    "none": ("none", ["f", "g"], {"mode": "NONE"}),
    "required": ("required", ["f", "g"], {"mode": "ANY"}),
    "named": (tool("g"), ["f", "g"], {"mode": "ANY", "allowedFunctionNames": ["g"]}),
    "some allowed": (allowed("auto", "g"), ["g"], {"mode": "AUTO"}),
    "some required": (
        allowed("required", "g"),
        ["f", "g"],
        {"mode": "ANY", "allowedFunctionNames": ["g"]},
    ),
}


@pytest.mark.parametrize(("choice", "names", "sent"), CHOICES.values(), ids=CHOICES)
def test_tool_choice_is_a_mode(choice: object, names: list[str], sent: object) -> None:
    body = built(tools=[tool("f"), tool("g")], tool_choice=choice).body

    assert [each["name"] for each in body["tools"][0]["functionDeclarations"]] == names
    assert body.get("toolConfig", {}).get("functionCallingConfig") == sent


@pytest.mark.parametrize("choice", [None, "auto", "none"])
def test_choice_without_tools_is_not_sent(choice: str | None) -> None:
    assert [*built(tools=[], tool_choice=choice).body] == ["contents"]


BAD_CHOICES = {
    "nothing to choose": ({"tool_choice": "required"}, "`tools` is empty"),
    "unknown name": ({"tools": [tool("f")], "tool_choice": tool("g")}, "`g`, which is not in"),
    "unknown allowed": ({"tools": [tool("f")], "tool_choice": allowed("auto", "g")}, "`g`"),
    "none allowed": ({"tools": [tool("f")], "tool_choice": allowed("auto")}, "none of `tools`"),
    "nameless": (
        {
            "tools": [tool("f")],
            "tool_choice": {
                "type": "allowed_tools",
                "allowed_tools": {"tools": [7, {"function": 7}]},
            },
        },
        "`None`",
    ),
    "custom": ({"tools": [tool("f")], "tool_choice": {"type": "custom"}}, "must be none, auto"),
}


@pytest.mark.parametrize(("parameters", "why"), BAD_CHOICES.values(), ids=BAD_CHOICES)
def test_choice_that_cannot_be_made_is_refused(parameters: dict[str, Any], why: str) -> None:
    answer = refusal(**parameters)

    assert (answer.param, answer.code) == ("tool_choice", "invalid_value")
    assert why in answer.message


def test_search_is_googles() -> None:
    sent = built(web_search_options={"search_context_size": "low", "user_location": None})

    assert sent.body["tools"] == [{"googleSearch": {}}]
    assert sent.dropped == ("web_search_options.search_context_size",)


REFUSED = {
    "audio": ({"audio": {"voice": "alloy"}}, "audio"),
    "audio answer": ({"modalities": ["text", "audio"]}, "modalities"),
    "audio alone": ({"modalities": "audio"}, "modalities"),
    "functions": ({"functions": [{"name": "f"}]}, "functions"),
    "function_call": ({"function_call": "auto"}, "function_call"),
    "search and tools": (
        {"tools": [tool("f")], "web_search_options": {}},
        "web_search_options",
    ),
    "legacy result": (
        {"messages": [{"role": "function", "name": "f", "content": "7"}]},
        "messages[0].role",
    ),
    "legacy call": (
        {"messages": [{"role": "assistant", "function_call": {"name": "f"}}]},
        "messages[0].function_call",
    ),
}


@pytest.mark.parametrize(("parameters", "param"), REFUSED.values(), ids=REFUSED)
def test_what_gemini_cannot_do_is_refused(parameters: dict[str, Any], param: str) -> None:
    answer = refusal(**parameters)

    assert (answer.status, answer.param, answer.code) == (400, param, "unsupported_parameter")


BAD_MESSAGES = {
    "custom tool": ({"tools": [{"type": "custom", "custom": {}}]}, "tools[0].type"),
    "custom call": (
        {"messages": [{"role": "assistant", "tool_calls": [{"id": "a", "type": "custom"}]}]},
        "messages[0].tool_calls[0].type",
    ),
    "said audio": (
        {"messages": [{"role": "assistant", "audio": {"id": "a"}}]},
        "messages[0].audio",
    ),
    "video": (
        {"messages": [{"role": "user", "content": [{"type": "video_url", "video_url": {}}]}]},
        "messages[0].content[0]",
    ),
    "image in instructions": (
        {"messages": [{"role": "system", "content": [{"type": "image_url", "image_url": "a"}]}]},
        "messages[0].content[0]",
    ),
    "nothing": ({"messages": [{"role": "user", "content": ""}]}, "messages"),
}


@pytest.mark.parametrize(("parameters", "param"), BAD_MESSAGES.values(), ids=BAD_MESSAGES)
def test_message_that_cannot_be_said_is_refused(parameters: dict[str, Any], param: str) -> None:
    answer = refusal(**parameters)

    assert (answer.status, answer.param) == (400, param)


@pytest.mark.parametrize("text", ["{", "[]", "7", "null"])
def test_arguments_that_are_no_object_are_refused(text: str) -> None:
    answer = refusal(messages=[{"role": "assistant", "tool_calls": [tool_call("a", "f", text)]}])

    assert answer.param == "messages[0].tool_calls[0].function.arguments"
    assert "`a`" in answer.message


# Messages


def test_instructions_are_hoisted_in_their_order() -> None:
    sent = built(
        messages=[
            {"role": "system", "content": "a"},
            USER,
            {"role": "developer", "content": [{"type": "text", "text": "b"}]},
        ]
    )

    assert sent.body == {
        "systemInstruction": {"parts": [{"text": "a"}, {"text": "b"}]},
        "contents": [{"role": "user", "parts": [{"text": "Hello"}]}],
    }


def test_last_instruction_is_said_by_the_user_where_nobody_else_speaks() -> None:
    sent = built(messages=[{"role": "system", "content": text} for text in "ab"])

    assert sent.body == {
        "systemInstruction": {"parts": [{"text": "a"}]},
        "contents": [{"role": "user", "parts": [{"text": "b"}]}],
    }


def test_conversation_begins_with_the_user() -> None:
    assert contents({"role": "assistant", "content": "Hi"}, USER) == [
        {"role": "user", "parts": [{"text": "."}]},
        {"role": "model", "parts": [{"text": "Hi"}]},
        {"role": "user", "parts": [{"text": "Hello"}]},
    ]


def test_empty_texts_and_messages_are_left_out() -> None:
    empty = {"role": "assistant", "content": "", **signed("s")}
    parts = [{"type": "text", "text": text} for text in ("", "a")]

    assert contents(USER, empty, {"role": "user", "content": parts}) == [
        {"role": "user", "parts": [{"text": "Hello"}]},
        {"role": "user", "parts": [{"text": "a"}]},
    ]


def test_neighbouring_assistant_messages_are_one_turn() -> None:
    """A turn of calls must follow the user or results."""
    refused = {"role": "assistant", "content": None, "refusal": "No."}
    calling = {"role": "assistant", "content": "", "tool_calls": [tool_call("a", "f")]}

    assert contents(USER, refused, calling, result("a", "1"))[1] == {
        "role": "model",
        "parts": [{"text": "No."}, {"functionCall": {"id": "a", "name": "f", "args": {}}}],
    }


def test_results_are_one_content_in_the_order_of_the_calls() -> None:
    calls = [tool_call("a", "f", ""), tool_call("b", "g", '{"x": 1}')]
    sent = contents(
        USER,
        {"role": "assistant", "tool_calls": calls},
        result("b", '{"y": 2}'),
        result("a", "1"),
        USER,
    )

    assert sent[1:] == [
        {
            "role": "model",
            "parts": [
                {"functionCall": {"id": "a", "name": "f", "args": {}}},
                {"functionCall": {"id": "b", "name": "g", "args": {"x": 1}}},
            ],
        },
        {
            "role": "user",
            "parts": [
                {"functionResponse": {"id": "a", "name": "f", "response": {"output": "1"}}},
                {"functionResponse": {"id": "b", "name": "g", "response": {"y": 2}}},
            ],
        },
        {"role": "user", "parts": [{"text": "Hello"}]},
    ]


RESULTS = {
    "text": ("sunny", {}, {"output": "sunny"}),
    "empty": ("", {}, {"output": ""}),
    "array": ("[1]", {}, {"output": "[1]"}),
    "object": ('{"a": 1}', {}, {"a": 1}),
    "parts": ([{"type": "text", "text": text} for text in "ab"], {}, {"output": "a\nb"}),
    "failure": ('{"a": 1}', {"is_error": True}, {"error": '{"a": 1}'}),
    "lone surrogate": ("\ud83d", {}, {"output": "\ud83d"}),
}


@pytest.mark.parametrize(("content", "rest", "response"), RESULTS.values(), ids=RESULTS)
def test_result_is_an_object(content: object, rest: dict[str, Any], response: object) -> None:
    calling = {"role": "assistant", "tool_calls": [tool_call("a", "f")]}
    *_, answered = contents(USER, calling, result("a", content, **rest))

    assert answered["parts"][0]["functionResponse"]["response"] == response


def image(url: str, **rest: Any) -> dict[str, Any]:
    return {"type": "image_url", "image_url": {"url": url, **rest}}


def results_with_images(model: str) -> list[dict[str, Any]]:
    shown = [image(f"data:image/png;base64,{PNG}"), image("https://example.com/a.png")]
    calling = {"role": "assistant", "tool_calls": [tool_call("a", "f", **signed("s"))]}
    return contents(USER, calling, result("a", shown), model=model)[2:]


FETCHED = {"fileData": {"fileUri": "https://example.com/a.png", "mimeType": "image/png"}}
INLINE = {"inlineData": {"mimeType": "image/png", "data": PNG}}


def test_images_of_a_result_are_inside_it_from_generation_3_on() -> None:
    response = {"id": "a", "name": "f", "response": {"output": ""}, "parts": [INLINE]}

    assert results_with_images("gemini-3-flash-preview") == [
        {"role": "user", "parts": [{"functionResponse": response}]},
        {"role": "user", "parts": [FETCHED]},
    ]


def test_images_of_a_result_follow_it_before_generation_3() -> None:
    response = {"id": "a", "name": "f", "response": {"output": ""}}

    assert results_with_images("gemini-2.5-flash") == [
        {"role": "user", "parts": [{"functionResponse": response}]},
        {"role": "user", "parts": [INLINE, FETCHED]},
    ]


def test_ids_that_were_made_here_are_not_sent_back() -> None:
    made = call().tool_call_id(0)
    calling = {"role": "assistant", "tool_calls": [tool_call(made, "f")]}

    assert contents(USER, calling, result(made, "1"))[1:] == [
        {"role": "model", "parts": [{"functionCall": {"name": "f", "args": {}}}]},
        {
            "role": "user",
            "parts": [{"functionResponse": {"name": "f", "response": {"output": "1"}}}],
        },
    ]


def test_id_from_gemini_is_sent_back() -> None:
    calling = {"role": "assistant", "tool_calls": [tool_call("call_883098", "f")]}

    sent = contents(USER, calling, result("call_883098", "1"))

    assert sent[1]["parts"][0]["functionCall"]["id"] == "call_883098"
    assert sent[2]["parts"][0]["functionResponse"]["id"] == "call_883098"


def assistant_turn(model: str, *calls: dict[str, Any], **message: Any) -> list[dict[str, Any]]:
    said = {"role": "assistant", "tool_calls": list(calls), **message}
    results = [result(each["id"], "1") for each in calls]
    return contents(USER, said, *results, model=model)[1]["parts"]


def test_missing_signature_is_made_good_in_each_step() -> None:
    steps = [
        message
        for each in "ab"
        for message in (
            {"role": "assistant", "tool_calls": [tool_call(each, "f"), tool_call(f"{each}2", "f")]},
            result(each, "1"),
            result(f"{each}2", "1"),
        )
    ]

    turns = contents(USER, *steps, model="gemini-3-pro")[1::2]

    dummy = "skip_thought_signature_validator"
    signatures = [[part.get("thoughtSignature") for part in turn["parts"]] for turn in turns]
    assert signatures == [[dummy, None], [dummy, None]]


def test_signature_goes_back_on_its_call() -> None:
    parts = assistant_turn(
        "gemini-3-pro", tool_call("a", "f", **signed("CsA=")), tool_call("b", "f")
    )

    assert [part.get("thoughtSignature") for part in parts] == ["CsA=", None]


def test_signature_goes_back_on_its_text() -> None:
    parts = assistant_turn(
        "gemini-3-pro", tool_call("a", "f", **signed("CsA=")), content="Hm.", **signed("CsB=")
    )

    assert [part.get("thoughtSignature") for part in parts] == ["CsB=", "CsA="]


def test_signature_without_text_goes_back_without() -> None:
    (first, _) = assistant_turn("gemini-3-pro", tool_call("a", "f"), content="", **signed("CsB="))

    assert first == {"text": "", "thoughtSignature": "CsB="}


@pytest.mark.parametrize(
    ("model", "signature"),
    [
        ("gemini-2.5-flash", None),
        ("gemini-3-flash-preview", "skip_thought_signature_validator"),
        ("a-model-of-tomorrow", "skip_thought_signature_validator"),
    ],
)
def test_missing_signature_is_made_good_on_the_first_call(
    model: str, signature: str | None
) -> None:
    parts = assistant_turn(model, tool_call("a", "f"), tool_call("b", "f"))

    assert [part.get("thoughtSignature") for part in parts] == [signature, None]


@pytest.mark.parametrize("extra", [7, {"google": 7}, {"google": {"thought_signature": ""}}])
def test_what_is_no_signature_is_dropped(extra: object) -> None:
    sent = built(messages=[USER, {"role": "assistant", "content": "a", "extra_content": extra}])

    assert sent.body["contents"][1]["parts"] == [{"text": "a"}]
    assert sent.dropped == ("messages[].extra_content",)


def test_reasoning_is_dropped_by_name_unless_a_signature_tells_it() -> None:
    thought = {"role": "assistant", "content": "a", "reasoning_content": "b"}

    assert built(messages=[USER, thought]).dropped == ("messages[].reasoning_content",)
    assert built(messages=[USER, {**thought, **signed("CsA=")}]).dropped == ()


PARTS = {
    "png under a wrong label": (image(f"data:image/jpeg;base64,{PNG}"), ("image/png", PNG)),
    "webp": (image(f"DATA:image/webp;BASE64,{WEBP}"), ("image/webp", WEBP)),
    "kind not known here": (image("data:image/bmp;base64,Qk0="), ("image/bmp", "Qk0=")),
    "line breaks": (image("data:image/bmp;base64,Qk%0A0%3D"), ("image/bmp", "Qk0=")),
    "text": (image("data:,a%20b"), ("text/plain", "YSBi")),
    "audio": (
        {"type": "input_audio", "input_audio": {"data": "AA==", "format": "mp3"}},
        ("audio/mp3", "AA=="),
    ),
    "other audio": (
        {"type": "input_audio", "input_audio": {"data": "AA==", "format": "flac"}},
        ("audio/flac", "AA=="),
    ),
    "file": (
        {"type": "file", "file": {"file_data": "data:text/csv;base64,YQ==", "filename": "a"}},
        ("text/csv", "YQ=="),
    ),
    "bare base64": ({"type": "file", "file": {"file_data": PDF}}, ("application/pdf", PDF)),
}


@pytest.mark.parametrize(("part", "inline"), PARTS.values(), ids=PARTS)
def test_data_is_inline(part: dict[str, Any], inline: tuple[str, str]) -> None:
    kind, encoded = inline

    assert user_parts(part) == [{"inlineData": {"mimeType": kind, "data": encoded}}]


def test_image_may_be_a_bare_string() -> None:
    assert user_parts({"type": "image_url", "image_url": "https://example.com/a.png"}) == [FETCHED]


ADDRESSES = {
    "ending": (image("https://example.com/a.WEBP?b=c.gif"), "image/webp"),
    "no ending": (image("http://example.com/a"), "image/jpeg"),
    "bucket": (image("gs://bucket/a.heic"), "image/heic"),
    "document": ({"type": "file", "file": {"file_id": "gs://bucket/a.pdf"}}, "application/pdf"),
    "uploaded": (
        {
            "type": "file",
            "file": {"file_id": "https://generativelanguage.googleapis.com/v1beta/files/a"},
        },
        None,
    ),
}


@pytest.mark.parametrize(("part", "kind"), ADDRESSES.values(), ids=ADDRESSES)
def test_address_is_left_to_google(part: dict[str, Any], kind: str | None) -> None:
    (sent,) = user_parts(part)

    assert sent["fileData"].get("mimeType") == kind


BAD_PARTS = {
    "no address": (image("AA=="), "image_url.url"),
    "no image": ({"type": "image_url", "image_url": {}}, "image_url.url"),
    "no comma": (image("data:image/png"), "image_url.url"),
    "not base64": (image("data:image/png;base64,!!!!"), "image_url.url"),
    "audio": ({"type": "input_audio", "input_audio": {"data": "AA=="}}, "input_audio"),
    "foreign file": ({"type": "file", "file": {"file_id": "file-abc"}}, "file"),
    "no type": ({"type": "file", "file": {"file_data": "AA=="}}, "file.file_data"),
}


@pytest.mark.parametrize(("part", "place"), BAD_PARTS.values(), ids=BAD_PARTS)
def test_part_that_cannot_be_read_is_refused(part: dict[str, Any], place: str) -> None:
    answer = refusal(messages=[{"role": "user", "content": [part]}])

    assert (answer.status, answer.param) == (400, f"messages[0].content[0].{place}")


@pytest.mark.parametrize(
    ("detail", "level"),
    [("auto", None), ("low", "LOW"), ("high", "HIGH"), ("original", "ULTRA_HIGH")],
)
def test_detail_is_said_of_each_image_from_generation_3_on(detail: str, level: str | None) -> None:
    (sent,) = user_parts(image("https://a/b.png", detail=detail), model="gemini-3-pro")

    expected = {"level": f"MEDIA_RESOLUTION_{level}"} if level else None
    assert sent.get("mediaResolution") == expected


@pytest.mark.parametrize(
    ("details", "level", "dropped"),
    [
        (["auto"], None, ()),
        (["low", "low"], "LOW", ()),
        (["original"], "HIGH", ()),
        (["low", "high"], "HIGH", ("messages[].content[].image_url.detail",)),
    ],
)
def test_highest_detail_is_said_of_all_before_generation_3(
    details: list[str], level: str | None, dropped: tuple[str, ...]
) -> None:
    shown = [image("https://a/b.png", detail=detail) for detail in details]
    sent = built(messages=[{"role": "user", "content": shown}])

    resolution = sent.body.get("generationConfig", {}).get("mediaResolution")
    assert resolution == (level and f"MEDIA_RESOLUTION_{level}")
    assert all(part.keys() == {"fileData"} for part in sent.body["contents"][0]["parts"])
    assert sent.dropped == dropped


def test_members_that_cannot_be_said_are_named_once() -> None:
    shown = {**image("https://a/b.png", detail="utmost"), "cache_control": {"type": "ephemeral"}}
    odd = image("https://a/b.png", detail=[7])
    named = {"role": "user", "content": [shown, odd], "name": "Ann"}

    assert built(messages=[named, named]).dropped == (
        "messages[].name",
        "messages[].content[].image_url.detail",
        "messages[].content[].cache_control",
    )


@pytest.mark.parametrize("name", ["get-weather", "a.b:c_1", "_x", "x" * 64])
def test_name_in_geminis_alphabet_is_kept(name: str) -> None:
    (sent,) = built(tools=[tool(name)]).body["tools"]

    assert sent["functionDeclarations"] == [{"name": name}]


@pytest.mark.parametrize("name", ["1st", "größe", "a b", "", "x" * 65, "-a", "\ud83d"])
def test_other_name_is_mapped_both_ways(name: str) -> None:
    asked = call(
        tools=[tool(name)],
        tool_choice=tool(name),
        messages=[USER, {"role": "assistant", "tool_calls": [tool_call("a", name)]}],
    )
    body = gemini.PROVIDER.build_request(asked).body
    ((declared,), (part,)) = (
        body["tools"][0]["functionDeclarations"],
        body["contents"][1]["parts"],
    )

    answer = {"candidates": [{"content": {"parts": [{"functionCall": declared}]}}]}
    told = gemini.PROVIDER.parse_response(asked, answer)["choices"][0]["message"]

    assert types.FunctionDeclaration.model_validate(declared)
    assert len(declared["name"]) <= 64
    assert declared["name"][0] == "_"
    assert declared["name"].isascii()
    assert part["functionCall"]["name"] == declared["name"]
    assert body["toolConfig"]["functionCallingConfig"]["allowedFunctionNames"] == [declared["name"]]
    assert told["tool_calls"][0]["function"]["name"] == name


# Answers


def answer(*parts: dict[str, Any], **candidate: Any) -> dict[str, Any]:
    return {"candidates": [{"content": {"parts": list(parts)}, **candidate}]}


def message(body: dict[str, Any]) -> dict[str, Any]:
    return gemini.PROVIDER.parse_response(call(), body)["choices"][0]["message"]


def sdk_reading(bodies: list[dict[str, Any]]) -> dict[str, Any]:
    """What Google's SDK makes of the answers: text, thoughts, calls, finish and tokens."""
    read: dict[str, Any] = {"content": "", "reasoning_content": "", "calls": []}
    for body in bodies:
        told = types.GenerateContentResponse._from_response(response=body, kwargs={})
        for candidate in told.candidates or []:
            read["finish"] = candidate.finish_reason and candidate.finish_reason.value
            for part in (candidate.content and candidate.content.parts) or []:
                if part.text:
                    read["reasoning_content" if part.thought else "content"] += part.text
                if part.function_call:
                    called = part.function_call
                    sign = part.thought_signature
                    read["calls"].append((called.id, called.name, called.args or {}, sign))
        usage = told.usage_metadata
        read["tokens"] = usage and usage.prompt_token_count and usage.total_token_count
    return read


def our_reading(completion: dict[str, Any]) -> dict[str, Any]:
    told = completion["choices"][0]["message"]
    calls = []
    for each in told.get("tool_calls", []):
        sign = each.get("extra_content", {}).get("google", {}).get("thought_signature")
        is_made = each["id"].startswith("call_fixture")
        arguments = json.loads(each["function"]["arguments"])
        calls.append(
            (
                None if is_made else each["id"],
                each["function"]["name"],
                arguments,
                sign and base64.b64decode(sign),
            )
        )
    return {
        "content": told["content"],
        "reasoning_content": told.get("reasoning_content", ""),
        "calls": calls,
        "tokens": completion.get("usage", {}).get("total_tokens"),
    }


def check_reading(case: Case, bodies: list[dict[str, Any]]) -> None:
    completion = case.json("response")
    read = sdk_reading(bodies)
    finish = read.pop("finish", "SAFETY")

    assert our_reading(completion) == read
    assert completion["choices"][0]["finish_reason"] == (
        "tool_calls" if read["calls"] else FINISHES[finish]
    )


@SDK_LACKS_REASONS
@pytest.mark.parametrize("case", ours("provider_response.json", "response.json"))
def test_answer_is_read_as_googles_sdk_reads_it(case: Case) -> None:
    if case.name in NUMBERED:
        pytest.skip("reasons as numbers")

    check_reading(case, [case.json("provider_response")])


@SDK_LACKS_REASONS
@pytest.mark.parametrize("case", ours(STREAM, "response.json"))
def test_stream_is_read_as_googles_sdk_reads_it(case: Case) -> None:
    if case.name in NUMBERED or len(case.json("response")["choices"]) > 1:
        pytest.skip("reasons as numbers, or several answers")

    check_reading(case, [json.loads(event.data) for event in decode(case.provider, [case.stream])])


FINISHES = {
    "STOP": "stop",
    "MAX_TOKENS": "length",
    "SAFETY": "content_filter",
    "RECITATION": "content_filter",
    "BLOCKLIST": "content_filter",
    "PROHIBITED_CONTENT": "content_filter",
    "SPII": "content_filter",
    "MODEL_ARMOR": "content_filter",
    "ESCALATION": "content_filter",
    "IMAGE_SAFETY": "content_filter",
    "IMAGE_PROHIBITED_CONTENT": "content_filter",
    "IMAGE_RECITATION": "content_filter",
    "CONTINUATION": "length",
    "LANGUAGE": "stop",
    "OTHER": "stop",
    "NO_IMAGE": "stop",
    "IMAGE_OTHER": "stop",
    "PUP_LIMITED_DISABLED": "stop",
    "FINISH_REASON_UNSPECIFIED": "stop",
    "UNHEARD_OF": "stop",
    1: "stop",
    2: "length",
    3: "content_filter",
    99: "stop",
    None: "stop",
}


@pytest.mark.parametrize(("told", "finish"), FINISHES.items())
def test_finish_reason_is_from_the_table(told: object, finish: str) -> None:
    completion = gemini.PROVIDER.parse_response(call(), answer({"text": "a"}, finishReason=told))

    assert completion["choices"][0]["finish_reason"] == finish


@pytest.mark.parametrize(
    ("told", "finish"),
    [("STOP", "tool_calls"), ("MAX_TOKENS", "length"), ("SAFETY", "content_filter")],
)
def test_answer_with_calls_stops_for_them_unless_it_was_cut(told: str, finish: str) -> None:
    body = answer({"functionCall": {"name": "f"}}, finishReason=told)

    completion = gemini.PROVIDER.parse_response(call(), body)

    assert completion["choices"][0]["finish_reason"] == finish


@pytest.mark.parametrize(
    "told",
    [
        "MALFORMED_FUNCTION_CALL",
        "UNEXPECTED_TOOL_CALL",
        "TOO_MANY_TOOL_CALLS",
        "MALFORMED_RESPONSE",
        "MISSING_THOUGHT_SIGNATURE",
    ],
)
def test_answer_that_failed_raises(told: str) -> None:
    with pytest.raises(ResponseError, match=f"The provider's answer ended: {told}") as caught:
        message(answer(finishReason=told))

    assert (caught.value.answer().status, caught.value.answer().code) == (502, told.lower())


def test_parts_of_kinds_without_a_place_are_left_out() -> None:
    assert message(
        answer(
            {"text": "a"},
            {"executableCode": {"code": "1"}, "thoughtSignature": "CsA="},
            {"codeExecutionResult": {"output": "1"}},
            {"toolCall": {"toolType": "GOOGLE_SEARCH_WEB"}},
            {"toolResponse": {"toolType": "GOOGLE_SEARCH_WEB"}},
            {"inlineData": {"mimeType": "audio/wav", "data": "AA=="}},
            {"inlineData": {"mimeType": "image/png", "data": "AA=="}, "thought": True},
            {"text": 7},
            "b",
            {"text": "c"},
        )
    ) == {"role": "assistant", "content": "ac"}


@pytest.mark.parametrize("content", [None, {}, {"parts": None}, {"role": "model", "parts": []}, 7])
def test_answer_without_parts_is_empty(content: object) -> None:
    body = {"candidates": [{"content": content, "finishReason": "STOP"}]}

    assert message(body) == {"role": "assistant", "content": ""}


def test_ids_of_calls_are_unique_among_choices() -> None:
    calling = {"content": {"parts": [{"functionCall": {"name": "f"}}] * 2}}
    completion = gemini.PROVIDER.parse_response(call(), {"candidates": [calling, calling]})

    ids = [
        each["id"] for choice in completion["choices"] for each in choice["message"]["tool_calls"]
    ]
    assert ids == ["call_fixture_0", "call_fixture_1", "call_fixture_0_1", "call_fixture_1_1"]


@pytest.mark.parametrize("index", [-1, 128, "a", 1.5])
def test_index_that_nobody_asked_for_raises(index: object) -> None:
    with pytest.raises(ResponseError, match="candidate of index"):
        message(answer({"text": "a"}, index=index))


@pytest.mark.parametrize(
    ("told", "created"),
    [
        ("2026-01-02T03:04:05.678912Z", 1767323045),
        ("2026-01-02T04:04:05+01:00", 1767323045),
        ("2026-01-02T03:04:05", 1700000000),
        ("yesterday", 1700000000),
        (7, 1700000000),
    ],
)
def test_time_is_read_to_the_second(told: object, created: int) -> None:
    body = {**answer({"text": "a"}), "createTime": told}

    assert gemini.PROVIDER.parse_response(call(), body)["created"] == created


@pytest.mark.parametrize(
    ("tier", "told"), [("standard", "default"), ("flex", "flex"), ("batch", None), (7, None)]
)
def test_service_tier_is_openais_word(tier: object, told: str | None) -> None:
    body = {**answer({"text": "a"}), "usageMetadata": {"serviceTier": tier}}

    assert gemini.PROVIDER.parse_response(call(), body).get("service_tier") == told


USAGES = {
    "all": (
        {
            "promptTokenCount": 10,
            "toolUsePromptTokenCount": 5,
            "cachedContentTokenCount": 4,
            "candidatesTokenCount": 3,
            "thoughtsTokenCount": 2,
            "promptTokensDetails": [
                {"modality": "TEXT", "tokenCount": 6},
                {"modality": 4, "tokenCount": 4},
                {"modality": "VIDEO", "tokenCount": 1},
                {"modality": "IMAGE"},
                {"modality": [], "tokenCount": 1},
            ],
            "candidatesTokensDetails": [{"modality": "TEXT", "tokenCount": 3}],
        },
        {
            "prompt_tokens": 15,
            "completion_tokens": 5,
            "total_tokens": 20,
            "prompt_tokens_details": {"cached_tokens": 4, "text_tokens": 6, "audio_tokens": 4},
            "completion_tokens_details": {"reasoning_tokens": 2, "text_tokens": 3},
        },
    ),
    "no answer": (
        {"promptTokenCount": 10.0},
        {"prompt_tokens": 10, "completion_tokens": 0, "total_tokens": 10},
    ),
    "prompt not counted": ({"candidatesTokenCount": 10}, None),
    "nothing": ({"promptTokenCount": True}, None),
    "none": (None, None),
}


@pytest.mark.parametrize(("told", "usage"), USAGES.values(), ids=USAGES)
def test_usage_counts_what_openai_counts(told: object, usage: object) -> None:
    body = {**answer({"text": "a"}), "usageMetadata": told}

    assert gemini.PROVIDER.parse_response(call(), body).get("usage") == usage


def citations(text: str, **candidate: Any) -> list[tuple[str, str]]:
    """The cited pages, with what of the text each is cited for."""
    told = message(answer({"text": text}, **candidate)).get("annotations", [])
    found = [each["url_citation"] for each in told]
    return [(each["url"], text[each["start_index"] : each["end_index"]]) for each in found]


PAGES = [
    {"web": {"uri": "https://a", "title": "A"}},
    {"web": {"uri": "https://no-title"}},
    {"retrievedContext": {"title": "file"}},
    {"web": {"uri": "https://b", "title": "B"}},
]


def test_places_of_sources_are_counted_in_characters() -> None:
    text = "Züri 🌍 Rom"
    supports = [
        {"segment": {"endIndex": 5}, "groundingChunkIndices": [0]},
        {"segment": {"startIndex": 11, "endIndex": 14}, "groundingChunkIndices": [0, 1, 2, 3, 9]},
        {"segment": {"startIndex": -3, "endIndex": 99}, "groundingChunkIndices": ["a", 3]},
        {"groundingChunkIndices": None},
        7,
    ]
    metadata = {"groundingChunks": PAGES, "groundingSupports": supports}

    assert citations(text, groundingMetadata=metadata) == [
        ("https://a", "Züri"),
        ("https://a", "Rom"),
        ("https://b", "Rom"),
        ("https://b", text),
    ]


def test_repeated_texts_are_cited() -> None:
    told = [
        {"startIndex": 0, "endIndex": 3, "uri": "https://a", "title": "A"},
        {"startIndex": 0, "endIndex": 3, "uri": "https://no-title"},
    ]

    assert citations("abcdef", citationMetadata={"citations": told}) == [("https://a", "abc")]


# Errors


@pytest.mark.parametrize(
    ("delay", "headers"),
    [
        ("28s", {"retry-after": "28"}),
        ("1.2s", {"retry-after": "2"}),
        ("soon", {}),
        (None, {}),
    ],
)
def test_wait_is_told_in_whole_seconds(delay: object, headers: dict[str, str]) -> None:
    error = {"message": "Slow down.", "details": [{"retryDelay": delay}, "a"]}

    told = gemini.PROVIDER.parse_error(429, {"error": error})

    assert (told.code, dict(told.headers)) == ("rate_limit_exceeded", headers)


@pytest.mark.parametrize(
    ("status", "message", "code"),
    [
        (400, "Bad.", None),
        (
            400,
            "The input token count (9) exceeds the maximum number of tokens allowed (8).",
            "context_length_exceeded",
        ),
        (401, "Who?", "invalid_api_key"),
        (403, "No.", "permission_denied"),
        (404, "models/x is not found", "model_not_found"),
        (409, "Aborted.", None),
        (500, "Internal.", None),
        (503, "Overloaded.", "overloaded"),
        (504, "Deadline.", "timeout"),
    ],
)
def test_status_is_kept(status: int, message: str, code: str | None) -> None:
    told = gemini.PROVIDER.parse_error(status, {"error": {"message": message, "details": 7}})

    assert (told.status, told.message, told.code) == (status, message, code)


@pytest.mark.parametrize("code", [None, 7, 200, "500"])
def test_error_under_status_200_without_a_status_of_its_own_is_a_502(code: object) -> None:
    with pytest.raises(ResponseError) as caught:
        message({"error": {"code": code, "message": "Oh."}})

    assert caught.value.answer().status == 502


# Streams


def chunks(*bodies: dict[str, Any]) -> list[dict[str, Any]]:
    stream = gemini.PROVIDER.open_stream(call(stream=True))
    told = feed_all(stream, [Event("", json.dumps(body).encode()) for body in bodies])
    return told + stream.close()


@pytest.mark.parametrize(
    ("told", "finish"), [("STOP", "tool_calls"), ("MAX_TOKENS", "length"), ("OTHER", "tool_calls")]
)
def test_finish_after_calls_of_earlier_events_is_for_them(told: str, finish: str) -> None:
    calling = answer({"functionCall": {"name": "f"}})

    heard = chunks(calling, answer({"text": ""}), answer(finishReason=told))

    assert heard[-1]["choices"][0]["finish_reason"] == finish


def test_calls_are_counted_over_all_events() -> None:
    calling = answer({"functionCall": {"name": "f", "args": {"a": "ö"}}})
    told = chunks(calling, calling, answer({"text": ""}, finishReason="STOP"))

    deltas = [chunk["choices"][0]["delta"] for chunk in told]
    assert deltas[1:3] == [
        {
            "tool_calls": [
                {
                    "index": number,
                    "id": f"call_fixture_{number}",
                    "type": "function",
                    "function": {"name": "f", "arguments": '{"a":"ö"}'},
                }
            ]
        }
        for number in range(2)
    ]
    assert told[-1]["choices"][0]["finish_reason"] == "tool_calls"


def test_text_leaves_with_its_event_and_the_signature_in_one_chunk_at_the_end() -> None:
    stream = gemini.PROVIDER.open_stream(call(stream=True))

    first = stream.feed(Event("", json.dumps(answer({"text": "a"})).encode()))
    signature = {"text": "", "thoughtSignature": "CsA="}
    last = stream.feed(Event("", json.dumps(answer(signature, finishReason="STOP")).encode()))

    assert [chunk["choices"][0]["delta"] for chunk in first] == [
        {"role": "assistant", "content": ""},
        {"content": "a"},
    ]
    assert last == []
    assert [chunk["choices"][0]["delta"] for chunk in stream.close()] == [signed("CsA="), {}]


def test_counts_replace_earlier_ones_and_missing_ones_stay() -> None:
    told = chunks(
        {
            **answer({"text": "a"}),
            "usageMetadata": {"promptTokenCount": 5, "thoughtsTokenCount": 2},
        },
        {"usageMetadata": {"promptTokenCount": 7, "candidatesTokenCount": None}},
        {**answer(finishReason="STOP"), "usageMetadata": {"candidatesTokenCount": 3}},
    )

    assert told[-1]["usage"] == {
        "prompt_tokens": 7,
        "completion_tokens": 5,
        "total_tokens": 12,
        "completion_tokens_details": {"reasoning_tokens": 2},
    }


def test_log_probabilities_of_all_events_are_joined() -> None:
    def token(text: str) -> dict[str, Any]:
        chosen = [{"token": text, "logProbability": -1}]
        return {"logprobsResult": {"chosenCandidates": chosen, "logProbabilitySum": -1}}

    told = chunks(
        answer({"text": "a"}, **token("a")),
        answer({"text": "b"}, **token("b")),
        answer(finishReason="STOP", logprobsResult=[]),
    )

    content = fold(told)["choices"][0]["logprobs"]["content"]
    assert [each["token"] for each in content] == ["a", "b"]


def test_id_and_time_are_those_of_the_first_event() -> None:
    told = chunks(
        answer({"text": "a"}),
        {**answer(finishReason="STOP"), "responseId": "r2", "createTime": "2026-01-02T03:04:05Z"},
    )

    assert {(chunk["id"], chunk["created"]) for chunk in told} == {("chatcmpl-fixture", 1700000000)}


def test_signed_part_is_not_joined_to_others() -> None:
    stream = gemini.PROVIDER.open_stream(call(stream=True))
    parts = [
        {"text": "a"},
        {"text": "b"},
        {"text": "c", "thoughtSignature": "CsA="},
        {"text": "d"},
        {"text": "e", "thought": True},
    ]
    for part in parts:
        stream.feed(Event("", json.dumps(answer(part)).encode()))

    assert stream.answer["candidates"][0]["content"]["parts"] == [{"text": "ab"}, *parts[2:]]


@pytest.mark.parametrize(
    "bodies",
    [
        [answer({"text": "a"})],
        [answer({"functionCall": {"name": "f"}})],
        [answer({"text": "a"}, index=1, finishReason="STOP")],
        [answer(finishReason="STOP"), answer({"text": "a"}, index=1)],
        [{"promptFeedback": {"blockReason": "OTHER"}}, answer({"text": "a"})],
        [{"promptFeedback": {}}],
        [{"usageMetadata": {"promptTokenCount": 1}}],
    ],
    ids=["text", "call", "first choice missing", "second open", "blocked?", "feedback", "usage"],
)
def test_stream_without_a_finish_for_all_it_began_raises(bodies: list[dict[str, Any]]) -> None:
    with pytest.raises(ResponseError) as caught:
        chunks(*bodies)

    assert caught.value.answer().code == "upstream_stream_ended"


# Framing

ELEMENTS = st.dictionaries(
    st.text(max_size=5), st.text(alphabet='a"\\{}[],ö🌍\n', max_size=8), max_size=3
)


@settings(max_examples=60)
@given(
    elements=st.lists(ELEMENTS | st.builds(lambda e: {"a": [e]}, ELEMENTS), max_size=4),
    indent=st.sampled_from([None, 2]),
    cuts=st.lists(st.integers(0, 400), max_size=6),
)
def test_array_gives_its_elements_however_it_is_split(
    elements: list[dict[str, Any]], indent: int | None, cuts: list[int]
) -> None:
    body = b" \r\n" + json.dumps(elements, indent=indent, ensure_ascii=False).encode()
    places = [0, *sorted(min(cut, len(body)) for cut in cuts), len(body)]
    decoder = AnswerDecoder()

    events = [event for start, end in pairwise(places) for event in decoder.feed(body[start:end])]

    assert [json.loads(event.data) for event in events + decoder.close()] == elements


def test_element_that_is_cut_off_is_not_told() -> None:
    assert [*decode(gemini.PROVIDER, [b'[{"a": 1},\r\n{"b": '])] == [Event("", b'{"a": 1}')]


def test_empty_body_has_no_events() -> None:
    assert decode(gemini.PROVIDER, [b"", b"\r\n"]) == []


def test_error_in_an_array_is_reported() -> None:
    stream = gemini.PROVIDER.open_stream(call(stream=True))
    body = b'[{"error": {"code": 429, "message": "Slow down."}}]'

    with pytest.raises(ResponseError) as caught:
        feed_all(stream, decode(gemini.PROVIDER, [body]))

    assert caught.value.answer().status == 429


@pytest.mark.parametrize("case", ours("provider_stream.json", "response.json"))
def test_array_says_the_same_as_events(case: Case) -> None:
    events = decode(case.provider, [case.stream])
    body = b"".join(b"data: " + event.data.replace(b"\n", b" ") + b"\r\n\r\n" for event in events)

    assert run_stream(case, [body])[0] == run_stream(case, [case.stream])[0]
