"""chat.qwen.ai's format, beyond what the table of providers asks of every case."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import pytest

from tests.cases import STREAM, Case, decode, feed_all, fold, params, run_stream
from transforms.contract import Call, ErrorAnswer, Event
from transforms.errors import RequestError, ResponseError
from transforms.qwen import PROVIDER
from transforms.qwen.errors import CHAT_LOST, is_lost
from transforms.qwen.tools import CallFinder

CHAT = "6b0d4d3e-52a8-4c3f-9a57-2f2f8d3c1a10"
USER = {"role": "user", "content": "Hi"}
MORE = {"role": "user", "content": "More"}
TOOL = {"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}
SECOND = {"type": "function", "function": {"name": "g", "description": "Does g."}}
CREATED = {"response.created": {"chat_id": CHAT, "parent_id": "P1", "response_id": "R1"}}
END = {"choices": [{"delta": {"content": "", "phase": "answer", "status": "finished"}}]}
USAGE = {"input_tokens": 9, "output_tokens": 4}

STREAMED = [case for case in params(STREAM, "response.json") if case.id.startswith("qwen/")]


def call(**parameters: Any) -> Call:
    request = {"model": "m", "messages": [USER], **parameters}
    return Call(request, "qwen3-max", "chatcmpl-fixture", 1700000000, account="a")


def turn(given: Call) -> dict[str, Any]:
    return PROVIDER.build_request(given).body


def text(**parameters: Any) -> str:
    """The one text that is sent."""
    return turn(call(**parameters))["messages"][0]["content"]


def refusal(**parameters: Any) -> ErrorAnswer:
    with pytest.raises(RequestError) as caught:
        PROVIDER.build_request(call(**parameters))
    return caught.value.answer()


def typing(content: str, phase: str | None = "answer", **more: Any) -> dict[str, Any]:
    return {"choices": [{"delta": {"content": content, "phase": phase, "status": "typing"}}]} | more


def events(*frames: object) -> list[Event]:
    return [Event("", json.dumps(frame).encode()) for frame in frames]


def streamed(*frames: object, given: Call | None = None) -> dict[str, Any]:
    """The completion of a stream of these frames."""
    stream = PROVIDER.open_stream(given or call())
    chunks = feed_all(stream, events(*frames))
    return fold(chunks if stream.finished else chunks + stream.close())


def said(*frames: object, given: Call | None = None) -> dict[str, Any]:
    return streamed(*frames, given=given)["choices"][0]["message"]


def error(body: object, status: int = 200) -> ErrorAnswer:
    return PROVIDER.parse_error(status, body)


# Conversation


def answered(given: Call, content: str = "Hello") -> dict[str, Any]:
    """The assistant's message of an answer to this call."""
    return said(CREATED, typing(content), END, given=given)


def following(given: Call, said: dict[str, Any], *messages: dict[str, Any], **more: Any) -> Call:
    request = given.request | {"messages": [*given.request["messages"], said, *messages]} | more
    return dataclasses.replace(given, request=request)


def test_the_next_turn_hangs_on_the_answer_and_says_only_what_is_new():
    body = turn(following(call(), answered(call()), MORE))
    (message,) = body["messages"]
    assert (body["chat_id"], body["parent_id"]) == (CHAT, "R1")
    assert (message["parentId"], message["parent_id"]) == ("R1", "R1")
    assert message["content"] == "More"


def test_the_chat_is_named_in_the_address_too():
    sent = PROVIDER.build_request(following(call(), answered(call()), MORE))
    assert sent.path == f"/api/v2/chat/completions?chat_id={CHAT}"


