"""A client that dawdles costs the server a connection for a moment only."""

from __future__ import annotations

import contextlib
import socket
import time
from collections.abc import Iterator
from typing import Literal, cast

import pytest

from tests.support.asgi_server import connect, exchange, read_to_end, serving
from tests.support.raw_http import END, TIMEOUT, QuickProtocol, answers, app, ask, refused


@pytest.fixture(scope="module", params=["uvloop", "asyncio"])
def port(request: pytest.FixtureRequest) -> Iterator[int]:
    loop = cast(Literal["uvloop", "asyncio"], request.param)
    with serving(app, QuickProtocol, loop) as number:
        yield number


def drip(connection: socket.socket, data: bytes) -> float:
    """Send byte by byte until the server has had enough; how long that took, in seconds."""
    start = time.monotonic()
    for byte in data:
        try:
            connection.sendall(bytes([byte]))
        except (BrokenPipeError, ConnectionResetError):
            return time.monotonic() - start
        time.sleep(TIMEOUT / 10)
    raise AssertionError("the server never closed the connection")


def until_closed(connection: socket.socket) -> tuple[float, bytes]:
    """Seconds until the server closes, and what it sent until then."""
    start = time.monotonic()
    raw = read_to_end(connection)
    return time.monotonic() - start, raw


@pytest.mark.parametrize("sent", [b"", b"\r\n", b"\r\n\r\n"])
def test_a_connection_without_a_request_is_closed(port: int, sent: bytes) -> None:
    """At the deadline, and silently: nobody waits for an answer."""
    with connect(port) as connection:
        connection.sendall(sent)
        seconds, raw = until_closed(connection)
        assert raw == b""
        assert TIMEOUT * 0.8 < seconds < TIMEOUT * 2.5


@pytest.mark.parametrize(
    "begun", [b"G", b"GET / HT", b"GET / HTTP/1.1\r\nHost: a\r\nX", b"\r\nGET / HTTP/1.1\r\n"]
)
def test_slow_headers_are_refused(port: int, begun: bytes) -> None:
    """With 408 at the deadline, and the end of the connection (RFC 9110 section 15.5.9)."""
    with connect(port) as connection:
        connection.sendall(begun)
        seconds, raw = until_closed(connection)
        assert refused(raw) == 408
        assert answers(raw)[0][2]["type"] == "/problems/request-timeout"
        assert TIMEOUT * 0.8 < seconds < TIMEOUT * 2.5


@pytest.mark.parametrize("earlier", [False, True])
def test_a_byte_now_and_then_does_not_extend_the_deadline(port: int, earlier: bool) -> None:
    """Slowloris: the deadline holds for the whole of the headers, also on a kept connection."""
    with connect(port) as connection:
        if earlier:
            ask(connection)
        assert drip(connection, b"GET / HTTP/1.1\r\nX-Slow: " + b"y" * 100) < TIMEOUT * 3


def test_the_next_request_has_a_deadline_too(port: int) -> None:
    """Half a request sent behind a whole one is cut off soon after the answer to that one."""
    with connect(port) as connection:
        ask(connection, b"GET /slow HTTP/1.1\r\n\r\nGET / HT")
        seconds, raw = until_closed(connection)
        assert refused(raw) == 408
        assert seconds < TIMEOUT * 2.5


def test_what_comes_after_the_deadline_is_not_read(port: int) -> None:
    """The rest of the headers is too late: there is one answer, and nothing was asked."""
    with connect(port) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nX: y")
        time.sleep(TIMEOUT * 1.2)
        with contextlib.suppress(OSError):
            connection.sendall(b"\r\n\r\nGET / HTTP/1.1\r\n\r\n")
        assert refused(read_to_end(connection)) == 408


def test_line_feeds_between_requests_hold_no_connection(port: int) -> None:
    """An empty line ends uvicorn's keep-alive timeout; ours takes over."""
    with connect(port) as connection:
        ask(connection)
        connection.sendall(b"\r\n")
        seconds, raw = until_closed(connection)
        assert (raw, seconds < TIMEOUT * 2.5) == (b"", True)


def test_a_body_after_its_answer_holds_no_connection(port: int) -> None:
    """A client that drips on with the body of an answered request is cut off."""
    with connect(port) as connection:
        ask(connection, b"POST /early HTTP/1.1\r\nContent-Length: 1000\r\n\r\n")
        assert drip(connection, b"x" * 100) < TIMEOUT * 3


def test_a_slow_client_within_the_deadline_is_served(port: int) -> None:
    """Headers in pieces are fine while they are in time, and the handler's time is not theirs."""
    raw = exchange(port, b"GET /slow HT", b"TP/1.1\r\nX: ", b"1\r\n", END, pause=TIMEOUT / 10)
    ((status, _, seen),) = answers(raw)
    assert (status, seen["headers"]) == (200, [["x", "1"], ["connection", "close"]])


def test_an_idle_kept_connection_stays_open(port: int) -> None:
    """Between requests the header deadline does not run: keep-alive is longer than the ALB's."""
    with connect(port) as connection:
        for _ in range(2):
            ask(connection)
            time.sleep(TIMEOUT * 1.5)
        connection.sendall(b"GET / HTTP/1.1\r\n" + END)
        assert read_to_end(connection).startswith(b"HTTP/1.1 200")
