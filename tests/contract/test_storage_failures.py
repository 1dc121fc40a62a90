"""What callers of the storage meet when the database fails: an answer in time, then healing."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from core.adapters.postgres.storage import PostgresStorage
from core.domain.events import Event, EventType
from core.domain.user import NewUser
from core.errors import ConfigurationError, StorageUnavailable
from handler.local.postgres import APPLICATION, OWNER, LocalPostgres
from migrations.runner import upgrade
from tests.support.clock import START
from tests.support.storage import CONTEXT, IDS, insert_user, new_user, opened, query, sql, works
from tests.support.wire import silent_server

DEADLINE = 2.0
"""Seconds of what has to pass, and of what must not: statements that are quick."""
BUSY = 10 * DEADLINE
"""The most that giving up takes on a machine that is busy with other things."""


@contextlib.contextmanager
def within(seconds: float) -> Iterator[None]:
    started = time.monotonic()
    yield
    assert time.monotonic() - started < seconds


@contextlib.contextmanager
def role_setting(superuser_url: str, change: str, undo: str) -> Iterator[None]:
    query(superuser_url, f"ALTER ROLE user_api {change}")
    try:
        yield
    finally:
        query(superuser_url, f"ALTER ROLE user_api {undo}")


@contextlib.contextmanager
def frozen(backend: int) -> Iterator[None]:
    """Stops a server process, for a minute at most: a wait without end fails instead of
    hanging."""

    def thaw() -> None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(backend, signal.SIGCONT)

    timer = threading.Timer(60, thaw)
    os.kill(backend, signal.SIGSTOP)
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        thaw()


def test_a_frozen_backend_is_given_up_in_time(database_url: str) -> None:
    """A server process that is stopped (SIGSTOP) costs the deadline, then a new one serves."""
    with opened(database_url, database_pool_size=1, database_statement_timeout=DEADLINE) as crowd:
        backend = int(str(sql(crowd.storage, "SELECT pg_backend_pid()")))
        with frozen(backend):
            with within(BUSY), pytest.raises(StorageUnavailable):
                works(crowd.storage)
            assert works(crowd.storage)


def test_a_backend_that_freezes_before_the_commit_is_given_up_in_time(database_url: str) -> None:
    """The commit is not acknowledged, nothing is counted, and the next transaction works."""
    with opened(database_url, database_pool_size=1, database_statement_timeout=DEADLINE) as crowd:
        backend = int(str(sql(crowd.storage, "SELECT pg_backend_pid()")))
        with contextlib.ExitStack() as freezing:

            def freeze_and_commit() -> None:
                with crowd.storage.write(CONTEXT) as uow:
                    uow.record(Event(type=EventType.USER_CREATED, actor=None, subject=None))
                    freezing.enter_context(frozen(backend))
                    uow.commit()

            with within(BUSY), pytest.raises(StorageUnavailable):
                freeze_and_commit()
        assert crowd.metrics.events == []
        insert_user(crowd.storage)


def test_killed_backends_cost_one_failure(database_url: str, superuser_url: str) -> None:
    """After a restart of the database one call fails; the whole pool is renewed with it."""
    with opened(database_url, database_pool_size=3) as crowd:
        with contextlib.ExitStack() as open_together:
            backends = [
                open_together.enter_context(crowd.storage.read())
                .users._connection.exec_driver_sql("SELECT pg_backend_pid()")
                .scalar()
                for _ in range(3)
            ]
        assert works(crowd.storage)
        for backend in backends:
            query(superuser_url, "SELECT pg_terminate_backend(%s, 30000)", (backend,))
        with pytest.raises(StorageUnavailable):
            works(crowd.storage)
        with crowd.storage.read(), crowd.storage.read():
            assert works(crowd.storage)


def test_pre_ping_spares_even_that_failure(database_url: str, superuser_url: str) -> None:
    """For a Lambda that slept while its connection was cut."""
    with opened(database_url, database_pool_size=1, database_pre_ping=True) as crowd:
        backend = sql(crowd.storage, "SELECT pg_backend_pid()")
        query(superuser_url, "SELECT pg_terminate_backend(%s, 30000)", (backend,))
        assert works(crowd.storage)


def test_a_connection_lost_in_a_transaction_keeps_nothing(
    storage: PostgresStorage, superuser_url: str
) -> None:
    """The caller learns it at the latest from the commit."""
    user = new_user()

    def lose_and_commit() -> None:
        with storage.write(CONTEXT) as uow:
            uow.users.insert(user)
            backend = uow.users._connection.exec_driver_sql("SELECT pg_backend_pid()").scalar()
            query(superuser_url, "SELECT pg_terminate_backend(%s, 30000)", (backend,))
            uow.commit()

    with pytest.raises(StorageUnavailable):
        lose_and_commit()
    with storage.read() as stores:
        assert stores.users.by_id(user.id) is None


@pytest.fixture
def as_provisioned(postgres: LocalPostgres) -> Iterator[PostgresStorage]:
    """On a database whose sessions have the deadlines of migrations/provision.sql, which the
    suites' own has not."""
    postgres.create_database("provisioned")
    try:
        upgrade(postgres.url(role=OWNER, database="provisioned"))
        with opened(postgres.url(role=APPLICATION, database="provisioned")) as crowd:
            yield crowd.storage
    finally:
        postgres.drop_database("provisioned")