@pytest.mark.parametrize(
    "change",
    [
        {"messages": [{"role": "user", "content": "Hey"}]},
        {"messages": [{"role": "system", "content": "Be brief"}, USER]},
        {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": "x"}]}]},
        {"tools": [TOOL]},
        {"response_format": {"type": "json_object"}},
    ],
    ids=["edited", "another system prompt", "an image", "other tools", "another form"],
)
def test_whatever_changes_what_was_said_begins_a_new_chat(change):
    before = call(**change)
    after = following(before, answered(call()), MORE)
    assert not PROVIDER.chats.goes_on(after)


def test_another_login_begins_a_new_chat():
    after = following(call(), answered(call()), MORE)
    assert PROVIDER.chats.goes_on(after)
    assert not PROVIDER.chats.goes_on(dataclasses.replace(after, account="b"))


def test_an_edited_answer_begins_a_new_chat():
    edited = {**answered(call()), "content": "Hullo"}
    assert not PROVIDER.chats.goes_on(following(call(), edited, MORE))


@pytest.mark.parametrize("state", [None, "x", {"chat_id": 1}, {"prefix": "0"}])
def test_a_state_that_says_nothing_begins_a_new_chat(state):
    answer = {"role": "assistant", "content": "Hello", "qwen": state}
    assert not PROVIDER.chats.goes_on(following(call(), answer, MORE))


def test_ids_that_are_missing_begin_a_new_chat():
    answer = answered(call())
    answer["qwen"]["parent_id"] = None
    assert not PROVIDER.chats.goes_on(following(call(), answer, MORE))


def test_a_conversation_that_ends_with_the_assistant_begins_a_new_chat():
    after = following(call(), answered(call()))
    assert not PROVIDER.chats.goes_on(after)
    assert turn(after)["messages"][0]["content"] == "User:\nHi\n\nAssistant:\nHello"


def test_a_chat_made_for_the_call_takes_the_whole_conversation():
    after = following(call(), answered(call()), MORE)
    body = turn(dataclasses.replace(after, chat_id="new"))
    assert (body["chat_id"], body["parent_id"]) == ("new", None)
    assert body["messages"][0]["content"].startswith("User:\nHi")


def test_spaces_in_arguments_and_parts_of_text_change_nothing():
    given = call(tools=[TOOL])
    answer = answered(given, 'Now.<tool_call>{"name": "f", "arguments": {"a": 1}}</tool_call>')
    answer["tool_calls"][0]["function"]["arguments"] = '{ "a" : 1 }'
    answer["content"] = [{"type": "text", "text": "Now"}, {"type": "text", "text": "."}]
    result = {"role": "tool", "tool_call_id": answer["tool_calls"][0]["id"], "content": None}
    after = following(given, answer, result)
    assert PROVIDER.chats.goes_on(after)
    assert turn(after)["messages"][0]["content"] == (
        "Tool result (f, call_fixture_0):\n(The tool gave no output.)"
    )


def test_a_new_system_prompt_in_a_known_chat_is_said():
    late = {"role": "system", "content": "Be brief"}
    content = turn(following(call(), answered(call()), late, MORE))["messages"][0]["content"]
    assert content == "System:\nBe brief\n\nUser:\nMore"


def test_a_later_answer_of_the_same_chat_goes_on_again():
    second = following(call(), answered(call()), MORE)
    third = following(second, answered(second, "Again"), {"role": "user", "content": "Third"})
    assert turn(third)["messages"][0]["content"] == "Third"


def test_arguments_that_are_no_json_are_told_as_they_are():
    made = {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{a"}}
    messages = [
        USER,
        {"role": "assistant", "content": None, "refusal": "No.", "tool_calls": [made]},
        {"role": "tool", "tool_call_id": "c", "content": "x"},
    ]
    assert text(messages=messages) == (
        'User:\nHi\n\nAssistant:\nNo.\n<tool_call>{"name":"f","arguments":"{a"}</tool_call>\n\n'
        "Tool result (f, c):\nx"
    )


def test_a_conversation_without_content_is_refused():
    assert refusal(messages=[{"role": "user", "content": " "}]).param == "messages"


@pytest.mark.parametrize(
    "message",
    [
        {"role": "function", "name": "f", "content": "x"},
        {"role": "assistant", "function_call": {"name": "f", "arguments": "{}"}},
    ],
)
def test_functions_before_tools_are_refused(message):
    assert refusal(messages=[USER, message, MORE]).param == "messages[1]"


def test_a_call_that_is_no_function_is_refused():
    custom = {"id": "c", "type": "custom", "custom": {"name": "x", "input": "y"}}
    messages = [
        USER,
        {"role": "assistant", "tool_calls": [custom], "qwen": {"prefix": "x"}},
        {"role": "tool", "tool_call_id": "c", "content": "x"},
    ]
    assert refusal(messages=messages).param == "messages[1].tool_calls[0].type"


def test_a_name_of_a_participant_is_dropped_by_name():
    sent = PROVIDER.build_request(call(messages=[{**USER, "name": "Ann"}]))
    assert sent.dropped == ("messages[].name",)


# Requests


@pytest.mark.parametrize(
    ("effort", "thinks"), [("high", True), ("minimal", False), ("none", False), (None, False)]
)
def test_effort_turns_thinking_on(effort, thinks):
    config = turn(call(reasoning_effort=effort))["messages"][0]["feature_config"]
    assert config == {"thinking_enabled": thinks, "output_schema": "phase"}


def test_a_chat_is_asked_for_in_milliseconds_and_a_turn_in_seconds():
    sent = PROVIDER.chats.new.build_request(call())
    assert sent.path == "/api/v2/chats/new"
    assert sent.body == {
        "title": "New Chat",
        "models": ["qwen3-max"],
        "chat_mode": "normal",
        "chat_type": "t2t",
        "timestamp": 1700000000000,
    }
    assert turn(call())["timestamp"] == 1700000000


def test_ids_are_uuids_that_differ_by_purpose():
    ids = {
        turn(call())["messages"][0]["fid"],
        PROVIDER.build_request(call()).headers["x-request-id"],
        PROVIDER.chats.new.build_request(call()).headers["x-request-id"],
    }
    assert len(ids) == 3
    assert {len(each) for each in ids} == {36}


def test_a_search_is_another_type_of_chat():
    given = call(web_search_options={})
    assert turn(given)["messages"][0]["chat_type"] == "search"
    assert PROVIDER.chats.new.build_request(given).body["chat_type"] == "search"


# Tools


@pytest.mark.parametrize(
    ("choice", "told", "untold"),
    [
        ("auto", ['"name":"f"', '"name":"g"'], ["must call"]),
        ("required", ["must call", '"name":"f"', '"name":"g"'], []),
        ({"type": "function", "function": {"name": "g"}}, ["must call", "Does g."], ['"name":"f"']),
        (
            {"type": "allowed_tools", "allowed_tools": {"mode": "auto", "tools": [SECOND]}},
            ['"name":"g"'],
            ['"name":"f"', "must call"],
        ),
    ],
)
def test_a_choice_is_told_in_words(choice, told, untold):
    content = text(tools=[TOOL, SECOND], tool_choice=choice)
    assert [each for each in told if each not in content] == []
    assert [each for each in untold if each in content] == []


def test_no_tool_is_told_of_where_none_may_be_called():
    assert text(tools=[TOOL], tool_choice="none") == "Hi"


def test_one_call_at_a_time_is_asked_for():
    assert "no more than one call" in text(tools=[TOOL], parallel_tool_calls=False)


@pytest.mark.parametrize(
    ("parameters", "param"),
    [
        ({"tools": [{"type": "custom", "custom": {"name": "x"}}]}, "tools[0].type"),
        ({"tools": [TOOL], "tool_choice": "perhaps"}, "tool_choice"),
        ({"tool_choice": "required"}, "tool_choice"),
        (
            {"tools": [TOOL], "tool_choice": {"type": "function", "function": {"name": "h"}}},
            "tool_choice",
        ),
        (
            {
                "tools": [TOOL],
                "tool_choice": {"type": "allowed_tools", "allowed_tools": {"tools": ["f"]}},
            },
            "tool_choice",
        ),
        ({"response_format": {"type": "grammar"}}, "response_format"),
        ({"n": 2}, "n"),
    ],
)
def test_what_cannot_be_told_is_refused(parameters, param):
    assert refusal(**parameters).param == param


def test_an_object_is_asked_for_in_words():
    assert "one JSON object" in text(response_format={"type": "json_object"})
    assert text(response_format={"type": "text"}) == "Hi"


def found(answer: str, size: int | None = None) -> list[Any]:
    """Texts, joined where they meet, and calls, of an answer in pieces of this size."""
    finder, size = CallFinder(), size or len(answer) or 1
    told: list[Any] = []
    for start in range(0, len(answer), size):
        told += finder.feed(answer[start : start + size])
    joined: list[Any] = []
    for each in told + finder.close():
        if joined and isinstance(each, str) and isinstance(joined[-1], str):
            joined[-1] += each
        else:
            joined.append(each)
    return joined


F = {"name": "f", "arguments": {}}

ANSWERS = {
    "text": ("Hello  there\n", ["Hello  there\n"]),
    "nothing": ("", []),
    "call": ('<tool_call>{"name": "f", "arguments": {}}</tool_call>', [F]),
    "call without arguments": ('<tool_call>{"name": "f"}</tool_call>\n', [F]),
    "arguments under another name": (
        '<tool_call>{"name": "f", "parameters": {"a": 1}}</tool_call>',
        [{"name": "f", "arguments": {"a": 1}}],
    ),
    "arguments in a string": (
        '<tool_call>{"name": "f", "arguments": "{\\"a\\": 1}"}</tool_call>',
        [{"name": "f", "arguments": {"a": 1}}],
    ),
    "no arguments in a string": ('<tool_call>{"name": "f", "arguments": ""}</tool_call>', [F]),
    "calls between texts": (
        'One\n\n<tool_call>{"name": "f"}</tool_call>\n<tool_call>{"name": "f"}</tool_call>\nTwo',
        ["One", F, F, "\nTwo"],
    ),
    "end tag in a string": (
        '<tool_call>{"name": "f", "arguments": {"a": "x</tool_call>y"}}</tool_call>',
        [{"name": "f", "arguments": {"a": "x</tool_call>y"}}],
    ),
    "line end in a string": (
        '<tool_call>{"name": "f", "arguments": {"a": "x\ny"}}</tool_call>',
        [{"name": "f", "arguments": {"a": "x\ny"}}],
    ),
    "no end tag": ('A <tool_call>{"name": "f", "arguments": {}}', ["A", F]),
    "cut call": ('A\n<tool_call>{"name": "f', ['A\n<tool_call>{"name": "f']),
    "broken call": (
        'A\n<tool_call>{"name": f}</tool_call> B',
        ['A\n<tool_call>{"name": f}</tool_call> B'],
    ),
    "broken call before a call": (
        '<tool_call>[1]</tool_call>\n<tool_call>{"name": "f"}</tool_call>',
        ["<tool_call>[1]</tool_call>", F],
    ),
    "no name": ("<tool_call>{}</tool_call>", ["<tool_call>{}</tool_call>"]),
    "two values": (
        '<tool_call>{"name": "f"} x</tool_call>',
        ['<tool_call>{"name": "f"} x</tool_call>'],
    ),
    "arguments that are none": (
        '<tool_call>{"name": "f", "arguments": "x"}</tool_call>',
        ['<tool_call>{"name": "f", "arguments": "x"}</tool_call>'],
    ),
    "code block": (
        '```\n<tool_call>{"name": "f"}</tool_call>\n```\n',
        ['```\n<tool_call>{"name": "f"}</tool_call>\n```\n'],
    ),
    "indented block of tildes": (
        'So:\n  ~~~~\n```\n<tool_call>{"name": "f"}</tool_call>\n~~~~',
        ['So:\n  ~~~~\n```\n<tool_call>{"name": "f"}</tool_call>\n~~~~'],
    ),
    "call after a block": (
        '```\ncode\n```\n<tool_call>{"name": "f"}</tool_call>',
        ["```\ncode\n```", F],
    ),
    "backticks in a line open no block": (
        'Use ``` here.\n<tool_call>{"name": "f"}</tool_call>',
        ["Use ``` here.", F],
    ),
    "tag in backticks": ("A `<tool_call>` is it", ["A `<tool_call>` is it"]),
    "tag behind a backtick at the start": ("`<tool_call>`", ["`<tool_call>`"]),
    "less than": ("a < b <tool", ["a < b <tool"]),
}


@pytest.mark.parametrize("size", [None, 1, 2, 3, 7])
@pytest.mark.parametrize(("answer", "told"), ANSWERS.values(), ids=ANSWERS)
def test_calls_are_found_in_text_in_any_pieces(answer, told, size):
    assert found(answer, size) == told


def test_a_block_nested_too_deeply_is_text():
    block = "<tool_call>" + '{"name":' * 100_000 + "</tool_call>"
    assert found(block) == [block]


def test_text_leaves_as_soon_as_it_cannot_be_a_tag():
    finder = CallFinder()
    assert finder.feed("Hello <") == ["Hello"]
    assert finder.feed("b>") == [" <b>"]


def test_tags_are_text_where_no_tools_were_offered():
    block = '<tool_call>{"name": "f"}</tool_call>'
    assert said(CREATED, typing(block), END)["content"] == block


# Streams


@pytest.mark.parametrize("case", STREAMED)
def test_frames_may_have_no_space_and_no_blank_lines(case: Case) -> None:
    body = case.stream.replace(b"\n\n", b"\n").replace(b"data: ", b"data:")
    assert run_stream(case, [body])[0] == run_stream(case, [case.stream])[0]


def test_a_last_frame_without_line_end_counts_if_it_is_whole():
    whole, cut = b'data: {"a": 1}', b'data: {"a": '
    assert decode(PROVIDER, [whole]) == [Event("", b'{"a": 1}')]
    assert decode(PROVIDER, [cut]) == []
    assert decode(PROVIDER, [b"data: [DONE]"]) == [Event("", b"[DONE]")]
    assert decode(PROVIDER, [b"data:\n: comment\n"]) == []


def test_the_last_usage_seen_counts_and_is_waited_for():
    frames = (CREATED, typing("A", usage={**USAGE, "output_tokens": 1}), typing("B", usage=USAGE))
    usage = {"prompt_tokens": 9, "completion_tokens": 4, "total_tokens": 13}
    assert streamed(*frames, END)["usage"] == usage
    assert streamed(CREATED, typing("A"), END, {"usage": USAGE})["usage"] == usage


@pytest.mark.parametrize("usage", [None, {}, {"prompt_tokens": 1}, {"input_tokens": True}])
def test_usage_that_was_not_told_is_none(usage):
    assert "usage" not in streamed(CREATED, typing("A", usage=usage), END)


def test_a_part_larger_than_its_whole_is_left_out():
    usage = {**USAGE, "cached_tokens": 10, "output_tokens_details": {"reasoning_tokens": 5}}
    told = streamed(CREATED, typing("A", usage=usage), END)["usage"]
    assert told == {"prompt_tokens": 9, "completion_tokens": 4, "total_tokens": 13}


def test_nothing_is_told_after_the_end():
    stream = PROVIDER.open_stream(call())
    feed_all(stream, events(CREATED, typing("A", usage=USAGE), END))
    assert stream.finished
    assert feed_all(stream, events(typing("B"))) == []


def test_what_comes_between_the_end_and_the_usage_is_not_told():
    assert said(CREATED, typing("A"), END, typing("B"), {"usage": USAGE})["content"] == "A"


def test_an_end_mark_ends_an_answer_that_has_text():
    stream = PROVIDER.open_stream(call())
    chunks = feed_all(stream, [*events(CREATED, typing("A")), Event("", b"[DONE]")])
    assert stream.finished
    assert fold(chunks)["choices"][0]["finish_reason"] == "stop"


def test_an_end_mark_without_an_answer_ends_nothing():
    stream = PROVIDER.open_stream(call())
    feed_all(stream, [*events(CREATED, typing("A", "think")), Event("", b"[DONE]")])
    with pytest.raises(ResponseError):
        stream.close()


def test_a_stream_that_begins_with_its_first_delta_is_read():
    completion = streamed(typing("A", response_id="R9"), END)
    assert completion["id"] == "R9"
    assert completion["choices"][0]["message"] == {"role": "assistant", "content": "A"}


def test_a_second_beginning_changes_nothing():
    again = {"response.created": {"chat_id": "C2", "response_id": "R2"}}
    assert streamed(CREATED, again, typing("A"), END)["id"] == "R1"


@pytest.mark.parametrize("pieces", [("ha", "haha"), ("Hello", "He"), ("\n", "\n\n")])
def test_short_repetitions_are_text(pieces):
    frames = [typing(piece) for piece in pieces]
    assert said(CREATED, *frames, END)["content"] == "".join(pieces)


@pytest.mark.parametrize(
    "delta",
    [None, 1, {}, {"content": None}, {"phase": "web_search", "extra": 1}],
)
def test_deltas_that_say_nothing_are_passed_over(delta):
    odd = {"choices": [{"delta": delta}]}
    assert said(CREATED, odd, {"choices": []}, typing("A"), END)["content"] == "A"


@pytest.mark.parametrize("phase", [None, "", "answer", "image_gen", "unheard_of"])
def test_content_of_a_phase_that_nobody_knows_is_answer(phase):
    heard = said(CREATED, typing("Hm", "think"), typing("A", phase), typing("B"), END)
    assert (heard["content"], heard["reasoning_content"]) == ("AB", "Hm")


def test_the_end_of_thinking_is_not_the_end():
    thought = {"choices": [{"delta": {"content": "", "phase": "think", "status": "finished"}}]}
    assert said(CREATED, typing("Hm", "think"), thought, typing("A"), END)["content"] == "A"


def test_a_search_may_be_told_by_name():
    page = {"title": "One", "url": "https://example.org"}
    delta = {"name": "web_search", "extra": {"web_search_info": [page, page, {"title": "x"}]}}
    message = said(CREATED, {"choices": [{"delta": delta}]}, typing("A"), END)
    assert message["citations"] == [page]


def test_a_summary_of_unknown_shape_says_nothing():
    odd = {"phase": "thinking_summary", "extra": {"summary_title": {"content": "x"}}}
    assert "reasoning_content" not in said(CREATED, {"choices": [{"delta": odd}]}, typing("A"), END)


@pytest.mark.parametrize("frame", [b"<!DOCTYPE html>", b'{"success": false, "data": {}}'])
def test_a_page_or_a_bare_error_in_a_stream_is_an_error(frame):
    stream = PROVIDER.open_stream(call())
    with pytest.raises(ResponseError):
        feed_all(stream, decode(PROVIDER, [frame + b"\n"]))


def test_nothing_is_known_of_an_answer_before_it_begins():
    assert PROVIDER.open_stream(call()).answer == {}


# Answers and errors


@pytest.mark.parametrize("body", [{}, {"data": {"choices": []}}, {"data": {"choices": [1]}}])
def test_an_answer_without_a_message_raises(body):
    with pytest.raises(ResponseError, match="choices"):
        PROVIDER.parse_response(call(), body)


def test_an_answer_with_choices_at_the_top_is_read():
    body = {"choices": [{"message": {"content": "A"}}]}
    assert PROVIDER.parse_response(call(), body)["id"] == "chatcmpl-fixture"


def test_a_new_chat_has_an_id():
    assert PROVIDER.chats.new.parse_response({"success": True, "data": {"id": "C"}}) == "C"


@pytest.mark.parametrize("body", [{}, {"data": {}}, {"data": {"id": ""}}, {"success": False}])
def test_a_chat_without_an_id_raises(body):
    with pytest.raises(ResponseError):
        PROVIDER.chats.new.parse_response(body)


@pytest.mark.parametrize(
    ("status", "body", "told"),
    [
        (403, {"detail": "x"}, (401, "invalid_api_key")),
        (302, "", (502, None)),
        (502, "<html>Bad Gateway</html>", (502, None)),
        (429, {"message": "Slow down"}, (429, "rate_limit_exceeded")),
        (200, {"success": False, "data": {"code": "RateLimited"}}, (429, "insufficient_quota")),
        (200, {"success": False, "data": {"code": "Odd"}}, (502, None)),
        (200, {"success": False, "data": "chat is broken"}, (502, None)),
        (200, {"success": False}, (502, None)),
        (200, {"error": {"message": "x"}}, (502, None)),
        (
            200,
            {"success": False, "data": {"code": "Bad_Request", "details": "chat x is not exist"}},
            (404, CHAT_LOST),
        ),
        (503, "see /_____tmd_____/punish", (503, None)),
    ],
)
def test_errors_are_mapped_whatever_their_status(status, body, told):
    answer = error(body, status)
    assert (answer.status, answer.code) == told
    assert is_lost(answer) == (told[1] == CHAT_LOST)


def test_a_block_without_end_tag_that_is_no_call_is_text() -> None:
    finder = CallFinder()
    assert [*finder.feed('<tool_call>{"no": "name"}'), *finder.close()] == [
        '<tool_call>{"no": "name"}'
    ]
