"""Our own bugs, put in by a script beside the addon: what client, log and record get."""

from __future__ import annotations

import contextlib
import os
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from tests.answers import CLAUDE, OPENAI, body, claude_events, openai_events
from tests.clients import ask, events, post
from tests.proxy import ROOT, Proxy
from tests.upstream import Reply, Upstream, json_reply, stream_reply

SECRET = "a-word-of-the-prompt"

BUG = """
from dataclasses import replace
from inspection import contentviews
from interception import bare_call, call_in_flight, messages, reading, routed_call, streams
from recording import Recorder, recorder
from transforms import PROVIDERS
import interception, routes

def fault(*arguments, **named):
    raise RuntimeError("{secret}"[::-1])

def once(bug):
    original, bugs = recorder.Memory.remember, [bug]
    return lambda *told: bugs.pop()() if bugs else original(*told)

def put(provider, **transforms):
    for name, transform in transforms.items():
        object.__setattr__(provider, name, transform)

{bug}
"""


@pytest.fixture
def faulty(start_proxy, upstream, tmp_path):
    """Starts a proxy with a bug in it."""

    def start(bug: str) -> Proxy:
        script = tmp_path / "bug.py"
        script.write_text(BUG.format(bug=bug, secret=SECRET[::-1]))
        return start_proxy(
            routes=[f"claude-*=anthropic@{upstream.url}"],
            environment={"ANTHROPIC_API_KEY": "k" * 20},
            arguments=["-s", str(script)],
        ).wait_until_up()

    return start


def check_log(proxy: Proxy) -> None:
    """The fault is told with its place, and without what it said."""
    proxy.wait_to_say("RuntimeError")
    proxy.wait_to_say("in fault")
    assert SECRET not in proxy.log
    assert "k" * 20 not in proxy.log


@pytest.mark.parametrize(
    "bug",
    [
        'put(PROVIDERS["anthropic"], build_request=fault)',
        'put(PROVIDERS["anthropic"], parse_response=fault)',
        "routed_call.check_request = fault",
        "call_in_flight.Drafting.request = fault",
        "messages.redirect = fault",
        "messages.replace_answer = fault",
        "Recorder.recall = fault",
    ],
)
def test_a_bug_on_the_way_of_a_routed_call_is_an_openai_error(faulty, upstream, bug):
    proxy = faulty(bug)
    upstream.reply(json_reply(body(CLAUDE)))
    answer = post(proxy, ask("claude-x", SECRET))
    assert answer.status_code == 500
    assert answer.json()["error"].keys() == {"message", "type", "param", "code"}
    row = proxy.exchange(answer.headers["x-chat-request-id"])
    assert (row["state"], row["status_code"]) == ("failed", 500)
    check_log(proxy)


def test_a_bug_where_the_request_is_recorded_is_an_openai_error(faulty, upstream):
    proxy = faulty("Recorder.log_request = fault")
    upstream.reply(json_reply(body(CLAUDE)))
    answer = post(proxy, ask("claude-x", SECRET))
    assert answer.status_code == 500
    assert answer.json()["error"].keys() == {"message", "type", "param", "code"}
    assert upstream.received == []
    check_log(proxy)


@pytest.mark.parametrize(
    "bug",
    [
        "messages.is_model_list = fault",
        "messages.is_chat_completion = fault",
        "reading.Reader.received = fault",
        "messages.model_of = fault",
        "routes.Routes.target = fault",
        "call_in_flight.CallInFlight.__init__ = fault",
        "routed_call.SilenceWatch = fault",
        "routed_call.RoutedCall.send = routed_call.RoutedCall.abandon = fault",
    ],
)
def test_a_bug_before_it_is_settled_where_a_call_goes_keeps_it_here(faulty, upstream, bug):
    proxy = faulty(bug)
    upstream.reply(json_reply(body(CLAUDE)))
    answer = post(proxy, ask("claude-x", SECRET), url=f"{upstream.url}/v1/chat/completions")
    assert answer.status_code == 500
    assert answer.json()["error"].keys() == {"message", "type", "param", "code"}
    assert upstream.received == []
    check_log(proxy)


