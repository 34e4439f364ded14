"""JSON schemas of tools and answers, as far as providers change them alike.

A schema passes whole, whatever is in it, but for what is refused.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from transforms.contract import JSON
from transforms.errors import RequestError, unsupported

JSON_ONLY = "Answer with one JSON object and nothing else: no prose around it, no code fence."
"""What the model is told where it has no JSON mode, or one that wants to be spoken of."""

_SCHEMAS_BY_NAME = frozenset({"properties", "$defs", "definitions", "patternProperties"})
_SCHEMAS_IN_LIST = frozenset({"anyOf", "allOf", "oneOf", "prefixItems"})
_SCHEMA_INSIDE = frozenset({"items", "not"})


def wanted_schema(asked: JSON, is_kept: bool) -> JSON | None:
    """The `json_schema`, with its `schema`, that the answer is to fit; None where any will do.

    Raises:
        RequestError: there is no such form of an answer, or no schema, or none `is_kept` to.
    """
    wanted = asked.get("response_format", {"type": "text"})
    kind = wanted.get("type")
    if kind in ("text", "json_object"):
        return None
    if kind != "json_schema":
        raise RequestError(
            f"`response_format.type` is `{kind}`; it must be text, json_object or json_schema.",
            param="response_format.type",
        )
    if not is_kept:
        raise unsupported("response_format", "asks for a schema, which this model does not keep")
    named = wanted.get("json_schema")
    if not isinstance(named, dict) or not isinstance(named.get("schema"), dict):
        raise RequestError(
            "`response_format.json_schema.schema` must be a JSON schema object.",
            param="response_format.json_schema.schema",
        )
    return named


def wants_json(asked: JSON) -> bool:
    """Whether the answer is to be JSON, whatever is in it."""
    return bool(asked.get("response_format", {}).get("type") == "json_object")


def without_dialect(schema: JSON) -> JSON:
    """The schema without `$schema`, which is refused."""
    return {name: value for name, value in schema.items() if name != "$schema"}


def input_schema(schema: JSON) -> JSON:
    """The schema of a tool as it is, but for `$schema`; its type must be told."""
    schema = without_dialect(schema)
    if not schema:
        return {"type": "object", "properties": {}}
    return schema if "type" in schema else {"type": "object", **schema}


def closed(schema: JSON) -> JSON:
    """The schema, which has no further properties if it is that of an object and does not say."""
    is_object = schema.get("type") == "object" or "properties" in schema
    if not is_object or "additionalProperties" in schema:
        return schema
    return {**schema, "additionalProperties": False}


def changed_inside(schema: JSON, change: Callable[[Any], Any]) -> JSON:
    """The schema with each schema right inside it changed."""
    return {name: _changed(name, value, change) for name, value in schema.items()}


def _changed(name: str, value: Any, change: Callable[[Any], Any]) -> Any:
    if name in _SCHEMAS_BY_NAME and isinstance(value, dict):
        return {key: change(inner) for key, inner in value.items()}
    if name in _SCHEMAS_IN_LIST and isinstance(value, list):
        return [change(inner) for inner in value]
    return change(value) if name in _SCHEMA_INSIDE else value
