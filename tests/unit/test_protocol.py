"""A client that is slow, huge or malformed costs the server little and gets a problem."""

from __future__ import annotations

import asyncio
import json
import socket
import time
from collections.abc import Iterator
from typing import Any, Literal, cast

import pytest

from handler.http.protocol import BoundedHttpProtocol
from tests.support.asgi_server import connect, exchange, read_to_end, serving

TIMEOUT = 0.4
END = b"Connection: close\r\n\r\n"


class QuickProtocol(BoundedHttpProtocol):
    header_timeout = TIMEOUT


async def app(scope: Any, receive: Any, send: Any) -> None:
    """Answers what arrived. `/slow` takes a moment; `/early` answers before it reads the body."""
    if scope["path"] == "/slow":
        await asyncio.sleep(2 * TIMEOUT)
    body = b""
    more = scope["path"] != "/early"
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            return
        body += message.get("body", b"")
        more = message.get("more_body", False)
    headers = [[name.decode(), value.decode("latin-1")] for name, value in scope["headers"]]
    answer = json.dumps({"path": scope["path"], "headers": headers, "body": body.decode()})
    start = {
        "type": "http.response.start",
        "status": 200,
        "headers": [(b"content-length", str(len(answer)).encode())],
    }
    await send(start)
    await send({"type": "http.response.body", "body": answer.encode()})


@pytest.fixture(scope="module", params=["uvloop", "asyncio"])
def port(request: pytest.FixtureRequest) -> Iterator[int]:
    loop = cast(Literal["uvloop", "asyncio"], request.param)
    with serving(app, QuickProtocol, loop) as number:
        yield number


def answers(raw: bytes) -> list[tuple[int, dict[str, str], Any]]:
    """Status, headers and decoded JSON of each answer in `raw`."""
    found = []
    while raw:
        head, _, raw = raw.partition(b"\r\n\r\n")
        status, *lines = head.decode().split("\r\n")
        headers = dict(line.lower().split(": ", 1) for line in lines)
        length = int(headers["content-length"])
        found.append((int(status.split()[1]), headers, json.loads(raw[:length])))
        raw = raw[length:]
    return found


def refused(raw: bytes) -> int:
    """The status of the one answer, which is a problem and closes the connection."""
    ((status, headers, problem),) = answers(raw)
    assert headers["content-type"] == "application/problem+json"
    assert headers["connection"] == "close"
    assert headers["x-request-id"] == problem["request_id"]
    assert problem["status"] == status
    return status


def ask(connection: socket.socket, request: bytes = b"GET / HTTP/1.1\r\n\r\n") -> None:
    """One request and its whole answer; the connection stays open."""
    connection.sendall(request)
    received = b""
    while not received.endswith(b"}"):
        received += connection.recv(65536)
    assert answers(received)[0][0] == 200


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


def seconds_until_closed(connection: socket.socket) -> float:
    start = time.monotonic()
    assert read_to_end(connection) == b""
    return time.monotonic() - start


@pytest.mark.parametrize("begun", [b"", b"\r\n", b"GET / HT", b"GET / HTTP/1.1\r\nHost: a\r\nX"])
def test_slow_headers_are_cut_off(port: int, begun: bytes) -> None:
    """A connection without complete headers is closed at the deadline."""
    with connect(port) as connection:
        connection.sendall(begun)
        assert TIMEOUT * 0.8 < seconds_until_closed(connection) < TIMEOUT * 2.5


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
        assert seconds_until_closed(connection) < TIMEOUT * 2.5


def test_line_feeds_between_requests_hold_no_connection(port: int) -> None:
    """An empty line ends uvicorn's keep-alive timeout; ours takes over."""
    with connect(port) as connection:
        ask(connection)
        connection.sendall(b"\r\n")
        assert seconds_until_closed(connection) < TIMEOUT * 2.5


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


def test_pipelined_requests_are_answered_in_order(port: int) -> None:
    """Requests sent together, the first a slow one, are answered one by one."""
    requests = [b"POST /slow HTTP/1.1\r\nContent-Length: 2\r\n\r\nok"]
    requests += [b"GET /%d HTTP/1.1\r\n\r\n" % number for number in range(20)]
    raw = exchange(port, b"".join(requests) + b"GET /last HTTP/1.1\r\n" + END)
    paths = [seen["path"] for _, _, seen in answers(raw)]
    assert paths == ["/slow", *(f"/{number}" for number in range(20)), "/last"]


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
    """One header that never ends is refused soon after 32 KiB, before any deadline."""
    with connect(port) as connection:
        connection.sendall(start)
        for _ in range(64):
            try:
                connection.sendall(b"x" * 16384)
            except (BrokenPipeError, ConnectionResetError):
                return
            time.sleep(TIMEOUT / 200)
    raise AssertionError("the server took 1 MB of one header")


def test_trailers_count_too(port: int) -> None:
    """Trailers are dropped, but not without a limit."""
    assert refused(exchange(port, CHUNKED + b"0\r\n" + b"X: %s\r\n" % (b"x" * 1000) * 40)) == 431


def test_pipelined_requests_do_not_add_up(port: int) -> None:
    """The limit is one request's: many at once, cut anywhere, are all served."""
    request = b"GET / HTTP/1.1\r\nX: %s\r\n\r\n" % (b"x" * 2000)
    raw = request * 40 + b"GET / HTTP/1.1\r\n" + END
    seen = answers(exchange(port, raw[:1000], raw[1000:60000], raw[60000:], pause=0.05))
    assert [status for status, _, _ in seen] == [200] * 41


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
