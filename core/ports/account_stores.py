"""Stores of accounts: users, credentials, sign-ups, codes, roles, erasure requests."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol
from uuid import UUID

from core.domain.access import Role
from core.domain.codes import CodePurpose, OneTimeCode, PendingRegistration
from core.domain.directory import UserQuery
from core.domain.user import NewUser, User, UserStatus


@dataclass(frozen=True, kw_only=True)
class Effort:
    """What a list of users may cost: `rows` to be looked at by a statement of a search. `costly` is
    called when a search turns out to be broad."""

    rows: int = 20_000
    costly: Callable[[], object] = lambda: None


LISTING = Effort()


class UserStore(Protocol):
    def insert(self, user: NewUser) -> None:
        """Raises EmailTaken or UsernameTaken; the transaction stays usable.

        A second statement, when it was refused, finds out which.
        """
        ...

    def by_id(self, user_id: UUID) -> User | None: ...

    def by_email(self, email_normalised: str) -> User | None: ...

    def locked(self, user_id: UUID) -> User | None:
        """Locks the row (FOR NO KEY UPDATE) until the transaction ends; two statements.

        Behind `CredentialStore.password_hash`, which locks first everywhere.
        """
        ...

    def page(
        self,
        query: UserQuery,
        *,
        after: tuple[str, str] | None,
        limit: int,
        effort: Effort = LISTING,
    ) -> Sequence[User]:
        """In the order of the query, strictly behind the position `after` (`UserQuery.position`).
        Shorter than `limit` only at the end of the order.

        A second statement, when few users fit, and up to eight for a search.

        Raises:
            InvalidCursor: `after` is none of this query's positions.
            SearchTooBroad: `effort` does not suffice for a search.
        """
        ...

    def update(
        self,
        user_id: UUID,
        changes: Mapping[str, object],
        *,
        expected_version: int | None,
        now: datetime,
    ) -> User | None:
        """Writes columns by name and raises the version; None when missing or of another version.

        `email` goes with `email_normalised`. Raises UsernameTaken or EmailTaken; the transaction
        stays usable. A change of either runs in a savepoint (three statements), a KeyError is a
        column that nobody may change.
        """
        ...

    def mark_email_verified(self, user_id: UUID, *, email_normalised: str, now: datetime) -> bool:
        """Only while the address is still this one, and the account pending or active; what was
        verified before keeps its version."""
        ...

    def record_login(self, user_id: UUID, *, now: datetime) -> None:
        """Lives apart from the user row: a login changes no version."""
        ...


@dataclass(frozen=True, kw_only=True)
class LoginCandidate:
    """The user that a typed identifier leads to.

    `password_changed_at` tells whether it is still the password that was read: a rehash changes the
    hash alone.
    """

    id: UUID
    email_normalised: str
    status: UserStatus
    email_verified: bool
    password_hash: str | None
    password_changed_at: datetime | None
    known_address: bool


class CredentialStore(Protocol):
    def login_candidate(
        self,
        *,
        email: str | None,
        username: str | None,
        address_key: bytes,
        one_time_before: datetime,
    ) -> LoginCandidate | None:
        """By normalised email or lower-case username, exactly one of them given.

        A temporary password that was made at `one_time_before` or earlier is none any more.

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

    def password_changed_at(self, user_id: UUID) -> datetime | None:
        """When the present password was set; locks the row as `password_hash` does."""
        ...

    def set_password(
        self, user_id: UUID, password_hash: str, *, now: datetime, temporary: bool = False
    ) -> None:
        """Inserts or replaces; a temporary one has to be changed before anything else is allowed.

        `password_changed_at` grows with each, whatever clocks say.
        """
        ...

    def replace_password(self, user_id: UUID, *, old_hash: str, new_hash: str) -> bool:
        """Compare and set, for a rehash that must not undo a change made in between."""
        ...

    def remember_address(self, user_id: UUID, address_key: bytes, *, now: datetime) -> None: ...

    def forget_addresses(self, user_id: UUID) -> None:
        """No address is one that this user has logged in from."""
        ...


