"""The database, as the use cases see it: one store an aggregate, one unit of work a use case.

Every method is one statement unless it says otherwise. All of them raise StorageUnavailable when
the database does not answer in time. Times are passed in, never taken from the database's clock.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol
from uuid import UUID

from core.domain.access import Principal
from core.domain.codes import CodePurpose, OneTimeCode, PendingRegistration
from core.domain.events import Event
from core.domain.requests import RequestContext
from core.domain.session import RevokeReason, Session
from core.domain.user import NewUser, User, UserStatus
from core.ports.messaging import MailTemplate


class UserStore(Protocol):
    def insert(self, user: NewUser) -> None:
        """Raises EmailTaken or UsernameTaken; the transaction stays usable.

        A second statement, when it was refused, finds out which.
        """
        ...

    def by_id(self, user_id: UUID) -> User | None: ...

    def by_email(self, email_normalised: str) -> User | None: ...

    def username_taken(self, username: str) -> bool: ...

    def update(
        self,
        user_id: UUID,
        changes: Mapping[str, object],
        *,
        expected_version: int | None,
        now: datetime,
    ) -> User | None:
        """Writes columns by name and raises the version; None when missing or of another version.

        Raises UsernameTaken; the transaction stays usable. A change of `username` runs in a
        savepoint (three statements), a KeyError is a column that nobody may change.
        """
        ...

    def mark_email_verified(self, user_id: UUID, *, email_normalised: str, now: datetime) -> bool:
        """Only while the address is still this one; what was verified before keeps its version."""
        ...

    def record_login(self, user_id: UUID, *, now: datetime) -> None:
        """Lives apart from the user row: a login changes no version."""
        ...


class AccountKind(StrEnum):
    USER = "user"
    PENDING = "pending"


@dataclass(frozen=True, kw_only=True)
class LoginCandidate:
    """What a typed identifier leads to: a user, or else the newest unexpired sign-up of that
    address."""

    kind: AccountKind
    id: UUID
    status: UserStatus
    email_verified: bool
    password_hash: str | None
    known_address: bool


class CredentialStore(Protocol):
    def login_candidate(
        self, *, email: str | None, username: str | None, address_key: bytes, now: datetime
    ) -> LoginCandidate | None:
        """By normalised email or lower-case username, exactly one of them given.

        `known_address` says whether this user has logged in from the address behind `address_key`
        before.
        """
        ...

    def password_hash(self, user_id: UUID) -> str | None:
        """In a transaction it locks the row (FOR NO KEY UPDATE, so that two logins which both
        rehash wait for each other and cannot deadlock).

        A password change waits for this login to end, and then revokes the session that it made.
        """
        ...

    def set_password(
        self, user_id: UUID, password_hash: str, *, now: datetime, temporary: bool = False
    ) -> None:
        """Inserts or replaces; a temporary one has to be changed before anything else is
        allowed."""
        ...

    def replace_password(self, user_id: UUID, *, old_hash: str, new_hash: str) -> bool:
        """Compare and set, for a rehash that must not undo a change made in between."""
        ...

    def remember_address(self, user_id: UUID, address_key: bytes, *, now: datetime) -> None: ...


class RegistrationStore(Protocol):
    def insert(self, registration: PendingRegistration) -> None: ...

    def take(self, registration_id: UUID, *, now: datetime) -> PendingRegistration | None:
        """Deletes and returns it; None when it is gone or expired."""
        ...

    def pending(
        self, email_normalised: str, *, now: datetime, limit: int
    ) -> Sequence[PendingRegistration]:
        """The newest first."""
        ...

    def by_id(self, registration_id: UUID) -> PendingRegistration | None: ...

    def discard(self, email_normalised: str) -> None:
        """Deletes all attempts of an address."""
        ...


class CodeStore(Protocol):
    def insert(self, code: OneTimeCode, *, digest: bytes) -> None: ...

    def by_id(self, code_id: UUID) -> OneTimeCode | None:
        """Unused ones only."""
        ...

    def bind(
        self, code_id: UUID, *, user_id: UUID | None, registration_id: UUID | None
    ) -> None: ...

    def redeem(self, digest: bytes, purpose: CodePurpose, *, now: datetime) -> OneTimeCode | None:
        """Marks it used in the statement that reads it: of two at once, one gets it."""
        ...

    def revoke_for_user(self, user_id: UUID, purpose: CodePurpose, *, now: datetime) -> None: ...


class SessionStore(Protocol):
    def insert(self, session: Session) -> None: ...

    def get(self, session_id: UUID) -> Session | None: ...

    def rotate(
        self,
        session_id: UUID,
        generation: int,
        *,
        client_key: bytes,
        sliding_until: datetime,
        now: datetime,
    ) -> Session | None:
        """The one atomic step of a refresh: from `generation` to the next, or None.

        Only while the session is alive, its user active, and no later recovery epoch covers its
        newest token. `expires_at` becomes the lesser of `sliding_until` and `absolute_expires_at`;
        `epoch` becomes the present one, which the access token has to name.
        """
        ...

    def rotated_by(self, session_id: UUID) -> bytes | None:
        """The `client_key` of the last rotation."""
        ...

    def revoke(
        self, session_id: UUID, *, user_id: UUID, reason: RevokeReason, now: datetime
    ) -> bool:
        """False when it is not this user's, or was revoked or expired before."""
        ...

    def revoke_all(
        self, user_id: UUID, *, reason: RevokeReason, now: datetime
    ) -> Sequence[UUID]: ...

    def of_user(
        self, user_id: UUID, *, now: datetime, after: tuple[datetime, UUID] | None, limit: int
    ) -> Sequence[Session]:
        """Alive ones, newest first by (created_at, id), strictly behind `after`."""
        ...


