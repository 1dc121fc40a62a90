"""The database roles of migrations/provision.sql, on every PostgreSQL that is here."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import psycopg2
import pytest

from core.errors import StorageUnavailable
from handler import cli
from handler.local.postgres import LocalPostgres
from handler.local.postgres_binaries import Binaries
from migrations import runner
from migrations.locking import ADVISORY_LOCK
from tests.support.provisioning import (
    EVERY_INSTALLED,
    PROVISION,
    as_rds_makes_it,
    label,
    run,
    started_on,
)

TABLES = "SELECT relname FROM pg_class WHERE relname = 'users'"


@pytest.fixture(scope="module", params=EVERY_INSTALLED, ids=label)
def database(request: pytest.FixtureRequest) -> Iterator[LocalPostgres]:
    with started_on(request.param) as started:
        run(
            started.owner_url,
            "CREATE TABLE notes (n int); INSERT INTO notes VALUES (7);"
            "CREATE TABLE secrets (n int); GRANT SELECT, INSERT ON notes TO user_api_app",
        )
        yield started


@pytest.mark.parametrize(
    "sql",
    [
        "CREATE TABLE mine (n int)",
        "CREATE TEMPORARY TABLE mine (n int)",
        "CREATE SCHEMA mine",
        "CREATE EXTENSION hstore",
        "ALTER TABLE notes ADD COLUMN more int",
        "DROP TABLE notes",
        "TRUNCATE notes",
        "DELETE FROM notes",
        "SELECT * FROM secrets",
        "SET ROLE user_api_owner",
        "SET ROLE user_api_erasure",
        "SELECT pg_read_file('PG_VERSION')",
    ],
)
def test_the_application_has_only_what_was_granted(database: LocalPostgres, sql: str) -> None:
    """A stolen application password changes no schema and reads nothing that was not granted."""
    assert run(database.app_url, "SELECT n FROM notes") == [(7,)]
    with pytest.raises(psycopg2.errors.InsufficientPrivilege):
        run(database.app_url, sql)


def test_each_login_has_its_own_deadlines(database: LocalPostgres) -> None:
    """The service's statements are cut off by the server; migrations set their own limits."""
    shown = (
        "SELECT current_setting('statement_timeout'), current_setting('lock_timeout'),"
        " current_setting('idle_in_transaction_session_timeout'), current_setting('TimeZone'),"
        " current_setting('default_transaction_isolation')"
    )
    assert run(database.app_url, shown) == [("2s", "1s", "5s", "UTC", "read committed")]
    assert run(database.owner_url, shown) == [("0", "0", "0", "UTC", "read committed")]


def test_no_role_is_more_than_it_says(database: LocalPostgres) -> None:
    """No role of the service is a superuser or makes roles or databases; groups cannot log in."""
    attributes = run(
        database.superuser_url,
        "SELECT rolname, rolcanlogin, rolsuper OR rolcreaterole OR rolcreatedb OR rolreplication"
        " OR rolbypassrls FROM pg_roles WHERE rolname LIKE 'user_api%' ORDER BY rolname",
    )
    assert attributes == [
        ("user_api", True, False),
        ("user_api_app", False, False),
        ("user_api_erasure", False, False),
        ("user_api_owner", True, False),
    ]


def test_other_databases_are_closed(database: LocalPostgres) -> None:
    """The service's roles see their own database only, and other roles do not see that one."""
    run(database.superuser_url, "CREATE ROLE stranger LOGIN")
    for role, name in (
        ("user_api", "postgres"),
        ("user_api_owner", "postgres"),
        ("user_api", "template1"),
        ("stranger", "user_api"),
    ):
        with pytest.raises(psycopg2.OperationalError, match="permission denied for database"):
            run(database.url(role=role, database=name), "SELECT 1")
    run(database.superuser_url, "DROP ROLE stranger")


def test_partial_search_needs_no_superuser(database: LocalPostgres) -> None:
    """Migrations may build trigram indexes."""
    run(
        database.owner_url,
        "CREATE TABLE names (name text);"
        "CREATE INDEX ON names USING gin (name gin_trgm_ops); DROP TABLE names",
    )
    assert run(database.app_url, "SELECT similarity('anna', 'anne') > 0") == [(True,)]


