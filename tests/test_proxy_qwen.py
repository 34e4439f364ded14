"""A provider that keeps conversations itself: chats are made, gone on in, and made again."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from itertools import count
from typing import Any

import httpx
import openai
import pytest

from tests.answers import NEW_CHAT, body
from tests.clients import ask, events, post, sdk
from tests.proxy import Proxy
from tests.upstream import Reply, Upstream, json_reply, stream_reply

TOKEN = "eyJhbGciOiJIUzI1NiJ9.test-token-of-one-login"
COOKIE = "token=of-the-browser; ssxmod_itna=0123456789"
BX_UA = "231!bx-ua-of-the-browser-0123456789"
ENVIRONMENT = {"QWEN_TOKEN": TOKEN, "QWEN_COOKIE": COOKIE, "QWEN_BX_UA": BX_UA}

LOST = {"success": False, "data": {"code": "Not_Found", "details": "chat C1 is not exist"}}
TOOLS = [{"type": "function", "function": {"name": "weather", "parameters": {"type": "object"}}}]
CALLED = ["I look.\n<tool_", 'call>{"name": "weather", "arguments": {"city": "Oslo"}}</tool_call>']

_number = count(1)


def turn(
    texts: list[str] | None = None, *, chat: str = "C1", answer: str | None = None
) -> list[bytes]:
    """The frames of an answer."""
    answer = answer or f"R{next(_number)}"
    created = {"chat_id": chat, "parent_id": f"of-{answer}", "response_id": answer}
    deltas = [
        *({"content": text, "phase": "answer", "status": "typing"} for text in texts or ["Hello"]),
        {"content": "", "phase": "answer", "status": "finished"},
    ]
    frames = [
        {"response.created": created},
        *({"choices": [{"delta": delta}], "response_id": answer} for delta in deltas),
        {"usage": {"input_tokens": 9, "output_tokens": 4}},
    ]
    return [f"data: {json.dumps(frame)}\n\n".encode() for frame in frames]


def made(chat: str = "C1") -> Reply:
    return json_reply(body(NEW_CHAT | {"data": {"id": chat}}))


def lost() -> Reply:
    return json_reply(body(LOST))


@pytest.fixture
def open_proxy(
    start_sharing_proxy: Callable[..., Proxy], upstream: Upstream
) -> Callable[..., Proxy]:
    """Starts proxies that share one database, with these changes to their environment."""

    def start(**environment: str) -> Proxy:
        return start_sharing_proxy(
            routes=[f"qwen3-max=qwen@{upstream.url}", f"mine=qwen@{upstream.url}#client"],
            environment={**ENVIRONMENT, **environment},
            options={"chat_timeout": "10"},
        )

    return start


@pytest.fixture
def qwen(open_proxy: Callable[..., Proxy]) -> Iterator[Proxy]:
    return open_proxy()


def speak(proxy: Proxy, messages: list[dict], *, stream: bool = False, **more: Any) -> dict:
    """The assistant's message, as much of it as a client sends back."""
    with sdk(proxy) as client:
        asked: dict[str, Any] = {"model": "qwen3-max", "messages": messages, **more}
        if stream:
            with client.chat.completions.stream(**asked) as told:
                message = told.get_final_completion().choices[0].message
        else:
            message = client.chat.completions.create(**asked).choices[0].message
    kept = message.model_dump(include={"role", "content", "tool_calls"}, exclude_none=True)
    for call in kept.get("tool_calls", ()):
        call["function"].pop("parsed_arguments", None)
    return kept


def user(text: str) -> dict:
    return {"role": "user", "content": text}


def sent(upstream: Upstream, number: int = -1) -> tuple[str, Any, str]:
    """Path, parent and text of a turn that the provider got."""
    received = upstream.received[number]
    told = received.json
    return received.path, told["parent_id"], told["messages"][0]["content"]


def paths(upstream: Upstream) -> list[str]:
    return [received.path.partition("?")[0].rsplit("/", 1)[1] for received in upstream.received]


