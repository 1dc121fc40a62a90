"""Roles, and who holds them."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from uuid import UUID

from core.domain.access import ADMIN_ROLE, Permission, Principal, Role, check_role, is_role_name
from core.domain.events import Event, EventType
from core.domain.requests import RequestContext
from core.domain.user import User
from core.errors import (
    LastAdministrator,
    NotFound,
    PrivilegeEscalation,
    RoleBuiltIn,
)
from core.ports.runtime import Clock
from core.ports.storage import Storage, Stores, UnitOfWork
from core.services.guards import Guard, Precondition


@dataclass(frozen=True, kw_only=True)
class Roles:
    """Nobody gives, changes or takes away permissions that they do not hold."""

    storage: Storage
    guard: Guard
    clock: Clock

    def page(
        self, context: RequestContext, principal: Principal, *, after: str | None, limit: int
    ) -> Sequence[Role]:
        """By name, behind `after`. Raises PermissionDenied."""
        self.guard.require(context, principal, Permission.ROLES_READ)
        with self.storage.read() as stores:
            return stores.access.role_page(after=after, limit=limit)

    def role(self, context: RequestContext, principal: Principal, name: str) -> Role:
        """Raises PermissionDenied or NotFound."""
        self.guard.require(context, principal, Permission.ROLES_READ, tried=_tried(name))
        with self.storage.read() as stores:
            return _existing(stores, name)

    def create(
        self,
        context: RequestContext,
        principal: Principal,
        *,
        name: str,
        description: str,
        permissions: Sequence[str],
    ) -> Role:
        """Raises PermissionDenied, InvalidInput, RoleTaken or PrivilegeEscalation."""
        now = self.clock.now()
        with self.guard.guarded(
            context, principal, Permission.ROLES_WRITE, tried=_tried(name)
        ) as uow:
            check_role(name=name, description=description, permissions=permissions)
            _require_held(principal, permissions)
            role = Role(
                name=name,
                description=description,
                built_in=False,
                permissions=frozenset(permissions),
                created_at=now,
                updated_at=now,
                version=1,
            )
            uow.access.insert_role(role)
            _record(uow, EventType.ROLE_CREATED, principal, role)
            uow.commit(role)
        return role

    def change(
        self,
        context: RequestContext,
        principal: Principal,
        name: str,
        *,
        description: str | None,
        permissions: Sequence[str] | None,
        precondition: Precondition,
    ) -> Role:
        """Replaces what is not None.

        Raises:
            PermissionDenied, NotFound, RoleBuiltIn, InvalidInput, VersionMismatch
            PrivilegeEscalation: the role has, or would have, a permission that the caller has not.
        """
        with self.guard.guarded(
            context, principal, Permission.ROLES_WRITE, tried=_tried(name)
        ) as uow:
            role = _changeable(uow, principal, name, precondition)
            check_role(description=description, permissions=permissions or ())
            wanted = role.permissions if permissions is None else frozenset(permissions)
            _require_held(principal, wanted)
            changed = uow.access.update_role(
                name,
                description=role.description if description is None else description,
                permissions=wanted,
                now=self.clock.now(),
            )
            if changed is None:
                raise NotFound
            _record(uow, EventType.ROLE_UPDATED, principal, changed)
            uow.commit(changed)
        return changed

    def delete(
        self,
        context: RequestContext,
        principal: Principal,
        name: str,
        *,
        precondition: Precondition,
    ) -> None:
        """Raises PermissionDenied, NotFound, RoleBuiltIn, RoleInUse, VersionMismatch or
        PrivilegeEscalation."""
        with self.guard.guarded(
            context, principal, Permission.ROLES_WRITE, tried=_tried(name)
        ) as uow:
            role = _changeable(uow, principal, name, precondition)
            if not uow.access.delete_role(name):
                raise NotFound
            _record(uow, EventType.ROLE_DELETED, principal, role)
            uow.commit()

    def grant(
        self,
        context: RequestContext,
        principal: Principal,
        *,
        user_id: UUID,
        name: str,
        precondition: Precondition,
    ) -> User:
        """Gives a role; who holds it already keeps it.

        Raises:
            PermissionDenied, NotFound, VersionMismatch
            PrivilegeEscalation: the user, or the role, has a permission that the caller has not.
        """
        with self._administered(context, principal, user_id, name, precondition) as (uow, found):
            user = found
            role = _grantable(uow, principal, name)
            granted = uow.access.grant(
                user_id, name, granted_by=principal.user.id, now=self.clock.now()
            )
            if granted:
                _record(uow, EventType.ROLE_GRANTED, principal, role, subject=user_id)
                user = _again(uow, user_id)
            uow.commit(user)
        return user

    def revoke(
        self,
        context: RequestContext,
        principal: Principal,
        *,
        user_id: UUID,
        name: str,
        precondition: Precondition,
    ) -> User:
        """Takes a role away; who does not hold it stays as they are.

        Raises:
            PermissionDenied, NotFound, VersionMismatch, LastAdministrator
            PrivilegeEscalation: the user, or the role, has a permission that the caller has not.
        """
        with self._administered(context, principal, user_id, name, precondition) as (uow, found):
            user = found
            role = _grantable(uow, principal, name)
            if uow.access.revoke(user_id, name, now=self.clock.now()):
                _record(uow, EventType.ROLE_REVOKED, principal, role, subject=user_id)
                if name == ADMIN_ROLE and not uow.access.keeps_an_administrator():
                    raise LastAdministrator
                user = _again(uow, user_id)
            uow.commit(user)
        return user

    def _administered(
        self,
        context: RequestContext,
        principal: Principal,
        user_id: UUID,
        name: str,
        precondition: Precondition,
    ) -> AbstractContextManager[tuple[UnitOfWork, User]]:
        return self.guard.administered(
            context,
            principal,
            Permission.ROLES_GRANT,
            user_id=user_id,
            precondition=precondition,
            tried=_tried(name),
        )


def _existing(stores: Stores, name: str, *, lock: bool = False) -> Role:
    read = stores.access.locked_role if lock else stores.access.role
    # What cannot be a name may not even be text to PostgreSQL.
    role = read(name) if is_role_name(name) else None
    if role is None:
        raise NotFound
    return role


def _again(uow: UnitOfWork, user_id: UUID) -> User:
    user = uow.users.by_id(user_id)
    if user is None:
        raise NotFound
    return user


def _grantable(uow: UnitOfWork, principal: Principal, name: str) -> Role:
    role = _existing(uow, name)
    _require_held(principal, role.permissions)
    return role


def _changeable(
    uow: UnitOfWork, principal: Principal, name: str, precondition: Precondition
) -> Role:
    # Who comes second waits, and then judges and changes what the first one left.
    role = _existing(uow, name, lock=True)
    if role.built_in:
        raise RoleBuiltIn
    _require_held(principal, role.permissions)
    precondition(role.version)
    return role


def _tried(name: str) -> dict[str, str]:
    return {"role": name} if is_role_name(name) else {}


def _require_held(principal: Principal, permissions: Collection[str]) -> None:
    if not principal.holds(permissions):
        raise PrivilegeEscalation


def _record(
    uow: UnitOfWork,
    type_: EventType,
    principal: Principal,
    role: Role,
    *,
    subject: UUID | None = None,
) -> None:
    details: dict[str, object] = {"role": role.name}
    if subject is None:
        details["permissions"] = sorted(role.permissions)
    uow.record(Event(type=type_, actor=principal.user.id, subject=subject, details=details))
