"""What happened: one record feeds the audit trail, the outbox and the business metrics."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from uuid import UUID


class EventType(StrEnum):
    REGISTRATION_REQUESTED = "registration.requested"
    USER_CREATED = "user.created"
    USER_UPDATED = "user.updated"
    USER_INVITED = "user.invited"
    USER_SUSPENDED = "user.suspended"
    USER_REACTIVATED = "user.reactivated"
    USER_DEACTIVATED = "user.deactivated"
    USER_EXPIRED = "user.expired"
    EMAIL_VERIFIED = "email.verified"
    VERIFICATION_REQUESTED = "email.verification_requested"
    EMAIL_CHANGED = "email.changed"
    ERASURE_REQUESTED = "erasure.requested"
    ERASURE_CANCELLED = "erasure.cancelled"
    LOGIN_SUCCEEDED = "login.succeeded"
    LOGIN_FAILED = "login.failed"
    LOGIN_THROTTLED = "login.throttled"
    SESSION_REVOKED = "session.revoked"
    SESSION_REUSE_DETECTED = "session.reuse_detected"
    PASSWORD_CHANGED = "password.changed"  # noqa: S105  the name of an event
    PASSWORD_CHANGE_FAILED = "password.change_failed"  # noqa: S105  the name of an event
    PASSWORD_RESET_REQUESTED = "password.reset_requested"  # noqa: S105  the name of an event
    PASSWORD_RESET = "password.reset"  # noqa: S105  the name of an event
    PASSWORD_RESET_FORCED = "password.reset_forced"  # noqa: S105  the name of an event
    ROLE_CREATED = "role.created"
    ROLE_UPDATED = "role.updated"
    ROLE_DELETED = "role.deleted"
    ROLE_GRANTED = "role.granted"
    ROLE_REVOKED = "role.revoked"
    MAIL_SUPPRESSED = "mail.suppressed"
    MAIL_ALLOWED = "mail.allowed"
    SIGNING_KEYS_DISCARDED = "signing_keys.discarded"
    ACCESS_DENIED = "access.denied"


@dataclass(frozen=True, kw_only=True)
class Event:
    """One fact.

    `actor` did it, `subject` is the user it is about; `None` stands for nobody known. `details`
    is JSON and may hold personal data: it goes to the erasable payload, never to the event row.
    """

    type: EventType
    actor: UUID | None
    subject: UUID | None
    details: Mapping[str, object] = field(default_factory=dict)
