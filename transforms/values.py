"""Reading values that may be of any type, since providers send what they like."""

from __future__ import annotations

from typing import Any


def text_of(value: object) -> str | None:
    """The value if it is a text that says something."""
    return value if isinstance(value, str) and value else None


def member(value: object, name: str) -> Any:
    """A member of what may not be an object."""
    return value.get(name) if isinstance(value, dict) else None


def count(value: object) -> int | None:
    """The value as a count, None where it is no number."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return int(value)
