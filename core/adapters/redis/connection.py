"""Connections that are opened, with all that belongs to it, within one deadline."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any

from redis.backoff import NoBackoff
from redis.connection import Connection, ConnectionPool
from redis.retry import Retry

from core.config.redis_address import RedisAddress


@dataclass(frozen=True, kw_only=True)
class Waits:
    """Seconds. `answer` bounds each wait for the server, `connect` everything until a connection
    stands: name resolution and the computing of TLS besides. `pause` is how long a node that failed
    is left alone."""

    answer: float = 0.05
    connect: float = 0.25
    pause: float = 1.0


class BoundedConnection(Connection):
    """redis-py bounds neither name resolution nor a handshake as a whole, and reads the trusted
    certificates for each connection anew."""

    def __init__(
        self, *, tls: ssl.SSLContext | None, connect_seconds: float, **options: Any
    ) -> None:
        self._tls = tls
        self._connect_seconds = connect_seconds
        super().__init__(**options)  # type: ignore[no-untyped-call]

    def _connect(self) -> socket.socket:
        return opened_within(self._connect_seconds, self._open)

    def _open(self) -> socket.socket:
        opened: socket.socket = super()._connect()  # type: ignore[no-untyped-call]
        if self._tls is None:
            return opened
        try:
            return self._tls.wrap_socket(opened, server_hostname=self.host)
        except OSError:
            opened.close()
            raise


def opened_within(seconds: float, opening: Callable[[], socket.socket]) -> socket.socket:
    """What `opening` opens in a thread; one that comes late is closed.

    Raises:
        TimeoutError
    """
    outcome: Future[socket.socket] = Future()

    def run() -> None:
        try:
            opened = opening()
        except Exception as error:  # noqa: BLE001  whoever waits gets it
            if outcome.set_running_or_notify_cancel():
                outcome.set_exception(error)
            return
        if outcome.set_running_or_notify_cancel():
            outcome.set_result(opened)
        else:
            opened.close()

    threading.Thread(target=run, name="redis-connect", daemon=True).start()
    try:
        return outcome.result(seconds)
    except TimeoutError:
        if outcome.cancel():
            raise TimeoutError("no connection in time") from None
        # It ended in this very moment.
        return outcome.result(seconds)


def pool_for(
    address: RedisAddress, *, host: str, port: int, tls: ssl.SSLContext | None, waits: Waits
) -> ConnectionPool:
    """Connections to one node, opened when they are needed.

    RESP 2, and no CLIENT SETINFO: then a connection without a password needs no round trip before
    its first command, and the server says nothing that nobody asked for.
    """
    return ConnectionPool(
        connection_class=BoundedConnection,
        host=host,
        port=port,
        db=address.database,
        username=address.username,
        password=address.password,
        protocol=2,
        driver_info=None,
        retry=Retry(NoBackoff(), 0),
        socket_timeout=waits.answer,
        socket_connect_timeout=waits.answer,
        tls=tls,
        connect_seconds=waits.connect,
    )
