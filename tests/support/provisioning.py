"""Servers to provision, on every PostgreSQL that is here."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import psycopg2

from handler.local import postgres_binaries
from handler.local.postgres import LocalPostgres
from handler.local.postgres_binaries import Binaries

PROVISION = (Path(__file__).resolve().parents[2] / "migrations" / "provision.sql").read_text()
EVERY_INSTALLED = list(postgres_binaries._installed(os.environ))
FOREIGN = {"timezone": "Asia/Tokyo", "default_transaction_isolation": "serializable"}
"""Of a server; provision.sql has to set them otherwise for our logins."""
LIMITS = {
    "statement_timeout": "2s",
    "lock_timeout": "1s",
    "idle_in_transaction_session_timeout": "5s",
    "default_transaction_isolation": "read committed",
    "TimeZone": "UTC",
}
"""What provision.sql gives the service's login; the server has others."""
ROLES = ("user_api", "user_api_app", "user_api_erasure", "user_api_owner")


def label(binaries: Binaries) -> str:
    return binaries.version


@contextmanager
def started_on(binaries: Binaries, **settings: str) -> Iterator[LocalPostgres]:
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        environ = {"USER_API_PG_BIN": str(binaries.folder)}
        quick = {"fsync": "off", **settings}
        with LocalPostgres.start(Path(name, "db"), settings=quick, environ=environ) as started:
            yield started


def run(url: str, sql: str) -> list[tuple[object, ...]]:
    with closing(psycopg2.connect(url, connect_timeout=5)) as connection:
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute(sql)
            return cursor.fetchall() if cursor.description else []


def as_rds_makes_it(database: LocalPostgres, *, master: str) -> str:
    """An empty database of a master user, who has also those that every server has, and no other
    role of ours; gives the superuser's URL."""
    superuser = database.url(role="postgres", database="postgres")
    database.drop_database("user_api")
    for role in ROLES:
        run(superuser, f"DROP ROLE {role}")
    run(superuser, f"CREATE ROLE {master} LOGIN CREATEROLE")
    run(superuser, f"CREATE DATABASE user_api OWNER {master}")
    for name in ("postgres", "template1"):
        run(superuser, f"ALTER DATABASE {name} OWNER TO {master}")
        run(superuser, f"GRANT CONNECT ON DATABASE {name} TO PUBLIC")
    return superuser
