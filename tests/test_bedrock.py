"""Bedrock's Converse format, beyond what the table of providers asks of every case."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import cache
from typing import Any
from urllib.parse import unquote

import botocore.session
import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.eventstream import EventStream
from botocore.parsers import EventStreamJSONParser, create_parser
from botocore.serialize import create_serializer
from botocore.validate import ParamValidator

from routes import fill_in
from tests.calls import USER, calls_of, result, tool, tool_call
from tests.cases import STREAM, Case, feed_all, fold, params, told_error
from tests.event_streams import frame
from transforms.bedrock import PROVIDER
from transforms.contract import Event, ProviderRequest, Unsigned
from transforms.errors import RequestError, ResponseError

HELLO = [{"role": "user", "content": [{"text": "Hello"}]}]

HAIKU = "anthropic.claude-3-haiku-20240307-v1:0"
SONNET_37 = "us.anthropic.claude-3-7-sonnet-20250219-v1:0"
SONNET_45 = "us.anthropic.claude-sonnet-4-5-20250929-v1:0"
OPUS_46 = "us.anthropic.claude-opus-4-6-v1"
SONNET_5 = "us.anthropic.claude-sonnet-5"
FABLE = "global.anthropic.claude-fable-5"
NOVA = "us.amazon.nova-lite-v1:0"
NOVA_2 = "us.amazon.nova-2-lite-v1:0"
LLAMA = "us.meta.llama4-maverick-17b-instruct-v1:0"
MISTRAL = "mistral.mistral-small-2402-v1:0"
MISTRAL_LARGE = "mistral.mistral-large-2407-v1:0"
GPT_OSS = "openai.gpt-oss-120b-1:0"
QWEN = "qwen.qwen3-32b-v1:0"
KIMI = "moonshot.kimi-k2-thinking"
WRITER = "us.writer.palmyra-x4-v1:0"
TITAN = "amazon.titan-text-express-v1"
UNKNOWN = "arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/abc"

PNG = base64.b64encode(b"\x89PNG\r\n\x1a\n" + bytes(16)).decode()
PDF = base64.b64encode(b"%PDF-1.4 and so on").decode()


def bedrock(*roles: str) -> list[Any]:
    return [case for case in params(*roles) if case.id.startswith("bedrock/")]


call, built, refusal = calls_of(PROVIDER.build_request, SONNET_45)


def body(model: str = SONNET_45, **parameters: Any) -> dict[str, Any]:
    """What is sent beside messages."""
    sent = built(model, **parameters).body
    return {name: value for name, value in sent.items() if name != "messages"}


def dropped(model: str = SONNET_45, **parameters: Any) -> list[str]:
    return list(built(model, **parameters).dropped)


def messages(*given: dict[str, Any], model: str = SONNET_45, **rest: Any) -> list[dict[str, Any]]:
    return built(model, messages=list(given), **rest).body["messages"]


def user_blocks(*parts: dict[str, Any], model: str = SONNET_45) -> list[dict[str, Any]]:
    """The blocks of one user message of these parts."""
    (turn,) = messages({"role": "user", "content": list(parts)}, model=model)
    return turn["content"]


def spec(name: str, **rest: Any) -> dict[str, Any]:
    schema = {"json": {"type": "object", "properties": {}}}
    return {"toolSpec": {"name": name, "inputSchema": schema, **rest}}


def calling(*calls: dict[str, Any], **rest: Any) -> dict[str, Any]:
    return {"role": "assistant", "content": None, "tool_calls": list(calls), **rest}


def choosing(name: str) -> dict[str, Any]:
    return {"type": "function", "function": {"name": name}}


def text(words: str, **rest: Any) -> dict[str, Any]:
    return {"type": "text", "text": words, **rest}


def image(url: Any) -> dict[str, Any]:
    return {"type": "image_url", "image_url": url}


def file(data: str | None, **rest: Any) -> dict[str, Any]:
    return {"type": "file", "file": {**({"file_data": data} if data else {}), **rest}}


def data_url(content: bytes, media_type: str = "") -> str:
    return f"data:{media_type};base64,{base64.b64encode(content).decode()}"


LOOP = [USER, calling(tool_call("a")), result("a")]
"""A conversation that has called `f`."""

MARK = {"type": "ephemeral"}


# botocore's own reading


@cache
def service() -> Any:
    return botocore.session.get_session().get_service_model("bedrock-runtime")


def as_botocore_takes_it(value: Any) -> Any:
    """The body with its base64 as bytes, which botocore encodes itself."""
    if isinstance(value, list):
        return [as_botocore_takes_it(each) for each in value]
    if not isinstance(value, dict):
        return value
    return {
        name: base64.b64decode(each)
        if name in {"bytes", "redactedContent"}
        else as_botocore_takes_it(each)
        for name, each in value.items()
    }


def serialized(sent: ProviderRequest) -> tuple[str, dict[str, Any]]:
    """The path and body that botocore sends for the same parameters."""
    _, _, model, operation = sent.path.split("/")
    name = {"converse": "Converse", "converse-stream": "ConverseStream"}[operation]
    told = {"modelId": unquote(model), **as_botocore_takes_it(sent.body)}
    shape = service().operation_model(name)
    report = ParamValidator().validate(told, shape.input_shape)
    assert not report.has_errors(), report.generate_report()
    request = create_serializer("rest-json").serialize_to_request(told, shape)
    return request["url_path"], json.loads(request["body"])


@pytest.mark.parametrize("case", bedrock("provider_request.json"))
def test_request_is_what_botocore_would_send(case: Case) -> None:
    sent = case.provider.build_request(case.call)

    assert serialized(sent) == (sent.path, sent.body)


EVERYTHING: dict[str, Any] = {
    "messages": [
        {"role": "developer", "content": [text("Be brief", cache_control=MARK)]},
        {"role": "user", "content": [text("Look"), image({"url": f"data:image/png;base64,{PNG}"})]},
        calling(
            tool_call("call|1"),
            tool_call("b", "g", '{"x": 1}'),
            thinking_blocks=[
                {"type": "thinking", "thinking": "", "signature": "c2ln"},
                {"type": "redacted_thinking", "data": "cmVk"},
            ],
        ),
        result("b", [text("It broke"), file(f"data:application/pdf;base64,{PDF}")], is_error=True),
        result("call|1", ""),
        {"role": "user", "content": [file(PDF, filename="my_report.v2.pdf")]},
    ],
    "tools": [tool("f", strict=True), tool("g", description="Does it", parameters={})],
    "tool_choice": "required",
    "parallel_tool_calls": False,
    "response_format": {
        "type": "json_schema",
        "json_schema": {"name": "a", "schema": {"type": "object"}},
    },
    "max_completion_tokens": 500,
    "temperature": 1.5,
    "stop": ["END"],
    "metadata": {"team": "a b"},
    "service_tier": "flex",
    "reasoning_effort": "high",
    "guardrailConfig": {"guardrailIdentifier": "abc", "guardrailVersion": "DRAFT"},
    "performanceConfig": {"latency": "optimized"},
    "additionalModelResponseFieldPaths": ["/stop_sequence"],
    "stream": True,
}


@pytest.mark.parametrize(
    "model",
    [SONNET_37, SONNET_45, OPUS_46, KIMI, MISTRAL_LARGE.replace("large-2407", "large-3"), UNKNOWN],
)
def test_request_with_everything_is_what_botocore_would_send(model: str) -> None:
    asked = {**EVERYTHING, "response_format": None} if model == SONNET_37 else EVERYTHING

    sent = built(model, **asked)

    assert serialized(sent) == (sent.path, sent.body)


def blocks_meant(content: list[dict[str, Any]]) -> dict[str, Any]:
    """What botocore has read, as far as OpenAI has a word for it."""
    cited = [
        part for block in content for part in block.get("citationsContent", {}).get("content", [])
    ]
    thought = [block["reasoningContent"] for block in content if "reasoningContent" in block]
    uses = [block["toolUse"] for block in content if "toolUse" in block]
    return {
        "text": "".join(part.get("text", "") for part in [*content, *cited]),
        "reasoning": "".join(each.get("reasoningText", {}).get("text", "") for each in thought),
        "signatures": [
            each["reasoningText"]["signature"]
            for each in thought
            if "signature" in each.get("reasoningText", {})
        ],
        "redacted": [each["redactedContent"] for each in thought if "redactedContent" in each],
        "calls": [
            (use["toolUseId"], use["name"], use["input"])
            for use in uses
            if use.get("type") != "server_tool_use"
        ],
    }


def completion_meant(completion: dict[str, Any]) -> dict[str, Any]:
    message = completion["choices"][0]["message"]
    blocks = message.get("thinking_blocks", [])
    return {
        "text": message["content"],
        "reasoning": message.get("reasoning_content", ""),
        "signatures": [block["signature"] for block in blocks if "signature" in block],
        "redacted": [base64.b64decode(block["data"]) for block in blocks if "data" in block],
        "calls": [
            (each["id"], each["function"]["name"], json.loads(each["function"]["arguments"]))
            for each in message.get("tool_calls", [])
        ],
    }


@pytest.mark.parametrize("case", bedrock("provider_response.json", "response.json"))
def test_answer_is_what_botocore_reads(case: Case) -> None:
    told = json.dumps(case.json("provider_response")).encode()
    answer = {"body": told, "headers": {"content-type": "application/json"}, "status_code": 200}
    shape = service().operation_model("Converse").output_shape

    read = create_parser("rest-json").parse(answer, shape)

    completion = case.json("response")
    assert blocks_meant(read["output"]["message"]["content"]) == completion_meant(completion)
    assert read["usage"]["totalTokens"] == completion["usage"]["total_tokens"]
    assert read["usage"]["outputTokens"] == completion["usage"]["completion_tokens"]


class Body:
    """A streamed body as botocore takes it."""

    def __init__(self, content: bytes) -> None:
        self._content = content

    def stream(self) -> Iterator[bytes]:
        yield self._content


def events_read(content: bytes) -> list[dict[str, Any]]:
    shape = service().operation_model("ConverseStream").get_event_stream_output()
    return [*EventStream(Body(content), shape, EventStreamJSONParser(), "ConverseStream")]


def blocks_grown(events: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The blocks of a stream that botocore has read, folded as its documentation shows."""
    blocks: dict[int, dict[str, Any]] = {}
    for event in events:
        if "contentBlockStart" in event:
            start = event["contentBlockStart"]
            blocks[start["contentBlockIndex"]] = {"start": start["start"]["toolUse"], "input": ""}
        if "contentBlockDelta" not in event:
            continue
        delta = event["contentBlockDelta"]["delta"]
        block = blocks.setdefault(event["contentBlockDelta"]["contentBlockIndex"], {})
        thought = delta.get("reasoningContent", {})
        if "text" in delta:
            block["text"] = block.get("text", "") + delta["text"]
        if "toolUse" in delta:
            block["input"] += delta["toolUse"]["input"]
        if "redactedContent" in thought:
            block["reasoningContent"] = thought
        for name in thought.keys() - {"redactedContent"}:
            told = block.setdefault("reasoningContent", {}).setdefault("reasoningText", {})
            told[name] = told.get(name, "") + thought[name]
    return [
        {"toolUse": {**block["start"], "input": json.loads(block["input"] or "{}")}}
        if "start" in block
        else block
        for block in blocks.values()
    ]


