"""Anthropic: the rules of the request one by one, what the models differ in, and the official
SDK's opinion of requests and streams."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Iterator
from typing import Any

import anthropic
import pytest
from anthropic.types import message_create_params
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter

from tests.calls import result, tool_call
from tests.cases import STREAM, Case, all_cases, fold, run_stream, without_nulls
from tests.upstream import Upstream, stream_reply
from transforms.anthropic import PROVIDER
from transforms.anthropic.messages import tool_id
from transforms.chat_request import check_request
from transforms.contract import Call, Event, ProviderRequest
from transforms.errors import RequestError, ResponseError

JSON = dict[str, Any]

SONNET = "claude-sonnet-4-5"
EFFORT = "claude-opus-4-6"
NEWEST = "claude-opus-4-8"
UNSTOPPABLE = "claude-fable-5"
ANCIENT = "claude-3-haiku-20240307"

PNG = base64.b64encode(b"\x89PNG\r\n\x1a\n" + bytes(40)).decode()
USER: JSON = {"role": "user", "content": "Hi"}
TOOL: JSON = {"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}
SCHEMA_FORMAT: JSON = {
    "type": "json_schema",
    "json_schema": {"name": "a", "schema": {"type": "object", "properties": {}}},
}
SIGNED: JSON = {"type": "thinking", "thinking": "Hm.", "signature": "EqQB"}

CASES = [case for case in all_cases() if case.provider is PROVIDER]


def call(model: str = SONNET, messages: list[JSON] | None = None, **parameters: Any) -> Call:
    request = {"model": "asked", "messages": messages or [USER], **parameters}
    return Call(check_request(request), model, completion_id="chatcmpl-x", created=1700000000)


def built(model: str = SONNET, messages: list[JSON] | None = None, **rest: Any) -> ProviderRequest:
    return PROVIDER.build_request(call(model, messages, **rest))


def body_of(model: str = SONNET, messages: list[JSON] | None = None, **rest: Any) -> JSON:
    return built(model, messages, **rest).body


def turns(*messages: JSON, model: str = SONNET) -> list[JSON]:
    return body_of(model, list(messages))["messages"]


def refused(model: str = SONNET, messages: list[JSON] | None = None, **rest: Any) -> JSON:
    with pytest.raises(RequestError) as caught:
        built(model, messages, **rest)
    return caught.value.answer().body()["error"]


def user(*parts: JSON) -> JSON:
    return {"role": "user", "content": list(parts)}


def text(words: str) -> JSON:
    return {"type": "text", "text": words}


def assistant(*calls: JSON, **fields: Any) -> JSON:
    return {"role": "assistant", "content": None, "tool_calls": list(calls), **fields}


# The official SDK

BLOCKS = {
    kind: TypeAdapter(getattr(anthropic.types, name))
    for kind, name in {
        "text": "TextBlockParam",
        "image": "ImageBlockParam",
        "document": "DocumentBlockParam",
        "tool_use": "ToolUseBlockParam",
        "tool_result": "ToolResultBlockParam",
        "thinking": "ThinkingBlockParam",
        "redacted_thinking": "RedactedThinkingBlockParam",
    }.items()
}
PLAIN = TypeAdapter(message_create_params.MessageCreateParamsNonStreaming)
STREAMED = TypeAdapter(message_create_params.MessageCreateParamsStreaming)

UNTYPED = {"temperature", "top_p", "top_k"}
"""Gone from the newest types, though older models still take them."""


def typed(body: JSON) -> JSON:
    """The body as the SDK's types read it: what they do not know is missing from it."""
    known = {name: value for name, value in body.items() if name not in UNTYPED}
    heads = [{**turn, "content": "."} for turn in body["messages"]]
    read = round_trip(STREAMED if "stream" in body else PLAIN, {**known, "messages": heads})
    for turn, told in zip(read["messages"], body["messages"], strict=True):
        turn["content"] = typed_content(told["content"])
    return {**body, **read} if known.keys() == read.keys() else read


def typed_content(content: Any) -> Any:
    if isinstance(content, str):
        return content
    return [round_trip(BLOCKS[block["type"]], block) for block in content]


def round_trip(adapter: TypeAdapter[Any], value: Any) -> Any:
    return adapter.dump_python(adapter.validate_python(value), mode="json")


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_request_is_all_in_the_sdk_types(case: Case) -> None:
    body = PROVIDER.build_request(case.call).body

    assert typed(body) == body


@pytest.mark.parametrize(
    "case",
    [case for case in CASES if case.has(STREAM) and case.has("response.json")],
    ids=lambda case: case.name,
)
def test_sdk_accumulates_the_same_answer(case: Case, upstream: Upstream) -> None:
    upstream.reply(stream_reply([case.stream]))
    client = anthropic.Anthropic(api_key="k", base_url=upstream.url, max_retries=0)
    asked = {"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": "Hi"}]}

    with client, client.beta.messages.stream(**asked) as stream:
        heard = without_nulls(stream.get_final_message().to_dict(mode="json"))

    _, ours = run_stream(case, [case.stream])
    assert without_nulls(ours.answer) == heard


# Messages


def test_leading_instructions_become_system_blocks_in_order() -> None:
    body = body_of(
        messages=[
            {"role": "system", "content": "A"},
            {"role": "developer", "content": [text("B"), {**text("C"), "cache_control": {}}]},
            USER,
        ]
    )

    assert body["system"] == [text("A"), text("B"), {**text("C"), "cache_control": {}}]
    assert body["messages"] == [USER]


def test_later_instruction_is_said_by_the_user_in_place() -> None:
    answered = {"role": "assistant", "content": "Yes"}

    assert turns(USER, answered, {"role": "system", "content": "Be brief"}) == [
        USER,
        answered,
        {"role": "user", "content": "Be brief"},
    ]


def test_later_instruction_stays_one_where_the_model_takes_it() -> None:
    rule, answered = (
        {"role": "system", "content": "Be brief"},
        {"role": "assistant", "content": "A"},
    )

    assert turns(USER, rule, answered, USER, rule, model=NEWEST) == [
        USER,
        rule,
        answered,
        USER,
        rule,
    ]


def test_later_instruction_before_a_user_message_is_said_by_the_user() -> None:
    rule = {"role": "developer", "content": "Be brief"}

    assert turns(USER, rule, USER, model=NEWEST) == [user(text("Hi"), text("Be brief"), text("Hi"))]


def test_image_in_an_instruction_is_refused() -> None:
    image = {"type": "image_url", "image_url": {"url": "https://a.example/a.png"}}

    error = refused(messages=[{"role": "system", "content": [image]}])

    assert error["param"] == "messages[0].content[0]"
    assert "takes text, refusal" in error["message"]


def test_neighbours_of_one_role_are_joined() -> None:
    answers = [{"role": "assistant", "content": words} for words in ("A", "B")]

    assert turns(USER, USER, *answers, USER) == [
        user(text("Hi"), text("Hi")),
        {"role": "assistant", "content": [text("A"), text("B")]},
        USER,
    ]


@pytest.mark.parametrize(
    "messages",
    [
        [{"role": "user", "content": ""}],
        [{"role": "user", "content": " \n"}],
        [{"role": "user", "content": []}],
        [{"role": "user", "content": [text("")]}],
        [{"role": "system", "content": "Be brief"}],
        [{"role": "system", "content": " "}],
    ],
    ids=["empty", "blank", "no parts", "empty part", "system alone", "blank system"],
)
def test_placeholder_stands_in_where_the_user_says_nothing(messages: list[JSON]) -> None:
    assert turns(*messages) == [{"role": "user", "content": "."}]


def test_history_that_starts_with_the_assistant_gets_a_user_turn() -> None:
    answered = {"role": "assistant", "content": "Hello"}

    assert turns(answered, USER) == [{"role": "user", "content": "."}, answered, USER]


def test_assistant_message_without_a_word_is_left_out() -> None:
    assert turns(USER, {"role": "assistant", "content": " "}, USER) == [
        user(text("Hi"), text("Hi"))
    ]


def test_refusals_are_text() -> None:
    declined = {"role": "assistant", "content": [{"type": "refusal", "refusal": "No."}]}
    also = {"role": "assistant", "content": None, "refusal": "Never."}
    silent = {"role": "assistant", "content": None, "refusal": " "}

    assert turns(USER, declined, also, silent, USER)[1]["content"] == [text("No."), text("Never.")]


