"""Real clients through the real proxy to servers that others wrote for the providers' formats.

None of these servers knows of Diptych: what they understand of a request, and what they answer,
was read from the providers' documents by somebody else.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any

import openai
import pytest

from tests import servers
from tests.clients import ask, events, post, sdk
from tests.proxy import Proxy
from tests.servers import Server
from transforms import PROVIDERS

KEYS = {
    provider.key_variable: f"test-key-of-{name}"
    for name, provider in PROVIDERS.items()
    if provider.key_variable and provider.sign is None
} | {
    "AWS_ACCESS_KEY_ID": "AKIDEXAMPLE",
    "AWS_SECRET_ACCESS_KEY": "example",
    "GOOGLE_OAUTH_ACCESS_TOKEN": "example",
}

both_ways = pytest.mark.parametrize("stream", [False, True], ids=["plain", "stream"])


@dataclass
class Line:
    """A proxy, and a client that speaks through it to whichever provider its model names."""

    proxy: Proxy
    client: openai.OpenAI

    def complete(
        self, provider: str, *messages: dict, stream: bool, retries: int = 0, **parameters: Any
    ):
        """The whole completion as the SDK understands it, from a stream or in one piece."""
        completions = self.client.with_options(max_retries=retries).chat.completions
        call = {"model": f"{provider}/x", "messages": messages, **parameters}
        if not stream:
            return completions.create(**call)
        with completions.stream(**call, stream_options={"include_usage": True}) as chunks:
            return chunks.get_final_completion()

    def last(self):
        """The exchange that was recorded last."""
        [row] = self.proxy.query("SELECT request_id FROM requests ORDER BY id DESC LIMIT 1")
        return self.proxy.exchange(row["request_id"])


def started(
    make: Callable[..., Server], missing: Callable[[], str | None], tmp_path_factory, *arguments
) -> Iterator[Server]:
    """A server for all tests that want it; they are skipped where it cannot be had."""
    lacking = missing()
    if lacking:
        pytest.skip(lacking)
    server = make(tmp_path_factory.mktemp("server"), *arguments)
    try:
        yield server.wait_until_up()
    finally:
        server.stop()


def lines_to(
    server: Server, tmp_path_factory, paths: Mapping[str, str], **options: str
) -> Iterator[Line]:
    """A line on which `PROVIDER/anything` reaches the server, below that provider's path."""
    running = Proxy(
        tmp_path_factory.mktemp("proxy"),
        routes=[
            f"{provider}/*={provider}/m-1@{server.url}{path}" for provider, path in paths.items()
        ],
        environment=KEYS,
        options=options,
    )
    try:
        with sdk(running.wait_until_up()) as client:
            yield Line(running, client)
    finally:
        running.stop()


def user(text: str) -> dict:
    return {"role": "user", "content": text}


def text_of(answer: Mapping) -> str:
    return answer["choices"][0]["message"]["content"]


def with_results(asked: dict, completion, result: str) -> list[dict]:
    """The conversation with the answer, and with one result for each of its calls."""
    message = completion.choices[0].message
    unsent = {"function": {"parsed_arguments"}, "index": True}
    calls = [call.model_dump(exclude=unsent) for call in message.tool_calls]
    answer = {"role": "assistant", "content": message.content, "tool_calls": calls}
    results = [{"role": "tool", "tool_call_id": call["id"], "content": result} for call in calls]
    return [asked, answer, *results]


WEATHER = {
    "type": "function",
    "function": {
        "name": "weather",
        "description": "The weather of a city.",
        "strict": True,
        "parameters": {
            "type": "object",
            "properties": {"city": {"type": "string"}, "days": {"type": "integer", "minimum": 3}},
            "required": ["city", "days"],
            "additionalProperties": False,
        },
    },
}

SKY = {
    "type": "object",
    "properties": {"sky": {"enum": ["blue", "grey"]}, "wet": {"type": "boolean"}},
    "required": ["sky", "wet"],
    "additionalProperties": False,
}

