"""The connection of a migration: straight to the database, as its owner."""

from __future__ import annotations

from sqlalchemy import Engine, NullPool, create_engine

from core.adapters.postgres.engine import connect_args, driver_url

CONNECT_SECONDS = 5.0
# The server's statement_timeout ends a statement; this ends the wait for a server that is silent.
STATEMENT_SECONDS = 3600.0
# Seconds for other migrations to end and for locks to come free.
PATIENCE = 120.0


def open_engine(url: str) -> Engine:
    """Does not connect. Raises ConfigurationError when it is no URL of PostgreSQL."""
    return create_engine(
        driver_url(url),
        poolclass=NullPool,
        connect_args=connect_args(
            connect_seconds=CONNECT_SECONDS,
            statement_seconds=STATEMENT_SECONDS,
            application_name="user-api-migrate",
        ),
    )
