"""A client that dawdles costs the server a connection for a moment only."""

from __future__ import annotations

import contextlib
import socket
import time
from collections.abc import Iterator
from typing import ClassVar, Literal, cast

import pytest

from tests.support.asgi_server import connect, exchange, read_to_end, serving
from tests.support.raw_http import (
    END,
    TIMEOUT,
    KeptProtocol,
    PatientProtocol,
    QuickProtocol,
    answers,
    app,
    ask,
    refused,
)

EARLIEST = TIMEOUT * 0.8
LATEST = TIMEOUT + 10
"""A machine may be busy; without a deadline it would be never."""

Loop = Literal["uvloop", "asyncio"]


class SlowToStart(QuickProtocol):
    """Its client has the time to send something first, on a busy machine too."""

    header_timeout = 2.0


class Watched(PatientProtocol):
    """Keeps whether the deadline still ran, after the headers of each request."""

    running: ClassVar[list[bool]] = []

    def on_headers_complete(self) -> None:
        super().on_headers_complete()
        self.running.append(self._deadline is not None)


@pytest.fixture(scope="module", params=["uvloop", "asyncio"])
def loop(request: pytest.FixtureRequest) -> Loop:
    return cast(Loop, request.param)


@pytest.fixture(scope="module")
def port(loop: Loop) -> Iterator[int]:
    with serving(app, QuickProtocol, loop) as number:
        yield number


@pytest.fixture(scope="module")
def kept(loop: Loop) -> Iterator[int]:
    """The port of a server whose first request of a connection may take its time."""
    with serving(app, KeptProtocol, loop) as number:
        yield number


def drip(connection: socket.socket, start: bytes) -> float:
    """Send `start` and then byte by byte until the server has had enough; the seconds it took."""
    began = time.monotonic()
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):
        connection.sendall(start)
        while time.monotonic() - began < LATEST:
            connection.sendall(b"x")
            time.sleep(TIMEOUT / 10)
        raise AssertionError("the server never closed the connection")
    return time.monotonic() - began


@pytest.mark.parametrize("sent", [b"", b"\r\n", b"\r\n\r\n"])
def test_a_connection_without_a_request_is_closed(port: int, sent: bytes) -> None:
    """At the deadline, and silently: nobody waits for an answer."""
    began = time.monotonic()
    with connect(port) as connection:
        # On a busy machine the deadline may come first.
        with contextlib.suppress(OSError):
            connection.sendall(sent)
        assert read_to_end(connection) == b""
    assert EARLIEST < time.monotonic() - began < LATEST


BEGUN = [b"G", b"GET / HT", b"GET / HTTP/1.1\r\nHost: a\r\nX", b"\r\nGET / HTTP/1.1\r\n"]


@pytest.mark.parametrize("begun", BEGUN)
def test_slow_headers_are_refused(kept: int, begun: bytes) -> None:
    """With 408 at the deadline, and the end of the connection (RFC 9110 section 15.5.9)."""
    with connect(kept) as connection:
        ask(connection)
        began = time.monotonic()
        connection.sendall(begun)
        raw = read_to_end(connection)
    assert EARLIEST < time.monotonic() - began < LATEST
    assert refused(raw) == 408
    assert answers(raw)[0][2]["type"] == "/problems/request-timeout"


def test_slow_headers_of_the_first_request_are_refused(loop: Loop) -> None:
    """Their time begins with the connection."""
    with serving(app, SlowToStart, loop) as port:
        began = time.monotonic()
        with connect(port) as connection:
            connection.sendall(BEGUN[-1])
            raw = read_to_end(connection)
    assert SlowToStart.header_timeout * 0.8 < time.monotonic() - began
    assert refused(raw) == 408


def test_a_byte_now_and_then_does_not_extend_the_deadline(port: int) -> None:
    """Slowloris: the deadline holds for the whole of the headers."""
    began = time.monotonic()
    with connect(port) as connection:
        drip(connection, b"GET / HTTP/1.1\r\nX-Slow: ")
    assert EARLIEST < time.monotonic() - began < LATEST


def test_nor_does_it_on_a_kept_connection(kept: int) -> None:
    with connect(kept) as connection:
        ask(connection)
        assert EARLIEST < drip(connection, b"GET / HTTP/1.1\r\nX-Slow: ") < LATEST


def test_the_next_request_has_a_deadline_too(kept: int) -> None:
    """Half a request sent behind a whole one is cut off soon after the answer to that one."""
    with connect(kept) as connection:
        began = time.monotonic()
        ask(connection, b"GET /slow HTTP/1.1\r\n\r\nGET / HT")
        answered = time.monotonic()
        raw = read_to_end(connection)
    # The first one takes two deadlines, and only then that of the second begins.
    assert time.monotonic() - began > 2 * TIMEOUT + EARLIEST
    assert time.monotonic() - answered < LATEST
    assert refused(raw) == 408


def test_what_comes_after_the_deadline_is_not_read(kept: int) -> None:
    """The rest of the headers is too late: there is one answer, and nothing was asked."""
    with connect(kept) as connection:
        ask(connection)
        connection.sendall(b"GET / HTTP/1.1\r\nX: y")
        assert connection.recv(1, socket.MSG_PEEK)
        with contextlib.suppress(OSError):
            connection.sendall(b"\r\n\r\nGET / HTTP/1.1\r\n\r\n")
        assert refused(read_to_end(connection)) == 408


def test_line_feeds_between_requests_hold_no_connection(kept: int) -> None:
    """An empty line ends uvicorn's keep-alive timeout; ours takes over."""
    with connect(kept) as connection:
        ask(connection)
        began = time.monotonic()
        connection.sendall(b"\r\n")
        assert read_to_end(connection) == b""
    assert EARLIEST < time.monotonic() - began < LATEST


def test_a_body_after_its_answer_holds_no_connection(kept: int) -> None:
    """A client that drips on with the body of an answered request is cut off."""
    with connect(kept) as connection:
        ask(connection, b"POST /early HTTP/1.1\r\nContent-Length: 10000\r\n\r\n")
        assert EARLIEST < drip(connection, b"x") < LATEST


def test_a_slow_client_within_the_deadline_is_served(loop: Loop) -> None:
    """Headers in pieces are fine while they are in time, and the handler's time is not theirs."""
    Watched.running.clear()
    with serving(app, Watched, loop) as port:
        raw = exchange(port, b"GET /slow HT", b"TP/1.1\r\nX: ", b"1\r\n", END, pause=0.05)
    ((status, _, seen),) = answers(raw)
    assert (status, seen["headers"]) == (200, [["x", "1"], ["connection", "close"]])
    assert Watched.running == [False]


def test_an_idle_kept_connection_stays_open(kept: int) -> None:
    """Between requests the header deadline does not run: keep-alive is longer than the ALB's."""
    with connect(kept) as connection:
        for _ in range(2):
            ask(connection)
            time.sleep(TIMEOUT * 1.5)
        connection.sendall(b"GET / HTTP/1.1\r\n" + END)
        assert read_to_end(connection).startswith(b"HTTP/1.1 200")
