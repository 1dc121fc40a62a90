"""One spelling a path: what a proxy in front was asked to judge is what is routed, on every door.

Raw sockets, because clients remove dot segments and needless escapes before they send.
"""

from __future__ import annotations

import http.client
import re
from dataclasses import replace

import pytest

from tests.support.asgi_server import connect
from tests.support.clients import Answer, LambdaClient
from tests.support.lambda_events import EVENT_BUILDERS
from tests.support.server import ServerProcess

# HTTP APIs hand over what they have decoded (docs/event-forms.md).
AS_SENT = sorted(form for form in EVENT_BUILDERS if not form.startswith("http-api"))
DOTS = ["/v1/users/../users/me", "/v1/users/%2e%2e/me", "/./health", "/v1/users/me/.", "/.."]
OTHERS = [
    "/%6Detrics",
    "/health/liv%65",
    "/v1/%75sers/me",
    "/v1/users/%6de",
    "/v1/roles/a%2Fb",
    "/v1/users%2fme",
    "/v1/users/me%",
    "/v1/users/%zz",
    "/v1\\users\\me",
    '/v1/roles/"',
]


def ask_server(server: ServerProcess, target: str, method: str = "GET") -> Answer:
    """The request target as it stands here."""
    port = int(server.url.rpartition(":")[2])
    with connect(port) as connection:
        connection.sendall(f"{method} {target} HTTP/1.1\r\nHost: id.example.com\r\n\r\n".encode())
        received = http.client.HTTPResponse(connection, method=method)
        received.begin()
        headers = [(name.lower(), value) for name, value in received.getheaders()]
        return Answer(received.status, headers, received.read())


def without_id(answer: Answer) -> bytes:
    return re.sub(rb'"request_id":"[^"]+"', b"", answer.body)


@pytest.mark.parametrize("path", [*DOTS, *OTHERS])
def test_a_second_spelling_is_refused_alike_on_both_targets(
    server: ServerProcess, lambda_client: LambdaClient, path: str
) -> None:
    """400 with the same problem: no route is tried, and a query changes nothing."""
    expected = ask_server(server, path)
    assert (expected.status, expected.problem) == (400, "bad-request")
    assert ask_server(server, f"{path}?a=%61%2F..").status == 400
    assert ask_server(server, f"http://id.example.com{path}").status == 400
    for form in EVENT_BUILDERS if path in DOTS else AS_SENT:
        client = replace(lambda_client.fresh(), form=form)
        answer = client.send("GET", path, [], b"")
        assert answer.status == 400, form
        if form in AS_SENT:
            assert without_id(answer) == without_id(expected), form


@pytest.mark.parametrize("method", ["HEAD", "POST", "DELETE", "OPTIONS", "PROPFIND"])
def test_it_is_refused_for_every_method(
    server: ServerProcess, lambda_client: LambdaClient, method: str
) -> None:
    assert ask_server(server, "/v1/%75sers/me", method).status == 400
    assert lambda_client.fresh().send(method, "/v1/%75sers/me", [], b"").status == 400


@pytest.mark.parametrize("name", ["%40ops", "a%20b", "Z%C3%BCrich", "z%c3%bcrich", "a%5Cb", "a:b"])
def test_other_escapes_are_routed(
    server: ServerProcess, lambda_client: LambdaClient, name: str
) -> None:
    """To the role of that name, which only somebody with a token is told about."""
    path = f"/v1/roles/{name}"
    assert ask_server(server, path).status == 401
    assert ask_server(server, f"http://id.example.com{path}").status == 401
    for form in EVENT_BUILDERS:
        client = replace(lambda_client.fresh(), form=form)
        assert client.send("GET", path, [], b"").status == 401, form


@pytest.mark.parametrize("path", ["//health/live", "/health//live", "/health/live/"])
def test_empty_segments_are_another_path(
    server: ServerProcess, lambda_client: LambdaClient, path: str
) -> None:
    """No route has one, and none is taken away to find one."""
    assert ask_server(server, path).status == 404
    for form in EVENT_BUILDERS:
        client = replace(lambda_client.fresh(), form=form)
        assert client.send("GET", path, [], b"").status == 404, form


def test_a_fragment_is_refused(server: ServerProcess, lambda_client: LambdaClient) -> None:
    """A parser that cuts it off would route what no rule for the whole target has met."""
    assert ask_server(server, "/health/live#x").status == 400
    assert lambda_client.fresh().send("GET", "/health/live#x", [], b"").status == 400
