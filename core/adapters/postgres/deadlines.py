"""Deadlines on the client's side for every wait, connecting too (docs/decisions/0012).

libpq waits for good on a server that accepts bytes and never answers. psycopg2's wait callback
replaces that wait by a poll with a deadline. The callback is process-wide, so it bounds
BoundedConnection only and lets every other connection wait as before; COPY is refused on all of
them while it is set.
"""

from __future__ import annotations

import select
import time
from collections.abc import Callable
from functools import partial

import psycopg2
from psycopg2 import extensions

_ESTABLISHED = (extensions.STATUS_READY, extensions.STATUS_BEGIN, extensions.STATUS_PREPARED)


class DeadlineExceeded(psycopg2.OperationalError):
    """The server was silent for too long; psycopg2 has closed the connection."""


class BoundedConnection(extensions.connection):
    """A connection whose waits end: `connect_seconds` in all, `statement_seconds` a statement."""

    def __init__(
        self, dsn: str, async_: int = 0, *, connect_seconds: float, statement_seconds: float
    ) -> None:
        self.connect_seconds = connect_seconds
        self.statement_seconds = statement_seconds
        extensions.connection.__init__(self, dsn, async_)  # type: ignore[call-arg]


def bounded(
    *, connect_seconds: float, statement_seconds: float
) -> Callable[..., extensions.connection]:
    """A `connection_factory` for psycopg2.connect; also sets the wait callback of this process."""
    extensions.set_wait_callback(_wait)
    return partial(
        BoundedConnection, connect_seconds=connect_seconds, statement_seconds=statement_seconds
    )


def _wait(connection: extensions.connection) -> None:
    if not isinstance(connection, BoundedConnection):
        _poll(connection, None)
    elif connection.status in _ESTABLISHED:
        _poll(connection, connection.statement_seconds)
    else:
        _poll(connection, connection.connect_seconds)


def _poll(connection: extensions.connection, seconds: float | None) -> None:
    ends = None if seconds is None else time.monotonic() + seconds
    while (state := connection.poll()) != extensions.POLL_OK:
        poller = select.poll()
        # Asked anew each time: while connecting, libpq goes on to other addresses and descriptors.
        poller.register(
            connection.fileno(), select.POLLIN if state == extensions.POLL_READ else select.POLLOUT
        )
        left = None if ends is None else max(0.0, ends - time.monotonic()) * 1000
        if not poller.poll(left):
            # psycopg2 closes the connection itself; close() here would wait for its own lock.
            raise DeadlineExceeded("the server did not answer in time")
