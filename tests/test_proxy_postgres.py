"""The real proxy on PostgreSQL: one instance, four at once, and a server that goes away."""

from __future__ import annotations

import json
import random
import threading
import time

import pytest

from tests.answers import CLAUDE, body
from tests.clients import NOWHERE, ask, http, post
from tests.proxy import START_SECONDS, free_port
from tests.test_proxy_memory import ENVIRONMENT, THINKING, TOOL_USE, _first_turn, _second_turn
from tests.upstream import Upstream, json_reply

INSTANCES = 4
CONVERSATIONS = 6
TURNS = 4
CUTS = 8


@pytest.fixture
def open_proxies(start_proxy, upstream, postgres_url):
    """Starts proxies that share one PostgreSQL database."""

    def start(count, provider=upstream, **options):
        proxies = [
            start_proxy(
                routes=[f"claude-*=anthropic@{provider.url}"],
                environment=ENVIRONMENT,
                options={"chat_db": postgres_url, **options},
            )
            for _ in range(count)
        ]
        return [proxy.wait_until_up() for proxy in proxies]

    return start


@pytest.fixture
def query(postgres_server, postgres_url):
    """Rows as a user of plain SQL sees them."""
    return lambda sql, *values: postgres_server.query(postgres_url, sql, *values)


def _answer(number):
    said = {**CLAUDE, "id": f"msg_{number}", "content": [{"type": "text", "text": f"No {number}"}]}
    return json_reply(body(said))


def _until(condition, what):
    deadline = time.monotonic() + START_SECONDS
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.02)


def _finished(query, count):
    return lambda: (
        query("SELECT COUNT(*) AS n FROM exchanges WHERE state = 'complete'")[0]["n"] == count
    )


def test_an_exchange_is_recorded_whole(open_proxies, upstream, query):
    (proxy,) = open_proxies(1)
    upstream.reply(json_reply(body(CLAUDE)))
    answer = post(proxy, ask("claude-sonnet-4-5", "Grüße"))
    _until(_finished(query, 1), "the exchange is recorded")
    (row,) = query("SELECT * FROM exchanges")
    assert row["request_id"] == answer.headers["x-chat-request-id"]
    assert json.loads(row["openai_request"])["messages"][0]["content"] == "Grüße"
    assert json.loads(row["provider_request"])["messages"][0]["content"] == "Grüße"
    assert json.loads(row["openai_response"]) == answer.json()
    assert json.loads(row["provider_response"]) == CLAUDE
    assert (row["total_tokens"], row["stream"]) == (16, False)


def test_thinking_comes_back_through_another_instance(open_proxies, upstream, query):
    first, second = open_proxies(2)
    said = _first_turn(first, upstream, THINKING, TOOL_USE)
    _until(lambda: query("SELECT 1 AS found FROM states"), "the state is recorded")
    # A call waits 20 ms for what is remembered, which a busy machine may exceed once.
    heard = [_second_turn(second, upstream, said) for _ in range(3)]
    assert [THINKING, TOOL_USE] in heard


def _talk(proxies, number, replies, finished):
    """A conversation whose turns go through one instance after the other."""
    messages = []
    for turn in range(TURNS):
        messages.append({"role": "user", "content": f"{number}, {turn}"})
        proxy = proxies[(number + turn) % len(proxies)]
        asked = {"model": f"claude-{number}", "messages": messages}
        answer = post(proxy, asked)
        assert answer.status_code == 200, answer.text
        messages.append(answer.json()["choices"][0]["message"])
        request = answer.headers["x-chat-request-id"]
        replies.append((number, turn, request))
        _until(lambda name=request: finished(name), "the turn is recorded")


def test_four_instances_share_their_conversations(open_proxies, query):
    provider = Upstream()
    provider.reply(*(_answer(number) for number in range(CONVERSATIONS * TURNS + 1)))
    proxies, told = open_proxies(INSTANCES, provider), []

    def finished(request):
        sql = "SELECT 1 AS found FROM exchanges WHERE request_id = %s AND state = 'complete'"
        return bool(query(sql, request))

    talks = [
        threading.Thread(target=_talk, args=(proxies, number, told, finished))
        for number in range(CONVERSATIONS)
    ]
    for talk in talks:
        talk.start()
    for talk in talks:
        talk.join()
    provider.close()

    rows = {row["request_id"]: row for row in query("SELECT * FROM exchanges")}
    assert len(rows) == CONVERSATIONS * TURNS
    for number in range(CONVERSATIONS):
        turns = [rows[request] for place, _, request in sorted(told) if place == number]
        assert len({row["session_id"] for row in turns}) == 1
        answers = [None, *(row["response_id"] for row in turns)]
        assert [row["request_parent_id"] for row in turns] == answers[:-1]
        assert turns[0]["message_count"] == 2 * TURNS
    assert len({row["session_id"] for row in rows.values()}) == CONVERSATIONS
    # On a machine that is busy a lock may come too late, and the spill file helps; none waits for
    # another in a circle.
    assert "deadlock" not in "".join(proxy.log for proxy in proxies)


