"""Units of work on oneself, and those that take a permission, whose denials are written down."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from types import MappingProxyType
from uuid import UUID

from core.domain.access import Permission, Principal
from core.domain.events import Event, EventType
from core.domain.requests import RequestContext
from core.domain.user import User, UserStatus
from core.errors import NotFound, PermissionDenied, PrivilegeEscalation, Unauthenticated
from core.ports.storage import Storage, UnitOfWork

Precondition = Callable[[int], object]
"""Is told the current version, and raises VersionMismatch when it is not the expected one."""


_NOTHING: Mapping[str, str] = MappingProxyType({})


@contextmanager
def own(
    storage: Storage, context: RequestContext, principal: Principal
) -> Iterator[tuple[UnitOfWork, User]]:
    """A unit of work on the caller's own account as it is now, locked in it, as is the session.

    What ended the session or closed the account while this waited came first, and this is refused.
    A login under way was waited for, and its session is there.

    Raises:
        Unauthenticated
    """
    user_id = principal.user.id
    with storage.write(context) as uow:
        # In the order of `administered`, and sessions last; else they could deadlock.
        uow.credentials.password_hash(user_id)
        user = uow.users.locked(user_id)
        if user is None or user.status is not UserStatus.ACTIVE:
            raise Unauthenticated(genuine=True)
        _confirm_session(uow, principal)
        yield uow, user


@contextmanager
def guarded(
    storage: Storage,
    context: RequestContext,
    principal: Principal,
    permission: Permission,
    *,
    subject: UUID | None = None,
    tried: Mapping[str, str] = _NOTHING,
) -> Iterator[UnitOfWork]:
    """A unit of work for whoever holds `permission`, and keeps what they hold until it ends.

    `tried` is what the audit row of a denial tells beside the permission.

    Raises:
        PermissionDenied, PrivilegeEscalation
        Unauthenticated: the caller's session ended since the request was let in.
    """
    with _audited(storage, context, principal, permission, subject=subject, tried=tried) as uow:
        _confirm(uow, principal)
        yield uow


@contextmanager
def administered(
    storage: Storage,
    context: RequestContext,
    principal: Principal,
    permission: Permission,
    *,
    user_id: UUID,
    precondition: Precondition,
    tried: Mapping[str, str] = _NOTHING,
) -> Iterator[tuple[UnitOfWork, User]]:
    """A unit of work on one user, who is locked in it; so is what the caller holds.

    `tried` as in `guarded`.

    Raises:
        PermissionDenied, NotFound, VersionMismatch
        Unauthenticated: the caller's session ended since the request was let in.
        PrivilegeEscalation: the user holds a permission that the caller does not.
    """
    with _audited(storage, context, principal, permission, subject=user_id, tried=tried) as uow:
        # The credential's row first, as a login and a new password do; else they could deadlock.
        uow.credentials.password_hash(user_id)
        user = _locked(uow, principal, user_id)
        if user is None:
            raise NotFound
        if not principal.holds(uow.access.permissions(user_id)):
            raise PrivilegeEscalation
        precondition(user.version)
        yield uow, user


@contextmanager
def _audited(
    storage: Storage,
    context: RequestContext,
    principal: Principal,
    permission: Permission,
    *,
    subject: UUID | None,
    tried: Mapping[str, str],
) -> Iterator[UnitOfWork]:
    """Refuses whoever lacks `permission`. A refusal by what only the unit of work could tell is
    audited in a transaction of its own, as everything else is rolled back."""
    principal.require(permission)
    try:
        with storage.write(context) as uow:
            yield uow
    except PermissionDenied:
        denied = Event(
            type=EventType.ACCESS_DENIED,
            actor=principal.user.id,
            subject=subject,
            details={"permission": permission.value, **tried},
        )
        with storage.write(replace(context, idempotency=None)) as uow:
            uow.record(denied)
            uow.commit()
        raise


def _locked(uow: UnitOfWork, principal: Principal, user_id: UUID) -> User | None:
    """The user, and the caller with them: in one order, as two may act on each other at once."""
    caller = principal.user.id
    if caller < user_id:
        _confirm(uow, principal)
    user = uow.users.locked(user_id)
    if caller >= user_id:
        _confirm(uow, principal)
    return user


def _confirm(uow: UnitOfWork, principal: Principal) -> None:
    """Raises PermissionDenied when the caller lost a permission since the request was let in, and
    Unauthenticated when the session ended."""
    if not uow.access.locked_permissions(principal.user.id).issuperset(principal.permissions):
        raise PermissionDenied
    _confirm_session(uow, principal)


def _confirm_session(uow: UnitOfWork, principal: Principal) -> None:
    if not uow.sessions.held(principal.session_id):
        raise Unauthenticated(genuine=True)