@pytest.mark.parametrize("stream", [False, True], ids=["plain", "streamed"])
def test_a_first_turn_makes_a_chat_and_the_second_goes_on_in_it(qwen, upstream, stream):
    upstream.reply(made(), stream_reply(turn(answer="R-first")))
    said = speak(qwen, [user("Hi")], stream=stream)
    assert said["content"] == "Hello"
    assert paths(upstream) == ["new", "completions"]
    assert sent(upstream) == ("/api/v2/chat/completions?chat_id=C1", None, "Hi")

    upstream.reply(stream_reply(turn(["Again"])))
    assert speak(qwen, [user("Hi"), said, user("More")], stream=stream)["content"] == "Again"
    assert paths(upstream) == ["completions"]
    assert sent(upstream) == ("/api/v2/chat/completions?chat_id=C1", "R-first", "More")


def test_the_sessions_row_names_the_chat_and_the_answer_to_go_on_from(qwen, upstream):
    upstream.reply(made("C7"), stream_reply(turn(chat="C7", answer="R-of-c7")))
    response = post(qwen, ask("qwen3-max"))
    row = qwen.exchange(response.headers["x-chat-request-id"])
    assert (row["response_id"], row["state"], row["total_tokens"]) == ("R-of-c7", "complete", 13)
    sessions = qwen.query("SELECT chat_id, parent_id FROM sessions")
    assert [tuple(each) for each in sessions] == [("C7", "R-of-c7")]
    assert json.loads(row["provider_request"])["chat_id"] == "C7"


def test_a_chat_is_gone_on_in_after_a_restart(open_proxy, upstream):
    first = open_proxy()
    upstream.reply(made(), stream_reply(turn(answer="R-before")))
    said = speak(first, [user("Hi")])
    first.stop()
    upstream.reply(stream_reply(turn()))
    speak(open_proxy(), [user("Hi"), said, user("More")])
    assert sent(upstream)[1:] == ("R-before", "More")


def test_another_login_does_not_go_on_in_the_chat(open_proxy, upstream):
    first = open_proxy()
    upstream.reply(made(), stream_reply(turn()))
    said = speak(first, [user("Hi")])
    first.stop()
    upstream.reply(made("C2"), stream_reply(turn(chat="C2")))
    other = open_proxy(QWEN_TOKEN="eyJhbGciOiJIUzI1NiJ9.token-of-another")
    speak(other, [user("Hi"), said, user("More")])
    assert paths(upstream) == ["new", "completions"]


@pytest.mark.parametrize("edited", [user("Hey"), user("Hi ")])
def test_an_edited_history_is_told_whole_in_a_new_chat(qwen, upstream, edited):
    upstream.reply(made(), stream_reply(turn()))
    said = speak(qwen, [user("Hi")])
    upstream.reply(made("C2"), stream_reply(turn(chat="C2")))
    speak(qwen, [edited, said, user("More")])
    assert paths(upstream) == ["new", "completions"]
    text = f"User:\n{edited['content']}\n\nAssistant:\nHello\n\nUser:\nMore"
    assert sent(upstream) == ("/api/v2/chat/completions?chat_id=C2", None, text)


def test_an_earlier_turn_asked_again_branches_from_its_parent(qwen, upstream):
    upstream.reply(made(), stream_reply(turn(answer="R-root")))
    said = speak(qwen, [user("Hi")])
    for text in ("One", "Two"):
        upstream.reply(stream_reply(turn()))
        speak(qwen, [user("Hi"), said, user(text)])
        assert sent(upstream)[1:] == ("R-root", text)


@pytest.mark.parametrize("stream", [False, True], ids=["plain", "streamed"])
def test_a_lost_chat_is_made_again_and_told_everything(qwen, upstream, stream):
    upstream.reply(made(), stream_reply(turn()))
    said = speak(qwen, [user("Hi")])
    upstream.reply(lost(), made("C2"), stream_reply(turn(["Again"], chat="C2", answer="R-new")))
    again = speak(qwen, [user("Hi"), said, user("More")], stream=stream)
    assert again["content"] == "Again"
    assert paths(upstream) == ["completions", "new", "completions"]
    text = "User:\nHi\n\nAssistant:\nHello\n\nUser:\nMore"
    assert sent(upstream) == ("/api/v2/chat/completions?chat_id=C2", None, text)

    upstream.reply(stream_reply(turn(chat="C2")))
    speak(qwen, [user("Hi"), said, user("More"), again, user("Third")], stream=stream)
    assert sent(upstream) == ("/api/v2/chat/completions?chat_id=C2", "R-new", "Third")


