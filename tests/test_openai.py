"""The OpenAI format as its hosts bend it, beyond the recorded cases."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from openai.lib.streaming.chat import ChatCompletionStreamState
from openai.types.chat import ChatCompletionChunk

from tests.cases import feed_all, fold
from transforms import openai
from transforms.compatible import PROVIDER as COMPATIBLE
from transforms.contract import Call, ErrorAnswer, Event
from transforms.errors import ResponseError


def call(**parameters: Any) -> Call:
    request = {"model": "m", "messages": [{"role": "user", "content": "Hello"}], **parameters}
    return Call(request, "m-1", completion_id="chatcmpl-fixture", created=1700000000)


def event(body: object, name: str = "") -> Event:
    return Event(name, body if isinstance(body, bytes) else json.dumps(body).encode())


DONE = event(b"[DONE]")


def chunk(delta: dict[str, Any], **rest: Any) -> dict[str, Any]:
    """A host's chunk of choice 0."""
    return {"choices": [{"index": 0, "delta": delta, **rest}]}


def stop(reason: str = "stop") -> dict[str, Any]:
    return chunk({}, finish_reason=reason)


def streamed(*bodies: object) -> list[dict[str, Any]]:
    """The chunks for these events, to the end of the body."""
    stream = openai.ChunkStream(call(stream=True))
    return feed_all(stream, [event(body) for body in bodies]) + stream.close()


def deltas(*bodies: object) -> list[dict[str, Any]]:
    return [choice["delta"] for each in streamed(*bodies) for choice in each["choices"]]


def message(*bodies: object) -> dict[str, Any]:
    return fold(streamed(*bodies))["choices"][0]["message"]


def fragment(arguments: object = None, **rest: Any) -> dict[str, Any]:
    """A host's chunk with one fragment of a call."""
    name = rest.pop("name", None)
    function = {
        key: value
        for key, value in {"name": name, "arguments": arguments}.items()
        if value is not None
    }
    return chunk({"tool_calls": [{**rest, "function": function}]})


def functions(*bodies: object) -> list[tuple[str, str, str]]:
    """Id, name and arguments of the calls the stream amounts to."""
    return [
        (each["id"], each["function"]["name"], each["function"]["arguments"])
        for each in message(*bodies)["tool_calls"]
    ]


# Requests


def test_compatible_host_gets_everything_and_usage_is_asked_for() -> None:
    sent = COMPATIBLE.build_request(
        call(stream=True, stream_options={"include_usage": False, "extra": 1}, top_k=40)
    )

    assert (sent.path, sent.dropped) == ("/chat/completions", ())
    assert sent.body == {
        "model": "m-1",
        "messages": [{"role": "user", "content": "Hello"}],
        "stream": True,
        "stream_options": {"include_usage": True, "extra": 1},
        "top_k": 40,
    }


def test_compatible_host_is_not_sent_what_says_nothing() -> None:
    """Some hosts refuse a parameter that they do not know, whatever its value."""
    nothing = {
        "presence_penalty": 0,
        "frequency_penalty": 0.0,
        "n": 1,
        "logprobs": False,
        "user": None,
        "tools": [],
        "tool_choice": "auto",
        "parallel_tool_calls": True,
        "response_format": {"type": "text"},
        "stream_options": {"include_usage": True},
    }

    sent = COMPATIBLE.build_request(call(**nothing))

    assert sent.dropped == ()
    assert sent.body == {"model": "m-1", "messages": [{"role": "user", "content": "Hello"}]}


def test_developer_is_the_system_to_a_host_nobody_knows() -> None:
    said = {"content": "Be brief."}

    sent = COMPATIBLE.build_request(call(messages=[{"role": "developer", **said}]))

    assert sent.body["messages"] == [{"role": "system", **said}]


@pytest.mark.parametrize("build", [openai.build_request, COMPATIBLE.build_request])
def test_bare_address_of_an_image_is_put_into_an_object(build: Any) -> None:
    text = {"type": "text", "text": "What is this?"}
    bare = {"type": "image_url", "image_url": "https://example.com/a.png"}

    sent = build(call(messages=[{"role": "user", "content": [text, bare]}]))

    assert sent.body["messages"][0]["content"] == [
        text,
        {"type": "image_url", "image_url": {"url": "https://example.com/a.png"}},
    ]


TOOLS = [{"type": "function", "function": {"name": name}} for name in "fg"]
CHOICE = {"type": "function", "function": {"name": "g"}}


