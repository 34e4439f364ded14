"""What hosts of the OpenAI format take, refuse and tell, beyond the recorded cases."""

from __future__ import annotations

import json
from typing import Any

import pytest
from openai.types.chat import ChatCompletionMessageParam, completion_create_params
from pydantic import TypeAdapter

from tests.cases import Case, feed_all, fold, params
from transforms import PROVIDERS
from transforms.contract import Call, ErrorAnswer, Event, ProviderRequest
from transforms.errors import RequestError
from transforms.openai.quirks import for_model

HOSTS = (
    *("azure", "cerebras", "deepseek", "fireworks", "groq", "moonshot", "openrouter"),
    *("perplexity", "together", "xai", "zai"),
)
MODELS = {
    "cerebras": "gpt-oss-120b",
    "deepseek": "deepseek-chat",
    "moonshot": "kimi-k2.6",
    "xai": "grok-4-1-fast-non-reasoning",
    "zai": "glm-4.7",
}
"""A model for hosts whose models differ."""

USER = {"role": "user", "content": "Hello"}
SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}}
TOOL = {"type": "function", "function": {"name": "f", "parameters": SCHEMA}}
OTHER_TOOL = {"type": "function", "function": {"name": "g", "parameters": SCHEMA}}
F_CALL = {"id": "a", "type": "function", "function": {"name": "f", "arguments": "{}"}}
RESULT = {"role": "tool", "tool_call_id": "a", "content": "1"}


def call(model: str = "m-1", base_url: str = "", **parameters: Any) -> Call:
    request = {"model": "m", "messages": [USER], **parameters}
    return Call(request, model, "chatcmpl-fixture", 1700000000, base_url)


def sent(host: str, model: str | None = None, **parameters: Any) -> ProviderRequest:
    return PROVIDERS[host].build_request(call(model or MODELS.get(host, "m-1"), **parameters))


def body(host: str, model: str | None = None, **parameters: Any) -> dict[str, Any]:
    """What is sent beside model and messages."""
    told = sent(host, model, **parameters).body
    return {name: value for name, value in told.items() if name not in {"model", "messages"}}


def messages(host: str, *history: dict[str, Any], **parameters: Any) -> list[dict[str, Any]]:
    told: list[dict[str, Any]] = sent(host, messages=[*history, USER], **parameters).body[
        "messages"
    ]
    return told[:-1]


# The official types

PLAIN = TypeAdapter(completion_create_params.CompletionCreateParamsNonStreaming)
STREAMED = TypeAdapter(completion_create_params.CompletionCreateParamsStreaming)
MESSAGES = TypeAdapter(list[ChatCompletionMessageParam])

OWN_WORDS = {"logprobs", "reasoning_effort", "service_tier"}
"""Parameters for which some hosts have values of their own."""


@pytest.mark.parametrize(
    "case",
    [
        param
        for param in params("provider_request.json")
        if str(param.id).partition("/")[0] in HOSTS
    ],
)
def test_request_is_valid_for_the_openai_sdk(case: Case) -> None:
    told = case.json("provider_request")["body"]
    adapter = STREAMED if told.get("stream") else PLAIN

    adapter.validate_python({k: v for k, v in told.items() if k not in OWN_WORDS})
    MESSAGES.validate_python(told["messages"])


# Parameters


@pytest.mark.parametrize("host", HOSTS)
def test_values_that_say_nothing_are_not_sent(host: str) -> None:
    nothing = {
        "n": 1,
        "logprobs": False,
        "presence_penalty": 0,
        "frequency_penalty": 0.0,
        "logit_bias": {},
        "metadata": {},
        "modalities": ["text"],
        "store": False,
        "tools": [],
        "tool_choice": "auto",
        "response_format": {"type": "text"},
        "stream_options": None,
        "user": None,
    }

    built = sent(host, **nothing)

    assert built.dropped == ()
    assert built.body == {"model": MODELS.get(host, "m-1"), "messages": [USER]}


@pytest.mark.parametrize("host", ["deepseek", "groq", "zai"])
def test_wish_for_the_usual_is_not_named_as_lost(host: str) -> None:
    usual = {"parallel_tool_calls": True, "verbosity": "medium", "top_logprobs": 0}

    assert sent(host, tools=[TOOL], **usual).dropped == ()


@pytest.mark.parametrize("host", sorted({*HOSTS} - {"azure"}))
def test_retired_functions_are_refused(host: str) -> None:
    with pytest.raises(RequestError, match="`functions` belongs to an older API") as caught:
        sent(host, functions=[TOOL["function"]])

    assert caught.value.answer().param == "functions"


