"""JSON schemas in the dialect that Bedrock enforces.

Schemas of tools that are only described pass whole. One that the answer must keep to is refused
for certain keywords: these move into the description, where the model still reads them, and every
object that says nothing of further properties says that it has none.

Source: Amazon Bedrock user guide, "Structured output" (2026-09); refusals as seen by
pydantic/pydantic-ai, `providers/bedrock.py` (2026-08).
"""

from __future__ import annotations

from typing import Any

from transforms.contract import JSON

_UNENFORCED = frozenset(
    {"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf", "maxItems"}
)

_SCHEMAS_BY_NAME = ("properties", "$defs", "definitions", "patternProperties")
_SCHEMAS_IN_LIST = ("anyOf", "allOf", "oneOf", "prefixItems")
_SCHEMA_INSIDE = ("items", "not")


def input_schema(schema: JSON) -> JSON:
    """The schema of a tool as it is, but for `$schema`; its type must be told."""
    schema = {name: value for name, value in schema.items() if name != "$schema"}
    if not schema:
        return {"type": "object", "properties": {}}
    return schema if "type" in schema else {"type": "object", **schema}


def enforced_schema(schema: Any) -> Any:
    """The schema as far as Bedrock can enforce it, the rest told in words."""
    if not isinstance(schema, dict):
        return schema
    unenforced = [name for name in schema if _is_unenforced(name, schema[name])]
    kept = {
        name: _member(name, value)
        for name, value in schema.items()
        if name not in unenforced and name != "$schema"
    }
    if unenforced:
        words = ", ".join(f"{name}={schema[name]}" for name in unenforced)
        description = kept.get("description")
        kept["description"] = f"{description} ({words})" if description else words
    if schema.get("type") == "object" or "properties" in schema:
        kept.setdefault("additionalProperties", False)
    return kept


def _is_unenforced(name: str, value: object) -> bool:
    if name == "minItems":
        return value not in (0, 1)
    return name in _UNENFORCED


def _member(name: str, value: Any) -> Any:
    if name in _SCHEMAS_BY_NAME and isinstance(value, dict):
        return {key: enforced_schema(inner) for key, inner in value.items()}
    if name in _SCHEMAS_IN_LIST and isinstance(value, list):
        return [enforced_schema(inner) for inner in value]
    return enforced_schema(value) if name in _SCHEMA_INSIDE else value
