"""The version before this one goes on working on the new schema, and so does what it stored."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor

import psycopg2
import pytest

from core.errors import StorageUnavailable
from migrations.runner import current, downgrade, head, upgrade
from tests.migrations.conftest import Database
from tests.migrations.test_running import USER, held
from tests.support.catalog import schema
from tests.support.storage import insert_user, opened, query

# As version 0.1.0 sends them.
INSERT_USER = (
    "INSERT INTO users (id, email, email_normalised, email_verified, username,"
    " username_normalised, status, attributes, created_at, updated_at) VALUES (gen_random_uuid(),"
    " %s, %s, true, NULL, NULL, 'active', '{}', now(), now()) ON CONFLICT DO NOTHING"
    " RETURNING users.id"
)
UPDATE_USER = (
    "UPDATE users SET display_name=%s, updated_at=now(), version=(users.version + 1)"
    " WHERE users.id = %s AND users.version = 1 RETURNING users.id,"
    " (SELECT user_logins.last_login_at FROM user_logins WHERE user_logins.user_id = users.id)"
)
LOG_IN = (
    "INSERT INTO user_logins (user_id, last_login_at) VALUES (%s, now())"
    " ON CONFLICT (user_id) DO UPDATE SET last_login_at = excluded.last_login_at"
)
GRANT = (
    "WITH granted AS (INSERT INTO user_roles (user_id, role, granted_by, granted_at)"
    " SELECT users.id, roles.name, NULL, now() FROM users JOIN roles ON true"
    " WHERE users.id = %s AND roles.name = 'support' ON CONFLICT DO NOTHING"
    " RETURNING user_roles.user_id), raised AS (UPDATE users SET version=(users.version + 1)"
    " FROM granted WHERE users.id = granted.user_id RETURNING users.id)"
    " SELECT EXISTS (SELECT * FROM roles WHERE roles.name = 'support'),"
    " (SELECT count(*) FROM raised)"
)
CHARGE = (
    "INSERT INTO throttles (key, failures, expires_at) SELECT asked.key, 1, now() + '1 hour' FROM"
    " unnest(%s) AS asked(key) ORDER BY asked.key ON CONFLICT (key) DO UPDATE SET failures = CASE"
    " WHEN throttles.expires_at <= now() THEN 1 ELSE throttles.failures + 1 END"
    " RETURNING throttles.failures, throttles.pending, throttles.pending_until"
)
WITHOUT_LOGINS = "SELECT count(*) FROM users WHERE id NOT IN (SELECT user_id FROM user_logins)"


def add_users(url: str, *, count: int, first: int = 0) -> None:
    query(
        url,
        "INSERT INTO users (id, email, email_normalised, email_verified, status, attributes,"
        " created_at, updated_at) SELECT gen_random_uuid(), n, n, true, 'active', '{}', now(),"
        " now() FROM generate_series(%s, %s) AS n",
        (first, first + count - 1),
    )


def test_the_statements_of_the_first_release_work_on_the_new_schema(fresh: Database) -> None:
    """With the rights of the service: signing up, changing, logging in twice, being granted, and
    counting guesses."""
    upgrade(fresh.owner)
    ((user,),) = query(fresh.application, INSERT_USER, ("a", "a"))
    assert query(fresh.application, INSERT_USER, ("a", "a")) == []
    assert query(fresh.application, UPDATE_USER, ("Ada", user)) == [(user, None)]
    for _ in range(2):
        query(fresh.application, LOG_IN, (user,))
    assert query(fresh.application, GRANT, (user,)) == [(True, 1)]
    keys = ([b"one"],)
    assert [query(fresh.application, CHARGE, keys) for _ in range(2)] == [
        [(1, 0, None)],
        [(2, 0, None)],
    ]
    ((logins, moments),) = query(
        fresh.application, "SELECT count(*), count(last_login_at) FROM user_logins"
    )
    assert (logins, moments) == (1, 1)


def test_users_of_before_and_of_meanwhile_are_listed_by_last_login(fresh: Database) -> None:
    """More than a batch of them; logins of before are kept."""
    upgrade(fresh.owner, "0003")
    add_users(fresh.owner, count=25_000)
    query(fresh.owner, "INSERT INTO user_logins SELECT id, created_at FROM users LIMIT 9000")
    upgrade(fresh.owner, "0005")
    add_users(fresh.application, count=10, first=25_000)
    upgrade(fresh.owner)
    assert query(fresh.owner, WITHOUT_LOGINS) == [(0,)]
    counts = "SELECT count(*), count(last_login_at) FROM user_logins"
    assert query(fresh.owner, counts) == [(25_010, 9000)]


def test_every_new_user_can_be_listed_by_last_login(fresh: Database) -> None:
    """One or many by one statement, refused ones not, and none is left behind by a rollback."""
    upgrade(fresh.owner)
    add_users(fresh.application, count=3)
    add_users(fresh.owner, count=2, first=3)
    with pytest.raises(psycopg2.errors.UniqueViolation):
        add_users(fresh.application, count=3, first=4)
    assert query(fresh.owner, WITHOUT_LOGINS) == [(0,)]
    assert query(fresh.owner, "SELECT count(*) FROM user_logins") == [(5,)]


def test_a_planted_table_is_not_written_instead(fresh: Database) -> None:
    """Whatever the search_path of whoever inserts a user is."""
    upgrade(fresh.owner)
    query(fresh.superuser, "CREATE SCHEMA planted; GRANT USAGE ON SCHEMA planted TO user_api")
    query(fresh.superuser, "CREATE TABLE planted.user_logins (user_id uuid, last_login_at text)")
    query(fresh.application, "SET search_path = planted, public;" + INSERT_USER, ("a", "a"))
    assert query(fresh.superuser, "SELECT count(*) FROM planted.user_logins") == [(0,)]
    assert query(fresh.owner, WITHOUT_LOGINS) == [(0,)]


@pytest.mark.parametrize(
    ("before", "index"),
    [
        ("0006", "ix_users_created_at_id"),
        ("0006", "ix_users_search"),
        ("0007", "ix_user_logins_last"),
        ("0008", "ix_user_roles_role_user_id"),
        ("0009", "ix_audit_events_type_id"),
        ("0014", "ix_audit_events_anonymous"),
        ("0014", "ix_mail_suppressions_since"),
    ],
)
def test_an_index_that_an_interrupted_run_left_invalid_is_built_again(
    fresh: Database, other: Database, before: str, index: str
) -> None:
    """PostgreSQL keeps it, and would go on without it."""
    upgrade(other.owner)
    ((definition,),) = query(
        other.owner, "SELECT indexdef FROM pg_indexes WHERE indexname = %s", (index,)
    )
    upgrade(fresh.owner, before)
    query(fresh.owner, definition)
    query(
        fresh.superuser,
        "UPDATE pg_index SET indisvalid = false, indisready = false"
        " WHERE indexrelid = %s::regclass",
        (index,),
    )
    assert invalid(fresh.owner) == [(index,)]
    upgrade(fresh.owner)
    assert invalid(fresh.owner) == []
    assert schema(fresh.owner) == schema(other.owner)


def invalid(url: str) -> list[tuple[object, ...]]:
    return query(url, "SELECT indexrelid::regclass::text FROM pg_index WHERE NOT indisvalid")


def begun(url: str) -> None:
    """Returns when an index is being built."""
    ends = time.monotonic() + 30
    while invalid(url) == []:
        assert time.monotonic() < ends
        time.sleep(0.05)


def test_an_index_is_built_while_users_sign_up(fresh: Database) -> None:
    """A transaction that is under way delays the migration and is not disturbed by it; nobody
    queues behind the migration."""
    upgrade(fresh.owner, "0006")
    # Later migrations hold up a sign-up for a moment, which on a busy machine is a long one.
    for name in ("lock_timeout", "statement_timeout"):
        change = f"ALTER ROLE user_api IN DATABASE {fresh.name} SET {name} = '20s'"
        query(fresh.superuser, change)
    with (
        opened(fresh.application) as service,
        held(fresh.owner, USER) as release,
        ThreadPoolExecutor(1) as threads,
    ):
        migration = threads.submit(upgrade, fresh.owner)
        try:
            begun(fresh.owner)
            for _ in range(20):
                insert_user(service.storage)
            assert not migration.done()
        finally:
            release.set()
        while not migration.done():
            insert_user(service.storage)
        migration.result()
    assert current(fresh.owner) == head()
    assert invalid(fresh.owner) == []


def test_a_migration_that_was_killed_at_an_index_is_tried_again(
    fresh: Database, other: Database
) -> None:
    """It ends with one clear line, and the next run goes on where it stopped."""
    upgrade(fresh.owner, "0006")
    with held(fresh.owner, USER), ThreadPoolExecutor(1) as threads:
        migration = threads.submit(upgrade, fresh.owner)
        begun(fresh.owner)
        query(
            fresh.superuser,
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s"
            " AND application_name = 'user-api-migrate'",
            (fresh.name,),
        )
        with pytest.raises(StorageUnavailable, match="connection to the database was lost"):
            migration.result(60)
    assert invalid(fresh.owner) == [("ix_users_created_at_id",)]
    assert current(fresh.owner) == "0006"
    upgrade(fresh.owner)
    assert invalid(fresh.owner) == []
    upgrade(other.owner)
    assert schema(fresh.owner) == schema(other.owner)


def test_taking_invitations_back_leaves_the_rest(fresh: Database) -> None:
    """Their codes go, because the version before this one does not know them."""
    upgrade(fresh.owner)
    codes = (
        "INSERT INTO one_time_codes (id, digest, purpose, email_normalised, created_at,"
        " expires_at) SELECT gen_random_uuid(), sha256(p::bytea), p, 'a', now(), now()"
        " FROM unnest(ARRAY['invitation', 'reset_password', 'verify_email']) AS p"
    )
    query(fresh.application, codes)
    with pytest.raises(psycopg2.errors.CheckViolation):
        query(fresh.application, codes.replace("'invitation'", "'bribe'"))
    downgrade(fresh.owner, "0003")
    left = query(fresh.owner, "SELECT purpose FROM one_time_codes ORDER BY purpose")
    assert left == [("reset_password",), ("verify_email",)]