@pytest.mark.parametrize(
    ("message", "param"),
    [
        ({"role": "function", "name": "f", "content": "1"}, "messages[0].role"),
        (
            {"role": "assistant", "function_call": {"name": "f", "arguments": "{}"}},
            "messages[0].function_call",
        ),
    ],
    ids=["result", "call"],
)
def test_retired_messages_are_refused(message: dict[str, Any], param: str) -> None:
    with pytest.raises(RequestError, match="older API") as caught:
        sent("groq", messages=[message, USER])

    assert caught.value.answer().param == param


@pytest.mark.parametrize("host", ["cerebras", "fireworks", "together", "xai", "azure"])
def test_several_choices_are_asked_of_hosts_that_give_them(host: str) -> None:
    assert body(host, n=2)["n"] == 2


@pytest.mark.parametrize("host", ["groq", "deepseek", "openrouter", "zai", "perplexity"])
def test_several_choices_are_refused_by_hosts_that_give_one(host: str) -> None:
    with pytest.raises(RequestError, match="`n` is 2; this provider gives one choice"):
        sent(host, n=2)


def test_spoken_answers_are_refused_where_there_are_none() -> None:
    with pytest.raises(RequestError, match="`modalities` is"):
        sent("groq", modalities=["text", "audio"])


def test_openrouter_gives_images() -> None:
    assert body("openrouter", modalities=["image", "text"]) == {"modalities": ["image", "text"]}


@pytest.mark.parametrize(
    ("host", "name"),
    [
        ("groq", "max_completion_tokens"),
        ("cerebras", "max_completion_tokens"),
        ("deepseek", "max_tokens"),
        ("together", "max_tokens"),
        ("fireworks", "max_tokens"),
        ("moonshot", "max_tokens"),
        ("zai", "max_tokens"),
        ("perplexity", "max_tokens"),
    ],
)
def test_limit_has_the_hosts_name_and_the_newer_value_wins(host: str, name: str) -> None:
    assert body(host, max_tokens=1, max_completion_tokens=2) == {name: 2}
    assert body(host, max_tokens=1) == {name: 1}


@pytest.mark.parametrize("host", ["openrouter", "xai", "azure"])
def test_limit_keeps_the_clients_name_where_both_are_known(host: str) -> None:
    assert body(host, max_completion_tokens=2) == {"max_completion_tokens": 2}
    assert body(host, max_tokens=2) == {"max_tokens": 2}


def test_parameters_of_the_host_itself_are_carried() -> None:
    own = {"thinking": {"type": "enabled"}, "do_sample": False}

    assert body("zai", **own) == own


def test_host_that_refuses_the_unknown_is_not_told_it() -> None:
    built = sent("cerebras", min_p=0.1, clear_thinking=False)

    assert built.dropped == ("min_p",)
    assert built.body["clear_thinking"] is False


def test_stop_is_a_list_where_it_must_be() -> None:
    assert body("together", stop="END") == {"stop": ["END"]}


def test_more_stops_than_a_host_takes_are_refused() -> None:
    with pytest.raises(RequestError, match="`stop` holds 5 texts; here it may be 4"):
        sent("groq", stop=["a", "b", "c", "d", "e"])


@pytest.mark.parametrize(
    ("model", "dropped"),
    [
        ("grok-4.5", ("presence_penalty", "stop")),
        ("grok-3-mini", ("presence_penalty", "stop")),
        ("grok-9", ("presence_penalty", "stop")),
        ("grok-3", ()),
        ("grok-4-1-fast-non-reasoning", ()),
    ],
)
def test_reasoning_models_of_xai_take_no_penalty_and_no_stop(
    model: str, dropped: tuple[str, ...]
) -> None:
    assert sent("xai", model, presence_penalty=0.5, stop=["END"]).dropped == dropped


def test_together_counts_the_probabilities_it_gives() -> None:
    assert body("together", logprobs=True) == {"logprobs": 1}


def test_perplexity_takes_one_penalty() -> None:
    built = sent("perplexity", presence_penalty=0.5, frequency_penalty=0.5)

    assert (built.body["presence_penalty"], built.dropped) == (0.5, ("frequency_penalty",))


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ("auto", "auto"),
        ("default", "on_demand"),
        ("priority", "performance"),
        ("fast", "performance"),
        ("flex", "flex"),
        ("on_demand", "on_demand"),
    ],
)
def test_service_tier_is_told_in_the_hosts_words(asked: str, told: str) -> None:
    assert body("groq", service_tier=asked) == {"service_tier": told}


def test_service_tier_that_the_host_does_not_have_is_dropped() -> None:
    built = sent("cerebras", service_tier="scale")

    assert built.dropped == ("service_tier",)
    assert "service_tier" not in built.body


