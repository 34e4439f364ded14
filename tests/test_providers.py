"""Every provider, every case, every promise."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from typing import Any

import pytest
from openai.lib.streaming.chat import ChatCompletionStreamState
from openai.types.chat import ChatCompletion, ChatCompletionChunk

from tests.cases import (
    STREAM,
    Case,
    decode,
    feed_all,
    fold,
    meant,
    params,
    run_stream,
    told_error,
    without_nulls,
)
from transforms import PROVIDERS
from transforms.chat_request import NEUTRAL, check_request
from transforms.contract import CHAT_PARAMETERS, WEB, Call, Event, Provider, ProviderRequest, Stream
from transforms.errors import RequestError, ResponseError

WHOLE_STREAMS = params(STREAM, "response.json")
BROKEN_STREAMS = params(STREAM, without="response.json")
PLAIN_ANSWERS = params("provider_response.json", "response.json")

# Byte by byte reaches every boundary once; more two-piece splits than this only repeat it.
MOST_SPLITS = 60

FINISH_REASONS = {"stop", "length", "tool_calls", "content_filter", "function_call"}


def sdk_messages(chunks: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The messages the openai SDK accumulates, without the members it adds for itself."""
    state = ChatCompletionStreamState()
    for chunk in chunks:
        state.handle_chunk(ChatCompletionChunk.model_validate(chunk))
    choices = state.current_completion_snapshot.model_dump(mode="json")["choices"]
    messages = [without_nulls(choice["message"]) for choice in choices]
    for tool_call in [call for message in messages for call in message.get("tool_calls", [])]:
        tool_call.pop("index")
    return messages


# Requests


@pytest.mark.parametrize("case", params("request.json"))
def test_case_holds_a_well_formed_request(case: Case) -> None:
    assert check_request(case.json("request")) == case.json("request")


@pytest.mark.parametrize("case", params("provider_request.json"))
def test_request_maps(case: Case) -> None:
    sent = case.provider.build_request(case.call)

    assert case.json("provider_request") == {
        "path": sent.path,
        "headers": dict(sent.headers),
        "body": sent.body,
        "dropped": list(sent.dropped),
    }


@pytest.mark.parametrize("case", params("provider_request.json"))
def test_request_is_left_unchanged(case: Case) -> None:
    call = case.call

    sent = case.provider.build_request(call)
    sent.body.clear()

    assert call.request == case.json("request")


@pytest.mark.parametrize("case", params("error.json", without="provider_*"))
def test_request_is_refused(case: Case) -> None:
    with pytest.raises(RequestError) as caught:
        case.provider.build_request(case.call)

    assert told_error(caught.value.answer()) == case.json("error")


# Plain answers


@pytest.mark.parametrize("case", PLAIN_ANSWERS)
def test_answer_maps(case: Case) -> None:
    answer = case.json("provider_response")

    completion = case.provider.parse_response(case.call, answer)

    assert completion == case.json("response")


@pytest.mark.parametrize("case", PLAIN_ANSWERS)
def test_answer_is_left_unchanged(case: Case) -> None:
    answer = case.json("provider_response")

    case.provider.parse_response(case.call, answer)

    assert answer == case.json("provider_response")


@pytest.mark.parametrize("case", params("provider_response.json", "error.json"))
def test_answer_that_reports_an_error_raises(case: Case) -> None:
    with pytest.raises(ResponseError) as caught:
        case.provider.parse_response(case.call, case.json("provider_response"))

    assert told_error(caught.value.answer()) == case.json("error")


@pytest.mark.parametrize("case", params("response.json"))
def test_answer_is_valid_for_the_openai_sdk(case: Case) -> None:
    ChatCompletion.model_validate_json(json.dumps(case.json("response")), strict=True)


@pytest.mark.parametrize("case", params("response.json"))
def test_answer_names_the_model_the_client_asked_for(case: Case) -> None:
    assert case.json("response")["model"] == case.json("request")["model"]


@pytest.mark.parametrize("case", params("response.json"))
def test_finish_reasons_are_those_of_openai(case: Case) -> None:
    found = {choice["finish_reason"] for choice in case.json("response")["choices"]}

    assert found <= FINISH_REASONS