@pytest.mark.parametrize(
    "bug",
    [
        'put(PROVIDERS["anthropic"], open_stream=fault)',
        "streams.Assembler.add = fault",
        "streams.Translator._translate = fault",
    ],
)
def test_a_bug_in_a_stream_ends_it_with_an_openai_error(faulty, upstream, bug):
    proxy = faulty(bug)
    upstream.reply(stream_reply(claude_events()))
    answer = post(proxy, ask("claude-x", SECRET, stream=True))
    if answer.headers["content-type"].startswith("text/event-stream"):
        assert list(events(answer.content))[-1]["error"]["code"] is None
    else:
        assert (answer.status_code, answer.json()["error"]["code"]) == (500, None)
    assert proxy.exchange(answer.headers["x-chat-request-id"])["state"] == "failed"
    check_log(proxy)


@pytest.mark.parametrize(
    "bug", ["Recorder.log_response = fault", "recorder.Memory.remember = once(fault)"]
)
def test_an_answer_that_cannot_be_recorded_reaches_the_client_and_is_on_record_as_failed(
    faulty, upstream, bug
):
    proxy = faulty(bug)
    upstream.reply(json_reply(body(CLAUDE)))
    answer = post(proxy, ask("claude-x", SECRET))
    assert answer.json()["choices"][0]["message"]["content"] == "Hello there"
    row = proxy.exchange(answer.headers["x-chat-request-id"])
    assert (row["state"], row["error"]) == ("failed", "An answer could not be recorded.")
    check_log(proxy)


def test_a_stream_that_cannot_be_recorded_reaches_the_client_and_is_on_record_as_failed(
    faulty, upstream
):
    proxy = faulty("Recorder.log_streaming_response = fault")
    upstream.reply(stream_reply(claude_events()))
    answer = post(proxy, ask("claude-x", SECRET, stream=True))
    assert list(events(answer.content))[-1] == "[DONE]"
    assert proxy.exchange(answer.headers["x-chat-request-id"])["state"] == "failed"
    check_log(proxy)


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    "bug",
    [
        "Recorder.log_request = fault",
        "Recorder.log_response = Recorder.log_streaming_response = fault",
        "bare_call.provider_at = fault",
        "call_in_flight.CallInFlight.__init__ = fault",
        "bare_call.Watcher = fault",
        "messages.frame_stream = fault",
    ],
)
def test_a_bug_on_the_way_of_a_bare_call_lets_it_pass(faulty, upstream, bug, stream):
    proxy = faulty(bug)
    upstream.reply(stream_reply(openai_events()) if stream else json_reply(body(OPENAI)))
    answer = post(
        proxy, ask("mine", SECRET, stream=stream), url=f"{upstream.url}/v1/chat/completions"
    )
    assert answer.status_code == 200
    assert answer.content == (b"".join(openai_events()) if stream else body(OPENAI))
    assert SECRET not in proxy.log


@pytest.fixture
def script(tmp_path) -> Path:
    """An addon that can be saved anew."""
    return Path(shutil.copy(ROOT / "addon.py", tmp_path / "addon.py"))


@pytest.fixture
def reloading(start_proxy, upstream, script) -> Proxy:
    """A proxy that runs this addon, and has answered a call."""
    proxy = start_proxy(
        routes=[f"claude-*=anthropic@{upstream.url}"],
        environment={"ANTHROPIC_API_KEY": "k", "PYTHONPATH": str(ROOT)},
        script=script,
    ).wait_until_up()
    upstream.reply(json_reply(body(CLAUDE)))
    assert post(proxy, ask("claude-x")).status_code == 200
    return proxy


def save(script: Path, text: str, proxy: Proxy) -> None:
    """Saves the addon, and returns once mitmproxy has tried to load it."""
    tried = proxy.log.count("Loading script")
    script.write_text(text)
    os.utime(script, (time.time() + 5 * tried, time.time() + 5 * tried))
    until(lambda: proxy.log.count("Loading script") == tried + 1)
    post(proxy, ask("nobody"))  # By then it has.


