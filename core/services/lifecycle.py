"""A user's status in the hands of administrators, and what ends with it."""

from __future__ import annotations

import secrets
from collections.abc import Collection
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from core.config import Settings
from core.domain.access import ADMIN_ROLE, Permission, Principal
from core.domain.addresses import EmailAddress
from core.domain.codes import CodePurpose
from core.domain.events import Event, EventType
from core.domain.requests import RequestContext
from core.domain.session import RevokeReason
from core.domain.user import OPEN_STATUSES, User, UserStatus
from core.errors import LastAdministrator, NotFound, StateConflict
from core.ports.messaging import MailTemplate
from core.ports.runtime import Clock
from core.ports.security import PasswordHasher
from core.ports.storage import UnitOfWork
from core.services.guards import Guard, Precondition, asked_for
from core.services.stepwise import Steps, computed, stepwise
from core.services.throttling import Throttling, charge_mail

_CLOSABLE = (*OPEN_STATUSES, UserStatus.SUSPENDED)


@dataclass(frozen=True, kw_only=True)
class Lifecycle:
    """Every method may raise PermissionDenied, NotFound, VersionMismatch, PrivilegeEscalation."""

    settings: Settings
    guard: Guard
    hasher: PasswordHasher
    throttling: Throttling
    clock: Clock

    def suspend(
        self,
        context: RequestContext,
        principal: Principal,
        user_id: UUID,
        *,
        precondition: Precondition,
    ) -> User:
        """Ends all sessions and lets nobody in until the user is reactivated.

        Raises:
            StateConflict: the user is deactivated.
            LastAdministrator
        """
        with self._administered(context, principal, user_id, precondition) as (uow, found):
            user = found
            if user.status is not UserStatus.SUSPENDED:
                _require_status(user, OPEN_STATUSES)
                user = self._close(uow, user, UserStatus.SUSPENDED, RevokeReason.SUSPENDED)
                _record(uow, EventType.USER_SUSPENDED, principal, user)
            uow.commit(user)
        return user

    def reactivate(
        self,
        context: RequestContext,
        principal: Principal,
        user_id: UUID,
        *,
        precondition: Precondition,
    ) -> User:
        """Opens a suspended or deactivated account again; whoever never chose a password is
        pending.

        A requested erasure is cancelled, which takes the permission to delete users.
        """
        with self._administered(context, principal, user_id, precondition) as (uow, found):
            user = found
            if user.status not in OPEN_STATUSES:
                if uow.erasures.pending(user_id):
                    principal.require(Permission.USERS_DELETE)
                    uow.erasures.cancel(user_id)
                    _record(uow, EventType.ERASURE_CANCELLED, principal, user)
                chose = uow.credentials.password_hash(user_id) is not None
                status = UserStatus.ACTIVE if chose else UserStatus.PENDING
                user = self._set_status(uow, user, status)
                _record(uow, EventType.USER_REACTIVATED, principal, user)
            uow.commit(user)
        return user

    def deactivate(
        self,
        context: RequestContext,
        principal: Principal,
        user_id: UUID,
        *,
        precondition: Precondition,
    ) -> User:
        """Closes an account and keeps its data.

        Raises:
            LastAdministrator
        """
        with self._administered(context, principal, user_id, precondition) as (uow, found):
            user = found
            if user.status in _CLOSABLE:
                user = self._close(uow, user, UserStatus.DEACTIVATED, RevokeReason.DEACTIVATED)
                _record(uow, EventType.USER_DEACTIVATED, principal, user)
            uow.commit(user)
        return user

    def delete(
        self,
        context: RequestContext,
        principal: Principal,
        user_id: UUID,
        *,
        precondition: Precondition,
    ) -> datetime:
        """Closes an account and asks for its erasure, which the user is told by mail.

        Returns:
            When the erasure is due; of the first request, if there was one.

        Raises:
            LastAdministrator
        """
        now = self.clock.now()
        permission = Permission.USERS_DELETE
        with self._administered(context, principal, user_id, precondition, permission) as (
            uow,
            user,
        ):
            if user.status in _CLOSABLE:
                self._close(uow, user, UserStatus.DEACTIVATED, RevokeReason.DEACTIVATED)
                _record(uow, EventType.USER_DEACTIVATED, principal, user)
            if not uow.erasures.pending(user_id):
                _record(uow, EventType.ERASURE_REQUESTED, principal, user)
                self._tell(uow, user, now)
            due_at = uow.erasures.request(
                user_id, now=now, due_at=now + self.settings.erasure_grace
            )
            uow.commit(due_at)
        return due_at

    @stepwise
    def force_password_reset(
        self,
        context: RequestContext,
        principal: Principal,
        user_id: UUID,
        *,
        precondition: Precondition,
    ) -> Steps[User]:
        """Ends password and sessions at once; a mail says where to choose a new password.

        Raises:
            StateConflict: the user is not active.
            TooManyRequests, Overloaded
        """
        self.guard.require(context, principal, Permission.USERS_SUSPEND, tried=asked_for(user_id))
        # Nobody knows it. A marker in its place would be a case of its own for each login.
        unknown = yield from computed(self.hasher.hash(secrets.token_urlsafe(32)))
        now = self.clock.now()
        reason = RevokeReason.PASSWORD_RESET_FORCED
        with self._administered(context, principal, user_id, precondition) as (uow, user):
            _require_status(user, (UserStatus.ACTIVE,))
            address = EmailAddress.parse(user.email).normalised
            charge_mail(uow, self.throttling, "force", address, now=now)
            uow.credentials.set_password(user_id, unknown, now=now)
            uow.sessions.revoke_all(user_id, reason=reason, now=now)
            uow.credentials.forget_addresses(user_id)
            uow.codes.revoke_for_user(user_id, {CodePurpose.RESET_PASSWORD}, now=now)
            uow.outbox.enqueue_mail(MailTemplate.CHOOSE_NEW_PASSWORD, user_id=user_id)
            _record(uow, EventType.PASSWORD_RESET_FORCED, principal, user)
            uow.commit(user)
        return user

    def revoke_sessions(
        self,
        context: RequestContext,
        principal: Principal,
        user_id: UUID,
        *,
        precondition: Precondition,
    ) -> int:
        """Ends all sessions of the user; returns how many there were."""
        reason = RevokeReason.REVOKED_BY_ADMIN
        with self._administered(context, principal, user_id, precondition) as (uow, user):
            ended = uow.sessions.revoke_all(user_id, reason=reason, now=self.clock.now())
            details: dict[str, object] = {
                "session_ids": [str(session_id) for session_id in ended],
                "reason": reason.value,
            }
            _record(uow, EventType.SESSION_REVOKED, principal, user, details)
            uow.commit(len(ended))
        return len(ended)

    def _administered(
        self,
        context: RequestContext,
        principal: Principal,
        user_id: UUID,
        precondition: Precondition,
        permission: Permission = Permission.USERS_SUSPEND,
    ) -> AbstractContextManager[tuple[UnitOfWork, User]]:
        return self.guard.administered(
            context,
            principal,
            permission,
            user_id=user_id,
            precondition=precondition,
        )

    def _tell(self, uow: UnitOfWork, user: User, now: datetime) -> None:
        """Of the deletion, which goes on without a mail to an address that had too many of ours."""
        mails = self.throttling.mails("delete", EmailAddress.parse(user.email).normalised)
        if user.email_verified and uow.throttles.charge([mails], now=now) is None:
            uow.outbox.enqueue_mail(MailTemplate.ACCOUNT_DEACTIVATED, user_id=user.id)

    def _close(self, uow: UnitOfWork, user: User, status: UserStatus, reason: RevokeReason) -> User:
        now = self.clock.now()
        closed = self._set_status(uow, user, status)
        uow.sessions.revoke_all(user.id, reason=reason, now=now)
        # A thief's are among them.
        uow.credentials.forget_addresses(user.id)
        uow.codes.revoke_for_user(user.id, tuple(CodePurpose), now=now)
        if ADMIN_ROLE in closed.roles and not uow.access.keeps_an_administrator():
            raise LastAdministrator
        return closed

    def _set_status(self, uow: UnitOfWork, user: User, status: UserStatus) -> User:
        changed = uow.users.update(
            user.id, {"status": status}, expected_version=None, now=self.clock.now()
        )
        if changed is None:
            raise NotFound
        return changed


def _require_status(user: User, allowed: Collection[UserStatus]) -> None:
    if user.status not in allowed:
        raise StateConflict(f"The user is {user.status}.")


def _record(
    uow: UnitOfWork,
    type_: EventType,
    principal: Principal,
    user: User,
    details: dict[str, object] | None = None,
) -> None:
    uow.record(Event(type=type_, actor=principal.user.id, subject=user.id, details=details or {}))