@pytest.mark.parametrize("case", params("response.json"))
def test_usage_sums_hold(case: Case) -> None:
    usage = case.json("response").get("usage")
    if usage is None:
        pytest.skip("the provider reported no usage")
    prompt, completion = usage["prompt_tokens"], usage["completion_tokens"]
    cached = (usage.get("prompt_tokens_details") or {}).get("cached_tokens") or 0
    reasoning = (usage.get("completion_tokens_details") or {}).get("reasoning_tokens") or 0

    assert usage["total_tokens"] == prompt + completion
    assert 0 <= cached <= prompt
    assert 0 <= reasoning <= completion


# Error answers


@pytest.mark.parametrize("case", params("provider_error.json"))
def test_error_maps(case: Case) -> None:
    told = case.json("provider_error")

    answer = case.provider.parse_error(told["status"], told["body"])

    assert told_error(answer) == case.json("error")


@pytest.mark.parametrize("body", ["<html>Bad Gateway</html>", "", None, [], {}, 7, {"error": 7}])
@pytest.mark.parametrize("provider", PROVIDERS.values(), ids=PROVIDERS)
def test_unreadable_error_keeps_its_status_and_tells_nothing_else(
    provider: Provider, body: object
) -> None:
    answer = provider.parse_error(500, body)

    assert told_error(answer) == {
        "status": 500,
        "body": {
            "error": {
                "message": "The provider answered HTTP 500 without an error message.",
                "type": "server_error",
                "param": None,
                "code": None,
            }
        },
        "headers": {},
    }


# Streams


@pytest.mark.parametrize("case", WHOLE_STREAMS)
def test_folded_stream_is_the_answer(case: Case) -> None:
    chunks, stream = run_stream(case, [case.stream])

    assert fold(chunks) == case.json("response")
    assert stream.finished


@pytest.mark.parametrize("case", WHOLE_STREAMS)
def test_plain_form_of_the_streamed_answer_gives_the_same(case: Case) -> None:
    chunks, stream = run_stream(case, [case.stream])

    completion = case.provider.parse_response(case.call, stream.answer)

    assert meant(completion) == meant(fold(chunks))


@pytest.mark.parametrize("case", WHOLE_STREAMS)
def test_stream_maps_byte_by_byte(case: Case) -> None:
    body = case.stream

    assert (
        run_stream(case, [body[i : i + 1] for i in range(len(body))])[0]
        == (run_stream(case, [body])[0])
    )