def test_nothing_is_lost_while_the_server_is_away(open_proxies, upstream, query, postgres_server):
    proxies = open_proxies(2)
    upstream.reply(json_reply(body(CLAUDE)))
    asked = []

    def ask_all():
        for proxy in proxies:
            answer = post(proxy, ask("claude-sonnet-4-5", f"question {len(asked)}"))
            assert answer.status_code == 200
            asked.append(answer.headers["x-chat-request-id"])

    ask_all()
    _until(_finished(query, 2), "what came before is recorded")
    postgres_server.stop()
    try:
        started = time.monotonic()
        for _ in range(3):
            ask_all()
        assert time.monotonic() - started < 5
        waiting = [proxy.folder.glob("*.spill") for proxy in proxies]
        _until(lambda: all(any(files) for files in waiting), "the rows wait in a file")
    finally:
        postgres_server.start()
    ask_all()
    _until(_finished(query, 10), "everything is recorded")
    assert {row["request_id"] for row in query("SELECT request_id FROM exchanges")} == set(asked)
    for proxy in proxies:
        proxy.wait_to_say("The database is back")


def test_a_server_that_is_being_restarted_is_waited_for(
    start_proxy, upstream, query, postgres_server, postgres_url
):
    upstream.reply(json_reply(body(CLAUDE)))
    postgres_server.stop()
    try:
        proxy = start_proxy(
            routes=[f"claude-*=anthropic@{upstream.url}"],
            environment=ENVIRONMENT,
            options={"chat_db": postgres_url},
        )
        _until(lambda: "Waiting for the database" in proxy.log, "the proxy waits")
    finally:
        postgres_server.start()
    post(proxy.wait_until_up(), ask("claude-sonnet-4-5"))
    _until(_finished(query, 1), "the exchange is recorded")


def test_a_server_that_stays_away_ends_the_start_and_says_why(start_proxy):
    pytest.importorskip("psycopg")
    url = f"postgresql://chats@127.0.0.1:{free_port()}/chats"
    proxy = start_proxy(options={"chat_db": url})
    assert proxy.process.wait(START_SECONDS) == 1
    assert "Option `chat_db`" in proxy.log
    assert "refused" in proxy.log


class Caller:
    """Asks one thing after the other, until it is told to stop."""

    def __init__(self, proxy):
        self.asked = []
        self._proxy = proxy
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._ask)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._stopping.set()
        self._thread.join()

    def _ask(self):
        with http(self._proxy) as client:
            while not self._stopping.is_set():
                asking = ask("claude-sonnet-4-5", f"question {len(self.asked)}")
                answer = client.post(f"{NOWHERE}/v1/chat/completions", json=asking)
                self.asked.append(answer.headers["x-chat-request-id"])
                assert answer.status_code == 200


BLOCKED = (
    "SELECT pid FROM pg_stat_activity WHERE datname = current_database() "
    "AND wait_event_type = 'Lock' AND query NOT LIKE %s"
)
"""Connections that stand still in the middle of a transaction, our own aside."""


def _cut_in_a_transaction(psycopg, query, url):
    """Cuts the writer's connection when it has written a part of what it was to write."""
    with psycopg.connect(url) as other:
        other.execute("LOCK TABLE responses IN EXCLUSIVE MODE")
        _until(lambda: query(BLOCKED, "LOCK%"), "the writer is in a transaction")
        for row in query(BLOCKED, "LOCK%"):
            query("SELECT pg_terminate_backend(%s)", row["pid"])
        other.rollback()


def test_connections_cut_in_a_transaction_lose_nothing(open_proxies, upstream, query, postgres_url):
    psycopg = pytest.importorskip("psycopg")
    (proxy,) = open_proxies(1)
    upstream.reply(json_reply(body(CLAUDE)))
    with Caller(proxy) as caller:
        for _ in range(CUTS):
            _cut_in_a_transaction(psycopg, query, postgres_url)
    _until(_finished(query, len(caller.asked)), "everything is recorded")
    rows = query("SELECT request_id FROM exchanges ORDER BY id")
    assert [row["request_id"] for row in rows] == caller.asked
    proxy.wait_to_say("The database cannot be written")
    assert "refused" not in proxy.log


def test_the_oldest_sessions_go_until_the_rows_fit(open_proxies, upstream, query):
    upstream.reply(json_reply(body(CLAUDE)))
    first, second = open_proxies(2)
    for number in range(20):
        # Nothing of it compresses to less than half.
        asked = ask(
            "claude-sonnet-4-5", f"{number} {random.Random(number).randbytes(50_000).hex()}"
        )
        assert post((first, second)[number % 2], asked).status_code == 200
    _until(_finished(query, 20), "everything is recorded")
    every = [row["id"] for row in query("SELECT id FROM sessions ORDER BY last_accessed")]
    limit = {"chat_keep_mb": "1"}
    open_proxies(2, **limit)
    _until(lambda: _rows_take(query) <= 1_000_000, "the rows fit")
    left = [row["id"] for row in query("SELECT id FROM sessions ORDER BY last_accessed")]
    assert 8 <= len(left) < 20
    assert left == every[-len(left) :]


def _rows_take(query):
    parts = "SELECT SUM(pg_column_size(body)) FROM parts"
    index = "SELECT SUM(pg_column_size(words)) FROM said"
    (row,) = query(f"SELECT COALESCE(({parts}), 0) + COALESCE(({index}), 0) AS bytes")
    return row["bytes"]
