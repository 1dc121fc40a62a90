"""One-time codes: what a link in a mail proves, for whom, and until when."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID


class CodePurpose(StrEnum):
    VERIFY_EMAIL = "verify_email"
    RESET_PASSWORD = "reset_password"  # noqa: S105  the name of a purpose, not a password
    INVITATION = "invitation"


@dataclass(frozen=True, kw_only=True)
class OneTimeCode:
    """The code itself is derived from `id` and never stored; the row keeps its digest.

    `email_normalised` is the address it is sent to: it proves control of that address and of
    nothing else. `registration_id` is the sign-up that it was made for, `user_id` the account that
    it acts on. Both are empty where the worker has to find out whose the address is, so that asking
    for a code costs the same for known and unknown addresses.
    """

    id: UUID
    purpose: CodePurpose
    email_normalised: str
    registration_id: UUID | None
    user_id: UUID | None
    created_at: datetime
    expires_at: datetime


@dataclass(frozen=True, kw_only=True)
class PendingRegistration:
    """One sign-up attempt with its own credential, which opens an account only where a code proves
    the address and the password is typed again."""

    id: UUID
    email: str
    email_normalised: str
    username: str | None
    profile: dict[str, object]
    password_hash: str
    created_at: datetime
    expires_at: datetime