def test_results_come_first_in_the_order_of_the_calls_in_one_turn() -> None:
    said = turns(
        USER,
        assistant(tool_call("a"), tool_call("b", arguments='{"x": 1}'), content="Wait."),
        result("b", "2", is_error=True),
        result("a", "1"),
        USER,
    )

    assert said[1:] == [
        {
            "role": "assistant",
            "content": [
                text("Wait."),
                {"type": "tool_use", "id": "a", "name": "f", "input": {}},
                {"type": "tool_use", "id": "b", "name": "f", "input": {"x": 1}},
            ],
        },
        user(
            {"type": "tool_result", "tool_use_id": "a", "content": "1"},
            {"type": "tool_result", "tool_use_id": "b", "content": "2", "is_error": True},
            text("Hi"),
        ),
    ]


def test_image_in_a_result_stays_inside_it() -> None:
    image = {"type": "image_url", "image_url": {"url": "https://a.example/a.png"}}

    said = turns(USER, assistant(tool_call("a")), result("a", [text("See"), image]))

    assert said[-1]["content"][0]["content"] == [
        text("See"),
        {"type": "image", "source": {"type": "url", "url": "https://a.example/a.png"}},
    ]


@pytest.mark.parametrize("content", ["", " ", [], [text("")]], ids=repr)
def test_empty_result_has_no_content(content: Any) -> None:
    said = turns(USER, assistant(tool_call("a")), result("a", content))

    assert said[-1] == user({"type": "tool_result", "tool_use_id": "a"})


def test_foreign_id_is_mapped_alike_in_call_and_result() -> None:
    said = turns(USER, assistant(tool_call("call:1/ü")), result("call:1/ü"))

    assert said[1]["content"][0]["id"] == said[2]["content"][0]["tool_use_id"]
    assert re.fullmatch("call_1___[0-9a-f]{12}", said[1]["content"][0]["id"])


@given(st.text())
@settings(max_examples=100)
def test_every_id_is_mapped_to_the_characters_the_api_takes(call_id: str) -> None:
    assert re.fullmatch("[A-Za-z0-9_-]+", tool_id(call_id))
    assert tool_id(tool_id(call_id)) == tool_id(call_id)


@given(st.from_regex("[A-Za-z0-9_-]+", fullmatch=True))
@settings(max_examples=50)
def test_good_ids_are_left_as_they_are(call_id: str) -> None:
    assert tool_id(call_id) == call_id


@given(st.sets(st.text(alphabet="a:/_ ü\ud83d"), min_size=2, max_size=8))
@settings(max_examples=100)
def test_different_ids_stay_different(call_ids: set[str]) -> None:
    assert len({tool_id(call_id) for call_id in call_ids}) == len(call_ids)


def test_call_without_arguments_has_an_empty_input() -> None:
    said = turns(USER, assistant(tool_call("a", arguments="")), result("a"))

    assert said[1]["content"][0]["input"] == {}


@pytest.mark.parametrize("arguments", ["[1]", "{", "7", '"x"'])
def test_arguments_that_are_no_object_are_refused_by_the_id_of_the_call(arguments: str) -> None:
    error = refused(messages=[USER, assistant(tool_call("a", arguments=arguments)), result("a")])

    assert error["param"] == "messages[1].tool_calls[0].function.arguments"
    assert "`a`" in error["message"]


def test_call_of_a_custom_tool_is_refused() -> None:
    custom = {"id": "a", "type": "custom", "custom": {"name": "f", "input": "x"}}

    error = refused(messages=[USER, assistant(custom), result("a")])

    assert error["param"] == "messages[1].tool_calls[0].type"


@pytest.mark.parametrize(
    ("message", "param"),
    [
        ({"role": "function", "name": "f", "content": "7"}, "messages[1].role"),
        (
            {"role": "assistant", "content": None, "function_call": {"name": "f"}},
            "messages[1].function_call",
        ),
        ({"role": "assistant", "content": None, "audio": {"id": "a"}}, "messages[1].audio"),
    ],
    ids=["function", "function_call", "audio"],
)
def test_messages_of_other_apis_are_refused(message: JSON, param: str) -> None:
    assert refused(messages=[USER, message, USER])["param"] == param


def test_beginning_to_go_on_from_does_not_end_in_space() -> None:
    assert turns(USER, {"role": "assistant", "content": "{ \n"})[-1]["content"] == "{"


def test_beginning_of_thinking_alone_is_passed() -> None:
    said = turns(USER, {"role": "assistant", "content": "", "thinking_blocks": [SIGNED]})

    assert said[-1] == {"role": "assistant", "content": [SIGNED]}


def test_beginning_to_go_on_from_is_refused_where_the_model_has_none() -> None:
    error = refused(EFFORT, [USER, {"role": "assistant", "content": "{"}])

    assert error["param"] == "messages"
    assert "end with a user message" in error["message"]


def test_fields_without_a_place_are_named_once() -> None:
    seen = {"type": "image_url", "image_url": {"url": "https://a.example/a.png", "detail": "low"}}
    named = {
        "role": "user",
        "content": [{**text("Hi"), "prompt_cache_breakpoint": {"mode": "explicit"}}, seen],
        "name": "A",
    }
    echoed = {"role": "assistant", "content": "A", "annotations": [], "reasoning_content": "Hm."}

    assert built(messages=[named, echoed, named]).dropped == (
        "messages[].name",
        "messages[].content[].prompt_cache_breakpoint",
        "messages[].content[].image_url.detail",
        "messages[].reasoning_content",
    )


# Thinking sent back


def test_signed_thinking_goes_back_unchanged_before_text_and_calls() -> None:
    hidden = {"type": "redacted_thinking", "data": "EpQB"}
    omitted = {"type": "thinking", "thinking": "", "signature": "EqUB"}
    blocks = [SIGNED, hidden, omitted]

    sent = built(
        messages=[
            USER,
            assistant(tool_call("a"), thinking_blocks=blocks, reasoning_content="Hm."),
            result("a"),
        ]
    )

    assert sent.body["messages"][1]["content"][:3] == blocks
    assert sent.dropped == ()


@pytest.mark.parametrize(
    "blocks",
    [[{"type": "thinking", "thinking": "Hm."}], ["Hm."], "Hm.", [{"type": "redacted_thinking"}]],
    ids=["unsigned", "no objects", "no list", "without data"],
)
def test_unsigned_thinking_is_dropped_by_name(blocks: Any) -> None:
    sent = built(messages=[USER, {"role": "assistant", "content": "A", "thinking_blocks": blocks}])

    assert sent.body["messages"][1] == {"role": "assistant", "content": "A"}
    assert sent.dropped == ("messages[].thinking_blocks",)


def test_thinking_is_not_sent_to_a_model_that_cannot_think() -> None:
    messages = [USER, {"role": "assistant", "content": "A", "thinking_blocks": [SIGNED]}, USER]

    assert built(ANCIENT, messages).dropped == ("messages[].thinking_blocks",)


def test_thinking_stays_on_in_a_tool_loop_that_begins_with_it() -> None:
    loop = [USER, assistant(tool_call("a"), thinking_blocks=[SIGNED]), result("a")]

    assert body_of(messages=loop, reasoning_effort="low")["thinking"]["type"] == "enabled"


def test_thinking_stays_on_after_a_tool_loop_is_closed() -> None:
    closed = [USER, assistant(tool_call("a")), result("a"), {"role": "assistant", "content": "A"}]

    assert "thinking" in body_of(messages=[*closed, USER], reasoning_effort="low")


@pytest.mark.parametrize(
    "parameters",
    [{"reasoning_effort": "low"}, {"thinking": {"type": "enabled", "budget_tokens": 2000}}],
    ids=["effort", "extension"],
)
@pytest.mark.parametrize(
    "messages",
    [
        [USER, assistant(tool_call("a")), result("a")],
        [USER, assistant(tool_call("a")), result("a"), {"role": "system", "content": "B"}],
        [USER, {"role": "assistant", "content": "{"}],
    ],
    ids=["loop", "loop with instruction", "beginning"],
)
def test_thinking_is_switched_off_where_its_blocks_are_lost(
    messages: list[JSON], parameters: JSON
) -> None:
    sent = built(messages=messages, **parameters)

    assert "thinking" not in sent.body
    assert sent.dropped == tuple(parameters)


