"""What must never be stored, replaced by `[redacted]` before anything is queued.

Three kinds: the keys of the exchange itself, by plain replacement; texts that have the shape of
a well-known key, on the JSON text as it stands; and the user's own patterns, on the decoded
string values, so that what is stored is still JSON.

Bodies of 400 kB pass here with every call and hold no key, so looking must be cheap. A regular
expression that begins with one literal character runs at the speed of a memory scan; each such
scan finds a whole family of keys by the character that ends their prefix, and looks back.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from recording.bodies import clean_text, common_start
from recording.lately import Lately
from transforms import json_text

REDACTED = "[redacted]"

SHORTEST_SECRET = 8
"""Characters. Dummy keys of local servers (`ollama`, `x`) are words, not secrets."""

# A key begins after something that is not part of a word, or after a JSON escape (`\nsk-...`).
_BEFORE = r"(?<![A-Za-z0-9]{0})|(?<=\\[bfnrt]{0})|(?<=\\u[0-9a-fA-F]{{4}}{0})"
_WORD = "[A-Za-z0-9_-]{16,}"

_BEFORE_DASH = (
    *("sk", "csk", "xai", "pplx", "nvapi", "tvly", "glpat", "pypi", "GOCSPX", "dapi"),
    *("xoxa", "xoxb", "xoxe", "xoxp", "xoxr", "xoxs", "xapp"),
)
_BEFORE_UNDERSCORE = (
    *("gsk", "hf", "r8", "fw", "tgp_v1", "npm", "github_pat", "dop_v1", "whsec"),
    *("ghp", "gho", "ghu", "ghs", "ghr", "sk_live", "sk_test", "rk_live", "rk_test"),
)

Shape = tuple[re.Pattern[str], re.Pattern[str]]
"""A quick look whether there is one, and the pattern that takes it whole."""


def _prefixed(names: Sequence[str], last: str) -> Shape:
    """Keys that begin with one of the names and the character after it."""
    starts = "|".join(
        f"(?<={name}{last})(?:{_BEFORE.format(re.escape(name + last))})" for name in names
    )
    taken = f"(?:{_BEFORE.format('')})(?:{'|'.join(names)}){last}{_WORD}"
    return re.compile(f"{last}(?={_WORD})(?:{starts})"), re.compile(taken)


def _whole(pattern: str) -> Shape:
    return re.compile(pattern, re.ASCII), re.compile(pattern, re.ASCII)


_SHAPES: tuple[Shape, ...] = (
    _prefixed(_BEFORE_DASH, "-"),
    _prefixed(_BEFORE_UNDERSCORE, "_"),
    # Not after `+` or `/`: inside base64 any four letters turn up.
    _whole(
        r"A(?=Iza|KIA|SIA)(?:(?<![A-Za-z0-9+/]A)|(?<=\\[bfnrt]A)|(?<=\\u[0-9a-fA-F]{4}A))"
        r"(?:Iza[\w-]{35}|(?:KIA|SIA)[0-9A-Z]{16})"
    ),
    # Some encoders of JSON escape slashes.
    _whole(r"Bearer (?:[A-Za-z0-9._~+/=-]|\\/){16,}"),
    (
        re.compile(r"J(?<=eyJ)[\w-]{8,}\.eyJ", re.ASCII),
        re.compile(r"eyJ[\w-]{8,}\.eyJ[\w-]{8,}(?:\.[\w-]*)?", re.ASCII),
    ),
)

_PRIVATE_KEY = re.compile(
    # To the end mark, or else to the end of the JSON string.
    r"-----BEGIN [A-Z ]*PRIVATE KEY-----"
    r"(?:(?:[^\"\\]|\\[^\"])*?-----END [A-Z ]*PRIVATE KEY-----|(?:[^\"\\]|\\[^\"])*)"
)

_LONG = 64 << 10
_LONGEST_REMEMBERED = 2 << 20
_OVERLAP = 4096
"""Characters, beyond which no key reaches: one may lie across the end of what is known."""

_STRING = re.compile(r'"((?:[^"\\]|\\.)*+)"(\s*:)?')
_SPELLED_TWICE = re.compile(r"[^ !#-.0-\[\]-~]")
"""A character for which JSON has another spelling that encoders use."""

_QUERY_VALUE = re.compile(
    r"([?&;][^=&;#]*(?:key|token|secret|sig|pass|auth|credential|code)[^=&;#]*=)[^&;#]+",
    re.IGNORECASE,
)
_USERINFO = re.compile(r"//[^/?#@]+@")


class _Clean(NamedTuple):
    """A long text in which nothing was found."""

    text: str
    sought: tuple[str, ...]
    """The secrets that are not in it, beside the well-known shapes."""


class Redactor:
    """Redacts with the user's patterns beside what is always redacted."""

    def __init__(self, patterns: Sequence[re.Pattern[str]] = ()) -> None:
        self._patterns = tuple(patterns)
        self._clean: Lately[_Clean] = Lately(most=12)
        """A client sends its whole history with every call, so the next one mostly begins like one
        of these: half of them clients' bodies, half of them providers'."""

    def json_text(self, text: str, secrets: Iterable[str] = ()) -> str:
        """A JSON text that is still JSON, with the same keys."""
        sought = tuple(spelling for secret in secrets for spelling in _spellings(secret))
        is_long = _LONG <= len(text) <= _LONGEST_REMEMBERED
        text = self._without_keys(text, sought) if is_long else _without_keys(text, sought)
        return _STRING.sub(self._string, text) if self._patterns else text

    def plain(self, text: str, secrets: Iterable[str] = ()) -> str:
        """A text that is not JSON, such as an error message."""
        return self._by_patterns(_without_keys(text, secrets))

    def plain_texts(self, texts: Mapping[str, str], secrets: Iterable[str]) -> dict[str, str]:
        """Several texts that are not JSON, by their names, clean for every database.

        Looked at together first, since mostly none of them holds a key. A user's pattern may be
        about the beginning or the end of a text, and so is tried on each.
        """
        clean = {name: clean_text(text) for name, text in texts.items()}
        joined = "\n".join(clean.values())
        if not self._patterns and self.plain(joined, secrets) == joined:
            return clean
        return {name: self.plain(text, secrets) for name, text in clean.items()}

    def _without_keys(self, text: str, sought: tuple[str, ...]) -> str:
        """A long text without keys, which are sought only after what is known to have none."""
        known, earlier = 0, None
        for clean in self._clean:
            common = common_start(text, clean.text) if clean.sought == sought else 0
            if common > known:
                known, earlier = common, clean
        overlap = max((_OVERLAP, *map(len, sought)))
        redacted = _without_keys(text, sought, max(known - overlap, 0))
        if redacted is text:
            if earlier is not None and known > len(earlier.text) // 2:
                self._clean.remove(earlier)
            self._clean.add(_Clean(text, sought), sys.getsizeof(text))
        return redacted

    def _string(self, match: re.Match[str]) -> str:
        literal = match.group()
        if match.group(2) is not None:
            return literal
        value = json.loads(literal, strict=False)
        redacted = self._by_patterns(value)
        return literal if redacted == value else json_text.dumps(redacted).decode()

    def _by_patterns(self, value: str) -> str:
        for pattern in self._patterns:
            # A pattern that may match nothing must not write between all characters.
            value = pattern.sub(lambda match: REDACTED if match.group() else "", value)
        return value


