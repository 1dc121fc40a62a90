"""Databases beside the one that the suites share."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from handler.local.postgres import OWNER, LocalPostgres
from migrations.runner import upgrade
from tests.support.storage import query

# Instead of those that provision.sql gives the service's login: a test says what it waits for, and
# a machine that is busy with other things is no fault of the service.
_DEADLINES = {
    "statement_timeout": "20s",
    "lock_timeout": "15s",
    "idle_in_transaction_session_timeout": "60s",
}


def give_time(postgres: LocalPostgres, name: str) -> None:
    """Sessions of the service in this database get more time than in production."""
    superuser = postgres.url(role="postgres", database=name)
    for setting, value in _DEADLINES.items():
        query(superuser, f"ALTER ROLE user_api IN DATABASE {name} SET {setting} = '{value}'")


@contextmanager
def migrated(postgres: LocalPostgres, name: str) -> Iterator[None]:
    """A database with the newest schema for the block, for tests that depend on all that is in
    it."""
    postgres.create_database(name)
    try:
        upgrade(postgres.url(role=OWNER, database=name))
        give_time(postgres, name)
        yield
    finally:
        postgres.drop_database(name)
