"""Diptych's options, and those of mitmproxy that would break a rewrite.

mitmproxy applies a value given before a script was loaded inside a task whose exceptions nobody
sees: `--set chat_keep_days=soon` would silently run the proxy without the addon, and calls would
go where the user did not mean them to. So such values are checked here first.
"""

from __future__ import annotations

import difflib
import logging
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from mitmproxy import ctx, exceptions
from mitmproxy.addonmanager import Loader

from recording.database import DEFAULT_URL
from recording.recorder import STORES
from routes import Routes

logger = logging.getLogger(__name__)

LOOPBACK = "127.0.0.1"
TEXTS = Sequence[str]


@dataclass(frozen=True, slots=True)
class Option:
    """One option as `--options` and the README show it."""

    name: str
    type: Any
    default: Any
    help: str
    choices: tuple[str, ...] | None = None


OPTIONS = (
    Option(
        "chat_db",
        str,
        DEFAULT_URL,
        "Database URL: sqlite:///FILE or postgresql://USER@HOST/NAME.",
    ),
    Option(
        "chat_routes",
        TEXTS,
        [],
        "Who answers which model: PATTERN=PROVIDER[/MODEL][@BASE_URL][#KEY]; the first match wins.",
    ),
    Option(
        "chat_store",
        str,
        "full",
        "What is recorded: full (bodies and metadata), metadata (no prompt or answer text), off.",
        STORES,
    ),
    Option(
        "chat_redact",
        TEXTS,
        [],
        "Regular expressions replaced by [redacted] in what is stored, never in what is sent.",
    ),
    Option("chat_keep_days", int, 0, "Days after which a session is deleted; 0 keeps all."),
    Option("chat_keep_mb", int, 0, "Megabytes beyond which the oldest sessions go; 0 keeps all."),
    Option("chat_raw", bool, False, "Keep the raw stream bytes too, with their arrival times."),
    Option(
        "chat_remote",
        bool,
        False,
        "Let clients that are not on this machine use keys from the environment and the pages.",
    ),
    Option(
        "chat_timeout",
        int,
        600,
        "Seconds without a byte from the provider after which a call fails with 504; 0 waits on.",
    ),
    Option(
        "chat_flows",
        int,
        500,
        "Recorded flows that mitmweb and mitmproxy go on showing, the latest, up to 128 MB; "
        "0 shows all.",
    ),
)

RECORDER_OPTIONS = frozenset(
    {"chat_db", "chat_store", "chat_redact", "chat_keep_days", "chat_keep_mb"}
)
"""Options that the recorder is opened with."""

_NAMES = frozenset(option.name for option in OPTIONS)


def declare(loader: Loader) -> None:
    """Adds Diptych's options to mitmproxy.

    Raises:
        AddonHalt: a value given at the start does not fit. The line logged before it, at the
            level that ends the start, names option, value and what is accepted.
    """
    try:
        _check_given(ctx.options.deferred)
    except exceptions.OptionsError as exc:
        # mitmproxy would swallow an OptionsError that comes out of `load`, and run on.
        logger.error(str(exc))
        raise exceptions.AddonHalt from exc
    for option in OPTIONS:
        loader.add_option(option.name, option.type, option.default, option.help, option.choices)


def _check_given(deferred: dict[str, Any]) -> None:
    options = {option.name: option for option in OPTIONS}
    for name, given in deferred.items():
        if name in options:
            _check_type(options[name], given)
        elif name.startswith("chat_"):
            near = difflib.get_close_matches(name, _NAMES, n=1)
            hint = f"; did you mean `{near[0]}`?" if near else ""
            raise exceptions.OptionsError(f"Unknown option `{name}`{hint}")


def _check_type(option: Option, given: Any) -> None:
    """`given` holds the texts from `--set`, or is a typed value from config.yaml."""
    texts = getattr(given, "val", None)
    fits, accepted = _FITS[option.type]
    if not fits(given if texts is None else _typed(option, texts)):
        raise bad_value(option.name, given if texts is None else " ".join(texts), accepted)


def _typed(option: Option, texts: list[str]) -> Any:
    """What mitmproxy will make of texts from the command line; a text it refuses stays one."""
    text = " ".join(texts)
    if option.type is int and re.fullmatch(r"\d+", text):
        return int(text)
    if option.type is bool and text in ("", "true", "false"):
        return text != "false"
    return text if option.type is not TEXTS else texts


def _is_texts(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(item, str) for item in value)


_LARGEST = 10**9
"""Beyond all that is meant, and in milliseconds still a number of the database's."""

_NUMBER = f"a whole number from 0 to {_LARGEST}"

_FITS: dict[Any, tuple[Callable[[Any], bool], str]] = {
    int: (lambda value: type(value) is int and 0 <= value <= _LARGEST, _NUMBER),
    bool: (lambda value: type(value) is bool, "true or false"),
    str: (lambda value: isinstance(value, str), "text"),
    TEXTS: (_is_texts, "a list of texts"),
}


def bad_value(name: str, value: object, accepted: str) -> exceptions.OptionsError:
    """The error for an option value that cannot be used."""
    return exceptions.OptionsError(f"Option `{name}` is `{value}`; accepted is {accepted}.")


def keys_for_all() -> bool:
    """Whether the keys of the proxy's environment are there for clients on other machines too."""
    return bool(ctx.options.chat_remote or getattr(ctx.options, "proxyauth", None))


def parse_routes(texts: Sequence[str]) -> Routes:
    """The routes of `chat_routes`.

    Raises:
        OptionsError: a route is not of the right form, or names no known provider.
    """
    try:
        return Routes(texts)
    except ValueError as exc:
        raise exceptions.OptionsError(f"Option `chat_routes`: {exc}.") from exc


def parse_patterns(texts: Sequence[str]) -> tuple[re.Pattern[str], ...]:
    """The expressions of `chat_redact`.

    Raises:
        OptionsError: a text is not a regular expression.
    """
    patterns = []
    for text in texts:
        try:
            patterns.append(re.compile(text))
        except re.error as exc:
            raise bad_value("chat_redact", text, f"a regular expression ({exc})") from exc
    return tuple(patterns)


def check_values() -> None:
    """Checks what mitmproxy itself does not.

    Raises:
        OptionsError: a number is one that nobody can mean, or a text is none of the choices.
    """
    for option in OPTIONS:
        value = getattr(ctx.options, option.name)
        if option.type is int and not 0 <= value <= _LARGEST:
            raise bad_value(option.name, value, _NUMBER)
        if option.choices and value not in option.choices:
            raise bad_value(option.name, value, " or ".join(option.choices))


def protect_rewrites() -> None:
    """Resets what would let a routed call out untranslated, and keeps strangers out.

    An eager connection contacts the client's host before any hook of the call; large bodies that
    are streamed leave before they can be rewritten.
    """
    if ctx.options.connection_strategy != "lazy":
        logger.warning(
            "connection_strategy is set to lazy: an eager one contacts the host that the client "
            "named, even where a route sends the call elsewhere."
        )
        ctx.options.update(connection_strategy="lazy")
    if ctx.options.stream_large_bodies:
        logger.warning(
            "stream_large_bodies is switched off: a request body that is streamed leaves before it "
            "can be translated."
        )
        ctx.options.update(stream_large_bodies=None)
    if not ctx.options.listen_host and not ctx.options.chat_remote:
        ctx.options.update(listen_host=LOOPBACK)