@pytest.mark.parametrize(
    ("base_url", "told"),
    [
        ("http://127.0.0.1:1234/v1", {"tools": TOOLS[1:], "tool_choice": "required"}),
        ("http://192.0.2.7:1234", {"tools": TOOLS[1:], "tool_choice": "required"}),
        ("http://127.0.0.1:8000/v1", {"tools": TOOLS, "tool_choice": CHOICE}),
        ("http://127.0.0.1:12345/v1", {"tools": TOOLS, "tool_choice": CHOICE}),
    ],
)
def test_lm_studio_is_told_a_choice_in_a_word(base_url: str, told: dict[str, Any]) -> None:
    asked = replace(call(tools=TOOLS, tool_choice=CHOICE), base_url=base_url)

    sent = COMPATIBLE.build_request(asked)

    assert {name: sent.body[name] for name in told} == told
    assert sent.dropped == ()


@pytest.mark.parametrize(
    ("base_url", "kind"),
    [("http://127.0.0.1:1234/v1", "json_schema"), ("http://127.0.0.1:8000/v1", "json_object")],
)
def test_lm_studio_is_told_a_schema_for_any_object(base_url: str, kind: str) -> None:
    asked = replace(call(response_format={"type": "json_object"}), base_url=base_url)

    assert COMPATIBLE.build_request(asked).body["response_format"]["type"] == kind


def test_usage_is_not_asked_for_in_a_plain_answer() -> None:
    assert "stream_options" not in openai.build_request(call(stream=False)).body


@pytest.mark.parametrize("name", ["reasoning_content", "reasoning"])
def test_compatible_host_gets_reasoning_back_under_both_names(name: str) -> None:
    said = {"role": "assistant", "content": "4"}
    history = [{**said, name: "Two and two."}]

    assert COMPATIBLE.build_request(call(messages=history)).body["messages"] == [
        {**said, "reasoning_content": "Two and two.", "reasoning": "Two and two."}
    ]


@pytest.mark.parametrize("reasoning", [None, "", {"effort": "low"}])
def test_reasoning_that_is_no_text_is_left_as_it_is(reasoning: object) -> None:
    history = [{"role": "assistant", "content": "4", "reasoning": reasoning}]

    assert COMPATIBLE.build_request(call(messages=history)).body["messages"] == history


# Plain answers


def answer(message: dict[str, Any] | None = None, **rest: Any) -> dict[str, Any]:
    choice = {"index": 0, "message": message or {"content": "Hi"}, "finish_reason": "stop"}
    return {"choices": [choice], **rest}


def heard(message: dict[str, Any]) -> dict[str, Any]:
    return openai.parse_response(call(), answer(message))["choices"][0]["message"]


def test_what_the_host_left_out_is_filled_in() -> None:
    assert openai.parse_response(call(), {"choices": [{"message": None}]}) == {
        "id": "chatcmpl-fixture",
        "object": "chat.completion",
        "created": 1700000000,
        "model": "m",
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": ""},
                "finish_reason": "stop",
            }
        ],
    }


@pytest.mark.parametrize(
    ("reason", "finish_reason"), [*openai.FINISH_REASONS.items(), ("unheard_of", "stop")]
)
def test_finish_reason_is_openais_word(reason: str, finish_reason: str) -> None:
    completion = openai.parse_response(
        call(), {"choices": [{"message": {"content": "Hi"}, "finish_reason": reason}]}
    )

    assert completion["choices"][0]["finish_reason"] == finish_reason


@pytest.mark.parametrize("reason", sorted(openai.FAILED_FINISHES))
def test_finish_reason_that_reports_a_failure_raises(reason: str) -> None:
    with pytest.raises(ResponseError, match=f"ended the answer with `{reason}`"):
        openai.parse_response(
            call(), {"choices": [{"message": {"content": "Hi"}, "finish_reason": reason}]}
        )


@pytest.mark.parametrize(
    ("reason", "status"),
    [("insufficient_system_resource", 503), ("network_error", 502), ("error", 502)],
)
def test_failure_by_which_a_host_says_it_is_full_is_told_as_that(reason: str, status: int) -> None:
    with pytest.raises(ResponseError) as plain:
        openai.parse_response(
            call(), {"choices": [{"message": {"content": "Hi"}, "finish_reason": reason}]}
        )
    with pytest.raises(ResponseError) as in_stream:
        streamed(chunk({"content": "Hi"}), stop(reason))

    assert plain.value.answer().status == in_stream.value.answer().status == status


