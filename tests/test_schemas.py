"""JSON schemas as providers change them alike."""

from __future__ import annotations

from typing import Any

import pytest

from transforms.errors import RequestError
from transforms.schemas import (
    changed_inside,
    closed,
    input_schema,
    wanted_schema,
    wants_json,
    without_dialect,
)

DIALECT = {"$schema": "http://json-schema.org/draft-07/schema#"}


@pytest.mark.parametrize(
    ("schema", "told"),
    [
        ({}, {"type": "object", "properties": {}}),
        (DIALECT, {"type": "object", "properties": {}}),
        ({"properties": {}}, {"type": "object", "properties": {}}),
        ({"type": "string", **DIALECT}, {"type": "string"}),
    ],
    ids=["nothing", "dialect alone", "no type", "type"],
)
def test_the_schema_of_a_tool_tells_its_type(schema: dict[str, Any], told: dict[str, Any]) -> None:
    assert input_schema(schema) == told


def test_the_rest_of_a_schema_passes_whole() -> None:
    schema = {"type": "object", "x-own": [1], "$defs": {"a": DIALECT}}

    assert without_dialect({**DIALECT, **schema}) == schema


@pytest.mark.parametrize(
    ("schema", "told"),
    [
        ({"type": "object"}, {"type": "object", "additionalProperties": False}),
        ({"properties": {}}, {"properties": {}, "additionalProperties": False}),
        ({"type": "object", "additionalProperties": {}}, None),
        ({"type": "string"}, None),
    ],
    ids=["object", "properties", "says so", "no object"],
)
def test_objects_are_closed_unless_they_say(
    schema: dict[str, Any], told: dict[str, Any] | None
) -> None:
    assert closed(schema) == (told or schema)


def test_schemas_are_found_wherever_they_may_stand() -> None:
    schema = {
        "properties": {"a": 1},
        "$defs": {"b": 2},
        "anyOf": [3, 4],
        "items": 5,
        "enum": [6],
        "description": 7,
    }

    assert changed_inside(schema, lambda inner: inner * 10) == {
        "properties": {"a": 10},
        "$defs": {"b": 20},
        "anyOf": [30, 40],
        "items": 50,
        "enum": [6],
        "description": 7,
    }


def asking(kind: str, **rest: Any) -> dict[str, Any]:
    return {"response_format": {"type": kind, **rest}}


NAMED = {"name": "a", "schema": {"type": "object"}}


@pytest.mark.parametrize(
    ("asked", "named", "json"),
    [
        ({}, None, False),
        (asking("text"), None, False),
        (asking("json_object"), None, True),
        (asking("json_schema", json_schema=NAMED), NAMED, False),
    ],
    ids=["nothing", "text", "any JSON", "schema"],
)
def test_a_schema_is_wanted_where_one_is_told(
    asked: dict[str, Any], named: dict[str, Any] | None, json: bool
) -> None:
    assert (wanted_schema(asked, True), wants_json(asked)) == (named, json)


@pytest.mark.parametrize(
    ("asked", "is_kept", "param"),
    [
        (asking("xml"), True, "response_format.type"),
        (asking("json_schema", json_schema=NAMED), False, "response_format"),
        (asking("json_schema"), True, "response_format.json_schema.schema"),
        (asking("json_schema", json_schema={}), True, "response_format.json_schema.schema"),
    ],
    ids=["another form", "not kept to", "nothing told", "no schema"],
)
def test_a_form_that_cannot_be_had_is_refused(
    asked: dict[str, Any], is_kept: bool, param: str
) -> None:
    with pytest.raises(RequestError) as caught:
        wanted_schema(asked, is_kept)

    assert caught.value.answer().param == param
