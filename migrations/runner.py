"""Migrations from Python, for the command line, the tests and an installed package."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TextIO

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError, PendingRollbackError

from core.adapters.postgres.engine import driver_url
from core.errors import ConfigurationError, StorageUnavailable
from migrations.connecting import PATIENCE, open_engine
from migrations.locking import exclusive

_COLLIDED = ("XX000", "23505")
"""`tuple concurrently updated`, and the same role made twice."""

_PROVISION = Path(__file__).with_name("provision.sql")


def provision(url: str, *, patience: float = PATIENCE) -> list[str]:
    """Makes the roles and their rights on this database; running it again changes nothing.

    The login has to be a superuser, or RDS' master user: CREATEROLE and ownership are enough.
    Returns what such a login may not do, and somebody else has to, in a line each.

    Raises:
        ConfigurationError: a wrong URL, or a login without these rights.
        StorageUnavailable: a migration of this database was still at work after `patience` seconds.
    """
    ends = time.monotonic() + patience
    try:
        with open_engine(url).connect() as connection:
            session = connection.execution_options(isolation_level="AUTOCOMMIT", no_parameters=True)
            driver: Any = connection.connection.dbapi_connection
            driver.notices = notices = _Notices()
            # PostgreSQL refuses one of two changes of a row of rights at one time.
            with exclusive(session, ends=ends):
                _provision(session, ends=ends)
            return list(dict.fromkeys(notices.warnings))
    except DBAPIError as error:
        raise _unusable(url, error) from error


def upgrade(
    url: str,
    revision: str = "head",
    *,
    progress: Callable[[str], None] | None = None,
    patience: float = PATIENCE,
) -> None:
    """Brings the database to `revision`, each migration in a transaction of its own.

    `progress` hears a line for each migration. Waits at most about `patience` seconds for other
    migrations and for locks, never long at a time.

    Raises:
        ConfigurationError: a wrong URL, a database that is not provisioned, an unknown revision.
        StorageUnavailable: no lock within `patience`, or the connection was lost; migrations before
            that one stay applied.
    """
    _run(lambda config: command.upgrade(config, revision), url, progress, patience)


def downgrade(
    url: str,
    revision: str,
    *,
    progress: Callable[[str], None] | None = None,
    patience: float = PATIENCE,
) -> None:
    """Takes migrations back down to `revision` ("base" for all), and their data with them.

    Raises what `upgrade` raises.
    """
    _run(lambda config: command.downgrade(config, revision), url, progress, patience)


def write_sql(output: TextIO, revision: str = "head") -> None:
    """What `upgrade` would run on an empty database, as SQL; connects to nothing.

    Raises:
        ConfigurationError: the revision is unknown.
    """

    def write(config: Config) -> None:
        config.output_buffer = output
        command.upgrade(config, revision, sql=True)

    _run(write, "postgresql://", None, PATIENCE)


def head() -> str:
    """The newest revision of this code."""
    return str(ScriptDirectory.from_config(_config()).get_current_head())


def current(url: str) -> str | None:
    """The revision of the database, None when it is empty. Raises ConfigurationError."""
    try:
        with open_engine(url).connect() as connection:
            return MigrationContext.configure(connection).get_current_revision()
    except DBAPIError as error:
        raise _unusable(url, error) from error


def _provision(session: Connection, *, ends: float) -> None:
    """Roles and rights on databases are the whole server's: another database may be provisioned at
    the same time, and PostgreSQL refuses one of the two."""
    while True:
        try:
            session.exec_driver_sql(_PROVISION.read_text(encoding="utf-8"))
            return
        except DBAPIError as error:
            collided = getattr(error.orig, "pgcode", None) in _COLLIDED
            if not collided or time.monotonic() >= ends:
                raise
            time.sleep(0.1)


class _Notices:
    """In place of psycopg2's list, which SQLAlchemy empties, of what a server says besides."""

    def __init__(self) -> None:
        self.warnings: list[str] = []

    def append(self, notice: str) -> None:
        first = notice.partition("\n")[0]
        if first.startswith("WARNING:"):
            self.warnings.append(first.removeprefix("WARNING:").strip())


def _run(
    command_on: Callable[[Config], None],
    url: str,
    progress: Callable[[str], None] | None,
    patience: float,
) -> None:
    config = _config()
    config.attributes.update(url=url, progress=progress, patience=patience)
    try:
        command_on(config)
    except CommandError as error:
        raise ConfigurationError(f"the migrations do not fit the database: {error}") from error
    except DBAPIError as error:
        raise _unusable(url, error) from error
    except PendingRollbackError as error:
        # Alembic ends a block outside of a transaction with a commit, lost connection or not.
        raise StorageUnavailable(
            "the connection to the database was lost during a migration; try again"
        ) from error


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent).replace("%", "%%"))
    return config


def _unusable(url: str, error: DBAPIError) -> ConfigurationError:
    parts = driver_url(url)
    where = f"{parts.host or parts.query.get('host', 'localhost')}/{parts.database or ''}"
    role = f" by {parts.username}" if parts.username else ""
    reason = str(error.orig).strip().splitlines()[0]
    return ConfigurationError(f"the database {where} cannot be used{role}: {reason}")