def test_stop_with_calls_is_tool_calls() -> None:
    calls = [{"id": "a", "function": {"name": "f", "arguments": "{}"}}]

    completion = openai.parse_response(call(), answer({"tool_calls": calls}))

    assert completion["choices"][0]["finish_reason"] == "tool_calls"


@pytest.mark.parametrize(
    ("arguments", "text"),
    [("", "{}"), (None, "{}"), ({"x": 1}, '{"x":1}'), ('{"x": 1}', '{"x": 1}')],
    ids=["empty", "null", "object", "text"],
)
def test_arguments_are_json_text(arguments: object, text: str) -> None:
    calls = [{"id": "a", "function": {"name": "f", "arguments": arguments}}]

    assert heard({"tool_calls": calls})["tool_calls"] == [
        {"id": "a", "type": "function", "function": {"name": "f", "arguments": text}}
    ]


def test_calls_without_ids_get_different_ones() -> None:
    calls = [{"id": "", "function": {"name": "f", "arguments": "{}"}}] * 2

    assert [each["id"] for each in heard({"tool_calls": calls})["tool_calls"]] == [
        "call_fixture_0",
        "call_fixture_1",
    ]


@pytest.mark.parametrize("calls", [None, [], {}, [None]])
def test_calls_that_are_none_are_left_out(calls: object) -> None:
    assert not heard({"content": "Hi", "tool_calls": calls}).get("tool_calls")


@pytest.mark.parametrize(
    "told",
    [
        {"reasoning": "Hm"},
        {"reasoning_content": "Hm"},
        {"reasoning": "Hm", "reasoning_content": "Hm"},
        {"reasoning": "Hm", "reasoning_content": None},
    ],
    ids=["new name", "old name", "both", "one null"],
)
def test_reasoning_is_told_once_under_one_name(told: dict[str, Any]) -> None:
    assert heard({"content": "Hi", **told}) == {
        "role": "assistant",
        "content": "Hi",
        "reasoning_content": "Hm",
    }


def test_members_no_client_knows_are_left_out() -> None:
    odd = {"content": "Hi", "name": "assistant", "token_id": 7, "executed_tools": []}

    assert heard(odd) == {"role": "assistant", "content": "Hi"}


def test_citations_of_another_kind_than_openais_are_left_out() -> None:
    citation = {"url": "https://example.com", "title": "", "start_index": 0, "end_index": 2}
    whole = {"type": "url_citation", "url_citation": citation}
    partial = {"type": "url_citation", "url_citation": {"url": "https://example.com"}}

    assert heard({"annotations": [whole, partial, {"type": "file"}, None]})["annotations"] == [
        whole
    ]


def test_service_tier_that_openai_does_not_have_is_left_out() -> None:
    body = answer(service_tier="on_demand", system_fingerprint="fp", provider="Groq")

    completion = openai.parse_response(call(), body)

    assert "service_tier" not in completion
    assert "provider" not in completion
    assert completion["system_fingerprint"] == "fp"


USAGE = {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15}


@pytest.mark.parametrize(
    "body",
    [
        answer(usage=USAGE),
        answer(x_groq={"usage": USAGE}),
        {"choices": [{"message": {}, "finish_reason": "stop", "usage": USAGE}]},
        answer(usage={**USAGE, "total_tokens": 99}),
        answer(usage={"prompt_tokens": 10.0, "completion_tokens": 5.0, "total_tokens": 15.0}),
    ],
    ids=["customary", "below x_groq", "in a choice", "wrong sum", "fractions"],
)
def test_usage_is_found_and_adds_up(body: dict[str, Any]) -> None:
    usage = openai.parse_response(call(), body)["usage"]

    assert usage == USAGE
    assert {type(count) for count in usage.values()} == {int}


def test_reasoning_counted_beside_the_completion_is_counted_in() -> None:
    told = {
        "prompt_tokens": 10,
        "completion_tokens": 5,
        "total_tokens": 115,
        "completion_tokens_details": {"reasoning_tokens": 100},
    }

    assert openai.parse_response(call(), answer(usage=told))["usage"] == {
        **told,
        "completion_tokens": 105,
    }


