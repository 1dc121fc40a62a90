"""The same request through every door gives the same answer (security test 6)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

import psycopg2
import pytest

from tests.support.clients import Answer, Client, LambdaClient
from tests.support.lambda_events import EVENT_BUILDERS
from tests.support.mailbox import Mailbox
from tests.support.people import PASSWORD, LoggedIn, People, proof, random_email
from tests.support.server import ServerProcess

# What differs between two answers of one target, too.
VARYING = {"date", "x-request-id", "traceparent", "ratelimit", "server", "connection"}
# What tests/support/event_losses.py says of odd requests, where these tests meet it.
DECODED = {"http-api-1.0", "http-api-2.0"}
LAST_LINE = {"alb-single-value"}
MASKS = [
    (re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"), "<id>"),
    (re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z"), "<time>"),
    (re.compile(r"eyJ[\w-]+\.[\w-]+\.[\w-]+|rt1\.[\w-]+"), "<token>"),
    (re.compile(r"person-[0-9a-f]{16}"), "<person>"),
]


@dataclass(frozen=True)
class Doors:
    """The server process first, then one Lambda client for each form of event."""

    server: Client
    functions: dict[str, LambdaClient]

    def all(self) -> Sequence[Client]:
        return [self.server, *self.functions.values()]


@pytest.fixture
def doors(server: ServerProcess, lambda_client: LambdaClient) -> Doors:
    """All of them one client: the function URL's peer is what the trusted hop tells the others."""
    here = server.client()
    functions = {
        form: replace(lambda_client.fresh(), form=form, address=here.address)
        for form in EVENT_BUILDERS
    }
    return Doors(here, functions)


@pytest.fixture
def session(server: ServerProcess, mailbox: Mailbox) -> LoggedIn:
    people = People(server.client(), mailbox)
    return people.log_in(people.verified(display_name="Zo\u00eb"))


def masked(answer: Answer) -> tuple[int, list[tuple[str, str]], str]:
    text = answer.body.decode()
    for pattern, name in MASKS:
        text = pattern.sub(name, text)
    headers = [pair for pair in answer.headers if pair[0] not in VARYING]
    return answer.status, sorted(headers), text


def without_request_id(answer: Answer) -> bytes:
    """Byte for byte, but for the one member that names the request."""
    return re.sub(rb'"request_id":"[^"]+"', b"", answer.body)


READS = [
    "/v1/users/me",
    "/v1/users/me?unknown=%20a%2Fb&unknown=2",
    "/v1/users/me/sessions?limit=1",
    "/v1/users/me/sessions?limit=0",
    "/v1/users/me/sessions?limit=1&cursor=%41",
    "/v1/users/%6de",
    "/v1/users%2Fme",
    "/health",
    "/health/live",
    "/health/ready",
    "/metrics",
    "/.well-known/jwks.json",
    "/.well-known/oauth-authorization-server",
    "/.well-known/change-password",
    "/openapi.json",
    "/docs",
    "/account/verify",
    "/account/account.js",
    "/account/account.css",
    "/problems/invalid-code",
    "/problems/nothing",
    "/nothing",
    "/",
]


@pytest.mark.parametrize("path", READS)
def test_reads_are_identical_to_the_byte(doors: Doors, session: LoggedIn, path: str) -> None:
    """Status, headers and body, with and without a token."""
    for token in (session.access, None):
        expected = doors.server.request("GET", path, token=token)
        for form, function in doors.functions.items():
            if "%" in path.partition("?")[0] and form in DECODED:
                continue
            answer = function.request("GET", path, token=token)
            assert answer.status == expected.status, form
            assert masked(answer)[1] == masked(expected)[1], form
            assert without_request_id(answer) == without_request_id(expected), form


def test_writes_are_identical_after_masking(doors: Doors, mailbox: Mailbox) -> None:
    """The whole first story, through each door, step by step."""
    stories = [story(client, mailbox) for client in doors.all()]
    for steps in stories[1:]:
        assert steps == stories[0]