@pytest.mark.parametrize("case", bedrock(STREAM, "response.json"))
def test_streamed_answer_is_what_botocore_reads(case: Case) -> None:
    events = events_read(case.stream)

    (usage,) = [event["metadata"]["usage"] for event in events if "metadata" in event]
    completion = case.json("response")
    assert blocks_meant(blocks_grown(events)) == completion_meant(completion)
    assert usage["totalTokens"] == completion["usage"]["total_tokens"]
    assert usage["outputTokens"] == completion["usage"]["completion_tokens"]


# Signing

ENVIRONMENT = {"AWS_ACCESS_KEY_ID": "AKIDEXAMPLE", "AWS_SECRET_ACCESS_KEY": "secretexample"}
NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
HOST = "https://bedrock-runtime.us-east-1.amazonaws.com"
CLAUDE_PATH = "/model/anthropic.claude-haiku-4-5-20251001-v1%3A0/converse"


def unsigned(url: str = HOST + CLAUDE_PATH) -> Unsigned:
    told = b'{"messages":[{"role":"user","content":[{"text":"hi"}]}]}'
    headers = {"content-type": "application/json"}
    return Unsigned("POST", url, headers, told, int(NOW.timestamp()))


def signed(url: str = HOST + CLAUDE_PATH, **more: str) -> dict[str, str]:
    assert PROVIDER.sign is not None
    return dict(PROVIDER.sign(unsigned(url), {**ENVIRONMENT, **more}))


def test_signature_is_that_of_the_worked_example() -> None:
    assert signed() == {
        "content-type": "application/json",
        "x-amz-date": "20260102T030405Z",
        "authorization": "AWS4-HMAC-SHA256"
        " Credential=AKIDEXAMPLE/20260102/us-east-1/bedrock/aws4_request,"
        " SignedHeaders=content-type;host;x-amz-date,"
        " Signature=2f8d617610fa94489821638471456567b487fc31bccdf715200b918a6b9aca49",
    }


@pytest.mark.parametrize("token", [None, "temporary"])
@pytest.mark.parametrize("path", [CLAUDE_PATH, "/model/arn%3Aaws%3Abedrock%2Fabc/converse-stream"])
def test_signature_is_that_of_botocore(
    monkeypatch: pytest.MonkeyPatch, path: str, token: str | None
) -> None:
    monkeypatch.setattr("botocore.auth.get_current_datetime", lambda: NOW)
    told = unsigned(HOST + path)
    request = AWSRequest(told.method, told.url, dict(told.headers), told.body)
    keys = Credentials(*ENVIRONMENT.values(), token)

    SigV4Auth(keys, "bedrock", "us-east-1").add_auth(request)

    expected = {name.lower(): value for name, value in request.headers.items()}
    assert signed(told.url, **({"AWS_SESSION_TOKEN": token} if token else {})) == expected


@pytest.mark.parametrize(
    ("url", "region"),
    [
        (HOST, "eu-west-3"),
        ("https://bedrock-runtime-fips.us-gov-west-1.amazonaws.com", "us-gov-west-1"),
        ("https://vpce-1a.bedrock-runtime.eu-west-1.vpce.amazonaws.com", "eu-west-1"),
        ("https://bedrock-runtime.cn-north-1.amazonaws.com.cn", "cn-north-1"),
        ("http://127.0.0.1:8000", "ap-south-1"),
        ("https://gateway.example/bedrock-runtime.x/", "ap-south-1"),
    ],
)
def test_region_is_that_of_the_host_or_the_environment(url: str, region: str) -> None:
    url = url.replace("us-east-1", "eu-west-3") + CLAUDE_PATH

    scope = signed(url, AWS_REGION="ap-south-1")["authorization"].split("/")

    assert scope[2] == region


def test_region_is_us_east_1_where_nothing_tells_it() -> None:
    assert "/us-east-1/bedrock/" in signed("http://127.0.0.1:8000" + CLAUDE_PATH)["authorization"]


@pytest.mark.parametrize(
    ("environment", "named"),
    [
        ({}, "`AWS_ACCESS_KEY_ID` and `AWS_SECRET_ACCESS_KEY`"),
        ({"AWS_ACCESS_KEY_ID": "a"}, "`AWS_SECRET_ACCESS_KEY`"),
        ({"AWS_SECRET_ACCESS_KEY": "b", "AWS_ACCESS_KEY_ID": ""}, "`AWS_ACCESS_KEY_ID`"),
    ],
    ids=["none", "no secret", "no id"],
)
def test_missing_credentials_are_named(environment: dict[str, str], named: str) -> None:
    assert PROVIDER.sign is not None

    with pytest.raises(RequestError) as caught:
        PROVIDER.sign(unsigned(), environment)

    message = (
        "No credentials for `bedrock`: set `AWS_BEARER_TOKEN_BEDROCK`, or"
        f" {named}, where the proxy runs."
    )
    assert told_error(caught.value.answer()) == {
        "status": 401,
        "body": {
            "error": {
                "message": message,
                "type": "invalid_request_error",
                "param": None,
                "code": "invalid_api_key",
            }
        },
        "headers": {},
    }


# Requests: parameters


@pytest.mark.parametrize(
    ("model", "segment"),
    [
        (SONNET_45, "us.anthropic.claude-sonnet-4-5-20250929-v1%3A0"),
        (
            UNKNOWN,
            "arn%3Aaws%3Abedrock%3Aus-east-1%3A123456789012%3Aapplication-inference-profile%2Fabc",
        ),
        ("ümlaut {X}?#", "%C3%BCmlaut%20%7BX%7D%3F%23"),
    ],
)
def test_model_is_one_segment_of_the_path(model: str, segment: str) -> None:
    assert built(model).path == f"/model/{segment}/converse"
    assert built(model, stream=True).path == f"/model/{segment}/converse-stream"


def test_small_request_says_nothing_but_its_messages() -> None:
    assert built().body == {"messages": HELLO}


def test_inference_config_takes_limit_sampling_and_stops() -> None:
    assert body(NOVA, max_tokens=9, temperature=0, top_p=0.5, stop="END") == {
        "inferenceConfig": {
            "maxTokens": 9,
            "temperature": 0,
            "topP": 0.5,
            "stopSequences": ["END"],
        }
    }


def test_newer_limit_wins() -> None:
    assert body(max_tokens=5, max_completion_tokens=9) == {"inferenceConfig": {"maxTokens": 9}}
    assert dropped(max_tokens=5, max_completion_tokens=9) == ["max_tokens"]
    assert dropped(max_tokens=9, max_completion_tokens=9) == []


@pytest.mark.parametrize("name", ["max_tokens", "max_completion_tokens"])
def test_limit_of_nothing_is_refused(name: str) -> None:
    assert refusal(**{name: 0}).message == f"`{name}` is 0; it must be at least 1."


@pytest.mark.parametrize(("model", "limit"), [(LLAMA, 2048), (TITAN, 3072), (MISTRAL, 4096)])
def test_family_with_a_short_default_is_asked_for_more(model: str, limit: int) -> None:
    assert body(model) == {"inferenceConfig": {"maxTokens": limit}}
    assert body(model, max_tokens=7) == {"inferenceConfig": {"maxTokens": 7}}


def test_temperature_above_1_is_sent_as_1_and_named() -> None:
    assert body(NOVA, temperature=1.7) == {"inferenceConfig": {"temperature": 1}}
    assert dropped(NOVA, temperature=1.7) == ["temperature"]


@pytest.mark.parametrize(
    ("parameter", "value"), [("temperature", 2.1), ("temperature", -1), ("top_p", 1.1)]
)
def test_value_out_of_range_is_refused(parameter: str, value: float) -> None:
    answer = refusal(**{parameter: value})

    assert (answer.status, answer.param) == (400, parameter)


@pytest.mark.parametrize(
    ("model", "taken", "named"),
    [
        (HAIKU, {"temperature": 0.5, "topP": 0.9}, []),
        (SONNET_45, {"temperature": 0.5}, ["top_p"]),
        (SONNET_5, {}, ["temperature", "top_p"]),
        (UNKNOWN, {"temperature": 0.5, "topP": 0.9}, []),
    ],
    ids=["old claude", "one of the two", "neither", "unknown"],
)
def test_sampling_is_what_the_model_takes(model: str, taken: Any, named: list[str]) -> None:
    sent = built(model, temperature=0.5, top_p=0.9)

    assert sent.body.get("inferenceConfig", {}) == taken
    assert list(sent.dropped) == named


@pytest.mark.parametrize(
    ("parameters", "named"),
    [
        ({"temperature": 0.5}, ["temperature"]),
        ({"temperature": 1}, []),
        ({"top_p": 0.9}, ["top_p"]),
        ({"top_p": 0.97}, []),
        ({"top_k": 4}, ["top_k"]),
    ],
)
def test_sampling_that_does_not_go_with_thinking_is_dropped(
    parameters: dict[str, Any], named: list[str]
) -> None:
    assert dropped(SONNET_37, reasoning_effort="low", **parameters) == named


@pytest.mark.parametrize(
    ("model", "fields"),
    [
        (HAIKU, {"top_k": 5}),
        (NOVA, {"inferenceConfig": {"topK": 5}}),
        (UNKNOWN, {"top_k": 5}),
        (KIMI, None),
        (SONNET_5, None),
    ],
)
def test_top_k_goes_where_the_family_has_it(model: str, fields: Any) -> None:
    sent = built(model, top_k=5)

    assert sent.body.get("additionalModelRequestFields") == fields
    assert list(sent.dropped) == ([] if fields else ["top_k"])


