"""A client that sends much costs the server little and gets a problem."""

from __future__ import annotations

import select
from collections.abc import Iterator
from contextlib import suppress
from typing import Literal, cast

import pytest

from handler.http.protocol import BoundedHttpProtocol
from tests.support.asgi_server import connect, exchange, read_to_end, serving
from tests.support.raw_http import END, PatientProtocol, answers, app, refused


@pytest.fixture(scope="module", params=["uvloop", "asyncio"])
def port(request: pytest.FixtureRequest) -> Iterator[int]:
    loop = cast(Literal["uvloop", "asyncio"], request.param)
    with serving(app, PatientProtocol, loop) as number:
        yield number


def test_a_big_body_is_no_header(port: int) -> None:
    """The limit of headers leaves bodies alone, in one segment with the headers or in many."""
    body = b"b" * 200_000
    head = b"POST / HTTP/1.1\r\nContent-Length: %d\r\n" % len(body) + END
    for chunks in ((head + body,), (head, body), (head[:20], head[20:] + body)):
        ((status, _, seen),) = answers(exchange(port, *chunks, pause=0.02))
        assert (status, len(seen["body"])) == (200, len(body))


LIMIT = BoundedHttpProtocol.max_header_bytes


@pytest.mark.parametrize(
    "head",
    [
        b"GET / HTTP/1.1\r\nX: " + b"x" * LIMIT + b"\r\n\r\n",
        b"GET /" + b"x" * LIMIT + b" HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\n" + b"X: %s\r\n" % (b"x" * 1000) * 33 + b"\r\n",
        b"GET / HTTP/1.1\r\n" + b"X:1\r\n" * 101 + b"\r\n",
    ],
    ids=["one header", "target", "many headers", "count"],
)
def test_large_headers_are_refused(port: int, head: bytes) -> None:
    """Headers of more than 32 KiB or more than a hundred are 431."""
    assert refused(exchange(port, head)) == 431


def test_headers_up_to_the_limit_are_served(port: int) -> None:
    """A hundred headers of together nearly 32 KiB are served, in one segment or in several."""
    head = b"GET / HTTP/1.1\r\n" + b"X: %s\r\n" % (b"x" * 300) * 99 + END
    assert answers(exchange(port, head))[0][0] == 200
    pieces = [head[start : start + 5000] for start in range(0, len(head), 5000)]
    assert answers(exchange(port, *pieces, pause=0.01))[0][0] == 200


CHUNKED = b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"


@pytest.mark.parametrize(
    "start",
    [
        b"GET / HTTP/1.1\r\nX: ",
        b"GET /",
        b"GET / HTTP/1.1\r\nX",
        CHUNKED + b"0\r\nX: ",
        CHUNKED + b"1;",
    ],
    ids=["value", "target", "name", "trailer", "chunk extension"],
)
def test_a_header_without_end_is_refused_early(port: int, start: bytes) -> None:
    """One header that never ends is refused within its first MB, and not by a deadline: without
    the limit the wait for the end of the connection ends first."""
    with connect(port) as connection:
        connection.sendall(start)
        with suppress(BrokenPipeError, ConnectionResetError):
            for _ in range(64):
                connection.sendall(b"x" * 16384)
                # A server that is behind gets a moment, not a part of the proof.
                if select.select([connection], [], [], 0.01)[0]:
                    break
        raw = read_to_end(connection)
    # The answer is lost where the end of the connection overtakes it.
    assert raw == b"" or refused(raw) == 431


def test_trailers_count_too(port: int) -> None:
    """Trailers are dropped, but not without a limit."""
    assert refused(exchange(port, CHUNKED + b"0\r\n" + b"X: %s\r\n" % (b"x" * 1000) * 40)) == 431


def test_pipelined_requests_do_not_add_up(port: int) -> None:
    """The limit is one request's: many at once, cut anywhere, are all served."""
    request = b"GET / HTTP/1.1\r\nX: %s\r\n\r\n" % (b"x" * 2000)
    raw = request * 40 + b"GET / HTTP/1.1\r\n" + END
    seen = answers(exchange(port, raw[:1000], raw[1000:60000], raw[60000:], pause=0.05))
    assert [status for status, _, _ in seen] == [200] * 41
