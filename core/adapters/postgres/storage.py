"""Connections in, stores out."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from time import perf_counter
from typing import Any

from sqlalchemy import Connection, column, func, select, table
from sqlalchemy.exc import ProgrammingError

from core.adapters.postgres.engine import create_engine
from core.adapters.postgres.failures import translated
from core.adapters.postgres.idempotency import PostgresIdempotency
from core.adapters.postgres.query_metrics import observe
from core.adapters.postgres.tables import REQUIRED_REVISION
from core.adapters.postgres.unit_of_work import PostgresStores, PostgresUnitOfWork
from core.config import Settings
from core.domain.requests import RequestContext
from core.errors import DomainError
from core.ports.inspection import ClockReading
from core.ports.logins import LoginSource
from core.ports.runtime import Clock, Ids, Metrics
from core.ports.security import Pseudonyms, Sealer
from core.ports.storage import Readiness

# The clock comes along, so that nothing more has to be asked for it.
_STANDBY = select(func.pg_is_in_recovery(), func.clock_timestamp())
_REVISION = select(func.max(table("alembic_version", column("version_num")).c.version_num))


class PostgresStorage:
    """Implements Storage. Does not connect before it is used; safe for several threads."""

    def __init__(
        self,
        settings: Settings,
        *,
        clock: Clock,
        ids: Ids,
        sealer: Sealer,
        pseudonyms: Pseudonyms,
        metrics: Metrics,
        logins: LoginSource | None = None,
        required_revision: str = REQUIRED_REVISION,
    ) -> None:
        self._engine = create_engine(settings, logins)
        observe(self._engine, metrics)
        self._clock = clock
        self._ids = ids
        self._sealer = sealer
        self._pseudonyms = pseudonyms
        self._metrics = metrics
        self._required_revision = required_revision

    @contextmanager
    def write(self, context: RequestContext) -> Iterator[PostgresUnitOfWork]:
        with translated(), self._engine.connect() as connection:
            # The pool sets it back when the connection returns (engine.py).
            driver: Any = connection.connection.dbapi_connection
            driver.autocommit = False
            claim = None
            if context.idempotency is not None:
                claim = PostgresIdempotency(
                    connection=connection,
                    idempotency=context.idempotency,
                    sealer=self._sealer,
                    pseudonyms=self._pseudonyms,
                )
                claim.claim(now=self._clock.now())
            yield PostgresUnitOfWork(
                connection,
                context=context,
                clock=self._clock,
                ids=self._ids,
                metrics=self._metrics,
                claim=claim,
            )

    @contextmanager
    def read(self) -> Iterator[PostgresStores]:
        with translated(), self._engine.connect() as connection:
            yield PostgresStores(connection, context=None, clock=self._clock, ids=self._ids)

    def readiness(self) -> Readiness:
        try:
            with translated(), self._engine.connect() as connection:
                standby = self._standby(connection)
                try:
                    revision = connection.execute(_REVISION).scalar_one()
                except ProgrammingError:
                    # No table: nothing was ever migrated here.
                    revision = None
        except DomainError:
            return Readiness(database=False, schema=False, standby=False)
        fits = revision is not None and revision >= self._required_revision
        return Readiness(database=True, schema=fits, standby=standby)

    def _standby(self, connection: Connection) -> bool:
        asked_at, started = self._clock.now(), perf_counter()
        standby, server = connection.execute(_STANDBY).one()
        round_trip = timedelta(seconds=perf_counter() - started)
        reading = ClockReading(asked_at=asked_at, server=server, round_trip=round_trip)
        self._metrics.clock(reading.ahead)
        return bool(standby)

    def close(self) -> None:
        self._engine.dispose()
