"""The two logins of the service, which take turns, and their passwords."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager

import psycopg2
from psycopg2 import errors, extensions, sql

from core.adapters.postgres.engine import connect_args, driver_url
from core.adapters.postgres.rights import APPLICATION
from core.domain.server_log import QUIET
from core.errors import ConfigurationError, StorageUnavailable
from core.ports.logins import Login

LOGINS = ("user_api", "user_api_b")
"""The first is made by migrations/provision.sql, and the second is its twin."""

_SECONDS = 5.0

_PROVISIONED = "SELECT count(*) = 2 FROM pg_roles WHERE rolname IN (%s, %s)"
_EXISTS = "SELECT FROM pg_roles WHERE rolname = %s"
_MAY_WORK = "SELECT pg_has_role(current_user, %s, 'USAGE')"
_MEMBER = """
SELECT FROM pg_auth_members WHERE roleid = to_regrole(%s) AND member = to_regrole(%s)
"""
# What ALTER ROLE ... SET gave to one and not to the other.
_MISSING_SETTINGS = """
SELECT split_part(each, '=', 1), substr(each, strpos(each, '=') + 1)
FROM pg_db_role_setting, unnest(setconfig) AS each
WHERE setdatabase = 0 AND setrole = to_regrole(%s) AND each NOT IN (
    SELECT unnest(setconfig) FROM pg_db_role_setting
    WHERE setdatabase = 0 AND setrole = to_regrole(%s))
"""


class PostgresLogins:
    """Implements LoginKeeper. A password leaves this process as its SCRAM verifier alone."""

    def other(self, username: str) -> str:
        if username not in LOGINS:
            raise ConfigurationError(f"the login is none of {' and '.join(LOGINS)}")
        return LOGINS[1 - LOGINS.index(username)]

    def works(self, url: str) -> bool:
        try:
            with _connected(url) as connection, connection.cursor() as cursor:
                cursor.execute(_MAY_WORK, [APPLICATION])
                row = cursor.fetchone()
                return row is not None and bool(row[0])
        except psycopg2.OperationalError as error:
            if "FATAL" in str(error):
                return False
            raise _unavailable(error) from None
        except psycopg2.Error as error:
            raise _unavailable(error) from None

    def set_password(self, url: str, login: Login) -> None:
        twin = self.other(login.username)
        try:
            with _connected(url) as connection, connection:
                _set_password(connection, login, twin)
        except psycopg2.Error as error:
            raise _unavailable(error) from None


def _set_password(connection: extensions.connection, login: Login, twin: str) -> None:
    name = sql.Identifier(login.username)
    with connection.cursor() as cursor:
        cursor.execute(_PROVISIONED, [APPLICATION, LOGINS[0]])
        row = cursor.fetchone()
        if row is None or not row[0]:
            raise ConfigurationError(
                "the database is not provisioned: run migrations/provision.sql on it first"
            )
        cursor.execute(_EXISTS, [login.username])
        if not cursor.rowcount:
            cursor.execute(sql.SQL("CREATE ROLE {} LOGIN").format(name))
        cursor.execute(_MEMBER, [APPLICATION, login.username])
        if not cursor.rowcount:
            cursor.execute(sql.SQL("GRANT {} TO {}").format(sql.Identifier(APPLICATION), name))
        _copy_settings(cursor, twin, login.username)
        verifier = extensions.encrypt_password(
            login.password, login.username, scope=connection, algorithm="scram-sha-256"
        )
        change = sql.SQL("ALTER ROLE {} LOGIN PASSWORD {}").format(name, sql.Literal(verifier))
        # As a block, because log_statement = ddl logs a statement of this kind: not the verifier.
        block = sql.Literal(f"BEGIN {change.as_string(connection)}; END")
        cursor.execute(sql.SQL("DO {}").format(block))


def _copy_settings(cursor: extensions.cursor, twin: str, username: str) -> None:
    cursor.execute(_MISSING_SETTINGS, [twin, username])
    for setting, value in cursor.fetchall():
        cursor.execute("SAVEPOINT setting")
        try:
            cursor.execute(
                sql.SQL("ALTER ROLE {} SET {} = {}").format(
                    sql.Identifier(username), sql.Identifier(setting), sql.Literal(value)
                )
            )
        except errors.InsufficientPrivilege:
            # A superuser gave these to the first login: provision.sql gives them to both, and the
            # doctor says when they are missing. The password has to be changed all the same.
            if setting not in QUIET:
                raise
            cursor.execute("ROLLBACK TO SAVEPOINT setting")


@contextmanager
def _connected(url: str) -> Iterator[extensions.connection]:
    driver_url(url)
    given = connect_args(
        connect_seconds=_SECONDS, statement_seconds=_SECONDS, application_name="user-api-rotation"
    )
    with closing(psycopg2.connect(url, **given)) as connection:
        yield connection


def _unavailable(error: psycopg2.Error) -> StorageUnavailable:
    """With the server's reason, which may name roles, and never the statement."""
    if isinstance(error, errors.InsufficientPrivilege):
        return StorageUnavailable("the administrator's login may not change this login")
    code = f" {error.pgcode}" if error.pgcode else ""
    return StorageUnavailable(f"the database refused or was silent: {type(error).__name__}{code}")
