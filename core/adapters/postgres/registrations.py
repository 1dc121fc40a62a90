"""Sign-ups that nobody has proved the address of yet."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, bindparam, delete, insert, select

from core.adapters.postgres.lookups import Lookup
from core.adapters.postgres.tables import pending_registrations
from core.domain.codes import PendingRegistration

_COLUMNS = (
    pending_registrations.c.id,
    pending_registrations.c.email,
    pending_registrations.c.email_normalised,
    pending_registrations.c.username,
    pending_registrations.c.profile,
    pending_registrations.c.password_hash,
    pending_registrations.c.created_at,
    pending_registrations.c.expires_at,
)


def _registration(row: Sequence[Any]) -> PendingRegistration:
    return PendingRegistration(
        id=row[0],
        email=row[1],
        email_normalised=row[2],
        username=row[3],
        profile=row[4],
        password_hash=row[5],
        created_at=row[6],
        expires_at=row[7],
    )


_INSERT = insert(pending_registrations)
_PENDING = Lookup(
    select(*_COLUMNS)
    .where(
        pending_registrations.c.email_normalised == bindparam("email"),
        pending_registrations.c.expires_at > bindparam("now"),
    )
    .order_by(pending_registrations.c.created_at.desc(), pending_registrations.c.id.desc())
    .limit(bindparam("limit")),
    _registration,
)
_BY_ID = Lookup(
    select(*_COLUMNS).where(pending_registrations.c.id == bindparam("registration_id")),
    _registration,
)
_DISCARD = delete(pending_registrations).where(
    pending_registrations.c.email_normalised == bindparam("email")
)


class PostgresRegistrations:
    """Implements RegistrationStore."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def insert(self, registration: PendingRegistration) -> None:
        self._connection.execute(
            _INSERT,
            {
                "id": registration.id,
                "email": registration.email,
                "email_normalised": registration.email_normalised,
                "username": registration.username,
                "profile": registration.profile,
                "password_hash": registration.password_hash,
                "created_at": registration.created_at,
                "expires_at": registration.expires_at,
            },
        )

    def pending(
        self, email_normalised: str, *, now: datetime, limit: int
    ) -> Sequence[PendingRegistration]:
        return _PENDING.all(self._connection, email=email_normalised, now=now, limit=limit)

    def by_id(self, registration_id: UUID) -> PendingRegistration | None:
        return _BY_ID.one(self._connection, registration_id=registration_id)

    def discard(self, email_normalised: str) -> None:
        self._connection.execute(_DISCARD, {"email": email_normalised})
