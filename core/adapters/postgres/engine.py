"""The engine: a bounded pool of bounded connections."""

from __future__ import annotations

import math
from typing import Any

import orjson
import psycopg2
import sqlalchemy
from psycopg2 import extensions
from sqlalchemy import URL, Engine, QueuePool, event
from sqlalchemy.engine import ExceptionContext, make_url

from core.adapters.postgres.deadlines import bounded
from core.adapters.postgres.fresh_logins import RECYCLE_SECONDS, keep_fresh
from core.config import Settings
from core.errors import ConfigurationError
from core.ports.logins import LoginSource

# https://www.postgresql.org/docs/15/errcodes-appendix.html
_READ_ONLY_TRANSACTION = "25006"

# The server ends a statement first, by the role's statement_timeout, and says so; the margin is
# for a server that is silent.
STATEMENT_MARGIN = 0.5


def driver_url(database_url: str) -> URL:
    """The same database through psycopg2. Raises ConfigurationError when it is no such URL."""
    try:
        extensions.parse_dsn(database_url)
        return make_url(database_url).set(drivername="postgresql+psycopg2")
    except (psycopg2.Error, sqlalchemy.exc.ArgumentError, ValueError):
        # Their messages quote the URL, password and all.
        raise ConfigurationError(
            "the database URL is not one of the form postgresql://user@host/name, or has parameters"
            " that libpq does not know"
        ) from None


def connect_args(
    *, connect_seconds: float, statement_seconds: float, application_name: str
) -> dict[str, Any]:
    """What connections are opened with; nothing that RDS Proxy refuses (docs/decisions/0012)."""
    return {
        "connection_factory": bounded(
            connect_seconds=connect_seconds, statement_seconds=statement_seconds
        ),
        # Of use only in a process without the wait callback.
        "connect_timeout": math.ceil(connect_seconds),
        "tcp_user_timeout": 3000,
        "keepalives": 1,
        "keepalives_idle": 30,
        "keepalives_interval": 10,
        "keepalives_count": 3,
        "application_name": application_name,
        "client_encoding": "utf8",
    }


def create_engine(settings: Settings, logins: LoginSource | None = None) -> Engine:
    """Does not connect. Connections are in autocommit, so that a read is one round trip.

    With `logins` they take their login from there, and from the URL only the rest."""
    engine = sqlalchemy.create_engine(
        driver_url(settings.database_url),
        poolclass=QueuePool,
        pool_size=settings.database_pool_size,
        max_overflow=0,
        pool_timeout=settings.database_pool_timeout,
        pool_pre_ping=settings.database_pre_ping,
        pool_recycle=-1 if logins is None else RECYCLE_SECONDS,
        # Errors quote their statement; its parameters are people's data.
        hide_parameters=True,
        json_serializer=_to_json,
        json_deserializer=orjson.loads,
        use_native_hstore=False,
        connect_args=connect_args(
            connect_seconds=settings.database_connect_timeout,
            statement_seconds=settings.database_statement_timeout + STATEMENT_MARGIN,
            application_name="user-api",
        ),
    )
    if logins is not None:
        keep_fresh(engine, logins)
    event.listen(engine, "connect", _autocommit)
    event.listen(engine, "checkin", _autocommit)
    event.listen(engine, "handle_error", _leave_standby)
    return engine


def _to_json(value: object) -> str:
    return orjson.dumps(value).decode()


def _autocommit(dbapi_connection: Any, _record: Any) -> None:
    if dbapi_connection is not None and not dbapi_connection.closed:
        dbapi_connection.autocommit = True


def _leave_standby(error: ExceptionContext) -> None:
    """A primary that became a standby keeps its connections: drop them, to find the new primary."""
    if getattr(error.original_exception, "pgcode", None) == _READ_ONLY_TRANSACTION:
        error.is_disconnect = True