def test_stream_options_of_openai_alone_are_left_out() -> None:
    told = body("groq", stream=True, stream_options={"include_obfuscation": False})

    assert told == {"stream": True, "stream_options": {"include_usage": True}}


# Reasoning

EFFORTS: dict[str, tuple[str, str, str, dict[str, Any], bool]] = {
    "groq, GPT-OSS, least": ("groq", "openai/gpt-oss-20b", "minimal", {"low"}, True),
    "groq, GPT-OSS, off": ("groq", "openai/gpt-oss-20b", "none", {"low"}, True),
    "groq, GPT-OSS, same": ("groq", "openai/gpt-oss-20b", "high", {"high"}, False),
    "groq, Qwen, off": ("groq", "qwen/qwen3-32b", "none", {"none"}, False),
    "groq, Qwen, on": ("groq", "qwen/qwen3-32b", "high", {"default"}, True),
    "groq, Qwen, its word": ("groq", "qwen/qwen3-32b", "default", {"default"}, False),
    "groq, newer Qwen": ("groq", "qwen/qwen3.8-27b", "low", {"low"}, False),
    "groq, Llama": ("groq", "llama-3.3-70b-versatile", "low", {}, True),
    "deepseek, off": (
        *("deepseek", "deepseek-v4-pro", "none"),
        {"thinking": {"type": "disabled"}},
        False,
    ),
    "deepseek, medium": ("deepseek", "deepseek-v4-pro", "medium", {"high"}, True),
    "deepseek, most": ("deepseek", "deepseek-v4-pro", "max", {"max"}, False),
    "openrouter": ("openrouter", "x/y", "xhigh", {"xhigh"}, False),
    "together, off": ("together", "x/y", "none", {"reasoning": {"enabled": False}}, False),
    "fireworks, off": ("fireworks", "x/y", "none", {"none"}, False),
    "xai, small": ("xai", "grok-3-mini", "medium", {"high"}, True),
    "xai, off": ("xai", "grok-3-mini", "none", {}, True),
    "xai, older": ("xai", "grok-4-0709", "low", {}, True),
    "xai, fast": ("xai", "grok-4-1-fast", "low", {}, True),
    "xai, newer": ("xai", "grok-4.5", "low", {"low"}, False),
    "moonshot, switch": ("moonshot", "kimi-k2.5", "low", {"thinking": {"type": "enabled"}}, True),
    "moonshot, always": ("moonshot", "kimi-k2.7-code", "none", {}, True),
    "moonshot, newer": ("moonshot", "kimi-k3", "medium", {"high"}, True),
    "moonshot, never off": ("moonshot", "kimi-k3", "none", {}, True),
    "zai, newer": ("zai", "glm-5.2", "xhigh", {"xhigh"}, False),
    "zai, switch": ("zai", "glm-4.7", "none", {"thinking": {"type": "disabled"}}, False),
    "cerebras, off": ("cerebras", "zai-glm-4.7", "none", {"none"}, False),
    "perplexity": ("perplexity", "sonar-reasoning-pro", "minimal", {"minimal"}, False),
    "perplexity, off": ("perplexity", "sonar-reasoning-pro", "none", {}, True),
}
"""Host, model, OpenAI's word, what is sent (a set holds the host's word), whether it is named."""


@pytest.mark.parametrize(
    ("host", "model", "effort", "told", "named"), EFFORTS.values(), ids=EFFORTS
)
def test_effort_is_told_as_the_model_knows_it(
    host: str, model: str, effort: str, told: Any, named: bool
) -> None:
    expected = {"reasoning_effort": next(iter(told))} if isinstance(told, set) else told

    assert body(host, model, reasoning_effort=effort) == expected
    assert sent(host, model, reasoning_effort=effort).dropped == (
        ("reasoning_effort",) if named else ()
    )


def test_clients_own_switch_goes_before_the_effort() -> None:
    built = sent("fireworks", reasoning_effort="low", thinking={"type": "disabled"})

    assert built.dropped == ("reasoning_effort",)
    assert built.body["thinking"] == {"type": "disabled"}


def test_deepseek_takes_the_effort_beside_the_switch() -> None:
    own = {"reasoning_effort": "max", "thinking": {"type": "enabled"}}

    assert body("deepseek", "deepseek-v4-pro", **own) == own


