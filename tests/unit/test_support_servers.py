"""Servers of tests leave no connection to the garbage collector, which tells of it in another."""

from __future__ import annotations

import gc
import socket
import ssl
import warnings
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path

import pytest
from starlette.types import Receive, Scope, Send

from tests.support.asgi_server import serving
from tests.support.certificates import certificate
from tests.support.raw_http import PatientProtocol
from tests.support.smtp_relay import smtp_relay

Serving = Callable[[], AbstractContextManager[int]]


async def endless(scope: Scope, receive: Receive, send: Send) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})
    while True:
        await send({"type": "http.response.body", "body": b"x" * 100_000, "more_body": True})


@contextmanager
def relaying(tls: ssl.SSLContext | None) -> Iterator[int]:
    with smtp_relay(implicit_tls=tls) as relay:
        yield relay.port


@pytest.fixture
def servers(tmp_path: Path) -> dict[str, Serving]:
    served, _ = certificate(tmp_path, address="127.0.0.1")
    return {
        "http": lambda: serving(endless, PatientProtocol, "asyncio"),
        "smtp": lambda: relaying(None),
        "smtps": lambda: relaying(served),
    }


@pytest.mark.parametrize("kind", ["http", "smtp", "smtps"])
@pytest.mark.parametrize("sent", [b"", b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"])
def test_a_client_that_stays_is_hung_up_on(
    servers: dict[str, Serving], kind: str, sent: bytes
) -> None:
    """One that reads nothing, or that never begins its handshake."""
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        with ExitStack() as until_the_end:
            with servers[kind]() as port:
                client = socket.create_connection(("127.0.0.1", port), 30)
                until_the_end.enter_context(client)
                client.sendall(sent)
            gc.collect()
    assert [str(each.message) for each in told] == []
