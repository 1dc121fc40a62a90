"""A database of its own for each test of the migrations."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count

import pytest

from handler.local.postgres import APPLICATION, OWNER, SUPERUSER, LocalPostgres

_NUMBERS = count(1)


@dataclass(frozen=True)
class Database:
    """Provisioned and empty; a URL a role."""

    postgres: LocalPostgres
    name: str

    @property
    def owner(self) -> str:
        return self.postgres.url(role=OWNER, database=self.name)

    @property
    def application(self) -> str:
        return self.postgres.url(role=APPLICATION, database=self.name)

    @property
    def superuser(self) -> str:
        return self.postgres.url(role=SUPERUSER, database=self.name)


@pytest.fixture
def fresh(postgres: LocalPostgres) -> Iterator[Database]:
    database = Database(postgres, f"migrations_{next(_NUMBERS)}")
    postgres.create_database(database.name)
    yield database
    postgres.drop_database(database.name)


@pytest.fixture
def other(postgres: LocalPostgres) -> Iterator[Database]:
    """A second one, to compare with."""
    database = Database(postgres, f"migrations_{next(_NUMBERS)}")
    postgres.create_database(database.name)
    yield database
    postgres.drop_database(database.name)
