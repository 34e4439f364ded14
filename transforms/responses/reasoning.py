"""Reasoning items to `reasoning_details`, and back.

A model of the Responses API keeps its thought in items of its own, sealed for whoever stores
nothing. Chat completions have no place for them, so they travel in the list that OpenRouter made
customary: each entry holds one text or the sealed content of an item, and entries of one `id`
belong together. On the way back an item must stand right before the item it led to; entries of
items that led to a call name that call. An item that led to nothing a client sends back (a
search on the server, a cut answer) is not told at all, for alone the API refuses it.

Source: Responses API reference, "Reasoning" (2026-09); OpenRouter, "Preserving reasoning".
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from transforms.contract import JSON

FORMAT = "openai-responses-v1"
"""Marks the entries that belong to this API; sealed content of others would be refused."""

CALLS = ("function_call", "custom_tool_call")
"""Kinds of output items that ask the client for something."""

_TEXTS = (
    ("summary", "summary_text", "reasoning.summary", "summary"),
    ("content", "reasoning_text", "reasoning.text", "text"),
)
"""Member of an item, kind of its parts, kind of the entry, member of the entry."""


def reasoning_details(output: list[JSON], call_ids: list[str]) -> list[JSON]:
    """The entries for the reasoning items of an answer that can be sent back.

    `call_ids` are the ids of its calls, in their order.
    """
    entries: list[JSON] = []
    for item, call_id in _items_with_follower(output, call_ids):
        shared = {"id": item.get("id"), "format": FORMAT, "tool_call_id": call_id}
        for told in _told_entries(item):
            entries.append({**told, **_said(shared), "index": len(entries)})
    return entries


def _items_with_follower(
    output: list[JSON], call_ids: list[str]
) -> Iterator[tuple[JSON, str | None]]:
    """Reasoning items, each with the call it led to, or None for the first message.

    Messages are joined into one, which takes the place of the first; what led to a later one
    has no place any more.
    """
    waiting: list[JSON] = []
    messages = calls = 0
    for item in output:
        kind = item.get("type")
        if kind == "reasoning":
            waiting.append(item)
            continue
        if kind in CALLS:
            yield from ((each, call_ids[calls]) for each in waiting)
        elif kind == "message" and not messages:
            yield from ((each, None) for each in waiting)
        waiting = []
        calls += kind in CALLS
        messages += kind == "message"


def _told_entries(item: JSON) -> Iterator[JSON]:
    if not can_be_sent_back(item):
        return
    for member, kind, entry, name in _TEXTS:
        for part in parts(item, member):
            if part.get("type") == kind:
                yield {"type": entry, name: text(part.get("text"))}
    if text(item.get("encrypted_content")):
        yield {"type": "reasoning.encrypted", "data": item["encrypted_content"]}


def can_be_sent_back(item: JSON) -> bool:
    """Whether an item holds its thought itself. An id or a summary alone would have to be looked
    up, and nothing is stored."""
    return bool(text(item.get("encrypted_content")) or parts(item, "content"))


def reasoning_items(details: list[Any]) -> Iterator[tuple[JSON, str | None]]:
    """The items that entries make up, each with the id of the call it led to, if any."""
    groups: list[list[JSON]] = []
    for entry in details:
        if not isinstance(entry, dict) or entry.get("format") != FORMAT:
            continue
        if groups and _goes_on(groups[-1][-1], entry):
            groups[-1].append(entry)
        else:
            groups.append([entry])
    for group in groups:
        item = _item(group)
        if can_be_sent_back(item):
            yield item, text(group[0].get("tool_call_id")) or None


def _goes_on(last: JSON, entry: JSON) -> bool:
    """The sealed content is the last entry of an item, so that two without ids stay apart."""
    return last.get("id") == entry.get("id") and last.get("type") != "reasoning.encrypted"


def _item(group: list[JSON]) -> JSON:
    item: JSON = {"type": "reasoning", "id": group[0].get("id"), "summary": []}
    for entry in group:
        for member, kind, known, name in _TEXTS:
            if entry.get("type") == known:
                part = {"type": kind, "text": text(entry.get(name))}
                item.setdefault(member, []).append(part)
        if entry.get("type") == "reasoning.encrypted":
            item["encrypted_content"] = entry.get("data")
    return _said(item)


def reasoning_texts(item: JSON) -> list[str]:
    """What there is to read in an item: the thought itself, else its summary."""
    told = [text(part.get("text")) for part in parts(item, "content")]
    told = told or [text(part.get("text")) for part in parts(item, "summary")]
    return [each for each in told if each]


def parts(item: JSON, member: str) -> list[JSON]:
    """The parts of an item, whatever a host put in their place."""
    told = item.get(member)
    return [part for part in told if isinstance(part, dict)] if isinstance(told, list) else []


def text(value: object) -> str:
    """The value if it is text."""
    return value if isinstance(value, str) else ""


def _said(mapping: JSON) -> JSON:
    return {name: value for name, value in mapping.items() if value is not None}
