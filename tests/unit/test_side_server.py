"""The small server of metrics and probes: what it answers, and which clients cannot hold it."""

from __future__ import annotations

import contextlib
import http.client
import socket
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

import handler.side_server
from core.errors import ConfigurationError
from handler.listener import listen, listen_beside
from handler.side_server import MOST_CONNECTIONS, Page, side_server
from tests.support.asgi_server import connect, exchange
from tests.support.log_lines import told_by

DEADLINE = 0.6
PATIENCE = 60.0
"""The deadline of connections in all other tests: a busy machine cannot run into it."""
LATEST = 20.0
"""Of a wait: longer than a busy machine needs, and over before the patient deadline."""
BIG = b"x" * 32_000_000  # more than socket buffers hold


def failing() -> Page:
    raise RuntimeError("of this page only")


PAGES: dict[str, Callable[[], Page]] = {
    "/metrics": lambda: Page(200, "text/plain", b"counted 1\n"),
    "/unwell": lambda: Page(503, "application/json", b"{}"),
    "/fails": failing,
    "/big": lambda: Page(200, "text/plain", BIG),
}


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(handler.side_server, "DEADLINE_SECONDS", PATIENCE)


@pytest.fixture
def port() -> Iterator[int]:
    before = threading.active_count()
    listener = listen("127.0.0.1", 0)
    with side_server(listener, PAGES):
        yield int(listener.getsockname()[1])
    wait_for(lambda: threading.active_count() <= before)


@pytest.fixture
def quick(port: int, monkeypatch: pytest.MonkeyPatch) -> int:
    """The port of a server with a deadline so short that no client can count on an answer."""
    monkeypatch.setattr(handler.side_server, "DEADLINE_SECONDS", DEADLINE)
    return port


def wait_for(holds: Callable[[], bool]) -> None:
    ends = time.monotonic() + LATEST
    while not holds():
        assert time.monotonic() < ends
        time.sleep(0.02)


def ask(port: int, method: str = "GET", path: str = "/metrics") -> http.client.HTTPResponse:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=LATEST)
    with contextlib.closing(connection):
        connection.request(method, path)
        answer = connection.getresponse()
        answer.body = answer.read()  # type: ignore[attr-defined]
        return answer


def body(answer: http.client.HTTPResponse) -> bytes:
    return answer.body  # type: ignore[attr-defined,no-any-return]


@pytest.mark.parametrize("path", ["/metrics", "/metrics?name=a", "http://prometheus.test/metrics"])
def test_a_page_is_found_by_its_path(port: int, path: str) -> None:
    answer = ask(port, path=path)
    assert (answer.status, body(answer)) == (200, b"counted 1\n")
    assert answer.headers["content-type"] == "text/plain"
    assert answer.headers["connection"] == "close"
    assert answer.headers["date"].endswith("GMT")


def test_head_is_get_without_the_body(port: int) -> None:
    answer = ask(port, "HEAD")
    assert (answer.status, answer.headers["content-length"], body(answer)) == (200, "10", b"")


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/", 404),
        ("GET", "/%6Detrics", 404),
        ("GET", "/metrics/", 404),
        ("GET", "//metrics", 404),
        ("GET", "/v1/users/me", 404),
        ("POST", "/metrics", 405),
        ("OPTIONS", "/metrics", 405),
        ("BREW", "/metrics", 405),
        ("GET", "/fails", 500),
    ],
)
def test_a_refusal_is_a_problem(port: int, method: str, path: str, status: int) -> None:
    answer = ask(port, method, path)
    assert answer.status == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["allow"] == ("GET, HEAD" if status == 405 else None)


def test_a_page_that_fails_is_told(port: int, caplog: pytest.LogCaptureFixture) -> None:
    ask(port, path="/fails")
    assert told_by("handler.side_server", caplog) == ["a page of the side server failed"]
    assert "RuntimeError: of this page only" in caplog.text


