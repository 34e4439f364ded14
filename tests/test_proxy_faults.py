"""Our own bugs, put in by a script beside the addon: what client, log and record get."""

from __future__ import annotations

import os
import shutil
import threading
import time

import pytest

from tests.answers import CLAUDE, OPENAI, body, claude_events, openai_events
from tests.clients import ask, events, post
from tests.proxy import ROOT, Proxy
from tests.upstream import Reply, json_reply, stream_reply

SECRET = "a-word-of-the-prompt"

BUG = """
from dataclasses import replace
from inspection import contentviews
from interception import bare_call, call_in_flight, messages, routed_call, streams
from recording import Recorder
from transforms import PROVIDERS
import interception, routes

def fault(*arguments, **named):
    raise RuntimeError("{secret}"[::-1])

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
    assert "RuntimeError" in proxy.log
    assert "in fault" in proxy.log
    assert SECRET not in proxy.log
    assert "k" * 20 not in proxy.log


@pytest.mark.parametrize(
    "bug",
    [
        'put(PROVIDERS["anthropic"], build_request=fault)',
        'put(PROVIDERS["anthropic"], parse_response=fault)',
        "routed_call.check_request = fault",
        "messages.redirect = fault",
        "messages.replace_answer = fault",
        "Recorder.recall = fault",
        "Recorder.log_response = fault",
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


@pytest.mark.parametrize("stream", [False, True])
def test_calls_in_flight_outlive_a_reload_of_the_addon(start_proxy, upstream, tmp_path, stream):
    script = tmp_path / "addon.py"
    shutil.copy(ROOT / "addon.py", script)
    proxy = start_proxy(
        routes=[f"claude-*=anthropic@{upstream.url}"],
        environment={"ANTHROPIC_API_KEY": "k", "PYTHONPATH": str(ROOT)},
        script=script,
    ).wait_until_up()
    post(proxy, ask("claude-x"))
    gate, said = threading.Event(), claude_events()
    upstream.reply(
        stream_reply([*said[:4], gate, *said[4:]])
        if stream
        else Reply([body(CLAUDE)], before_head=gate)
    )
    answers = []
    asking = threading.Thread(
        target=lambda: answers.append(post(proxy, ask("claude-x", stream=stream)))
    )
    asking.start()
    until(lambda: upstream.received)
    os.utime(script, (time.time() + 5, time.time() + 5))
    until(lambda: proxy.log.count("Loading script") == 2)
    post(proxy, ask("nobody"))  # By then it stands again.
    gate.set()
    asking.join()
    [answer] = answers
    assert answer.status_code == 200
    if stream:
        assert list(events(answer.content))[-1] == "[DONE]"
    else:
        assert answer.json()["choices"][0]["message"]["content"] == "Hello there"
    # The new recorder took it for one that an earlier run had left.
    until(lambda: proxy.exchange(answer.headers["x-chat-request-id"])["state"] == "complete")


def until(holds) -> None:
    """Returns once it holds."""
    deadline = time.monotonic() + 10
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.02)
