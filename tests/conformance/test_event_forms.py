"""Random requests, over a socket to the server process and through every form of event.

FORM_EXAMPLES asks for more of them, other ones each time.
"""

from __future__ import annotations

import asyncio
import http.client
import itertools
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from core.bootstrap import Core
from tests.conformance.test_targets_agree import masked
from tests.support.asgi_server import connect
from tests.support.clients import Answer, LambdaClient, until_ready
from tests.support.event_losses import LOSSES, View, left_of, table
from tests.support.lambda_events import EVENT_BUILDERS, NotDelivered, behind_alb, response_of
from tests.support.mailbox import Mailbox
from tests.support.people import People
from tests.support.server import ServerProcess
from tests.support.watched import SEEN, Watched

EXAMPLES = os.environ.get("FORM_EXAMPLES")
SAFE = {"GET", "HEAD", "OPTIONS"}

Pairs = list[tuple[str, str]]


@dataclass(frozen=True)
class Request:
    method: str
    target: str
    headers: Pairs
    body: bytes

    def as_sent(self) -> bytes:
        lines = [f"{name}: {value}" for name, value in self.headers]
        head = "\r\n".join([f"{self.method} {self.target} HTTP/1.1", *lines, "", ""])
        return head.encode() + self.body


@dataclass(frozen=True)
class Doors:
    """A server process and a function with one database; `token` is of somebody logged in."""

    server: ServerProcess
    watched: Watched
    handle: Any
    token: str

    def ask_server(self, request: Request) -> tuple[Answer, View | None]:
        with connect(int(self.server.url.rpartition(":")[2])) as connection:
            connection.settimeout(60)
            connection.sendall(request.as_sent())
            received = http.client.HTTPResponse(connection, method=request.method)
            received.begin()
            headers = [(name.lower(), value) for name, value in received.getheaders()]
            answer = Answer(received.status, headers, received.read())
        found = self.server.http.get(SEEN).json()
        return answer, found and View.from_json(found)

    def ask_function(self, form: str, request: Request) -> tuple[Answer, View | None]:
        self.watched.last = None
        event = EVENT_BUILDERS[form](request.method, request.target, request.headers, request.body)
        result = self.handle(json.loads(json.dumps(event)), None)
        answer = Answer(*response_of(json.loads(json.dumps(result))))
        return answer, self.watched.last


@pytest.fixture(scope="module")
def doors(
    environment: dict[str, str], lambda_client: LambdaClient, core: Core, mail_folder: Any
) -> Iterator[Doors]:
    # Importing the module builds a function of its own, for which `lambda_client` has the settings.
    from handler.aws_lambda import LambdaFunction
    from handler.http.app import create_app

    watched = Watched(create_app(core))
    function = LambdaFunction(core, watched)
    loop = asyncio.get_event_loop()  # its own, which an execution environment never closes
    with ServerProcess.start(environment, ("tests.support.watched",)) as server:
        people = People(server.client(), Mailbox(core, mail_folder))
        token = people.log_in(people.verified(display_name="Zo\u00eb")).access
        yield Doors(server, watched, function.handle, token)
    loop.close()


ADDRESSES = itertools.count(10 << 24)
"""A client of its own for each example: limits by address would tell the doors apart."""

PIECES = st.sampled_from([
    *["%2F", "%2f", "%20", "%C3%A9", "%FF", "%00", "%3F", "%23", "%25", "%252F", "%zz"],
    *["..", ".", "//", "v1", "users", "me", "prod", *"aZ0/.%+~@:;=&'()*!$,|^`{}<>\"\\[]"],
])  # fmt: skip
# But readiness, for which a busy machine may be late at one of the doors: it has its own test.
ROUTES = [
    "/", "/health/live", "/v1/users/me", "/v1/users%2Fme", "/v1/users/%6de",
    "/v1/users/me/", "/v1/users/me/sessions", "/v1/auth/login", "/v1/auth/register",
    "/.well-known/jwks.json", "/problems/not-found", "/account/verify", "/openapi.json",
]  # fmt: skip
PATHS = st.sampled_from(ROUTES) | st.lists(PIECES, max_size=8).map(lambda each: "/" + "".join(each))
WORDS = st.text("aZ09%+-_.~/?:@!$'()*,;|{}", max_size=6) | st.sampled_from(
    ["limit", "cursor", "%C3%A9", "a%26b", "%2B", "%FF"]
)
QUERIES = st.lists(
    st.tuples(WORDS, WORDS).map("=".join) | st.sampled_from(["a=1", "a=2", "limit=1"]) | WORDS,
    max_size=5,
).map("&".join)
VALUES = st.text("aZ0 \t,;:=\"'()\u00e9\u20ac", max_size=12).map(lambda text: text.strip(" \t"))
NAMES = ["X-A", "x-a", "Accept", "If-Match", "If-None-Match", "X_B", "Origin", "X-Request-Id"]
ONCE = ["Authorization", "Content-Type", "Host", "Idempotency-Key"]
HEADERS = st.lists(
    st.one_of(
        st.tuples(st.sampled_from(NAMES), VALUES),
        st.tuples(st.sampled_from(ONCE), VALUES),
        st.just(("Authorization", "Bearer TOKEN")),
        st.tuples(st.just("Cookie"), st.sampled_from(["a=1; b=2", 'c="d e"', "", ";"])),
        st.tuples(st.just("X-Forwarded-For"), st.sampled_from(["6.6.6.6", "junk", "::1, 2.2.2.2"])),
        st.tuples(st.just("Content-Type"), st.sampled_from(["application/json", "image/png"])),
        st.just(("Content-Encoding", "gzip")),
    ),
    max_size=6,
)
BODIES = st.sampled_from([b"", b"{}", b'{"identifier": "\xc3\xa9", "password": "x"}']) | st.binary(
    max_size=64
)


