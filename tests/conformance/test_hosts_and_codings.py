"""What HTTP wants of a request's head on both targets: a host, and a body as it is."""

from __future__ import annotations

import gzip
import json
from urllib.parse import urlsplit

import pytest

from tests.support.asgi_server import connect, read_to_end
from tests.support.clients import Client
from tests.support.lambda_events import EVENT_BUILDERS, response_of
from tests.support.raw_http import refused
from tests.support.server import ServerProcess

BODY = b'{"identifier": "a@example.com", "password": "violet-otter-sings-9"}'


def status_of(server: ServerProcess, *lines: bytes) -> tuple[int, bytes]:
    """The answer to exactly these lines, on a connection of their own."""
    with connect(urlsplit(server.url).port or 80) as connection:
        connection.settimeout(60)
        connection.sendall(b"".join(line + b"\r\n" for line in lines) + b"\r\n")
        raw = read_to_end(connection)
    return int(raw.split(b" ", 2)[1]), raw


@pytest.mark.parametrize("path", [b"/health/live", b"/v1/users/me", b"/nowhere"])
@pytest.mark.parametrize("host", [[], [b"Host:"], [b"Host: a", b"Host: b"], [b"Host: a, b"]])
def test_the_server_wants_one_host(server: ServerProcess, path: bytes, host: list[bytes]) -> None:
    """RFC 9112 section 3.2, whatever is asked for."""
    status, raw = status_of(server, b"GET %s HTTP/1.1" % path, *host, b"Connection: close")
    assert status == 400
    assert b'"/problems/bad-request"' in raw


@pytest.mark.parametrize("host", [[], [b"Host: a.example"]])
def test_a_probe_of_http_1_0_needs_none(server: ServerProcess, host: list[bytes]) -> None:
    """Load balancers' probes among them."""
    assert status_of(server, b"GET /health/live HTTP/1.0", *host)[0] == 200


@pytest.mark.parametrize(
    ("form", "status"),
    [
        ("function-url", 400),
        ("http-api-2.0", 400),
        ("http-api-1.0", 400),
        ("rest-api", 200),
        ("alb-multi-value", 200),
        ("alb-single-value", 200),
    ],
)
@pytest.mark.usefixtures("lambda_client")
def test_events_without_a_host(form: str, status: int) -> None:
    """Refused where clients' requests always have one; a load balancer's health check has none."""
    from handler.aws_lambda import lambda_handler

    event = EVENT_BUILDERS[form]("GET", "/health/live", [("Accept", "*/*")], b"")
    for name in ("headers", "multiValueHeaders"):
        for header in {"Host", "host"} & set(event.get(name) or {}):
            del event[name][header]
    answered, _, body = response_of(lambda_handler(event, None))
    assert answered == status
    if status == 400:
        assert json.loads(body)["type"] == "/problems/bad-request"


@pytest.mark.parametrize("coding", ["gzip", "br", "zstd", "identity, gzip", "aws-chunked"])
@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/v1/auth/login"),
        ("POST", "/v1/users"),
        ("PATCH", "/v1/users/me"),
        ("POST", "/v1/auth/logout-all"),
    ],
)
def test_a_coded_body_is_refused(client: Client, method: str, path: str, coding: str) -> None:
    """Before it is parsed, and before anybody is asked who they are; what is accepted is told."""
    headers = [("content-encoding", coding), ("content-type", "application/json")]
    answer = client.request(method, path, headers=headers, body=gzip.compress(BODY))
    assert (answer.status, answer.problem) == (415, "unsupported-media-type")
    assert answer.header("accept-encoding") == "identity"


def test_a_body_as_it_is_may_say_so(client: Client) -> None:
    headers = [("content-encoding", "identity"), ("content-type", "application/json")]
    answer = client.request("POST", "/v1/auth/login", headers=headers, body=BODY)
    assert (answer.status, answer.problem) == (401, "invalid-credentials")


def test_slow_headers_are_answered(server: ServerProcess) -> None:
    """By the server process with its settings: HEADER_TIMEOUT after the connection."""
    with connect(urlsplit(server.url).port or 80) as connection:
        connection.settimeout(60)
        connection.sendall(b"GET /health/live HTTP/1.1\r\nHost: a.exam")
        assert refused(read_to_end(connection)) == 408
