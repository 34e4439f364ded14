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
from urllib.parse import unquote

from recording.alike import common_end, common_start
from recording.bodies import clean_text
from recording.lately import LONG, Lately
from transforms import json_text

REDACTED = "[redacted]"
_REDACTED = REDACTED.encode()

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

Shape = tuple[re.Pattern[bytes], re.Pattern[bytes]]
"""A quick look whether there is one, and the pattern that takes it whole.

Both begin and end at an ASCII byte, and so never within a character.
"""


def _prefixed(names: Sequence[str], last: str) -> Shape:
    """Keys that begin with one of the names and the character after it."""
    starts = "|".join(
        f"(?<={name}{last})(?:{_BEFORE.format(re.escape(name + last))})" for name in names
    )
    whole = f"(?:{_BEFORE.format('')})(?:{'|'.join(names)}){last}{_WORD}"
    return _shape(f"{last}(?={_WORD})(?:{starts})", whole)


def _same(pattern: str) -> Shape:
    return _shape(pattern, pattern)


def _shape(quick: str, whole: str) -> Shape:
    return re.compile(quick.encode()), re.compile(whole.encode())


_SHAPES: tuple[Shape, ...] = (
    _prefixed(_BEFORE_DASH, "-"),
    _prefixed(_BEFORE_UNDERSCORE, "_"),
    # Not after `+` or `/`: inside base64 any four letters turn up.
    _same(
        r"A(?=Iza|KIA|SIA)(?:(?<![A-Za-z0-9+/]A)|(?<=\\[bfnrt]A)|(?<=\\u[0-9a-fA-F]{4}A))"
        r"(?:Iza[\w-]{35}|(?:KIA|SIA)[0-9A-Z]{16})"
    ),
    # Some encoders of JSON escape slashes.
    _same(r"Bearer (?:[A-Za-z0-9._~+/=-]|\\/){16,}"),
    _shape(r"J(?<=eyJ)[\w-]{8,}\.eyJ", r"eyJ[\w-]{8,}\.eyJ[\w-]{8,}(?:\.[\w-]*)?"),
)

_PRIVATE_KEY = re.compile(
    # To the end mark, or else to the end of the JSON string.
    rb"-----BEGIN [A-Z ]*PRIVATE KEY-----"
    rb"(?:(?:[^\"\\]|\\[^\"])*?-----END [A-Z ]*PRIVATE KEY-----|(?:[^\"\\]|\\[^\"])*)"
)

_LONGEST_REMEMBERED = 2 << 20

_STRING = re.compile(rb'"((?:[^"\\]|\\.)*+)"(\s*:)?')
_SPELLED_TWICE = re.compile(r"[^ !#-.0-\[\]-~]")
"""A character for which JSON has another spelling that encoders use."""
_LONE = re.compile("[\ud800-\udfff]")

_QUERY_VALUE = re.compile(
    r"([?&;][^=&;#]*(?:key|token|secret|sig|pass|auth|credential|code)[^=&;#]*=)([^&;#]+)",
    re.IGNORECASE,
)
_USERINFO = re.compile(r"//[^/?#@]+@")


class Secrets:
    """The keys of an exchange, as bytes: made once for all that is stored of it.

    In text in UTF-8, only what is UTF-8 itself is sought: anything else might begin or end within
    a character. A header may hold other bytes, and so may a raw piece of a stream.
    """

    def __init__(self, values: Iterable[str] = ()) -> None:
        """Looks for the values in this order."""
        values = tuple(values)
        spelled = [spelling for value in values for spelling in _spellings(value)]
        self.in_pieces = tuple(map(_as_sent, spelled))
        """In every spelling of JSON, of whatever bytes."""
        self.in_json = tuple(spelling.encode() for spelling in spelled if _is_text(spelling))
        """In every spelling of JSON."""
        self.in_plain = tuple(value.encode() for value in values if _is_text(value))
        """As they are."""


class _Clean(NamedTuple):
    """A long text in which nothing was found."""

    text: bytes
    sought: tuple[bytes, ...]
    """The secrets that are not in it, beside the well-known shapes."""


