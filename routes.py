"""Which provider answers which model, at which address, with which key.

A route is written `PATTERN=PROVIDER[/MODEL][@BASE_URL][#KEY]`; the first whose pattern matches
the client's model wins. Nothing here opens a connection or reads the environment by itself.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from functools import cache
from urllib.parse import parse_qsl, urlsplit

import msgspec

from transforms import PROVIDERS
from transforms.contract import JSON, ErrorAnswer, Provider
from transforms.errors import RequestError

CLIENT_KEY = "client"
"""The `#KEY` that passes the client's own key on."""

_ROUTE = re.compile(
    r"(?P<provider>[^/@#]+)"
    r"(?:/(?P<model>(?:(?!@https?://).)+?))?"
    r"(?:@(?P<base_url>https?://[^\s#]+))?"
    r"(?:#(?P<key>[A-Za-z_]\w*))?"
)

_VARIABLE = re.compile(r"\{(?P<name>[A-Z][A-Z0-9_]*)(?::(?P<default>[^{}]*))?\}")


class Target(msgspec.Struct, frozen=True):
    """Where one call goes."""

    provider: Provider
    model: str
    """The provider's name for the model."""

    base_url: str
    key: str | None
    """Name of an environment variable, `client`, or None where no key is customary."""

    settings: Mapping[str, str] = msgspec.field(default_factory=dict)
    """Of the provider's own."""

    def filled_in(self, environment: Mapping[str, str]) -> Target:
        """The target with the base URL that its template stands for.

        Raises:
            RequestError: names a variable that is not set and has no default.
        """
        return msgspec.structs.replace(self, base_url=fill_in(self.base_url, environment))

    def url(self, path: str) -> str:
        """The address of the provider's path below the base URL.

        A path in the base URL is a prefix. Where it ends in what the provider's path begins
        with, the two overlap: `http://host/v1` and `/v1/messages` meet in `/v1`, since people
        write base URLs both ways.
        """
        base = self.base_url.rstrip("/")
        segments = path.split("/")
        for length in range(len(segments), 1, -1):
            overlap = "/".join(segments[:length])
            if urlsplit(base).path.endswith(overlap):
                return base.removesuffix(overlap) + path
        return base + path


@dataclass(frozen=True, slots=True)
class Route:
    """One `PATTERN=PROVIDER…` as the user wrote it."""

    pattern: str
    provider: Provider
    model: str | None
    base_url: str
    key: str | None
    settings: Mapping[str, str] = field(default_factory=dict)

    def target(self, model: str) -> Target:
        """Where a call for the client's `model` goes."""
        return Target(self.provider, self.model or model, self.base_url, self.key, self.settings)


def parse_route(text: str) -> Route:
    """The route that a user wrote.

    Raises:
        ValueError: says what is wrong and what is accepted.
    """
    pattern, equals, rest = text.partition("=")
    match = _ROUTE.fullmatch(rest)
    if not pattern or not equals or match is None:
        raise ValueError(f"`{text}` is not of the form PATTERN=PROVIDER[/MODEL][@BASE_URL][#KEY]")
    provider = PROVIDERS.get(match["provider"])
    if provider is None:
        known = ", ".join(sorted(PROVIDERS))
        raise ValueError(f"`{text}` names the provider `{match['provider']}`; known are {known}")
    base_url, _, query = (match["base_url"] or provider.base_url).partition("?")
    if not base_url:
        raise ValueError(f"`{text}` needs a base URL: {pattern}={rest}@https://host/v1")
    if not _has_host(base_url):
        raise ValueError(f"`{text}` has a base URL without a host: `{base_url}`")
    if "@" in urlsplit(_with_defaults(base_url)).netloc:
        raise ValueError(
            f"the route for `{pattern}` has a user in its base URL, who would never be sent; "
            "a key is named by `#KEY`, and is sent as the provider expects it"
        )
    return Route(
        *(pattern, provider, match["model"], base_url),
        key=match["key"] or provider.key_variable,
        settings=_settings(text, provider, query),
    )


def _settings(text: str, provider: Provider, query: str) -> dict[str, str]:
    """What a route sets of its provider's settings.

    Raises:
        ValueError: the provider has no such setting, or it does not take that value.
    """
    settings = dict(parse_qsl(query, keep_blank_values=True))
    for name, value in settings.items():
        if value not in provider.settings.get(name, ()):
            accepted = [f"`{each}={'|'.join(taken)}`" for each, taken in provider.settings.items()]
            raise ValueError(
                f"`{text}` sets `{name}={value}` in its base URL; `{provider.name}` takes "
                f"{' and '.join(accepted) or 'no settings'} there"
            )
    return settings


def _with_defaults(template: str) -> str:
    """The template with its defaults in it, so that scheme, host and port can be told apart."""
    return _VARIABLE.sub(
        # A variable at the beginning holds the scheme too.
        lambda match: match["default"] or ("https://unset" if match.start() == 0 else "unset"),
        template,
    )


def _has_host(url: str) -> bool:
    try:
        parts = urlsplit(_with_defaults(url))
        return bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        return False


