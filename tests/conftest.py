"""Fixtures that start real things: the proxy as a process, a provider on loopback."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import openai
import pytest
from hypothesis import settings
from peewee import Database

from recording.database import RecordDatabase
from tests import browser as browsers
from tests import postgres
from tests.clients import sdk
from tests.postgres import Postgres
from tests.proxy import Proxy
from tests.upstream import Upstream

# How long an example takes says how busy the machine is.
settings.register_profile("diptych", deadline=None)
settings.load_profile("diptych")


@pytest.fixture(scope="session")
def upstream() -> Iterator[Upstream]:
    """A provider that answers what the test tells it to."""
    provider = Upstream()
    yield provider
    provider.close()


@pytest.fixture(scope="session")
def proxy(tmp_path_factory: pytest.TempPathFactory, upstream: Upstream) -> Iterator[Proxy]:
    """One proxy for all tests that need no options of their own."""
    running = Proxy(
        tmp_path_factory.mktemp("proxy"),
        routes=[
            f"claude-*=anthropic@{upstream.url}",
            f"to-claude=anthropic/claude-sonnet-4-5@{upstream.url}/prefix",
            f"llama*=ollama@{upstream.url}",
            f"gpt-routed=openai/gpt-4o-mini@{upstream.url}",
            f"local=compatible/served@{upstream.url}/v1",
            f"shared=compatible/served@{upstream.url}/v1#client",
            f"nokey=openai/gpt-4o@{upstream.url}#DIPTYCH_TEST_UNSET",
            "nowhere=ollama/x@http://127.0.0.1:1",
        ],
        environment={
            "ANTHROPIC_API_KEY": "sk-ant-environment-key-0123456789",
            "OPENAI_API_KEY": "sk-environment-openai-0123456789",
        },
        options={"chat_timeout": "3"},
    ).wait_until_up()
    yield running
    running.stop()


@pytest.fixture
def client(proxy: Proxy) -> Iterator[openai.OpenAI]:
    """The official SDK, speaking through the proxy."""
    with sdk(proxy) as speaking:
        yield speaking


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[Postgres]:
    """A real PostgreSQL; skips where there is none."""
    lacking = postgres.missing()
    if lacking:
        pytest.skip(lacking)
    server = Postgres()
    yield server
    server.remove()


@pytest.fixture
def postgres_url(postgres_server: Postgres) -> str:
    """The URL of a new, empty database."""
    return postgres_server.create()


@pytest.fixture(params=["sqlite", "postgresql"])
def any_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of a new database, once in a file and once in PostgreSQL."""
    if request.param == "postgresql":
        return request.getfixturevalue("postgres_url")
    return f"sqlite:///{tmp_path / 'chats.db'}"


@pytest.fixture
def database(any_url: str) -> Iterator[Database]:
    """A new record, open, once in a file and once in PostgreSQL."""
    record = RecordDatabase(any_url)
    record.open()
    yield record.database
    record.close()


@pytest.fixture
def start_proxy(tmp_path) -> Iterator[Callable[..., Proxy]]:
    """Starts proxies with options of their own, and stops them after the test."""
    running: list[Proxy] = []

    def start(**settings) -> Proxy:
        folder = tmp_path / f"proxy-{len(running)}"
        folder.mkdir()
        running.append(Proxy(folder, **settings))
        return running[-1]

    yield start
    for each in running:
        each.stop()


@pytest.fixture
def start_sharing_proxy(start_proxy, tmp_path) -> Callable[..., Proxy]:
    """Starts proxies that share one database, and waits until they are up."""
    database = tmp_path / "shared.db"

    def start(*, options: Mapping[str, str] | None = None, **settings) -> Proxy:
        proxy = start_proxy(
            options={"chat_db": f"sqlite:///{database}", **(options or {})}, **settings
        )
        proxy.database = database
        return proxy.wait_until_up()

    return start


@pytest.fixture(scope="session")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A Chromium without a window; skips where there is none."""
    lacking = browsers.missing()
    if lacking:
        pytest.skip(lacking)
    driver = browsers.start(tmp_path_factory.mktemp("chromium"))
    yield driver
    driver.quit()