def test_a_statement_that_takes_too_long_is_cut_off_by_the_server(
    as_provisioned: PostgresStorage, caplog: pytest.LogCaptureFixture
) -> None:
    """By the role's statement_timeout of 2 s; the connection stays good."""
    backend = sql(as_provisioned, "SELECT pg_backend_pid()")
    assert sql(as_provisioned, "SHOW statement_timeout") == "2s"
    with within(BUSY), pytest.raises(StorageUnavailable):
        sql(as_provisioned, "SELECT pg_sleep(30)")
    assert "database unavailable: QueryCanceled 57014" in caplog.text
    assert sql(as_provisioned, "SELECT pg_backend_pid()") == backend


def test_a_row_that_is_locked_too_long_is_not_waited_for(
    as_provisioned: PostgresStorage, caplog: pytest.LogCaptureFixture
) -> None:
    """By the role's lock_timeout of 1 s."""
    assert sql(as_provisioned, "SHOW lock_timeout") == "1s"
    user = insert_user(as_provisioned)
    change = {"locale": "de"}
    with as_provisioned.write(CONTEXT) as holder:
        holder.users.update(user.id, change, expected_version=None, now=START)
        with pytest.raises(StorageUnavailable), as_provisioned.write(CONTEXT) as waiter:
            waiter.users.update(user.id, change, expected_version=None, now=START)
        # Not by the deadline of the whole statement.
        assert "database unavailable: LockNotAvailable 55P03" in caplog.text
        holder.commit()


@pytest.fixture
def early_detection(superuser_url: str) -> Iterator[None]:
    """PostgreSQL looks for deadlocks after a second by default, as long as the lock_timeout."""
    with role_setting(superuser_url, "SET deadlock_timeout = '100ms'", "RESET deadlock_timeout"):
        yield


@pytest.mark.usefixtures("early_detection")
def test_a_deadlock_ends_one_of_the_two(database_url: str) -> None:
    """As unavailable, not as a defect: it is worth another try. The other goes on."""
    met = threading.Barrier(2)

    def change_both(first: NewUser, second: NewUser) -> bool:
        change = {"locale": "de"}
        try:
            with crowd.storage.write(CONTEXT) as uow:
                uow.users.update(first.id, change, expected_version=None, now=START)
                met.wait(timeout=30)
                uow.users.update(second.id, change, expected_version=None, now=START)
                uow.commit()
        except StorageUnavailable:
            return False
        return True

    with opened(database_url) as crowd, ThreadPoolExecutor(2) as threads:
        one, two = insert_user(crowd.storage), insert_user(crowd.storage)
        crossed = threads.submit(change_both, one, two), threads.submit(change_both, two, one)
        assert sorted(each.result(timeout=60) for each in crossed) == [False, True]


def test_an_exhausted_pool_is_not_waited_for_long(database_url: str) -> None:
    """Whoever finds no free connection in the pool's timeout is sent away."""
    with opened(database_url, database_pool_size=1, database_pool_timeout=0.2) as crowd:
        with crowd.storage.read() as stores:
            assert stores.users.by_id(IDS.new()) is None
            with within(BUSY / 2), pytest.raises(StorageUnavailable):
                works(crowd.storage)
        assert works(crowd.storage)


def test_a_server_that_accepts_and_says_nothing_is_given_up_in_time() -> None:
    """Connecting has its deadline too, which libpq's own timeout does not give here."""
    with silent_server() as url, opened(url, database_connect_timeout=1.0) as crowd:
        with within(BUSY / 2), pytest.raises(StorageUnavailable):
            works(crowd.storage)
        readiness = crowd.storage.readiness()
        assert (readiness.database, readiness.schema) == (False, False)


def test_a_server_that_is_down_is_unavailable() -> None:
    """Nothing listens there."""
    nowhere = "postgresql://user_api@127.0.0.1:1/user_api"
    with opened(nowhere) as crowd, within(BUSY / 2), pytest.raises(StorageUnavailable):
        works(crowd.storage)


def test_a_url_that_is_none_is_refused_at_the_start() -> None:
    """By name, before anything connects."""
    with pytest.raises(ConfigurationError, match="database URL"), opened("postgresql://h:x/d"):
        pass


def test_too_many_connections_is_unavailable(database_url: str, superuser_url: str) -> None:
    """SQLSTATE 53300; it passes."""
    with (
        role_setting(superuser_url, "CONNECTION LIMIT 0", "CONNECTION LIMIT -1"),
        opened(database_url) as crowd,
        pytest.raises(StorageUnavailable),
    ):
        works(crowd.storage)


def test_connections_to_a_former_primary_are_dropped(database_url: str, superuser_url: str) -> None:
    """A write that meets a read-only server (25006) fails as unavailable and finds the new one."""
    read_only = "SET default_transaction_read_only"
    with opened(database_url, database_pool_size=1) as crowd:
        with role_setting(superuser_url, f"{read_only} = on", f"RE{read_only}"):
            assert works(crowd.storage)
            with pytest.raises(StorageUnavailable):
                insert_user(crowd.storage)
        insert_user(crowd.storage)


def test_an_error_quotes_no_parameter(storage: PostgresStorage) -> None:
    """They are people's data, and errors end up in logs and debuggers."""
    statement = text("SELECT 1 / 0 WHERE :person = 'a'")
    with storage.read() as stores, pytest.raises(DBAPIError) as failed:
        stores.users._connection.execute(statement, {"person": "secret@example.com"})
    assert "SELECT 1 / 0" in str(failed.value)
    assert "secret@example.com" not in str(failed.value)
