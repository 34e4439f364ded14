"""JSON text to objects and back: fast where msgspec can, correct where it cannot.

msgspec refuses lone surrogates (`"\\ud83d"`, which JavaScript clients do send when they cut
text between two halves of an emoji), and numbers beyond a double. The standard library reads
and writes the former, so it is asked second.
"""

from __future__ import annotations

import json
import math
from typing import Any, NoReturn

import msgspec

_decode = msgspec.json.Decoder().decode
_encode = msgspec.json.Encoder().encode


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