def test_adaptive_thinking_stays_on_where_its_blocks_are_lost() -> None:
    """Adaptive thinking, "Validation changes": no turn has to begin with thinking."""
    loop = [USER, assistant(tool_call("a")), result("a")]

    sent = built(EFFORT, loop, reasoning_effort="high")

    assert sent.body["thinking"] == {"type": "adaptive"}
    assert sent.dropped == ()


# Content parts


@pytest.mark.parametrize(
    ("head", "media_type"),
    [
        (b"\x89PNG\r\n\x1a\n", "image/png"),
        (b"\xff\xd8\xff\xe0", "image/jpeg"),
        (b"GIF87a", "image/gif"),
        (b"GIF89a", "image/gif"),
        (b"RIFF\x00\x00\x00\x00WEBP", "image/webp"),
    ],
    ids=["png", "jpeg", "gif87", "gif89", "webp"],
)
def test_media_type_of_an_image_is_that_of_its_bytes(head: bytes, media_type: str) -> None:
    encoded = base64.b64encode(head + bytes(30)).decode()
    image = {"type": "image_url", "image_url": {"url": f"data:image/jpg;base64,{encoded}"}}

    (block,) = turns(user(image))[0]["content"]

    assert block["source"] == {"type": "base64", "media_type": media_type, "data": encoded}


def test_mark_of_a_message_is_on_its_last_block() -> None:
    """opencode marks messages for the cache, not their parts."""
    mark = {"cache_control": {"type": "ephemeral"}}
    function = {"name": "f", "arguments": "{}"}
    body = body_of(
        messages=[
            {"role": "system", "content": "Be brief", **mark},
            user(text("A"), {**text("B"), "cache_control": {"type": "own"}}) | mark,
            assistant({"id": "c", "type": "function", "function": function}, content="Hm", **mark),
            {"role": "tool", "tool_call_id": "c", "content": "7", **mark},
        ]
    )

    assert body["system"] == [{**text("Be brief"), **mark}]
    assert [turn["content"][-1].get("cache_control") for turn in body["messages"]] == [
        {"type": "own"},
        mark["cache_control"],
        mark["cache_control"],
    ]
    assert "cache_control" not in body["messages"][1]["content"][0]


def test_mark_of_a_call_is_on_its_block() -> None:
    """AI SDK marks the last call in place of the message."""
    called = {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    marked = {**called, "id": "d", "cache_control": {"type": "ephemeral"}}
    results = [{"role": "tool", "tool_call_id": each, "content": "7"} for each in "cd"]

    sent = built(messages=[USER, assistant(called, marked), *results])

    calls = sent.body["messages"][1]["content"]
    assert [block.get("cache_control") for block in calls] == [None, {"type": "ephemeral"}]
    assert sent.dropped == ()


def test_mark_of_a_message_without_a_block_to_bear_it_is_dropped() -> None:
    thought = {"type": "redacted_thinking", "data": "cmVk"}
    silent = {"role": "assistant", "content": "", "thinking_blocks": [thought]}

    sent = built(messages=[USER, {**silent, "cache_control": {"type": "ephemeral"}}, USER])

    assert sent.dropped == ("messages[].cache_control",)


def test_bare_string_names_an_image() -> None:
    image = {"type": "image_url", "image_url": "https://a.example/a.png", "cache_control": {}}

    assert turns(user(image))[0]["content"] == [
        {
            "type": "image",
            "source": {"type": "url", "url": "https://a.example/a.png"},
            "cache_control": {},
        }
    ]


@pytest.mark.parametrize(
    "url",
    [
        f"data:image/png;base64,{PNG[:20]}\n{PNG[20:]}",
        "data:image/png;base64," + PNG.replace("+", "%2B").replace("=", "%3D"),
        "data:image/png," + "".join(f"%{byte:02x}" for byte in base64.b64decode(PNG)),
    ],
    ids=["line breaks", "escaped", "not base64"],
)
def test_data_url_is_read_however_it_is_written(url: str) -> None:
    (block,) = turns(user({"type": "image_url", "image_url": {"url": url}}))[0]["content"]

    assert block["source"]["data"] == PNG


@pytest.mark.parametrize("url", ["https://a.example/a.png", "HTTPS://a.example/a.png"])
def test_image_on_the_web_goes_by_its_address(url: str) -> None:
    (block,) = turns(user({"type": "image_url", "image_url": {"url": url}}))[0]["content"]

    assert block == {"type": "image", "source": {"type": "url", "url": url}}


@pytest.mark.parametrize(
    "url",
    ["http://a.example/a.png", "file:///etc/passwd", None, 7],
    ids=["http", "file", "missing", "number"],
)
def test_other_image_urls_are_refused_with_what_to_do(url: Any) -> None:
    error = refused(messages=[user({"type": "image_url", "image_url": {"url": url}})])

    assert error["param"] == "messages[0].content[0].image_url.url"
    assert error["code"] == "invalid_image_url"
    assert "data:image/png;base64" in error["message"]


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("data:image/png;base64,SGVsbG8=", "holds no PNG"),
        ("data:image/png;base64,****", "not a data URL"),
        ("data:image/png", "not a data URL"),
    ],
    ids=["text", "not base64", "no comma"],
)
def test_data_url_without_an_image_is_refused(url: str, message: str) -> None:
    error = refused(messages=[user({"type": "image_url", "image_url": {"url": url}})])

    assert message in error["message"]


def file(data: bytes | str, **fields: Any) -> JSON:
    if isinstance(data, bytes):
        data = f"data:application/octet-stream;base64,{base64.b64encode(data).decode()}"
    return {"type": "file", "file": {"file_data": data, **fields}}


def test_pdf_becomes_a_document_with_its_name() -> None:
    encoded = base64.b64encode(b"%PDF-1.7 and more").decode()

    (block,) = turns(user(file(b"%PDF-1.7 and more", filename="a.pdf")))[0]["content"]

    assert block == {
        "type": "document",
        "source": {"type": "base64", "media_type": "application/pdf", "data": encoded},
        "title": "a.pdf",
    }


@pytest.mark.parametrize("data", ["grün".encode(), base64.b64encode("grün".encode()).decode()])
def test_text_file_becomes_a_document_of_text(data: bytes | str) -> None:
    (block,) = turns(user(file(data)))[0]["content"]

    assert block == {
        "type": "document",
        "source": {"type": "text", "media_type": "text/plain", "data": "grün"},
    }


def test_image_file_becomes_an_image() -> None:
    (block,) = turns(user(file(base64.b64decode(PNG))))[0]["content"]

    assert block["type"] == "image"


def test_name_of_an_image_file_is_dropped_by_name() -> None:
    sent = built(messages=[user({"type": "file", "file": {"file_data": PNG, "filename": "a.png"}})])

    assert sent.dropped == ("messages[].content[].file.filename",)


@pytest.mark.parametrize(
    "part",
    [
        file(b"PK\x03\x04\xff\xfe"),
        file(base64.b64encode(bytes(60)).decode() + "*"),
        {"type": "file", "file": {"file_id": "file-1"}},
        {"type": "input_audio", "input_audio": {"data": "", "format": "wav"}},
        {"type": "video_url", "video_url": {}},
    ],
    ids=["archive", "not base64", "file id", "audio", "unknown"],
)
def test_parts_the_models_cannot_take_are_refused_by_their_place(part: JSON) -> None:
    error = refused(messages=[user(text("Hi"), part)])

    assert error["param"].startswith("messages[0].content[1]")


# Tools


def test_schema_of_a_tool_passes_whole_but_for_its_dialect() -> None:
    schema = {"$schema": "x", "type": "object", "properties": {"a": {"$ref": "#/$defs/b"}}, "y": 1}
    function = {"name": "f", "description": "", "parameters": schema, "strict": False, "x": 1}

    sent = built(tools=[{"function": function, "cache_control": {"type": "ephemeral"}}])

    assert sent.body["tools"] == [
        {
            "name": "f",
            "description": "",
            "input_schema": {"type": "object", "properties": {"a": {"$ref": "#/$defs/b"}}, "y": 1},
            "cache_control": {"type": "ephemeral"},
        }
    ]
    assert sent.dropped == ("tools[].function.x",)