def test_cached_tokens_beyond_the_prompt_are_not_told() -> None:
    details = {"cached_tokens": 461, "text_tokens": 10}
    told = {**USAGE, "prompt_tokens_details": details}

    assert openai.parse_response(call(), answer(usage=told))["usage"] == {
        **USAGE,
        "prompt_tokens_details": {"text_tokens": 10},
    }


@pytest.mark.parametrize("usage", [None, {}, {"prompt_tokens": None}, "none"])
def test_usage_that_says_nothing_is_never_guessed(usage: object) -> None:
    completion = openai.parse_response(call(), answer(usage=usage))

    assert "prompt_tokens" not in {
        name for name, value in completion.get("usage", {}).items() if value is not None
    }


@pytest.mark.parametrize("body", [{}, {"choices": None}, {"choices": "a"}, {"id": "a"}])
def test_answer_without_choices_raises(body: dict[str, Any]) -> None:
    with pytest.raises(ResponseError, match="no `choices`"):
        openai.parse_response(call(), body)


REPORTED = {
    "in an object": ({"error": {"message": "No.", "code": 503}}, 503, "No."),
    "as text": ({"error": "No.", "choices": []}, 502, "No."),
    "beside null choices": ({"choices": None, "error": {"message": "No."}}, 502, "No."),
    "without wrapper": ({"message": "No.", "type": "x", "code": "y"}, 502, "No."),
    "as detail": ({"detail": "No.", "status_code": 401}, 401, "No."),
    "without a message": (
        {"error": True},
        502,
        "The provider answered HTTP 502 without an error message.",
    ),
}


@pytest.mark.parametrize(("body", "status", "text"), REPORTED.values(), ids=REPORTED)
def test_error_under_status_200_raises(body: dict[str, Any], status: int, text: str) -> None:
    with pytest.raises(ResponseError) as caught:
        openai.parse_response(call(), body)

    answer = caught.value.answer()
    assert (answer.status, answer.message) == (status, text)


# Error answers

ERRORS: dict[str, tuple[int, object, ErrorAnswer]] = {
    "xAI": (
        400,
        {"code": "invalid-argument", "error": "Argument not supported."},
        ErrorAnswer(400, "Argument not supported.", "invalid_request_error", "invalid-argument"),
    ),
    "Cerebras": (
        422,
        {"message": "No.", "type": "invalid_request_error", "param": "top_k", "code": "wrong"},
        ErrorAnswer(422, "No.", "invalid_request_error", "wrong", "top_k"),
    ),
    "old vLLM": (
        400,
        {"object": "error", "message": "No.", "type": "BadRequestError", "code": 400},
        ErrorAnswer(400, "No.", "BadRequestError"),
    ),
    "newer vLLM": (
        404,
        {"error": {"message": "No such model.", "type": "NotFoundError", "code": 404}},
        ErrorAnswer(404, "No such model.", "NotFoundError"),
    ),
    "vLLM, too long": (
        400,
        {"object": "error", "message": "This model's maximum context length is 8 tokens."},
        ErrorAnswer(
            *(400, "This model's maximum context length is 8 tokens.", "invalid_request_error"),
            "context_length_exceeded",
        ),
    ),
    "llama.cpp, loading": (
        503,
        {"error": {"code": 503, "message": "Loading model", "type": "unavailable_error"}},
        ErrorAnswer(503, "Loading model", "unavailable_error", "overloaded"),
    ),
    "llama.cpp, too long": (
        400,
        {
            "error": {
                "code": 400,
                "message": "the request exceeds the available context size",
                "type": "exceed_context_size_error",
                "n_ctx": 4096,
            }
        },
        ErrorAnswer(
            *(400, "the request exceeds the available context size", "exceed_context_size_error"),
            "context_length_exceeded",
        ),
    ),
    "LM Studio": (
        400,
        {"error": "Invalid tool_choice type: 'object'."},
        ErrorAnswer(400, "Invalid tool_choice type: 'object'.", "invalid_request_error"),
    ),
    "gateway": (
        429,
        {"message": "Slow down."},
        ErrorAnswer(429, "Slow down.", "requests", "rate_limit_exceeded"),
    ),
    "FastAPI": (
        422,
        {"detail": [{"loc": ["body", "n"], "msg": "too big"}, {"loc": ["q"], "msg": "odd"}]},
        ErrorAnswer(422, "body.n: too big; q: odd", "invalid_request_error"),
    ),
    "Google's layer": (
        400,
        [{"error": {"code": 400, "message": "No.", "status": "INVALID_ARGUMENT"}}],
        ErrorAnswer(400, "No.", "invalid_request_error"),
    ),
    "OpenRouter, text within": (
        429,
        {"error": {"code": 429, "message": "Provider returned error", "metadata": {"raw": "Wait"}}},
        ErrorAnswer(429, "Wait", "requests", "rate_limit_exceeded"),
    ),
    "OpenRouter, JSON within": (
        400,
        {
            "error": {
                "code": 400,
                "message": "Provider returned error",
                "metadata": {"raw": '{"error": {"message": "prompt is too long"}}'},
            }
        },
        ErrorAnswer(400, "prompt is too long", "invalid_request_error", "context_length_exceeded"),
    ),
    "OpenRouter, nothing within": (
        400,
        {"error": {"code": 400, "message": "Provider returned error", "metadata": {"raw": "{}"}}},
        ErrorAnswer(400, "Provider returned error", "invalid_request_error"),
    ),
}


