"""Databases beside the one that the suites share."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from handler.local.postgres import OWNER, LocalPostgres
from migrations.runner import upgrade


@contextmanager
def migrated(postgres: LocalPostgres, name: str) -> Iterator[None]:
    """A database with the newest schema for the block, for tests that depend on all that is in
    it."""
    postgres.create_database(name)
    try:
        upgrade(postgres.url(role=OWNER, database=name))
        yield
    finally:
        postgres.drop_database(name)
