"""Which user holds which role, and what that allows."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import Connection, bindparam, delete, exists, func, select, true, update
from sqlalchemy.dialects.postgresql import insert

from core.adapters.postgres.roles import PostgresRoles
from core.adapters.postgres.tables import role_permissions, roles, user_roles, users
from core.domain.access import ADMIN_ROLE
from core.domain.user import UserStatus
from core.errors import NotFound

# Locked, so that a role which is being deleted is waited for, and then missing.
_role = (
    select(roles.c.name)
    .where(roles.c.name == bindparam("role_name"))
    .with_for_update(read=True, key_share=True)
    .cte("role")
)
_granted = (
    insert(user_roles)
    .from_select(
        ["user_id", "role", "granted_by", "granted_at"],
        select(users.c.id, _role.c.name, bindparam("by"), bindparam("now"))
        .select_from(users.join(_role, true()))
        .where(users.c.id == bindparam("user")),
    )
    .on_conflict_do_nothing()
    .returning(user_roles.c.user_id)
    .cte("granted")
)
# Roles are part of the user that is shown, so its version rises with them.
_raised = (
    update(users)
    .where(users.c.id == _granted.c.user_id)
    .values(version=users.c.version + 1, updated_at=bindparam("now"))
    .returning(users.c.id)
    .cte("raised")
)
_GRANT = select(
    func.count(_role.c.name), select(func.count()).select_from(_raised).scalar_subquery()
).select_from(_role)

_revoked = (
    delete(user_roles)
    .where(user_roles.c.user_id == bindparam("user"), user_roles.c.role == bindparam("role_name"))
    .returning(user_roles.c.user_id)
    .cte("revoked")
)
_REVOKE = (
    update(users)
    .where(users.c.id == _revoked.c.user_id)
    .values(version=users.c.version + 1, updated_at=bindparam("now"))
    .returning(users.c.id)
)

_PERMISSIONS = (
    select(role_permissions.c.permission)
    .select_from(user_roles.join(role_permissions, user_roles.c.role == role_permissions.c.role))
    .where(user_roles.c.user_id == bindparam("user"))
    .distinct()
)

# Shared, so that a caller's own requests do not wait for each other.
_ACTIVE = (
    select(users.c.id)
    .where(users.c.id == bindparam("user"), users.c.status == UserStatus.ACTIVE)
    .with_for_update(read=True)
)

# The later of two waits here, and then sees what the earlier has committed.
_ONE_AT_A_TIME = (
    select(roles.c.name).where(roles.c.name == ADMIN_ROLE).with_for_update(key_share=True)
)
_ADMINISTERED = select(
    exists().where(
        user_roles.c.role == ADMIN_ROLE,
        user_roles.c.user_id == users.c.id,
        users.c.status == UserStatus.ACTIVE,
        # Else the next login would be refused.
        users.c.email_verified,
    )
)


class PostgresAccess(PostgresRoles):
    """Implements AccessStore."""

    def __init__(self, connection: Connection) -> None:
        super().__init__(connection)

    def grant(self, user_id: UUID, role: str, *, granted_by: UUID | None, now: datetime) -> bool:
        known, granted = self._connection.execute(
            _GRANT, {"user": user_id, "role_name": role, "by": granted_by, "now": now}
        ).one()
        if not known:
            raise NotFound
        return bool(granted)

    def revoke(self, user_id: UUID, role: str, *, now: datetime) -> bool:
        revoked = self._connection.execute(
            _REVOKE, {"user": user_id, "role_name": role, "now": now}
        )
        return revoked.first() is not None

    def permissions(self, user_id: UUID) -> frozenset[str]:
        return frozenset(self._connection.execute(_PERMISSIONS, {"user": user_id}).scalars())

    def locked_permissions(self, user_id: UUID) -> frozenset[str]:
        if self._connection.execute(_ACTIVE, {"user": user_id}).first() is None:
            return frozenset()
        return self.permissions(user_id)

    def keeps_an_administrator(self) -> bool:
        self._connection.execute(_ONE_AT_A_TIME)
        return bool(self._connection.execute(_ADMINISTERED).scalar_one())