def test_copies_of_a_template_have_the_same_rights(database: LocalPostgres) -> None:
    """One database a test worker, made at the same time, each with production's rights."""
    names = [f"copy_{number}" for number in range(4)]
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda name: database.create_database(name, template="user_api"), names))
    for name in names:
        app = database.url(role="user_api", database=name)
        assert run(app, "SELECT n FROM notes") == [(7,)]
        with pytest.raises(psycopg2.errors.InsufficientPrivilege):
            run(app, "CREATE TEMPORARY TABLE mine (n int)")
        run(database.url(role="user_api_owner", database=name), "CREATE TABLE mine (n int)")
        database.drop_database(name)
        database.drop_database(name)
    with pytest.raises(ValueError, match="not a database name"):
        database.create_database('x"; DROP DATABASE user_api; --')


def test_running_it_again_changes_nothing(database: LocalPostgres) -> None:
    """An operator may run the file as often as they like, also as each later version."""
    rights = (
        "SELECT datname::text, datacl::text FROM pg_database UNION ALL"
        " SELECT rolname::text, rolconfig::text FROM pg_roles UNION ALL"
        " SELECT nspname::text, nspacl::text FROM pg_namespace ORDER BY 1, 2"
    )
    before = run(database.superuser_url, rights)
    run(database.superuser_url, PROVISION)
    assert run(database.superuser_url, rights) == before


@pytest.mark.parametrize("binaries", EVERY_INSTALLED, ids=label)
def test_a_master_user_who_is_no_superuser_can_run_it(binaries: Binaries) -> None:
    """RDS gives no superuser, but a master user with CREATEROLE who owns the database."""
    with started_on(binaries) as database:
        as_rds_makes_it(database, master="master")
        for _ in range(2):
            run(database.url(role="master", database="user_api"), PROVISION)
        run(database.owner_url, "CREATE TABLE notes (n int); GRANT SELECT ON notes TO user_api_app")
        assert run(database.app_url, "SELECT n FROM notes") == []
        assert run(database.app_url, "SHOW lock_timeout") == [("1s",)]
        with pytest.raises(psycopg2.errors.InsufficientPrivilege):
            run(database.app_url, "CREATE TABLE mine (n int)")


@pytest.mark.parametrize("binaries", EVERY_INSTALLED, ids=label)
def test_migrate_provisions_as_the_owner_that_rds_has_made(
    binaries: Binaries, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """One command from an empty instance to a schema that the service may use."""
    with started_on(binaries) as database:
        superuser = as_rds_makes_it(database, master="user_api_owner")
        monkeypatch.setenv("ENVIRONMENT", "development")
        monkeypatch.setenv("MIGRATION_DATABASE_URL", database.owner_url)
        assert cli.main(["migrate", "--provision", "--revision", "0001"]) == 0
        assert cli.main(["migrate", "--provision"]) == 0
        assert run(database.app_url, "SELECT count(*) FROM users") == [(0,)]
        assert run(database.app_url, "SHOW statement_timeout") == [("2s",)]

        run(superuser, "ALTER ROLE user_api_owner NOCREATEROLE")
        run(superuser, "CREATE DATABASE other")
        other = database.url(role="user_api_owner", database="other")
        monkeypatch.setenv("MIGRATION_DATABASE_URL", other)
        capsys.readouterr()
        assert cli.main(["migrate", "--provision"]) == 1
        (line,) = capsys.readouterr().err.splitlines()
        assert line.startswith("user-api: the database ")
        assert run(database.url(role="postgres", database="other"), TABLES) == []


def test_several_provision_one_database_at_once(database: LocalPostgres) -> None:
    """A job that is started twice fails neither time, nor do those of two databases, which share
    roles; one that cannot wait says so."""
    superuser = database.url(role="postgres", database="user_api")
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(runner.provision, [superuser] * 24))
        database.create_database("another", template="template0")
        another = database.url(role="postgres", database="another")
        list(pool.map(runner.provision, [superuser, another] * 12))
    with closing(psycopg2.connect(superuser, connect_timeout=5)) as connection:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_lock(%s)", (ADVISORY_LOCK,))
        with pytest.raises(StorageUnavailable, match="another migration is still at work"):
            runner.provision(superuser, patience=0.2)
