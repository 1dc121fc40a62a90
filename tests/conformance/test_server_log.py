"""PostgreSQL's log, which leaves the database for CloudWatch, holds no value of the service."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from unittest.mock import patch

import psycopg2
import pytest
from psycopg2 import errors

from cdk.config.server_log import STATEMENT_STATISTICS
from core.adapters.postgres.inspection import PostgresInspection
from core.adapters.runtime import SystemClock
from core.domain.server_log import QUIET, loud
from handler.local import postgres_server
from handler.local.postgres import LocalPostgres
from migrations.runner import provision, upgrade
from tests.support.canaries import Canaries
from tests.support.clients import Answer, Client
from tests.support.server_log import AS_RDS, entries
from tests.support.staff import Staff
from tests.support.storage import query, settings_for

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "operations.md").read_text()
SLOWEST = PAGE.partition("```sql\n")[2].partition("```")[0]
LOGINS = ("user_api", "user_api_b", "user_api_owner")
QUICK = {"fsync": "off", "deadlock_timeout": "100ms"}
CARELESS = {
    **QUICK,
    "log_line_prefix": AS_RDS["log_line_prefix"],
    "log_min_error_statement": "debug5",
    "log_error_verbosity": "verbose",
    "log_statement": "all",
    "log_min_duration_statement": "0",
    "log_min_duration_sample": "0",
    "log_transaction_sample_rate": "1",
    "log_parameter_max_length": "-1",
    "log_duration": "on",
    "log_lock_waits": "on",
    "log_temp_files": "0",
    "shared_preload_libraries": "auto_explain",
    "auto_explain.log_min_duration": "0",
}
"""What a company's own server may have been set to, for the sake of others on it."""

USER = """
INSERT INTO users (id, email, email_normalised, username, username_normalised, email_verified,
    status, attributes, created_at, updated_at)
VALUES (gen_random_uuid(), {email}, {email}, {name}, {name}, true, {status}, '{{}}', now(), now())
"""
CODE = """
INSERT INTO one_time_codes (id, digest, purpose, email_normalised, created_at, expires_at)
VALUES (gen_random_uuid(), '{digest}', 'verify_email', 'x', now(), now())
"""


def a_user(*, email: str, name: str = "NULL", status: str = "'active'") -> str:
    return USER.format(email=email, name=name, status=status)


def fails(url: str, statement: str, expected: type[psycopg2.Error], **limits: str) -> None:
    """As the driver of the service runs it, values in the text."""
    with closing(psycopg2.connect(url)) as connection:
        connection.autocommit = True
        cursor = connection.cursor()
        for name, value in limits.items():
            cursor.execute(f"SET {name} = '{value}'")
        with pytest.raises(expected):
            cursor.execute(statement)


def taken_email(url: str, word: str) -> None:
    query(url, a_user(email=f"'{word}'"))
    fails(url, a_user(email=f"'{word}'"), errors.UniqueViolation)


def taken_name(url: str, word: str) -> None:
    query(url, a_user(email=f"'{word}.1'", name=f"'{word}'"))
    fails(url, a_user(email=f"'{word}.2'", name=f"'{word}'"), errors.UniqueViolation)


def taken_email_by_a_change(url: str, word: str) -> None:
    query(url, a_user(email=f"'{word}'"))
    query(url, a_user(email=f"'{word}.other'"))
    change = f"UPDATE users SET email_normalised = '{word}' WHERE email = '{word}.other'"
    fails(url, change, errors.UniqueViolation)


def taken_digest(url: str, word: str) -> None:
    query(url, CODE.format(digest=word))
    fails(url, CODE.format(digest=word), errors.UniqueViolation)


def failing_row(url: str, word: str) -> None:
    fails(url, a_user(email="'x'", status=f"'{word}'"), errors.CheckViolation)


def missing_value(url: str, word: str) -> None:
    fails(url, a_user(email="NULL", name=f"'{word}'"), errors.NotNullViolation)