SKY_FORM = {
    "type": "json_schema",
    "json_schema": {"name": "sky", "schema": SKY, "strict": True},
}

PARIS = "The capital of France is Paris, “la Ville Lumière” 🙂.\n\n- 巴黎"


# aimock: one script, told in every format


USAGE = {
    # One spelling for each format.
    **{"prompt_tokens": 12, "completion_tokens": 7, "total_tokens": 19},
    **{"input_tokens": 12, "output_tokens": 7},
    **{"promptTokenCount": 12, "candidatesTokenCount": 7, "totalTokenCount": 19},
}

SCRIPT = {
    "fixtures": [
        {
            "match": {"userMessage": "capital", "systemMessage": "Be brief."},
            "response": {"content": PARIS, "usage": USAGE},
        },
        {
            "match": {"userMessage": "riddle"},
            "response": {"content": PARIS, "reasoning": "France 🇫🇷 …", "usage": USAGE},
        },
        {
            "match": {"userMessage": "weather", "toolName": "weather", "hasToolResult": False},
            "response": {
                "toolCalls": [
                    {"name": "weather", "arguments": {"city": "Århus", "days": 3}},
                    {"name": "weather", "arguments": {"city": "Oslo", "days": 5}},
                ],
                "usage": USAGE,
            },
        },
        {
            "match": {"userMessage": "weather", "toolResultContains": "drizzle"},
            "response": {"content": "Take an umbrella.", "usage": USAGE},
        },
        {
            "match": {"userMessage": "too much"},
            "response": {"error": {"message": "Slow down."}, "status": 429},
        },
    ]
}

FORMATS = {
    **{"anthropic": "", "azure": "", "bedrock": "", "cohere": "", "gemini": "", "ollama": ""},
    **{"openai": "", "responses": ""},
    "vertex": "/v1/projects/example/locations/global/publishers/google",
}
"""What aimock speaks, and below which path."""

SCRIPTED = [
    pytest.param(provider, stream, id=f"{provider}-{'stream' if stream else 'plain'}")
    for provider in FORMATS
    for stream in (False, True)
    # Its event streams are none that AWS's own SDK would read.
    if (provider, stream) != ("bedrock", True)
]


@pytest.fixture(scope="module")
def aimock(tmp_path_factory) -> Iterator[Server]:
    yield from started(servers.aimock, servers.aimock_missing, tmp_path_factory, SCRIPT)


@pytest.fixture(scope="module")
def scripted(tmp_path_factory, aimock: Server) -> Iterator[Line]:
    yield from lines_to(aimock, tmp_path_factory, FORMATS)


def whole(text: str) -> str:
    """The text with its halves of characters joined: aimock cuts as JavaScript counts."""
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le")


@pytest.mark.parametrize(("provider", "stream"), SCRIPTED)
def test_a_scripted_text_is_heard_and_recorded(scripted, provider, stream):
    asked = [{"role": "system", "content": "Be brief."}, user("The capital of France?")]
    heard = scripted.complete(provider, *asked, stream=stream)
    assert whole(heard.choices[0].message.content) == PARIS
    assert heard.choices[0].finish_reason == "stop"
    # Where it speaks as Ollama, aimock counts nothing.
    counts = (0, 0, 0) if provider == "ollama" else (12, 7, 19)
    usage = heard.usage
    assert (usage.prompt_tokens, usage.completion_tokens, usage.total_tokens) == counts
    assert text_of(json.loads(scripted.last()["openai_response"])) == PARIS


@pytest.mark.parametrize(("provider", "stream"), SCRIPTED)
def test_scripted_tools_are_called_and_their_results_understood(scripted, provider, stream):
    asked = user("What is the weather?")
    heard = scripted.complete(provider, asked, stream=stream, tools=[WEATHER])
    calls = [json.loads(call.function.arguments) for call in heard.choices[0].message.tool_calls]
    assert calls == [{"city": "Århus", "days": 3}, {"city": "Oslo", "days": 5}]
    assert heard.choices[0].finish_reason == "tool_calls"
    conversation = with_results(asked, heard, "drizzle")
    heard = scripted.complete(provider, *conversation, stream=stream, tools=[WEATHER])
    assert heard.choices[0].message.content == "Take an umbrella."


