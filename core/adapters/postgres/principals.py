"""Who asks: the one statement of every authenticated request, and the recovery epochs."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, bindparam, exists, func, or_, select
from sqlalchemy.sql.elements import ColumnElement

from core.adapters.postgres.lookups import USER_COLUMNS, Lookup, array, to_user
from core.adapters.postgres.tables import (
    password_credentials,
    recovery_epochs,
    role_permissions,
    sessions,
    user_roles,
    users,
)
from core.domain.access import Principal


def covered_by_later_epoch(
    epoch: ColumnElement[Any], issued_at: ColumnElement[Any]
) -> ColumnElement[bool]:
    """Whether an epoch raised after `epoch` refuses what was issued at `issued_at`.

    A window counts from its whole second: `iat` has no fraction, so that tokens of the window's
    first second look older than it.
    """
    return exists().where(
        recovery_epochs.c.epoch > epoch,
        or_(
            recovery_epochs.c.mode == "all",
            func.date_trunc("second", recovery_epochs.c.window_started_at) <= issued_at,
        ),
    )


def _to_principal(row: Sequence[Any]) -> Principal:
    session_id, permissions, temporary = row[len(USER_COLUMNS) :]
    return Principal(
        user=to_user(row),
        session_id=session_id,
        permissions=frozenset(permissions),
        password_change_required=bool(temporary),
    )


_permissions = array(
    select(role_permissions.c.permission)
    .select_from(user_roles.join(role_permissions, user_roles.c.role == role_permissions.c.role))
    .where(user_roles.c.user_id == users.c.id)
    .correlate(users)
)
_temporary = (
    select(password_credentials.c.temporary)
    .where(password_credentials.c.user_id == users.c.id)
    .correlate(users)
    .scalar_subquery()
)

PRINCIPAL: Lookup[Principal] = Lookup(
    select(*USER_COLUMNS, sessions.c.id, _permissions, _temporary)
    .select_from(sessions.join(users, sessions.c.user_id == users.c.id))
    .where(
        sessions.c.id == bindparam("session_id"),
        sessions.c.user_id == bindparam("user_id"),
        sessions.c.revoked_at.is_(None),
        sessions.c.expires_at > bindparam("now"),
        users.c.status == "active",
        ~covered_by_later_epoch(bindparam("epoch"), bindparam("issued_at")),
    ),
    _to_principal,
)

_CURRENT_EPOCH = select(func.max(recovery_epochs.c.epoch))


class PostgresPrincipals:
    """Implements PrincipalStore."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def principal(
        self, session_id: UUID, *, user_id: UUID, epoch: int, issued_at: datetime, now: datetime
    ) -> Principal | None:
        return PRINCIPAL.one(
            self._connection,
            session_id=session_id,
            user_id=user_id,
            epoch=epoch,
            issued_at=issued_at,
            now=now,
        )

    def current_epoch(self) -> int:
        return int(self._connection.execute(_CURRENT_EPOCH).scalar_one())
