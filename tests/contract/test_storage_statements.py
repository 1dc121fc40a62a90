"""Round trips: what a use of the storage sends to the server, and nothing besides."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from core.domain.requests import Idempotency, RequestContext, StoredAnswer
from core.errors import StorageUnavailable
from core.ports.session_stores import Bucket
from tests.support.clock import START
from tests.support.storage import (
    CONTEXT,
    IDS,
    Opened,
    insert_session,
    insert_user,
    new_user,
    opened,
    sql,
)
from tests.support.wire import Wire


@pytest.fixture
def wire(database_url: str) -> Iterator[Wire]:
    wire = Wire(database_url)
    yield wire
    wire.close()


@pytest.fixture
def watched(wire: Wire) -> Iterator[Opened]:
    """A storage behind the wire, connected and warmed up."""
    with opened(wire.url, database_pool_size=1) as crowd:
        with crowd.storage.read() as stores:
            stores.users.by_id(IDS.new())
        yield crowd


def verbs(wire: Wire) -> list[str]:
    return [query.split(maxsplit=1)[0] for query in wire.queries]


def test_a_read_is_one_round_trip(watched: Opened, wire: Wire) -> None:
    """No BEGIN before it, no ROLLBACK, no SET, no ping behind it."""
    user = insert_user(watched.storage)
    session = insert_session(watched.storage, user.id)
    wire.queries.clear()
    for _ in range(3):
        with watched.storage.read() as stores:
            assert stores.principals.principal(
                session.id, user_id=user.id, epoch=1, issued_at=START, now=START
            )
    assert verbs(wire) == ["SELECT"] * 3


def test_a_write_is_its_statements_between_begin_and_commit(watched: Opened, wire: Wire) -> None:
    """Nothing more; a read after it is a single round trip again."""
    user = insert_user(watched.storage)
    wire.queries.clear()
    with watched.storage.write(CONTEXT) as uow:
        uow.users.record_login(user.id, now=START)
        uow.commit()
    with watched.storage.read() as stores:
        stores.users.by_id(user.id)
    assert verbs(wire) == ["BEGIN", "INSERT", "COMMIT", "SELECT"]


def test_what_is_not_committed_is_rolled_back(watched: Opened, wire: Wire) -> None:
    """At once, when the block ends."""
    user = insert_user(watched.storage)
    wire.queries.clear()
    with watched.storage.write(CONTEXT) as uow:
        uow.users.record_login(user.id, now=START)
    assert verbs(wire) == ["BEGIN", "INSERT", "ROLLBACK"]


def test_an_unused_unit_of_work_sends_nothing(watched: Opened, wire: Wire) -> None:
    """BEGIN goes out with the first statement."""
    wire.queries.clear()
    with watched.storage.write(CONTEXT):
        pass
    assert wire.queries == []


def test_a_new_connection_costs_no_statement(wire: Wire) -> None:
    """Beyond what the very first one of a process asks of the server."""
    with opened(wire.url, database_pool_size=2) as crowd, crowd.storage.read() as stores:
        stores.users.by_id(IDS.new())
        wire.queries.clear()
        with crowd.storage.read() as more:
            more.users.by_id(IDS.new())
    assert verbs(wire) == ["SELECT"]


def test_an_idempotency_key_costs_three_statements(watched: Opened, wire: Wire) -> None:
    """The lock, the look-up under it, and the answer."""
    key = Idempotency(
        principal="p",
        route="POST /",
        key=str(IDS.new()),
        fingerprint=b"f",
        render=lambda _: StoredAnswer(200, b"{}"),
    )
    wire.queries.clear()
    with watched.storage.write(RequestContext(request_id="r", idempotency=key)) as uow:
        uow.commit()
    assert verbs(wire) == ["BEGIN", "SELECT", "SELECT", "INSERT", "COMMIT"]


def test_every_statement_is_counted_by_operation_and_table(watched: Opened) -> None:
    """The labels are few and known."""
    watched.metrics.queries.clear()
    watched.storage.readiness()
    user = new_user()
    with watched.storage.write(CONTEXT) as uow:
        uow.users.insert(user)
        uow.access.grant(user.id, "auditor", granted_by=None, now=START)
        uow.signing_keys.usable(now=START)
        uow.principals.current_epoch()
        uow.outbox.lease(owner="w", limit=1, until=START, now=START)
        uow.throttles.forgive(Bucket(key=b"x", limit=1, window=1, policy="x"), now=START)
    assert watched.metrics.queries == [
        ("select", "other"),
        ("select", "alembic_version"),
        ("insert", "users"),
        ("select", "roles"),
        ("select", "signing_keys"),
        ("select", "recovery_epochs"),
        ("update", "outbox"),
        ("update", "throttles"),
    ]


def test_the_pool_tells_what_is_in_use_and_what_rests(database_url: str) -> None:
    """Also after connections came back at one moment, failed, or were closed."""
    with opened(database_url, database_pool_size=4) as crowd:
        assert crowd.metrics.pool_state() == (0, 0)
        together = threading.Barrier(4)

        def use(_: int) -> None:
            with crowd.storage.read() as stores:
                stores.users.by_id(IDS.new())
                together.wait(30)

        with ThreadPoolExecutor(4) as threads:
            for _ in range(20):
                list(threads.map(use, range(4)))
                assert crowd.metrics.pool_state() == (0, 4)
        with crowd.storage.read():
            assert crowd.metrics.pool_state() == (1, 3)
        end = "SELECT pg_terminate_backend(pg_backend_pid())"
        with pytest.raises(StorageUnavailable):
            sql(crowd.storage, end)
        active, idle = crowd.metrics.pool_state()
        assert active == 0
        assert idle <= 4
        crowd.storage.close()
        assert crowd.metrics.pool_state() == (0, 0)