@pytest.mark.parametrize(
    ("provider", "stream"),
    # aimock gives Cohere's reasoning as text, and Ollama's only to models it knows.
    [case for case in SCRIPTED if case.values[0] not in {"cohere", "ollama"}],
)
def test_scripted_reasoning_is_heard_apart(scripted, provider, stream):
    message = scripted.complete(provider, user("A riddle"), stream=stream).choices[0].message
    assert whole(message.content) == PARIS
    assert whole(message.reasoning_content) == "France 🇫🇷 …"


@pytest.mark.parametrize("provider", FORMATS)
def test_an_error_of_a_gateway_keeps_its_words(scripted, provider):
    """aimock's errors are OpenAI's in every format, as a gateway's own are."""
    with pytest.raises(openai.RateLimitError) as caught:
        scripted.complete(provider, user("too much"), stream=False)
    assert (caught.value.body["message"], caught.value.code) == (
        "Slow down.",
        "rate_limit_exceeded",
    )


# llmock: requests are judged, and failures come when they are called


JUDGED = {
    "anthropic": "/anthropic",
    "cohere": "/cohere",
    "gemini": "/gemini",
    "groq": "/groq/openai",
    "mistral": "/mistral",
    "openai": "",
    "perplexity": "/perplexity/v1",
    "responses": "",
    "together": "/together",
    "xai": "/xai",
}
"""What llmock speaks, and below which path."""

STREAMED_FORMS = {name: JUDGED[name] for name in ("anthropic", "cohere", "gemini", "groq")} | {
    "responses": ""
}
"""One provider for each form of stream."""

UNFIT = {
    "anthropic": ({"top_k": "many"}, 422),
    "cohere": ({"top_k": "many"}, 400),
    "mistral": ({"safe_prompt": "perhaps"}, 400),
    "perplexity": ({"return_images": "perhaps"}, 422),
    "together": ({"top_k": "many"}, 400),
}
"""What Diptych does not judge, being the provider's own, and what the refusal is to a client."""


@pytest.fixture(scope="module")
def llmock(tmp_path_factory) -> Iterator[Server]:
    yield from started(servers.llmock, servers.llmock_missing, tmp_path_factory)


@pytest.fixture(scope="module")
def judged(tmp_path_factory, llmock: Server) -> Iterator[Line]:
    yield from lines_to(llmock, tmp_path_factory, JUDGED)


@pytest.fixture
def tell(llmock: Server) -> Iterator[Callable[..., object]]:
    """Tells llmock what to do with the next requests; it forgets all after the test."""
    yield lambda *behaviours: llmock.control("POST", "/_llmock/scenario", {"behaviors": behaviours})
    llmock.control("POST", "/_llmock/reset")


@both_ways
@pytest.mark.parametrize("provider", JUDGED)
def test_a_judge_finds_no_fault_with_a_request(judged, tell, provider, stream):
    tell({"type": "reply", "text": PARIS})
    asked = [{"role": "system", "content": "Be brief."}, user("Hi"), user("The capital?")]
    heard = judged.complete(provider, *asked, stream=stream, temperature=0.5)
    assert (heard.choices[0].message.content, heard.choices[0].finish_reason) == (PARIS, "stop")
    # Of Mistral's streams llmock wants to be asked for what Mistral gives unasked.
    if (provider, stream) != ("mistral", True):
        assert heard.usage.completion_tokens == len(PARIS) // 4


