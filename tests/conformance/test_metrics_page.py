"""The metrics page of a server under traffic: what it counts is what happened."""

from __future__ import annotations

import secrets
import socket
import string
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx
import psutil
import pytest

from core.adapters.telemetry.metrics import METHODS, REQUEST_BUCKETS
from tests.support.clients import LambdaClient, until_ready
from tests.support.mailbox import Mailbox
from tests.support.metric_pages import Series, risen, series, value
from tests.support.people import PASSWORD, People, random_email
from tests.support.server import ServerProcess

REST_SECONDS = 60.0
MANY = 10_000
# The methods that httptools knows and this API has no use for (llhttp), in both cases.
UNUSUAL = ("CONNECT", "TRACE", "PROPFIND", "PURGE", "M-SEARCH", "SEARCH", "LINK", "get", "Post")
# Counter, sum, count and buckets with +Inf.
OF_A_PATH = 1 + 2 + len(REQUEST_BUCKETS) + 1


@pytest.fixture
def own_server(environment: dict[str, str]) -> Iterator[ServerProcess]:
    """Nobody else's requests are on its page."""
    with ServerProcess.start(environment) as server:
        yield server


def page(server: ServerProcess) -> Series:
    return series(server.metrics())


def at_rest(server: ServerProcess, holds: Callable[[Series], bool]) -> Series:
    """The page as soon as it holds."""
    ends = time.monotonic() + REST_SECONDS
    while not holds(found := page(server)):
        assert time.monotonic() < ends, found
        time.sleep(0.05)
    return found


def quiet(found: Series) -> bool:
    """No request is in flight, and no connection or hash is in use."""
    return (
        value(found, "http_requests_in_flight") == 0
        and value(found, "db_connection_pool_active") == 0
        and value(found, "password_hashes_in_flight") == 0
    )


def made(before: Series, after: Series) -> float:
    """Requests since then."""
    return sum(risen(before, after, "http_requests_total").values())


def test_counts_match_the_requests_that_were_made(
    own_server: ServerProcess, mailbox: Mailbox
) -> None:
    """By method, route and status; with the events, statements and hashes that belong to them."""
    client = own_server.client()
    people = People(client, mailbox)
    before = at_rest(own_server, quiet)
    me = people.logged_in()
    for _ in range(7):
        client.request("GET", "/v1/users/me", token=me.access)
    client.request("HEAD", "/v1/users/me", token=me.access)
    for _ in range(3):
        client.request("GET", "/v1/users/me")
    for _ in range(2):
        wrong = {"identifier": me.person.email, "password": "wrong " + PASSWORD}
        client.request("POST", "/v1/auth/login", json=wrong)
    json_body = [("content-type", "application/json")]
    client.request("POST", "/v1/auth/login", body=b"{", headers=json_body)
    client.request("GET", f"/{secrets.token_hex(8)}")
    client.request("DELETE", "/v1/users/me", token=me.access)
    # What is counted of a request is counted behind its answer.
    after = at_rest(own_server, lambda found: quiet(found) and made(before, found) == 19)
    assert risen(before, after, "http_requests_total") == {
        ("POST", "/v1/auth/register", "202"): 1,
        ("POST", "/v1/auth/verify-email", "200"): 1,
        ("POST", "/v1/auth/login", "200"): 1,
        ("POST", "/v1/auth/login", "401"): 2,
        ("POST", "/v1/auth/login", "400"): 1,
        ("GET", "/v1/users/me", "200"): 7,
        ("HEAD", "/v1/users/me", "200"): 1,
        ("GET", "/v1/users/me", "401"): 3,
        ("GET", "__unmatched__", "404"): 1,
        ("DELETE", "/v1/users/me", "202"): 1,
    }
    durations = risen(before, after, "http_request_duration_seconds_count")
    assert durations["GET", "/v1/users/me"] == 10
    assert risen(before, after, "authentication_attempts_total") == {
        ("success",): 1,
        ("failure",): 2,
    }
    assert risen(before, after, "users_created_total") == {(): 1}
    assert risen(before, after, "users_deleted_total") == {(): 1}
    # The sign-up, its link, the log-in, and two wrong guesses, each of them at a password and a
    # sign-up's.
    assert risen(before, after, "password_hashes_total") == {(): 7}
    assert risen(before, after, "db_queries_total")["insert", "outbox"] >= 1


def test_the_clock_is_compared_with_the_databases(own_server: ServerProcess) -> None:
    """With each look at readiness: both clocks are this machine's here, and what is between the
    two readings is a part of what the looks took."""
    began = time.monotonic()
    until_ready(lambda: own_server.http.get("/health/ready").status_code)
    found = page(own_server)
    took = time.monotonic() - began
    assert ("db_clock_offset_seconds", frozenset[tuple[str, str]]()) in found
    assert abs(value(found, "db_clock_offset_seconds")) < took + 1