class RegistrationStore(Protocol):
    def insert(self, registration: PendingRegistration) -> None: ...

    def newest(self, email_normalised: str, *, now: datetime) -> PendingRegistration | None:
        """Of those of the address that have not expired."""
        ...

    def with_password(
        self, email_normalised: str, password_hash: str, *, now: datetime
    ) -> PendingRegistration | None:
        """The newest of them with this very hash."""
        ...

    def by_id(self, registration_id: UUID) -> PendingRegistration | None: ...

    def discard(self, email_normalised: str) -> None:
        """Deletes all attempts of an address."""
        ...

    def keep_password(self, digest: bytes, *, until: datetime) -> None:
        """That somebody signed up with it; it stays when the sign-up is discarded."""
        ...

    def knows_password(self, digest: bytes, *, now: datetime) -> bool: ...

    def forget_password(self, digest: bytes) -> None: ...


class CodeStore(Protocol):
    def insert(self, code: OneTimeCode, *, digest: bytes) -> None: ...

    def by_id(self, code_id: UUID) -> OneTimeCode | None:
        """Unused ones only."""
        ...

    def bind(self, code_id: UUID, *, user_id: UUID) -> None: ...

    def holder(self, digest: bytes, purposes: Collection[CodePurpose]) -> UUID | None:
        """The user that it acts on, whether or not it is good; uses nothing up."""
        ...

    def good(
        self, digest: bytes, purposes: Collection[CodePurpose], *, now: datetime
    ) -> OneTimeCode | None:
        """Unused and not expired; uses nothing up."""
        ...

    def redeem(
        self, digest: bytes, purposes: Collection[CodePurpose], *, now: datetime
    ) -> OneTimeCode | None:
        """Marks it used in the statement that reads it: of two at once, one gets it."""
        ...

    def revoke_for_user(
        self, user_id: UUID, purposes: Collection[CodePurpose], *, now: datetime
    ) -> None: ...


class ErasureStore(Protocol):
    def request(self, user_id: UUID, *, now: datetime, due_at: datetime) -> datetime:
        """Returns when the erasure is due: of the first request, if there was one."""
        ...

    def pending(self, user_id: UUID) -> bool: ...

    def cancel(self, user_id: UUID) -> None: ...


class AccessStore(Protocol):
    def grant(self, user_id: UUID, role: str, *, granted_by: UUID | None, now: datetime) -> bool:
        """False when held already; else the user's version rises, as its roles are part of it.

        Raises NotFound when there is no such role.
        """
        ...

    def revoke(self, user_id: UUID, role: str, *, now: datetime) -> bool:
        """False when it was not held; else the user's version rises."""
        ...

    def permissions(self, user_id: UUID) -> frozenset[str]:
        """Of all the user's roles together, whatever the user's status is."""
        ...

    def locked_permissions(self, user_id: UUID) -> frozenset[str]:
        """Those of an active user, who keeps roles and status until the transaction ends; none of
        anybody else. Two statements: what was changed meanwhile is waited for and seen."""
        ...

    def keeps_an_administrator(self) -> bool:
        """Whether an active user with a verified address holds the role admin.

        Two statements: transactions that ask wait for each other until they end. It is asked last,
        behind the change that might have taken the last one away.
        """
        ...

    def role(self, name: str) -> Role | None: ...

    def locked_role(self, name: str) -> Role | None:
        """As it is now, and stays until the transaction ends; changes of it wait for each other."""
        ...

    def role_page(self, *, after: str | None, limit: int) -> Sequence[Role]:
        """By name, strictly behind `after`."""
        ...

    def insert_role(self, role: Role) -> None:
        """With its permissions. Raises RoleTaken; the transaction stays usable."""
        ...

    def update_role(
        self,
        name: str,
        *,
        description: str,
        permissions: frozenset[str],
        now: datetime,
    ) -> Role | None:
        """Replaces both and raises the version; None when missing."""
        ...

    def delete_role(self, name: str) -> bool:
        """False when missing. Raises RoleInUse while users hold it; the transaction stays
        usable."""
        ...