def missing_user(url: str, word: str) -> None:
    row = f"(gen_random_uuid(), '$argon2id${word}', now())"
    columns = "(user_id, password_hash, changed_at)"
    statement = f"INSERT INTO password_credentials {columns} VALUES {row}"
    fails(url, statement, errors.ForeignKeyViolation)


def statement_timeout(url: str, word: str) -> None:
    fails(url, f"SELECT pg_sleep(60), '{word}'", errors.QueryCanceled, statement_timeout="50ms")


def lock_timeout(url: str, word: str) -> None:
    """Long enough for log_lock_waits to tell of it first."""
    query(url, a_user(email=f"'{word}'"))
    change = f"UPDATE users SET display_name = '{word}' WHERE email = '{word}'"
    with closing(psycopg2.connect(url)) as holder:
        holder.cursor().execute(change)
        limits = {"lock_timeout": "2s", "statement_timeout": "60s"}
        fails(url, change, errors.LockNotAvailable, **limits)


def deadlock(url: str, word: str) -> None:
    with closing(psycopg2.connect(url)) as one, closing(psycopg2.connect(url)) as other:
        for each, number in ((one, 1), (other, 2)):
            query(url, a_user(email=f"'{word}.{number}'"))
            each.cursor().execute(_touch(word, number))
        caught: list[psycopg2.Error] = []

        def cross(connection: psycopg2.extensions.connection, number: int) -> None:
            try:
                connection.cursor().execute(_touch(word, number))
            except errors.DeadlockDetected as error:
                caught.append(error)
            connection.rollback()

        thread = threading.Thread(target=cross, args=(one, 2))
        thread.start()
        cross(other, 1)
        thread.join(30)
        assert len(caught) == 1


def _touch(word: str, number: int) -> str:
    return f"UPDATE users SET display_name = '{word}' WHERE email = '{word}.{number}'"


def ended_by(function: str, expected: type[psycopg2.Error]) -> Callable[[str, str], None]:
    def end(url: str, word: str) -> None:
        superuser = url.replace("user_api@", "postgres@", 1)
        at_work = f"FROM pg_stat_activity WHERE state = 'active' AND query ~ 'pg_sleep.*{word}'"
        at_work += " AND usename = 'user_api'"
        statement = f"SELECT pg_sleep(60), '{word}'"
        limits = {"statement_timeout": "30s"}
        thread = threading.Thread(target=fails, args=(url, statement, expected), kwargs=limits)
        thread.start()
        while thread.is_alive():
            query(superuser, f"SELECT {function}(pid) {at_work}")
            thread.join(0.02)

    return end


def slow(url: str, word: str) -> None:
    """Than anything else, on a busy machine too."""
    patient = f"{url}&options=-cstatement_timeout%3D60s"
    query(patient, f"SELECT pg_sleep(2), '{word}'")


def explained(url: str, word: str) -> None:
    query(url, f"SELECT id FROM users WHERE email_normalised = '{word}'")


KINDS: Mapping[str, Callable[[str, str], None]] = {
    each.__name__: each
    for each in (
        taken_email,
        taken_name,
        taken_email_by_a_change,
        taken_digest,
        failing_row,
        missing_value,
        missing_user,
        statement_timeout,
        lock_timeout,
        deadlock,
        slow,
        explained,
    )
} | {
    "cancelled": ended_by("pg_cancel_backend", errors.QueryCanceled),
    "terminated": ended_by("pg_terminate_backend", psycopg2.OperationalError),
}


@contextmanager
def cluster(folder: Path, settings: Mapping[str, str]) -> Iterator[LocalPostgres]:
    """A migrated one, with both logins, and of its own settings those given here alone."""
    folder.chmod(0o755)
    plain = {k: v for k, v in postgres_server._DEFAULTS.items() if k not in QUIET}
    with (
        patch.object(postgres_server, "_DEFAULTS", plain),
        LocalPostgres.start(folder / "data", settings=settings) as running,
    ):
        query(running.superuser_url, "CREATE ROLE user_api_b LOGIN IN ROLE user_api_app")
        provision(running.superuser_url)
        upgrade(running.owner_url)
        yield running


