"""A change that breaks clients of the last release is found, and no other."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from scripts.openapi_compat import breaks, main

Document = dict[str, Any]

OLD: Document = {
    "openapi": "3.1.0",
    "info": {"title": "things", "version": "1"},
    "paths": {
        "/things": {
            "get": {
                "operationId": "list_things",
                "parameters": [
                    {
                        "name": "limit",
                        "in": "query",
                        "schema": {"type": "integer", "minimum": 1, "maximum": 200},
                    },
                    {
                        "name": "kind",
                        "in": "query",
                        "schema": {"type": "string", "enum": ["a", "b"]},
                    },
                ],
                "responses": {
                    "200": {
                        "headers": {"Link": {"schema": {"type": "string"}}},
                        "content": {
                            "application/json": {
                                "schema": {
                                    "type": "array",
                                    "items": {"$ref": "#/components/schemas/Thing"},
                                }
                            }
                        },
                    },
                    "404": {"description": "Not found"},
                },
            },
            "post": {
                "operationId": "create_thing",
                "security": [{"token": ["things:write"]}],
                "requestBody": {
                    "required": True,
                    "content": {
                        media: {"schema": {"$ref": "#/components/schemas/NewThing"}}
                        for media in ("application/json", "application/xml")
                    },
                },
                "responses": {"201": {"description": "Created"}},
            },
        },
        "/open": {
            "post": {
                "operationId": "open",
                "requestBody": {"content": {"application/json": {"schema": {}}}},
                "responses": {"204": {"description": "Done"}},
            }
        },
    },
    "components": {
        "schemas": {
            "Thing": {
                "type": "object",
                "required": ["id", "name"],
                "properties": {
                    "id": {"type": "string", "format": "uuid"},
                    "name": {"type": "string"},
                    "note": {"anyOf": [{"type": "string"}, {"type": "null"}]},
                    "parts": {"type": "array", "items": {"$ref": "#/components/schemas/Thing"}},
                },
            },
            "NewThing": {
                "type": "object",
                "additionalProperties": False,
                "required": ["name"],
                "properties": {
                    "name": {"type": "string", "minLength": 1, "maxLength": 20},
                    "size": {"type": "number"},
                    "note": {"anyOf": [{"type": "string", "maxLength": 9}, {"type": "null"}]},
                    "tags": {"type": "array", "items": {"type": "string"}},
                    "extra": {"type": "object", "additionalProperties": {"type": "integer"}},
                },
            },
        },
        "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        "examples": {"not-found": {"value": {}}, "name-taken": {"value": {}}},
    },
}

Change = Callable[[Document], object]


def listing(document: Document) -> Document:
    return document["paths"]["/things"]["get"]  # type: ignore[no-any-return]


def creation(document: Document) -> Document:
    return document["paths"]["/things"]["post"]  # type: ignore[no-any-return]


def thing(document: Document) -> Document:
    return document["components"]["schemas"]["Thing"]  # type: ignore[no-any-return]


def new_thing(document: Document) -> Document:
    return document["components"]["schemas"]["NewThing"]  # type: ignore[no-any-return]


def changed(change: Change) -> Document:
    document = copy.deepcopy(OLD)
    change(document)
    return document


BREAKS: dict[str, tuple[Change, str]] = {
    "path": (lambda d: d["paths"].pop("/open"), "/open: removed"),
    "operation": (lambda d: d["paths"]["/things"].pop("post"), "POST /things: removed"),
    "operation id": (
        lambda d: listing(d).update(operationId="all"),
        "GET /things: operationId list_things is now all",
    ),
    "status": (lambda d: listing(d)["responses"].pop("404"), "GET /things 404: removed"),
    "media type of an answer": (
        lambda d: listing(d)["responses"]["200"].update(content={"text/csv": {}}),
        "GET /things 200: application/json removed",
    ),
    "header of an answer": (
        lambda d: listing(d)["responses"]["200"].pop("headers"),
        "GET /things 200: header Link removed",
    ),
    "property of an answer": (
        lambda d: thing(d)["properties"].pop("note"),
        "GET /things 200[].note: property removed",
    ),
    "property that was always there": (
        lambda d: thing(d).update(required=["id"]),
        "GET /things 200[].name: is no longer always there",
    ),
    "null in an answer": (
        lambda d: thing(d)["properties"].update(
            name={"anyOf": [{"type": "string"}, {"type": "null"}]}
        ),
        "GET /things 200[].name: may now be null",
    ),
    "type in an answer": (
        lambda d: thing(d)["properties"]["id"].update(type="integer"),
        "GET /things 200[].id: may now be integer",
    ),
    "format in an answer": (
        lambda d: thing(d)["properties"]["id"].pop("format"),
        "GET /things 200[].id: format uuid is now none",
    ),
    "required property": (
        lambda d: new_thing(d).update(required=["name", "size"]),
        "POST /things body.size: is now required",
    ),
    "property of a request": (
        lambda d: new_thing(d)["properties"].pop("size"),
        "POST /things body.size: property removed",
    ),
    "longest": (
        lambda d: new_thing(d)["properties"]["name"].update(maxLength=10),
        "POST /things body.name: maxLength was 20, is 10",
    ),
    "shortest": (
        lambda d: new_thing(d)["properties"]["name"].update(minLength=2),
        "POST /things body.name: minLength was 1, is 2",
    ),
    "pattern": (
        lambda d: new_thing(d)["properties"]["name"].update(pattern="^a"),
        "POST /things body.name: pattern was none, is ^a",
    ),
    "limit inside of a choice": (
        lambda d: new_thing(d)["properties"]["note"]["anyOf"][0].update(maxLength=8),
        "POST /things body.note: maxLength was 9, is 8",
    ),
    "null in a request": (
        lambda d: new_thing(d)["properties"].update(note={"type": "string"}),
        "POST /things body.note: may no longer be null",
    ),
    "narrower type": (
        lambda d: new_thing(d)["properties"]["size"].update(type="integer"),
        "POST /things body.size: may no longer be number",
    ),
    "elements": (
        lambda d: new_thing(d)["properties"]["tags"]["items"].update(maxLength=3),
        "POST /things body.tags[]: maxLength was none, is 3",
    ),
    "members": (
        lambda d: new_thing(d)["properties"]["extra"].update(additionalProperties=False),
        "POST /things body.extra: other properties are no longer accepted",
    ),
    "media type of a request": (
        lambda d: creation(d)["requestBody"]["content"].pop("application/xml"),
        "POST /things body: application/xml is no longer accepted",
    ),
    "required body": (
        lambda d: d["paths"]["/open"]["post"]["requestBody"].update(required=True),
        "POST /open body: is now required",
    ),
    "smallest": (
        lambda d: listing(d)["parameters"][0]["schema"].update(minimum=2),
        "GET /things query limit: minimum was 1, is 2",
    ),
    "removed value": (
        lambda d: listing(d)["parameters"][1]["schema"].update(enum=["a"]),
        "GET /things query kind: 'b' is no longer accepted",
    ),
    "required parameter": (
        lambda d: listing(d)["parameters"][1].update(required=True),
        "GET /things query kind: is now required",
    ),
    "new required parameter": (
        lambda d: listing(d)["parameters"].append(
            {"name": "at", "in": "header", "required": True, "schema": {}}
        ),
        "GET /things header at: is now required",
    ),
    "parameter": (
        lambda d: listing(d)["parameters"].pop(),
        "GET /things query kind: removed",
    ),
    "token needed": (
        lambda d: d["paths"]["/open"]["post"].update(security=[{"token": []}]),
        "POST /open: no longer open with no token",
    ),
    "scope needed": (
        lambda d: creation(d).update(security=[{"token": ["things:write", "things:read"]}]),
        "POST /things: no longer open with token",
    ),
    "scheme": (
        lambda d: d["components"]["securitySchemes"].pop("token"),
        "security scheme token: removed",
    ),
    "kind of scheme": (
        lambda d: d["components"]["securitySchemes"]["token"].update(scheme="basic"),
        "security scheme token: changed",
    ),
    "problem": (
        lambda d: d["components"]["examples"].pop("name-taken"),
        "problem name-taken: removed",
    ),
}

FINE: dict[str, Change] = {
    "nothing": copy.deepcopy,
    "new path": lambda d: d["paths"].update({"/more": {"get": {"responses": {}}}}),
    "new status": lambda d: listing(d)["responses"].update({"409": {}}),
    "new property of an answer": lambda d: thing(d)["properties"].update(more={"type": "string"}),
    "new optional property": lambda d: new_thing(d)["properties"].update(more={"type": "string"}),
    "new optional parameter": lambda d: listing(d)["parameters"].append(
        {"name": "sort", "in": "query", "schema": {"type": "string"}}
    ),
    "wider limit": lambda d: new_thing(d)["properties"]["name"].update(maxLength=30, minLength=0),
    "no limit": lambda d: new_thing(d)["properties"]["name"].pop("maxLength"),
    "another value": lambda d: listing(d)["parameters"][1]["schema"]["enum"].append("c"),
    "null accepted": lambda d: new_thing(d)["properties"].update(
        name={"anyOf": [{"type": "string"}, {"type": "null"}]}
    ),
    "null never given": lambda d: thing(d)["properties"].update(note={"type": "string"}),
    "always there": lambda d: thing(d)["required"].append("note"),
    "wider type": lambda d: listing(d)["parameters"][0]["schema"].update(type="number"),
    "no scope": lambda d: creation(d).update(security=[{"token": []}]),
    "no token": lambda d: creation(d).pop("security"),
    "another way in": lambda d: creation(d)["security"].append({"key": []}),
    "words": lambda d: d["components"]["securitySchemes"]["token"].update(description="A token."),
    "a schema in place": lambda d: new_thing(d)["properties"].update(
        note={"type": ["null", "string"], "maxLength": 9}
    ),
}


@pytest.mark.parametrize("name", BREAKS)
def test_a_break_is_named(name: str) -> None:
    change, line = BREAKS[name]
    assert breaks(OLD, changed(change)) == [line]


@pytest.mark.parametrize("name", FINE)
def test_what_breaks_nobody_is_allowed(name: str) -> None:
    assert breaks(OLD, changed(FINE[name])) == []


def test_what_cannot_be_compared_is_not_passed_over() -> None:
    """A keyword that the comparison does not know is an error, not a silent yes."""
    document = changed(lambda d: new_thing(d).update(allOf=[{}]))
    with pytest.raises(ValueError, match="allOf cannot be compared"):
        breaks(OLD, document)


def test_the_command_tells_by_its_status(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """0: compatible, 1: one line a break, 2: not comparable, in one line."""
    old, new = tmp_path / "old.json", tmp_path / "new.json"
    old.write_text(json.dumps(OLD))
    new.write_text(json.dumps(changed(BREAKS["path"][0])))
    assert main([str(old), str(old)]) == 0
    capsys.readouterr()
    assert main([str(old), str(new)]) == 1
    assert capsys.readouterr().out == "/open: removed\n"
    new.write_text("{")
    assert main([str(old), str(new)]) == 2
    assert capsys.readouterr().err.count("\n") == 1
