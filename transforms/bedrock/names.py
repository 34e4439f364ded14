"""Names in the characters that Converse takes.

What does not fit is changed by a rule that depends on nothing but the name, so that a call and
its result, and a tool and its call, agree without anything being kept: other characters become
`_`, and a digest of the whole name keeps names apart that differ in those alone.

Source: Amazon Bedrock Runtime API reference, "ToolUseBlock" and "ToolSpecification" (2026-09).
"""

from __future__ import annotations

import hashlib
import re

from transforms.contract import JSON

_LONGEST = 64
_DIGEST = 12

_NOT_IN_ID = re.compile(r"[^A-Za-z0-9_.:-]")
_NOT_IN_NAME = re.compile(r"[^A-Za-z0-9_-]")


def tool_use_id(call_id: str) -> str:
    """A tool-call id as a `toolUseId`."""
    return _fitted(call_id, _NOT_IN_ID)


def tool_name(name: str) -> str:
    """A function's name as the name of a `toolSpec`."""
    return _fitted(name, _NOT_IN_NAME)


def told_names(request: JSON) -> dict[str, str]:
    """The names of the client's functions, by the names under which they were sent."""
    names = [(tool.get("function") or {}).get("name") for tool in request.get("tools") or ()]
    return {tool_name(name): name for name in names if isinstance(name, str)}


def _fitted(name: str, unfit: re.Pattern[str]) -> str:
    kept = unfit.sub("_", name)
    if kept == name and 0 < len(name) <= _LONGEST:
        return name
    digest = hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:_DIGEST]
    return f"{kept[: _LONGEST - _DIGEST - 1]}_{digest}"