@pytest.mark.parametrize(("status", "body", "told"), ERRORS.values(), ids=ERRORS)
def test_error_of_each_shape_is_read(status: int, body: object, told: ErrorAnswer) -> None:
    assert openai.parse_error(status, body) == told


# Streams


def test_role_is_told_once_and_empty_deltas_are_not() -> None:
    assert deltas(
        chunk({"role": "assistant", "content": None}),
        chunk({"role": "assistant", "content": ""}),
        chunk({"role": "assistant", "content": "Hi"}),
        stop(),
    ) == [{"role": "assistant", "content": ""}, {"content": "Hi"}, {}]


def test_chunk_that_has_all_at_once_is_taken_apart() -> None:
    chunks = streamed(
        {
            "choices": [
                {"index": 0, "delta": {"content": "Hi"}, "finish_reason": "stop", "usage": USAGE}
            ]
        }
    )

    assert [(each["choices"], each.get("usage")) for each in chunks] == [
        (
            [
                {
                    "index": 0,
                    "delta": {"role": "assistant", "content": "Hi"},
                    "finish_reason": None,
                }
            ],
            None,
        ),
        ([{"index": 0, "delta": {}, "finish_reason": "stop"}], None),
        ([], USAGE),
    ]


@pytest.mark.parametrize(
    "empty",
    [b"", b"  ", {"choices": None}, {"choices": []}, {"id": "a"}, {"choices": [None]}],
    ids=["no data", "blank", "null", "empty", "no choices", "null choice"],
)
def test_event_that_says_nothing_is_passed_over(empty: object) -> None:
    assert deltas(chunk({"content": "Hi"}), empty, stop()) == [
        {"role": "assistant", "content": "Hi"},
        {},
    ]


def test_nothing_is_heard_after_the_end_mark() -> None:
    stream = openai.ChunkStream(call(stream=True))
    feed_all(stream, [event(chunk({"content": "Hi"})), event(stop()), DONE])

    assert stream.finished
    assert feed_all(stream, [event(chunk({"content": "more"})), DONE]) == []
    assert stream.close() == []


def test_finish_is_held_back_for_calls_that_come_after_it() -> None:
    chunks = streamed(
        chunk({"content": ""}, finish_reason="stop"),
        fragment("{}", id="a", index=0, name="f"),
        stop("length"),
    )

    assert [choice["finish_reason"] for each in chunks for choice in each["choices"]] == [
        None,
        None,
        "tool_calls",
    ]


def test_empty_finish_reason_is_none() -> None:
    with pytest.raises(ResponseError, match="ended before the answer did"):
        streamed(chunk({"content": "Hi"}, finish_reason=""))


def test_end_mark_without_a_finish_raises() -> None:
    with pytest.raises(ResponseError, match="ended before the answer did"):
        streamed(chunk({"content": "Hi"}), b"[DONE]")


