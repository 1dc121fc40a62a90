"""The bodies of a bench are as large as they may be, and what their names say."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from bench.bodies import routes_with_bodies
from bench.body_kinds import Kind, Shape, accepted, full_attributes, refused, shape_of, short_names
from bench.body_routes import Turns
from core.domain.profile import ATTRIBUTES_BYTES, check_profile
from core.errors import InvalidInput
from handler.http.body import RequestBody
from handler.http.problems import HttpProblem
from handler.http.routes.authentication import Login
from handler.http.routes.roles import NewRoleBody
from handler.http.strict_json import MAX_VALUES, parse_json
from handler.http.users import ProfilePatch
from tests.support.people import LoggedIn, Person

DOCUMENT = json.loads((Path(__file__).resolve().parents[2] / "docs/openapi.json").read_text())
SOMEBODY = LoggedIn(Person("id", "ann@example.com", "secret"), "access", "refresh", "session")
MODELS: dict[type[RequestBody], tuple[str, str]] = {
    ProfilePatch: ("PATCH", "/v1/users/me"),
    NewRoleBody: ("POST", "/v1/roles"),
    Login: ("POST", "/v1/auth/login"),
}
SIZES = (16 * 1024, 64 * 1024)


def shapes() -> dict[tuple[str, str], Shape]:
    found = {}
    for method, path, schema in routes_with_bodies(DOCUMENT):
        turns = Turns(method, path, admin=SOMEBODY, accounts=itertools.repeat(SOMEBODY))
        found[method, path] = shape_of(schema, turns.next().plain)
    return found


SHAPES = shapes()


def kinds(of: Any) -> list[Any]:
    return [
        pytest.param(model, kind, make, id=f"{model.__name__}-{kind}")
        for model, route in MODELS.items()
        for kind, make in of(SHAPES[route]).items()
    ]


def taken(model: type[RequestBody], body: bytes) -> bool:
    try:
        found = model.model_validate(parse_json(body))
        if model is ProfilePatch:
            check_profile({name: getattr(found, name) for name in found.model_fields_set})
    except (HttpProblem, InvalidInput, ValidationError):
        return False
    return True


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("of", [refused, accepted])
def test_bodies_are_as_large_as_they_may_be(of: Any, size: int) -> None:
    """On each route of the document, which has a plain body here."""
    for shape in SHAPES.values():
        for kind, make in of(shape).items():
            body = make(shape, size)
            assert len(body) <= size, kind
            if "attributes" not in kind:
                # Room for less than one part, or for no more values.
                values = sum(map(body.count, (b",", b"[", b"{")))
                assert len(body) > size - 200 or values > MAX_VALUES - 100, kind


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize(("model", "kind", "make"), kinds(refused))
def test_refused_bodies_are_refused(
    model: type[RequestBody], kind: str, make: Kind, size: int
) -> None:
    assert not taken(model, make(SHAPES[MODELS[model]], size))


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize(("model", "kind", "make"), kinds(accepted))
def test_accepted_bodies_say_what_the_plain_one_says(
    model: type[RequestBody], kind: str, make: Kind, size: int
) -> None:
    shape = SHAPES[MODELS[model]]
    body = make(shape, size)
    assert taken(model, body)
    found = parse_json(body)
    assert {name: found[name] for name in shape.plain} == shape.plain


def test_attributes_are_full() -> None:
    length = len(json.dumps(full_attributes(ATTRIBUTES_BYTES, "a" * 12)).encode())
    assert ATTRIBUTES_BYTES - 24 < length <= ATTRIBUTES_BYTES


def test_names_differ_and_are_no_fields() -> None:
    names = list(itertools.islice(short_names(), 50_000))
    assert len(set(names)) == len(names)
    fields = {name for model in MODELS for name in model.model_fields}
    assert not fields & set(names)


def test_a_route_without_a_plain_body_is_noticed() -> None:
    with pytest.raises(RuntimeError, match="no plain body for PUT /v1/new"):
        Turns("PUT", "/v1/new", admin=SOMEBODY, accounts=iter(()))
