"""Who may do what: asked in one place, where each refusal is written down; and units of work on
oneself."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from types import MappingProxyType
from uuid import UUID

from core.domain.access import Permission, Principal
from core.domain.events import Event, EventType
from core.domain.requests import RequestContext
from core.domain.user import User, UserStatus
from core.errors import (
    NotFound,
    PermissionDenied,
    PrivilegeEscalation,
    StorageUnavailable,
    Unauthenticated,
)
from core.ports.runtime import Clock, Metrics
from core.ports.storage import Storage, UnitOfWork
from core.services.throttling import Throttling

Precondition = Callable[[int], object]
"""Is told the current version, and raises VersionMismatch when it is not the expected one."""

_NOTHING: Mapping[str, str] = MappingProxyType({})

logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Guard:
    """Every use case that takes a permission asks here, whether it reads or writes.

    `tried` is what the audit row of a refusal tells beside the permission.
    """

    storage: Storage
    throttling: Throttling
    metrics: Metrics
    clock: Clock

    def require(
        self,
        context: RequestContext,
        principal: Principal,
        permission: Permission,
        *,
        tried: Mapping[str, str] = _NOTHING,
    ) -> None:
        """Raises PermissionDenied."""
        try:
            principal.require(permission)
        except PermissionDenied as denied:
            self._note(context, principal, denied, permission, subject=None, tried=tried)
            raise

    @contextmanager
    def guarded(
        self,
        context: RequestContext,
        principal: Principal,
        permission: Permission,
        *,
        tried: Mapping[str, str] = _NOTHING,
    ) -> Iterator[UnitOfWork]:
        """A unit of work for a caller with `permission`, who keeps it until it ends.

        Raises:
            PermissionDenied, PrivilegeEscalation
            Unauthenticated: the caller's session ended since the request was let in.
        """
        self.require(context, principal, permission, tried=tried)
        with self._audited(context, principal, permission, subject=None, tried=tried) as uow:
            _confirm(uow, principal)
            yield uow

    @contextmanager
    def administered(
        self,
        context: RequestContext,
        principal: Principal,
        permission: Permission,
        *,
        user_id: UUID,
        precondition: Precondition,
        tried: Mapping[str, str] = _NOTHING,
    ) -> Iterator[tuple[UnitOfWork, User]]:
        """A unit of work on one user, who is locked in it; so is what the caller holds.

        Raises:
            PermissionDenied, NotFound, VersionMismatch
            Unauthenticated: the caller's session ended since the request was let in.
            PrivilegeEscalation: the user holds a permission that the caller does not.
        """
        self.require(context, principal, permission, tried={**tried, **asked_for(user_id)})
        with self._audited(context, principal, permission, subject=user_id, tried=tried) as uow:
            # The credential's row first, as a login and a new password do; else they could
            # deadlock.
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
        self,
        context: RequestContext,
        principal: Principal,
        permission: Permission,
        *,
        subject: UUID | None,
        tried: Mapping[str, str],
    ) -> Iterator[UnitOfWork]:
        """A refusal by what only the unit of work could tell: all that it did is rolled back."""
        try:
            with self.storage.write(context) as uow:
                yield uow
        except PermissionDenied as denied:
            self._note(context, principal, denied, permission, subject=subject, tried=tried)
            raise

    def _note(
        self,
        context: RequestContext,
        principal: Principal,
        denied: PermissionDenied,
        permission: Permission,
        *,
        subject: UUID | None,
        tried: Mapping[str, str],
    ) -> None:
        """In a transaction of its own; beyond so many of a kind an hour it is only counted, and
        where nothing can be written also logged: what is refused stays refused."""
        caller, asked = principal.user.id, denied.permission or permission.value
        details: dict[str, object] = {"permission": asked, "problem": denied.code, **tried}
        bucket = self.throttling.denials(caller, denied.code, asked)
        try:
            with self.storage.write(replace(context, idempotency=None)) as uow:
                over = uow.throttles.charge([bucket], now=self.clock.now()) is not None
                if not over:
                    if subject is not None and uow.users.by_id(subject) is None:
                        # What a caller made up stands where it can be erased.
                        details |= asked_for(subject)
                        subject = None
                    uow.record(
                        Event(
                            type=EventType.ACCESS_DENIED,
                            actor=caller,
                            subject=subject,
                            details=details,
                        )
                    )
                uow.commit()
        except StorageUnavailable:
            logger.warning("access denied to %s, and not in the trail", asked)
            over = True
        if over:
            self.metrics.event(EventType.ACCESS_DENIED)


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


def asked_for(user_id: UUID) -> dict[str, str]:
    """For `tried`: whom a caller named, be there such a user or not."""
    return {"user_id": str(user_id)}


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