def test_a_connection_that_fails_is_told_in_the_log_alone(
    caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    """socketserver would print the address of the client."""

    class Broken(dict[str, Callable[[], Page]]):
        def get(self, *_: object) -> Any:
            raise RuntimeError

    listener = listen("127.0.0.1", 0)
    with side_server(listener, Broken()), pytest.raises(http.client.RemoteDisconnected):
        ask(listener.getsockname()[1])
    assert told_by("handler.side_server", caplog) == ["a connection of the side server failed"]
    assert capsys.readouterr() == ("", "")


def test_a_page_has_its_own_status(port: int) -> None:
    assert ask(port, path="/unwell").status == 503


@pytest.mark.parametrize(
    ("raw", "status"),
    [
        (b"GET /metrics\r\n\r\n", 400),
        (b"GET metrics HTTP/1.1\r\n\r\n", 400),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", 400),
        (b"GET /metrics HTTP/1.1\r\nX: " + b"x" * 17_000 + b"\r\n\r\n", 431),
        (b"GET /metrics HTTP/1.0\r\n\r\n", 200),
    ],
)
def test_what_is_no_request_is_refused(port: int, raw: bytes, status: int) -> None:
    assert exchange(port, raw).startswith(b"HTTP/1.1 %d " % status)


def test_a_client_that_says_nothing_is_let_go(quick: int) -> None:
    """No thread is left behind, whatever it has sent."""
    for sent in (b"", b"GET /metr", b"GET /metrics HTTP/1.1\r\nHost: x\r\n"):
        began = time.monotonic()
        with connect(quick) as silent, contextlib.suppress(ConnectionError):
            # On a busy machine the deadline may come first.
            silent.sendall(sent)
            assert silent.recv(1024) == b""
        assert DEADLINE * 0.8 < time.monotonic() - began < LATEST


def test_a_client_that_sends_a_byte_now_and_then_is_let_go(quick: int) -> None:
    """The deadline is for the whole connection, not for each byte."""
    began = time.monotonic()
    with connect(quick) as slow, contextlib.suppress(OSError):
        slow.sendall(b"GET /metrics HTTP/1.1\r\n")
        while time.monotonic() - began < LATEST:
            slow.sendall(b"X")
            time.sleep(0.1)
    assert DEADLINE * 0.8 < time.monotonic() - began < LATEST


def test_a_client_that_never_reads_is_let_go(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    before, began = threading.active_count(), time.monotonic()
    with connect(port) as deaf:
        deaf.sendall(b"GET /big HTTP/1.1\r\n\r\n")
        assert deaf.recv(1)
        # Only now: the answer has begun, however long that took.
        monkeypatch.setattr(handler.side_server, "DEADLINE_SECONDS", DEADLINE)
        wait_for(lambda: threading.active_count() == before)
        assert time.monotonic() - began > DEADLINE * 0.8


def test_a_scraper_gets_in_past_silent_connections(port: int) -> None:
    """The oldest is let go for it; threads are bounded all the while."""
    before = threading.active_count()
    with contextlib.ExitStack() as stack:
        silent = []
        for number in range(5 * MOST_CONNECTIONS):
            silent.append(stack.enter_context(connect(port)))
            if number >= MOST_CONNECTIONS:
                assert silent[number - MOST_CONNECTIONS].recv(1) == b""
            # One that was let go has left when its thread has ended.
            wait_for(lambda: threading.active_count() - before <= MOST_CONNECTIONS)
        assert ask(port).status == 200
        assert silent[-MOST_CONNECTIONS].recv(1) == b""
        assert ask(port).status == 200


def test_threads_that_cannot_be_ended_are_bounded() -> None:
    """Of pages that wait for a database: one connection more is not answered."""
    at_work, end = threading.Semaphore(0), threading.Event()

    def stuck() -> Page:
        at_work.release()
        end.wait(PATIENCE)
        return Page(200, "text/plain", b"")

    listener = listen("127.0.0.1", 0)
    port = int(listener.getsockname()[1])
    with contextlib.ExitStack() as stack:
        stack.enter_context(side_server(listener, {"/stuck": stuck}))
        stack.callback(end.set)
        for _ in range(2 * MOST_CONNECTIONS):
            stack.enter_context(connect(port)).sendall(b"GET /stuck HTTP/1.1\r\n\r\n")
            assert at_work.acquire(timeout=LATEST)
        assert stack.enter_context(connect(port)).recv(1) == b""


def test_it_answers_while_the_interpreter_is_busy(port: int) -> None:
    """As an event loop is that parses: no thread of the API has to be free."""
    stop = threading.Event()

    def spin() -> None:
        while not stop.is_set():
            sum(range(1000))

    threads = [threading.Thread(target=spin) for _ in range(3)]
    for thread in threads:
        thread.start()
    try:
        assert ask(port).status == 200
    finally:
        stop.set()
        for thread in threads:
            thread.join()


def test_it_ends_with_what_it_is_beside() -> None:
    """A connection that waits delays nothing, and the port is free again."""
    listener = listen("127.0.0.1", 0)
    port = int(listener.getsockname()[1])
    with contextlib.ExitStack() as stack:
        with side_server(listener, PAGES):
            waiting = stack.enter_context(connect(port))
            assert ask(port).status == 200
            began = time.monotonic()
        assert time.monotonic() - began < LATEST
        with pytest.raises(ConnectionRefusedError):
            connect(port)
        waiting.close()


def test_without_a_port_there_is_none() -> None:
    with listen_beside("127.0.0.1", 0, chosen_by="METRICS_PORT") as listener:
        assert listener is None
        with side_server(listener, PAGES):
            pass


def test_a_taken_port_is_told_with_its_setting() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ConfigurationError, match="choose another with METRICS_PORT"):
            listen_beside("127.0.0.1", port, chosen_by="METRICS_PORT")


def test_it_listens_on_ipv6_too() -> None:
    listener = listen("::1", 0)
    port = int(listener.getsockname()[1])
    with side_server(listener, PAGES):
        connection = http.client.HTTPConnection("::1", port, timeout=LATEST)
        connection.request("GET", "/metrics")
        assert connection.getresponse().status == 200
        connection.close()
