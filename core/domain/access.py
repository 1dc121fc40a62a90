"""Permissions, the built-in roles, and the principal that every use case is asked by."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID

from core.domain.user import User
from core.errors import PermissionDenied


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


ADMIN_ROLE = "admin"

BUILT_IN_ROLES: Mapping[str, tuple[Permission, ...]] = {
    ADMIN_ROLE: tuple(Permission),
    "support": (Permission.USERS_READ, Permission.USERS_SUSPEND, Permission.ROLES_READ),
    "auditor": (Permission.AUDIT_READ,),
}


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
            raise PermissionDenied