def late_answer(gate: threading.Event) -> Reply:
    """A plain answer."""
    return Reply([body(CLAUDE)], before_head=gate)


def late_stream(gate: threading.Event) -> Reply:
    """A stream of which nothing has come before the gate is open."""
    return stream_reply(claude_events(), before_head=gate)


def begun_stream(gate: threading.Event) -> Reply:
    """A stream whose first half has come."""
    said = claude_events()
    return stream_reply([*said[:4], gate, *said[4:]])


ANSWERS = [late_answer, late_stream, begun_stream]


@contextlib.contextmanager
def in_flight(proxy: Proxy, upstream: Upstream, reply: Callable) -> Iterator[list[httpx.Response]]:
    """A call that is answered when the block ends; afterwards its answer is there, and whole."""
    gate, answers = threading.Event(), []
    upstream.reply(reply(gate))
    request = ask("claude-x", stream=reply is not late_answer)
    asking = threading.Thread(target=lambda: answers.append(post(proxy, request)))
    asking.start()
    until(lambda: upstream.received)
    yield answers
    gate.set()
    asking.join()
    [answer] = answers
    assert answer.status_code == 200
    if request["stream"]:
        assert list(events(answer.content))[-1] == "[DONE]"
    else:
        assert answer.json()["choices"][0]["message"]["content"] == "Hello there"


@pytest.mark.parametrize("reply", ANSWERS)
def test_calls_in_flight_outlive_a_reload_of_the_addon(reloading, upstream, script, reply):
    with in_flight(reloading, upstream, reply) as answers:
        save(script, script.read_text(), reloading)
    [answer] = answers
    # The new recorder took it for one that an earlier run had left.
    until(lambda: reloading.exchange(answer.headers["x-chat-request-id"])["state"] == "complete")


BAD_SAVES = {
    "no Python": lambda text: text[: len(text) // 2] + "(",
    "a module that is not there": lambda text: "import nowhere_to_be_found\n" + text,
    "load": lambda text: text.replace("options.declare(loader)", "raise RuntimeError"),
    "configure": lambda text: text.replace("options.check_values()", "raise RuntimeError"),
}


@pytest.mark.parametrize("slip", BAD_SAVES)
def test_no_call_leaves_untranslated_while_the_addon_cannot_be_loaded(
    reloading, upstream, script, slip
):
    good = script.read_text()
    save(script, BAD_SAVES[slip](good), reloading)
    upstream.reply(json_reply(body(CLAUDE)))
    answer = post(reloading, ask("claude-x"), url=f"{upstream.url}/v1/chat/completions")
    assert answer.status_code == 500
    assert answer.json()["error"].keys() == {"message", "type", "param", "code"}
    assert upstream.received == []
    save(script, good, reloading)
    assert post(reloading, ask("claude-x")).status_code == 200


def test_no_call_leaves_untranslated_once_the_addon_is_deleted(reloading, upstream, script):
    script.unlink()
    until(lambda: "Removing script" in reloading.log)
    answer = post(reloading, ask("claude-x"), url=f"{upstream.url}/v1/chat/completions")
    assert answer.status_code == 500
    assert len(upstream.received) == 1  # The call before.
    elsewhere = post(reloading, ask("claude-x"), url=f"{upstream.url}/v1/embeddings")
    assert elsewhere.json() == CLAUDE


@pytest.mark.parametrize("reply", ANSWERS)
def test_calls_in_flight_are_translated_and_recorded_though_the_addon_cannot_be_loaded(
    reloading, upstream, script, reply
):
    with in_flight(reloading, upstream, reply) as answers:
        save(script, "no Python", reloading)
    [answer] = answers
    row = reloading.exchange(answer.headers["x-chat-request-id"])
    assert (row["state"], row["total_tokens"]) == ("complete", 16)


def until(holds) -> None:
    """Returns once it holds."""
    deadline = time.monotonic() + 10
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.02)
