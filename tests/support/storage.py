"""A storage on the test worker's database, and rows to put into it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import psycopg2

from core.adapters.crypto.derive import KeyUse, derive_key
from core.adapters.crypto.pseudonyms import HmacPseudonyms
from core.adapters.crypto.seal import AesGcmSealer
from core.adapters.postgres.storage import PostgresStorage
from core.adapters.runtime import SystemClock, UuidV7Ids
from core.config import Settings
from core.domain.requests import RequestContext
from core.domain.session import Session
from core.domain.user import NewUser, UserStatus
from core.ports.logins import LoginSource
from core.ports.runtime import OutboxState
from tests.support.clock import START, FixedClock
from tests.support.environment import PATIENT_DATABASE

_KEY = b"a key of thirty-two bytes, or so"
IDS = UuidV7Ids(SystemClock())
CONTEXT = RequestContext(request_id="request-1")
OF_REQUEST = "id IN (SELECT event_id FROM audit_payloads WHERE payload->>'client_request_id' = %s)"
"""Events of the request that a client gave this X-Request-Id."""


@dataclass
class RecordedMetrics:
    """Implements the part of Metrics that the storage feeds."""

    queries: list[tuple[str, str]] = field(default_factory=list)
    events: list[str] = field(default_factory=list)
    clocks: list[timedelta] = field(default_factory=list)
    pool_state: Callable[[], tuple[int, int]] = lambda: (0, 0)

    def query(self, *, operation: str, table: str, seconds: float) -> None:
        assert seconds > 0
        self.queries.append((operation, table))

    def watch_pool(self, state: Callable[[], tuple[int, int]]) -> None:
        self.pool_state = state

    def watch_line(self, share: str, waiting: Callable[[], int]) -> None:
        raise AssertionError("not of the storage")

    def forged_token(self) -> None:
        raise AssertionError("not of the storage")

    def mail_throttled(self, purpose: str) -> None:
        raise AssertionError("not of the storage")

    def delivery(self, outcome: str) -> None:
        raise AssertionError("not of the storage")

    def deleted(self, kind: str, count: int) -> None:
        raise AssertionError("not of the storage")

    def outbox(self, state: OutboxState | None) -> None:
        raise AssertionError("not of the storage")

    def clock(self, ahead: timedelta) -> None:
        self.clocks.append(ahead)

    def event(self, event_type: str) -> None:
        self.events.append(event_type)

    def request_started(self) -> None:
        raise AssertionError("not of the storage")

    def request_finished(self, *, method: str, path: str, status: int, seconds: float) -> None:
        raise AssertionError("not of the storage")

    def search_started(self) -> None:
        raise AssertionError("not of the storage")

    def search_finished(self) -> None:
        raise AssertionError("not of the storage")

    def search_refused(self, reason: str) -> None:
        raise AssertionError("not of the storage")

    def hashing_started(self) -> None:
        raise AssertionError("not of the storage")

    def hashing_finished(self, *, computed: bool) -> None:
        raise AssertionError("not of the storage")

    def redis_operation(self, operation: str) -> None:
        raise AssertionError("not of the storage")

    def redis_error(self, operation: str) -> None:
        raise AssertionError("not of the storage")

    def redis_cache(self, *, hit: bool) -> None:
        raise AssertionError("not of the storage")

    def exposition(self) -> tuple[str, bytes]:
        raise AssertionError("not of the storage")


def settings_for(database_url: str, **changes: Any) -> Settings:
    """Settings of development, with time for a busy machine; `changes` by field."""
    environ = {
        "ENVIRONMENT": "development",
        "DATABASE_URL": database_url,
        "SECRET_KEY": "ZGV2ZWxvcG1lbnQgb25seSBzZWNyZXQga2V5IDAwMDE=",  # pragma: allowlist secret
        "MAIL_URL": "directory:///tmp",
        **PATIENT_DATABASE,
    }
    return replace(Settings.from_environ(environ), **changes)


@dataclass
class Opened:
    """A storage with the clock it goes by and the metrics it feeds."""

    storage: PostgresStorage
    clock: FixedClock
    metrics: RecordedMetrics


@contextmanager
def opened(
    database_url: str,
    *,
    ids_by_clock: bool = False,
    logins: LoginSource | None = None,
    **changes: Any,
) -> Iterator[Opened]:
    """A storage of its own pool, closed at the end; `ids_by_clock` makes ids of its clock's time,
    as the service does."""
    clock, metrics = FixedClock(), RecordedMetrics()
    storage = PostgresStorage(
        settings_for(database_url, **changes),
        clock=clock,
        ids=UuidV7Ids(clock) if ids_by_clock else IDS,
        sealer=AesGcmSealer(derive_key(_KEY, KeyUse.SEALING)),
        pseudonyms=HmacPseudonyms(derive_key(_KEY, KeyUse.PSEUDONYMS)),
        metrics=metrics,
        logins=logins,
    )
    with closing(storage):
        yield Opened(storage, clock, metrics)


def new_user(**changes: Any) -> NewUser:
    """An active user with an address of its own."""
    user_id = IDS.new()
    email = f"{user_id}@example.com"
    user = NewUser(
        id=user_id,
        email=email,
        email_normalised=email,
        email_verified=True,
        username=None,
        profile={},
        status=UserStatus.ACTIVE,
        created_at=START,
    )
    return replace(user, **changes)


def insert_user(storage: PostgresStorage, **changes: Any) -> NewUser:
    """A committed one."""
    user = new_user(**changes)
    with storage.write(CONTEXT) as uow:
        uow.users.insert(user)
        uow.commit()
    return user


def new_session(user_id: UUID, *, started: datetime = START, **changes: Any) -> Session:
    """A login of that moment, good for an hour of rest and a day in all."""
    session = Session(
        id=IDS.new(),
        user_id=user_id,
        client_id="user-api",
        user_agent="browser/1.0",
        address="192.0.2.1",
        amr=("pwd",),
        epoch=1,
        generation=0,
        rotated_at=None,
        authenticated_at=started,
        created_at=started,
        last_used_at=started,
        expires_at=started + timedelta(hours=1),
        absolute_expires_at=started + timedelta(days=1),
        revoked_at=None,
    )
    return replace(session, **changes)


def insert_session(storage: PostgresStorage, user_id: UUID, **changes: Any) -> Session:
    """A committed one."""
    session = new_session(user_id, **changes)
    with storage.write(CONTEXT) as uow:
        uow.sessions.insert(session)
        uow.commit()
    return session


def query(url: str, sql: str, parameters: tuple[object, ...] = ()) -> list[tuple[Any, ...]]:
    """One statement past the storage, committed; its rows, if it has any."""
    with closing(psycopg2.connect(url)) as connection, connection, connection.cursor() as cursor:
        cursor.execute(sql, parameters)
        return cursor.fetchall() if cursor.description else []


def sql(storage: PostgresStorage, statement: str) -> object:
    """One statement through the pool and the deadlines of the storage."""
    with storage.read() as stores:
        return stores.users._connection.exec_driver_sql(statement).scalar()


def works(storage: PostgresStorage) -> bool:
    return sql(storage, "SELECT 1") == 1
