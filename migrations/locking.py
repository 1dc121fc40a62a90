"""One migration at a time, and none that holds up the service while it waits for a lock."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from sqlalchemy import Connection
from sqlalchemy.exc import OperationalError

from core.errors import StorageUnavailable

# Any number will do that nobody else takes; the transactions' locks are hashes of 64 bits.
ADVISORY_LOCK = 7_205_759_403
STATEMENT_TIMEOUT = "60s"
_SHORTEST_LOCK_WAIT = 50
_LONGEST_LOCK_WAIT = 500
_LONGEST_PAUSE = 5.0
_WORTH_ANOTHER_TRY = frozenset({"55P03", "40P01"})  # lock_not_available, deadlock_detected


@contextmanager
def exclusive(connection: Connection, *, ends: float) -> Iterator[None]:
    """Holds the advisory lock of this database; a session's lock, so no pooler may stand between.

    Raises:
        StorageUnavailable: another migration was at work until `ends` (monotonic seconds).
    """
    while not connection.exec_driver_sql(
        "SELECT pg_try_advisory_lock(%s)", (ADVISORY_LOCK,)
    ).scalar_one():
        connection.commit()
        if time.monotonic() >= ends:
            raise StorageUnavailable("another migration is still at work on this database")
        time.sleep(0.1)
    connection.commit()
    yield
    connection.rollback()
    connection.exec_driver_sql("SELECT pg_advisory_unlock(%s)", (ADVISORY_LOCK,))
    connection.commit()


def patiently(connection: Connection, step: Callable[[], None], *, ends: float) -> None:
    """Runs `step` with a short lock_timeout, again and again with pauses in between.

    Whoever waits for a lock makes all others wait behind it; so the wait is 50 to 500 ms, and the
    pause lets them pass. `step` leaves nothing half done when it fails.

    Raises:
        StorageUnavailable: a lock was still held at `ends` (monotonic seconds).
    """
    wait, pause = _SHORTEST_LOCK_WAIT, 0.1
    while True:
        connection.exec_driver_sql(f"SET lock_timeout = '{wait}ms'")
        connection.exec_driver_sql(f"SET statement_timeout = '{STATEMENT_TIMEOUT}'")
        connection.commit()
        try:
            step()
        except OperationalError as error:
            connection.rollback()
            if getattr(error.orig, "pgcode", None) not in _WORTH_ANOTHER_TRY:
                raise
            if time.monotonic() + pause >= ends:
                raise StorageUnavailable(
                    "a migration did not get its lock in time and was rolled back; try again"
                ) from None
        else:
            return
        time.sleep(pause)
        wait, pause = min(wait * 2, _LONGEST_LOCK_WAIT), min(pause * 2, _LONGEST_PAUSE)