CALLS = {
    "fragments": (
        [
            fragment('{"x"', index=0, id="a", type="function", name="f"),
            fragment(":1}", index=0),
            fragment("[]", index=1, id="b", name="g"),
        ],
        [("a", "f", '{"x":1}'), ("b", "g", "[]")],
    ),
    "null arguments": (
        [
            chunk({"tool_calls": [{"index": 0, "id": "a", "function": told}]})
            for told in ({"name": "f", "arguments": None}, {"arguments": "[]"})
        ],
        [("a", "f", "[]")],
    ),
    "names repeated in each fragment": (
        [
            fragment('{"x"', index=0, id="a", type="function", name="f"),
            fragment(":1}", index=0, id="a", type="function", name="f"),
        ],
        [("a", "f", '{"x":1}')],
    ),
    "empty id in later fragments": (
        [fragment('{"x"', index=0, id="a", name="f"), fragment(":1}", index=0, id="", name="")],
        [("a", "f", '{"x":1}')],
    ),
    "constant index": (
        [
            fragment('{"x"', index=0, id="a", name="f"),
            fragment(":1}", index=0),
            fragment("[", index=0, id="b", name="g"),
            fragment("]", index=0),
        ],
        [("a", "f", '{"x":1}'), ("b", "g", "[]")],
    ),
    "no index": (
        [fragment("{}", id="a", name="f"), fragment("[", id="b", name="g"), fragment("]")],
        [("a", "f", "{}"), ("b", "g", "[]")],
    ),
    "index from 1": (
        [fragment("{}", index=1, id="a", name="f"), fragment("[]", index=2, id="b", name="g")],
        [("a", "f", "{}"), ("b", "g", "[]")],
    ),
    "interleaved": (
        [
            fragment("{", index=0, id="a", name="f"),
            fragment("[", index=1, id="b", name="g"),
            fragment("}", index=0),
            fragment("]", index=1),
        ],
        [("a", "f", "{}"), ("b", "g", "[]")],
    ),
    "arguments as an object": (
        [fragment({"x": 1}, index=0, id="a", name="f")],
        [("a", "f", '{"x":1}')],
    ),
    "no arguments": (
        [fragment(index=0, id="a", name="f"), fragment("", index=1, id="b", name="g")],
        [("a", "f", "{}"), ("b", "g", "{}")],
    ),
    "no id": ([fragment("{}", index=0, name="f")], [("call_fixture_0", "f", "{}")]),
    "name after the id": (
        [
            fragment("", index=0, id="a"),
            fragment("", index=1, id="b"),
            fragment("", index=1, name="g"),
            fragment("{", index=0, name="f"),
            fragment("}", index=0),
        ],
        [("b", "g", "{}"), ("a", "f", "{}")],
    ),
    "id after the name": (
        [fragment("", index=0, name="f"), fragment("[]", index=0, id="a")],
        [("call_fixture_0", "f", "[]")],
    ),
    "another id in each fragment": (
        [
            fragment("{", index=0, id="a", name="f"),
            fragment('"x":', index=0, id="b"),
            fragment("1}", index=0, id="c"),
            fragment("", index=0, id="e"),
            fragment("[]", index=1, id="d", name="g"),
        ],
        [("a", "f", '{"x":1}'), ("d", "g", "[]")],
    ),
    "ids before names, no index": (
        [
            fragment("", id="a"),
            fragment("{}", name="f"),
            fragment("", id="b"),
            fragment("[]", name="g"),
        ],
        [("a", "f", "{}"), ("b", "g", "[]")],
    ),
    "nothing but an id": ([fragment("", index=0, id="a")], [("a", "", "{}")]),
    "custom call": (
        [
            chunk({"tool_calls": [{"index": 0, "id": "a", "type": "custom", "custom": custom}]})
            for custom in ({"name": "f", "input": "1 "}, {"input": "+ 1"})
        ],
        [("a", "f", "1 + 1")],
    ),
}


@pytest.mark.parametrize(("bodies", "calls"), CALLS.values(), ids=CALLS)
def test_calls_keep_their_index_and_name(
    bodies: list[dict[str, Any]], calls: list[tuple[str, str, str]]
) -> None:
    assert functions(*bodies, stop()) == calls


def test_only_the_first_fragment_names_the_call() -> None:
    repeated = {"index": 3, "id": "a", "type": "function", "name": "f"}

    assert [
        each["tool_calls"]
        for each in deltas(fragment("{", **repeated), fragment("}", **repeated), stop())
        if "tool_calls" in each
    ] == [
        [
            {
                "index": 0,
                "id": "a",
                "type": "function",
                "function": {"name": "f", "arguments": "{"},
            }
        ],
        [{"index": 0, "function": {"arguments": "}"}}],
    ]


def test_what_a_call_bears_beside_is_told_with_its_name() -> None:
    """Google's own layer puts thought signatures there."""
    extra = {"google": {"thought_signature": "c2ln"}}
    signed = fragment("{}", index=0, id="a", name="f", extra_content=extra)

    assert message(signed, stop())["tool_calls"] == [
        {
            "extra_content": extra,
            "id": "a",
            "type": "function",
            "function": {"name": "f", "arguments": "{}"},
        }
    ]


