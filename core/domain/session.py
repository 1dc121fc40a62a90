"""Sessions and the refresh token family that each of them is."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID

MOST_SESSIONS = 500
"""Of one user, alive at once. Ending them all has to fit into one statement's time: with 70,000,
made by somebody who knew the password, nobody could suspend the account any more."""


class RevokeReason(StrEnum):
    LOGOUT = "logout"
    LOGOUT_ALL = "logout_all"
    USER_REVOKED = "user_revoked"
    PASSWORD_CHANGED = "password_changed"  # noqa: S105  a reason, not a password
    PASSWORD_RESET = "password_reset"  # noqa: S105  a reason, not a password
    DEACTIVATED = "deactivated"
    SUSPENDED = "suspended"
    PASSWORD_RESET_FORCED = "password_reset_forced"  # noqa: S105  a reason, not a password
    REVOKED_BY_ADMIN = "revoked_by_admin"
    REUSE_DETECTED = "reuse_detected"
    SURPLUS = "surplus"


@dataclass(frozen=True, kw_only=True)
class Session:
    """One login.

    Its refresh tokens are the pairs (id, generation); only the newest generation is good.
    """

    id: UUID
    user_id: UUID
    client_id: str
    user_agent: str | None
    address: str | None
    amr: tuple[str, ...]
    epoch: int
    generation: int
    rotated_at: datetime | None
    authenticated_at: datetime
    created_at: datetime
    last_used_at: datetime
    expires_at: datetime
    absolute_expires_at: datetime
    revoked_at: datetime | None


@dataclass(frozen=True, kw_only=True)
class SessionPolicy:
    sliding: timedelta
    absolute: timedelta
    grace: timedelta

    def expiry(self, session_started: datetime, now: datetime) -> datetime:
        return min(now + self.sliding, session_started + self.absolute)


class RefreshOutcome(StrEnum):
    """What a refresh token is worth that did not win the rotation."""

    SAME_SUCCESSOR = "same_successor"
    REUSED = "reused"
    DEAD = "dead"


def judge_lost_rotation(
    session: Session | None,
    *,
    generation: int,
    same_client: bool,
    now: datetime,
    policy: SessionPolicy,
) -> RefreshOutcome:
    """Decides what to do with a token that is not the newest of its family.

    A retry of the last generation by the same client within the grace period gets the same
    successor again; any other use of an old token means that two parties hold it (RFC 9700 section
    4.14.2).
    """
    if session is None or session.revoked_at is not None or session.expires_at <= now:
        return RefreshOutcome.DEAD
    if generation >= session.generation:
        return RefreshOutcome.DEAD
    retried = session.generation == generation + 1 and session.rotated_at is not None
    if retried and same_client and session.rotated_at and now - session.rotated_at <= policy.grace:
        return RefreshOutcome.SAME_SUCCESSOR
    return RefreshOutcome.REUSED


@dataclass(frozen=True, kw_only=True)
class Tokens:
    """What a login or a refresh hands out; `expires_in` in seconds (RFC 6749 section 5.1)."""

    access_token: str
    expires_in: int
    refresh_token: str
    session_id: UUID
