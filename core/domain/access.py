"""Permissions, the built-in roles, and the principal that every use case is asked by."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from core.domain.text import printable
from core.domain.user import User
from core.errors import FieldError, InvalidInput, PermissionDenied


class Permission(StrEnum):
    USERS_READ = "users:read"
    USERS_WRITE = "users:write"
    USERS_SUSPEND = "users:suspend"
    USERS_DELETE = "users:delete"
    ROLES_READ = "roles:read"
    ROLES_WRITE = "roles:write"
    ROLES_GRANT = "roles:grant"
    AUDIT_READ = "audit:read"
    KEYS_READ = "keys:read"
    KEYS_WRITE = "keys:write"


PERMISSIONS: Mapping[Permission, str] = {
    Permission.USERS_READ: "List, search and read users.",
    Permission.USERS_WRITE: "Create, invite and change users.",
    Permission.USERS_SUSPEND: "Suspend, reactivate and deactivate users, end their sessions, "
    "force them to choose a new password.",
    Permission.USERS_DELETE: "Delete users, and take a deletion back in its time of grace.",
    Permission.ROLES_READ: "List and read roles.",
    Permission.ROLES_WRITE: "Create, change and delete roles.",
    Permission.ROLES_GRANT: "Grant roles to users and revoke them.",
    Permission.AUDIT_READ: "Read the audit log.",
    Permission.KEYS_READ: "List signing keys.",
    Permission.KEYS_WRITE: "Rotate signing keys.",
}
"""What each permission allows. A permission is a scope of the same name: access tokens carry those
of their user in `scope`, OpenAPI names them at each operation."""

ADMIN_ROLE = "admin"

BUILT_IN_ROLES: Mapping[str, tuple[Permission, ...]] = {
    ADMIN_ROLE: tuple(Permission),
    "support": (Permission.USERS_READ, Permission.USERS_SUSPEND, Permission.ROLES_READ),
    "auditor": (Permission.AUDIT_READ,),
}


_ROLE_NAME = re.compile(r"[a-z](?:[a-z0-9-]{0,61}[a-z0-9])?")
_DESCRIPTION_LENGTH = 500


@dataclass(frozen=True, kw_only=True)
class Role:
    """A named set of permissions; `version` rises by one with each change."""

    name: str
    description: str
    built_in: bool
    permissions: frozenset[str]
    created_at: datetime
    updated_at: datetime
    version: int


def is_role_name(text: str) -> bool:
    """Whether a role could have it."""
    return _ROLE_NAME.fullmatch(text) is not None


def check_role(
    *, name: str | None = None, description: str | None = None, permissions: Sequence[str] = ()
) -> None:
    """Raises InvalidInput at `/name`, `/description` or `/permissions/<index>`."""
    errors = []
    if name is not None and not is_role_name(name):
        errors.append(
            FieldError(
                "/name",
                "must be 1 to 63 lower-case letters, digits or hyphens, beginning with a letter",
            )
        )
    if description is not None and (
        len(description) > _DESCRIPTION_LENGTH or not printable(description)
    ):
        errors.append(
            FieldError(
                "/description", f"must have at most {_DESCRIPTION_LENGTH} visible characters"
            )
        )
    errors += [
        FieldError(f"/permissions/{index}", "is no permission of this service")
        for index, permission in enumerate(permissions)
        if permission not in PERMISSIONS
    ]
    errors += [
        FieldError(f"/permissions/{index}", "is named before")
        for index, permission in enumerate(permissions)
        if permission in permissions[:index]
    ]
    if errors:
        raise InvalidInput(errors)


@dataclass(frozen=True, kw_only=True)
class Principal:
    """An authenticated caller: read from the database with every request, so that a change counts
    at once."""

    user: User
    session_id: UUID
    permissions: frozenset[str]
    password_change_required: bool = False

    def require(self, permission: Permission) -> None:
        """Raises PermissionDenied."""
        if permission not in self.permissions:
            raise PermissionDenied(permission=permission)

    def holds(self, permissions: Iterable[str]) -> bool:
        """Whether all of them are held: nobody gives, or acts on, more than they hold."""
        return self.permissions.issuperset(permissions)