def test_a_lost_chat_leaves_two_exchanges_in_the_record(qwen, upstream):
    upstream.reply(made(), stream_reply(turn()))
    said = speak(qwen, [user("Hi")])
    upstream.reply(lost(), made("C2"), stream_reply(turn(chat="C2")))
    response = post(qwen, {"model": "qwen3-max", "messages": [user("Hi"), said, user("More")]})
    qwen.exchange(response.headers["x-chat-request-id"])
    rows = qwen.query("SELECT state, status_code, path, session_id FROM exchanges ORDER BY id")
    assert [(row["state"], row["status_code"]) for row in rows] == [
        ("complete", 200),
        ("failed", 404),
        ("complete", 200),
    ]
    assert len({row["session_id"] for row in rows}) == 1
    assert len({row["path"] for row in rows}) == 1


def test_a_new_chat_that_is_lost_at_once_is_not_made_again(qwen, upstream):
    upstream.reply(made(), lost())
    response = post(qwen, ask("qwen3-max"))
    assert response.status_code == 404
    assert paths(upstream) == ["new", "completions"]


@pytest.mark.parametrize(
    ("replies", "status"),
    [
        ([json_reply(b"{}", 500)], 500),
        ([made("C2"), Reply([], framing="length", end="cut", content_type="text/plain")], 502),
        ([made("C2"), Reply([b"x"], end="cut")], 502),
    ],
    ids=["no new chat", "an empty answer", "a broken answer"],
)
def test_what_goes_wrong_after_a_lost_chat_is_an_error(qwen, upstream, replies, status):
    upstream.reply(made(), stream_reply(turn()))
    said = speak(qwen, [user("Hi")])
    upstream.reply(lost(), *replies)
    response = post(qwen, {"model": "qwen3-max", "messages": [user("Hi"), said, user("More")]})
    assert response.status_code == status
    row = qwen.exchange(response.headers["x-chat-request-id"])
    assert row["state"] == "failed"


@pytest.mark.parametrize("stream", [False, True], ids=["plain", "streamed"])
def test_a_call_and_its_result_make_a_round(qwen, upstream, stream):
    upstream.reply(made(), stream_reply(turn(CALLED, answer="R-call")))
    said = speak(qwen, [user("Weather?")], tools=TOOLS, stream=stream)
    (call,) = said["tool_calls"]
    assert said["content"] == "I look."
    assert call["function"] == {"name": "weather", "arguments": '{"city":"Oslo"}'}

    upstream.reply(stream_reply(turn(["Warm."])))
    result = {"role": "tool", "tool_call_id": call["id"], "content": ""}
    heard = speak(qwen, [user("Weather?"), said, result], tools=TOOLS, stream=stream)
    assert heard["content"] == "Warm."
    told = f"Tool result (weather, {call['id']}):\n(The tool gave no output.)"
    assert sent(upstream)[1:] == ("R-call", told)


@pytest.mark.parametrize(
    ("reply", "status"),
    [
        (json_reply(b'{"success": false, "data": {"code": "RateLimited", "num": 2}}'), 429),
        (json_reply(b'{"detail": "no"}', 401), 401),
        (Reply([b"<!doctype html><html></html>"], content_type="text/html"), 503),
        (json_reply(b'{"success": true, "data": {}}'), 502),
        (json_reply(b"", 500), 500),
        (Reply([b"{}"], end="cut"), 502),
    ],
    ids=["limit", "login", "verification", "no id", "failure", "broken off"],
)
@pytest.mark.parametrize("stream", [False, True], ids=["plain", "streamed"])
def test_a_chat_that_cannot_be_made_is_an_openai_error(qwen, upstream, reply, status, stream):
    upstream.reply(reply)
    response = post(qwen, ask("qwen3-max", stream=stream))
    assert response.status_code == status
    assert response.json()["error"]["message"]
    assert paths(upstream) == ["new"]


