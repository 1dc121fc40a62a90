"""Every refusal is a problem (RFC 9457) of a documented type that tells no more than it should."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterator
from typing import Any

import orjson
import pytest
from starlette.exceptions import HTTPException

import core
from core.errors import (
    DomainError,
    FieldError,
    InvalidCredentials,
    InvalidInput,
    NotFound,
    Overloaded,
    RequestInProgress,
    TooManyRequests,
    Unauthenticated,
)
from handler.http.exchange import EXCHANGE, Exchange, Head, Trace
from handler.http.problem_types import BAD_REQUEST, DOMAIN_PROBLEMS, PROBLEM_TYPES
from handler.http.problems import HttpProblem, domain_response, http_response


def subclasses(error: type[DomainError]) -> Iterator[type[DomainError]]:
    for child in error.__subclasses__():
        yield child
        yield from subclasses(child)


def scope(path: str = "/v1/users/me") -> dict[str, Any]:
    exchange = Exchange(
        head=Head(),
        request_id="request-1",
        trace=Trace("0" * 31 + "1", "0" * 15 + "1", "00"),
        log={},
    )
    return {"path": path, EXCHANGE: exchange}


def test_each_error_of_the_domain_has_a_problem() -> None:
    """The map is total: a new error without a status fails here, not at a user's."""
    for module in pkgutil.walk_packages(core.__path__, "core."):
        importlib.import_module(module.name)
    product = {error for error in subclasses(DomainError) if error.__module__.startswith("core.")}
    assert product == set(DOMAIN_PROBLEMS)


def test_codes_are_the_domains_and_name_one_type_each() -> None:
    """Clients switch on the type: no two kinds of refusal share one."""
    assert all(kind.code == error.code for error, kind in DOMAIN_PROBLEMS.items())
    assert len({error.code for error in DOMAIN_PROBLEMS}) == len(DOMAIN_PROBLEMS)
    assert len(PROBLEM_TYPES) == len(DOMAIN_PROBLEMS) + 7
    assert all(400 <= kind.status < 600 for kind in PROBLEM_TYPES.values())


def test_a_problem_has_the_members_of_the_contract() -> None:
    response = domain_response(scope(), NotFound())
    assert response.status_code == 404
    assert response.headers["content-type"] == "application/problem+json"
    assert orjson.loads(response.body) == {
        "type": "/problems/not-found",
        "title": "Not found",
        "status": 404,
        "detail": str(NotFound()),
        "instance": "/v1/users/me",
        "request_id": "request-1",
    }


def test_invalid_input_lists_each_fault() -> None:
    faults = [FieldError("/email", "is required"), FieldError("/a~1b", "is not a field")]
    body = orjson.loads(domain_response(scope(), InvalidInput(faults)).body)
    assert body["errors"] == [
        {"pointer": "/email", "detail": "is required"},
        {"pointer": "/a~1b", "detail": "is not a field"},
    ]


def test_the_instance_is_an_encoded_path_of_bounded_length() -> None:
    """Whatever was asked for, the answer is a URI reference and small."""
    instance = orjson.loads(domain_response(scope("/ä b\n" + "x" * 9000), NotFound()).body)[
        "instance"
    ]
    assert instance.startswith("/%C3%A4%20b%0Ax")
    assert len(instance) < 3100


@pytest.mark.parametrize(
    ("error", "challenge"),
    [
        (Unauthenticated(token_presented=False), 'Bearer realm="user-api"'),
        (Unauthenticated(), 'Bearer realm="user-api", error="invalid_token"'),
        (InvalidCredentials(), 'Bearer realm="user-api"'),
    ],
)
def test_each_401_has_a_challenge(error: DomainError, challenge: str) -> None:
    """RFC 9110 section 15.5.2; an error code only for a refused token (RFC 6750 section 3.1)."""
    assert domain_response(scope(), error).headers["www-authenticate"] == challenge


def test_a_limit_says_when_to_come_back_and_which_it_was() -> None:
    error = TooManyRequests(retry_after=17, limit=60, window=60, policy="address")
    headers = domain_response(scope(), error).headers
    assert headers["retry-after"] == "17"
    assert headers["ratelimit-policy"] == '"address";q=60;w=60'
    assert headers["ratelimit"] == '"address";r=0;t=17'


def test_what_passes_by_itself_says_when_to_try_again() -> None:
    assert domain_response(scope(), Overloaded(retry_after=3)).headers["retry-after"] == "3"
    assert domain_response(scope(), RequestInProgress()).headers["retry-after"] == "1"
    assert "retry-after" not in domain_response(scope(), NotFound()).headers


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (400, "bad-request"),
        (404, "not-found"),
        (405, "method-not-allowed"),
        (413, "payload-too-large"),
        (415, "unsupported-media-type"),
        (418, "bad-request"),
        (500, "internal-error"),
        (501, "internal-error"),
    ],
)
def test_refusals_of_the_framework_are_problems_without_its_words(status: int, code: str) -> None:
    response = http_response(scope(), HTTPException(status, "words of the framework"))
    assert orjson.loads(response.body)["type"] == f"/problems/{code}"
    assert b"words of the framework" not in response.body


def test_our_own_refusals_say_what_was_wrong() -> None:
    response = http_response(scope(), HttpProblem(BAD_REQUEST, "The header x was sent twice."))
    assert orjson.loads(response.body)["detail"] == "The header x was sent twice."