@pytest.mark.parametrize(
    ("model", "kept"), [(SONNET_45, ["END"]), (NOVA, ["END", " "]), (GPT_OSS, None), (QWEN, None)]
)
def test_stop_sequences_that_would_be_refused_are_dropped(model: str, kept: Any) -> None:
    sent = built(model, stop=["END", " ", ""])

    assert sent.body.get("inferenceConfig", {}).get("stopSequences") == kept
    assert list(sent.dropped) == ["stop"]


@pytest.mark.parametrize(
    ("parameters", "param"),
    [
        ({"n": 2}, "n"),
        ({"modalities": ["text", "audio"]}, "modalities"),
        ({"audio": {"voice": "alloy", "format": "wav"}}, "audio"),
        ({"functions": [{"name": "f"}]}, "functions"),
        ({"function_call": "auto"}, "function_call"),
        ({"response_format": {"type": "grammar"}}, "response_format.type"),
        (
            {"response_format": {"type": "json_schema", "json_schema": {"name": "a"}}},
            "response_format.json_schema.schema",
        ),
        ({"reasoning_effort": "enormous"}, "reasoning_effort"),
        ({"thinking": "much"}, "thinking"),
        ({"additionalModelRequestFields": 7}, "additionalModelRequestFields"),
    ],
)
def test_what_cannot_be_asked_is_refused(parameters: Any, param: str) -> None:
    answer = refusal(**parameters)

    assert (answer.status, answer.param) == (400, param)


def test_neutral_values_are_not_called_dropped() -> None:
    sent = built(
        n=1,
        modalities=["text"],
        logprobs=False,
        store=False,
        presence_penalty=0,
        logit_bias={},
        metadata={},
        service_tier="auto",
        parallel_tool_calls=None,
        response_format={"type": "text"},
    )

    assert (sent.body, sent.dropped) == ({"messages": HELLO}, ())


@pytest.mark.parametrize(
    ("tier", "sent", "named"),
    [
        ("priority", {"type": "priority"}, []),
        ("auto", None, []),
        ("scale", None, ["service_tier"]),
    ],
)
def test_service_tier_is_mapped(tier: str, sent: Any, named: list[str]) -> None:
    assert body(service_tier=tier).get("serviceTier") == sent
    assert dropped(service_tier=tier) == named


def test_metadata_in_legal_characters_goes_along() -> None:
    pairs = {"team": "a-b, c", "mail": "é", "": "x", "count": 3}

    assert body(metadata=pairs) == {"requestMetadata": {"team": "a-b, c"}}
    assert dropped(metadata=pairs) == ["metadata"]
    assert dropped(metadata={"team": "a"}) == []


def test_no_more_metadata_than_16_pairs_goes_along() -> None:
    pairs = {f"k{number}": "v" for number in range(17)}

    assert len(body(metadata=pairs)["requestMetadata"]) == 16
    assert dropped(metadata=pairs) == ["metadata"]


def test_converses_own_parameters_are_carried() -> None:
    own = {
        "promptVariables": {"a": {"text": "b"}},
        "performanceConfig": {"latency": "optimized"},
        "additionalModelResponseFieldPaths": ["/stop"],
        "requestMetadata": {"a": "b"},
    }

    assert body(**own) == own


def test_mode_of_a_guardrail_for_streams_is_kept_to_streams() -> None:
    guardrail = {"guardrailIdentifier": "a", "streamProcessingMode": "async"}

    assert body(guardrailConfig=guardrail) == {"guardrailConfig": {"guardrailIdentifier": "a"}}
    assert body(guardrailConfig=guardrail, stream=True) == {"guardrailConfig": guardrail}


def test_clients_own_fields_of_the_family_win() -> None:
    own = {"top_k": 1, "anthropic_beta": ["a"]}

    assert body(HAIKU, top_k=9, additionalModelRequestFields=own) == {
        "additionalModelRequestFields": own
    }


# Requests: structured output

SCHEMA = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "type": "object",
    "properties": {
        "minimum": {"type": "integer", "minimum": 1, "maximum": 9, "description": "How many"},
        "list": {"type": "array", "minItems": 2, "items": {"$ref": "#/$defs/node"}},
        "one": {"type": "array", "minItems": 1, "maxItems": 3},
        "open": {"type": "object", "additionalProperties": True},
        "either": {"anyOf": [{"type": "number", "multipleOf": 2}, {"type": "null"}]},
    },
    "required": ["list"],
    "$defs": {"node": {"properties": {"next": {"$ref": "#/$defs/node"}}}},
}

ENFORCED = {
    "type": "object",
    "properties": {
        "minimum": {"type": "integer", "description": "How many (minimum=1, maximum=9)"},
        "list": {
            "type": "array",
            "items": {"$ref": "#/$defs/node"},
            "description": "minItems=2",
        },
        "one": {"type": "array", "minItems": 1, "description": "maxItems=3"},
        "open": {"type": "object", "additionalProperties": True},
        "either": {"anyOf": [{"type": "number", "description": "multipleOf=2"}, {"type": "null"}]},
    },
    "required": ["list"],
    "$defs": {
        "node": {
            "properties": {"next": {"$ref": "#/$defs/node"}},
            "additionalProperties": False,
        }
    },
    "additionalProperties": False,
}


def schema_format(schema: Any = None, **rest: Any) -> dict[str, Any]:
    told = {"name": "a", "schema": {"type": "object"} if schema is None else schema, **rest}
    return {"type": "json_schema", "json_schema": told}


@pytest.mark.parametrize("model", [SONNET_45, OPUS_46, SONNET_5, KIMI, QWEN, UNKNOWN])
def test_schema_is_a_text_in_the_dialect_that_is_enforced(model: str) -> None:
    told = body(model, response_format=schema_format(SCHEMA, description="b", strict=True))

    structure = told["outputConfig"]["textFormat"]["structure"]["jsonSchema"]
    assert {**structure, "schema": json.loads(structure["schema"])} == {
        "name": "a",
        "description": "b",
        "schema": ENFORCED,
    }


def test_schema_may_hold_schemas_that_are_no_objects() -> None:
    schema = {"type": "object", "properties": {"a": True}, "items": False}

    told = body(response_format=schema_format(schema))["outputConfig"]["textFormat"]

    assert json.loads(told["structure"]["jsonSchema"]["schema"]) == {
        **schema,
        "additionalProperties": False,
    }


@pytest.mark.parametrize(
    "model", [HAIKU, "anthropic.claude-opus-4-1-20250805-v1:0", NOVA, LLAMA, TITAN, MISTRAL]
)
def test_schema_is_refused_where_the_model_does_not_keep_it(model: str) -> None:
    answer = refusal(model, response_format=schema_format())

    assert (answer.code, answer.param) == ("unsupported_parameter", "response_format")


def test_json_object_is_asked_for_in_words() -> None:
    sent = body(
        messages=[{"role": "system", "content": "Be brief"}, USER],
        response_format={"type": "json_object"},
    )

    assert sent["system"][0] == {"text": "Be brief"}
    assert "one JSON object" in sent["system"][1]["text"]


# Requests: reasoning


@pytest.mark.parametrize(
    ("model", "effort", "fields", "limit"),
    [
        (SONNET_37, "minimal", {"thinking": {"type": "enabled", "budget_tokens": 1024}}, 64_000),
        (SONNET_37, "none", None, None),
        (SONNET_5, "none", {"thinking": {"type": "disabled"}}, None),
        (
            OPUS_46,
            "max",
            {"thinking": {"type": "adaptive"}, "output_config": {"effort": "max"}},
            None,
        ),
        (
            SONNET_5,
            "low",
            {"thinking": {"type": "adaptive"}, "output_config": {"effort": "low"}},
            None,
        ),
        (GPT_OSS, "low", {"reasoning_effort": "low"}, None),
        (GPT_OSS, "high", {"reasoning_effort": "high"}, None),
        (
            NOVA_2,
            "medium",
            {"reasoningConfig": {"type": "enabled", "maxReasoningEffort": "medium"}},
            None,
        ),
        (NOVA_2, "none", {"reasoningConfig": {"type": "disabled"}}, None),
        (QWEN, "low", {"reasoning_config": "low"}, None),
        (QWEN, "high", {"reasoning_config": "high"}, None),
    ],
)
def test_effort_is_said_in_the_words_of_the_family(
    model: str, effort: str, fields: Any, limit: int | None
) -> None:
    sent = built(model, reasoning_effort=effort)

    assert sent.body.get("additionalModelRequestFields") == fields
    assert sent.body.get("inferenceConfig", {}).get("maxTokens") == limit
    assert sent.dropped == ()


@pytest.mark.parametrize(
    ("model", "effort"),
    [
        (HAIKU, "high"),
        (FABLE, "none"),
        (GPT_OSS, "none"),
        (QWEN, "none"),
        (NOVA, "low"),
        (KIMI, "low"),
        (UNKNOWN, "low"),
    ],
)
def test_effort_the_model_cannot_be_told_is_dropped(model: str, effort: str) -> None:
    assert dropped(model, reasoning_effort=effort) == ["reasoning_effort"]


@pytest.mark.parametrize(
    ("model", "effort", "told"),
    [
        (OPUS_46, "xhigh", "max"),
        (SONNET_5, "minimal", "low"),
        (GPT_OSS, "minimal", "low"),
        (GPT_OSS, "xhigh", "high"),
        (NOVA_2, "minimal", "low"),
        (QWEN, "minimal", "low"),
        (QWEN, "medium", "high"),
    ],
)
def test_effort_in_place_of_which_another_is_sent_is_named(
    model: str, effort: str, told: str
) -> None:
    sent, exact = built(model, reasoning_effort=effort), built(model, reasoning_effort=told)

    assert (sent.body, sent.dropped) == (exact.body, ("reasoning_effort",))
    assert exact.dropped == ()


def test_effort_beside_thinking_switched_off_is_what_claude_takes() -> None:
    off = {"thinking": {"type": "disabled"}, "reasoning_effort": "max"}

    sent = built("global.anthropic.claude-opus-5", **off)

    fields = {"thinking": {"type": "disabled"}, "output_config": {"effort": "high"}}
    assert sent.body["additionalModelRequestFields"] == fields
    assert sent.dropped == ("reasoning_effort",)


def test_nova_told_to_think_hard_takes_neither_limit_nor_sampling() -> None:
    asked = {"max_tokens": 9, "temperature": 0.1, "top_p": 0.5, "top_k": 4, "stop": "END"}

    sent = built(NOVA_2, reasoning_effort="high", **asked)

    assert sent.body["inferenceConfig"] == {"stopSequences": ["END"]}
    assert sorted(sent.dropped) == ["max_tokens", "temperature", "top_k", "top_p"]


