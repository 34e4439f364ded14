"""Members beside the messages as lines: parameters, tools offered, usage, why the answer ended.

All keep the words of the format they come from.
"""

from __future__ import annotations

from typing import Any

from inspection.parts import is_empty
from inspection.plain_text import Lines, compact, grouped, one_line, without_blobs
from transforms.contract import JSON

SYSTEM = ("system", "systemInstruction", "system_instruction", "instructions")
_TOOLS = ("tools", "functions", "functionDeclarations", "function_declarations")
_USAGE = ("usage", "usageMetadata")
_ENDS = ("finish_reason", "stop_reason", "done_reason", "finishReason", "stopReason", "status")
"""Why an answer ended, in each format's own word; shown first."""


def member_lines(body: JSON, prefix: str = "") -> Lines:
    """The members of a request or an answer beside its messages; ends and tools first."""
    order = [*_ENDS, *_TOOLS, *_USAGE]
    names = [name for name in order if name in body] + [name for name in body if name not in order]
    return [
        line
        for name in names
        if not is_empty(body[name])
        for line in _member(prefix + name, name, body[name])
    ]


def _member(title: str, name: str, value: Any) -> Lines:
    title = one_line(title)
    if name in _TOOLS and isinstance(value, list):
        return [f"{title}: {', '.join(one_line(_tool_name(tool)) for tool in value)}"]
    if name in _USAGE and isinstance(value, dict):
        return [f"{title}: {' · '.join(_counts(value))}"]
    if name == "logprobs" and isinstance(value, dict | list):
        return [f"{title}: {_token_count(value)} tokens"]
    if isinstance(value, dict) and value.keys() & {*_TOOLS, *SYSTEM}:
        return member_lines(value, f"{title}.")
    return [f"{title}: {one_line(without_blobs(value))}"]


def _tool_name(tool: Any) -> str:
    """The name of a tool offered, or of all tools where several share one entry."""
    if not isinstance(tool, dict):
        return compact(tool)
    for name in ("function", "custom", "toolSpec"):
        if isinstance(tool.get(name), dict):
            return _tool_name(tool[name])
    for name in ("functionDeclarations", "function_declarations"):
        if isinstance(tool.get(name), list):
            return ", ".join(_tool_name(item) for item in tool[name])
    named = tool.get("name") or tool.get("type")
    return named if isinstance(named, str) else compact(tool)


def _counts(usage: JSON, prefix: str = "") -> Lines:
    """Usage in the format's own words; details that are nothing are left out."""
    counts: Lines = []
    for name, value in usage.items():
        name = prefix + one_line(name)
        if isinstance(value, dict):
            details = {key: count for key, count in value.items() if count}
            counts += _counts(details, "" if name.endswith("details") else f"{name}.")
        elif isinstance(value, int | float) and not isinstance(value, bool):
            counts.append(f"{name} {grouped(value)}")
        elif not is_empty(value):
            counts.append(f"{name} {one_line(value)}")
    return counts


def _token_count(logprobs: Any) -> int:
    if isinstance(logprobs, dict):
        return sum(_token_count(tokens) for tokens in logprobs.values())
    return len(logprobs) if isinstance(logprobs, list) else 0