class Redactor:
    """Redacts with the user's patterns beside what is always redacted."""

    def __init__(self, patterns: Sequence[re.Pattern[str]] = ()) -> None:
        self._patterns = tuple(patterns)
        self._clean: Lately[_Clean] = Lately(most=12)
        """A client sends its whole history with every call, so the next one mostly begins like one
        of these: half of them clients' bodies, half of them providers'."""

    def json_text(self, text: bytes, secrets: Secrets) -> bytes:
        """A JSON text that is still JSON, with the same keys; the very same if nothing is found."""
        is_long = LONG <= len(text) <= _LONGEST_REMEMBERED
        without_keys = self._without_keys if is_long else _without_keys
        return self._in_strings(without_keys(text, secrets.in_json))

    def raw(self, piece: bytes, secrets: Secrets) -> bytes:
        """Bytes of a stream of JSON, however cut; the very same if nothing is found."""
        return self._in_strings(_without_keys(piece, secrets.in_pieces))

    def plain(self, text: str, secrets: Secrets) -> str:
        """A text that is not JSON, such as an error message."""
        encoded = text.encode("utf-8", "surrogatepass")
        without_keys = _without_keys(encoded, secrets.in_plain)
        return self._by_patterns(without_keys.decode("utf-8", "surrogatepass"))

    def plain_texts(self, texts: Mapping[str, str], secrets: Secrets) -> dict[str, str]:
        """Several texts that are not JSON, by their names, clean for every database.

        Looked at together first, since mostly none of them holds a key. A user's pattern may be
        about the beginning or the end of a text, and so is tried on each.
        """
        clean = {name: clean_text(text) for name, text in texts.items()}
        joined = "\n".join(clean.values())
        if not self._patterns and self.plain(joined, secrets) == joined:
            return clean
        return {name: self.plain(text, secrets) for name, text in clean.items()}

    def _without_keys(self, text: bytes, sought: tuple[bytes, ...]) -> bytes:
        """A long text without keys, which are sought only where there may be any."""
        earlier, known = self._clean.best(
            lambda clean: common_start(text, clean.text) if clean.sought == sought else 0
        )
        where = _unknown(text, earlier.text, known, sought) if earlier is not None else _EVERYWHERE
        redacted = _without_keys(text, sought, where)
        if redacted is text:
            if earlier is not None and known > len(earlier.text) // 2:
                self._clean.remove(earlier)
            self._clean.add(_Clean(text, sought), sys.getsizeof(text))
        return redacted

    def _in_strings(self, text: bytes) -> bytes:
        redacted = _STRING.sub(self._string, text) if self._patterns else text
        return text if redacted == text else redacted

    def _string(self, match: re.Match[bytes]) -> bytes:
        literal = match.group()
        if match.group(2) is not None:
            return literal
        text = literal.decode("utf-8", "surrogateescape")
        try:
            value = json.loads(text, strict=False)
        except ValueError:
            # A provider's raw piece need not be JSON.
            return self._by_patterns(text).encode("utf-8", "surrogateescape")
        redacted = self._by_patterns(value)
        return literal if redacted == value else json_text.dumps(redacted)

    def _by_patterns(self, value: str) -> str:
        for pattern in self._patterns:
            # A pattern that may match nothing must not write between all characters.
            value = pattern.sub(lambda match: REDACTED if match.group() else "", value)
        return value


def _spellings(secret: str) -> Iterable[str]:
    """A secret as it may stand within a JSON text."""
    if not _SPELLED_TWICE.search(secret):
        return (secret,)
    escaped = json.dumps(secret)[1:-1]
    return dict.fromkeys((secret, escaped, escaped.replace("/", "\\/")))


def _is_text(value: str) -> bool:
    """Whether it has a place in UTF-8."""
    return _LONE.search(value) is None


def _as_sent(value: str) -> bytes:
    """The bytes of a header's value; a lone surrogate that stands for none of them stays one."""
    try:
        return value.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return value.encode("utf-8", "surrogatepass")


def redact_url(url: str) -> str:
    """A URL or path without its userinfo and the query values that are named like keys."""
    return _QUERY_VALUE.sub(rf"\1{REDACTED}", _USERINFO.sub(f"//{REDACTED}@", url))


def url_keys(url: str) -> list[str]:
    """The query values that are named like keys, as they are and as they are meant."""
    values = [value for _, value in _QUERY_VALUE.findall(url)]
    return values + [unquote(value) for value in values if "%" in value]


def secret_values(values: Iterable[str]) -> tuple[str, ...]:
    """The values that are long enough to be secrets, longest first."""
    return tuple(
        sorted({value for value in values if len(value) >= SHORTEST_SECRET}, key=len, reverse=True)
    )


def _unknown(text: bytes, clean: bytes, known: int, sought: Iterable[bytes]) -> slice:
    """Where a key may be in a text that begins, and perhaps ends, like one without keys.

    A key lies within one string of the JSON, and so within quotes; but of those sought, some may
    hold an escaped one.
    """
    end = len(text) - common_end(text, clean, min(len(text), len(clean)) - known)
    longest = max((len(secret) for secret in sought if b'"' in secret), default=0)
    start = min(text.rfind(b'"', 0, known), known - longest)
    quote = text.find(b'"', end)
    stop = max(quote + 1, end + longest) if quote >= 0 else len(text)
    return slice(max(start, 0), stop)


_EVERYWHERE = slice(0, sys.maxsize)


def _without_keys(text: bytes, sought: Iterable[bytes], where: slice = _EVERYWHERE) -> bytes:
    """The text without these secrets and without key shapes; none lies elsewhere."""
    start, stop = where.start, where.stop
    if any(text.find(secret, start, stop) >= 0 for secret in sought):
        for secret in sought:
            text = text.replace(secret, _REDACTED)
        # What follows may be in another place now.
        start, stop = 0, len(text)
    found = [whole for quick, whole in _SHAPES if quick.search(text, start, stop)]
    if text.find(b"PRIVATE KEY-----", start, stop) >= 0:
        found.append(_PRIVATE_KEY)
    for pattern in found:
        text = pattern.sub(_REDACTED, text)
    return text