@pytest.mark.parametrize(
    ("model", "own", "dropped"),
    [
        ("deepseek-v4-flash", {}, ("logprobs", "temperature")),
        ("deepseek-reasoner", {}, ("logprobs", "temperature")),
        ("deepseek-v4-flash", {"thinking": {"type": "disabled"}}, ()),
        ("deepseek-v4-flash", {"reasoning_effort": "none"}, ()),
        ("deepseek-chat", {}, ()),
        ("deepseek-chat", {"thinking": {"type": "enabled"}}, ("logprobs", "temperature")),
        ("deepseek-chat", {"thinking": True}, ()),
    ],
    ids=["V4", "reasoner", "switched off", "no effort", "chat", "switched on", "nonsense"],
)
def test_sampling_is_dropped_while_deepseek_thinks(
    model: str, own: dict[str, Any], dropped: tuple[str, ...]
) -> None:
    assert sent("deepseek", model, temperature=0.2, logprobs=True, **own).dropped == dropped


@pytest.mark.parametrize(
    ("own", "dropped"),
    [({}, ()), ({"thinking": {"type": "enabled"}}, ("thinking",))],
    ids=["by itself", "asked for"],
)
def test_deepseek_does_not_think_before_a_call_that_is_demanded(
    own: dict[str, Any], dropped: tuple[str, ...]
) -> None:
    choice = {"type": "function", "function": {"name": "f"}}

    built = sent("deepseek", "deepseek-v4-pro", tools=[TOOL], tool_choice=choice, **own)

    assert built.body["thinking"] == {"type": "disabled"}
    assert built.body["tool_choice"] == choice
    assert built.dropped == dropped


THOUGHT = {"role": "assistant", "content": "4", "reasoning_content": "Two and two."}
DETAILS = [{"type": "reasoning.encrypted", "data": "c2VjcmV0", "index": 0}]


@pytest.mark.parametrize(
    ("host", "told", "dropped"),
    [
        ("groq", {"reasoning": "Two and two."}, ()),
        ("deepseek", {"reasoning_content": "Two and two."}, ()),
        ("openrouter", {"reasoning": "Two and two."}, ()),
        ("together", {"reasoning": "Two and two."}, ()),
        ("fireworks", {"reasoning_content": "Two and two."}, ()),
        ("moonshot", {"reasoning_content": "Two and two."}, ()),
        ("zai", {"reasoning_content": "Two and two."}, ()),
        ("cerebras", {"reasoning": "Two and two."}, ()),
        ("xai", {}, ("messages[].reasoning_content",)),
        ("perplexity", {}, ("messages[].reasoning_content",)),
        ("azure", {}, ("messages[].reasoning_content",)),
    ],
)
def test_earlier_reasoning_goes_back_under_the_hosts_name(
    host: str, told: dict[str, str], dropped: tuple[str, ...]
) -> None:
    built = sent(host, messages=[THOUGHT, USER])

    assert built.body["messages"][0] == {"role": "assistant", "content": "4", **told}
    assert built.dropped == dropped


def test_details_go_back_unchanged_and_in_place_of_the_text() -> None:
    assert messages("openrouter", {**THOUGHT, "reasoning_details": DETAILS}) == [
        {"role": "assistant", "content": "4", "reasoning_details": DETAILS}
    ]


def test_details_and_blocks_of_another_provider_are_named_as_dropped() -> None:
    foreign = {"reasoning_details": DETAILS, "thinking_blocks": [{"type": "thinking"}]}

    assert sent("groq", messages=[{**THOUGHT, **foreign}, USER]).dropped == (
        "messages[].reasoning_details",
        "messages[].thinking_blocks",
    )


def test_reasoning_goes_into_content_parts_too() -> None:
    parts = [{"type": "text", "text": "4"}]

    told = sent("cerebras", "zai-glm-4.7", messages=[{**THOUGHT, "content": parts}, USER])

    assert told.body["messages"][0]["content"] == [
        {"type": "text", "text": "<think>Two and two.</think>"},
        *parts,
    ]


LOST = [{"role": "assistant", "content": "", "tool_calls": [F_CALL]}, RESULT]


@pytest.mark.parametrize(
    ("host", "model", "parameters", "told"),
    [
        ("deepseek", "deepseek-v4-flash", {"tools": [TOOL]}, ""),
        ("deepseek", "deepseek-v4-flash", {}, None),
        ("deepseek", "deepseek-chat", {"tools": [TOOL]}, None),
        ("moonshot", "kimi-k2.6", {"tools": [TOOL]}, " "),
        ("moonshot", "kimi-k9", {"tools": [TOOL]}, " "),
        ("moonshot", "kimi-k2-thinking", {"tools": [TOOL]}, " "),
        ("moonshot", "kimi-k2-0905-preview", {"tools": [TOOL]}, None),
        (
            "moonshot",
            "kimi-k2.6",
            {"tools": [TOOL], "thinking": {"type": "disabled"}},
            None,
        ),
        ("zai", "glm-4.7", {"tools": [TOOL]}, None),
    ],
    ids=[
        *("deepseek", "without tools", "not thinking", "moonshot", "future model"),
        *("thinking model", "older model", "switched off", "not demanded"),
    ],
)
def test_lost_reasoning_of_a_call_is_stood_for(
    host: str, model: str, parameters: dict[str, Any], told: str | None
) -> None:
    built = sent(host, model, messages=LOST, **parameters)

    assert built.body["messages"][0].get("reasoning_content") == told