@pytest.mark.parametrize("parameters", [None, {}], ids=["absent", "empty"])
def test_tool_without_parameters_takes_an_empty_object(parameters: Any) -> None:
    function = {"name": "f", "parameters": parameters}

    assert body_of(tools=[{"type": "function", "function": function}])["tools"] == [
        {"name": "f", "input_schema": {"type": "object", "properties": {}}}
    ]


def test_schema_without_a_type_is_an_object() -> None:
    function = {"name": "f", "parameters": {"properties": {"a": {}}}}

    (tool,) = body_of(tools=[{"type": "function", "function": function}])["tools"]

    assert tool["input_schema"] == {"type": "object", "properties": {"a": {}}}


def test_strict_tool_is_closed() -> None:
    function = {**TOOL["function"], "strict": True}

    (tool,) = body_of(tools=[{"type": "function", "function": function}])["tools"]

    assert tool["strict"] is True
    assert tool["input_schema"] == {"type": "object", "additionalProperties": False}


def test_strictness_is_dropped_where_the_model_has_none() -> None:
    function = {**TOOL["function"], "strict": True}

    sent = built(ANCIENT, tools=[{"type": "function", "function": function}])

    assert sent.body["tools"] == [{"name": "f", "input_schema": {"type": "object"}}]
    assert sent.dropped == ("tools[].function.strict",)


@pytest.mark.parametrize(
    ("tool", "param"),
    [
        ({"type": "custom", "custom": {"name": "f"}}, "tools[0].type"),
        (
            {"type": "function", "function": {"name": "f", "parameters": {"type": "array"}}},
            "tools[0].function.parameters.type",
        ),
    ],
    ids=["custom", "no object"],
)
def test_other_tools_are_refused(tool: JSON, param: str) -> None:
    assert refused(tools=[tool])["param"] == param


@pytest.mark.parametrize(
    ("asked", "sent"),
    [
        ({}, None),
        ({"tool_choice": "auto"}, {"type": "auto"}),
        ({"tool_choice": "required"}, {"type": "any"}),
        ({"tool_choice": "none"}, {"type": "none"}),
        (
            {"tool_choice": {"type": "function", "function": {"name": "f"}}},
            {"type": "tool", "name": "f"},
        ),
        (
            {"parallel_tool_calls": False},
            {"type": "auto", "disable_parallel_tool_use": True},
        ),
        (
            {"parallel_tool_calls": False, "tool_choice": "required"},
            {"type": "any", "disable_parallel_tool_use": True},
        ),
        ({"parallel_tool_calls": False, "tool_choice": "none"}, {"type": "none"}),
        ({"parallel_tool_calls": True}, None),
    ],
    ids=str,
)
def test_tool_choice_maps(asked: JSON, sent: JSON | None) -> None:
    assert body_of(tools=[TOOL], **asked).get("tool_choice") == sent


def test_allowed_tools_are_those_that_are_sent() -> None:
    other = {"type": "function", "function": {"name": "g"}}
    allowed = {"mode": "required", "tools": [{"type": "function", "function": {"name": "g"}}]}

    body = body_of(
        tools=[TOOL, other], tool_choice={"type": "allowed_tools", "allowed_tools": allowed}
    )

    assert [tool["name"] for tool in body["tools"]] == ["g"]
    assert body["tool_choice"] == {"type": "any"}


@pytest.mark.parametrize(
    "choice",
    [
        "sometimes",
        {"type": "function", "function": {"name": "g"}},
        {"type": "function", "function": {"name": ["g"]}},
        {"type": "function"},
        {"type": "custom", "custom": {"name": "f"}},
        {"type": "allowed_tools", "allowed_tools": {"mode": "auto", "tools": [7]}},
        {"type": "allowed_tools"},
        {
            "type": "allowed_tools",
            "allowed_tools": {"mode": 7, "tools": [{"function": {"name": "f"}}]},
        },
    ],
    ids=str,
)
def test_choice_that_fits_no_tool_is_refused(choice: Any) -> None:
    assert refused(tools=[TOOL], tool_choice=choice)["param"] == "tool_choice"


def test_choice_of_a_tool_without_tools_is_refused() -> None:
    assert refused(tool_choice="required")["param"] == "tool_choice"


def test_choice_without_tools_says_nothing() -> None:
    sent = built(tool_choice="none", parallel_tool_calls=False)

    assert (sent.body, sent.dropped) == (body_of(), ())


def test_tools_of_the_history_are_declared_and_barred() -> None:
    body = body_of(messages=[USER, assistant(tool_call("a"), tool_call("b")), *map(result, "ab")])

    assert body["tools"] == [{"name": "f", "input_schema": {"type": "object", "properties": {}}}]
    assert body["tool_choice"] == {"type": "none"}


def test_what_was_said_is_not_read_for_tools() -> None:
    """Letter by letter, a long text would keep everything else waiting."""

    class Long(str):
        def __iter__(self) -> Iterator[str]:
            raise AssertionError("read")

    assert "tools" not in body_of(messages=[{"role": "user", "content": Long("Hi")}])


def test_forced_tool_wins_over_a_thinking_budget() -> None:
    sent = built(tools=[TOOL], tool_choice="required", reasoning_effort="high")

    assert "thinking" not in sent.body
    assert sent.dropped == ("reasoning_effort",)


def test_forced_tool_goes_with_adaptive_thinking() -> None:
    body = body_of(EFFORT, tools=[TOOL], tool_choice="required", reasoning_effort="high")

    assert (body["tool_choice"], body["thinking"]) == ({"type": "any"}, {"type": "adaptive"})


def test_tool_is_not_forced_on_a_model_that_always_thinks() -> None:
    sent = built(UNSTOPPABLE, tools=[TOOL], tool_choice="required")

    assert sent.body["tool_choice"] == {"type": "auto"}
    assert sent.dropped == ("tool_choice",)


# Parameters


@pytest.mark.parametrize(
    ("model", "streamed", "plain"),
    [
        (ANCIENT, 4096, 4096),
        ("claude-2.1", 4096, 4096),
        ("claude-instant-1.2", 4096, 4096),
        ("claude-3-5-sonnet-latest", 8192, 8192),
        ("claude-3-7-sonnet-20250219", 64_000, 21_333),
        ("claude-opus-4-20250514", 32_000, 21_333),
        ("claude-4-opus-20250514", 32_000, 21_333),
        ("claude-opus-4-1", 32_000, 21_333),
        ("claude-sonnet-4-20250514", 64_000, 21_333),
        ("anthropic/claude-sonnet-4.5", 64_000, 21_333),
        ("claude-next-9", 64_000, 21_333),
        ("glm-5", 4096, 4096),
    ],
)
def test_limit_of_the_model_stands_in_for_none(model: str, streamed: int, plain: int) -> None:
    assert body_of(model, stream=True)["max_tokens"] == streamed
    assert body_of(model)["max_tokens"] == plain


@pytest.mark.parametrize(
    ("asked", "dropped"),
    [
        ({"max_tokens": 7}, ()),
        ({"max_completion_tokens": 7}, ()),
        ({"max_completion_tokens": 7, "max_tokens": 7}, ()),
        ({"max_completion_tokens": 7, "max_tokens": 9}, ("max_tokens",)),
    ],
    ids=str,
)
def test_newer_name_of_the_limit_wins(asked: JSON, dropped: tuple[str, ...]) -> None:
    sent = built(**asked)

    assert (sent.body["max_tokens"], sent.dropped) == (7, dropped)


@pytest.mark.parametrize("name", ["max_tokens", "max_completion_tokens"])
@pytest.mark.parametrize("limit", [0, -1])
def test_limit_below_one_is_refused(name: str, limit: int) -> None:
    assert refused(**{name: limit})["param"] == name