def test_call_waits_for_its_name() -> None:
    """Clients take it from the first fragment alone."""
    told = deltas(fragment("", index=0, id="a"), fragment("", index=0, name="f"), stop())

    assert told == [
        {"role": "assistant", "content": ""},
        {
            "tool_calls": [
                {
                    "index": 0,
                    "id": "a",
                    "type": "function",
                    "function": {"name": "f", "arguments": ""},
                }
            ]
        },
        {"tool_calls": [{"index": 0, "function": {"arguments": "{}"}}]},
        {},
    ]


def test_empty_arguments_are_told_once_at_the_end() -> None:
    assert deltas(fragment("", index=0, id="a", name="f"), stop())[1:] == [
        {"tool_calls": [{"index": 0, "function": {"arguments": "{}"}}]},
        {},
    ]


def test_empty_list_of_calls_is_not_told() -> None:
    assert deltas(chunk({"content": "Hi", "tool_calls": []}), stop())[0] == {
        "role": "assistant",
        "content": "Hi",
    }


def test_lists_without_index_come_in_one_chunk_before_the_finish() -> None:
    """Clients cannot join two such lists: the openai SDK raises."""
    images = [chunk({"images": [{"type": "image_url", "image_url": n}]}) for n in range(2)]

    assert deltas(*images, stop())[-2:] == [
        {"images": [{"type": "image_url", "image_url": n} for n in range(2)]},
        {},
    ]


def test_fragments_of_lists_with_index_are_joined_before_the_finish() -> None:
    """Items of several types share one index, so that clients would mix them up."""
    common = {"format": "anthropic-claude-v1", "index": 0}
    text = {"type": "reasoning.text", **common}
    hidden = {"type": "reasoning.encrypted", **common, "data": "c2VjcmV0"}
    bodies = [
        chunk({"reasoning_details": [item]})
        for item in ({**text, "text": "Hm"}, {**text, "text": "m."}, hidden)
    ]

    assert deltas(*bodies, stop())[-2:] == [
        {"reasoning_details": [{**text, "text": "Hmm."}, hidden]},
        {},
    ]


def test_empty_list_is_not_told() -> None:
    assert deltas(chunk({"content": "Hi", "reasoning_details": []}), stop()) == [
        {"role": "assistant", "content": "Hi"},
        {},
    ]


def test_chunks_keep_the_id_and_time_of_the_first() -> None:
    heads = [{"id": "a", "created": 1, "model": "x"}, {"id": "b", "created": 2}, {}]
    bodies = [{**head, **chunk({"content": "Hi"})} for head in heads]

    chunks = streamed(*bodies, {**stop(), "id": "c"}, {"id": "d", "usage": USAGE})

    assert {(each["id"], each["created"], each["model"]) for each in chunks} == {("a", 1, "m")}
    assert {each["object"] for each in chunks} == {"chat.completion.chunk"}


def test_finish_beside_log_probabilities_is_heard() -> None:
    logprobs = {"content": [{"token": "Hi", "logprob": -1.0, "bytes": None, "top_logprobs": []}]}

    told, end = streamed(chunk({"content": "Hi"}, logprobs=logprobs, finish_reason="length"))

    assert told["choices"][0]["logprobs"] == logprobs
    assert told["choices"][0]["finish_reason"] is None
    assert end["choices"][0]["finish_reason"] == "length"


def test_usage_is_heard_without_any_choices() -> None:
    chunks = streamed(chunk({"content": "Hi"}), stop(), {"usage": USAGE})

    assert (chunks[-1]["choices"], chunks[-1]["usage"]) == ([], USAGE)


def test_usage_is_not_lost_to_what_follows_it() -> None:
    """With `moderation`, OpenAI sends a chunk after that of the usage."""
    moderation = {"input": {"flagged": False}}

    chunks = streamed(
        *(chunk({"content": "Hi"}), stop(), {"choices": [], "usage": USAGE}),
        {"choices": [], "usage": None, "moderation": moderation},
    )

    assert chunks[-1]["usage"] == USAGE
    assert chunks[-2]["moderation"] == moderation


def test_log_probabilities_pass_without_a_delta() -> None:
    logprobs = {"content": [{"token": "Hi"}]}

    chunks = streamed(chunk({"content": "Hi"}), chunk({}, logprobs=logprobs), stop())

    assert chunks[1]["choices"] == [
        {"index": 0, "delta": {}, "finish_reason": None, "logprobs": logprobs}
    ]


