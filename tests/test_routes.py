"""Which provider answers which model, at which address, with which key."""

from __future__ import annotations

import pytest

from routes import KeyRing, Routes, Target, parse_route, provider_at
from transforms import PROVIDERS
from transforms.errors import RequestError

ANTHROPIC = PROVIDERS["anthropic"]


@pytest.mark.parametrize(
    ("text", "provider", "model", "base_url", "key"),
    [
        (
            "gpt-4o*=anthropic/claude-sonnet-4-5",
            "anthropic",
            "claude-sonnet-4-5",
            "https://api.anthropic.com",
            "ANTHROPIC_API_KEY",
        ),
        (
            "*=ollama/qwen3:8b@http://127.0.0.1:11434",
            "ollama",
            "qwen3:8b",
            "http://127.0.0.1:11434",
            "OLLAMA_API_KEY",
        ),
        (
            "fast=compatible/llama-3.3@https://api.groq.com/openai/v1#TEAM_KEY",
            "compatible",
            "llama-3.3",
            "https://api.groq.com/openai/v1",
            "TEAM_KEY",
        ),
        ("x=openai#client", "openai", None, "https://api.openai.com", "client"),
        (
            "x=openai/org/model@v2:free@https://h/v1",
            "openai",
            "org/model@v2:free",
            "https://h/v1",
            "OPENAI_API_KEY",
        ),
    ],
)
def test_a_route_is_read_as_written(text, provider, model, base_url, key):
    route = parse_route(text)
    assert (route.provider.name, route.model, route.base_url, route.key) == (
        provider,
        model,
        base_url,
        key,
    )


@pytest.mark.parametrize(
    "text",
    [
        "",
        "x",
        "=openai",
        "x=",
        "x=nobody",
        "x=compatible",
        "x=openai@http://",
        "x=openai#1",
        "x=openai/m@http://h:port",
        "x=openai/m@http://h/a path",
        "x=openai/m@http://h@http://h",
    ],
)
def test_a_route_that_cannot_be_read_is_refused(text):
    with pytest.raises(ValueError, match="`"):
        parse_route(text)


def test_the_first_match_wins_and_keeps_the_clients_model():
    routes = Routes(["gpt-4o=ollama", "gpt-*=anthropic/claude"])
    assert routes.target("gpt-4o").model == "gpt-4o"
    assert routes.target("gpt-4o").provider.name == "ollama"
    assert routes.target("gpt-5").model == "claude"


@pytest.mark.parametrize(
    ("model", "provider"),
    [
        ("anthropic/claude-x", "anthropic"),
        ("mistralai/m", None),
        ("gpt-4o", None),
        ("openai/", None),
        ("compatible/x", None),
    ],
)
def test_a_model_may_name_its_provider(model, provider):
    target = Routes().target(model)
    assert (target and target.provider.name) == provider


@pytest.mark.parametrize(
    ("base_url", "path", "url"),
    [
        ("https://h", "/v1/messages", "https://h/v1/messages"),
        ("https://h/", "/v1/messages", "https://h/v1/messages"),
        ("https://h/v1", "/v1/messages", "https://h/v1/messages"),
        ("https://h/a/v1/", "/v1/messages", "https://h/a/v1/messages"),
        ("https://h/prefix", "/v1/messages", "https://h/prefix/v1/messages"),
        ("https://h/v1", "/chat/completions", "https://h/v1/chat/completions"),
        ("https://h/v1/messages", "/v1/messages", "https://h/v1/messages"),
    ],
)
def test_a_path_in_the_base_url_is_a_prefix(base_url, path, url):
    assert Target(ANTHROPIC, "m", base_url, None).url(path) == url


def test_models_are_those_the_routes_name():
    listed = Routes(["fast=ollama/x", "gpt-*=anthropic/c", "*=ollama/y"]).models()
    assert [each["id"] for each in listed["data"]] == ["fast", "anthropic/c", "ollama/y"]


def test_a_listed_model_goes_by_the_route_it_is_listed_for():
    routes = Routes(["gpt-*=anthropic/c@http://here#TEAM", "local-*=compatible/q@http://there"])
    listed = [each["id"] for each in routes.models()["data"]]
    assert listed == ["anthropic/c", "compatible/q"]
    reached = [routes.target(name) for name in listed]
    assert reached == [routes.target("gpt-x"), routes.target("local-x")]
    assert routes.target("anthropic/d").base_url == ANTHROPIC.base_url