@pytest.mark.parametrize(
    ("model", "asked", "sent"),
    [
        (ANCIENT, {"temperature": 0.5, "top_p": 0.9, "top_k": 4}, None),
        (ANCIENT, {"temperature": 1.7}, {"temperature": 1}),
        (SONNET, {"temperature": 0.5, "top_p": 0.9}, {"temperature": 0.5}),
        (SONNET, {"top_p": 0.9, "top_k": 4}, None),
        (NEWEST, {"temperature": 1, "top_p": 1, "top_k": 4}, {}),
        (
            EFFORT,
            {"temperature": 0.5, "top_p": 0.9, "top_k": 4, "thinking": {"type": "adaptive"}},
            {},
        ),
        (EFFORT, {"temperature": 1, "top_p": 0.95, "thinking": {"type": "adaptive"}}, None),
        (EFFORT, {"temperature": 0.5, "thinking": {"type": "disabled"}}, None),
    ],
    ids=str,
)
def test_sampling_is_sent_as_far_as_the_model_takes_it(
    model: str, asked: JSON, sent: JSON | None
) -> None:
    """None: all of it, and nothing is named as dropped."""
    wanted = {name: value for name, value in asked.items() if name != "thinking"}
    expected = wanted if sent is None else sent

    made = built(model, **asked)

    assert {name: made.body[name] for name in wanted if name in made.body} == expected
    assert set(made.dropped) == {name for name in wanted if wanted[name] != expected.get(name)}


@pytest.mark.parametrize(
    ("taken", "models"),
    [
        (set(), ["opus-4-7", "opus-4-8", "opus-5", "sonnet-5", "fable-5", "mythos-5"]),
        ({"temperature"}, ["opus-4-1", "sonnet-4-5", "haiku-4-5", "sonnet-4-6"]),
        ({"temperature", "top_p"}, ["opus-4-5", "opus-4-6", "opus-4", "3-7-sonnet"]),
    ],
    ids=["neither", "one", "both"],
)
def test_families_take_sampling_as_they_do(taken: set[str], models: list[str]) -> None:
    sampling = {"temperature": 0.5, "top_p": 0.9}

    heard = {model: sampling.keys() & body_of(f"claude-{model}", **sampling) for model in models}

    assert heard == dict.fromkeys(models, taken)


@pytest.mark.parametrize(
    ("stop", "sent", "dropped"),
    [
        ("END", ["END"], ()),
        (["a", "b"], ["a", "b"], ()),
        (["a", "\n"], ["a"], ("stop",)),
        (" ", None, ("stop",)),
    ],
    ids=repr,
)
def test_blank_stop_sequences_are_dropped(stop: Any, sent: Any, dropped: tuple[str, ...]) -> None:
    made = built(stop=stop)

    assert (made.body.get("stop_sequences"), made.dropped) == (sent, dropped)


@pytest.mark.parametrize(
    ("asked", "user_id", "dropped"),
    [
        ({"user": "u-1"}, "u-1", ()),
        ({"safety_identifier": "s-1", "user": "u-1"}, "s-1", ("user",)),
        ({"safety_identifier": "s-1", "user": "s-1"}, "s-1", ()),
        ({"user": "a@b.example"}, hashlib.sha256(b"a@b.example").hexdigest(), ()),
        ({"user": "u" * 257}, hashlib.sha256(b"u" * 257).hexdigest(), ()),
        ({"user": ""}, None, ()),
    ],
    ids=["user", "both", "same", "address", "long", "empty"],
)
def test_end_user_is_metadata(asked: JSON, user_id: str | None, dropped: tuple[str, ...]) -> None:
    sent = built(**asked)

    assert sent.body.get("metadata", {}).get("user_id") == user_id
    assert sent.dropped == dropped


@pytest.mark.parametrize(
    ("tier", "sent", "dropped"),
    [
        ("auto", None, ()),
        ("default", "standard_only", ()),
        ("flex", None, ("service_tier",)),
    ],
)
def test_service_tier_maps(tier: str, sent: str | None, dropped: tuple[str, ...]) -> None:
    made = built(service_tier=tier)

    assert (made.body.get("service_tier"), made.dropped) == (sent, dropped)


@pytest.mark.parametrize(
    ("parameters", "param"),
    [
        ({"n": 2}, "n"),
        ({"functions": [{"name": "f"}]}, "functions"),
        ({"function_call": "auto"}, "function_call"),
        ({"modalities": ["text", "audio"]}, "modalities"),
        ({"audio": {"voice": "alloy"}}, "audio"),
        ({"reasoning_effort": "huge"}, "reasoning_effort"),
        ({"thinking": "on"}, "thinking"),
        ({"response_format": {"type": "xml"}}, "response_format.type"),
        ({"response_format": {"type": ["xml"]}}, "response_format.type"),
        (
            {"response_format": {"type": "json_schema"}},
            "response_format.json_schema.schema",
        ),
        (
            {"response_format": {"type": "json_schema", "json_schema": {"schema": 7}}},
            "response_format.json_schema.schema",
        ),
    ],
    ids=str,
)
def test_what_cannot_be_had_is_refused_by_name(parameters: JSON, param: str) -> None:
    assert refused(**parameters)["param"] == param


def test_what_only_tunes_is_dropped_in_the_order_it_was_asked() -> None:
    sent = built(seed=0, logit_bias={"1": 2}, verbosity="low", logprobs=True, unheard_of=1)

    assert sent.body == body_of()
    assert sent.dropped == ("seed", "logit_bias", "verbosity", "logprobs", "unheard_of")


def test_what_says_nothing_is_not_named_as_dropped() -> None:
    sent = built(
        n=1,
        presence_penalty=0,
        frequency_penalty=0.0,
        logprobs=False,
        top_logprobs=0,
        logit_bias={},
        store=False,
        metadata={},
        modalities=["text"],
        response_format={"type": "text"},
        tools=[],
        stream=False,
    )

    assert (sent.body, sent.dropped) == (body_of(), ())


def test_extensions_of_the_api_pass() -> None:
    extensions = {"top_k": 4, "cache_control": {"type": "ephemeral"}}

    assert body_of(**extensions) == {**body_of(), **extensions}


# Structured output


def test_schema_of_the_answer_is_closed_at_every_depth() -> None:
    schema = {
        "$schema": "x",
        "type": "object",
        "properties": {
            "type": {"type": "string", "enum": ["object"]},
            "list": {"type": "array", "items": {"type": "object"}},
            "open": {"type": "object", "additionalProperties": {"type": "string"}},
            "any": {"anyOf": [{"properties": {}}, True]},
        },
        "$defs": {"d": {"type": "object"}},
        "default": {"properties": 1},
    }
    wanted = {"type": "json_schema", "json_schema": {"name": "a", "schema": schema}}

    assert body_of(response_format=wanted)["output_config"]["format"] == {
        "type": "json_schema",
        "schema": {
            "type": "object",
            "properties": {
                "type": {"type": "string", "enum": ["object"]},
                "list": {
                    "type": "array",
                    "items": {"type": "object", "additionalProperties": False},
                },
                "open": {"type": "object", "additionalProperties": {"type": "string"}},
                "any": {"anyOf": [{"properties": {}, "additionalProperties": False}, True]},
            },
            "$defs": {"d": {"type": "object", "additionalProperties": False}},
            "default": {"properties": 1},
            "additionalProperties": False,
        },
    }


@pytest.mark.parametrize(
    "model",
    [ANCIENT, "claude-3-7-sonnet-latest", "claude-sonnet-4-20250514", "claude-opus-4-20250514"],
)
def test_schema_is_refused_where_the_model_keeps_none(model: str) -> None:
    assert refused(model, response_format=SCHEMA_FORMAT)["param"] == "response_format"


@pytest.mark.parametrize("model", ["haiku-4-5", "sonnet-4-5", "opus-4-1", "opus-4-5", "sonnet-5"])
def test_schema_is_sent_where_the_model_keeps_it(model: str) -> None:
    assert "format" in body_of(f"claude-{model}", response_format=SCHEMA_FORMAT)["output_config"]


def test_json_object_is_asked_for_in_words_after_the_instructions() -> None:
    messages = [{"role": "system", "content": "Be brief"}, USER]

    system = body_of(messages=messages, response_format={"type": "json_object"})["system"]

    assert system[0] == text("Be brief")
    assert "one JSON object" in system[1]["text"]


# Reasoning