def forget(running: LocalPostgres) -> None:
    """Takes the settings from the roles, as where no superuser has given them."""
    for login in LOGINS:
        for name in QUIET:
            query(running.superuser_url, f'ALTER ROLE {login} RESET "{name}"')


def bring_all_about(running: LocalPostgres) -> dict[str, str]:
    """Each kind of error, and one of each login, with a word of its own; the words by kind."""
    words = {kind: f"canary{secrets.token_hex(8)}" for kind in (*KINDS, *LOGINS)}
    for kind, bring_about in KINDS.items():
        bring_about(running.app_url, words[kind])
    for login in LOGINS:
        url = running.url(role=login, database="user_api")
        fails(url, f"SELECT '{words[login]}', 1 / 0", errors.DivisionByZero)
    return words


def told_of(folder: Path, words: Mapping[str, str]) -> set[str]:
    """The kinds whose word stands in the log of the server, which has ended."""
    log = "\n".join(entries((folder / "data.log").read_text()))
    for expected in ("duplicate key", "still waiting for", "deadlock detected", "division by zero"):
        assert expected in log
    return {kind for kind, word in words.items() if word in log}


def doctor_finds(running: LocalPostgres, login: str) -> set[str]:
    settings = settings_for(running.url(role=login, database="user_api"))
    with closing(PostgresInspection(settings, clock=SystemClock())) as inspection:
        return set(loud(inspection.server_log()))


def test_a_careless_server_tells_everything(tmp_path: Path) -> None:
    """So the tests below would notice each kind; and the doctor says what is wrong."""
    with cluster(tmp_path, CARELESS) as running:
        forget(running)
        for login in LOGINS:
            assert doctor_finds(running, login) == QUIET.keys() & CARELESS.keys()
        words = bring_all_about(running)
    assert told_of(tmp_path, words) == {*KINDS, *LOGINS}


def test_rds_tells_no_value_of_any_error(tmp_path: Path) -> None:
    """By the parameters of the instance alone: its master user may be refused those of roles. What
    was slow is found all the same, as docs/operations.md says, and without the values."""
    with cluster(tmp_path, {**QUICK, **AS_RDS, **STATEMENT_STATISTICS}) as running:
        forget(running)
        assert doctor_finds(running, "user_api") == set()
        words = bring_all_about(running)
        query(running.superuser_url, "CREATE EXTENSION pg_stat_statements")
        statements = [str(row[-1]) for row in query(running.superuser_url, SLOWEST)]
        kept = str(query(running.superuser_url, "SELECT query FROM pg_stat_statements"))
    assert statements[0] == "SELECT pg_sleep($1), $2"
    assert not [kind for kind, word in words.items() if word in kept]
    assert told_of(tmp_path, words) == set()


def test_a_careless_server_tells_nothing_of_our_logins(tmp_path: Path) -> None:
    """What provision.sql gives to the roles holds in each of their sessions, whatever the server
    logs of others: statements, durations and plans."""
    with cluster(tmp_path, CARELESS) as running:
        for login in LOGINS:
            assert doctor_finds(running, login) == set()
        words = bring_all_about(running)
    assert told_of(tmp_path, words) == set()


def test_conflicts_leave_no_value_in_the_log(
    client: Client, staff: Staff, server_log: Path
) -> None:
    """An ordinary 409, on both targets, at a server that logs every statement it may."""
    canaries = Canaries()
    token = staff.admin.token

    def ask(method: str, path: str, **body: object) -> Answer:
        return client.request(method, path, json=body, token=token)

    before = server_log.stat().st_size
    body = {"email": canaries.email, "username": canaries.person, "display_name": canaries.text}
    assert ask("POST", "/v1/users", **body).status == 201
    assert ask("POST", "/v1/users", **body).status == 409
    other = staff.person().user_id
    assert ask("PATCH", f"/v1/users/{other}", email=canaries.email).status == 409
    assert ask("PATCH", f"/v1/users/{other}", username=canaries.person).status == 409
    log = server_log.read_text()[before:]
    assert 'duplicate key value violates unique constraint "uq_users_email_normalised"' in log
    assert not canaries.found_in("\n".join(entries(log)))