@pytest.mark.parametrize(
    ("limit", "sent", "named"),
    [(500, 2548, ["max_tokens"]), (3000, 3000, []), (63_000, 63_000, [])],
)
def test_budget_is_added_where_the_answer_would_not_fit(
    limit: int, sent: int, named: list[str]
) -> None:
    assert body(SONNET_37, reasoning_effort="low", max_tokens=limit)["inferenceConfig"] == {
        "maxTokens": sent
    }
    assert dropped(SONNET_37, reasoning_effort="low", max_tokens=limit) == named


def test_thinking_in_claudes_words_is_passed_on() -> None:
    thinking = {"type": "adaptive", "display": "omitted"}

    assert body(OPUS_46, thinking=thinking) == {
        "additionalModelRequestFields": {"thinking": thinking}
    }
    assert dropped(NOVA_2, thinking=thinking) == ["thinking"]
    assert dropped(SONNET_37, thinking=thinking, reasoning_effort="low") == ["reasoning_effort"]


def test_thinking_without_a_number_of_tokens_leaves_the_limit_alone() -> None:
    assert body(SONNET_37, thinking={"type": "enabled"}, max_tokens=9)["inferenceConfig"] == {
        "maxTokens": 9
    }


@pytest.mark.parametrize(
    "history",
    [LOOP, [USER, {"role": "assistant", "content": "I think"}]],
    ids=["open tool loop", "beginning to go on from"],
)
def test_thinking_is_off_where_the_thinking_before_is_lost(history: list[Any]) -> None:
    sent = built(SONNET_37, messages=history, tools=[tool("f")], reasoning_effort="low")

    assert "additionalModelRequestFields" not in sent.body
    assert list(sent.dropped) == ["reasoning_effort"]


THOUGHT = {"type": "thinking", "thinking": "Hm", "signature": "c2ln"}


def test_thinking_stays_on_where_the_thinking_before_is_there() -> None:
    history = [USER, calling(tool_call("a"), thinking_blocks=[THOUGHT]), result("a")]

    sent = built(SONNET_37, messages=history, tools=[tool("f")], reasoning_effort="low")

    assert sent.body["additionalModelRequestFields"]["thinking"]["type"] == "enabled"


def test_thinking_stays_on_after_a_turn_without_calls() -> None:
    history = [USER, {"role": "assistant", "content": "Hi"}, USER]

    assert dropped(SONNET_37, messages=history, reasoning_effort="low") == []


def test_budget_gives_way_to_a_forced_tool() -> None:
    sent = built(SONNET_37, tools=[tool("f")], tool_choice="required", reasoning_effort="low")

    assert "additionalModelRequestFields" not in sent.body
    assert list(sent.dropped) == ["reasoning_effort"]


# Requests: tools


def test_tool_without_parameters_takes_none() -> None:
    assert body(tools=[tool("f"), tool("g", description="", parameters={})]) == {
        "toolConfig": {"tools": [spec("f"), spec("g")]}
    }


def test_schema_of_a_tool_is_carried_whole() -> None:
    parameters = {"properties": {"x": {"minimum": 1}}, "$defs": {}, "$schema": "x", "odd": 1}

    told = body(tools=[tool("f", description="Does it", parameters=parameters)])

    assert told["toolConfig"]["tools"] == [
        {
            "toolSpec": {
                "name": "f",
                "description": "Does it",
                "inputSchema": {
                    "json": {
                        "type": "object",
                        "properties": {"x": {"minimum": 1}},
                        "$defs": {},
                        "odd": 1,
                    }
                },
            }
        }
    ]


@pytest.mark.parametrize("model", [SONNET_45, KIMI])
def test_strict_tool_is_strict_where_the_model_can_be(model: str) -> None:
    (told,) = body(model, tools=[tool("f", parameters=SCHEMA, strict=True)])["toolConfig"]["tools"]

    assert told["toolSpec"] == {
        "name": "f",
        "inputSchema": {"json": ENFORCED},
        "strict": True,
    }


@pytest.mark.parametrize("model", [SONNET_37, SONNET_5, NOVA, UNKNOWN])
def test_strictness_is_dropped_where_the_model_may_refuse_it(model: str) -> None:
    sent = built(model, tools=[tool("f", strict=True, odd=1)])

    assert sent.body["toolConfig"] == {"tools": [spec("f")]}
    assert sent.dropped == ("tools[].function.strict", "tools[].function.odd")


@pytest.mark.parametrize(
    ("given", "param"),
    [
        ({"type": "custom", "custom": {"name": "f"}}, "tools[0].type"),
        (tool("f", parameters={"type": "array"}), "tools[0].function.parameters.type"),
    ],
)
def test_tool_that_is_no_function_of_an_object_is_refused(given: Any, param: str) -> None:
    assert refusal(tools=[given]).param == param


@pytest.mark.parametrize(
    ("model", "choice", "told", "named"),
    [
        (SONNET_45, "auto", {}, []),
        (SONNET_45, "required", {"any": {}}, []),
        (SONNET_45, choosing("f"), {"tool": {"name": "f"}}, []),
        (FABLE, "required", {}, ["tool_choice"]),
        (UNKNOWN, choosing("f"), {"tool": {"name": "f"}}, []),
        (MISTRAL_LARGE, "required", {"any": {}}, []),
        (LLAMA, "auto", {}, []),
        (LLAMA, "required", {}, ["tool_choice"]),
    ],
)
def test_tool_choice_is_told_as_the_model_takes_it(
    model: str, choice: Any, told: Any, named: list[str]
) -> None:
    sent = built(model, tools=[tool("f"), tool("g")], tool_choice=choice)

    choice_told = {"toolChoice": told} if told else {}
    assert sent.body["toolConfig"] == {"tools": [spec("f"), spec("g")], **choice_told}
    assert list(sent.dropped) == named


@pytest.mark.parametrize(
    ("model", "told", "named"),
    [(MISTRAL_LARGE, {"toolChoice": {"any": {}}}, []), (LLAMA, {}, ["tool_choice"])],
)
def test_named_tool_is_the_only_one_offered_where_none_can_be_named(
    model: str, told: Any, named: list[str]
) -> None:
    sent = built(model, tools=[tool("f"), tool("g")], tool_choice=choosing("g"))

    assert sent.body["toolConfig"] == {"tools": [spec("g")], **told}
    assert list(sent.dropped) == named


def test_allowed_tools_are_the_only_ones_offered() -> None:
    allowed = {"mode": "required", "tools": [choosing("g")]}
    asked = {"type": "allowed_tools", "allowed_tools": allowed}

    assert body(tools=[tool("f"), tool("g")], tool_choice=asked) == {
        "toolConfig": {"tools": [spec("g")], "toolChoice": {"any": {}}}
    }


@pytest.mark.parametrize(
    "choice",
    [
        "sometimes",
        {"type": "custom", "custom": {"name": "f"}},
        choosing("absent"),
        {"type": "function"},
        {"type": "allowed_tools", "allowed_tools": {"tools": [choosing("absent")]}},
        {"type": "allowed_tools"},
    ],
)
def test_choice_that_names_none_of_the_tools_is_refused(choice: Any) -> None:
    answer = refusal(tools=[tool("f")], tool_choice=choice)

    assert (answer.param, answer.code) == ("tool_choice", "invalid_value")


def test_choice_of_a_tool_without_tools_is_refused() -> None:
    assert refusal(tool_choice="required").param == "tool_choice"


def test_no_tools_are_sent_where_none_may_be_called() -> None:
    sent = built(tools=[tool("f")], tool_choice="none")

    assert (sent.body, sent.dropped) == ({"messages": HELLO}, ())


def test_tools_that_the_history_needs_are_barred_where_claude_can_be_told() -> None:
    sent = built(messages=LOOP, tools=[tool("f")], tool_choice="none")

    assert sent.body["toolConfig"] == {"tools": [spec("f")]}
    assert sent.body["additionalModelRequestFields"] == {"tool_choice": {"type": "none"}}
    assert sent.dropped == ()


@pytest.mark.parametrize("model", [HAIKU, NOVA])
def test_tools_that_the_history_needs_stay_where_they_cannot_be_barred(model: str) -> None:
    sent = built(model, messages=LOOP, tools=[tool("f")], tool_choice="none")

    assert sent.body["toolConfig"] == {"tools": [spec("f")]}
    assert list(sent.dropped) == ["tool_choice"]


def test_tools_are_rebuilt_from_the_history() -> None:
    """https://github.com/langgenius/dify/issues/17545"""
    history = [USER, calling(tool_call("a"), tool_call("b", "g")), result("a"), result("b")]

    sent = built(messages=[*history, *LOOP], tool_choice="auto", parallel_tool_calls=False)

    assert sent.body["toolConfig"] == {"tools": [spec("f"), spec("g")]}
    assert sent.dropped == ()


@pytest.mark.parametrize(
    ("choice", "told"),
    [
        (None, {"type": "auto"}),
        ("required", {"type": "any"}),
        (choosing("f"), {"type": "tool", "name": "f"}),
    ],
)
def test_one_call_at_a_time_is_said_in_claudes_words_alone(choice: Any, told: Any) -> None:
    """https://github.com/BerriAI/litellm/issues/36536"""
    sent = body(tools=[tool("f")], tool_choice=choice, parallel_tool_calls=False)

    assert sent == {
        "toolConfig": {"tools": [spec("f")]},
        "additionalModelRequestFields": {
            "tool_choice": {**told, "disable_parallel_tool_use": True}
        },
    }


@pytest.mark.parametrize("model", [HAIKU, NOVA])
def test_one_call_at_a_time_is_dropped_elsewhere(model: str) -> None:
    asked = {"tools": [tool("f")], "parallel_tool_calls": False, "tool_choice": "required"}

    assert body(model, **asked)["toolConfig"]["toolChoice"] == {"any": {}}
    assert dropped(model, **asked) == ["parallel_tool_calls"]


@pytest.mark.parametrize(
    "marked", [{**tool("f"), "cache_control": MARK}, tool("f", cache_control=MARK)]
)
def test_mark_for_the_cache_stands_behind_all_tools(marked: Any) -> None:
    point = {"cachePoint": {"type": "default"}}

    assert body(tools=[marked, tool("g")])["toolConfig"]["tools"] == [spec("f"), spec("g"), point]
    assert body(NOVA, tools=[marked])["toolConfig"]["tools"] == [spec("f")]
    assert dropped(NOVA, tools=[marked]) == ["tools[].cache_control"]


