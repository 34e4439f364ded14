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
_QUERY_VALUE = re.compile(
    r"([?&;][^=&;#]*(?:key|token|secret|sig|pass|auth|credential|code)[^=&;#]*=)[^&;#]+",
    re.IGNORECASE,
)
_USERINFO = re.compile(r"//[^/?#@]+@")


class Redactor:
    """Redacts with the user's patterns beside what is always redacted."""

    def __init__(self, patterns: Sequence[re.Pattern[str]] = ()) -> None:
        self._patterns = tuple(patterns)
        self._clean: Lately[str] = Lately()
        """Long texts that held no key. A client sends its whole history with every call, so the
        next one mostly begins like one of them."""

    def json_text(self, text: str, secrets: Iterable[str] = (), *, shapes: bool = True) -> str:
        """A JSON text that is still JSON, with the same keys.

        `shapes=False` leaves the well-known shapes out, for a text that is known to have none.
        """
        for secret in secrets:
            for spelling in _spellings(secret):
                text = text.replace(spelling, REDACTED)
        if shapes:
            text = self._without_known_shapes(text)
        return _STRING.sub(self._string, text) if self._patterns else text

    def plain(self, text: str, secrets: Iterable[str] = ()) -> str:
        """A text that is not JSON, such as an error message."""
        for secret in secrets:
            text = text.replace(secret, REDACTED)
        return self._by_patterns(_without_known_shapes(text))

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

    def _without_known_shapes(self, text: str) -> str:
        if not _LONG <= len(text) <= _LONGEST_REMEMBERED:
            return _without_known_shapes(text)
        known, earlier = 0, None
        for clean in self._clean:
            common = common_start(text, clean)
            if common > known:
                known, earlier = common, clean
        redacted = _without_known_shapes(text, max(known - _OVERLAP, 0))
        if redacted is text:
            if earlier is not None and known > len(earlier) // 2:
                self._clean.remove(earlier)
            self._clean.add(text, sys.getsizeof(text))
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


def _without_known_shapes(text: str, start: int = 0) -> str:
    """The text without key shapes; nothing before `start` begins one."""
    for look, shape in _SHAPES:
        if look.search(text, start):
            text = shape.sub(REDACTED, text)
    if text.find("PRIVATE KEY-----", start) >= 0:
        text = _PRIVATE_KEY.sub(REDACTED, text)
    return text
