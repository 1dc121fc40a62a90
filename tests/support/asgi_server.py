"""uvicorn in a thread, and raw HTTP over a socket."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Literal

import uvicorn

from handler.http.protocol import BoundedHttpProtocol
from tests.support.loops import settled

SECONDS = 20.0
"""Longer than a busy machine needs for anything here."""


class _Server(uvicorn.Server):
    """uvicorn leaves a connection whose client does not read to the garbage collector, which tells
    of it in another test."""

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        await super().shutdown(sockets)
        for connection in list(self.server_state.connections):
            if isinstance(transport := connection.transport, asyncio.WriteTransport):
                transport.abort()
        await settled()


@contextmanager
def serving(
    app: Any, protocol: type[BoundedHttpProtocol], loop: Literal["uvloop", "asyncio"] = "uvloop"
) -> Iterator[int]:
    """Serve an ASGI application on a free port of 127.0.0.1; the port is the value."""
    listener = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(
        app,
        http=protocol,
        loop=loop,
        ws="none",
        lifespan="off",
        proxy_headers=False,
        log_config=None,
        timeout_keep_alive=75,
        timeout_graceful_shutdown=2,
    )
    server = _Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    deadline = time.monotonic() + SECONDS
    while not server.started:
        assert thread.is_alive(), "uvicorn did not start"
        assert time.monotonic() < deadline, f"uvicorn did not start within {SECONDS:g} s"
        time.sleep(0.01)
    try:
        yield int(listener.getsockname()[1])
    finally:
        server.should_exit = True
        thread.join(SECONDS)
        listener.close()
        assert not thread.is_alive(), f"uvicorn did not stop within {SECONDS:g} s"


def connect(port: int) -> socket.socket:
    """A connection whose every wait ends after SECONDS, with TimeoutError."""
    connection = socket.create_connection(("127.0.0.1", port), timeout=SECONDS)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connection


def read_to_end(connection: socket.socket) -> bytes:
    """Everything until the server closes."""
    received = b""
    while chunk := _receive(connection):
        received += chunk
    return received


def exchange(port: int, *chunks: bytes, pause: float = 0.0) -> bytes:
    """Send each chunk in a segment of its own, then read until the server closes."""
    with connect(port) as connection:
        for chunk in chunks:
            connection.sendall(chunk)
            time.sleep(pause)
        return read_to_end(connection)


def _receive(connection: socket.socket) -> bytes:
    try:
        return connection.recv(65536)
    except ConnectionResetError:
        return b""