def test_chosen_tool_keeps_its_mark() -> None:
    marked = [{**tool("f"), "cache_control": MARK}, tool("g")]

    told = body(UNKNOWN, tools=marked, tool_choice=choosing("g"))["toolConfig"]["tools"]

    assert told[-1] == {"cachePoint": {"type": "default"}}


ODD_NAME = "get.weather/now"


def test_name_outside_the_alphabet_is_the_same_in_tool_choice_and_call() -> None:
    history = [USER, calling(tool_call("a", ODD_NAME)), result("a")]

    sent = built(messages=history, tools=[tool(ODD_NAME)], tool_choice=choosing(ODD_NAME)).body

    name = sent["toolConfig"]["tools"][0]["toolSpec"]["name"]
    assert name.startswith("get_weather_now_")
    assert name.replace("_", "").isalnum()
    assert sent["toolConfig"]["toolChoice"] == {"tool": {"name": name}}
    assert sent["messages"][1]["content"][0]["toolUse"]["name"] == name


def test_names_that_differ_in_illegal_characters_alone_stay_apart() -> None:
    specs = body(tools=[tool("a.b"), tool("a/b"), tool("a" * 65), tool("a" * 66)])["toolConfig"]
    names = [each["toolSpec"]["name"] for each in specs["tools"]]

    assert len({*names}) == 4
    assert all(len(name) <= 64 for name in names)


# Requests: messages


def test_instructions_at_the_start_are_the_system_text() -> None:
    given = [
        {"role": "system", "content": "Be brief"},
        {"role": "developer", "content": [text("Be kind", cache_control=MARK), text(" ")]},
        USER,
        {"role": "system", "content": "Be quick"},
    ]

    sent = built(messages=given).body

    assert sent == {
        "messages": [{"role": "user", "content": [{"text": "Hello"}, {"text": "Be quick"}]}],
        "system": [{"text": "Be brief"}, {"text": "Be kind"}, {"cachePoint": {"type": "default"}}],
    }


def test_system_text_begins_the_first_turn_where_there_is_no_place_for_it() -> None:
    sent = built(TITAN, messages=[{"role": "system", "content": "Be brief"}, USER]).body

    assert sent["messages"] == [
        {"role": "user", "content": [{"text": "Be brief"}, *HELLO[0]["content"]]}
    ]
    assert "system" not in sent


def test_system_text_alone_needs_no_word_of_the_user_where_it_is_one() -> None:
    assert messages({"role": "system", "content": "Go"}, model=TITAN) == [
        {"role": "user", "content": [{"text": "Go"}]}
    ]


def test_neighbours_of_one_role_are_one_turn() -> None:
    assert messages(
        USER,
        USER,
        {"role": "assistant", "content": "Hi"},
        {"role": "assistant", "content": "there"},
        USER,
    ) == [
        {"role": "user", "content": [{"text": "Hello"}, {"text": "Hello"}]},
        {"role": "assistant", "content": [{"text": "Hi"}, {"text": "there"}]},
        *HELLO,
    ]


def test_conversation_begins_with_the_user() -> None:
    assert messages({"role": "assistant", "content": "Hi"}, USER)[0] == {
        "role": "user",
        "content": [{"text": "."}],
    }


@pytest.mark.parametrize("content", ["", " \n", [], [text("")]])
def test_user_turn_in_which_nothing_is_left_is_a_dot(content: Any) -> None:
    assert messages({"role": "user", "content": content}) == [
        {"role": "user", "content": [{"text": "."}]}
    ]


@pytest.mark.parametrize(
    "silent",
    [
        {"role": "assistant", "content": ""},
        {"role": "assistant", "content": None, "thinking_blocks": [THOUGHT]},
    ],
)
def test_assistant_turn_in_which_nothing_is_left_is_left_out(silent: Any) -> None:
    assert messages(USER, silent, USER) == [
        {"role": "user", "content": [{"text": "Hello"}, {"text": "Hello"}]}
    ]


def test_results_come_first_and_in_the_order_of_the_calls() -> None:
    turns = messages(
        USER,
        calling(tool_call("a"), tool_call("b")),
        result("b", "2"),
        result("a", "1"),
        {"role": "user", "content": "Go on"},
        tools=[tool("f")],
    )

    assert turns[2]["content"] == [
        {"toolResult": {"toolUseId": "a", "content": [{"text": "1"}]}},
        {"toolResult": {"toolUseId": "b", "content": [{"text": "2"}]}},
        {"text": "Go on"},
    ]


@pytest.mark.parametrize("content", ["", " ", []])
def test_empty_result_is_a_dot(content: Any) -> None:
    turns = messages(USER, calling(tool_call("a")), result("a", content))

    assert turns[2]["content"] == [{"toolResult": {"toolUseId": "a", "content": [{"text": "."}]}}]


def test_image_from_a_tool_stays_in_its_result_and_the_mark_does_not() -> None:
    content = [image(f"data:image/png;base64,{PNG}"), text("Look", cache_control=MARK)]

    turns = messages(USER, calling(tool_call("a")), result("a", content))

    picture = {"image": {"format": "png", "source": {"bytes": PNG}}}
    assert turns[2]["content"] == [
        {"toolResult": {"toolUseId": "a", "content": [picture, {"text": "Look"}]}},
        {"cachePoint": {"type": "default"}},
    ]


@pytest.mark.parametrize(
    ("told", "json_told"),
    [('{"x": 1}', {"x": 1}), ("7", {"result": "7"}), ("not JSON", {"result": "not JSON"})],
)
def test_mistral_gets_results_as_objects(told: str, json_told: Any) -> None:
    turns = messages(USER, calling(tool_call("a")), result("a", told), model=MISTRAL)

    assert turns[2]["content"][0]["toolResult"]["content"] == [{"json": json_told}]


def test_image_from_a_tool_is_no_object_for_mistral_either() -> None:
    picture = [image(f"data:image/png;base64,{PNG}")]

    turns = messages(USER, calling(tool_call("a")), result("a", picture), model=MISTRAL)

    assert turns[2]["content"][0]["toolResult"]["content"][0].keys() == {"image"}


def test_failed_tool_is_told_where_it_can_be() -> None:
    given = [USER, calling(tool_call("a")), result("a", is_error=True)]

    assert messages(*given)[2]["content"][0]["toolResult"]["status"] == "error"
    assert "status" not in messages(*given, model=WRITER)[2]["content"][0]["toolResult"]
    assert dropped(WRITER, messages=given) == ["messages[].is_error"]


DOCUMENT = file(f"data:application/pdf;base64,{PDF}")


@pytest.mark.parametrize(
    ("model", "parts", "is_split"),
    [
        (LLAMA, [text("Go on")], True),
        (MISTRAL, [text("Go on")], True),
        (SONNET_45, [text("Go on")], False),
        (SONNET_45, [image(f"data:image/png;base64,{PNG}")], False),
        (SONNET_45, [text("Go on"), DOCUMENT], True),
        (NOVA, [DOCUMENT], False),
    ],
)
def test_what_a_model_does_not_suffer_beside_results_comes_later(
    model: str, parts: Any, is_split: bool
) -> None:
    """https://github.com/pydantic/pydantic-ai/issues/6081"""
    turns = messages(*LOOP, {"role": "user", "content": parts}, model=model)

    roles = [turn["role"] for turn in turns]
    assert roles == ["user", "assistant", "user", *(["assistant", "user"] if is_split else [])]
    if is_split:
        assert turns[3]["content"] == [{"text": "."}]
        assert [block.keys() for block in turns[2]["content"]] == [{"toolResult"}]


@pytest.mark.parametrize("call_id", ["call|1", "x" * 65, ""])
def test_call_id_outside_the_alphabet_is_mapped_alike_in_call_and_result(call_id: str) -> None:
    turns = messages(USER, calling(tool_call(call_id)), result(call_id))

    sent = turns[1]["content"][0]["toolUse"]["toolUseId"]
    assert turns[2]["content"][0]["toolResult"]["toolUseId"] == sent
    assert sent != call_id
    assert 0 < len(sent) <= 64


def test_call_id_in_the_alphabet_passes() -> None:
    turns = messages(USER, calling(tool_call("functions.f:0")), result("functions.f:0"))

    assert turns[1]["content"][0]["toolUse"]["toolUseId"] == "functions.f:0"


def test_call_without_arguments_has_an_empty_input() -> None:
    turns = messages(USER, calling(tool_call("a", arguments="")), result("a"))

    assert turns[1]["content"] == [{"toolUse": {"toolUseId": "a", "name": "f", "input": {}}}]


@pytest.mark.parametrize("arguments", ["{", "[]", "7"])
def test_arguments_that_are_no_object_are_refused(arguments: str) -> None:
    answer = refusal(messages=[USER, calling(tool_call("a", arguments=arguments)), result("a")])

    assert answer.param == "messages[1].tool_calls[0].function.arguments"
    assert "`a`" in answer.message


@pytest.mark.parametrize(
    ("history", "param"),
    [
        ([{"role": "function", "name": "f", "content": "7"}], "messages[0].role"),
        (
            [USER, {"role": "assistant", "content": None, "function_call": {"name": "f"}}],
            "messages[1].function_call",
        ),
        ([USER, {"role": "assistant", "audio": {"id": "a"}}], "messages[1].audio"),
        (
            [USER, calling({"id": "a", "type": "custom", "custom": {"name": "f"}}), result("a")],
            "messages[1].tool_calls[0].type",
        ),
        ([{"role": "user", "content": [{"type": "video_url"}]}], "messages[0].content[0]"),
        (
            [USER, {"role": "assistant", "content": [image(f"data:image/png;base64,{PNG}")]}],
            "messages[1].content[0]",
        ),
    ],
)
def test_message_that_cannot_be_said_is_refused(history: Any, param: str) -> None:
    assert refusal(messages=history).param == param


def test_beginning_to_go_on_from_does_not_end_in_space() -> None:
    beginning = {"role": "assistant", "content": "Once upon "}

    assert messages(USER, beginning, model=HAIKU)[1]["content"] == [{"text": "Once upon"}]
    assert refusal(SONNET_5, messages=[USER, beginning]).param == "messages"


def test_call_at_the_end_is_no_text_to_trim() -> None:
    """The check outside lets no unanswered call pass; nothing breaks if one does."""
    turns = messages(USER, calling(tool_call("a")), model=HAIKU)

    assert turns[1]["content"][0].keys() == {"toolUse"}


