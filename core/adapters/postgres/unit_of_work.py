"""The stores over one connection, and the transaction that makes them one unit of work."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import Connection

from core.adapters.postgres.access import PostgresAccess
from core.adapters.postgres.audit import insert_event
from core.adapters.postgres.codes import PostgresCodes
from core.adapters.postgres.credentials import PostgresCredentials
from core.adapters.postgres.erasures import PostgresErasures
from core.adapters.postgres.housekeeping import PostgresHousekeeping
from core.adapters.postgres.idempotency import PostgresIdempotency
from core.adapters.postgres.outbox import PostgresOutbox
from core.adapters.postgres.principals import PostgresPrincipals
from core.adapters.postgres.registrations import PostgresRegistrations
from core.adapters.postgres.sessions import PostgresSessions
from core.adapters.postgres.signing_keys import PostgresSigningKeys
from core.adapters.postgres.suppressions import PostgresSuppressions
from core.adapters.postgres.throttles import PostgresThrottles
from core.adapters.postgres.trail import PostgresAudit
from core.adapters.postgres.users import PostgresUsers
from core.domain.events import Event
from core.domain.requests import RequestContext
from core.lazy import lazy
from core.ports.runtime import Clock, Ids, Metrics


class PostgresStores:
    """Implements Stores; each store is made when it is first asked for."""

    def __init__(
        self, connection: Connection, *, context: RequestContext | None, clock: Clock, ids: Ids
    ) -> None:
        self._connection = connection
        self._context = context
        self._clock = clock
        self._ids = ids

    @lazy
    def users(self) -> PostgresUsers:
        return PostgresUsers(self._connection)

    @lazy
    def credentials(self) -> PostgresCredentials:
        return PostgresCredentials(self._connection)

    @lazy
    def registrations(self) -> PostgresRegistrations:
        return PostgresRegistrations(self._connection)

    @lazy
    def codes(self) -> PostgresCodes:
        return PostgresCodes(self._connection)

    @lazy
    def sessions(self) -> PostgresSessions:
        return PostgresSessions(self._connection)

    @lazy
    def principals(self) -> PostgresPrincipals:
        return PostgresPrincipals(self._connection)

    @lazy
    def throttles(self) -> PostgresThrottles:
        return PostgresThrottles(self._connection)

    @lazy
    def outbox(self) -> PostgresOutbox:
        return PostgresOutbox(
            self._connection, context=self._context, clock=self._clock, ids=self._ids
        )

    @lazy
    def suppressions(self) -> PostgresSuppressions:
        return PostgresSuppressions(self._connection)

    @lazy
    def access(self) -> PostgresAccess:
        return PostgresAccess(self._connection)

    @lazy
    def erasures(self) -> PostgresErasures:
        return PostgresErasures(self._connection)

    @lazy
    def audit(self) -> PostgresAudit:
        return PostgresAudit(self._connection)

    @lazy
    def signing_keys(self) -> PostgresSigningKeys:
        return PostgresSigningKeys(self._connection)

    @lazy
    def housekeeping(self) -> PostgresHousekeeping:
        return PostgresHousekeeping(self._connection)


class PostgresUnitOfWork(PostgresStores):
    """Implements UnitOfWork; over after `commit`."""

    def __init__(
        self,
        connection: Connection,
        *,
        context: RequestContext,
        clock: Clock,
        ids: Ids,
        metrics: Metrics,
        claim: PostgresIdempotency | None,
    ) -> None:
        super().__init__(connection, context=context, clock=clock, ids=ids)
        self._write_context = context
        self._metrics = metrics
        self._claim = claim
        self._recorded: list[Event] = []

    def record(self, event: Event) -> UUID:
        event_id = self._ids.new()
        insert_event(
            self._connection,
            event,
            event_id=event_id,
            context=self._write_context,
            now=self._clock.now(),
        )
        self._recorded.append(event)
        return event_id

    def commit(self, result: object = None) -> None:
        if self._claim is not None:
            self._claim.keep(result, now=self._clock.now())
        self._connection.commit()
        # Closed, so that a statement behind the commit fails instead of being rolled back unseen.
        self._connection.close()
        for event in self._recorded:
            self._metrics.event(event.type)
