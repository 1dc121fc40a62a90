"""New connections with the present login, so that a rotated password needs no restart."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import psycopg2
from sqlalchemy import Dialect, Engine, event
from sqlalchemy.pool import ConnectionPoolEntry

from core.ports.logins import Login, LoginSource

RECYCLE_SECONDS = 1800
"""Age at which a connection is opened anew: far below the time between two rotations, after which
its login's password is another one."""


def keep_fresh(engine: Engine, logins: LoginSource) -> None:
    """Every new connection asks `logins`, and once more when the database refuses the answer."""

    def connect(
        dialect: Dialect, _record: ConnectionPoolEntry, args: Sequence[Any], given: dict[str, Any]
    ) -> Any:
        def as_login(login: Login) -> Any:
            own = {**given, "user": login.username, "password": login.password}
            return dialect.connect(*args, **own)

        login = logins.current()
        try:
            return as_login(login)
        except psycopg2.OperationalError as error:
            newer = logins.after_refusal(login) if _refused(error) else None
            if newer is None:
                raise
            return as_login(newer)

    event.listen(engine, "do_connect", connect)


def _refused(error: psycopg2.OperationalError) -> bool:
    """Whether a server or proxy said no. psycopg2 has no SQLSTATE of a failed connection, and a
    proxy has words of its own; a network that fails says nothing FATAL."""
    return "FATAL" in str(error)