def test_signed_reasoning_goes_back_first() -> None:
    blocks = [THOUGHT, {"type": "redacted_thinking", "data": "cmVk"}]
    spoken = {
        "role": "assistant",
        "content": "Hi",
        "reasoning_content": "Hm",
        "thinking_blocks": blocks,
    }

    sent = built(messages=[USER, spoken, USER])

    assert sent.body["messages"][1]["content"] == [
        {"reasoningContent": {"reasoningText": {"text": "Hm", "signature": "c2ln"}}},
        {"reasoningContent": {"redactedContent": "cmVk"}},
        {"text": "Hi"},
    ]
    assert sent.dropped == ()


@pytest.mark.parametrize(
    ("model", "spoken", "named"),
    [
        (SONNET_45, {"reasoning_content": "Hm"}, ["messages[].reasoning_content"]),
        (SONNET_45, {"reasoning": "Hm"}, ["messages[].reasoning"]),
        (SONNET_45, {"thinking_blocks": [{"type": "thinking", "thinking": "Hm"}]},
         ["messages[].thinking_blocks"]),
        (SONNET_45, {"thinking_blocks": ["odd"]}, ["messages[].thinking_blocks"]),
        (SONNET_45, {"thinking_blocks": "odd"}, ["messages[].thinking_blocks"]),
        (NOVA, {"thinking_blocks": [THOUGHT]}, ["messages[].thinking_blocks"]),
    ],
)  # fmt: skip
def test_reasoning_that_would_be_refused_does_not_go_back(
    model: str, spoken: dict[str, Any], named: list[str]
) -> None:
    """https://github.com/vercel/ai/issues/7034"""
    sent = built(model, messages=[USER, {"role": "assistant", "content": "Hi", **spoken}, USER])

    assert sent.body["messages"][1]["content"] == [{"text": "Hi"}]
    assert list(sent.dropped) == named


def test_refusal_is_said_as_text() -> None:
    spoken = {"role": "assistant", "content": [{"type": "refusal", "refusal": "No"}]}

    assert messages(USER, spoken, USER)[1]["content"] == [{"text": "No"}]
    assert messages(USER, {"role": "assistant", "refusal": "No"}, USER)[1] == {
        "role": "assistant",
        "content": [{"text": "No"}],
    }


def test_names_of_participants_are_dropped() -> None:
    assert dropped(messages=[{**USER, "name": "Ann"}]) == ["messages[].name"]


# Requests: content


@pytest.mark.parametrize(
    ("content", "name"),
    [
        (b"\x89PNG\r\n\x1a\n", "png"),
        (b"\xff\xd8\xff\xe0", "jpeg"),
        (b"GIF87a..", "gif"),
        (b"GIF89a..", "gif"),
        (b"RIFF\0\0\0\0WEBPVP8 ", "webp"),
    ],
)
def test_format_of_an_image_is_told_by_its_bytes(content: bytes, name: str) -> None:
    encoded = base64.b64encode(content).decode()

    (block,) = user_blocks(image({"url": f"data:image/bmp;base64,{encoded}", "detail": "low"}))

    assert block == {"image": {"format": name, "source": {"bytes": encoded}}}


def test_detail_of_an_image_is_dropped() -> None:
    part = image({"url": f"data:image/png;base64,{PNG}", "detail": "low"})

    named = dropped(messages=[{"role": "user", "content": [part]}])

    assert named == ["messages[].content[].image_url.detail"]


@pytest.mark.parametrize("ending", ["png", "JPG"])
def test_image_in_s3_is_named(ending: str) -> None:
    (block,) = user_blocks(image(f"s3://bucket/a.{ending}"))

    assert block == {
        "image": {
            "format": {"png": "png", "JPG": "jpeg"}[ending],
            "source": {"s3Location": {"uri": f"s3://bucket/a.{ending}"}},
        }
    }


@pytest.mark.parametrize(
    "url",
    ["https://example.com/a.png", "s3://bucket/a", data_url(b"no image"), "", 7, None],
)
def test_image_that_cannot_be_sent_is_refused(url: Any) -> None:
    answer = refusal(messages=[{"role": "user", "content": [image({"url": url})]}])

    assert (answer.param, answer.code) == (
        "messages[0].content[0].image_url.url",
        "invalid_image_url",
    )


@pytest.mark.parametrize(
    "url", ["data:image/png", "data:image/png;base64,!!!!", "data:image/png;base64,"]
)
def test_data_url_without_base64_is_refused(url: str) -> None:
    assert "base64" in refusal(messages=[{"role": "user", "content": [image(url)]}]).message


@pytest.mark.parametrize(
    "url",
    [
        "data:image/png;base64," + PNG[:8] + "\n " + PNG[8:],
        "data:image/png;base64," + PNG.replace("=", "%3D").replace("+", "%2B"),
        "DATA:image/png;BASE64," + PNG,
        "data:image/png,%89PNG%0D%0A%1A%0A" + "%00" * 16,
    ],
    ids=["line breaks", "percent-encoded", "capitals", "no base64"],
)
def test_data_url_may_be_written_in_other_ways(url: str) -> None:
    (block,) = user_blocks(image(url))

    assert block == {"image": {"format": "png", "source": {"bytes": PNG}}}


@pytest.mark.parametrize(
    ("content", "media_type", "filename", "name"),
    [
        (b"%PDF-1.4", "text/plain", "a.txt", "pdf"),
        (b"a,b", "", "a.CSV", "csv"),
        (b"a,b", "text/csv", "", "csv"),
        (b"# a", "", "a.md", "md"),
        (b"<p>", "", "a.htm", "html"),
        (b"PK\x03\x04\0\0", "", "a.docx", "docx"),
        (b"PK\x03\x04\0\0", "application/vnd.ms-excel", "a.bin", "xls"),
        (b"words", "application/octet-stream", "a.unknown", "txt"),
    ],
)
def test_format_of_a_document_is_told(
    content: bytes, media_type: str, filename: str, name: str
) -> None:
    block, _ = user_blocks(file(data_url(content, media_type), filename=filename))

    assert block["document"]["format"] == name


def test_document_needs_text_beside_it() -> None:
    """https://github.com/archestra-ai/archestra/issues/4220"""
    blocks = user_blocks(DOCUMENT, text(" "))

    document = {"format": "pdf", "name": "Document", "source": {"bytes": PDF}}
    assert blocks == [{"document": document}, {"text": "."}]


def test_names_of_documents_are_legal_and_differ() -> None:
    names = ["my_report.v2.pdf", "my report v2.pdf", "čaj.pdf", "", "  ..  "]

    blocks = user_blocks(text("Read"), *(file(PDF, filename=name) for name in names))

    assert [block["document"]["name"] for block in blocks[1:]] == [
        "my report v2",
        "my report v2 (2)",
        "aj",
        "Document",
        "Document (2)",
    ]


def test_image_sent_as_a_file_is_an_image() -> None:
    (block,) = user_blocks(file(PNG))

    assert block == {"image": {"format": "png", "source": {"bytes": PNG}}}


@pytest.mark.parametrize(
    "part",
    [
        file(None, file_id="file-1"),
        file(data_url(b"\x00\x01\x02", "application/zip"), filename="a.zip"),
        file(data_url(b"\x00\x01", "application/pdf"), filename="a.pdf"),
        file("not base64 at all!"),
    ],
    ids=["by id", "unknown format", "no pdf", "not base64"],
)
def test_file_that_cannot_be_sent_is_refused(part: Any) -> None:
    answer = refusal(messages=[{"role": "user", "content": [part]}])

    assert answer.param == "messages[0].content[0].file.file_data"


def audio(**given: Any) -> dict[str, Any]:
    return {"type": "input_audio", "input_audio": given}


def test_audio_goes_to_models_that_hear() -> None:
    part = audio(data="UklGRg==", format="wav")

    for model in ("us.amazon.nova-2-omni-v1:0", UNKNOWN):
        (block,) = user_blocks(part, model=model)
        assert block == {"audio": {"format": "wav", "source": {"bytes": "UklGRg=="}}}


@pytest.mark.parametrize(
    ("model", "part"),
    [
        (SONNET_45, audio(data="UklGRg==", format="wav")),
        (UNKNOWN, audio(data="UklGRg==", format="midi")),
        (UNKNOWN, audio(data="UklGRg==", format=["wav"])),
        (UNKNOWN, audio(format="wav")),
    ],
    ids=["deaf", "unknown format", "odd format", "no data"],
)
def test_audio_that_cannot_be_sent_is_refused(model: str, part: Any) -> None:
    answer = refusal(model, messages=[{"role": "user", "content": [part]}])

    assert (answer.param or "").startswith("messages[0].content[0]")


@pytest.mark.parametrize(
    ("control", "point"),
    [
        (MARK, {"type": "default"}),
        ({"type": "ephemeral", "ttl": "1h"}, {"type": "default", "ttl": "1h"}),
        ({"type": "ephemeral", "ttl": ["1h"]}, {"type": "default"}),
    ],
)
def test_mark_for_the_cache_is_a_block_behind_the_part(control: Any, point: Any) -> None:
    assert user_blocks(text("Long", cache_control=control), text("Short")) == [
        {"text": "Long"},
        {"cachePoint": point},
        {"text": "Short"},
    ]


def test_mark_for_the_cache_stands_before_documents() -> None:
    blocks = user_blocks(text("Read"), {**DOCUMENT, "cache_control": MARK})

    assert [[*block] for block in blocks] == [["text"], ["cachePoint"], ["document"]]


def test_mark_of_a_message_is_a_block_at_its_end() -> None:
    """opencode marks messages for the cache, not their parts."""
    marked = {"cache_control": MARK}
    sent = messages(
        {"role": "user", "content": "Long", **marked},
        calling(tool_call("c"), **marked),
        result("c", [text("7", **marked)], **marked),
    )

    point = {"cachePoint": {"type": "default"}}
    assert [turn["content"][-1] for turn in sent] == [point] * 3
    assert [sum(block == point for block in turn["content"]) for turn in sent] == [1, 1, 1]


def test_mark_of_a_call_is_a_block_behind_it() -> None:
    """AI SDK marks the last call in place of the message."""
    calls = calling(tool_call("c"), {**tool_call("d"), "cache_control": MARK})

    told = messages(USER, calls, result("c", "7"), result("d", "8"))

    assert [[*block] for block in told[1]["content"]] == [["toolUse"], ["toolUse"], ["cachePoint"]]


def test_mark_of_a_message_for_a_model_without_a_cache_is_dropped() -> None:
    marked = {"role": "user", "content": "Long", "cache_control": MARK}

    assert dropped(LLAMA, messages=[marked]) == ["messages[].cache_control"]


