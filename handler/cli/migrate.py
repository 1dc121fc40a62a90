"""`user-api migrate`: brings the database's schema to what this version needs."""

from __future__ import annotations

import io
import json
import os
import time

import click


@click.command(
    short_help="Bring the database to this version.",
    epilog="""\b
Examples:
  export MIGRATION_DATABASE_URL='postgresql://user_api_owner@db/user_api?sslmode=verify-full'
  user-api migrate
  user-api migrate --provision                  first the roles, as RDS' master user
  user-api migrate --revision 0002
  user-api migrate --sql > schema.sql           what would run, without a database
""",
)
@click.option("--revision", default="head", show_default=True, help="Where to stop.")
@click.option(
    "--provision", is_flag=True, help="Make the roles and their rights first, if they are missing."
)
@click.option("--sql", is_flag=True, help="Print the SQL of all migrations instead of running it.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def migrate(revision: str, provision: bool, sql: bool, as_json: bool) -> None:
    """Apply the migrations that are missing, each in a transaction of its own.

    Connects as MIGRATION_DATABASE_URL, or as DATABASE_URL if that is not set, outside of
    development with TLS only. Running it again does nothing, and of several at once one works and
    the others wait. --provision needs a login that may make roles, such as RDS' master user; what
    that may not do, and a superuser has to, is told on standard error.
    """
    if sql and (as_json or provision):
        raise click.UsageError("--sql excludes --json and --provision")
    from migrations import runner

    if sql:
        script = io.StringIO()
        runner.write_sql(script, revision)
        click.echo(script.getvalue(), nl=False)
        return
    applied: list[dict[str, object]] = []
    last = started = time.monotonic()

    def tell(line: str) -> None:
        nonlocal last
        line = line.rstrip(".")
        now = time.monotonic()
        applied.append({"migration": line, "seconds": round(now - last, 3)})
        if not as_json:
            click.echo(f"{line} in {now - last:.2f} s")
        last = now

    url = _url()
    if provision:
        for line in runner.provision(url):
            click.echo(f"user-api: {line}", err=True)
        last = time.monotonic()
    runner.upgrade(url, revision, progress=tell)
    if as_json:
        click.echo(json.dumps({"applied": applied}))
    elif applied:
        click.echo(f"{len(applied)} migrations in {time.monotonic() - started:.2f} s")
    else:
        click.echo("The schema is up to date.")


def _url() -> str:
    from core.config import Environment, values
    from core.errors import ConfigurationError
    from handler.configuration import Configuration

    environ = Configuration.of_migration(os.environ).environ
    # Not Settings: a migration has neither the service's key nor its mail server.
    for name in ("MIGRATION_DATABASE_URL", "DATABASE_URL"):
        if not environ.get(name):
            continue
        try:
            url = values.database_url(environ[name])
        except ValueError as error:
            raise ConfigurationError(f"{name} {error}") from error
        try:
            environment = values.environment(environ.get("ENVIRONMENT") or "production")
        except ValueError as error:
            raise ConfigurationError(f"ENVIRONMENT {error}") from error
        unsafe = values.unencrypted_database(url)
        if unsafe and environment is not Environment.DEVELOPMENT:
            raise ConfigurationError(f"refused in {environment}: {name} {unsafe}")
        return url
    raise ConfigurationError("neither MIGRATION_DATABASE_URL nor DATABASE_URL is set")
