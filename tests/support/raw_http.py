"""A server that answers with what it was asked, and its answers read from the bytes."""

from __future__ import annotations

import asyncio
import json
import socket
from typing import Any

from handler.http.protocol import BoundedHttpProtocol

TIMEOUT = 0.4
PATIENCE = 60.0
"""Longer than any wait of `connect`: what ends before was not ended by this deadline."""
END = b"Connection: close\r\n\r\n"


class PatientProtocol(BoundedHttpProtocol):
    """For all that is not about the deadline: a busy machine cannot run into it."""

    header_timeout = PATIENCE


class QuickProtocol(BoundedHttpProtocol):
    """For clients whose headers never end; no request is sure to be served."""

    header_timeout = TIMEOUT


class KeptProtocol(BoundedHttpProtocol):
    """Quick from the second request of a connection on, so that the first is sure to be served."""

    @property
    def header_timeout(self) -> float:  # type: ignore[override]
        earlier: object | None = self.cycle
        return PATIENCE if earlier is None else TIMEOUT


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
        part = connection.recv(65536)
        assert part, "the server closed the connection"
        received += part
    assert answers(received)[0][0] == 200