@pytest.mark.parametrize(
    ("model", "part"),
    [(SONNET_45, {**DOCUMENT, "cache_control": MARK}), (LLAMA, text("Long", cache_control=MARK))],
    ids=["nothing to stand behind", "no cache"],
)
def test_mark_that_would_be_refused_is_dropped(model: str, part: Any) -> None:
    sent = built(model, messages=[{"role": "user", "content": [part]}])

    assert not any("cachePoint" in block for block in sent.body["messages"][0]["content"])
    assert list(sent.dropped) == ["messages[].content[].cache_control"]


# Models


@pytest.mark.parametrize(
    ("model", "sampling"),
    [("anthropic.claude-v2:1", {"temperature": 0.5}), ("anthropic.claude-next-9", {})],
    ids=["oldest", "newest"],
)
def test_claude_by_any_name_keeps_claudes_rules(model: str, sampling: Any) -> None:
    assert body(model, temperature=0.5).get("inferenceConfig", {}) == sampling


# Plain answers


def answer(*content: Any, stop: Any = "end_turn", **rest: Any) -> dict[str, Any]:
    told = {"output": {"message": {"role": "assistant", "content": list(content)}}, **rest}
    return {**told, "stopReason": stop} if stop else told


def parsed(*content: Any, stop: Any = "end_turn", **rest: Any) -> dict[str, Any]:
    return PROVIDER.parse_response(call(), answer(*content, stop=stop, **rest))


def use(call_id: str = "a", name: str = "f", told: Any = None, **rest: Any) -> dict[str, Any]:
    return {"toolUse": {"toolUseId": call_id, "name": name, "input": told or {}, **rest}}


@pytest.mark.parametrize(
    ("stop", "content", "reason"),
    [
        ("end_turn", [{"text": "a"}], "stop"),
        ("stop_sequence", [{"text": "a"}], "stop"),
        ("end_turn", [use()], "tool_calls"),
        ("tool_use", [use()], "tool_calls"),
        ("max_tokens", [use()], "length"),
        ("model_context_window_exceeded", [], "length"),
        ("guardrail_intervened", [{"text": "a"}], "content_filter"),
        ("content_filtered", [], "content_filter"),
        ("malformed_model_output", [{"text": "a"}], "stop"),
        ("unheard_of", [{"text": "a"}], "stop"),
        ("unheard_of", [use()], "tool_calls"),
        (None, [{"text": "a"}], "stop"),
        (["odd"], [{"text": "a"}], "stop"),
    ],
)
def test_finish_reason_is_openais(stop: Any, content: list[Any], reason: str) -> None:
    assert parsed(*content, stop=stop)["choices"][0]["finish_reason"] == reason


@pytest.mark.parametrize("content", [[], [{"text": "Let me"}, use()]])
def test_malformed_output_is_an_error_unless_it_is_text(content: list[Any]) -> None:
    with pytest.raises(ResponseError, match="malformed_tool_use"):
        parsed(*content, stop="malformed_tool_use")


def test_text_is_joined_and_all_else_is_passed_over() -> None:
    message = parsed(
        {"text": "a"},
        {"citationsContent": {"content": [{"text": "b"}, "odd"], "citations": []}},
        {"citationsContent": {"citations": []}},
        {"citationsContent": None},
        {"image": {}},
        {"text": None},
        "odd",
        {"text": "c"},
        use("s", type="server_tool_use"),
        {"toolResult": {"toolUseId": "s", "content": []}},
        {"toolUse": "odd"},
    )["choices"][0]["message"]

    assert message == {"role": "assistant", "content": "abc"}


def test_parallel_calls_come_in_order() -> None:
    message = parsed(use("a", "f", {"x": "č"}), use("", "g", type="tool_use"))["choices"][0]

    assert message["message"]["tool_calls"] == [
        tool_call("a", "f", '{"x":"č"}'),
        tool_call("call_fixture_1", "g", "{}"),
    ]


@pytest.mark.parametrize(
    ("told", "arguments"),
    [('{"x":', '{"x":'), ("", "{}"), (None, "{}"), ([1], "[1]")],
)
def test_input_that_is_no_object_is_told_as_it_is(told: Any, arguments: str) -> None:
    block = {"toolUse": {"toolUseId": "a", "name": "f", "input": told}}

    calls = parsed(block)["choices"][0]["message"]["tool_calls"]

    assert calls == [tool_call("a", "f", arguments)]


def test_call_bears_the_name_that_the_client_gave_the_tool() -> None:
    asked = call(tools=[tool(ODD_NAME), {"type": "custom"}])
    (told,) = PROVIDER.build_request(call(tools=[tool(ODD_NAME)])).body["toolConfig"]["tools"]

    completion = PROVIDER.parse_response(asked, answer(use("a", told["toolSpec"]["name"])))

    assert completion["choices"][0]["message"]["tool_calls"] == [tool_call("a", ODD_NAME)]


def test_reasoning_is_told_and_what_is_signed_can_be_sent_back() -> None:
    message = parsed(
        {"reasoningContent": {"reasoningText": {"text": "Hm", "signature": "c2ln"}}},
        {"reasoningContent": {"redactedContent": "cmVk"}},
        {"reasoningContent": {"reasoningText": {"text": ", well"}}},
        {"reasoningContent": {"reasoningText": {"signature": "c2ln"}}},
        {"reasoningContent": None},
    )["choices"][0]["message"]

    assert message == {
        "role": "assistant",
        "content": "",
        "reasoning_content": "Hm, well",
        "thinking_blocks": [
            THOUGHT,
            {"type": "redacted_thinking", "data": "cmVk"},
            {"type": "thinking", "thinking": "", "signature": "c2ln"},
        ],
    }


@pytest.mark.parametrize(
    ("usage", "counts"),
    [
        (
            {"inputTokens": 3, "outputTokens": 2, "totalTokens": 5},
            {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5},
        ),
        (
            {
                "inputTokens": 3.0,
                "outputTokens": 2,
                "cacheReadInputTokenCount": 10,
                "cacheReadInputTokens": 10,
                "cacheWriteInputTokenCount": 4,
            },
            {
                "prompt_tokens": 17,
                "completion_tokens": 2,
                "total_tokens": 19,
                "prompt_tokens_details": {"cached_tokens": 10, "cache_write_tokens": 4},
            },
        ),
        ({"inputTokens": 3}, None),
        ({"inputTokens": True, "outputTokens": 2}, None),
        (None, None),
    ],
)
def test_usage_counts_the_cache_inside_the_prompt(usage: Any, counts: Any) -> None:
    assert parsed({"text": "a"}, usage=usage).get("usage") == counts


@pytest.mark.parametrize(
    ("told", "tier"), [({"type": "flex"}, "flex"), ({"type": "reserved"}, None), (None, None)]
)
def test_service_tier_is_echoed_where_openai_knows_it(told: Any, tier: str | None) -> None:
    assert parsed({"text": "a"}, serviceTier=told).get("service_tier") == tier


@pytest.mark.parametrize(
    "told", [{}, {"output": None}, {"output": {"message": {}}}, {"output": {"message": []}}]
)
def test_answer_without_a_message_raises(told: dict[str, Any]) -> None:
    with pytest.raises(ResponseError, match=r"output\.message\.content"):
        PROVIDER.parse_response(call(), told)


# Errors


@pytest.mark.parametrize(
    ("status", "told", "meant"),
    [
        (400, "Input is too long for requested model.", (400, "context_length_exceeded")),
        (400, "The model returned the following errors: prompt is too long: 9 tokens > 8 maximum",
         (400, "context_length_exceeded")),
        (400, "Input Tokens Exceeded: Number of input tokens exceeds maximum length.",
         (400, "context_length_exceeded")),
        (400, "input length and `max_tokens` exceed context limit: 9 + 1 > 8",
         (400, "context_length_exceeded")),
        (400, "The provided model identifier is invalid.", (404, "model_not_found")),
        (400, "Invocation of model ID a with on-demand throughput isn't supported.", (400, None)),
        (401, "Unauthorized", (401, "invalid_api_key")),
        (403, "The security token included in the request is expired", (401, "invalid_api_key")),
        (403, "The request signature we calculated does not match", (401, "invalid_api_key")),
        (403, "Authentication failed: Please make sure your API Key is valid.",
         (401, "invalid_api_key")),
        (403, "You don't have access to the model with the specified model ID.",
         (403, "permission_denied")),
        (404, "Could not resolve the foundation model", (404, "model_not_found")),
        (408, "Model has timed out", (504, "timeout")),
        (424, "The system encountered an unexpected error", (502, None)),
        (429, "Too many requests", (429, "rate_limit_exceeded")),
        (429, "Too many tokens per day, please wait", (429, "insufficient_quota")),
        (429, "The model is not ready for inference", (503, "overloaded")),
        (500, "Oops", (500, None)),
        (503, "Bedrock is unable to process your request", (503, "overloaded")),
    ],
)  # fmt: skip
def test_error_is_told_by_status_and_words(
    status: int, told: str, meant: tuple[int, str | None]
) -> None:
    mapped = PROVIDER.parse_error(status, {"message": told})

    assert (mapped.status, mapped.code, mapped.message) == (*meant, told)


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("com.amazon.coral.service#ExpiredTokenException", (401, "invalid_api_key")),
        ("x#ServiceQuotaExceededException:http://internal", (429, "insufficient_quota")),
        ("ModelNotReadyException", (503, "overloaded")),
        ("UnheardOfException", (429, "rate_limit_exceeded")),
    ],
)
def test_error_is_told_by_its_name(name: str, meant: tuple[int, str]) -> None:
    mapped = PROVIDER.parse_error(429, {"__type": name, "Message": "No"})

    assert (mapped.status, mapped.code, mapped.message) == (*meant, "No")


def test_error_of_a_gateway_keeps_its_words() -> None:
    mapped = PROVIDER.parse_error(429, {"error": {"message": "Slow down.", "type": "busy"}})

    told = (mapped.status, mapped.code, mapped.message)
    assert told == (429, "rate_limit_exceeded", "Slow down.")


def test_lasting_want_of_quota_is_not_to_be_tried_again() -> None:
    mapped = PROVIDER.parse_error(429, {"message": "Too many tokens per day"})

    assert mapped.headers == {"x-should-retry": "false"}


# Streams


def stream_of(*events: tuple[str, Any]) -> tuple[list[dict[str, Any]], Any]:
    """The chunks of these events, and the stream they left behind."""
    stream = PROVIDER.open_stream(call(stream=True))
    given = [Event(name, json.dumps(told).encode()) for name, told in events]
    return feed_all(stream, given), stream


