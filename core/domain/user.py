"""The user: what is stored about a person, and which changes are allowed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID


class UserStatus(StrEnum):
    PENDING = "pending"
    ACTIVE = "active"
    SUSPENDED = "suspended"
    DEACTIVATED = "deactivated"


OPEN_STATUSES = (UserStatus.PENDING, UserStatus.ACTIVE)
"""Of accounts that are in use, or wait for their first password."""


@dataclass(frozen=True, kw_only=True)
class User:
    """A user as the API shows it.

    Times are aware UTC; `version` rises by one with each change.
    """

    id: UUID
    email: str
    email_verified: bool
    username: str | None
    display_name: str | None
    given_name: str | None
    family_name: str | None
    phone: str | None
    locale: str | None
    time_zone: str | None
    picture: str | None
    status: UserStatus
    roles: tuple[str, ...]
    attributes: Mapping[str, object]
    mfa_enabled: bool
    created_at: datetime
    updated_at: datetime
    last_login_at: datetime | None
    version: int


@dataclass(frozen=True, kw_only=True)
class NewUser:
    """What it takes to create one; `email_normalised` and the lower-case username are unique."""

    id: UUID
    email: str
    email_normalised: str
    email_verified: bool
    username: str | None
    profile: Mapping[str, object]
    status: UserStatus
    created_at: datetime