def test_a_user_in_the_base_url_is_refused_without_the_password():
    with pytest.raises(ValueError, match="route for `x` has a user in its base URL") as told:
        parse_route("x=ollama/m@https://me:hidden@h")
    assert "hidden" not in str(told.value)


URL = "https://api.anthropic.com/v1/messages"


def ring(environment=None, allowed=True, client_key=None, client_url="http://client/v1"):
    """The keys at hand, few as they are."""
    return KeyRing(environment or {}, allowed, client_key, client_url)


def target(key="ANTHROPIC_API_KEY", provider="anthropic"):
    """A target with the given key."""
    return Target(PROVIDERS[provider], "m", "https://api.anthropic.com", key)


def test_the_environment_gives_the_key():
    keys = ring({"ANTHROPIC_API_KEY": "k"}, client_key="client's")
    assert keys.key_for(target(), URL) == "k"


def test_the_clients_key_goes_where_the_route_sends_it():
    assert ring(client_key="client's").key_for(target("client"), URL) == "client's"


def test_the_clients_key_may_go_to_the_host_it_addressed():
    keys = ring(client_key="client's", client_url=URL)
    assert keys.key_for(target(), URL) == "client's"


def test_the_clients_key_goes_nowhere_else():
    with pytest.raises(RequestError, match="ANTHROPIC_API_KEY") as caught:
        ring(client_key="client's").key_for(target(), URL)
    assert caught.value.answer().status == 401


def test_a_stranger_does_not_spend_the_environment():
    with pytest.raises(RequestError, match="chat_remote") as caught:
        ring({"ANTHROPIC_API_KEY": "k"}, allowed=False, client_key="x").key_for(target(), URL)
    assert caught.value.answer().status == 401


def test_a_local_server_needs_no_key():
    assert ring().key_for(target("OLLAMA_API_KEY", "ollama"), "http://127.0.0.1:11434/x") is None


def test_a_key_that_the_route_names_is_needed_everywhere():
    with pytest.raises(RequestError, match="MY_KEY"):
        ring().key_for(target("MY_KEY", "ollama"), "http://127.0.0.1:11434/x")


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("https://api.openai.com/v1/chat/completions", "openai"),
        ("http://127.0.0.1:8000/v1", "compatible"),
    ],
)
def test_a_bare_calls_provider_is_known_by_its_address(url, name):
    assert provider_at(url) == name


BROWSER = {"QWEN_TOKEN": "k", "QWEN_COOKIE": "token=k", "QWEN_BX_UA": "", "TEAM": "t"}


@pytest.mark.parametrize(
    ("name", "key", "allowed", "beside"),
    [
        ("QWEN_TOKEN", "k", True, {"cookie": "token=k"}),
        ("QWEN_TOKEN", "k", False, {}),
        ("QWEN_TOKEN", "client's", True, {}),
        ("QWEN_TOKEN", None, True, {}),
        ("TEAM", "t", True, {}),
        ("client", "k", True, {}),
    ],
)
def test_what_goes_beside_a_key_goes_with_the_customary_one_alone(name, key, allowed, beside):
    keys = ring(BROWSER, allowed=allowed)
    assert keys.beside(target(key=name, provider="qwen"), key) == beside


def test_a_provider_without_a_customary_key_has_nothing_beside_it():
    assert ring(BROWSER).beside(target(key=None, provider="ollama"), "k") == {}


def test_a_query_of_the_base_url_sets_what_the_provider_declares():
    route = parse_route("*=responses/m@https://host/v1?previous_response_id=true#KEY")
    target = route.target("gpt")
    assert (route.base_url, route.key) == ("https://host/v1", "KEY")
    assert target.settings == {"previous_response_id": "true"}
    assert parse_route("*=responses@https://host").target("gpt").settings == {}


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (
            "*=responses@https://host?previous_response_id=yes",
            r"sets `previous_response_id=yes` in its base URL; `responses` takes "
            r"`previous_response_id=true\|false` there",
        ),
        ("*=responses@https://host?stored=true", "sets `stored=true`"),
        ("*=responses@https://host?stored", "sets `stored=`"),
        (
            "*=anthropic@https://host?a=b",
            "sets `a=b` in its base URL; `anthropic` takes no settings",
        ),
    ],
    ids=["value", "name", "no value", "provider"],
)
def test_a_setting_that_is_unknown_is_refused(text, reason):
    with pytest.raises(ValueError, match=reason):
        parse_route(text)