# Messages


@pytest.mark.parametrize(
    ("host", "role"),
    [("groq", "system"), ("deepseek", "system"), ("azure", "developer"), ("xai", "system")],
)
def test_developer_is_the_system_where_nobody_knows_the_developer(host: str, role: str) -> None:
    assert messages(host, {"role": "developer", "content": "Be brief."}) == [
        {"role": role, "content": "Be brief."}
    ]


def test_members_that_only_answers_have_do_not_go_back() -> None:
    heard = {
        "role": "assistant",
        "content": "Hi",
        "refusal": None,
        "annotations": [{"type": "url_citation"}],
        "audio": {"id": "a"},
        "tool_calls": [],
    }

    built = sent("groq", messages=[heard, USER])

    assert built.body["messages"][0] == {"role": "assistant", "content": "Hi"}
    assert built.dropped == ("messages[].annotations", "messages[].audio")


@pytest.mark.parametrize(
    "message",
    [
        {"role": "assistant", "content": None, "refusal": "No."},
        {"role": "assistant", "content": [{"type": "refusal", "refusal": "No."}]},
    ],
    ids=["member", "part"],
)
def test_refusal_goes_back_as_text(message: dict[str, Any]) -> None:
    assert messages("deepseek", message) == [{"role": "assistant", "content": "No."}]


def test_refusal_stays_one_where_it_is_known() -> None:
    refused = {"role": "assistant", "content": None, "refusal": "No."}

    assert messages("azure", refused) == [refused]


@pytest.mark.parametrize("host", ["deepseek", "zai"])
def test_parts_of_text_are_one_text_where_lists_are_not_known(host: str) -> None:
    parts = [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]

    assert messages(host, {"role": "user", "content": parts}) == [
        {"role": "user", "content": "a\nb"}
    ]


@pytest.mark.parametrize(
    ("host", "part"),
    [
        ("deepseek", {"type": "image_url", "image_url": {"url": "https://example.com/a.png"}}),
        ("groq", {"type": "input_audio", "input_audio": {"data": "AA==", "format": "wav"}}),
        ("zai", {"type": "file", "file": {"file_id": "f"}}),
    ],
    ids=["image", "audio", "file"],
)
def test_part_that_a_host_does_not_take_is_refused_by_its_place(
    host: str, part: dict[str, Any]
) -> None:
    with pytest.raises(RequestError, match="does not take") as caught:
        sent(host, messages=[{"role": "user", "content": [part]}])

    assert caught.value.answer().param == "messages[0].content[0]"


def test_part_of_a_hosts_own_kind_is_carried() -> None:
    part = {"type": "video_url", "video_url": {"url": "https://example.com/a.mp4"}}

    assert messages("moonshot", {"role": "user", "content": [part]}) == [
        {"role": "user", "content": [part]}
    ]


def test_calls_go_back_without_what_only_others_know() -> None:
    foreign = {**F_CALL, "index": 0, "extra_content": {"google": {"thought_signature": "c2ln"}}}
    calling = {"role": "assistant", "content": None, "tool_calls": [foreign]}

    built = sent("groq", messages=[calling, RESULT])

    assert built.body["messages"][0] == {**calling, "tool_calls": [F_CALL]}
    assert built.dropped == ("messages[].tool_calls[].extra_content",)


CUSTOM_CALL = {"id": "a", "type": "custom", "custom": {"name": "f", "input": "1"}}


def test_custom_call_is_refused_where_functions_are_all_there_is() -> None:
    with pytest.raises(RequestError, match="custom call") as caught:
        sent("groq", messages=[{"role": "assistant", "tool_calls": [CUSTOM_CALL]}, RESULT])

    assert caught.value.answer().param == "messages[0].tool_calls[0]"


def test_custom_call_goes_back_to_azure() -> None:
    calling = {"role": "assistant", "content": None, "tool_calls": [CUSTOM_CALL]}

    assert messages("azure", calling, RESULT) == [calling, RESULT]