@pytest.mark.parametrize(
    ("effort", "budget"),
    [
        ("minimal", 1024),
        ("low", 2048),
        ("medium", 10_000),
        ("high", 16_384),
        ("xhigh", 32_768),
        ("max", 32_768),
    ],
)
def test_effort_becomes_a_budget_on_models_without_efforts(effort: str, budget: int) -> None:
    body = body_of(reasoning_effort=effort, stream=True)

    assert body["thinking"] == {"type": "enabled", "budget_tokens": budget}
    assert "output_config" not in body


@pytest.mark.parametrize(
    ("model", "effort", "sent"),
    [
        (EFFORT, "minimal", "low"),
        (EFFORT, "low", "low"),
        (EFFORT, "xhigh", "max"),
        ("claude-sonnet-4-6", "xhigh", "max"),
        ("claude-opus-4-7", "xhigh", "xhigh"),
        (NEWEST, "xhigh", "xhigh"),
        (NEWEST, "max", "max"),
    ],
)
def test_effort_is_said_as_such_to_adaptive_models(model: str, effort: str, sent: str) -> None:
    body = body_of(model, reasoning_effort=effort)

    assert body["thinking"] == {"type": "adaptive"}
    assert body["output_config"] == {"effort": sent}


@pytest.mark.parametrize(
    ("model", "effort", "sent", "dropped"),
    [
        ("claude-opus-5", "max", "high", ("reasoning_effort",)),
        ("claude-opus-5", "xhigh", "high", ("reasoning_effort",)),
        ("claude-opus-5", "medium", "medium", ()),
        (NEWEST, "max", "max", ()),
        (EFFORT, "xhigh", "max", ("reasoning_effort",)),
    ],
)
def test_effort_beside_thinking_switched_off_is_what_the_model_takes(
    model: str, effort: str, sent: str, dropped: tuple[str, ...]
) -> None:
    made = built(model, thinking={"type": "disabled"}, reasoning_effort=effort)

    assert (made.body["output_config"], made.dropped) == ({"effort": sent}, dropped)


@pytest.mark.parametrize(
    ("model", "thinking", "dropped"),
    [
        (ANCIENT, None, ()),
        (SONNET, None, ()),
        (NEWEST, {"type": "disabled"}, ()),
        (UNSTOPPABLE, None, ("reasoning_effort",)),
    ],
)
def test_no_effort_switches_thinking_off(
    model: str, thinking: JSON | None, dropped: tuple[str, ...]
) -> None:
    sent = built(model, reasoning_effort="none")

    assert (sent.body.get("thinking"), sent.dropped) == (thinking, dropped)


def test_effort_is_dropped_where_the_model_cannot_think() -> None:
    sent = built(ANCIENT, reasoning_effort="high")

    assert (sent.body, sent.dropped) == (body_of(ANCIENT), ("reasoning_effort",))


@pytest.mark.parametrize(
    ("asked", "max_tokens", "budget"),
    [
        ({"max_tokens": 3000, "reasoning_effort": "low"}, 3000, 2048),
        ({"max_completion_tokens": 500, "reasoning_effort": "low"}, 2548, 2048),
        ({"max_tokens": 40_000, "reasoning_effort": "max"}, 40_000, 32_768),
    ],
    ids=str,
)
def test_budget_is_added_where_it_does_not_fit(asked: JSON, max_tokens: int, budget: int) -> None:
    sent = built(**asked)

    limit = next(iter(asked))
    assert sent.body["max_tokens"] == max_tokens
    assert sent.body["thinking"]["budget_tokens"] == budget
    assert sent.dropped == (() if max_tokens == asked[limit] else (limit,))


def test_budget_leaves_room_within_the_limit_of_the_model() -> None:
    sent = built("claude-opus-4-0", reasoning_effort="max")

    assert sent.body["thinking"]["budget_tokens"] == 32_000 - 1024
    assert sent.body["max_tokens"] == 32_000
    assert sent.dropped == ()


def test_thinking_asked_for_in_the_api_s_own_words_is_unchanged() -> None:
    thinking = {"type": "enabled", "budget_tokens": 100_000, "display": "omitted"}

    sent = built(thinking=thinking, reasoning_effort="low", max_tokens=10)

    assert sent.body["thinking"] == thinking
    assert sent.body["max_tokens"] == 100_001
    assert sent.dropped == ("max_tokens", "reasoning_effort")


def test_effort_goes_beside_thinking_asked_for_in_the_api_s_own_words() -> None:
    body = body_of(EFFORT, thinking={"type": "adaptive"}, reasoning_effort="high")

    assert (body["thinking"], body["output_config"]) == ({"type": "adaptive"}, {"effort": "high"})


# Answers

ANSWER: JSON = {
    "id": "msg_1",
    "type": "message",
    "role": "assistant",
    "content": [text("Hi")],
    "stop_reason": "end_turn",
    "usage": {"input_tokens": 2, "output_tokens": 3},
}


def parsed(**fields: Any) -> JSON:
    return PROVIDER.parse_response(call(), {**ANSWER, **fields})


@pytest.mark.parametrize(
    ("reason", "alone", "with_calls"),
    [
        ("end_turn", "stop", "tool_calls"),
        ("stop_sequence", "stop", "tool_calls"),
        ("tool_use", "stop", "tool_calls"),
        ("pause_turn", "stop", "tool_calls"),
        ("compaction", "stop", "tool_calls"),
        ("max_tokens", "length", "length"),
        ("model_context_window_exceeded", "length", "length"),
        ("refusal", "content_filter", "content_filter"),
        ("unheard_of", "stop", "tool_calls"),
        (None, "stop", "tool_calls"),
        (["end_turn"], "stop", "tool_calls"),
    ],
    ids=str,
)
def test_finish_reason_follows_the_stop_reason(reason: Any, alone: str, with_calls: str) -> None:
    use = {"type": "tool_use", "id": "a", "name": "f", "input": {}}

    assert parsed(stop_reason=reason)["choices"][0]["finish_reason"] == alone
    assert parsed(stop_reason=reason, content=[use])["choices"][0]["finish_reason"] == with_calls


@pytest.mark.parametrize(
    "block",
    [
        "text",
        {},
        {"type": "unheard_of", "text": "x"},
        {"type": ["text"]},
        {"type": "text"},
        {"type": "text", "text": "", "citations": [7, {"type": "char_location"}]},
        {"type": "text", "text": "", "citations": 7},
        {
            "type": "text",
            "text": "",
            "citations": [{"type": "web_search_result_location", "url": "u", "title": None}],
        },
        {"type": "thinking", "thinking": None},
        {"type": "server_tool_use", "id": "s", "name": "web_search", "input": {}},
        {"type": "web_search_tool_result", "tool_use_id": "s", "content": []},
        {"type": "web_fetch_tool_result", "tool_use_id": "s", "content": {"url": "u"}},
        {"type": "code_execution_tool_result", "tool_use_id": "s", "content": {"stdout": "x"}},
        {"type": "mcp_tool_use", "id": "m", "name": "f", "server_name": "s", "input": {}},
        {"type": "mcp_tool_result", "tool_use_id": "m", "content": [{"type": "text", "text": "x"}]},
        {"type": "container_upload", "file_id": "f"},
        {"type": "compaction", "content": "x"},
    ],
    ids=str,
)
def test_blocks_without_a_place_leave_no_trace(block: Any) -> None:
    assert parsed(content=[text("Hi"), block]) == parsed()


@pytest.mark.parametrize(
    "kind",
    ["server_tool_use", "mcp_tool_use", "web_search_tool_result", "container_upload", "compaction"],
)
def test_blocks_without_a_place_leave_no_trace_in_a_stream(kind: str) -> None:
    block = opened(4, type=kind, id="s", name="f", input={}, content=[text("x")])
    growth = [
        grown(4, type="input_json_delta", partial_json="{}"),
        grown(4, type="compaction_delta", content="x"),
    ]

    assert deltas(block, *growth, closed(4)) == []


OMITTED: JSON = {"type": "thinking", "thinking": "", "signature": "EqQB"}


def test_thinking_that_is_not_shown_is_kept_by_its_signature() -> None:
    (choice,) = parsed(content=[OMITTED, text("Hi")])["choices"]

    assert choice["message"] == {
        "role": "assistant",
        "content": "Hi",
        "thinking_blocks": [OMITTED],
    }