@pytest.mark.parametrize(
    ("reply", "status"),
    [
        (json_reply(b'{"success": false, "data": {"code": "RateLimited", "num": 2}}'), 429),
        (Reply([b"<html><body>RGV587</body></html>"], content_type="text/html"), 503),
        (json_reply(b'{"ret": ["FAIL_SYS_USER_VALIDATE"]}'), 503),
    ],
    ids=["limit", "verification page", "verification"],
)
@pytest.mark.parametrize("stream", [False, True], ids=["plain", "streamed"])
def test_an_error_under_status_200_has_its_own_status(qwen, upstream, reply, status, stream):
    upstream.reply(made(), reply)
    response = post(qwen, ask("qwen3-max", stream=stream))
    assert response.status_code == status
    assert response.headers["x-should-retry"] == "false"


def test_a_cut_stream_ends_in_an_error(qwen, upstream):
    upstream.reply(made(), stream_reply(turn()[:2]))
    told = list(events(post(qwen, ask("qwen3-max", stream=True)).content))
    assert told[-1]["error"]["code"] == "upstream_stream_ended"


def test_the_headers_of_the_browser_go_along_and_nothing_of_the_client(qwen, upstream):
    upstream.reply(made(), stream_reply(turn()))
    post(qwen, ask("qwen3-max"), cookie="client=1")
    for received in upstream.received:
        assert received.headers["authorization"] == f"Bearer {TOKEN}"
        assert received.headers["cookie"] == COOKIE
        assert received.headers["bx-ua"] == BX_UA
        assert "bx-v" not in received.headers


def test_the_cookie_never_goes_with_the_key_of_a_client(qwen, upstream):
    upstream.reply(made(), stream_reply(turn()))
    post(qwen, ask("mine"))
    for received in upstream.received:
        assert "client-key" in received.headers["authorization"]
        assert not {"cookie", "bx-ua"} & received.headers.keys()


def test_no_chat_is_made_for_what_is_refused(qwen, upstream):
    upstream.reply(made())
    assert post(qwen, ask("qwen3-max", n=2)).status_code == 400
    assert upstream.received == []


def test_no_token_is_a_401_that_names_the_variable(open_proxy, upstream):
    upstream.reply(made())
    response = post(open_proxy(QWEN_TOKEN=""), ask("qwen3-max"))
    assert response.status_code == 401
    assert "QWEN_TOKEN" in response.text
    assert upstream.received == []


def test_no_secret_reaches_database_log_or_client(qwen, upstream):
    """Even where the provider repeats it."""
    repeated = f"{TOKEN} {COOKIE} {BX_UA}"
    told = {"success": False, "data": {"code": "Bad_Request", "details": repeated}}
    upstream.reply(made(), stream_reply(turn([repeated])))
    answered = post(qwen, ask("qwen3-max"))
    qwen.exchange(answered.headers["x-chat-request-id"])
    upstream.reply(json_reply(body(told)))
    refused = post(qwen, ask("qwen3-max"))
    qwen.exchange(refused.headers["x-chat-request-id"])
    upstream.reply(made(), json_reply(body(told)))
    refused_later = post(qwen, ask("qwen3-max"))
    qwen.exchange(refused_later.headers["x-chat-request-id"])
    qwen.stop()
    stored = b"".join(file.read_bytes() for file in qwen.database.parent.glob("shared.db*"))
    for secret in (TOKEN, COOKIE, BX_UA):
        assert secret not in refused.text + refused_later.text
        assert secret.encode() not in stored
        assert secret not in qwen.log


def test_the_sdk_hears_errors_as_its_own(qwen, upstream):
    upstream.reply(made(), json_reply(b'{"detail": "x"}', 401))
    with sdk(qwen) as client, pytest.raises(openai.AuthenticationError, match="expired"):
        client.chat.completions.create(model="qwen3-max", messages=[user("Hi")])


def test_a_provider_that_is_not_there_is_a_502(start_proxy):
    proxy = start_proxy(
        routes=["qwen3-max=qwen@http://127.0.0.1:1"], environment=ENVIRONMENT
    ).wait_until_up()
    response: httpx.Response = post(proxy, ask("qwen3-max"))
    assert response.status_code == 502
    assert response.json()["error"]["code"] == "upstream_unreachable"