@st.composite
def requests(draw: st.DrawFn) -> Request:
    """As a load balancer passes them on; every body has its Content-Length."""
    method = draw(st.sampled_from([*sorted(SAFE), "POST", "PUT", "PATCH", "DELETE"]))
    query = draw(QUERIES)
    headers = draw(HEADERS)
    body = draw(BODIES)
    if draw(st.booleans()):
        headers = [("Host", "id.example.com"), *headers]
    if body or draw(st.booleans()):
        headers = [*headers, ("Content-Length", str(len(body)))]
    target = draw(PATHS) + (f"?{query}" if query else "")
    return Request(method, target, headers, body)


def from_a_client(request: Request, token: str) -> Request:
    """From an address of its own; only what changes nothing is asked with a valid token."""
    number = next(ADDRESSES)
    address = ".".join(str(byte) for byte in number.to_bytes(4, "big"))
    valid = token if request.method in SAFE else "of-nobody"
    headers = [(name, value.replace("TOKEN", valid)) for name, value in request.headers]
    return replace(request, headers=behind_alb(headers, address))


@pytest.mark.timeout(900)
@settings(
    deadline=None,
    derandomize=EXAMPLES is None,
    max_examples=int(EXAMPLES or 400),
    suppress_health_check=[HealthCheck.too_slow],
)
@given(drawn=requests())
def test_every_form_is_the_request_that_the_server_reads(doors: Doors, drawn: Request) -> None:
    """Method, path, query, headers, client and body are the server's, but for what LOSSES names;
    so is the answer, but for what LOSSES calls harmful."""
    request = from_a_client(drawn, doors.token)
    expected, server_view = doors.ask_server(request)
    assume(server_view is not None)
    assert server_view is not None
    for form in EVENT_BUILDERS:
        try:
            answer, view = doors.ask_function(form, request)
        except NotDelivered:
            continue
        left = left_of(form, server_view)
        assert view == left, form
        if left == left_of(form, server_view, harmless_only=True):
            assert masked(answer) == masked(expected), form


@pytest.mark.parametrize("form", EVENT_BUILDERS)
def test_a_plain_request_loses_nothing(doors: Doors, form: str) -> None:
    """What the API's own clients send arrives whole in every form: losses are for odd requests."""
    headers = [
        ("Host", "id.example.com"),
        ("Authorization", "Bearer TOKEN"),
        ("Cookie", "a=1; b=2"),
    ]
    request = from_a_client(
        Request("GET", "/v1/users/me/sessions?limit=1", headers, b""), doors.token
    )
    expected, server_view = doors.ask_server(request)
    answer, view = doors.ask_function(form, request)
    assert view == server_view
    assert (answer.status, masked(answer)) == (200, masked(expected))


@pytest.mark.parametrize("form", EVENT_BUILDERS)
def test_readiness_is_told_alike(doors: Doors, form: str) -> None:
    """Once a busy machine is in time for it at both doors."""
    request = from_a_client(
        Request("GET", "/health/ready", [("Host", "id.example.com")], b""), doors.token
    )

    def told_alike() -> int:
        expected, server_view = doors.ask_server(request)
        answer, view = doors.ask_function(form, request)
        assert view == server_view
        if answer.status == expected.status:
            assert masked(answer) == masked(expected)
        return max(answer.status, expected.status)

    until_ready(told_alike)


def test_every_loss_is_of_forms_that_exist() -> None:
    """The table names no form that is not served, and repeats nothing."""
    assert {form for loss in LOSSES for form in loss.forms} <= set(EVENT_BUILDERS)
    assert len({loss.text for loss in LOSSES}) == len(LOSSES)


def test_the_page_has_the_table(write_tables: bool) -> None:
    """docs/event-forms.md names every loss; --write-tables writes them."""
    page = Path(__file__).parents[2] / "docs/event-forms.md"
    head, marker, _ = page.read_text().partition(
        "| lost | changes answers | forms |\n|---|---|---|\n"
    )
    written = head + marker + "\n".join(table()) + "\n"
    if write_tables:
        page.write_text(written)
    assert marker
    assert page.read_text() == written
