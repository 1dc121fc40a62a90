"""Roles and their permissions."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import (
    ARRAY,
    Connection,
    Text,
    all_,
    bindparam,
    cast,
    delete,
    func,
    select,
    true,
    update,
)
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import IntegrityError

from core.adapters.postgres.failures import constraint_of
from core.adapters.postgres.lookups import Lookup, array
from core.adapters.postgres.tables import role_permissions, roles
from core.domain.access import Role
from core.errors import RoleInUse, RoleTaken

_permissions = array(
    select(role_permissions.c.permission)
    .where(role_permissions.c.role == roles.c.name)
    .correlate(roles)
)
_COLUMNS = (
    roles.c.name,
    roles.c.description,
    roles.c.built_in,
    roles.c.created_at,
    roles.c.updated_at,
    roles.c.version,
)


def _role(row: Sequence[Any]) -> Role:
    return Role(
        name=row[0],
        description=row[1],
        built_in=row[2],
        created_at=row[3],
        updated_at=row[4],
        version=row[5],
        permissions=frozenset(row[6]),
    )


_READ = select(*_COLUMNS, _permissions)
_BY_NAME = Lookup(_READ.where(roles.c.name == bindparam("role_name")), _role)
# Grants, which only want the role to stay, go on beside a change.
_LOCK = (
    select(roles.c.name)
    .where(roles.c.name == bindparam("role_name"))
    .with_for_update(key_share=True)
)
_page = _READ.order_by(roles.c.name).limit(bindparam("limit"))
_FIRST_PAGE = Lookup(_page, _role)
_NEXT_PAGE = Lookup(_page.where(roles.c.name > bindparam("after")), _role)

# Typed, because an empty array tells no type.
_wanted = cast(bindparam("permissions", type_=ARRAY(Text)), ARRAY(Text))
_each = func.unnest(_wanted).table_valued("permission").render_derived()

_inserted = (
    insert(roles)
    .values(
        name=bindparam("role_name"),
        built_in=bindparam("is_built_in"),
        description=bindparam("about"),
        created_at=bindparam("created"),
        updated_at=bindparam("updated"),
        version=bindparam("number"),
    )
    .on_conflict_do_nothing()
    .returning(roles.c.name)
    .cte("inserted")
)
_INSERT = select(_inserted.c.name).add_cte(
    insert(role_permissions)
    .from_select(
        ["role", "permission"],
        select(_inserted.c.name, _each.c.permission).select_from(_inserted.join(_each, true())),
    )
    .cte("permitted")
)

_changed = (
    update(roles)
    .where(roles.c.name == bindparam("role_name"))
    .values(
        description=bindparam("about"), updated_at=bindparam("now"), version=roles.c.version + 1
    )
    .returning(*_COLUMNS)
    .cte("changed")
)
_forbidden = (
    delete(role_permissions)
    .where(
        role_permissions.c.role == _changed.c.name,
        role_permissions.c.permission != all_(_wanted),
    )
    .cte("forbidden")
)
_permitted = (
    insert(role_permissions)
    .from_select(
        ["role", "permission"],
        select(_changed.c.name, _each.c.permission).select_from(_changed.join(_each, true())),
    )
    .on_conflict_do_nothing()
    .cte("permitted")
)
_UPDATE = Lookup(select(*_changed.c, _wanted).add_cte(_forbidden, _permitted), _role)

_DELETE = delete(roles).where(roles.c.name == bindparam("role_name")).returning(roles.c.name)


class PostgresRoles:
    """The part of AccessStore that is about roles themselves."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def role(self, name: str) -> Role | None:
        return _BY_NAME.one(self._connection, role_name=name)

    def locked_role(self, name: str) -> Role | None:
        # Two, because permissions that the locking one reads may be older than the row.
        if self._connection.execute(_LOCK, {"role_name": name}).first() is None:
            return None
        return self.role(name)

    def role_page(self, *, after: str | None, limit: int) -> Sequence[Role]:
        if after is None:
            return _FIRST_PAGE.all(self._connection, limit=limit)
        return _NEXT_PAGE.all(self._connection, after=after, limit=limit)

    def insert_role(self, role: Role) -> None:
        inserted = self._connection.execute(
            _INSERT,
            {
                "role_name": role.name,
                "is_built_in": role.built_in,
                "about": role.description,
                "created": role.created_at,
                "updated": role.updated_at,
                "number": role.version,
                "permissions": sorted(role.permissions),
            },
        )
        if inserted.first() is None:
            raise RoleTaken

    def update_role(
        self,
        name: str,
        *,
        description: str,
        permissions: frozenset[str],
        now: datetime,
    ) -> Role | None:
        return _UPDATE.one(
            self._connection,
            role_name=name,
            about=description,
            permissions=sorted(permissions),
            now=now,
        )

    def delete_role(self, name: str) -> bool:
        try:
            # A savepoint, because the refusal would end the transaction.
            with self._connection.begin_nested():
                deleted = self._connection.execute(_DELETE, {"role_name": name})
                return deleted.first() is not None
        except IntegrityError as error:
            if constraint_of(error) == "fk_user_roles_role_roles":
                raise RoleInUse from None
            raise
