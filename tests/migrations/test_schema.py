"""The migrations make the schema that the code believes in."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from sqlalchemy import create_engine

from core.adapters.postgres.engine import driver_url
from core.adapters.postgres.tables import REQUIRED_REVISION, users
from migrations.runner import current, downgrade, head, upgrade
from tests.migrations.conftest import Database
from tests.support.catalog import CODE, schema
from tests.support.storage import query

ROOT = Path(__file__).resolve().parents[2]
VERSIONS = sorted((ROOT / "migrations" / "versions").glob("[0-9]*.py"))


def alembic(url: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Alembic's own command line, as developers use it."""
    return subprocess.run(
        [
            sys.executable,
            "-W",
            "error",
            "-m",
            "alembic",
            "-c",
            "migrations/alembic.ini",
            *arguments,
        ],
        cwd=ROOT,
        env={**os.environ, "MIGRATION_DATABASE_URL": url},
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )


def test_an_empty_database_is_brought_to_the_head(fresh: Database) -> None:
    """Each migration is told; the code needs no later one, and a second run does nothing."""
    told: list[str] = []
    assert current(fresh.owner) is None
    upgrade(fresh.owner, progress=told.append)
    assert [line.split()[0] for line in told] == [path.name[:4] for path in VERSIONS]
    assert current(fresh.owner) == head() == REQUIRED_REVISION
    upgrade(fresh.owner, progress=told.append)
    assert len(told) == len(VERSIONS)


def test_the_migrated_schema_is_that_of_the_tables(fresh: Database, other: Database) -> None:
    """Columns, types, defaults, constraints, indexes with their conditions, storage parameters."""
    upgrade(fresh.owner)
    engine = create_engine(driver_url(other.owner))
    users.metadata.create_all(engine)
    engine.dispose()
    migrated, made = schema(fresh.owner), schema(other.owner)
    # Triggers and functions stand in the migrations only.
    assert {part: migrated[part] for part in made if part not in CODE} == {
        part: made[part] for part in made if part not in CODE
    }


def test_alembic_finds_nothing_to_migrate(fresh: Database) -> None:
    """`alembic check`, with warnings as errors."""
    upgrade(fresh.owner)
    checked = alembic(fresh.owner, "check")
    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert "No new upgrade operations detected" in checked.stdout


def test_the_sql_that_is_linted_is_what_is_run(fresh: Database, other: Database) -> None:
    """The output of `alembic upgrade --sql`, run by hand, makes the same schema."""
    written = alembic(fresh.owner, "upgrade", "head", "--sql")
    assert written.returncode == 0, written.stderr
    assert written.stdout.startswith("SET lock_timeout = '500ms';")
    subprocess.run(
        ["psql", "--no-psqlrc", "--quiet", "--set=ON_ERROR_STOP=1", f"--dbname={fresh.owner}"],
        input=written.stdout,
        text=True,
        timeout=100,
        check=True,
        stdout=subprocess.DEVNULL,
    )
    upgrade(other.owner)
    assert schema(fresh.owner) == schema(other.owner)
    assert current(fresh.owner) == head()


def test_every_migration_can_be_taken_back_and_applied_again(
    fresh: Database, other: Database
) -> None:
    """Up, down and up again, one at a time; the end is the same schema."""
    for path in VERSIONS:
        upgrade(fresh.owner, path.name[:4])
        downgrade(fresh.owner, "-1")
        upgrade(fresh.owner, path.name[:4])
    upgrade(other.owner)
    assert schema(fresh.owner) == schema(other.owner)
    downgrade(fresh.owner, "base")
    assert current(fresh.owner) is None
    assert not any(schema(fresh.owner).values())


def test_rows_survive_what_a_migration_does_not_own(fresh: Database) -> None:
    """Taking back and applying a migration with users and sessions in the database."""
    upgrade(fresh.owner, "0003")
    fill = (
        "INSERT INTO users (id, email, email_normalised, email_verified, status, attributes,"
        " created_at, updated_at) SELECT gen_random_uuid(), n, n, true, 'active', '{}', now(),"
        " now() FROM generate_series(1, 1000) AS n;"
        "INSERT INTO user_roles SELECT id, 'support', NULL, now() FROM users;"
        "INSERT INTO throttles VALUES ('key', 1, now())"
    )
    query(fresh.owner, fill)
    downgrade(fresh.owner, "-1")
    upgrade(fresh.owner)
    count = "SELECT (SELECT count(*) FROM user_roles), (SELECT count(*) FROM throttles)"
    assert query(fresh.owner, count) == [(1000, 0)]


def test_migrations_import_nothing_that_changes() -> None:
    """A migration says by itself what it did, whatever becomes of the code."""
    for path in VERSIONS:
        imports = [line for line in path.read_text().splitlines() if "import" in line.split()]
        assert imports == ["from __future__ import annotations", "from alembic import op"]
