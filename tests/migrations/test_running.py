"""Running migrations beside a service at work, beside each other, and on the wrong database."""

from __future__ import annotations

import re
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager

import psycopg2
import pytest
from sqlalchemy import Engine, event

from core.errors import ConfigurationError, StorageUnavailable
from migrations.locking import ADVISORY_LOCK
from migrations.runner import current, downgrade, head, upgrade
from tests.migrations.conftest import Database
from tests.support.row_locks import held as waiters
from tests.support.storage import query

USER = (
    "INSERT INTO users (id, email, email_normalised, email_verified, status, attributes,"
    " created_at, updated_at) VALUES (gen_random_uuid(), 'a', 'a', true, 'active', '{}', now(),"
    " now())"
)


@contextmanager
def lock_waits() -> Iterator[list[int]]:
    """The milliseconds of each lock_timeout that this process sets by SQLAlchemy."""
    found: list[int] = []

    def note(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        if match := re.fullmatch(r"SET lock_timeout = '(\d+)ms'", statement):
            found.append(int(match[1]))

    event.listen(Engine, "before_cursor_execute", note)
    try:
        yield found
    finally:
        event.remove(Engine, "before_cursor_execute", note)


@contextmanager
def held(url: str, statement: str) -> Iterator[threading.Event]:
    """A transaction that has run `statement` and stays open until the event, or the end."""
    release, ready = threading.Event(), threading.Event()

    def hold() -> None:
        with closing(psycopg2.connect(url)) as connection, connection.cursor() as cursor:
            cursor.execute(statement)
            ready.set()
            release.wait(timeout=100)
            connection.rollback()

    holder = threading.Thread(target=hold)
    holder.start()
    assert ready.wait(timeout=30)
    try:
        yield release
    finally:
        release.set()
        holder.join()


def test_four_upgrades_at_once_are_one(fresh: Database) -> None:
    """Jobs of two releases, or a retried one: all end well, each migration ran once."""
    code = f"from migrations.runner import upgrade; upgrade({fresh.owner!r}, progress=print)"
    runs = [
        subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
        for _ in range(4)
    ]
    told = "".join(run.communicate(timeout=100)[0] for run in runs)
    assert [run.returncode for run in runs] == [0] * 4
    assert told.count(" applied: ") == int(head())
    assert current(fresh.owner) == head()


def test_a_migration_waits_for_another_only_so_long(fresh: Database) -> None:
    """It says so and changes nothing."""
    at_work = held(fresh.owner, f"SELECT pg_advisory_lock({ADVISORY_LOCK})")
    with at_work, pytest.raises(StorageUnavailable, match="another migration"):
        upgrade(fresh.owner, patience=0.3)
    assert current(fresh.owner) is None


def test_a_lock_that_is_held_for_a_while_is_outlasted(fresh: Database) -> None:
    """The migration tries again until the transaction in its way has ended."""
    upgrade(fresh.owner, "0001")
    with held(fresh.owner, USER) as release:
        threading.Timer(1.0, release.set).start()
        upgrade(fresh.owner)
    assert current(fresh.owner) == head()


def test_a_lock_that_is_held_for_too_long_ends_the_migration(fresh: Database) -> None:
    """What was applied before stays, what was not is rolled back whole; trying again works."""
    upgrade(fresh.owner, "0001")
    with held(fresh.owner, USER):
        with pytest.raises(StorageUnavailable, match="lock"):
            upgrade(fresh.owner, patience=0.5)
        assert current(fresh.owner) == "0001"
        assert query(fresh.owner, "SELECT to_regclass('roles')") == [(None,)]
    upgrade(fresh.owner)


def test_the_service_goes_on_while_a_migration_waits_for_its_lock(fresh: Database) -> None:
    """Statements behind the waiting migration wait half a second at most: it gives way and
    tries again, until it gets its lock."""
    upgrade(fresh.owner, "0003")
    read = "SELECT count(*) FROM outbox"
    with (
        held(fresh.owner, read) as release,
        closing(psycopg2.connect(fresh.application)) as connection,
        waiters(fresh.superuser) as waiting,
        lock_waits() as waits,
        ThreadPoolExecutor(1) as threads,
    ):
        connection.autocommit = True
        reader = connection.cursor()
        # Its own deadlines are not what is asked for here.
        reader.execute("SET lock_timeout = 0; SET statement_timeout = 0")
        migration = threads.submit(downgrade, fresh.owner, "-1", patience=80)
        try:
            for _ in range(5):
                waiting.until(1)
                started = time.monotonic()
                reader.execute(read)
                assert time.monotonic() - started < 10 * 0.5
                assert not migration.done()
        finally:
            release.set()
        migration.result(60)
    # What the reader felt is bounded loosely, as a machine may be busy; what was set is not.
    assert max(waits) <= 500
    assert current(fresh.owner) == "0002"


def test_an_unprovisioned_database_is_named_with_its_cure(fresh: Database) -> None:
    """The application's role cannot migrate either: both messages say what to run."""
    revoke = "REVOKE CREATE ON SCHEMA public FROM user_api_owner"
    query(fresh.superuser, f"ALTER SCHEMA public OWNER TO CURRENT_USER; {revoke}")
    for url in (fresh.owner, fresh.application):
        with pytest.raises(ConfigurationError, match=r"migrations/provision\.sql") as refused:
            upgrade(url)
        assert "\n" not in str(refused.value)


def test_tables_of_another_owner_are_named_in_one_line(fresh: Database) -> None:
    """And are left as they were."""
    upgrade(fresh.owner, "0001")
    query(fresh.superuser, "ALTER TABLE users OWNER TO CURRENT_USER")
    with pytest.raises(ConfigurationError, match="permission denied for table users") as refused:
        upgrade(fresh.owner)
    assert "\n" not in str(refused.value)
    query(fresh.superuser, "ALTER TABLE alembic_version OWNER TO CURRENT_USER")
    for ask in (upgrade, current):
        with pytest.raises(ConfigurationError, match="permission denied for table alembic_version"):
            ask(fresh.owner)


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("mysql://user@host/name", "not one of the form postgresql://"),
        ("postgresql://user@127.0.0.1:x/name", "not one of the form postgresql://"),
        ("postgresql://user@127.0.0.1:1/name", "127.0.0.1/name cannot be used by user"),
        ("postgresql://127.0.0.1:1", "127.0.0.1/ cannot be used: "),
    ],
)
def test_a_wrong_url_is_one_clear_line(url: str, reason: str) -> None:
    """Also for the question which revision a database has."""
    for ask in (upgrade, current):
        with pytest.raises(ConfigurationError, match=reason) as refused:
            ask(url)
        assert "\n" not in str(refused.value)


def test_a_password_in_the_url_is_not_repeated(fresh: Database) -> None:
    """Neither in the message nor in what it was raised from."""
    url = fresh.owner.replace("user_api_owner@", "nobody:verysecret@")
    with pytest.raises(ConfigurationError) as refused:
        upgrade(url)
    assert "verysecret" not in f"{refused.value} {refused.value.__cause__}"


def test_a_database_of_a_later_release_is_left_alone(fresh: Database) -> None:
    """An old migration job that runs late says that it does not know the revision."""
    upgrade(fresh.owner)
    query(fresh.owner, "UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(ConfigurationError, match="9999"):
        upgrade(fresh.owner)