def test_buckets_are_cumulative_and_end_in_the_count(own_server: ServerProcess) -> None:
    """As `histogram_quantile` needs them: each holds those before it, and the last one all."""
    for _ in range(20):
        own_server.http.get("/health/live")
    found = at_rest(own_server, quiet)
    labels = {"method": "GET", "path": "/health/live"}
    name = "http_request_duration_seconds"
    counts = [
        value(found, f"{name}_bucket", le=str(float(bound)), **labels) for bound in REQUEST_BUCKETS
    ]
    counts.append(value(found, f"{name}_bucket", le="+Inf", **labels))
    assert counts == sorted(counts)
    assert counts[-1] == value(found, f"{name}_count", **labels) >= 20
    assert 0 < value(found, f"{name}_sum", **labels) < 20 * 10


def test_gauges_return_to_rest(own_server: ServerProcess) -> None:
    """After a crowd, errors, and clients that go away in the middle."""
    address = (own_server.http.base_url.host, own_server.http.base_url.port or 0)
    login = {"identifier": random_email(), "password": PASSWORD}

    def guess(_: int) -> int:
        with httpx.Client(base_url=own_server.url, timeout=30, trust_env=False) as client:
            return client.post("/v1/auth/login", json=login).status_code

    with ThreadPoolExecutor(16) as crowd:
        assert set(crowd.map(guess, range(32))) <= {401, 429, 503}
    head = b"POST /v1/auth/login HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
    for _ in range(20):
        for rest in (b"Content-Length: 100\r\n\r\n{", b"Content-Length: 2\r\n\r\n{}", b"X"):
            with socket.create_connection(address, 30) as leaving:
                leaving.sendall(head + rest)
    found = at_rest(own_server, quiet)
    assert 1 <= value(found, "db_connection_pool_idle") <= 10


def nonsense(length: int = 12) -> str:
    return "".join(secrets.choice(string.ascii_letters) for _ in range(length))


def exchange(address: tuple[str, int], requests: list[bytes]) -> int:
    """All of them down one connection, which the last one closes; returns how many answers."""
    with socket.create_connection(address, 60) as connection:
        connection.sendall(b"".join(requests))
        received = bytearray()
        while part := connection.recv(1 << 20):
            received += part
    return received.count(b"HTTP/1.1 ")


def asked(method: str, path: str, *, last: bool) -> bytes:
    close = "Connection: close\r\n" if last else ""
    return f"{method} /{path} HTTP/1.1\r\nHost: x\r\n{close}\r\n".encode()


def labels_of(found: Series) -> set[str]:
    return {text for name, labels in found if name.startswith("http_") for _, text in labels}


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_made_up_paths_and_methods_make_no_series_on_the_server(
    own_server: ServerProcess,
) -> None:
    """Ten thousand of each leave one more path, `__unmatched__`, and one more method, OTHER."""
    address = (own_server.http.base_url.host, own_server.http.base_url.port or 0)
    before = at_rest(own_server, quiet)
    process = psutil.Process(own_server.process.pid)
    memory = 0
    for round_number in range(MANY // 100):
        paths = [asked("GET", nonsense(), last=number == 99) for number in range(100)]
        assert exchange(address, paths) == 100
        for number in range(100):
            # Those that the parser does not know end the connection.
            method = UNUSUAL[number % len(UNUSUAL)] if number % 2 else nonsense(8)
            assert exchange(address, [asked(method, nonsense(), last=True)]) == 1
        if round_number == 9:
            memory = process.memory_info().rss
    after = at_rest(own_server, quiet)
    assert labels_of(after) - labels_of(before) == {"__unmatched__", "OTHER", "404"}
    assert len(after) - len(before) <= 2 * OF_A_PATH
    assert process.memory_info().rss - memory < 20_000_000


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_made_up_paths_and_methods_make_no_series_on_lambda(lambda_client: LambdaClient) -> None:
    """The same for the function, whose events can hold any method at all."""
    client = lambda_client.fresh()
    # The first of all brings the bounds of the histogram.
    client.request("GET", "/health/live")
    before = series(client.metrics())
    for number in range(MANY):
        client.send("GET", f"/{nonsense()}", [], b"")
        client.send(UNUSUAL[number % len(UNUSUAL)] if number % 2 else nonsense(8), "/x", [], b"")
    after = series(client.metrics())
    # All with a known method, and of the others those that are of an event's form.
    assert MANY < made(before, after) <= 2 * MANY
    new = labels_of(after) - labels_of(before)
    assert new <= {"__unmatched__", "OTHER", "404", "405", "400", "501"}
    assert len(after) - len(before) <= 4 * OF_A_PATH
    unmatched = {
        dict(labels)["method"] for name, labels in after if ("path", "__unmatched__") in labels
    }
    assert unmatched <= METHODS | {"OTHER"}