def test_last_of_running_usages_is_told_once() -> None:
    running = {**chunk({"content": "Hi"}), "usage": {**USAGE, "completion_tokens": 1}}

    usages = [
        each["usage"]
        for each in streamed(running, {**stop(), "usage": USAGE}, {"choices": [], "usage": None})
        if "usage" in each
    ]

    assert usages == [USAGE]


def test_extras_of_the_whole_answer_come_with_the_finish() -> None:
    cited = {**chunk({"content": "Hi"}), "citations": ["https://example.com"], "padding": "x"}

    chunks = streamed(cited, cited, {**stop(), "usage": USAGE})

    assert [each.get("citations") for each in chunks] == [
        None,
        None,
        ["https://example.com"],
        None,
    ]
    assert not any("padding" in each for each in chunks)


@pytest.mark.parametrize(
    ("body", "name"),
    [
        ({"error": {"message": "No."}, "choices": []}, ""),
        ({"message": "No."}, "error"),
        ({"message": "No.", "choices": []}, "error"),
        ("No.", ""),
        ("No.", "error"),
        ({"detail": "No."}, ""),
    ],
    ids=["member", "event", "event with choices", "text", "text event", "detail"],
)
def test_error_in_mid_stream_raises(body: object, name: str) -> None:
    stream = openai.ChunkStream(call(stream=True))
    stream.feed(event(chunk({"content": "Hi"})))

    with pytest.raises(ResponseError, match=r"No\."):
        stream.feed(event(body, name))
    assert not stream.finished


@pytest.mark.parametrize("name", ["", "error"])
@pytest.mark.parametrize(
    "body",
    [
        {"object": "error", "message": "No.", "type": "BadRequestError", "code": 400},
        {"error": {"message": "No.", "code": 400}},
        {"error": "No.", "status_code": 400},
        {"error": "No.", "code": 400},
    ],
    ids=["bare", "member", "status beside", "code beside"],
)
def test_error_in_mid_stream_has_the_status_it_tells(body: dict[str, Any], name: str) -> None:
    stream = openai.ChunkStream(call(stream=True))

    with pytest.raises(ResponseError) as caught:
        stream.feed(event(body, name))

    assert (caught.value.answer().status, caught.value.answer().code) == (400, None)


@pytest.mark.parametrize("reason", sorted(openai.FAILED_FINISHES))
def test_streamed_finish_that_reports_a_failure_raises(reason: str) -> None:
    with pytest.raises(ResponseError, match=f"ended the answer with `{reason}`"):
        streamed(chunk({"content": "Hi"}), stop(reason))


def choices_heard(order: list[int], asked: int) -> list[str]:
    """What the openai SDK makes of choices that begin in this order."""
    stream = openai.ChunkStream(call(stream=True, n=asked))
    bodies = [
        {"choices": [{"index": index, "delta": {"content": str(index)}}]} for index in order
    ] + [{"choices": [{"index": index, "delta": {}, "finish_reason": "stop"}]} for index in order]
    state = ChatCompletionStreamState()
    for each in feed_all(stream, [event(body) for body in bodies]) + stream.close():
        state.handle_chunk(ChatCompletionChunk.model_validate(each))
    choices = state.current_completion_snapshot.choices
    assert [choice.message.role for choice in choices] == ["assistant"] * asked
    return [choice.message.content or "" for choice in choices]


@pytest.mark.parametrize("order", [[0, 1, 2], [1, 0, 2], [2, 1, 0], [0, 2, 1]], ids=str)
def test_choices_begin_in_the_order_of_their_numbers(order: list[int]) -> None:
    assert choices_heard(order, asked=3) == ["0", "1", "2"]


def test_number_of_a_choice_nobody_asked_for_opens_no_others() -> None:
    body = {"choices": [{"index": 1, "delta": {"content": "Hi"}, "finish_reason": "stop"}]}

    assert [choice["index"] for each in streamed(body) for choice in each["choices"]] == [1, 1]


@pytest.mark.parametrize("index", [None, "0"])
def test_choice_without_an_index_is_the_first(index: object) -> None:
    body = {"choices": [{"index": index, "delta": {"content": "Hi"}, "finish_reason": "stop"}]}

    assert message(body) == {"role": "assistant", "content": "Hi"}
