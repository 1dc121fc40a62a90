"""Sign-ups that nobody has proved the address of yet."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, bindparam, cast, delete, exists, func, select
from sqlalchemy.dialects.postgresql import insert

from core.adapters.postgres.lookups import Lookup
from core.adapters.postgres.tables import pending_registrations, sign_up_passwords
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


MOST_SIGN_UPS = 500
"""Kept of one address: its account ends them all in one statement. Who signs up later than so many
strangers chooses a password with any link."""

_of_address = (
    select(pending_registrations.c.id)
    .where(pending_registrations.c.email_normalised == bindparam("email_normalised"))
    .limit(MOST_SIGN_UPS)
    .subquery()
)
_INSERT = insert(pending_registrations).from_select(
    [column.name for column in _COLUMNS],
    select(
        *(cast(bindparam(column.name, type_=column.type), column.type) for column in _COLUMNS)
    ).where(select(func.count()).select_from(_of_address).scalar_subquery() < MOST_SIGN_UPS),
)
_newest = (
    select(*_COLUMNS)
    .where(
        pending_registrations.c.email_normalised == bindparam("email"),
        pending_registrations.c.expires_at > bindparam("now"),
    )
    .order_by(pending_registrations.c.created_at.desc(), pending_registrations.c.id.desc())
    .limit(1)
)
_NEWEST = Lookup(_newest, _registration)
_WITH_PASSWORD = Lookup(
    _newest.where(pending_registrations.c.password_hash == bindparam("password_hash")),
    _registration,
)
_BY_ID = Lookup(
    select(*_COLUMNS).where(pending_registrations.c.id == bindparam("registration_id")),
    _registration,
)
_DISCARD = delete(pending_registrations).where(
    pending_registrations.c.email_normalised == bindparam("email")
)
_of_digest = sign_up_passwords.c.digest == bindparam("presented")
_typed = insert(sign_up_passwords).values(
    digest=bindparam("presented"), expires_at=bindparam("until")
)
_KEEP_PASSWORD = _typed.on_conflict_do_update(
    index_elements=[sign_up_passwords.c.digest], set_={"expires_at": _typed.excluded.expires_at}
)
_KNOWS_PASSWORD = select(
    exists().where(_of_digest, sign_up_passwords.c.expires_at > bindparam("now"))
)
_FORGET_PASSWORD = delete(sign_up_passwords).where(_of_digest)


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

    def newest(self, email_normalised: str, *, now: datetime) -> PendingRegistration | None:
        return _NEWEST.one(self._connection, email=email_normalised, now=now)

    def with_password(
        self, email_normalised: str, password_hash: str, *, now: datetime
    ) -> PendingRegistration | None:
        return _WITH_PASSWORD.one(
            self._connection, email=email_normalised, password_hash=password_hash, now=now
        )

    def by_id(self, registration_id: UUID) -> PendingRegistration | None:
        return _BY_ID.one(self._connection, registration_id=registration_id)

    def discard(self, email_normalised: str) -> None:
        self._connection.execute(_DISCARD, {"email": email_normalised})

    def keep_password(self, digest: bytes, *, until: datetime) -> None:
        self._connection.execute(_KEEP_PASSWORD, {"presented": digest, "until": until})

    def knows_password(self, digest: bytes, *, now: datetime) -> bool:
        known = self._connection.execute(_KNOWS_PASSWORD, {"presented": digest, "now": now})
        return bool(known.scalar_one())

    def forget_password(self, digest: bytes) -> None:
        self._connection.execute(_FORGET_PASSWORD, {"presented": digest})
