"""Nothing is done in proportion to a request before it is known who asks."""

from __future__ import annotations

import json
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from bench.accounts import make_accounts
from core.bootstrap import Core
from handler.http.app import create_app
from handler.http.body import JsonRoute
from tests.support.clients import Client, random_address
from tests.support.endpoints import ENDPOINTS, Access
from tests.support.http_probe import http_scope
from tests.support.people import People

ME = "/v1/users/me"
_ID = "0190b2c2-0000-7000-8000-000000000000"
SIGNED = sorted(name for name, one in ENDPOINTS.items() if one.access is not Access.ANYBODY)
FORGERIES = 120
# Well-formed, too large, nested too deep, and no JSON.
UNREADABLE = [b"{" * 200_000, b'{"a":1}' + b" " * 200_000, b"[" * 500, b"\xff"]


def address(name: str) -> tuple[str, str]:
    """Method and path of an operation, about a user and a role that are not there."""
    method, path = name.split(" ")
    for part in ("user_id", "session_id"):
        path = path.replace(f"{{{part}}}", _ID)
    return method, path.replace("{name}", "no-such-role")


def forged(**changes: Any) -> str:
    """A token as ours are, but for its signature."""
    claims = {"iss": "https://id.example.com", "sub": _ID, "exp": 4102444800, **changes}
    key = ec.generate_private_key(ec.SECP256R1())
    headers = {"typ": "at+jwt", "kid": "no-key-of-ours"}
    return jwt.encode(claims, key, algorithm="ES256", headers=headers)


@pytest.mark.parametrize("name", SIGNED)
def test_a_token_is_looked_at_before_the_body(client: Client, name: str) -> None:
    """On each route that needs one: what is wrong with the body is told to those who may send it.

    A body that was read would be refused as malformed or as too large.
    """
    method, path = address(name)
    elsewhere = client.from_address(random_address())
    for body in UNREADABLE:
        for token in (None, "x", forged()):
            answer = elsewhere.request(
                method, path, token=token, body=body, headers=[("content-type", "text/plain")]
            )
            assert answer.problem == "unauthenticated", (body[:10], token)


def test_a_token_of_an_ended_session_has_no_body_read(people: People, client: Client) -> None:
    """It is genuine, and its session is looked up before a byte is asked for."""
    token = people.logged_in().access
    assert client.request("POST", "/v1/auth/logout", token=token).status == 204
    for body in UNREADABLE:
        answer = client.request("PATCH", ME, token=token, body=body)
        assert answer.problem == "unauthenticated", body[:10]


def test_the_limit_by_address_comes_before_the_body(client: Client, core: Core) -> None:
    """Of the routes that need no token."""
    elsewhere = client.from_address(random_address())
    kind = [("content-type", "application/json")]

    def told(body: bytes) -> str:
        return elsewhere.request("POST", "/v1/auth/login", body=body, headers=kind).problem

    for _ in range(core.settings.limit_address_per_minute):
        assert told(b"{") == "malformed-json"
    assert {told(body) for body in UNREADABLE} == {"too-many-requests"}


def test_rubbish_counts_against_its_address_and_a_genuine_token_does_not(
    people: People, client: Client
) -> None:
    """A token of this service is let in from any address, and one that has ended is no guess."""
    session = people.logged_in()
    ended = people.logged_in().access
    assert client.request("POST", "/v1/auth/logout", token=ended).status == 204
    office = client.from_address(random_address())
    for _ in range(FORGERIES + 5):
        assert office.request("GET", ME, token=ended).problem == "unauthenticated"
    rubbish = ["x", forged(), forged(kid=1), ended[:-4] + "AAAA"]
    for number in range(FORGERIES):
        answer = office.request("GET", ME, token=rubbish[number % len(rubbish)])
        assert answer.problem == "unauthenticated", number
    refused = office.request("GET", ME, token="x")
    assert refused.problem == "too-many-requests"
    assert int(refused.header("retry-after") or 0) in range(1, 61)
    assert f'"forgeries";q={FORGERIES};w=60' in (refused.header("ratelimit-policy") or "")
    # Nothing of that concerns others there, nor the same client elsewhere.
    assert office.request("GET", ME, token=session.access).status == 200
    assert office.request("GET", ME, token=ended).problem == "unauthenticated"
    elsewhere = client.from_address(random_address())
    assert elsewhere.request("GET", ME, token="x").problem == "unauthenticated"


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_a_thousand_clients_behind_one_address_are_let_in(client: Client, core: Core) -> None:
    """One of them sends rubbish all the time."""
    office = client.from_address(random_address())
    statuses = set()
    for number, account in enumerate(make_accounts(core, 1000)):
        if number % 5 == 0:
            office.request("GET", ME, token="x")
        statuses.add(office.request("GET", ME, token=account.access).status)
    assert statuses == {200}


