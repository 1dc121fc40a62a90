"""What migrations/provision.sql closes: the log to our values, other databases to our logins."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import psycopg2
import pytest

from core.domain.server_log import QUIET
from handler.local.postgres import LocalPostgres
from handler.local.postgres_binaries import Binaries
from migrations import runner
from tests.support.provisioning import (
    EVERY_INSTALLED,
    FOREIGN,
    LIMITS,
    as_rds_makes_it,
    label,
    run,
    started_on,
)

LOGINS = ("user_api", "user_api_b", "user_api_owner")
LOUD = {"log_min_duration_statement": "0", "log_error_verbosity": "verbose"}
QUIET_ENOUGH = {"log_statement": "none"}


@pytest.fixture(params=EVERY_INSTALLED, ids=label)
def loud(request: pytest.FixtureRequest) -> Iterator[LocalPostgres]:
    """A server that logs every statement, and is set for others than us."""
    with started_on(request.param, **LOUD, **QUIET_ENOUGH, **FOREIGN) as started:
        yield started


def shown(url: str, names: Iterable[str] = QUIET) -> dict[str, object]:
    return {name: run(url, f"SELECT current_setting('{name}')")[0][0] for name in names}


def may_connect(database: LocalPostgres, role: str, name: str) -> bool:
    asked = f"SELECT has_database_privilege('{role}', '{name}', 'CONNECT')"
    (row,) = run(database.superuser_url, asked)
    return bool(row[0])


def test_each_login_is_quiet_whatever_the_server_logs(loud: LocalPostgres) -> None:
    """All that the doctor asks for; of the second login, too, once the rotation has made it."""
    superuser = loud.superuser_url
    run(superuser, "CREATE ROLE user_api_b LOGIN IN ROLE user_api_app")
    assert runner.provision(superuser) == []
    for login in LOGINS:
        assert shown(loud.url(role=login, database="user_api")) == QUIET
        ((settings,),) = run(
            superuser,
            "SELECT setconfig FROM pg_db_role_setting"
            f" WHERE setdatabase = 0 AND setrole = '{login}'::regrole",
        )
        assert isinstance(settings, list)
        assert {f"{name}={value}" for name, value in QUIET.items()} <= set(settings)


def test_our_sessions_have_their_limits_whatever_the_servers_are(loud: LocalPostgres) -> None:
    """Deadlines, UTC and the isolation that the statements were written for."""
    assert not shown(loud.superuser_url, LIMITS).items() & LIMITS.items()
    assert shown(loud.app_url, LIMITS) == LIMITS
    assert shown(loud.owner_url, ["timezone"]) == {"timezone": "UTC"}


def test_a_master_user_who_may_not_quieten_the_log_is_told(loud: LocalPostgres) -> None:
    """Each parameter that is wrong for the server, in one line; the rest is done all the same. Once
    they are right, nothing is said."""
    superuser = as_rds_makes_it(loud, master="master")
    url = loud.url(role="master", database="user_api")
    (line,) = runner.provision(url)
    assert "log_error_verbosity = terse, log_min_duration_statement = -1 for the server" in line
    assert not [name for name in QUIET.keys() - LOUD.keys() if name in line]
    assert run(loud.app_url, "SHOW lock_timeout") == [("1s",)]
    for name in LOUD:
        run(superuser, f"ALTER ROLE master SET {name} = '{QUIET[name]}'")
    assert runner.provision(url) == []


def test_who_may_set_the_parameters_quietens_the_log(loud: LocalPostgres) -> None:
    """GRANT SET ON PARAMETER is enough, without a superuser."""
    superuser = as_rds_makes_it(loud, master="master")
    for name in LOUD:
        run(superuser, f"GRANT SET ON PARAMETER {name} TO master")
    assert runner.provision(loud.url(role="master", database="user_api")) == []
    for name in LOUD:
        assert run(loud.app_url, f"SHOW {name}") == [(QUIET[name],)]


@pytest.mark.parametrize("binaries", EVERY_INSTALLED, ids=label)
def test_our_logins_connect_to_our_database_alone(binaries: Binaries) -> None:
    """On RDS the master user owns the databases that every server has. Others keep their way in,
    RDS Proxy's own login to ours too; who comes later needs a grant."""
    with started_on(binaries) as database:
        superuser = as_rds_makes_it(database, master="master")
        for role in ("rdsproxyadmin", "monitoring"):
            run(superuser, f"CREATE ROLE {role} LOGIN")
        for _ in range(2):
            assert runner.provision(database.url(role="master", database="user_api")) == []
        run(superuser, "CREATE ROLE later LOGIN; CREATE ROLE user_api_b LOGIN IN ROLE user_api_app")
        for name in ("postgres", "template1"):
            for role in ("master", "rdsproxyadmin", "monitoring"):
                assert may_connect(database, role, name)
            for role in (*LOGINS, "later"):
                assert not may_connect(database, role, name)
        assert may_connect(database, "rdsproxyadmin", "user_api")
        assert not may_connect(database, "monitoring", "user_api")
        for role in LOGINS:
            assert may_connect(database, role, "user_api")
        with pytest.raises(psycopg2.OperationalError, match="permission denied for database"):
            run(database.url(role="user_api", database="postgres"), "SELECT 1")


@pytest.mark.parametrize("binaries", EVERY_INSTALLED, ids=label)
def test_databases_of_somebody_else_are_left_to_them(binaries: Binaries) -> None:
    """With a line that says what their owner has to do; everything else is done."""
    with started_on(binaries) as database:
        superuser = as_rds_makes_it(database, master="master")
        run(superuser, "CREATE ROLE dba; ALTER DATABASE postgres OWNER TO dba")
        (line,) = runner.provision(database.url(role="master", database="user_api"))
        assert "its owner dba has to REVOKE CONNECT ON DATABASE postgres FROM PUBLIC" in line
        assert may_connect(database, "user_api", "postgres")
        assert not may_connect(database, "user_api", "template1")
        assert runner.provision(database.superuser_url) == []
        assert not may_connect(database, "user_api", "postgres")