def start(index: int, **told: Any) -> tuple[str, Any]:
    return "contentBlockStart", {"contentBlockIndex": index, "start": told}


def delta(index: int, **told: Any) -> tuple[str, Any]:
    return "contentBlockDelta", {"contentBlockIndex": index, "delta": told}


def stop(index: int) -> tuple[str, Any]:
    return "contentBlockStop", {"contentBlockIndex": index}


BEGIN = ("messageStart", {"role": "assistant"})
END = ("messageStop", {"stopReason": "end_turn"})
USAGE = ("metadata", {"usage": {"inputTokens": 1, "outputTokens": 1}, "p": "abc"})


def content_of(*events: tuple[str, Any]) -> list[dict[str, Any]]:
    """The blocks of the plain answer that these events, between start and end, amount to."""
    chunks, stream = stream_of(BEGIN, *events, END, USAGE)
    plain = PROVIDER.parse_response(call(), stream.answer)
    assert plain == fold(chunks)
    return stream.answer["output"]["message"]["content"]


def test_calls_are_numbered_by_their_order_and_not_by_their_blocks() -> None:
    """https://github.com/higress-group/higress/issues/3786"""
    chunks, _ = stream_of(
        BEGIN,
        start(5, toolUse={"toolUseId": "a", "name": "f"}),
        start(7, toolUse={"toolUseId": "b", "name": "g"}),
        delta(7, toolUse={"input": '{"y":2}'}),
        delta(5, toolUse={"input": '{"x":1}'}),
        stop(5),
        stop(7),
        ("messageStop", {"stopReason": "tool_use"}),
        USAGE,
    )

    assert {choice["index"] for chunk in chunks for choice in chunk["choices"]} == {0}
    assert fold(chunks)["choices"][0]["message"]["tool_calls"] == [
        tool_call("a", "f", '{"x":1}'),
        tool_call("b", "g", '{"y":2}'),
    ]


def test_call_without_arguments_gets_them_once_at_its_end() -> None:
    chunks, _ = stream_of(
        BEGIN,
        start(0, toolUse={"toolUseId": "a", "name": "f"}),
        delta(0, toolUse={"input": ""}),
        stop(0),
    )

    told = [chunk["choices"][0]["delta"]["tool_calls"][0]["function"] for chunk in chunks[1:]]
    assert told == [{"name": "f", "arguments": ""}, {"arguments": "{}"}]


def test_call_that_nothing_stops_ends_with_the_message() -> None:
    chunks, _ = stream_of(BEGIN, start(0, toolUse={"name": "f"}), END, USAGE)

    message = fold(chunks)["choices"][0]
    assert message["finish_reason"] == "tool_calls"
    assert message["message"]["tool_calls"] == [tool_call("call_fixture_0", "f", "{}")]


def test_call_bears_the_clients_name_in_a_stream_too() -> None:
    asked = call(tools=[tool(ODD_NAME)])
    (told,) = PROVIDER.build_request(asked).body["toolConfig"]["tools"]
    opening = {"toolUseId": "a", "name": told["toolSpec"]["name"]}
    stream = PROVIDER.open_stream(asked)
    given = [BEGIN, start(0, toolUse=opening), END, USAGE]

    chunks = feed_all(stream, [Event(name, json.dumps(body).encode()) for name, body in given])

    assert fold(chunks)["choices"][0]["message"]["tool_calls"] == [tool_call("a", ODD_NAME)]
    assert PROVIDER.parse_response(asked, stream.answer) == fold(chunks)


def test_one_index_may_see_two_kinds_of_content() -> None:
    """https://github.com/danny-avila/LibreChat/issues/10647"""
    assert content_of(
        delta(0, reasoningContent={"text": "Hm"}),
        delta(0, reasoningContent={"signature": "c2"}),
        delta(0, reasoningContent={"signature": "ln"}),
        delta(0, text="Hi"),
        stop(0),
        delta(0, text=" there"),
    ) == [
        {"reasoningContent": {"reasoningText": {"text": "Hm", "signature": "c2ln"}}},
        {"text": "Hi"},
        {"text": " there"},
    ]


def test_reasoning_without_a_signature_is_not_for_sending_back() -> None:
    assert content_of(delta(0, reasoningContent={"text": "Hm"})) == [
        {"reasoningContent": {"reasoningText": {"text": "Hm"}}}
    ]


@pytest.mark.parametrize(
    ("pieces", "joined"),
    [(["cmVk"], "cmVk"), (["cg==", "ZWQ="], "cmVk"), (["a", "b"], "ab")],
    ids=["whole", "in pieces", "no base64"],
)
def test_redacted_reasoning_is_kept_for_sending_back(pieces: list[str], joined: str) -> None:
    deltas = [delta(0, reasoningContent={"redactedContent": piece}) for piece in pieces]

    assert content_of(*deltas) == [{"reasoningContent": {"redactedContent": joined}}]


def test_arguments_cut_short_are_told_as_they_came() -> None:
    assert content_of(
        start(0, toolUse={"toolUseId": "a", "name": "f"}), delta(0, toolUse={"input": '{"x":'})
    ) == [{"toolUse": {"toolUseId": "a", "name": "f", "input": '{"x":'}}]


def test_tool_of_the_server_and_its_result_are_only_kept() -> None:
    opening = {"toolUseId": "s", "name": "search", "type": "server_tool_use"}
    found = {"toolUseId": "s", "type": "search_result"}

    assert content_of(
        start(0, toolUse=opening),
        delta(0, toolUse={"input": '{"q":1}'}),
        stop(0),
        start(1, toolResult=found),
        delta(1, toolResult=[{"text": "It"}]),
        delta(1, toolResult="odd"),
        stop(1),
        delta(2, text="Here"),
    ) == [
        {"toolUse": {**opening, "input": {"q": 1}}},
        {"toolResult": {**found, "content": [{"text": "It"}]}},
        {"text": "Here"},
    ]


def test_image_is_only_kept() -> None:
    assert content_of(
        start(0, image={"format": "png"}), delta(0, image={"source": {"bytes": "iVBO"}})
    ) == [{"image": {"format": "png", "source": {"bytes": "iVBO"}}}]


def test_citation_without_text_of_its_own_is_only_kept() -> None:
    assert content_of(delta(0, citation={"title": "a"}), stop(0), delta(1, text="Hi")) == [
        {"citationsContent": {"content": [], "citations": [{"title": "a"}]}},
        {"text": "Hi"},
    ]


def test_kinds_nobody_has_heard_of_pass_without_a_trace() -> None:
    assert content_of(
        start(0, hologram={}),
        start(0, toolUse="odd"),
        delta(0, hologram="?"),
        delta(0, reasoningContent={"colour": "red"}),
        delta(0, text="Hi"),
        stop(9),
        ("hologramStop", {}),
    ) == [{"text": "Hi"}]


def test_null_in_a_delta_is_absence() -> None:
    assert content_of(
        delta(0, text=None, reasoningContent={"text": "Hm", "signature": None}),
        delta(1, text="Hi", reasoningContent=None, toolUse=None),
    ) == [{"reasoningContent": {"reasoningText": {"text": "Hm"}}}, {"text": "Hi"}]


def test_finish_waits_for_metadata() -> None:
    chunks, stream = stream_of(BEGIN, delta(0, text="Hi"), END)

    assert not stream.finished
    assert [chunk["choices"][0]["finish_reason"] for chunk in chunks] == [None, None]


def test_stream_that_ends_before_metadata_lacks_only_usage() -> None:
    chunks, stream = stream_of(BEGIN, delta(0, text="Hi"), END)

    chunks += stream.close()

    assert stream.finished
    assert stream.close() == []
    assert fold(chunks)["choices"][0]["finish_reason"] == "stop"
    assert "usage" not in fold(chunks)


def test_nothing_is_told_after_the_end() -> None:
    _, stream = stream_of(BEGIN, END, USAGE)

    assert stream.feed(Event("messageStart", b"{}")) == []


@pytest.mark.parametrize("role", ["assistant", None])
def test_role_is_kept_for_the_record(role: str | None) -> None:
    _, stream = stream_of(("messageStart", {"role": role}))

    assert stream.answer == {"output": {"message": {"role": "assistant", "content": []}}}


def test_nothing_is_an_answer_before_the_start() -> None:
    assert PROVIDER.open_stream(call()).answer == {}


@pytest.mark.parametrize(
    "events",
    [
        [END],
        [BEGIN, BEGIN],
        [BEGIN, USAGE],
        [BEGIN, END, delta(0, text="Hi")],
        [BEGIN, ("contentBlockDelta", {"delta": {"text": "Hi"}})],
        [BEGIN, ("contentBlockDelta", {"contentBlockIndex": 0})],
        [BEGIN, delta(0, text=7)],
        [BEGIN, delta(0, reasoningContent="Hm")],
        [BEGIN, delta(0, reasoningContent={"signature": 7})],
        [BEGIN, delta(0, toolUse={"input": "{}"})],
        [BEGIN, start(0, toolUse={"name": "f"}), delta(0, toolUse="odd")],
    ],
)
def test_stream_that_breaks_its_format_raises(events: list[Any]) -> None:
    with pytest.raises(ResponseError):
        stream_of(*events)


@pytest.mark.parametrize(
    ("name", "type", "code"),
    [
        ("internalServerException", "server_error", None),
        ("modelStreamErrorException", "server_error", None),
        ("validationException", "invalid_request_error", None),
        ("throttlingException", "requests", "rate_limit_exceeded"),
        ("serviceUnavailableException", "server_error", "overloaded"),
        ("unheardOfException", "server_error", None),
    ],
)
def test_exception_in_the_stream_raises(name: str, type: str, code: str | None) -> None:
    """https://github.com/Portkey-AI/gateway/issues/1142"""
    stream = PROVIDER.open_stream(call())
    decoder = PROVIDER.decoder()
    message = {"message": "It broke", "originalStatusCode": 500}

    with pytest.raises(ResponseError) as caught:
        feed_all(stream, decoder.feed(frame(name, message, ":exception-type")))

    told = caught.value.answer()
    assert (told.message, told.type, told.code) == ("It broke", type, code)


def test_exception_that_cannot_be_read_raises_too() -> None:
    stream = PROVIDER.open_stream(call())

    with pytest.raises(ResponseError, match="without an error message"):
        stream.feed(Event("exception:internalServerException", b"{"))


def test_base_url_names_the_region() -> None:
    filled = fill_in(PROVIDER.base_url, {"AWS_REGION": "eu-west-1"})

    assert filled == "https://bedrock-runtime.eu-west-1.amazonaws.com"
