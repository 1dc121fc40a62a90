"""A kept HTTP/1.1 connection on a raw socket, which costs the process that measures little."""

from __future__ import annotations

import asyncio
import json
import re
import socket
from contextlib import suppress
from dataclasses import dataclass

DEADLINE_SECONDS = 30.0
"""For one exchange, connecting included."""

LOST = "no answer"
BUSY = "503 with Retry-After"

_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_CLOSES = re.compile(rb"\r\nconnection: *close", re.IGNORECASE)
_POLICY = re.compile(rb'\r\nratelimit: "([a-z-]+)";r=0;t=', re.IGNORECASE)
_LATER = re.compile(rb"\r\nretry-after: ", re.IGNORECASE)
_HEAD_END = b"\r\n\r\n"
_NO_CONTENT = (b"204", b"304")


class NoAnswer(Exception):
    """The connection broke, or the deadline passed, before a whole answer had come."""


@dataclass(frozen=True)
class Answer:
    status: int
    head: bytes
    body: bytes

    @property
    def outcome(self) -> str:
        """The status, and the policy of the limit that refused, or that a 503 may try again."""
        if self.status == 503 and _LATER.search(self.head):
            return BUSY
        policy = _POLICY.search(self.head)
        return f"{self.status} {policy[1].decode()}" if policy else str(self.status)


def request(
    method: str,
    path: str,
    *,
    address: str,
    token: str | None = None,
    body: bytes | dict[str, object] | None = None,
) -> bytes:
    """A whole request; `address` is what the trusted proxy saw."""
    lines = [f"{method} {path} HTTP/1.1", "host: localhost", f"x-forwarded-for: {address}"]
    if token is not None:
        lines.append(f"authorization: Bearer {token}")
    if isinstance(body, dict):
        body = json.dumps(body).encode()
    if body is not None:
        kind = "application/merge-patch+json" if method == "PATCH" else "application/json"
        lines += [f"content-type: {kind}", f"content-length: {len(body)}"]
    return "\r\n".join(lines).encode() + _HEAD_END + (body or b"")


class Line:
    """One request at a time; opened when it is first used, and again after the server closed."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._socket: socket.socket | None = None

    async def ask(self, request: bytes, *, seconds: float = DEADLINE_SECONDS) -> Answer:
        """Raises NoAnswer."""
        try:
            async with asyncio.timeout(seconds):
                return await self._exchange(request)
        except (OSError, EOFError) as fault:
            self.close()
            raise NoAnswer from fault
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    async def _exchange(self, request: bytes) -> Answer:
        if self._socket is not None and _ended(self._socket):
            self.close()
        if self._socket is None:
            self._socket = await _connected(self._port)
        loop = asyncio.get_running_loop()
        # A server may answer before it has read all, and the answer counts.
        sending = loop.create_task(loop.sock_sendall(self._socket, request))
        try:
            answer = await _read(self._socket)
        finally:
            whole = sending.done()
            sending.cancel()
            with suppress(asyncio.CancelledError, OSError):
                await sending
        if not whole or _CLOSES.search(answer.head):
            self.close()
        return answer


async def _connected(port: int) -> socket.socket:
    opened = socket.socket()
    opened.setblocking(False)
    opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    try:
        await asyncio.get_running_loop().sock_connect(opened, ("127.0.0.1", port))
    except BaseException:
        opened.close()
        raise
    return opened


def _ended(kept: socket.socket) -> bool:
    """Whether the server has closed a connection at rest."""
    try:
        kept.recv(1, socket.MSG_PEEK)
    except BlockingIOError:
        return False
    except OSError:
        return True
    return True


async def _read(kept: socket.socket) -> Answer:
    loop = asyncio.get_running_loop()
    received = b""
    while True:
        chunk = await loop.sock_recv(kept, 65536)
        if not chunk:
            raise EOFError
        received += chunk
        end = received.find(_HEAD_END)
        if end < 0:
            continue
        head, status = received[: end + 2], received[9:12]
        length = _LENGTH.search(head)
        if length is None and status not in _NO_CONTENT:
            raise EOFError("an answer without a length")
        size = 0 if status in _NO_CONTENT or length is None else int(length[1])
        if len(received) >= end + 4 + size:
            return Answer(int(status), head, received[end + 4 :])
