"""JSON schemas in the dialect that Bedrock enforces.

Schemas of tools that are only described pass whole. One that the answer must keep to is refused
for certain keywords: these move into the description, where the model still reads them, and every
object that says nothing of further properties says that it has none.

Source: Amazon Bedrock user guide, "Structured output" (2026-09); refusals as seen by
pydantic/pydantic-ai, `providers/bedrock.py` (2026-08).
"""

from __future__ import annotations

from typing import Any

from transforms.schemas import changed_inside, closed

_UNENFORCED = frozenset(
    {"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf", "maxItems"}
)


def enforced_schema(schema: Any) -> Any:
    """The schema as far as Bedrock can enforce it, the rest told in words."""
    if not isinstance(schema, dict):
        return schema
    unenforced = [name for name in schema if _is_unenforced(name, schema[name])]
    kept = {
        name: value
        for name, value in schema.items()
        if name not in unenforced and name != "$schema"
    }
    kept = changed_inside(kept, enforced_schema)
    if unenforced:
        words = ", ".join(f"{name}={schema[name]}" for name in unenforced)
        description = kept.get("description")
        kept["description"] = f"{description} ({words})" if description else words
    return closed(kept)


def _is_unenforced(name: str, value: object) -> bool:
    if name == "minItems":
        return value not in (0, 1)
    return name in _UNENFORCED
