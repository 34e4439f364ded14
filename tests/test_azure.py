"""Azure's doors, and what its filter tells."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.cases import feed_all, fold
from transforms.azure import PROVIDER
from transforms.contract import Call, ErrorAnswer, Event, ProviderRequest
from transforms.errors import ResponseError

CLASSIC = "api-version={AZURE_OPENAI_API_VERSION:2024-10-21}"
FOUNDRY = "api-version={AZURE_OPENAI_API_VERSION:2024-05-01-preview}"
DEPLOYMENT = f"/openai/deployments/prod%204o/chat/completions?{CLASSIC}"

CALL = Call({"model": "m"}, "prod", "chatcmpl-fixture", 1)

DOORS = {
    "": DEPLOYMENT,
    "https://me.openai.azure.com/": DEPLOYMENT,
    "https://me.cognitiveservices.azure.com/openai": DEPLOYMENT,
    "https://gateway.example/azure": DEPLOYMENT,
    "https://me.openai.azure.com/openai/deployments/other": f"/chat/completions?{CLASSIC}",
    "https://me.openai.azure.com/openai/v1/": "/chat/completions",
    "https://me.services.ai.azure.com": f"/models/chat/completions?{FOUNDRY}",
    "https://me.services.ai.azure.com/models": f"/chat/completions?{FOUNDRY}",
    "https://me.eastus.models.ai.azure.com": f"/chat/completions?{FOUNDRY}",
    "https://me.services.ai.azure.com/openai/v1": "/chat/completions",
}


def sent(base_url: str = "", model: str = "prod 4o", **parameters: Any) -> ProviderRequest:
    request = {"model": "m", "messages": [{"role": "user", "content": "Hello"}], **parameters}
    return PROVIDER.build_request(Call(request, model, "chatcmpl-fixture", 1, base_url))


@pytest.mark.parametrize(("base_url", "path"), DOORS.items(), ids=DOORS)
def test_base_url_tells_the_door(base_url: str, path: str) -> None:
    built = sent(base_url)

    assert (built.path, built.body["model"]) == (path, "prod 4o")


@pytest.mark.parametrize("model", ["a/../b", "{HOME}", "a?b#c"])
def test_model_cannot_lead_to_another_place(model: str) -> None:
    _, _, deployment = sent(model=model).path.partition("/deployments/")

    assert not set("/{}?#") & set(deployment.partition("/")[0])


def test_key_goes_into_azures_own_header() -> None:
    assert PROVIDER.auth.headers("k") == {"api-key": "k"}


@pytest.mark.parametrize(
    ("base_url", "dropped"),
    [
        ("https://me.openai.azure.com", ("store", "metadata", "prompt_cache_key")),
        ("https://me.services.ai.azure.com/models", ("store", "metadata", "prompt_cache_key")),
        ("https://me.openai.azure.com/openai/v1", ()),
    ],
    ids=["classic", "Foundry", "v1"],
)
def test_newer_parameters_pass_at_the_newer_door(base_url: str, dropped: tuple[str, ...]) -> None:
    newer = {"store": True, "metadata": {"team": "a"}, "prompt_cache_key": "a"}

    assert sent(base_url, **newer, verbosity="low", seed=7).dropped == dropped


@pytest.mark.parametrize(
    ("base_url", "model", "name"),
    [
        ("https://me.services.ai.azure.com/models", "mistral-large", "max_tokens"),
        ("https://me.services.ai.azure.com/models", "gpt-5-nano", "max_completion_tokens"),
        ("https://me.services.ai.azure.com/models", "my-o3", "max_completion_tokens"),
        ("https://me.openai.azure.com", "mistral-large", "max_completion_tokens"),
    ],
    ids=["another maker", "GPT", "reasoning model", "classic"],
)
def test_limit_has_the_older_name_for_models_of_other_makers(
    base_url: str, model: str, name: str
) -> None:
    built = sent(base_url, model, max_completion_tokens=5)

    assert {"max_tokens", "max_completion_tokens"} & built.body.keys() == {name}


@pytest.mark.parametrize(
    ("model", "dropped"),
    [
        ("o3-mini", ("parallel_tool_calls",)),
        ("team-o1", ("parallel_tool_calls",)),
        ("gpt-4o", ()),
        ("demo1", ()),
    ],
)
def test_reasoning_models_take_no_word_on_parallel_calls(
    model: str, dropped: tuple[str, ...]
) -> None:
    tool = {"type": "function", "function": {"name": "f"}}

    assert sent(model=model, tools=[tool], parallel_tool_calls=False).dropped == dropped


def test_what_openai_takes_is_carried() -> None:
    asked = {
        "functions": [{"name": "f"}],
        "function_call": "auto",
        "modalities": ["text", "audio"],
        "audio": {"format": "wav", "voice": "alloy"},
        "tools": [{"type": "custom", "custom": {"name": "f"}}],
        "n": 2,
        "data_sources": [{"type": "azure_search"}],
    }

    built = sent(**asked)

    assert built.dropped == ()
    assert {name: built.body[name] for name in asked} == asked


ERRORS: dict[str, tuple[int, object, ErrorAnswer]] = {
    "firewall": (
        403,
        {"error": {"code": "403", "message": "Access denied due to Virtual Network rules."}},
        ErrorAnswer(
            403,
            "Access denied due to Virtual Network rules.",
            "invalid_request_error",
            "permission_denied",
        ),
    ),
    "wrong path": (
        404,
        {"error": {"code": "404", "message": "Resource not found"}},
        ErrorAnswer(404, "Resource not found", "invalid_request_error"),
    ),
    "not supported": (
        400,
        {"error": {"code": "OperationNotSupported", "message": "No."}},
        ErrorAnswer(400, "No.", "invalid_request_error", "OperationNotSupported"),
    ),
    "timeout": (
        408,
        {"error": {"code": "Timeout", "message": "The operation was timeout."}},
        ErrorAnswer(504, "The operation was timeout.", "server_error", "Timeout"),
    ),
    "failed dependency": (
        424,
        {"error": {"code": "424", "message": "No."}},
        ErrorAnswer(502, "No.", "server_error"),
    ),
    "rate by number": (
        429,
        {"error": {"code": "429", "message": "Wait."}},
        ErrorAnswer(429, "Wait.", "requests", "rate_limit_exceeded"),
    ),
    "rate by name": (
        429,
        {"error": {"code": "too_many_requests", "message": "Wait."}},
        ErrorAnswer(429, "Wait.", "requests", "rate_limit_exceeded"),
    ),
}


@pytest.mark.parametrize(("status", "body", "answer"), ERRORS.values(), ids=ERRORS)
def test_error_is_told_as_openai_would(status: int, body: object, answer: ErrorAnswer) -> None:
    assert PROVIDER.parse_error(status, body) == answer


CONTEXT = {"citations": [{"url": "https://example.com", "title": "a"}], "intent": "i"}


def test_what_azure_found_in_the_clients_own_data_is_told() -> None:
    """Its citations have no places in the text, so they are none of OpenAI's annotations."""
    told = PROVIDER.parse_response(
        CALL, {"choices": [{"message": {"content": "Hi", "context": CONTEXT}}]}
    )
    chunks = streamed({"role": "assistant", "context": CONTEXT}, {"content": "Hi"})

    heard = {"role": "assistant", "content": "Hi", "context": CONTEXT}
    assert told["choices"][0]["message"] == fold(chunks)["choices"][0]["message"] == heard


