"""Names in the characters that Gemini takes, and what an id tells of its origin.

What does not fit is changed by a rule that depends on nothing but the name, so that a call and
its result, and a function and its call, agree without anything being kept: other characters
become `_`, and a digest of the whole name keeps names apart that differ in those alone.

Source: Gemini API reference, "FunctionDeclaration" (2026-09). Older models take 64 characters.
"""

from __future__ import annotations

import hashlib
import re

from transforms.contract import JSON

_LONGEST = 64
_DIGEST = 12

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.:-]{0,63}")
_NOT_IN_NAME = re.compile(r"[^A-Za-z0-9_.:-]")

_MADE_ID = re.compile(r"call_[0-9A-Za-z]+(?:_[0-9]+)+")
"""What `Call.tool_call_id` makes for a model that gives none."""


def function_name(name: str) -> str:
    """A function's name as the name of a `FunctionDeclaration`."""
    if _NAME.fullmatch(name):
        return name
    digest = hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:_DIGEST]
    kept = _NOT_IN_NAME.sub("_", name)[: _LONGEST - _DIGEST - 2]
    return f"_{kept}_{digest}"


def told_names(request: JSON) -> dict[str, str]:
    """The names of the client's functions, by the names under which they were sent."""
    functions = [tool.get("function") for tool in request.get("tools") or ()]
    names = [function.get("name") for function in functions if isinstance(function, dict)]
    return {function_name(name): name for name in names if isinstance(name, str)}


def id_fields(call_id: str) -> JSON:
    """`id` of a call or its result; nothing for an id that Gemini never gave."""
    return {} if _MADE_ID.fullmatch(call_id) else {"id": call_id}
