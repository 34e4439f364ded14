"""JSON text to objects and back: fast where msgspec can, correct where it cannot.

msgspec refuses lone surrogates (`"\\ud83d"`, which JavaScript clients do send when they cut
text between two halves of an emoji), and numbers beyond a double. The standard library reads
and writes the former, so it is asked second.
"""

from __future__ import annotations

import json
import math
import re
from typing import Any, NoReturn

import msgspec

_decode = msgspec.json.Decoder().decode
_decode_members = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_encode = msgspec.json.Encoder().encode
_FIRST_IS_SPACED = re.compile(rb'\{"[^"\\]*": ')


def loads(text: bytes) -> Any:
    """The value of a JSON text in UTF-8.

    Raises:
        ValueError: not JSON, not UTF-8, nested too deeply, or a number no double can hold.
    """
    try:
        return _decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return _patient_loads(text)
    except RecursionError as exc:
        raise ValueError("nested too deeply") from exc


def dumps(value: Any) -> bytes:
    """Compact JSON text in UTF-8, keys in their order.

    Raises:
        ValueError: a value that JSON cannot hold.
    """
    try:
        return _encode(value)
    except UnicodeEncodeError:
        # A lone surrogate has no UTF-8; escaped as ASCII it is legal JSON.
        return json.dumps(value, separators=(",", ":"), allow_nan=False).encode("ascii")
    except (TypeError, RecursionError) as exc:
        raise ValueError(str(exc)) from exc


def repeated_member(text: bytes) -> str | None:
    """The first name that a JSON object, given as text, holds twice at its top.

    Which of the two counts depends on who reads, so such a text says two things at once. The
    lengths of its members tell a text of the usual spacing apart; only others are read again.

    Raises:
        ValueError: not a JSON object.
    """
    try:
        members = _decode_members(text)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return _read_again(text)
    count = len(members)
    told = sum(len(name) + memoryview(value).nbytes for name, value in members.items())
    spacing = len(text) - told - (4 * count + 1)
    # Of the two usual spacings, the one that the first member has.
    usual = 2 * count - 1 if _FIRST_IS_SPACED.match(text) else 0
    return None if spacing == usual else _read_again(text)


def _read_again(text: bytes) -> str | None:
    top: list[tuple[str, Any]] = []

    def note(pairs: list[tuple[str, Any]]) -> None:
        # Objects are told from the inside out, the outermost last.
        nonlocal top
        top = pairs

    try:
        json.loads(text.decode("utf-8"), object_pairs_hook=note, parse_int=str, parse_float=str)
    except RecursionError as exc:
        raise ValueError("nested too deeply") from exc
    seen: set[str] = set()
    for name, _ in top:
        if name in seen:
            return name
        seen.add(name)
    return None


def _patient_loads(text: bytes) -> Any:
    try:
        return json.loads(
            text.decode("utf-8"), parse_constant=_refuse_constant, parse_float=_finite_float
        )
    except RecursionError as exc:
        raise ValueError("nested too deeply") from exc


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"`{name}` is not JSON")


def _finite_float(digits: str) -> float:
    number = float(digits)
    if not math.isfinite(number):
        raise ValueError(f"`{digits}` is beyond a double")
    return number