def story(client: Client, mailbox: Mailbox) -> list[tuple[int, list[tuple[str, str]], str]]:
    steps: list[Answer] = []

    def step(method: str, path: str, body: object = ..., token: str | None = None) -> Answer:
        answer = client.request(method, path, json=body, token=token)
        steps.append(answer)
        return answer

    email = random_email()
    step("POST", "/v1/auth/register", {"email": email, "password": PASSWORD})
    step("POST", "/v1/auth/login", {"identifier": email, "password": PASSWORD})
    step("POST", "/v1/auth/verify-email", {"token": "wrong"})
    step("POST", "/v1/auth/verify-email", proof(mailbox.last(email).token))
    step("POST", "/v1/auth/login", {"identifier": email, "password": "wrong password"})
    tokens = step("POST", "/v1/auth/login", {"identifier": email, "password": PASSWORD}).json()
    access = tokens["access_token"]
    step("PATCH", "/v1/users/me", {"display_name": "Zo\u00eb", "attributes": {"a": 1.5}}, access)
    step("PATCH", "/v1/users/me", {"email": "x@example.com"}, access)
    step("GET", "/v1/users/me", ..., access)
    tokens = step("POST", "/v1/auth/refresh", {"refresh_token": tokens["refresh_token"]}).json()
    step("GET", "/v1/users/me/sessions", ..., tokens["access_token"])
    step("DELETE", "/v1/users/me", ..., tokens["access_token"])
    step("GET", "/v1/users/me", ..., access)
    return [masked(answer) for answer in steps]


def test_a_token_of_one_target_works_on_the_other(doors: Doors, session: LoggedIn) -> None:
    """Failover: the other region's function knows the sessions and the keys of the first."""
    for function in doors.functions.values():
        assert function.request("GET", "/v1/users/me", token=session.access).status == 200
    body = {"refresh_token": session.refresh}
    (first, *_) = doors.functions.values()
    refreshed = first.request("POST", "/v1/auth/refresh", json=body).json()
    answer = doors.server.request("GET", "/v1/users/me", token=refreshed["access_token"])
    assert answer.status == 200


@pytest.mark.parametrize(
    "headers",
    [
        [("authorization", "Bearer a"), ("authorization", "Bearer b")],
        [("x_user", "admin")],
        [("accept", "text/html"), ("accept", "application/json")],
        [("cookie", "a=1"), ("cookie", "b=2")],
        [("if-none-match", '"1"')],
        [("x-request-id", "mine-1")],
        [("x-request-id", "not mine\u00ff")],
        [("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")],
        [("origin", "https://app.example.com")],
        [("origin", "https://evil.example")],
    ],
)
def test_headers_mean_the_same_everywhere(
    doors: Doors, session: LoggedIn, headers: list[tuple[str, str]]
) -> None:
    token = None if any(name == "authorization" for name, _ in headers) else session.access
    expected = doors.server.request("GET", "/v1/users/me", token=token, headers=headers)
    for form, function in doors.functions.items():
        answer = function.request("GET", "/v1/users/me", token=token, headers=headers)
        if form in LAST_LINE and [name for name, _ in headers] == ["authorization"] * 2:
            assert answer.status == 401, form
            continue
        assert masked(answer)[:2] == masked(expected)[:2], form
        assert without_request_id(answer) == without_request_id(expected), form


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"\xff\xfe",
        '{"identifier": "\u00e9", "password": "\u00e9"}'.encode(),
        b'{"identifier": "a", "identifier": "b"}',
        b"[" * 5000,
        b"a" * 300_000,
    ],
)
def test_bodies_are_judged_the_same_everywhere(doors: Doors, body: bytes) -> None:
    kind = [("content-type", "application/json")]
    expected = doors.server.request("POST", "/v1/auth/login", body=body, headers=kind)
    for form, function in doors.functions.items():
        answer = function.request("POST", "/v1/auth/login", body=body, headers=kind)
        assert answer.status == expected.status, form
        assert without_request_id(answer) == without_request_id(expected), form


def test_the_client_has_one_address_everywhere(
    doors: Doors, mailbox: Mailbox, superuser_url: str
) -> None:
    """A spoofed X-Forwarded-For is seen by nobody; the trusted hop's word is (CVE-2023-36456)."""
    seen = set()
    people = People(doors.server, mailbox)
    person = people.verified()
    login = {"identifier": person.email, "password": PASSWORD}
    for client in doors.all():
        client.address = "203.0.113.9, 198.51.100.7"
        answer = client.request("POST", "/v1/auth/login", json=login)
        assert answer.status == 200, answer.body
        connection = psycopg2.connect(superuser_url)
        with connection, connection.cursor() as cursor:
            cursor.execute(
                "SELECT host(address::inet) FROM sessions WHERE id = %s",
                (answer.json()["session_id"],),
            )
            seen.add(cursor.fetchone())
        connection.close()
    assert seen == {("198.51.100.7",)}