def test_thinking_that_is_not_shown_in_a_stream_is_kept_by_its_signature() -> None:
    block = opened(type="thinking", thinking="", signature="")
    signed = grown(type="signature_delta", signature="EqQB")

    assert deltas(block, signed, closed()) == [{"thinking_blocks": [OMITTED]}]


def test_call_that_tells_nothing_is_still_a_call() -> None:
    (message,) = [choice["message"] for choice in parsed(content=[{"type": "tool_use"}])["choices"]]

    assert message["tool_calls"] == [
        {"id": "", "type": "function", "function": {"name": "", "arguments": "{}"}}
    ]


@pytest.mark.parametrize(
    "usage",
    [None, 7, {}, {"input_tokens": 2}, {"input_tokens": True, "output_tokens": 3}],
    ids=str,
)
def test_usage_that_is_not_told_is_not_invented(usage: Any) -> None:
    assert "usage" not in parsed(usage=usage)


def test_usage_counts_both_caches_into_the_prompt() -> None:
    usage = {
        "input_tokens": 1,
        "cache_read_input_tokens": 20,
        "cache_creation_input_tokens": 300,
        "output_tokens": 4.0,
        "output_tokens_details": {"thinking_tokens": 3},
    }

    assert parsed(usage=usage)["usage"] == {
        "prompt_tokens": 321,
        "completion_tokens": 4,
        "total_tokens": 325,
        "prompt_tokens_details": {"cached_tokens": 20, "cache_write_tokens": 300},
        "completion_tokens_details": {"reasoning_tokens": 3},
    }


@pytest.mark.parametrize("name", ["cache_read_input_tokens", "cache_creation_input_tokens"])
def test_cache_that_counts_null_is_not_told(name: str) -> None:
    usage = {"input_tokens": 1, "output_tokens": 2, name: None}

    counts = {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3}
    assert parsed(usage=usage)["usage"] == counts


def test_answer_without_an_id_gets_the_one_made_for_it() -> None:
    assert parsed(id=None)["id"] == "chatcmpl-x"


@pytest.mark.parametrize(
    ("tier", "told"), [("standard", "default"), ("priority", "priority"), ("batch", None)]
)
def test_service_tier_is_in_openais_words(tier: str, told: str | None) -> None:
    assert parsed(usage={"service_tier": tier}).get("service_tier") == told


def test_answer_without_content_raises() -> None:
    with pytest.raises(ResponseError, match="no `content`"):
        PROVIDER.parse_response(call(), {"id": "msg_1"})


@pytest.mark.parametrize(
    ("status", "kind", "message", "expected"),
    [
        (400, "invalid_request_error", "no", (400, "invalid_request_error", None)),
        (
            400,
            "invalid_request_error",
            "input length and `max_tokens` exceed context limit: 9 + 9 > 10",
            (400, "invalid_request_error", "context_length_exceeded"),
        ),
        (
            400,
            "invalid_request_error",
            "prompt is too long: 200001 tokens > 200000 maximum",
            (400, "invalid_request_error", "context_length_exceeded"),
        ),
        (
            400,
            "invalid_request_error",
            "Your credit balance is too low to access the API.",
            (429, "insufficient_quota", "insufficient_quota"),
        ),
        (401, "authentication_error", "no", (401, "invalid_request_error", "invalid_api_key")),
        (402, "billing_error", "pay", (429, "insufficient_quota", "insufficient_quota")),
        (403, "permission_error", "no", (403, "invalid_request_error", "permission_denied")),
        (404, "not_found_error", "Not found", (404, "invalid_request_error", None)),
        (
            404,
            "not_found_error",
            "model: claude-x",
            (404, "invalid_request_error", "model_not_found"),
        ),
        (408, "timeout_error", "late", (408, "timeout_error", "timeout")),
        (409, "conflict_error", "at odds", (409, "conflict_error", None)),
        (413, "request_too_large", "big", (413, "invalid_request_error", "request_too_large")),
        (429, "rate_limit_error", "slow", (429, "requests", "rate_limit_exceeded")),
        (500, "api_error", "oh", (500, "server_error", None)),
        (504, "timeout_error", "late", (504, "server_error", "timeout")),
        (529, "overloaded_error", "Overloaded", (503, "server_error", "overloaded")),
    ],
)
def test_errors_map_by_their_status(
    status: int, kind: str, message: str, expected: tuple[int, str, str | None]
) -> None:
    body = {"type": "error", "error": {"type": kind, "message": message}, "request_id": "req_1"}

    answer = PROVIDER.parse_error(status, body)

    assert (answer.status, answer.type, answer.code) == expected
    assert answer.message == message
    assert ("x-should-retry" in answer.headers) is (answer.code == "insufficient_quota")


@pytest.mark.parametrize(
    ("details", "code"),
    [
        ({"error_code": "contract_spend_limit_reached"}, "insufficient_quota"),
        ({"error_code": "enforced_spend_limit_reached"}, "insufficient_quota"),
        ({"error_code": "ramp_limit_exceeded"}, "rate_limit_exceeded"),
        ({"error_code": ["odd"]}, "rate_limit_exceeded"),
        ("odd", "rate_limit_exceeded"),
    ],
    ids=str,
)
def test_limit_on_spending_is_not_one_on_the_rate(details: object, code: str) -> None:
    error = {"type": "rate_limit_error", "message": "No more.", "details": details}

    answer = PROVIDER.parse_error(429, {"type": "error", "error": error})

    assert (answer.status, answer.code) == (429, code)
    assert ("x-should-retry" in answer.headers) is (code == "insufficient_quota")


# Streams


def event(kind: str | None = None, name: str = "", **fields: Any) -> Event:
    body = fields if kind is None else {"type": kind, **fields}
    return Event(name or kind or "", json.dumps(body).encode())


START = event("message_start", message={"id": "msg_1", "content": [], "usage": ANSWER["usage"]})
END = [
    event("message_delta", delta={"stop_reason": "end_turn"}, usage={"output_tokens": 9}),
    event("message_stop"),
]


def opened(index: int = 0, **block: Any) -> Event:
    return event("content_block_start", index=index, content_block=block)


def grown(index: int = 0, **delta: Any) -> Event:
    return event("content_block_delta", index=index, delta=delta)


def closed(index: int = 0) -> Event:
    return event("content_block_stop", index=index)


TEXT = opened(type="text", text="")


def fed(*events: Event) -> list[JSON]:
    stream = PROVIDER.open_stream(call())
    return [chunk for event in events for chunk in stream.feed(event)]


def deltas(*events: Event) -> list[JSON]:
    """What the chunks between the role and the finish say."""
    told = [chunk["choices"][0]["delta"] for chunk in fed(START, *events, *END)[:-1]]
    return told[1:-1]


def test_a_message_may_begin_with_its_first_block() -> None:
    """As llama.cpp tells it now and then; without an id and tokens of the prompt."""
    stream = PROVIDER.open_stream(call())
    events = [TEXT, grown(type="text_delta", text="Hi"), closed(), *END]
    chunks = [chunk for event in events for chunk in stream.feed(event)]
    assert stream.finished
    completion = fold(chunks)
    assert completion["choices"][0]["message"]["content"] == "Hi"
    assert completion["choices"][0]["finish_reason"] == "stop"
    assert "usage" not in completion
    assert stream.answer["usage"] == {"output_tokens": 9}
    assert completion["id"] == call().completion_id
    assert stream.answer["content"] == [{"type": "text", "text": "Hi"}]


@pytest.mark.parametrize(
    "events",
    [
        [TEXT, START],
        [grown(type="text_delta", text="x")],
        [closed()],
        [END[0]],
        [END[1]],
        [START, START],
        [START, END[1]],
        [START, grown(type="text_delta", text="x")],
        [START, closed()],
        [START, TEXT, TEXT],
        [START, TEXT, closed(), closed()],
        [START, TEXT, closed(), grown(type="text_delta", text="x")],
        [START, END[0], TEXT],
        [START, END[0], START],
    ],
)
def test_known_event_out_of_turn_raises(events: list[Event]) -> None:
    fed(*events[:-1])

    with pytest.raises(ResponseError, match=r"out of turn|not open|twice"):
        fed(*events)