@pytest.mark.parametrize("case", WHOLE_STREAMS)
def test_stream_maps_at_every_split(case: Case) -> None:
    body = case.stream
    whole = run_stream(case, [body])[0]
    step = max(1, len(body) // MOST_SPLITS)

    for at in range(1, len(body), step):
        assert run_stream(case, [body[:at], body[at:]])[0] == whole, f"split at {at}"


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"], ids=["LF", "CRLF", "CR"])
@pytest.mark.parametrize("case", WHOLE_STREAMS)
def test_stream_maps_whatever_the_line_ends(case: Case, end: bytes) -> None:
    if not case.is_text_stream:
        pytest.skip("not framed by lines")
    body = case.stream.replace(b"\r\n", b"\n").replace(b"\n", end)

    assert run_stream(case, [body])[0] == run_stream(case, [case.stream])[0]


SAID = ("content", "reasoning_content", "tool_calls")


@pytest.mark.parametrize("case", WHOLE_STREAMS)
def test_text_and_calls_are_told_though_the_answer_is_too_long_to_keep(
    case: Case,
) -> None:
    events = decode(case.provider, [case.stream])
    whole = fold(run_stream(case, [case.stream])[0])["choices"]

    for kept in range(len(events)):
        stream = case.provider.open_stream(case.call)
        chunks = feed_all(stream, events[:kept])
        stream.room.is_full = True
        chunks += feed_all(stream, events[kept:]) + stream.close()
        for one, other in zip(fold(chunks)["choices"], whole, strict=True):
            assert one["finish_reason"] == other["finish_reason"]
            for member in SAID:
                assert one["message"].get(member) == other["message"].get(member)


@pytest.mark.parametrize("case", WHOLE_STREAMS)
def test_events_of_unknown_kind_change_nothing(case: Case) -> None:
    unknown = Event("unheard_of", b'{"type": "unheard_of"}')
    events = decode(case.provider, [case.stream])
    stream = case.provider.open_stream(case.call)

    chunks = feed_all(stream, [unknown, *(each for event in events for each in (event, unknown))])

    assert chunks + stream.close() == run_stream(case, [case.stream])[0]


@pytest.mark.parametrize("case", WHOLE_STREAMS)
def test_stream_cut_between_events_never_passes_for_whole(case: Case) -> None:
    """Some hosts say how the answer ended before they say that the body does: a cut between the
    two may be survived, and then not a word of the answer is missing."""
    events = decode(case.provider, [case.stream])
    whole = fold(run_stream(case, [case.stream])[0])["choices"]

    for count in range(len(events)):
        stream = case.provider.open_stream(case.call)
        chunks = feed_all(stream, events[:count])
        if stream.finished:
            continue
        end = closed(stream)
        if isinstance(end, ResponseError):
            assert end.answer().code == "upstream_stream_ended"
            assert not stream.finished
            assert not any(is_finish(chunk) for chunk in chunks)
        else:
            assert fold(chunks + end)["choices"] == whole, f"cut after {count} events"


def closed(stream: Stream) -> list[dict[str, Any]] | ResponseError:
    try:
        return stream.close()
    except ResponseError as error:
        return error


def is_finish(chunk: dict[str, Any]) -> bool:
    return any(choice["finish_reason"] for choice in chunk["choices"])


@pytest.mark.parametrize("case", WHOLE_STREAMS)
def test_tokens_counted_so_far_add_up_and_end_as_those_of_the_answer(case: Case) -> None:
    stream, chunks = case.provider.open_stream(case.call), []

    for event in decode(case.provider, [case.stream]):
        chunks += stream.feed(event)
        counted = stream.usage or {}
        if "total_tokens" in counted:
            total = counted["prompt_tokens"] + counted["completion_tokens"]
            assert counted["total_tokens"] == total
    chunks += stream.close()

    assert stream.usage in (None, fold(chunks).get("usage"))


@pytest.mark.parametrize("case", WHOLE_STREAMS)
def test_nothing_is_told_of_an_answer_before_its_end(case: Case) -> None:
    """One finish for each choice, after all it says; then usage, if any."""
    chunks, _ = run_stream(case, [case.stream])
    order = [
        "usage" if chunk.get("usage") else "finish" if is_finish(chunk) else "delta"
        for chunk in chunks
    ]
    choices = case.json("response")["choices"]

    assert order == sorted(order, key=["delta", "finish", "usage"].index)
    assert order.count("finish") == len(choices)
    assert order.count("usage") == ("usage" in case.json("response"))


@pytest.mark.parametrize("case", BROKEN_STREAMS)
def test_broken_stream_raises(case: Case) -> None:
    stream = case.provider.open_stream(case.call)
    told: list[dict[str, Any]] = []

    with pytest.raises(ResponseError) as caught:
        told.extend(each_chunk(stream, decode(case.provider, [case.stream])))

    assert told_error(caught.value.answer()) == case.json("error")
    assert not stream.finished
    assert told
    assert not any(is_finish(chunk) for chunk in told)


def each_chunk(stream: Stream, events: list[Event]) -> Iterator[dict[str, Any]]:
    """The chunks one by one, so that those before an error are seen."""
    for event in events:
        yield from stream.feed(event)
    yield from stream.close()


@pytest.mark.parametrize("provider", PROVIDERS.values(), ids=PROVIDERS)
def test_empty_stream_raises(provider: Provider) -> None:
    stream = provider.open_stream(small_call(stream=True))

    with pytest.raises(ResponseError) as caught:
        stream.close()

    assert caught.value.answer().code == "upstream_stream_ended"


@pytest.mark.parametrize("case", params(STREAM))
def test_event_that_is_not_json_raises(case: Case) -> None:
    stream = case.provider.open_stream(case.call)
    first, *_ = decode(case.provider, [case.stream])

    with pytest.raises(ResponseError):
        stream.feed(Event(first.name, b"{"))


@pytest.mark.parametrize("case", WHOLE_STREAMS)
def test_chunks_are_valid_for_the_openai_sdk(case: Case) -> None:
    for chunk in run_stream(case, [case.stream])[0]:
        ChatCompletionChunk.model_validate_json(json.dumps(chunk), strict=True)


@pytest.mark.parametrize("case", WHOLE_STREAMS)
def test_openai_sdk_accumulates_the_same_message(case: Case) -> None:
    chunks, _ = run_stream(case, [case.stream])

    assert sdk_messages(chunks) == [
        without_nulls(choice["message"]) for choice in fold(chunks)["choices"]
    ]


@pytest.mark.parametrize("case", WHOLE_STREAMS)
def test_arguments_that_read_as_whole_are_whole(case: Case) -> None:
    """Some clients run a call as soon as its arguments can be read."""
    told: dict[tuple[int, int], str] = {}
    for chunk in run_stream(case, [case.stream])[0]:
        for choice in chunk["choices"]:
            for tool_call in choice["delta"].get("tool_calls") or ():
                place = (choice["index"], tool_call["index"])
                before, more = told.get(place, ""), tool_call.get("function", {}).get("arguments")
                assert not (more and is_json(before)), f"{before!r}, then {more!r}"
                told[place] = before + (more or "")


def is_json(text: str) -> bool:
    try:
        json.loads(text)
    except ValueError:
        return False
    return True


@pytest.mark.parametrize("case", WHOLE_STREAMS)
def test_chunks_of_one_answer_share_id_time_and_model(case: Case) -> None:
    chunks, _ = run_stream(case, [case.stream])

    assert len({(chunk["id"], chunk["created"], chunk["model"]) for chunk in chunks}) == 1


# Parameters

TOOL = {"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}

SAMPLES: dict[str, dict[str, Any]] = {
    "model": {"model": "another"},
    "messages": {"messages": [{"role": "user", "content": "Bye"}]},
    "stream": {"stream": True},
    "stream_options": {"stream": True, "stream_options": {"include_usage": True}},
    "max_completion_tokens": {"max_completion_tokens": 77},
    "max_tokens": {"max_tokens": 77},
    "temperature": {"temperature": 0.3},
    "top_p": {"top_p": 0.9},
    "n": {"n": 2},
    "stop": {"stop": ["END"]},
    "seed": {"seed": 7},
    "presence_penalty": {"presence_penalty": 0.5},
    "frequency_penalty": {"frequency_penalty": 0.5},
    "logit_bias": {"logit_bias": {"50256": -100}},
    "logprobs": {"logprobs": True},
    "top_logprobs": {"logprobs": True, "top_logprobs": 2},
    "response_format": {
        "response_format": {
            "type": "json_schema",
            "json_schema": {"name": "a", "schema": {"type": "object"}},
        }
    },
    "tools": {"tools": [TOOL]},
    "tool_choice": {
        "tools": [TOOL],
        "tool_choice": {"type": "function", "function": {"name": "f"}},
    },
    "parallel_tool_calls": {"tools": [TOOL], "parallel_tool_calls": False},
    "functions": {"functions": [TOOL["function"]]},
    "function_call": {"functions": [TOOL["function"]], "function_call": {"name": "f"}},
    "reasoning_effort": {"reasoning_effort": "high"},
    "verbosity": {"verbosity": "low"},
    "modalities": {"modalities": ["text", "audio"]},
    "audio": {"audio": {"format": "wav", "voice": "alloy"}},
    "prediction": {"prediction": {"type": "content", "content": "Hello"}},
    "web_search_options": {"web_search_options": {"search_context_size": "low"}},
    "metadata": {"metadata": {"team": "a"}},
    "store": {"store": True},
    "user": {"user": "someone"},
    "safety_identifier": {"safety_identifier": "someone"},
    "prompt_cache_key": {"prompt_cache_key": "a"},
    "prompt_cache_options": {"prompt_cache_options": {"mode": "explicit"}},
    "prompt_cache_retention": {"prompt_cache_retention": "24h"},
    "service_tier": {"service_tier": "flex"},
    "moderation": {"moderation": {"model": "omni-moderation-latest"}},
}
"""A parameter in use, beside those without which it says nothing."""

ASKED_AND_KEPT_OUTSIDE = {"model", "stream_options"}
"""The model is the route's. Usage is asked for in any case, and its chunk kept from a client that
did not want it by the addon."""


def small_call(**parameters: Any) -> Call:
    request = {"model": "m", "messages": [{"role": "user", "content": "Hello"}], **parameters}
    return Call(request, "m-1", completion_id="chatcmpl-fixture", created=1700000000)


def built(provider: Provider, parameters: dict[str, Any]) -> ProviderRequest | RequestError:
    try:
        return provider.build_request(small_call(**copy.deepcopy(parameters)))
    except RequestError as error:
        return error


def test_every_openai_parameter_has_a_sample() -> None:
    assert tuple(SAMPLES) == CHAT_PARAMETERS


@pytest.mark.parametrize("parameter", [*SAMPLES.keys() - ASKED_AND_KEPT_OUTSIDE])
@pytest.mark.parametrize("provider", PROVIDERS.values(), ids=PROVIDERS)
def test_parameter_is_carried_dropped_by_name_or_refused(
    provider: Provider, parameter: str
) -> None:
    sample = SAMPLES[parameter]
    rest = {name: value for name, value in sample.items() if name != parameter}

    sent, bare = built(provider, sample), built(provider, rest)

    if isinstance(sent, RequestError):
        assert (sent.answer().param or "").partition(".")[0].partition("[")[0] in sample
    else:
        assert isinstance(bare, ProviderRequest)
        is_carried = (sent.path, sent.body, sent.headers) != (bare.path, bare.body, bare.headers)
        is_asked_anyway = sent.body.get(parameter) == sample[parameter]
        assert is_carried or is_asked_anyway or parameter in sent.dropped


@pytest.mark.parametrize("parameter", [*SAMPLES.keys() - {"model", "messages"}])
@pytest.mark.parametrize("provider", PROVIDERS.values(), ids=PROVIDERS)
def test_parameter_that_is_null_is_absent(provider: Provider, parameter: str) -> None:
    sent = built(provider, {parameter: None})

    assert isinstance(sent, ProviderRequest)
    assert sent.dropped == ()


@pytest.mark.parametrize("provider", PROVIDERS.values(), ids=PROVIDERS)
def test_a_search_without_options_is_carried_dropped_by_name_or_refused(provider: Provider) -> None:
    """Empty as it is, it asks for a search."""
    sent, bare = built(provider, {"web_search_options": {}}), built(provider, {})

    if isinstance(sent, RequestError):
        assert sent.answer().param == "web_search_options"
    else:
        assert isinstance(bare, ProviderRequest)
        assert "web_search_options" in sent.dropped or sent.body != bare.body


USUAL: list[tuple[str, Any]] = [
    *NEUTRAL.items(),
    ("tool_choice", "auto"),
    ("tool_choice", "none"),
    ("response_format", {"type": "text"}),
]
"""What happens anyway; without tools that goes for these choices among them."""


@pytest.mark.parametrize(("name", "value"), USUAL, ids=repr)
@pytest.mark.parametrize("provider", PROVIDERS.values(), ids=PROVIDERS)
def test_what_happens_anyway_is_not_named_where_it_is_asked_for(
    provider: Provider, name: str, value: Any
) -> None:
    sent = built(provider, {name: value})

    assert isinstance(sent, ProviderRequest)
    assert sent.dropped == ()


@pytest.mark.parametrize("provider", PROVIDERS.values(), ids=PROVIDERS)
def test_of_two_limits_the_newer_wins_and_the_other_is_named(provider: Provider) -> None:
    limit, same, both = (
        built(provider, {"max_completion_tokens": 700, **older})
        for older in ({}, {"max_tokens": 700}, {"max_tokens": 500})
    )

    assert isinstance(limit, ProviderRequest)
    assert isinstance(same, ProviderRequest)
    assert isinstance(both, ProviderRequest)
    if both.body.get("max_tokens") == 500:
        assert both.body["max_completion_tokens"] == 700
    else:
        assert both.body == same.body == limit.body
        assert "max_tokens" in both.dropped
        assert "max_tokens" not in same.dropped or "max_completion_tokens" in limit.dropped


LIMITS: list[tuple[str, float]] = [("temperature", 0), ("temperature", 2), ("top_p", 0)]
LIMITS += [("top_p", 1), ("presence_penalty", -2), ("frequency_penalty", 2)]


@pytest.mark.parametrize(("name", "limit"), LIMITS)
@pytest.mark.parametrize("provider", PROVIDERS.values(), ids=PROVIDERS)
def test_limit_of_openais_range_is_sent_as_it_is_or_named(
    provider: Provider, name: str, limit: float
) -> None:
    sent, bare = built(provider, {name: limit}), built(provider, {})

    assert isinstance(sent, ProviderRequest)
    assert isinstance(bare, ProviderRequest)
    is_usual = (name, limit) == ("top_p", 1) and sent.body == bare.body
    is_sent = f": {limit}" in json.dumps(sent.body) and sent.body != bare.body
    assert is_sent or is_usual or name in sent.dropped


# Members nobody has heard of

UNHEARD_OF = "unheard_of"
NOTHING: list[Any] = [None, "", [], {}]
SOMETHING: list[Any] = [False, 0, "a", [0], {"a": 0}]
PLACES = {
    **dict.fromkeys(("system", "user", "assistant", "tool"), "messages[]."),
    "part": "messages[].content[].",
    "image": "messages[].content[].image_url.",
    "file": "messages[].content[].file.",
    "sound": "messages[].content[].input_audio.",
    "call": "messages[].tool_calls[].",
    "function": "tools[].function.",
    "whole tool": "tools[].",
    "arguments": "messages[].tool_calls[].function.",
    "choice": "tool_choice.",
    "chosen": "tool_choice.function.",
    "allowed": "tool_choice.allowed_tools.",
    "format": "response_format.",
    "schema": "response_format.json_schema.",
    "stream": "stream_options.",
    "top": "",
}
FORMAT = {"format", "schema"}
PNG = "data:image/png;base64,iVBORw0KGgoAAAAA"
PDF = "data:application/pdf;base64,JVBERi0xLjQK"
MEDIA: dict[str, tuple[str, dict[str, Any]]] = {
    "image": ("image_url", {"url": PNG}),
    "file": ("file", {"file_data": PDF}),
    "sound": ("input_audio", {"data": "UklGRg==", "format": "wav"}),
}
"""Content parts that not every provider takes: type and content."""


def conversation(*places: str, **more: Any) -> dict[str, Any]:
    """A conversation with more members at some of its places."""
    arguments = {"name": "f", "arguments": "{}"}
    call = {"id": "call_1", "type": "function", "function": arguments}
    part, media = {"type": "text", "text": "Hello"}, copy.deepcopy(MEDIA)
    shown = [
        {"type": media[place][0], media[place][0]: media[place][1]}
        for place in MEDIA
        if place in places
    ]
    at: dict[str, dict[str, Any]] = {
        "system": {"role": "system", "content": "Be brief."},
        "user": {"role": "user", "content": [part, *shown]},
        "assistant": {"role": "assistant", "content": "Wait.", "tool_calls": [call]},
        "tool": {"role": "tool", "tool_call_id": "call_1", "content": "7"},
    }
    messages = [*at.values()]
    function, schema = {"name": "f", "parameters": {"type": "object"}}, {"type": "object"}
    at |= {"part": part, "call": call, "arguments": arguments, "top": {}}
    at |= {place: content for place, (_, content) in media.items()}
    at |= {"function": function, "whole tool": {"type": "function", "function": function}}
    at |= {"schema": {"name": "a", "schema": schema}, "stream": {"include_usage": True}}
    at |= {"chosen": {"name": "f"}, "allowed": {"mode": "auto", "tools": [at["whole tool"]]}}
    at["choice"] = {"type": "function", "function": at["chosen"]}
    at["format"] = {"type": "json_schema", "json_schema": at["schema"]}
    request: dict[str, Any] = {"messages": messages, "tools": [at["whole tool"]]}
    if FORMAT & {*places}:
        # Not everybody takes it beside tools.
        request = {"messages": messages[:2], "response_format": at["format"]}
    if {"choice", "chosen"} & {*places}:
        request["tool_choice"] = at["choice"]
    if "allowed" in places:
        request["tool_choice"] = {"type": "allowed_tools", "allowed_tools": at["allowed"]}
    if "stream" in places:
        request |= {"stream": True, "stream_options": at["stream"]}
    for place in places:
        at[place].update(more)
    return copy.deepcopy({**request, **at["top"]})


@pytest.mark.parametrize("value", NOTHING, ids=repr)
@pytest.mark.parametrize("provider", PROVIDERS.values(), ids=PROVIDERS)
def test_unknown_member_that_says_nothing_is_not_named(provider: Provider, value: Any) -> None:
    for places in (PLACES.keys() - FORMAT - MEDIA.keys(), FORMAT):
        sent = built(provider, conversation(*places, **{UNHEARD_OF: value}))

        assert isinstance(sent, ProviderRequest)
        assert not [name for name in sent.dropped if UNHEARD_OF in name]


@pytest.mark.parametrize("value", SOMETHING, ids=repr)
@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("provider", PROVIDERS.values(), ids=PROVIDERS)
def test_unknown_member_that_says_something_is_carried_or_named(
    provider: Provider, place: str, value: Any
) -> None:
    sent = built(provider, conversation(place, **{UNHEARD_OF: value}))

    if isinstance(sent, RequestError):
        assert place in MEDIA
        return
    name = f"{PLACES[place]}{UNHEARD_OF}"
    is_carried = f'"{UNHEARD_OF}": {json.dumps(value)}' in json.dumps(sent.body)
    is_named = not {name, name.partition(".")[0]}.isdisjoint(sent.dropped)
    assert is_carried != is_named


ABSENT, ANY = {"type": "function", "function": {"name": "absent"}}, conversation()["tools"][0]
CHOICES_OF_NOTHING: dict[str, Any] = {
    "named": ABSENT,
    "allowed": {"type": "allowed_tools", "allowed_tools": {"mode": "auto", "tools": [ABSENT]}},
    "in part": {"type": "allowed_tools", "allowed_tools": {"mode": "auto", "tools": [ANY, ABSENT]}},
    "empty": {"type": "allowed_tools", "allowed_tools": {"mode": "auto", "tools": []}},
}


@pytest.mark.parametrize("choice", CHOICES_OF_NOTHING.values(), ids=CHOICES_OF_NOTHING)
@pytest.mark.parametrize("provider", PROVIDERS.values(), ids=PROVIDERS)
def test_choice_of_a_tool_that_is_not_there_is_carried_named_or_refused(
    provider: Provider, choice: Any
) -> None:
    sent = built(provider, {**conversation(), "tool_choice": choice})

    if isinstance(sent, RequestError):
        assert sent.answer().param == "tool_choice"
    else:
        assert sent.body.get("tool_choice") == choice or "tool_choice" in sent.dropped


@pytest.mark.parametrize("choice", ["required", ANY], ids=["any", "named"])
@pytest.mark.parametrize("provider", PROVIDERS.values(), ids=PROVIDERS)
def test_demand_for_a_call_without_tools_is_carried_named_or_refused(
    provider: Provider, choice: Any
) -> None:
    sent = built(provider, {"tool_choice": choice})

    if isinstance(sent, RequestError):
        assert sent.answer().param == "tool_choice"
    else:
        assert sent.body.get("tool_choice") == choice or "tool_choice" in sent.dropped


DOCUMENTED: list[tuple[str, str, Any]] = [
    *((place, "name", "Ann") for place in ("system", "user", "assistant")),
    ("image", "detail", "low"),
    ("file", "filename", "a.pdf"),
    ("function", "description", "Tells the time."),
    ("function", "strict", True),
    ("schema", "name", "b"),
    ("schema", "description", "What was asked for."),
    ("schema", "strict", True),
    ("stream", "include_obfuscation", False),
]
SAY_NOTHING = {("schema", "name"), ("stream", "include_obfuscation")}
ENFORCING = {"anthropic", "bedrock", "cohere", "gemini", "ollama", "vertex"}
"""Providers that make every answer fit its schema, so that `strict` asks for what happens."""


@pytest.mark.parametrize(("place", "name", "value"), DOCUMENTED)
@pytest.mark.parametrize("provider", PROVIDERS.values(), ids=PROVIDERS)
def test_member_that_openai_knows_is_carried_or_named(
    provider: Provider, place: str, name: str, value: Any
) -> None:
    sent = built(provider, conversation(place, **{name: value}))
    bare = built(provider, conversation(place))

    if isinstance(sent, RequestError) or isinstance(bare, RequestError):
        assert place in MEDIA
        return
    is_named = f"{PLACES[place]}{name}" in sent.dropped
    is_kept = (place, name) == ("schema", "strict") and provider.name in ENFORCING
    if is_kept or (place, name) in SAY_NOTHING:
        assert not is_named
    else:
        assert is_named or sent.body != bare.body


@pytest.mark.parametrize("provider", PROVIDERS.values(), ids=PROVIDERS)
def test_an_answer_of_openais_that_is_sent_back_loses_nothing(provider: Provider) -> None:
    """Clients send it as it came, with all its members."""
    empty = {"refusal": None, "annotations": [], "audio": None, "function_call": None}
    user = {"role": "user", "content": "Hello"}
    answer = {"role": "assistant", "content": "Hello!", **empty}

    sent = built(provider, {"messages": [user, answer, user]})

    assert isinstance(sent, ProviderRequest)
    assert sent.dropped == ()


@pytest.mark.parametrize("provider", PROVIDERS.values(), ids=PROVIDERS)
def test_model_of_the_route_is_sent(provider: Provider) -> None:
    sent = provider.build_request(small_call())

    assert "m-1" in json.dumps([sent.path, sent.body])


@pytest.mark.parametrize("provider", PROVIDERS.values(), ids=PROVIDERS)
def test_same_call_gives_the_same_request(provider: Provider) -> None:
    call = small_call(**SAMPLES["tools"], **SAMPLES["max_tokens"])

    assert provider.build_request(call) == provider.build_request(call)


@pytest.mark.parametrize("scheme", WEB)
@pytest.mark.parametrize("provider", PROVIDERS.values(), ids=PROVIDERS)
def test_image_by_address_is_carried_or_fetched_where_data_would_do(
    provider: Provider, scheme: str
) -> None:
    part = {"type": "image_url", "image_url": {"url": f"{scheme}example.com/a.png"}}

    sent = built(provider, {"messages": [{"role": "user", "content": [part]}]})

    if scheme in provider.fetches.get("image_url", ()):
        return
    if isinstance(sent, RequestError):
        assert "data:" not in sent.answer().message
    else:
        assert part["image_url"]["url"] in json.dumps(sent.body)


@pytest.mark.parametrize("beginning", ["DATA:image/png;base64,", "data:image/png;BASE64,"])
@pytest.mark.parametrize("provider", PROVIDERS.values(), ids=PROVIDERS)
def test_a_data_url_is_read_however_it_is_spelt(provider: Provider, beginning: str) -> None:
    def shown(url: str) -> ProviderRequest | RequestError:
        part = {"type": "image_url", "image_url": {"url": url}}
        return built(provider, {"messages": [{"role": "user", "content": [part]}]})

    usual, odd = shown(PNG), shown(PNG.replace("data:image/png;base64,", beginning))

    assert type(odd) is type(usual)