@both_ways
@pytest.mark.parametrize("provider", JUDGED)
def test_tools_are_called_by_their_schemas(judged, llmock, provider, stream):
    asked = user("What is the weather?")
    heard = judged.complete(provider, asked, stream=stream, tools=[WEATHER])
    [call] = heard.choices[0].message.tool_calls
    assert call.function.name == "weather"
    assert json.loads(call.function.arguments) == {"city": "mock-city", "days": 3}
    conversation = with_results(asked, heard, "drizzle")
    heard = judged.complete(provider, *conversation, stream=stream, tools=[WEATHER])
    # Only to a result does it answer in words, where tools are offered.
    assert (heard.choices[0].finish_reason, heard.choices[0].message.tool_calls) == ("stop", None)


# llmock looks for Anthropic's schema where it was in the beta.
@pytest.mark.parametrize("provider", JUDGED.keys() - {"anthropic"})
def test_an_answer_has_the_form_of_its_schema(judged, provider):
    heard = judged.complete(provider, user("Hi"), stream=False, response_format=SKY_FORM)
    assert json.loads(heard.choices[0].message.content) == {"sky": "blue", "wet": True}


@pytest.mark.parametrize("provider", UNFIT)
def test_what_a_judge_refuses_is_openais_error(judged, provider):
    parameter, status = UNFIT[provider]
    with pytest.raises(openai.APIStatusError, match="Input should be a valid") as caught:
        judged.complete(provider, user("Hi"), stream=False, extra_body=parameter)
    assert caught.value.status_code == status
    assert caught.value.body["type"] == "invalid_request_error"


@both_ways
@pytest.mark.parametrize("provider", JUDGED)
def test_a_rate_limit_is_openais_and_says_how_long(judged, tell, provider, stream):
    tell({"type": "fail", "status": 429, "retry_after": 7, "message": "Slow down."})
    with pytest.raises(openai.RateLimitError) as caught:
        judged.complete(provider, user("Hi"), stream=stream)
    assert caught.value.response.headers["retry-after"] == "7"
    assert (caught.value.body["message"], caught.value.code) == (
        "Slow down.",
        "rate_limit_exceeded",
    )


def test_clients_wait_as_long_as_their_providers_ask(judged, llmock, tell):
    limit = {"type": "fail", "status": 429, "retry_after": 1}
    # To llmock, Responses is OpenAI.
    names = ["openai" if name == "responses" else name for name in STREAMED_FORMS]
    tell(*({**limit, "match": {"provider": name}} for name in names))

    def finish(provider: str) -> str:
        heard = judged.complete(provider, user("Hi"), stream=True, retries=1)
        return heard.choices[0].finish_reason

    with ThreadPoolExecutor() as pool:
        assert {*pool.map(finish, STREAMED_FORMS)} == {"stop"}
    verdict = llmock.control("GET", "/_llmock/verdict").json()
    assert (verdict["calls"], verdict["attempts"], verdict["findings"]) == (5, 10, [])


@pytest.mark.parametrize(
    ("fault", "state"),
    [("truncate", "interrupted"), ("disconnect", "interrupted"), ("malformed", "failed")],
)
@pytest.mark.parametrize("provider", STREAMED_FORMS)
def test_a_broken_stream_ends_in_one_error(judged, tell, provider, fault, state):
    tell(
        {"type": "reply", "text": "one two three four five six seven eight nine ten"},
        {"type": "stream_fault", "kind": fault, "after_chunks": 7},
    )
    answer = post(judged.proxy, ask(f"{provider}/x", stream=True))
    *chunks, last = events(answer.content)
    assert last["error"].keys() == {"message", "type", "param", "code"}
    choices = [choice for chunk in chunks for choice in chunk["choices"]]
    assert {choice["finish_reason"] for choice in choices} == {None}
    heard = "".join(choice["delta"].get("content") or "" for choice in choices)
    assert heard.startswith("one two ")
    row = judged.proxy.exchange(answer.headers["x-chat-request-id"])
    assert (row["state"], text_of(json.loads(row["openai_response"]))) == (state, heard)