def test_turns_alternate_for_perplexity() -> None:
    told = sent(
        "perplexity",
        messages=[
            {"role": "user", "content": "a"},
            {"role": "user", "content": "b"},
            {"role": "assistant", "content": "c"},
            {"role": "assistant", "content": None, "tool_calls": [F_CALL]},
            RESULT,
            {"role": "user", "content": "d"},
        ],
    )

    assert told.body["messages"] == [
        {"role": "user", "content": "a\n\nb"},
        {"role": "assistant", "content": "c", "tool_calls": [F_CALL]},
        RESULT,
        {"role": "user", "content": "d"},
    ]


# Tools and formats


def test_custom_tool_is_refused_where_functions_are_all_there_is() -> None:
    with pytest.raises(RequestError, match=r"`tools\[0\]` is a custom tool"):
        sent("groq", tools=[{"type": "custom", "custom": {"name": "f"}}])


def test_tool_of_the_host_itself_is_carried() -> None:
    tool = {"type": "openrouter:web_search", "parameters": {"max_uses": 1}}

    assert body("openrouter", tools=[tool]) == {"tools": [tool]}


def test_allowed_tools_are_the_tools_that_are_told() -> None:
    allowed = {"mode": "required", "tools": [{"type": "function", "function": {"name": "g"}}]}
    choice = {"type": "allowed_tools", "allowed_tools": allowed}

    assert body("groq", tools=[TOOL, OTHER_TOOL], tool_choice=choice) == {
        "tools": [OTHER_TOOL],
        "tool_choice": "required",
    }


@pytest.mark.parametrize("allowed", [None, "f", {}, {"tools": "f"}])
def test_allowed_tools_without_tools_are_refused(allowed: object) -> None:
    choice = {"type": "allowed_tools", "allowed_tools": allowed}

    with pytest.raises(RequestError, match=r"`tool_choice\.allowed_tools`"):
        sent("groq", tools=[TOOL], tool_choice=choice)


@pytest.mark.parametrize("host", ["moonshot", "zai"])
@pytest.mark.parametrize(
    "choice",
    ["required", {"type": "function", "function": {"name": "f"}}],
    ids=["any", "named"],
)
def test_demand_for_a_call_is_named_as_lost_where_it_is_not_heard(host: str, choice: Any) -> None:
    built = sent(host, tools=[TOOL], tool_choice=choice)

    assert (built.body["tool_choice"], built.dropped) == ("auto", ("tool_choice",))


def test_tools_that_must_not_be_called_are_not_told_where_none_is_not_heard() -> None:
    assert body("zai", tools=[TOOL], tool_choice="none") == {}


def test_perplexity_is_told_the_one_tool_it_must_call() -> None:
    choice = {"type": "function", "function": {"name": "g"}}

    assert body("perplexity", tools=[TOOL, OTHER_TOOL], tool_choice=choice) == {
        "tools": [OTHER_TOOL],
        "tool_choice": "required",
    }


def test_function_without_parameters_says_so_where_it_must() -> None:
    bare = {"type": "function", "function": {"name": "f"}}
    own = {"type": "builtin_function", "function": "$web_search"}

    assert body("moonshot", tools=[bare, own])["tools"] == [
        {
            "type": "function",
            "function": {"name": "f", "parameters": {"type": "object", "properties": {}}},
        },
        own,
    ]


JSON_SENTENCE = "Answer with one JSON object and nothing else: no prose around it, no code fence."


@pytest.mark.parametrize(
    ("text", "told"),
    [("Hello", [{"role": "system", "content": JSON_SENTENCE}]), ("Hello, as Json", [])],
    ids=["not spoken of", "spoken of"],
)
def test_deepseek_hears_of_json_before_it_is_held_to_it(
    text: str, told: list[dict[str, Any]]
) -> None:
    said = {"role": "user", "content": text}

    built = sent("deepseek", messages=[said], response_format={"type": "json_object"})

    assert built.body["messages"] == [*told, said]


@pytest.mark.parametrize("schema", [None, "text", {}], ids=["none", "nonsense", "empty"])
def test_schema_that_says_nothing_is_an_empty_one(schema: object) -> None:
    wanted = {"type": "json_schema", "json_schema": schema}

    built = sent("zai", response_format=wanted)

    assert built.body["messages"][0]["content"] == f"{JSON_SENTENCE} Its schema: {{}}"
    assert built.body["response_format"] == {"type": "json_object"}


@pytest.mark.parametrize("host", ["groq", "openrouter", "together", "cerebras", "perplexity"])
def test_schema_is_carried_whole(host: str) -> None:
    schema = {**SCHEMA, "$defs": {"a": {"$ref": "#"}}, "x-own": 1}
    wanted = {"type": "json_schema", "json_schema": {"name": "a", "schema": schema}}

    assert body(host, response_format=wanted) == {"response_format": wanted}


# Answers


