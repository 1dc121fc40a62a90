"""The database, as the use cases see it: one store an aggregate, one unit of work a use case.

Every method is one statement unless it says otherwise. All of them raise StorageUnavailable when
the database does not answer in time. Times are passed in, never taken from the database's clock.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Protocol
from uuid import UUID

from core.domain.events import Event
from core.domain.requests import RequestContext
from core.domain.trail import AuditEntry, AuditQuery
from core.ports.account_stores import (
    AccessStore,
    CodeStore,
    CredentialStore,
    ErasureStore,
    RegistrationStore,
    UserStore,
)
from core.ports.messaging import MailTemplate, SuppressionReason
from core.ports.session_stores import PrincipalStore, SessionStore, ThrottleStore


class OutboxKind(StrEnum):
    MAIL = "mail"


@dataclass(frozen=True, kw_only=True)
class OutboxMessage:
    """A reference to what has to be done; no secret and no personal data stands in it."""

    id: UUID
    kind: OutboxKind
    payload: Mapping[str, str]
    attempts: int
    created_at: datetime


@dataclass(frozen=True, kw_only=True)
class OutboxCounts:
    """`pending` are all that are not parked, `oldest_due_at` is that of the one longest due.

    Counted to a hundred thousand each.
    """

    pending: int
    oldest_due_at: datetime | None
    parked: int


@dataclass(frozen=True, kw_only=True)
class ParkedMessage:
    """What an operator may know of a message that was given up."""

    id: UUID
    template: str
    attempts: int
    created_at: datetime
    parked_at: datetime
    error: str


class OutboxStore(Protocol):
    def enqueue_mail(
        self,
        template: MailTemplate,
        *,
        code_id: UUID | None = None,
        user_id: UUID | None = None,
        event_id: UUID | None = None,
    ) -> None:
        """The payload has the strings `template`, `code_id`, `user_id`, `event_id`, `request_id`
        and `trace_id` that are known."""
        ...

    def lease(
        self, *, owner: str, limit: int, until: datetime, now: datetime
    ) -> Sequence[OutboxMessage]:
        """Due messages, skipping what others hold (FOR UPDATE SKIP LOCKED)."""
        ...

    def begin(self, message_id: UUID, *, owner: str, until: datetime) -> int | None:
        """Counts an attempt, whose number it returns, and leases the message until then.

        None when the lease is not this owner's any more: somebody else sends it.
        """
        ...

    def done(self, message_id: UUID, *, owner: str) -> bool:
        """Deletes it; False when the lease is not this owner's any more, as in the next two."""
        ...

    def retry(self, message_id: UUID, *, owner: str, at: datetime, error: str) -> bool: ...

    def park(self, message_id: UUID, *, owner: str, error: str, now: datetime) -> bool:
        """Keeps it for a human; it is not leased again."""
        ...

    def release(self, *, owner: str, now: datetime) -> int:
        """Hands back all leases of an owner that stops."""
        ...

    def counts(self, *, now: datetime) -> OutboxCounts: ...

    def parked(self, *, limit: int) -> Sequence[ParkedMessage]:
        """Those parked last, newest first."""
        ...

    def requeue(self, message_id: UUID, *, now: datetime) -> bool:
        """Makes a parked message due, with all its attempts before it; False when it is not
        parked."""
        ...

    def requeue_all(self, *, now: datetime) -> int:
        """All parked ones; returns how many."""
        ...


@dataclass(frozen=True, kw_only=True)
class SigningKey:
    """An ES256 key.

    `sealed_private` opens with the Sealer, context `signing-key:<kid>`.
    """

    kid: str
    public_jwk: Mapping[str, str]
    sealed_private: bytes
    created_at: datetime
    active_from: datetime
    retired_at: datetime | None


class SigningKeyStore(Protocol):
    def usable(self, *, now: datetime) -> Sequence[SigningKey]:
        """Published, active and not yet retired ones, by `active_from`."""
        ...

    def insert_first(self, key: SigningKey) -> bool:
        """Under an advisory lock of the transaction: False when there is a usable key already, so
        that two starts make one key. Three statements; only within `write`."""
        ...

    def retire(self, kids: Sequence[str], *, at: datetime) -> Sequence[str]:
        """Ends keys for good; returns which of them had no end yet, or a later one."""
        ...