@pytest.mark.parametrize(
    "query", ["a&" * 100, "a=1&" * 100, "a=" + "%41" * 3000, "a" * 8193], ids=len
)
@pytest.mark.parametrize("path", ["/health/live", "/docs/start.js", ME, "/nothing-here"])
def test_a_query_is_bounded_before_it_is_read(client: Client, path: str, query: str) -> None:
    """The framework reads that of each request, with parameters or without."""
    answer = client.request("GET", f"{path}?{query}")
    assert (answer.status, answer.problem) == (400, "bad-request")
    assert client.request("GET", f"/health/live?{query[:100]}").status == 200


def test_cookies_are_not_read(client: Client) -> None:
    """No route takes them; a browser may send those of its site's other applications."""
    cookie = [("cookie", "; ".join(f"c{number}=1" for number in range(1000)))]
    assert client.request("GET", "/health/live", headers=cookie).status == 200


@pytest.mark.parametrize("name", sorted(ENDPOINTS))
def test_every_route_reads_as_much_as_its_body_may_have(
    client: Client, core: Core, name: str
) -> None:
    """16 KiB, and four times as much where there are attributes; one byte more is refused."""
    method, path = address(name)
    scope = {**http_scope(method, path), "method": method}
    routes = [each for each in create_app(core).routes if isinstance(each, JsonRoute)]
    route = next(each for each in routes if each.matches(scope)[0].value == 2)
    limit = 64 * 1024 if "attributes" in _fields(route) else 16 * 1024
    token = make_accounts(core, 1)[0].access if name in SIGNED else None
    elsewhere = client.from_address(random_address())

    def told(size: int) -> str:
        body = b"{}" + b" " * (size - 2)
        kind = [("content-type", "application/json")]
        return elsewhere.request(method, path, token=token, body=body, headers=kind).problem

    assert told(limit + 1) == "payload-too-large"
    assert told(limit) != "payload-too-large"


def _fields(route: JsonRoute) -> set[str]:
    return set(route.body_model.model_fields) if route.body_model else set()


def test_faults_are_listed_up_to_a_bound(people: People, client: Client) -> None:
    """Twenty of them, whatever was sent: known fields first, then unknown ones as they came."""
    token = people.logged_in().access
    unknown = {f"u{number}": 1 for number in range(900)}
    answer = client.request("PATCH", ME, token=token, json={**unknown, "display_name": 1})
    assert answer.status == 422
    pointers = [fault["pointer"] for fault in answer.json()["errors"]]
    assert pointers == ["/display_name", *(f"/u{number}" for number in range(19))]


@pytest.mark.parametrize(
    "attributes",
    [
        {str(number): 1 for number in range(1000)},
        {"a": [1] * 1000},
        {"a": [{}] * 500, "b": {str(number): [] for number in range(500)}},
    ],
)
def test_values_are_counted_before_they_are_parsed(
    people: People, client: Client, attributes: dict[str, Any]
) -> None:
    """Commas within strings do not count."""
    token = people.logged_in().access
    answer = client.request("PATCH", ME, token=token, json={"attributes": attributes})
    assert answer.problem == "malformed-json", len(json.dumps(attributes))
    commas = {"attributes": {"a": "," * 5000, "b": '\\",' * 500}}
    assert client.request("PATCH", ME, token=token, json=commas).status == 200