def test_rules_by_model_take_the_first_that_matches_the_whole_name() -> None:
    table = ((r"a.*", 1), (r"a|b", 2))

    assert [for_model(table, name) for name in ("AB", "b", "bc")] == [1, 2, None]


def streamed(host: str, *bodies: dict[str, Any]) -> dict[str, Any]:
    """The message that comes of a stream."""
    stream = PROVIDERS[host].open_stream(call(stream=True))
    events = [Event("", json.dumps(each).encode()) for each in bodies]
    message: dict[str, Any] = fold(feed_all(stream, events) + stream.close())["choices"][0]
    return message


def test_signature_of_a_thought_comes_with_its_text_in_one_piece() -> None:
    common = {"type": "reasoning.text", "format": "anthropic-claude-v1", "index": 0}
    pieces = [{**common, "text": "Hm"}, {**common, "text": "m."}, {**common, "signature": "c2ln"}]

    choice = streamed(
        "openrouter",
        *({"choices": [{"index": 0, "delta": {"reasoning_details": [p]}}]} for p in pieces),
        {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]},
    )

    assert choice["message"]["reasoning_details"] == [
        {**common, "text": "Hmm.", "signature": "c2ln"}
    ]


@pytest.mark.parametrize(
    ("parts", "told"),
    [
        ([{"type": "thinking", "thinking": "Hm."}, {"type": "text", "text": "4"}], "Hm."),
        ([{"type": "thinking", "thinking": None}, {"type": "text", "text": "4"}], None),
        ([{"type": "text", "text": "4"}, {"type": "reference", "reference_ids": [1]}], None),
    ],
    ids=["text", "nothing", "none"],
)
def test_content_parts_are_two_texts(parts: list[Any], told: str | None) -> None:
    answer = {"choices": [{"message": {"content": parts}, "finish_reason": "stop"}]}

    message = PROVIDERS["groq"].parse_response(call(), answer)["choices"][0]["message"]

    assert (message["content"], message.get("reasoning_content")) == ("4", told)


SENSELESS: dict[str, dict[str, Any]] = {
    "content": {"choices": [{"message": {"content": True}}]},
    "citation": {
        "choices": [
            {"message": {"annotations": [{"type": "url_citation", "url_citation": 1}]}},
        ]
    },
    "tier": {"choices": [{"message": {}}], "service_tier": {"name": "auto"}},
    "usage": {"choices": [{"message": {}}], "usage": {"cached_tokens": "4"}},
    "sources": {
        "choices": [{"message": {"content": ""}}],
        "citations": [None],
        "search_results": 1,
    },
}


@pytest.mark.parametrize("answer", SENSELESS.values(), ids=SENSELESS)
def test_what_makes_no_sense_is_not_told(answer: dict[str, Any]) -> None:
    told = PROVIDERS["perplexity"].parse_response(call(), answer)

    assert told["choices"][0]["message"] == {"role": "assistant", "content": ""}
    assert "service_tier" not in told


def test_total_that_is_no_number_is_made_anew() -> None:
    usage = {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": "many"}

    told = PROVIDERS["groq"].parse_response(call(), {"choices": [], "usage": usage})

    assert told["usage"] == {**usage, "total_tokens": 15}


def test_call_whose_index_is_no_index_is_told_by_its_id() -> None:
    fragment = {"index": {}, "id": "a", "function": {"name": "f", "arguments": "{}"}}

    choice = streamed(
        "groq",
        {"choices": [{"index": 0, "delta": {"tool_calls": [fragment]}}]},
        {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]},
    )

    assert choice["message"]["tool_calls"] == [F_CALL]


@pytest.mark.parametrize("loc", [None, 7, "body"])
def test_complaint_without_a_place_is_told_all_the_same(loc: object) -> None:
    told = PROVIDERS["together"].parse_error(422, {"detail": [{"loc": loc, "msg": "odd"}]})

    assert (told.message, told.param) == (": odd", None)


@pytest.mark.parametrize(
    ("sources", "content"),
    [
        ({}, "[1]"),
        ({"citations": "https://example.com"}, "[1]"),
        ({"citations": ["https://example.com"]}, "[0] [2] [1"),
    ],
    ids=["no sources", "nonsense", "other marks"],
)
def test_marks_without_a_source_are_text(sources: dict[str, Any], content: str) -> None:
    answer = {"choices": [{"message": {"content": content}, "finish_reason": "stop"}], **sources}

    told = PROVIDERS["perplexity"].parse_response(call(), answer)

    assert told["choices"][0]["message"] == {"role": "assistant", "content": content}