def test_null_beside_the_pieces_of_a_call_is_not_told() -> None:
    function = {"name": "f", "arguments": ""}
    call = {"index": 0, "id": "a", "type": "function", "function": function}
    pieces = [{"index": 0, "function": {"arguments": each}} for each in ("{", "}")]

    chunks = streamed(*({"content": None, "tool_calls": [each]} for each in (call, *pieces)))

    assert [each["choices"][0]["delta"].get("content") for each in chunks] == ["", *[None] * 3]
    assert not any("content" in each["choices"][0]["delta"] for each in chunks[1:])


def streamed(*deltas: dict[str, Any]) -> list[dict[str, Any]]:
    """The chunks of an answer with these deltas."""
    bodies = [{"choices": [{"index": 0, "delta": delta}]} for delta in deltas]
    end = {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}
    stream = PROVIDER.open_stream(CALL)
    events = [Event("", json.dumps(each).encode()) for each in (*bodies, end)]
    return feed_all(stream, events) + stream.close()


FINDINGS: dict[str, tuple[object, dict[str, Any]]] = {
    "what was found": (
        {
            "code": "ResponsibleAIPolicyViolation",
            "content_filter_result": {
                "jailbreak": {"filtered": True, "detected": True},
                "custom_blocklists": {"details": [{"filtered": True, "id": "list-7"}, 7]},
                "hate": {"filtered": False, "severity": "safe", "note": "key: 0a1b2c"},
            },
        },
        {
            "innererror": {
                "code": "ResponsibleAIPolicyViolation",
                "content_filter_result": {
                    "jailbreak": {"filtered": True, "detected": True},
                    "custom_blocklists": {"details": [{"filtered": True}]},
                    "hate": {"filtered": False, "severity": "safe"},
                },
            }
        },
    ),
    "no object": ("key: 0a1b2c", {}),
    "nothing": (None, {}),
}


@pytest.mark.parametrize(("inner", "details"), FINDINGS.values(), ids=FINDINGS)
def test_filtered_prompt_tells_what_was_found_and_no_other_text(
    inner: object, details: dict[str, Any]
) -> None:
    error = {"code": "content_filter", "message": "No.", "innererror": inner}

    assert PROVIDER.parse_error(400, {"error": error}) == ErrorAnswer(
        400, "No.", "invalid_request_error", "content_filter", details=details
    )


def test_filtered_prompt_is_an_error_in_a_stream_too() -> None:
    stream = PROVIDER.open_stream(CALL)
    error = {"code": "content_filter", "message": "No.", "innererror": {"code": "Violation"}}

    with pytest.raises(ResponseError) as caught:
        stream.feed(Event("", json.dumps({"error": error}).encode()))

    assert caught.value.answer() == ErrorAnswer(
        *(400, "No.", "invalid_request_error", "content_filter"),
        details={"innererror": {"code": "Violation"}},
    )


def test_filter_that_did_not_run_is_no_error() -> None:
    choice = {
        "index": 0,
        "message": {"role": "assistant", "content": "Hi"},
        "finish_reason": "stop",
        "content_filter_results": {"error": {"code": "content_filter_error", "message": "No."}},
    }
    assert PROVIDER.parse_response(CALL, {"choices": [choice]})["choices"] == [
        {
            "index": 0,
            "message": {"role": "assistant", "content": "Hi"},
            "finish_reason": "stop",
        }
    ]
