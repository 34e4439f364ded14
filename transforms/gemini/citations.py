"""`annotations` from what an answer rests on.

Gemini counts places in bytes of UTF-8, OpenAI in characters. A source without a title, such as
a search page or a stored file, has no place in OpenAI's format.

Source: Gemini API reference, "GroundingMetadata" and "CitationMetadata" (2026-09).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from transforms.contract import JSON


def url_citations(candidate: JSON, content: str) -> list[JSON]:
    """A `url_citation` for each place in the content and each page it rests on."""
    encoded = content.encode("utf-8", "surrogatepass")
    return [
        {
            "type": "url_citation",
            "url_citation": {
                "url": source["uri"],
                "title": source["title"],
                "start_index": _characters(encoded, place.get("startIndex")),
                "end_index": _characters(encoded, place.get("endIndex")),
            },
        }
        for source, place in (*_grounded(candidate), *_cited(candidate))
        if isinstance(source.get("uri"), str) and isinstance(source.get("title"), str)
    ]


def _grounded(candidate: JSON) -> Iterator[tuple[JSON, JSON]]:
    """Web pages, with the segments that they support."""
    metadata = _object(candidate.get("groundingMetadata"))
    pages = [_object(_object(chunk).get("web")) for chunk in _list(metadata, "groundingChunks")]
    for support in _list(metadata, "groundingSupports"):
        for number in _list(support, "groundingChunkIndices"):
            if isinstance(number, int) and 0 <= number < len(pages):
                yield pages[number], _object(_object(support).get("segment"))


def _cited(candidate: JSON) -> Iterator[tuple[JSON, JSON]]:
    """Texts that the answer repeats."""
    for citation in _list(candidate.get("citationMetadata"), "citations"):
        yield _object(citation), _object(citation)


def _characters(encoded: bytes, place: Any) -> int:
    """Characters before a place in bytes, which is left out where it is the start."""
    before = encoded[: max(place, 0)] if isinstance(place, int) else b""
    return len(before.decode("utf-8", "ignore"))


def _object(value: Any) -> JSON:
    return value if isinstance(value, dict) else {}


def _list(value: Any, name: str) -> list[Any]:
    found = _object(value).get(name)
    return found if isinstance(found, list) else []