@pytest.mark.parametrize(
    ("logprobs", "told"),
    [
        (None, None),
        (0.5, None),
        ({"tokens": ["a", None], "token_logprobs": [-1, -2]}, [("a", -1.0)]),
        ({"tokens": ["a"], "token_logprobs": None}, "same"),
        ({"content": None, "refusal": None}, "same"),
    ],
    ids=["null", "number", "two lists", "one list", "OpenAI's"],
)
def test_log_probabilities_are_openais_or_none(logprobs: Any, told: Any) -> None:
    choice = {"message": {"content": "a"}, "finish_reason": "stop", "logprobs": logprobs}

    found = PROVIDERS["together"].parse_response(call(), {"choices": [choice]})["choices"][0]

    if isinstance(told, list):
        assert [(each["token"], each["logprob"]) for each in found["logprobs"]["content"]] == told
    else:
        assert found["logprobs"] == (logprobs if told == "same" else None)


@pytest.mark.parametrize(
    ("usage", "told"),
    [
        (
            {"prompt_cache_hit_tokens": 4},
            {"prompt_cache_hit_tokens": 4, "prompt_tokens_details": {"cached_tokens": 4}},
        ),
        (
            {"cached_tokens": 4, "prompt_tokens_details": {"cached_tokens": 3}},
            {"cached_tokens": 4, "prompt_tokens_details": {"cached_tokens": 3}},
        ),
        (
            {"reasoning_tokens": 2, "completion_tokens_details": None},
            {"reasoning_tokens": 2, "completion_tokens_details": {"reasoning_tokens": 2}},
        ),
    ],
    ids=["DeepSeek's cache", "told in both places", "Perplexity's reasoning"],
)
def test_counts_at_the_top_are_told_where_openai_has_them(
    usage: dict[str, Any], told: dict[str, Any]
) -> None:
    sums = {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15}
    answer = {"choices": [], "usage": {**sums, **usage}}

    assert PROVIDERS["deepseek"].parse_response(call(), answer)["usage"] == {**sums, **told}


ERRORS: dict[str, tuple[str, int, object, ErrorAnswer]] = {
    "groq, no capacity": (
        *("groq", 498),
        {"error": {"message": "Flex tier capacity exceeded.", "type": "x", "code": "flex"}},
        ErrorAnswer(503, "Flex tier capacity exceeded.", "server_error", "overloaded"),
    ),
    "groq, too much at once": (
        *("groq", 413),
        {"error": {"message": "Too large.", "type": "tokens", "code": "rate_limit_exceeded"}},
        ErrorAnswer(413, "Too large.", "tokens", "rate_limit_exceeded"),
    ),
    "groq, no JSON": (
        *("groq", 400),
        {"error": {"message": "No.", "code": "json_validate_failed", "failed_generation": "{"}},
        ErrorAnswer(400, "No.", "invalid_request_error", "json_validate_failed"),
    ),
    "deepseek, wrong parameters": (
        *("deepseek", 422),
        {"error": {"message": "No.", "type": "invalid_request_error", "code": None}},
        ErrorAnswer(400, "No.", "invalid_request_error"),
    ),
    "moonshot, rate": (
        *("moonshot", 429),
        {"error": {"message": "Slow down.", "type": "rate_limit_reached_error"}},
        ErrorAnswer(429, "Slow down.", "requests", "rate_limit_exceeded"),
    ),
    "moonshot, too long": (
        *("moonshot", 400),
        {"error": {"message": "Your request exceeded model token limit: 262144", "type": "x"}},
        ErrorAnswer(
            400,
            "Your request exceeded model token limit: 262144",
            "invalid_request_error",
            "context_length_exceeded",
        ),
    ),
    "zai, unknown model": (
        *("zai", 400),
        {"error": {"code": "1211", "message": "Unknown Model"}},
        ErrorAnswer(404, "Unknown Model", "invalid_request_error", "model_not_found"),
    ),
    "zai, too many at once": (
        *("zai", 500),
        {"error": {"code": "1303", "message": "No."}},
        ErrorAnswer(429, "No.", "requests", "rate_limit_exceeded"),
    ),
    "zai, rate": (
        *("zai", 500),
        {"error": {"code": "1305", "message": "No."}},
        ErrorAnswer(429, "No.", "requests", "rate_limit_exceeded"),
    ),
    "zai, another number": (
        *("zai", 500),
        {"error": {"code": "500", "message": "Internal"}},
        ErrorAnswer(500, "Internal", "server_error"),
    ),
}


@pytest.mark.parametrize(("host", "status", "told", "answer"), ERRORS.values(), ids=ERRORS)
def test_error_of_each_host_is_told_as_openai_would(
    host: str, status: int, told: object, answer: ErrorAnswer
) -> None:
    assert PROVIDERS[host].parse_error(status, told) == answer
