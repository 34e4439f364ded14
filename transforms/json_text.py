"""JSON text to objects and back: fast where msgspec can, correct where it cannot.

msgspec refuses lone surrogates (`"\\ud83d"`, which JavaScript clients do send when they cut
text between two halves of an emoji), and numbers beyond a double. The standard library reads
and writes the former, so it is asked second.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterator
from typing import Any, NoReturn

import msgspec

_decode = msgspec.json.Decoder().decode
_decode_members = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_spaced = msgspec.json.format
_encode = msgspec.json.Encoder().encode
_decode_elements = msgspec.json.Decoder(list[msgspec.Raw]).decode
_NAME = re.compile(rb'[\s,]*"[^"\\]*+(?:\\.[^"\\]*+)*+"\s*:\s*')
_GAP = re.compile(rb"[\s,]*")


def loads(text: bytes) -> Any:
    """The value of a JSON text in UTF-8.

    Raises:
        ValueError: not JSON, not UTF-8, nested too deeply, or a number no double can hold.
    """
    try:
        return _decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return _read(text.decode("utf-8"))
    except RecursionError as exc:
        raise ValueError("nested too deeply") from exc


def loads_text(text: str) -> Any:
    """The value of a JSON text that is a string of its own, in which lone surrogates may stand.

    Raises:
        ValueError: not JSON, nested too deeply, or a number no double can hold.
    """
    try:
        return loads(text.encode())
    except UnicodeEncodeError:
        return _read(text)


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


Path = tuple[str | int, ...]
"""Where something is in a JSON value: the names and places to follow."""


def repeated_members(text: bytes, value: Any) -> Iterator[Path]:
    """Where objects in a JSON text, whose value is known, hold a name twice, as they come.

    Which of the two counts depends on who reads, so such a text says two things at once. A text
    that is what would be written of its value, but for spaces, holds none; only others are read
    again.

    Raises:
        ValueError: nested too deeply.
    """
    if _is_written_as(text, value) or not _repeats(text):
        return iter(())
    return _repeated(_read_again(text, _Members))


def places_of_elements(text: bytes, name: str) -> tuple[int, list[int]]:
    """Where a list begins that an object, given as text, holds under a name, and where its elements
    end: the byte after the bracket, and after each element.

    Of an object that holds no name twice at its top (`repeated_members`).

    Raises:
        ValueError: not a JSON object that holds such a list, or one with lone surrogates in it.
    """
    try:
        position = text.index(b"{") + 1
        for each, value in _decode_members(text).items():
            match = _NAME.match(text, position)
            position = match.end() if match is not None else position
            if each == name:
                return position + 1, _ends(text, position + 1, _decode_elements(value))
            position += memoryview(value).nbytes
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as exc:
        raise ValueError(str(exc)) from exc
    raise ValueError(f"no member is called {name}")


def ends_of_elements(text: bytes) -> list[int]:
    """Where the elements of a list, given as text, end: the byte after each.

    Raises:
        ValueError: not a JSON list, or one with lone surrogates in it.
    """
    try:
        return _ends(text, text.index(b"[") + 1, _decode_elements(text))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as exc:
        raise ValueError(str(exc)) from exc


def _ends(text: bytes, position: int, elements: list[msgspec.Raw]) -> list[int]:
    ends = []
    for element in elements:
        gap = _GAP.match(text, position)
        position = (gap.end() if gap else position) + memoryview(element).nbytes
        ends.append(position)
    return ends


def _is_written_as(text: bytes, value: Any) -> bool:
    try:
        written = dumps(value)
        return text == written or _spaced(text, indent=-1) == written
    except (ValueError, RecursionError, msgspec.DecodeError):
        return False


def _repeats(text: bytes) -> bool:
    found = False

    def note(pairs: list[tuple[str, Any]]) -> None:
        nonlocal found
        found = found or len(dict(pairs)) < len(pairs)

    _read_again(text, note)
    return found


class _Members(list[tuple[str, Any]]):
    """What an object holds, with every name as often as it is there."""


def _read_again(text: bytes, read_object: Callable[[list[tuple[str, Any]]], Any]) -> Any:
    try:
        return json.loads(
            text.decode("utf-8"), object_pairs_hook=read_object, parse_int=str, parse_float=str
        )
    except RecursionError as exc:
        raise ValueError("nested too deeply") from exc


def _repeated(value: Any) -> Iterator[Path]:
    waiting: list[tuple[Path, Any]] = [((), value)]
    while waiting:
        path, each = waiting.pop()
        within: list[tuple[Path, Any]] = []
        if isinstance(each, _Members):
            seen: set[str] = set()
            for name, held in each:
                if name in seen:
                    yield *path, name
                seen.add(name)
                within.append(((*path, name), held))
        elif isinstance(each, list):
            within = [((*path, place), held) for place, held in enumerate(each)]
        waiting += reversed(within)


def _read(text: str) -> Any:
    try:
        return json.loads(text, parse_constant=_refuse_constant, parse_float=_finite_float)
    except RecursionError as exc:
        raise ValueError("nested too deeply") from exc


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"`{name}` is not JSON")


def _finite_float(digits: str) -> float:
    number = float(digits)
    if not math.isfinite(number):
        raise ValueError(f"`{digits}` is beyond a double")
    return number