@pytest.mark.parametrize(
    "broken",
    [
        event("content_block_start", index=0),
        event("content_block_start", index=0, content_block="text"),
        event("content_block_start", content_block={"type": "text"}),
        event("content_block_start", index=[0], content_block={"type": "text"}),
        event("content_block_delta", index=7),
        event("content_block_delta", index=7, delta=None),
        grown(7, type="text_delta"),
        grown(7, type="text_delta", text=None),
        grown(8, type="input_json_delta"),
        grown(9, type="signature_delta"),
        event("message_delta", usage={}),
        Event("message_stop", b'{"type": "message_stop"'),
        Event("message_stop", b"[DONE]"),
        Event("message_stop", b"\xff"),
        Event("message_stop", b"[]"),
    ],
)
def test_event_against_the_format_raises_nothing_else(broken: Event) -> None:
    blocks = [opened(7, type="text"), opened(8, type="tool_use"), opened(9, type="thinking")]

    with pytest.raises(ResponseError):
        fed(START, *blocks, broken)


def test_message_start_without_its_message_raises() -> None:
    with pytest.raises(ResponseError, match="no `message`"):
        fed(event("message_start"))


@pytest.mark.parametrize(
    "strange",
    [
        event("ping"),
        event("unheard_of"),
        event(7),
        event(name="ping"),
        event("content_block_start", index=5, content_block={"type": "unheard_of", "text": "x"}),
        event("content_block_start", index=5, content_block={"type": ["text"]}),
        grown(type="unheard_of_delta", text="x"),
        grown(type="input_json_delta", partial_json="{}"),
        grown(type=["text_delta"]),
        grown(),
        grown(type="text_delta", text=""),
        grown(type="citations_delta", citation=None),
        Event("ping", b""),
        Event("content_block_delta", b" "),
    ],
    ids=lambda strange: strange.data.decode() or strange.name,
)
def test_what_nobody_has_heard_of_passes_without_a_trace(strange: Event) -> None:
    said = grown(type="text_delta", text="Hi")

    assert deltas(TEXT, strange, said, closed()) == [{"content": "Hi"}]


def test_event_is_known_by_its_name_where_its_data_names_none() -> None:
    assert fed(event(name="message_start", message={"id": "msg_1"}))[0]["id"] == "msg_1"


def test_invalid_utf_8_in_text_is_replaced() -> None:
    said = grown(type="text_delta", text="?")

    broken = Event(said.name, said.data.replace(b"?", b"\xff"))

    assert deltas(TEXT, broken) == [{"content": "�"}]


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (
            event("error", error={"type": "overloaded_error", "message": "Overloaded"}),
            (503, "server_error", "overloaded"),
        ),
        (
            event("error", error={"type": "rate_limit_error", "message": "slow"}),
            (429, "requests", "rate_limit_exceeded"),
        ),
        (event("error", error={"type": ["x"], "message": "oh"}), (502, "server_error", None)),
        (event("error"), (502, "server_error", None)),
        (event(name="error", detail="oh"), (502, "server_error", None)),
        (event(error="oh"), (502, "server_error", None)),
    ],
    ids=["overloaded", "rate", "unknown", "bare", "named", "text"],
)
def test_error_in_mid_stream_raises_with_its_status(
    error: Event, expected: tuple[int, str, str | None]
) -> None:
    with pytest.raises(ResponseError) as caught:
        fed(START, TEXT, error)

    answer = caught.value.answer()
    assert (answer.status, answer.type, answer.code) == expected


def test_calls_are_counted_apart_from_blocks() -> None:
    def use(index: int, name: str) -> list[Event]:
        return [opened(index, type="tool_use", id=name, name=name, input={}), closed(index)]

    told = deltas(TEXT, closed(), *use(1, "f"), opened(2, type="text", text="!"), *use(3, "g"))

    assert told == [
        {"tool_calls": [{"index": 0, **tool_call("f", "f", "")}]},
        {"tool_calls": [{"index": 0, "function": {"arguments": "{}"}}]},
        {"content": "!"},
        {"tool_calls": [{"index": 1, **tool_call("g", "g", "")}]},
        {"tool_calls": [{"index": 1, "function": {"arguments": "{}"}}]},
    ]


@pytest.mark.parametrize(
    ("fragments", "arguments"),
    [
        ([], '{"a":1}'),
        ([""], '{"a":1}'),
        (['{"b"', ": 2}"], '{"b": 2}'),
        (['{"b": '], '{"b": '),
        (["7"], "7"),
    ],
    ids=["whole in the opening", "empty", "in fragments", "cut", "no object"],
)
def test_arguments_are_those_that_came(fragments: list[str], arguments: str) -> None:
    stream = PROVIDER.open_stream(call())
    use = opened(type="tool_use", id="a", name="f", input={"a": 1})
    pieces = [grown(type="input_json_delta", partial_json=piece) for piece in fragments]

    chunks = [chunk for event in (START, use, *pieces, *END) for chunk in stream.feed(event)]

    calls = [chunk["choices"][0]["delta"].get("tool_calls") for chunk in chunks[:-1]]
    assert "".join(call[0]["function"]["arguments"] for call in calls if call) == arguments
    (told,) = PROVIDER.parse_response(call(), stream.answer)["choices"][0]["message"]["tool_calls"]
    assert told["function"]["arguments"].replace(" ", "") == arguments.replace(" ", "")


def test_usage_of_the_end_replaces_that_of_the_start() -> None:
    start = event("message_start", message={"usage": {"input_tokens": 5, "output_tokens": 1}})
    ends = [
        event("message_delta", delta={}, usage={"output_tokens": 3, "input_tokens": 8}),
        event("message_delta", delta={}, usage={"output_tokens": 4, "input_tokens": None}),
        event("message_delta", delta={"stop_reason": "max_tokens"}, usage={"output_tokens": 7}),
        event("message_delta", delta={"stop_reason": None}),
        event("message_stop", **{"amazon-bedrock-invocationMetrics": {}}),
    ]

    *_, finish, usage = fed(start, *ends)

    assert finish["choices"] == [{"index": 0, "delta": {}, "finish_reason": "length"}]
    assert (usage["choices"], usage["usage"]) == (
        [],
        {"prompt_tokens": 8, "completion_tokens": 7, "total_tokens": 15},
    )


def test_data_may_be_padded() -> None:
    said = grown(type="text_delta", text="Hi")

    assert deltas(TEXT, Event(said.name, said.data + b"    ")) == [{"content": "Hi"}]


def test_stream_without_usage_ends_with_the_finish() -> None:
    start = event("message_start", message={"usage": None})
    ends = [event("message_delta", delta={"stop_reason": "end_turn"}), END[1]]

    assert fed(start, *ends)[-1]["choices"][0]["finish_reason"] == "stop"


def test_refusal_is_told_before_the_finish() -> None:
    details = {"stop_reason": "refusal", "stop_details": {"explanation": "Not that."}}

    refusal, finish = fed(START, event("message_delta", delta=details), END[1])[1:3]

    assert refusal["choices"][0]["delta"] == {"refusal": "Not that."}
    assert finish["choices"][0]["finish_reason"] == "content_filter"


def test_citations_of_the_opening_are_kept() -> None:
    def page(url: str) -> JSON:
        return {"type": "web_search_result_location", "url": url, "title": url}

    stream = PROVIDER.open_stream(call())
    for each in (
        START,
        opened(type="text", text="Hi", citations=[page("a")]),
        grown(type="citations_delta", citation=page("b")),
    ):
        stream.feed(each)

    assert stream.answer["content"] == [{**text("Hi"), "citations": [page("a"), page("b")]}]


def test_citations_of_the_opening_that_are_no_list_are_replaced() -> None:
    stream = PROVIDER.open_stream(call())
    for each in (
        START,
        opened(type="text", text="", citations=7),
        grown(type="citations_delta", citation={"url": "b"}),
    ):
        stream.feed(each)

    assert stream.answer["content"] == [{**text(""), "citations": [{"url": "b"}]}]


def test_answer_is_empty_before_the_first_event() -> None:
    assert PROVIDER.open_stream(call()).answer == {}


def test_events_after_the_end_are_ignored() -> None:
    stream = PROVIDER.open_stream(call())
    for each in (START, *END):
        stream.feed(each)

    assert stream.feed(Event("", b"[DONE]")) == []
    assert stream.close() == []
