"""Stores of sessions: families of tokens, who asks, and failures counted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol
from uuid import UUID

from core.domain.access import Principal
from core.domain.session import RevokeReason, Session


class SessionStore(Protocol):
    def insert(self, session: Session) -> Sequence[UUID]:
        """Adds a session, and ends the oldest of the user's beyond MOST_SESSIONS: which they were.

        The caller has locked the user's password, or two logins at once could leave one too many.
        """
        ...

    def get(self, session_id: UUID) -> Session | None: ...

    def held(self, session_id: UUID) -> bool:
        """Whether it has not been revoked, which it is not before the transaction ends. What is
        revoking it is waited for."""
        ...

    def any_alive(self, *, now: datetime) -> bool:
        """Whether anybody at all is logged in."""
        ...

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


@dataclass(frozen=True, kw_only=True)
class Bucket:
    """A counter of failures: at most `limit` in `window` seconds from the first one.

    `at_once` is how many guesses may be at work; None for as many as there are failures left.
    """

    key: bytes
    limit: int
    window: int
    policy: str
    at_once: int | None = None


@dataclass(frozen=True, kw_only=True)
class Exceeded:
    """A bucket over its limit, until `ends`.

    `first` is True for the one charge that crossed the limit: it is audited, the rest is only
    counted.
    """

    bucket: Bucket
    ends: datetime
    first: bool


@dataclass(frozen=True, kw_only=True)
class Busy:
    """A bucket with as many guesses at work as there may be."""

    bucket: Bucket


class ThrottleStore(Protocol):
    """Counters. Keys are distinct where several buckets are given."""

    def charge(self, buckets: Sequence[Bucket], *, now: datetime) -> Exceeded | None:
        """Adds one to each bucket; returns the first of the given ones that is over its limit, or
        None.

        The rows that were charged stay locked until the transaction ends. A bucket that is over its
        limit already is not charged, and so nobody waits for it; nor are those behind it in the
        given order.
        """
        ...

    def admit(
        self, buckets: Sequence[Bucket], *, now: datetime, until: datetime
    ) -> Exceeded | Busy | None:
        """Counts a guess as at work in each bucket, which `fail` or `release` has to end; else it
        counts until `until`. Returns the first bucket that refuses it, or None.

        At most two buckets, within a transaction, which must not be committed when it is Busy. The
        rows stay locked until it ends, but for those of full buckets, so that nobody waits for
        them. A guess that is refused is at work nowhere; where a bucket is full (Exceeded), it
        counts as a failure in the one in front. A second statement, for the first guess that a full
        bucket refuses.
        """
        ...

    def fail(self, buckets: Sequence[Bucket], *, now: datetime) -> None:
        """A guess that was admitted to all of them was wrong."""
        ...

    def release(
        self, buckets: Sequence[Bucket], *, now: datetime, cleared: Sequence[Bucket] = ()
    ) -> None:
        """As many guesses as there are buckets, which may be given several times, have ended
        without being wrong.

        Those of `cleared` lose their failures too. One that is empty then is as if no guess had
        ever been admitted.
        """
        ...

    def forgive(self, bucket: Bucket, *, now: datetime) -> None:
        """Takes its failures away, and leaves the guesses at work."""
        ...
