"""A database with 100,000 users, and everything that the service sends to it on one tour."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import psycopg2
import pytest

from core.bootstrap import build_core
from core.config import Settings
from handler.local.postgres import OWNER, SUPERUSER, LocalPostgres
from migrations.runner import upgrade
from tests.plans.explain import Plans
from tests.plans.itinerary import travel
from tests.plans.tour import Tour
from tests.support.environment import service_environment
from tests.support.mailbox import Mailbox
from tests.support.people import PASSWORD
from tests.support.server import ServerProcess
from tests.support.wire import Wire

DATABASE = "populated"
POPULATION = Path(__file__).with_name("population.sql")


@pytest.fixture(scope="session")
def populated_url(postgres: LocalPostgres) -> str:
    """The superuser on a database of 100,000 users with fresh statistics."""
    postgres.create_database(DATABASE)
    upgrade(postgres.url(role=OWNER, database=DATABASE))
    url = postgres.url(role=SUPERUSER, database=DATABASE)
    settings = Settings.from_environ(service_environment("postgresql://", Path("/")))
    hashed = build_core(settings).hasher.hash(PASSWORD).work()
    with closing(psycopg2.connect(url)) as connection:
        with connection, connection.cursor() as cursor:
            cursor.execute(POPULATION.read_text(encoding="utf-8"), {"password_hash": hashed})
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute("VACUUM (ANALYZE)")
    return url


@pytest.fixture(scope="session")
def tour(
    postgres: LocalPostgres, populated_url: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Tour]:
    """Everything asked for, and the server still running."""
    mails = tmp_path_factory.mktemp("tour") / "mail"
    with closing(Wire(postgres.url(role="user_api", database=DATABASE))) as wire:
        environment = service_environment(wire.url, mails)
        core = build_core(Settings.from_environ(environment))
        with closing(core), ServerProcess.start(environment) as server:
            tour = Tour(
                server=server,
                core=core,
                mailbox=Mailbox(core, mails),
                wire=wire,
                environment=environment,
                superuser_url=populated_url,
            )
            travel(tour)
            yield tour


@pytest.fixture
def plans(populated_url: str) -> Iterator[Plans]:
    """In a transaction that is rolled back."""
    with closing(psycopg2.connect(populated_url)) as connection, connection.cursor() as cursor:
        yield Plans(cursor)
