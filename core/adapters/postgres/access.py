"""Which user holds which role."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import Connection, bindparam, exists, func, select, true, update
from sqlalchemy.dialects.postgresql import insert

from core.adapters.postgres.tables import roles, user_roles, users
from core.errors import NotFound

_new = (
    insert(user_roles)
    .from_select(
        ["user_id", "role", "granted_by", "granted_at"],
        select(users.c.id, roles.c.name, bindparam("by"), bindparam("now"))
        .select_from(users.join(roles, true()))
        .where(users.c.id == bindparam("user"), roles.c.name == bindparam("role_name")),
    )
    .on_conflict_do_nothing()
    .returning(user_roles.c.user_id)
    .cte("granted")
)
# Roles are part of the user that is shown, so its version rises with them.
_raised = (
    update(users)
    .where(users.c.id == _new.c.user_id)
    .values(version=users.c.version + 1, updated_at=bindparam("now"))
    .returning(users.c.id)
    .cte("raised")
)
_GRANT = select(
    exists().where(roles.c.name == bindparam("role_name")),
    select(func.count()).select_from(_raised).scalar_subquery(),
)


class PostgresAccess:
    """Implements AccessStore."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def grant(self, user_id: UUID, role: str, *, granted_by: UUID | None, now: datetime) -> bool:
        known, granted = self._connection.execute(
            _GRANT, {"user": user_id, "role_name": role, "by": granted_by, "now": now}
        ).one()
        if not known:
            raise NotFound
        return bool(granted)
