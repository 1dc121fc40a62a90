"""Where a request ends is never in doubt; what is malformed gets a problem."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal, cast

import pytest

from tests.support.asgi_server import exchange, serving
from tests.support.raw_http import END, PatientProtocol, answers, app, refused


@pytest.fixture(scope="module", params=["uvloop", "asyncio"])
def port(request: pytest.FixtureRequest) -> Iterator[int]:
    loop = cast(Literal["uvloop", "asyncio"], request.param)
    with serving(app, PatientProtocol, loop) as number:
        yield number


def test_pipelined_requests_are_answered_in_order(port: int) -> None:
    """Requests sent together, the first a slow one, are answered one by one."""
    requests = [b"POST /slow HTTP/1.1\r\nContent-Length: 2\r\n\r\nok"]
    requests += [b"GET /%d HTTP/1.1\r\n\r\n" % number for number in range(20)]
    raw = exchange(port, b"".join(requests) + b"GET /last HTTP/1.1\r\n" + END)
    paths = [seen["path"] for _, _, seen in answers(raw)]
    assert paths == ["/slow", *(f"/{number}" for number in range(20)), "/last"]


@pytest.mark.parametrize(
    "garbage",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"garbage\r\n\r\n",
        b"get / HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\nHost: a\n\n",
        b"GET / HTTP/1.1\r\nBad Name: 1\r\n\r\n",
        b"GET / HTTP/1.1\r\nX: a\x00b\r\n\r\n",
        b"GET / HTTP/1.1\r\nX: a\rInjected: b\r\n\r\n",
        b"GET /\xc3\xa9 HTTP/1.1\r\n\r\n",
        b"GET nowhere HTTP/1.1\r\n\r\n",
        b"CONNECT a:443 HTTP/1.1\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    ],
)
def test_garbage_gets_a_problem(port: int, garbage: bytes) -> None:
    """What is no HTTP request gets a 400 problem, never plain text and never silence."""
    assert refused(exchange(port, garbage)) == 400


SECOND = b"GET /smuggled HTTP/1.1\r\n\r\n"


@pytest.mark.parametrize(
    "framing",
    [
        b"Content-Length: 5\r\nTransfer-Encoding: chunked",
        b"Transfer-Encoding: chunked\r\nContent-Length: 5",
        b"Content-Length: 5\r\nContent-Length: 5",
        b"Content-Length: 5\r\nContent-Length: 0",
        b"Content-Length: 5, 5",
        b"Content-Length: +5",
        b"Content-Length: 0x5",
        b"Content-Length: ",
        b"Content-Length : 5",
        b"Content-Length:\r\n 5",
        b"Transfer-Encoding : chunked",
        b"Transfer-Encoding:\r\n chunked",
        b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
        b"Transfer-Encoding: chunked, identity",
        b"Transfer-Encoding: chunked\nContent-Length: 5",
    ],
)
def test_ambiguous_framing_is_refused(port: int, framing: bytes) -> None:
    """No request whose body can end in two places is served: request smuggling."""
    request = b"POST / HTTP/1.1\r\nHost: a\r\n" + framing + b"\r\n\r\n0\r\n\r\n"
    assert refused(exchange(port, request + SECOND)) == 400


@pytest.mark.parametrize("coding", [b"gzip, chunked", b"identity, chunked", b"xchunked", b"gzip"])
def test_other_transfer_codings_are_not_implemented(port: int, coding: bytes) -> None:
    """A body in a coding that is not undone here is never taken as it is (RFC 9112 section 6.1)."""
    request = b"POST / HTTP/1.1\r\nTransfer-Encoding: " + coding + b"\r\n\r\n0\r\n\r\n"
    assert refused(exchange(port, request + SECOND)) == 501


@pytest.mark.parametrize(
    "chunks", [b"-1\r\n\r\n", b"3\nabc\n0\n\n", b"3\r\nabcX", b"3 \r\nabc\r\n", b"f" * 17 + b"\r\n"]
)
def test_malformed_chunks_are_refused(port: int, chunks: bytes) -> None:
    """A body whose chunks do not add up gets a 400 in place of an answer."""
    request = b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n" + chunks
    assert refused(exchange(port, request + SECOND)) == 400


@pytest.mark.parametrize("framing", [b"Content-Length: 26", b"Transfer-Encoding: chunked"])
def test_the_body_of_an_upgrade_is_no_request(port: int, framing: bytes) -> None:
    """httptools would read the body of an upgrade request as a second request."""
    head = b"POST / HTTP/1.1\r\nConnection: upgrade\r\nUpgrade: h2c\r\n" + framing + b"\r\n\r\n"
    assert refused(exchange(port, head, SECOND, pause=0.05)) == 400


def test_an_upgrade_without_body_is_served_as_it_is(port: int) -> None:
    """A client that offers h2c gets its answer over HTTP/1.1, and the connection ends after it."""
    head = b"GET /first HTTP/1.1\r\nConnection: upgrade\r\nUpgrade: h2c\r\n\r\n"
    ((status, headers, seen),) = answers(exchange(port, head + SECOND))
    assert (status, headers["connection"], seen["path"]) == (200, "close", "/first")


def test_nothing_is_served_after_close(port: int) -> None:
    """A second request behind `Connection: close` is not answered (RFC 9112 section 9.6)."""
    raw = exchange(port, b"GET /first HTTP/1.1\r\n" + END + SECOND)
    assert [seen["path"] for _, _, seen in answers(raw)] == ["/first"]


@pytest.mark.parametrize("version", [b"", b" HTTP/0.9", b" HTTP/2.0"])
def test_other_versions_are_refused(port: int, version: bytes) -> None:
    """Only HTTP/1.0 and HTTP/1.1 are spoken."""
    assert refused(exchange(port, b"GET /" + version + b"\r\n\r\n")) in {400, 505}


def test_trailers_are_no_headers(port: int) -> None:
    """Fields after a chunked body never count as headers: no forged address, no late credential."""
    trailers = b"X-Forwarded-For: 6.6.6.6\r\nAuthorization: Bearer late\r\n"
    head = b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n" + END
    ((status, _, seen),) = answers(exchange(port, head + b"2\r\nok\r\n0\r\n" + trailers + b"\r\n"))
    names = [name for name, _ in seen["headers"]]
    assert (status, seen["body"], names) == (200, "ok", ["transfer-encoding", "connection"])


def test_space_around_a_value_is_no_part_of_it(port: int) -> None:
    """Optional whitespace around a value is dropped (RFC 9112 section 5), as an ALB does."""
    raw = exchange(port, b"GET / HTTP/1.1\r\nX: \t a b \t \r\n" + END)
    assert answers(raw)[0][2]["headers"][0] == ["x", "a b"]


def test_an_earlier_request_is_answered_before_a_refusal_closes(port: int) -> None:
    """Garbage behind a good request neither jumps the queue nor costs the good one its answer."""
    raw = exchange(port, b"GET /slow HTTP/1.1\r\n\r\n" + b"garbage\r\n\r\n", SECOND)
    ((status, headers, seen),) = answers(raw)
    assert (status, headers["connection"], seen["path"]) == (200, "close", "/slow")