def test_providers_that_fall_silent_are_given_up(tmp_path_factory, llmock, tell):
    tell({"type": "stream_fault", "kind": "stall", "after_chunks": 4, "times": None})
    calls = [ask(f"{provider}/x", stream=True) for provider in STREAMED_FORMS]
    for line in lines_to(llmock, tmp_path_factory, STREAMED_FORMS, chat_timeout="1"):
        with ThreadPoolExecutor() as pool:
            answers = [*pool.map(partial(post, line.proxy), calls)]
    ends = [[*events(answer.content)][-1]["error"] for answer in answers]
    assert [end["code"] for end in ends] == ["timeout"] * len(STREAMED_FORMS)


# llama.cpp: real inference, of noise


NOISY = {"anthropic": "", "compatible": "/v1", "responses": ""}
"""What llama.cpp speaks, and below which path."""

REPLACED = "\ufffd"
"""What llama.cpp puts in place of bytes that are no UTF-8."""


@pytest.fixture(scope="module")
def llama(tmp_path_factory) -> Iterator[Server]:
    yield from started(servers.llama, servers.llama_missing, tmp_path_factory)


@pytest.fixture(scope="module")
def noisy(tmp_path_factory, llama: Server) -> Iterator[Line]:
    yield from lines_to(llama, tmp_path_factory, NOISY)


def strings(value: object) -> Iterator[str]:
    """All strings in a JSON value."""
    if isinstance(value, str):
        yield value
    inner: Iterable = value.values() if isinstance(value, dict) else value  # type: ignore[assignment]
    if isinstance(value, dict | list):
        for each in inner:
            yield from strings(each)


@pytest.mark.parametrize("provider", NOISY)
def test_noise_is_heard_and_recorded_as_it_was_said(noisy, provider):
    answer = post(noisy.proxy, ask(f"{provider}/x", max_tokens=200))
    heard = answer.json()
    row = noisy.proxy.exchange(answer.headers["x-chat-request-id"])
    assert json.loads(row["openai_response"]) == heard
    assert REPLACED in text_of(heard)
    assert text_of(heard) in strings(json.loads(row["provider_response"]))
    assert heard["usage"]["completion_tokens"] == row["completion_tokens"] > 0


@pytest.mark.parametrize("provider", NOISY)
def test_streamed_noise_is_heard_and_recorded_as_it_was_said(noisy, provider):
    call = ask(f"{provider}/x", max_tokens=200, stream=True, stream_options={"include_usage": True})
    raw = noisy.client.chat.completions.with_raw_response.create(**call)
    chunks = [*raw.parse()]
    heard = "".join(choice.delta.content or "" for chunk in chunks for choice in chunk.choices)
    row = noisy.proxy.exchange(raw.headers["x-chat-request-id"])
    assert (row["state"], row["error"]) == ("complete", None)
    assert REPLACED in heard
    assert text_of(json.loads(row["openai_response"])) == heard
    assert heard in strings(json.loads(row["provider_response"]))
    usage, told = chunks[-1].usage, json.loads(row["provider_response"]).get("usage", {})
    if usage is None:
        # With `message_start`, which it leaves out at times, go the tokens of the prompt.
        assert "input_tokens" not in told
        assert provider == "anthropic"
    else:
        assert usage.completion_tokens == row["completion_tokens"] > 0


@both_ways
def test_noise_takes_the_form_of_a_schema(noisy, stream):
    heard = noisy.complete("compatible", user("Hi"), stream=stream, response_format=SKY_FORM)
    said = json.loads(heard.choices[0].message.content)
    assert (said.keys(), said["sky"] in {"blue", "grey"}) == ({"sky", "wet"}, True)


@both_ways
@pytest.mark.parametrize("provider", NOISY)
def test_a_prompt_that_is_too_long_is_openais_error(noisy, provider, stream):
    with pytest.raises(openai.BadRequestError, match="available context size") as caught:
        noisy.complete(provider, user("long " * 3000), stream=stream)
    assert caught.value.code == "context_length_exceeded"