def _spellings(secret: str) -> set[str]:
    """A secret as it may stand within a JSON text."""
    if not _SPELLED_TWICE.search(secret):
        return {secret}
    escaped = json.dumps(secret)[1:-1]
    return {secret, escaped, escaped.replace("/", "\\/")}


def redact_url(url: str) -> str:
    """A URL or path without its userinfo and the query values that are named like keys."""
    return _QUERY_VALUE.sub(rf"\1{REDACTED}", _USERINFO.sub(f"//{REDACTED}@", url))


def secret_values(values: Iterable[str]) -> tuple[str, ...]:
    """The values that are long enough to be secrets, longest first."""
    return tuple(
        sorted({value for value in values if len(value) >= SHORTEST_SECRET}, key=len, reverse=True)
    )


def _without_keys(text: str, sought: Iterable[str], start: int = 0) -> str:
    """The text without these secrets and without key shapes; none begins before `start`."""
    for secret in sought:
        if text.find(secret, start) >= 0:
            text = text.replace(secret, REDACTED)
    for look, shape in _SHAPES:
        if look.search(text, start):
            text = shape.sub(REDACTED, text)
    if text.find("PRIVATE KEY-----", start) >= 0:
        text = _PRIVATE_KEY.sub(REDACTED, text)
    return text