class Routes:
    """All routes, in the order in which they are tried."""

    def __init__(self, texts: Iterable[str] = ()) -> None:
        self._routes = [parse_route(text) for text in texts]

    def __bool__(self) -> bool:
        return bool(self._routes)

    def target(self, model: str) -> Target | None:
        """Where a call for this model goes; None lets it go on to where the client sent it.

        With no matching route, `PROVIDER/NAME` goes to a known provider as if routed: by the route
        that names both, where there is one.
        """
        for route in self._routes:
            if fnmatchcase(model, route.pattern):
                return route.target(model)
        name, slash, rest = model.partition("/")
        for route in self._routes:
            if slash and (route.provider.name, route.model) == (name, rest):
                return route.target(model)
        provider = PROVIDERS.get(name)
        if slash and rest and provider is not None and provider.base_url:
            return Target(provider, rest, provider.base_url, provider.key_variable)
        return None

    def models(self) -> JSON:
        """OpenAI's model list: the models that the routes name, patterns left out."""
        return {
            "object": "list",
            "data": [
                {"id": model, "object": "model", "created": 0, "owned_by": provider}
                for model, provider in self._named().items()
            ],
        }

    def _named(self) -> dict[str, str]:
        named: dict[str, str] = {}
        for route in self._routes:
            is_glob = any(sign in route.pattern for sign in "*?[")
            if is_glob and route.model:
                # Whoever asks for the provider's own name goes there, if the pattern lets it.
                qualified = f"{route.provider.name}/{route.model}"
                if self.target(qualified) is not None:
                    named.setdefault(qualified, route.provider.name)
            elif not is_glob:
                named.setdefault(route.pattern, route.provider.name)
        return named


def fill_in(template: str, environment: Mapping[str, str]) -> str:
    """An address with its `{NAME}` and `{NAME:default}` taken from the environment.

    Raises:
        RequestError: names a variable that is not set and has no default.
    """

    def value(match: re.Match[str]) -> str:
        found = environment.get(match["name"]) or match["default"]
        if not found:
            raise RequestError(
                f"The address `{template}` needs the environment variable `{match['name']}` where "
                "the proxy runs; set it, or write the address into the route with `@BASE_URL`."
            )
        return found

    return _VARIABLE.sub(value, template)


@dataclass(frozen=True, slots=True)
class KeyRing:
    """The keys at hand for one call."""

    environment: Mapping[str, str]
    environment_allowed: bool
    """Whether this client may spend the keys of the environment."""

    client_key: str | None
    client_url: str
    """What the client addressed; its key may always go to that scheme, host and port."""

    def key_for(self, target: Target, url: str) -> str | None:
        """The key to send to `url`; None where the provider needs none.

        Raises:
            RequestError: 401, naming the variable, when a key is needed and there is none.
        """
        if target.key == CLIENT_KEY:
            return self._required(target, self.client_key)
        key = self.environment.get(target.key) if target.key else None
        if key and self.environment_allowed:
            return key
        if self.client_key and origin(url) == origin(self.client_url):
            return self.client_key
        if key and target.provider.key_required:
            raise _unauthorized(
                f"Keys from the environment (`{target.key}`) are for clients on the proxy's own "
                "machine. Set `chat_remote` or `proxyauth` to share them, or add `#client` to the "
                "route to use the client's own key."
            )
        return self._required(target, None)

    def beside(self, target: Target, key: str | None) -> dict[str, str]:
        """Headers that go along with the key, if it is the one in the customary variable."""
        provider = target.provider
        customary = provider.key_variable is not None and target.key == provider.key_variable
        if not customary or not self.environment_allowed:
            return {}
        if not key or key != self.environment.get(target.key or ""):
            return {}
        found = {name: self.environment.get(each) for name, each in provider.auth.beside.items()}
        return {name: value for name, value in found.items() if value}

    def signing_environment(self, target: Target) -> Mapping[str, str] | None:
        """The environment to sign with, for a provider that signs and has no key."""
        signs = target.provider.sign is not None and target.key == target.provider.key_variable
        if not signs or self.environment.get(target.key or ""):
            return None
        return self.environment if self.environment_allowed else None

    def _required(self, target: Target, key: str | None) -> str | None:
        explicit = target.key is not None and target.key != target.provider.key_variable
        if key or not (target.provider.key_required or explicit):
            return key
        if target.key == CLIENT_KEY:
            raise _unauthorized(
                f"The route to `{target.provider.name}` passes the client's key on (`#client`), "
                "but the client sent none."
            )
        raise _unauthorized(
            f"No key for `{target.provider.name}`: set the environment variable `{target.key}` "
            "where the proxy runs, or name another with `#VARIABLE` in the route."
        )


def origin(url: str) -> str:
    """Scheme, host and port of a URL, the port always written out."""
    parts = urlsplit(_with_defaults(url))
    port = parts.port or (443 if parts.scheme == "https" else 80)
    return f"{parts.scheme}://{parts.hostname}:{port}"


def provider_at(url: str) -> str:
    """The provider that lives at this address, `compatible` for all others."""
    return _names_by_origin().get(origin(url), "compatible")


@cache
def _names_by_origin() -> dict[str, str]:
    """The first provider at each address."""
    fixed = [provider for provider in PROVIDERS.values() if provider.base_url]
    return {origin(provider.base_url): provider.name for provider in reversed(fixed)}


def _unauthorized(message: str) -> RequestError:
    answer = ErrorAnswer(401, message, "invalid_request_error", "invalid_api_key")
    return RequestError(message, answer=answer)
