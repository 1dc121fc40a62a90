"""What Alembic runs: connects as the owner, alone, with short waits for locks."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import Any

from alembic import context
from alembic.util import CommandError
from sqlalchemy import Connection

from core.adapters.postgres.tables import users
from core.errors import ConfigurationError
from migrations.connecting import PATIENCE, open_engine
from migrations.locking import STATEMENT_TIMEOUT, exclusive, patiently

_GRANTED_TO = ("user_api_app", "user_api_erasure")


def _configure(connection: Connection | None = None) -> None:
    progress: Callable[[str], None] | None = context.config.attributes.get("progress")

    def applied(*, step: Any, **_: Any) -> None:
        if progress:
            verb = "applied" if step.is_upgrade else "taken back"
            progress(f"{step.up_revision_id} {verb}: {step.up_revision.doc}")

    context.configure(
        connection=connection,
        dialect_name=None if connection else "postgresql",
        target_metadata=users.metadata,
        # Written out as SQL they are one, which is all that squawk can tell apart.
        transaction_per_migration=connection is not None,
        compare_server_default=True,
        process_revision_directives=_number,
        on_version_apply=applied,  # type: ignore[arg-type]  # Alembic names the arguments
        literal_binds=connection is None,
    )


def _number(_context: Any, _revision: Any, directives: list[Any]) -> None:
    """Revisions are numbers, so that a database can be told to be new enough."""
    newest = context.script.get_current_head() or "0"
    directives[0].rev_id = f"{int(newest) + 1:04}"


def _online() -> None:
    attributes = context.config.attributes
    url = attributes.get("url") or os.environ.get("MIGRATION_DATABASE_URL")
    if not url:
        raise CommandError("MIGRATION_DATABASE_URL is not set")
    ends = time.monotonic() + attributes.get("patience", PATIENCE)
    with open_engine(url).connect() as connection:
        _require_provision(connection)
        with exclusive(connection, ends=ends):
            patiently(connection, lambda: _run(connection), ends=ends)


def _run(connection: Connection) -> None:
    _configure(connection)
    with context.begin_transaction():
        context.run_migrations()


def _require_provision(connection: Connection) -> None:
    found = connection.exec_driver_sql(
        "SELECT count(*) FILTER (WHERE rolname = ANY (%s)),"
        " bool_or(has_schema_privilege('public', 'CREATE')), current_user FROM pg_roles",
        (list(_GRANTED_TO),),
    ).one()
    connection.rollback()
    if found[0] < len(_GRANTED_TO) or not found[1]:
        raise ConfigurationError(
            f"the database is not provisioned for migrations by {found[2]}: run"
            " migrations/provision.sql on it as a superuser, then migrate as user_api_owner"
        )


def _offline() -> None:
    _configure()
    context.execute("SET lock_timeout = '500ms'")
    context.execute(f"SET statement_timeout = '{STATEMENT_TIMEOUT}'")
    with context.begin_transaction():
        context.run_migrations()


if context.is_offline_mode():
    _offline()
else:
    _online()
