"""One-time codes: the digest of each, and what it acts on."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, Connection, Text, any_, bindparam, insert, select, update

from core.adapters.postgres.lookups import Lookup
from core.adapters.postgres.tables import one_time_codes
from core.domain.codes import CodePurpose, OneTimeCode

_COLUMNS = (
    one_time_codes.c.id,
    one_time_codes.c.purpose,
    one_time_codes.c.email_normalised,
    one_time_codes.c.registration_id,
    one_time_codes.c.user_id,
    one_time_codes.c.created_at,
    one_time_codes.c.expires_at,
)


def _code(row: Sequence[Any]) -> OneTimeCode:
    return OneTimeCode(
        id=row[0],
        purpose=CodePurpose(row[1]),
        email_normalised=row[2],
        registration_id=row[3],
        user_id=row[4],
        created_at=row[5],
        expires_at=row[6],
    )


_INSERT = insert(one_time_codes)
_BY_ID = Lookup(
    select(*_COLUMNS).where(
        one_time_codes.c.id == bindparam("code_id"), one_time_codes.c.used_at.is_(None)
    ),
    _code,
)
_BIND = (
    update(one_time_codes)
    .where(one_time_codes.c.id == bindparam("code_id"))
    .values(user_id=bindparam("user"))
)
_HOLDER = select(one_time_codes.c.user_id).where(
    one_time_codes.c.digest == bindparam("presented"),
    one_time_codes.c.purpose == any_(bindparam("wanted", type_=ARRAY(Text))),
)
_is_good = (
    one_time_codes.c.digest == bindparam("presented"),
    one_time_codes.c.purpose == any_(bindparam("wanted", type_=ARRAY(Text))),
    one_time_codes.c.used_at.is_(None),
    one_time_codes.c.expires_at > bindparam("now"),
)
_GOOD = Lookup(select(*_COLUMNS).where(*_is_good), _code)
_REDEEM = Lookup(
    update(one_time_codes).where(*_is_good).values(used_at=bindparam("now")).returning(*_COLUMNS),
    _code,
)
_REVOKE_FOR_USER = (
    update(one_time_codes)
    .where(
        one_time_codes.c.user_id == bindparam("user"),
        one_time_codes.c.purpose == any_(bindparam("wanted", type_=ARRAY(Text))),
        one_time_codes.c.used_at.is_(None),
    )
    .values(used_at=bindparam("now"))
)


class PostgresCodes:
    """Implements CodeStore."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def insert(self, code: OneTimeCode, *, digest: bytes) -> None:
        self._connection.execute(
            _INSERT,
            {
                "id": code.id,
                "digest": digest,
                "purpose": code.purpose,
                "email_normalised": code.email_normalised,
                "registration_id": code.registration_id,
                "user_id": code.user_id,
                "created_at": code.created_at,
                "expires_at": code.expires_at,
            },
        )

    def by_id(self, code_id: UUID) -> OneTimeCode | None:
        return _BY_ID.one(self._connection, code_id=code_id)

    def bind(self, code_id: UUID, *, user_id: UUID) -> None:
        self._connection.execute(_BIND, {"code_id": code_id, "user": user_id})

    def holder(self, digest: bytes, purposes: Collection[CodePurpose]) -> UUID | None:
        return self._connection.execute(
            _HOLDER, {"presented": digest, "wanted": list(purposes)}
        ).scalar()

    def good(
        self, digest: bytes, purposes: Collection[CodePurpose], *, now: datetime
    ) -> OneTimeCode | None:
        return _GOOD.one(self._connection, presented=digest, wanted=list(purposes), now=now)

    def redeem(
        self, digest: bytes, purposes: Collection[CodePurpose], *, now: datetime
    ) -> OneTimeCode | None:
        return _REDEEM.one(self._connection, presented=digest, wanted=list(purposes), now=now)

    def revoke_for_user(
        self, user_id: UUID, purposes: Collection[CodePurpose], *, now: datetime
    ) -> None:
        self._connection.execute(
            _REVOKE_FOR_USER, {"user": user_id, "wanted": list(purposes), "now": now}
        )