class PrincipalStore(Protocol):
    def principal(
        self, session_id: UUID, *, user_id: UUID, epoch: int, issued_at: datetime, now: datetime
    ) -> Principal | None:
        """Session, user, roles, permissions and recovery epoch in one statement.

        None unless the session is this user's, alive, the user is active, and no recovery epoch
        raised after `epoch` covers a token issued at `issued_at`.
        """
        ...

    def current_epoch(self) -> int: ...

    def epoch_allows(self, epoch: int, issued_at: datetime) -> bool: ...


@dataclass(frozen=True, kw_only=True)
class Bucket:
    """A counter of failures: at most `limit` in `window` seconds from the first one."""

    key: bytes
    limit: int
    window: int
    policy: str


@dataclass(frozen=True, kw_only=True)
class Exceeded:
    """`first` is True for the one charge that crossed the limit: it is audited, the rest is only
    counted."""

    bucket: Bucket
    retry_after: int
    first: bool


class ThrottleStore(Protocol):
    def charge(self, buckets: Sequence[Bucket], *, now: datetime) -> Exceeded | None:
        """Adds one to each bucket; returns the first of the given ones that is over its limit, or
        None.

        Charged before the password is hashed, so that concurrent guesses count too. Keys are
        distinct. The rows stay locked until the transaction ends.
        """
        ...

    def clear(self, keys: Sequence[bytes]) -> None: ...


class OutboxKind(StrEnum):
    MAIL = "mail"
    EVENT = "event"


@dataclass(frozen=True, kw_only=True)
class OutboxMessage:
    """A reference to what has to be done; no secret and no personal data stands in it."""

    id: UUID
    kind: OutboxKind
    payload: Mapping[str, str]
    attempts: int
    created_at: datetime


class OutboxStore(Protocol):
    def enqueue_mail(
        self, template: MailTemplate, *, code_id: UUID | None = None, user_id: UUID | None = None
    ) -> None:
        """The payload has the strings `template`, `code_id`, `user_id`, `request_id` and `trace_id`
        that are known."""
        ...

    def lease(
        self, *, owner: str, limit: int, until: datetime, now: datetime
    ) -> Sequence[OutboxMessage]:
        """Due messages, skipping what others hold (FOR UPDATE SKIP LOCKED); counts the attempt."""
        ...

    def done(self, message_id: UUID, *, owner: str) -> None:
        """Deletes it, if the lease is still this owner's."""
        ...

    def retry(self, message_id: UUID, *, owner: str, at: datetime, error: str) -> None: ...

    def park(self, message_id: UUID, *, owner: str, error: str, now: datetime) -> None:
        """Keeps it for a human; it is not leased again."""
        ...

    def release(self, *, owner: str, now: datetime) -> int:
        """Hands back all leases of an owner that stops."""
        ...


class AccessStore(Protocol):
    def grant(self, user_id: UUID, role: str, *, granted_by: UUID | None, now: datetime) -> bool:
        """False when held already; else the user's version rises, as its roles are part of it.

        Raises NotFound when there is no such role.
        """
        ...

    def holders(self, role: str) -> int:
        """How many active users hold it."""
        ...


class ErasureStore(Protocol):
    def request(self, user_id: UUID, *, now: datetime, due_at: datetime) -> datetime:
        """Returns when the erasure is due: of the first request, if there was one."""
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


class Housekeeping(Protocol):
    def delete_expired(self, *, now: datetime, batch: int) -> Mapping[str, int]:
        """Deletes what has no use any more: codes, sign-ups, idempotency records, throttles,
        addresses unseen for a year, sessions past their absolute end or revoked 30 days ago.

        A statement a kind, each of at most `batch` rows. Returns rows deleted by kind.
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
    def access(self) -> AccessStore: ...
    @property
    def erasures(self) -> ErasureStore: ...
    @property
    def signing_keys(self) -> SigningKeyStore: ...
    @property
    def housekeeping(self) -> Housekeeping: ...


class UnitOfWork(Stores, Protocol):
    """One transaction.

    Whatever was not committed when the `with` block ends is rolled back.
    """

    def record(self, event: Event) -> None:
        """Writes the audit row and payload now; the business metric counts after the commit."""
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
