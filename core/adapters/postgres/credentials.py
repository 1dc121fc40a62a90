"""Passwords, and the addresses from which each user has logged in."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import (
    Connection,
    Select,
    and_,
    bindparam,
    case,
    delete,
    exists,
    func,
    select,
    update,
)
from sqlalchemy.dialects.postgresql import insert

from core.adapters.postgres.lookups import Lookup
from core.adapters.postgres.tables import known_addresses, password_credentials, users
from core.domain.user import UserStatus
from core.ports.account_stores import LoginCandidate

# A known address is written again at most once a day: its time only tells when it may be forgotten.
SEEN_AGAIN_AFTER = timedelta(days=1)


def _candidate(row: Sequence[Any]) -> LoginCandidate:
    return LoginCandidate(
        id=row[0],
        email_normalised=row[1],
        status=UserStatus(row[2]),
        email_verified=row[3],
        password_hash=row[4],
        password_changed_at=row[5],
        known_address=row[6],
    )


_known = exists().where(
    known_addresses.c.user_id == users.c.id,
    known_addresses.c.address_key == bindparam("address_key"),
)
_ended = and_(
    password_credentials.c.temporary,
    password_credentials.c.changed_at <= bindparam("one_time_before"),
)
_user: Select[Any] = select(
    users.c.id,
    users.c.email_normalised,
    users.c.status,
    users.c.email_verified,
    case((~_ended, password_credentials.c.password_hash)).label("password_hash"),
    password_credentials.c.changed_at,
    _known.label("known_address"),
).select_from(users.outerjoin(password_credentials, password_credentials.c.user_id == users.c.id))
_BY_EMAIL: Lookup[LoginCandidate] = Lookup(
    _user.where(users.c.email_normalised == bindparam("email")), _candidate
)
_BY_USERNAME: Lookup[LoginCandidate] = Lookup(
    _user.where(users.c.username_normalised == bindparam("username")), _candidate
)

_LOCKED = (
    select(password_credentials)
    .where(password_credentials.c.user_id == bindparam("user_id"))
    .with_for_update(key_share=True)
)
_PASSWORD_HASH = _LOCKED.with_only_columns(password_credentials.c.password_hash)
_PASSWORD_CHANGED_AT = _LOCKED.with_only_columns(password_credentials.c.changed_at)
_new_password = insert(password_credentials).values(
    user_id=bindparam("user"),
    password_hash=bindparam("hash"),
    temporary=bindparam("is_temporary"),
    changed_at=bindparam("now"),
)
_SET_PASSWORD = _new_password.on_conflict_do_update(
    index_elements=[password_credentials.c.user_id],
    set_={
        "password_hash": _new_password.excluded.password_hash,
        "temporary": _new_password.excluded.temporary,
        # Two hosts' clocks may differ, and may be set back.
        "changed_at": func.greatest(
            _new_password.excluded.changed_at,
            password_credentials.c.changed_at + timedelta(microseconds=1),
        ),
    },
)
_REPLACE_PASSWORD = (
    update(password_credentials)
    .where(
        password_credentials.c.user_id == bindparam("user"),
        password_credentials.c.password_hash == bindparam("old_hash"),
    )
    .values(password_hash=bindparam("new_hash"))
    .returning(password_credentials.c.user_id)
)
_seen = insert(known_addresses).values(
    user_id=bindparam("user"), address_key=bindparam("key"), last_seen_at=bindparam("now")
)
_REMEMBER_ADDRESS = _seen.on_conflict_do_update(
    index_elements=[known_addresses.c.user_id, known_addresses.c.address_key],
    set_={"last_seen_at": _seen.excluded.last_seen_at},
    where=known_addresses.c.last_seen_at < bindparam("stale_before"),
)
_FORGET_ADDRESSES = delete(known_addresses).where(known_addresses.c.user_id == bindparam("user"))


class PostgresCredentials:
    """Implements CredentialStore."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def login_candidate(
        self,
        *,
        email: str | None,
        username: str | None,
        address_key: bytes,
        one_time_before: datetime,
    ) -> LoginCandidate | None:
        asked = {"address_key": address_key, "one_time_before": one_time_before}
        if email is not None:
            return _BY_EMAIL.one(self._connection, email=email, **asked)
        return _BY_USERNAME.one(self._connection, username=username, **asked)

    def password_hash(self, user_id: UUID) -> str | None:
        return self._connection.execute(_PASSWORD_HASH, {"user_id": user_id}).scalar()

    def password_changed_at(self, user_id: UUID) -> datetime | None:
        return self._connection.execute(_PASSWORD_CHANGED_AT, {"user_id": user_id}).scalar()

    def set_password(
        self, user_id: UUID, password_hash: str, *, now: datetime, temporary: bool = False
    ) -> None:
        self._connection.execute(
            _SET_PASSWORD,
            {"user": user_id, "hash": password_hash, "is_temporary": temporary, "now": now},
        )

    def replace_password(self, user_id: UUID, *, old_hash: str, new_hash: str) -> bool:
        replaced = self._connection.execute(
            _REPLACE_PASSWORD, {"user": user_id, "old_hash": old_hash, "new_hash": new_hash}
        )
        return replaced.first() is not None

    def remember_address(self, user_id: UUID, address_key: bytes, *, now: datetime) -> None:
        self._connection.execute(
            _REMEMBER_ADDRESS,
            {
                "user": user_id,
                "key": address_key,
                "now": now,
                "stale_before": now - SEEN_AGAIN_AFTER,
            },
        )

    def forget_addresses(self, user_id: UUID) -> None:
        self._connection.execute(_FORGET_ADDRESSES, {"user": user_id})