class SuppressionStore(Protocol):
    """Addresses that no more mail goes to, by keyed digest."""

    def holds(self, key: bytes) -> bool: ...

    def add(self, key: bytes, reason: SuppressionReason, *, now: datetime) -> bool:
        """False when it is there already, whose reason stays."""
        ...

    def lift(self, key: bytes) -> bool:
        """False when it is not there."""
        ...


class AuditStore(Protocol):
    def page(self, query: AuditQuery, *, after: UUID | None, limit: int) -> Sequence[AuditEntry]:
        """Newest first, by id, strictly behind the event `after`."""
        ...

    def payload(self, event_id: UUID) -> Mapping[str, object] | None:
        """None once it was erased."""
        ...


@dataclass(frozen=True, kw_only=True)
class Retention:
    """How long is kept what has no end of its own."""

    parked_mails: timedelta
    suppressions: timedelta
    anonymous_payloads: timedelta


class Housekeeping(Protocol):
    def delete_expired(self, *, now: datetime, batch: int, keep: Retention) -> Mapping[str, int]:
        """Deletes what has no use any more: codes, sign-ups, idempotency records, throttles,
        addresses unseen for a year, sessions past their absolute end or revoked 30 days ago; and
        what is older than `keep`, payloads of events without actor and subject one day at least.

        A statement a kind, each of at most `batch` rows. Returns rows deleted by kind.
        """
        ...

    def expire_users(self, *, before: datetime, batch: int) -> Sequence[UUID]:
        """Deletes users who never came: pending and unchanged since then, for 30 days at least,
        with an address that nobody has verified, without a password, a session, a role or a code.

        With the addresses in the payloads of their events. Returns who is gone.
        """
        ...


class Stores(Protocol):
    """All stores over one connection."""

    @property
    def users(self) -> UserStore: ...
    @property
    def credentials(self) -> CredentialStore: ...
    @property
    def registrations(self) -> RegistrationStore: ...
    @property
    def codes(self) -> CodeStore: ...
    @property
    def sessions(self) -> SessionStore: ...
    @property
    def principals(self) -> PrincipalStore: ...
    @property
    def throttles(self) -> ThrottleStore: ...
    @property
    def outbox(self) -> OutboxStore: ...
    @property
    def suppressions(self) -> SuppressionStore: ...
    @property
    def access(self) -> AccessStore: ...
    @property
    def erasures(self) -> ErasureStore: ...
    @property
    def audit(self) -> AuditStore: ...
    @property
    def signing_keys(self) -> SigningKeyStore: ...
    @property
    def housekeeping(self) -> Housekeeping: ...


class UnitOfWork(Stores, Protocol):
    """One transaction.

    Whatever was not committed when the `with` block ends is rolled back.
    """

    def record(self, event: Event) -> UUID:
        """Writes the audit row and payload now, and returns the row's id; the business metric
        counts after the commit."""
        ...

    def commit(self, result: object = None) -> None:
        """Keeps the rendered `result` under the idempotency key, if there is one, and commits.

        The unit of work is over with it: a statement after the commit fails.
        """
        ...


@dataclass(frozen=True, kw_only=True)
class Readiness:
    """What `/health/ready` tells: revision of the schema against the one that this code needs."""

    database: bool
    schema: bool
    standby: bool


class Storage(Protocol):
    def write(self, context: RequestContext) -> AbstractContextManager[UnitOfWork]:
        """Begins a transaction, claiming the idempotency key of the context if there is one.

        A use case of several transactions passes the key to the last one only: its commit keeps
        the answer, and a later `write` with the same key is answered by it.

        Raises:
            AnsweredBefore: the key has an answer.
            IdempotencyKeyReused: the key was used with another request.
            RequestInProgress: the same key is at work in another transaction.
            StorageUnavailable: no connection in time; also by any statement and the commit, for
                what is worth another try (deadline, lost connection, deadlock, read-only server).
            InvalidInput: by any statement, for text or JSON that the database cannot store.
        """
        ...

    def read(self) -> AbstractContextManager[Stores]:
        """Statements that commit by themselves: one round trip each."""
        ...

    def readiness(self) -> Readiness:
        """Never raises; bounded by the connect and statement timeouts."""
        ...

    def close(self) -> None: ...
