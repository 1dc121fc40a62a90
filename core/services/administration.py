"""What administrators do with users: create, invite, change, delete."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from core.config import Settings
from core.domain.access import ADMIN_ROLE, Permission, Principal
from core.domain.addresses import EmailAddress
from core.domain.codes import CodePurpose, OneTimeCode
from core.domain.events import Event, EventType
from core.domain.profile import check_profile, merge_patch
from core.domain.requests import RequestContext
from core.domain.user import NewUser, User, UserStatus
from core.errors import InvalidInput, LastAdministrator, NotFound, StateConflict
from core.ports.messaging import MailTemplate
from core.ports.runtime import Clock, Ids
from core.ports.security import CodeSecrets
from core.ports.storage import UnitOfWork
from core.services.guards import Guard, Precondition
from core.services.throttling import Throttling, charge_mail


@dataclass(frozen=True, kw_only=True)
class Administration:
    """An administrator never chooses a password, and never marks an address as verified."""

    settings: Settings
    guard: Guard
    codes: CodeSecrets
    throttling: Throttling
    clock: Clock
    ids: Ids

    def create(
        self,
        context: RequestContext,
        principal: Principal,
        *,
        email: str,
        username: str | None,
        profile: Mapping[str, object],
        invite: bool,
    ) -> User:
        """Creates a pending user, who becomes active by accepting an invitation.

        Raises:
            PermissionDenied, InvalidInput, EmailTaken, UsernameTaken, TooManyRequests
        """
        permission = Permission.USERS_WRITE
        now = self.clock.now()
        user_id = self.ids.new()
        with self.guard.guarded(context, principal, permission) as uow:
            address = EmailAddress.parse(email)
            check_profile({"username": username, **profile})
            uow.users.insert(
                NewUser(
                    id=user_id,
                    email=address.value,
                    email_normalised=address.normalised,
                    email_verified=False,
                    username=username,
                    profile=profile,
                    status=UserStatus.PENDING,
                    created_at=now,
                )
            )
            user = uow.users.by_id(user_id)
            if user is None:
                raise NotFound
            uow.record(Event(type=EventType.USER_CREATED, actor=principal.user.id, subject=user_id))
            if invite:
                self._invite(uow, principal, user)
            uow.commit(user)
        return user

    def invite(
        self,
        context: RequestContext,
        principal: Principal,
        user_id: UUID,
        *,
        precondition: Precondition,
    ) -> User:
        """Mails a pending user a link to choose a password; earlier links end.

        Raises:
            PermissionDenied, NotFound, VersionMismatch, PrivilegeEscalation, TooManyRequests
            StateConflict: the user is not pending.
        """
        with self._administered(context, principal, user_id, precondition) as (uow, user):
            if user.status is not UserStatus.PENDING:
                raise StateConflict(f"The user is {user.status}, not pending.")
            self._invite(uow, principal, user)
            uow.commit(user)
        return user

    def change(
        self,
        context: RequestContext,
        principal: Principal,
        user_id: UUID,
        *,
        changes: Mapping[str, object],
        precondition: Precondition,
    ) -> User:
        """Applies a merge patch (RFC 7396). A new address has to be verified by its owner.

        Raises:
            PermissionDenied, NotFound, VersionMismatch, PrivilegeEscalation
            InvalidInput, EmailTaken, UsernameTaken, TooManyRequests
            LastAdministrator: until the new address is verified there would be none.
        """
        now = self.clock.now()
        with self._administered(context, principal, user_id, precondition) as (uow, user):
            columns = dict(changes)
            if "attributes" in columns:
                columns["attributes"] = merge_patch(user.attributes, columns["attributes"])
            moved = self._move(columns, user)
            check_profile({name: columns[name] for name in columns.keys() - _OF_ADDRESS})
            changed = uow.users.update(user_id, columns, expected_version=None, now=now)
            if changed is None:
                raise NotFound
            details: dict[str, object] = {"fields": sorted(changes)}
            uow.record(
                Event(
                    type=EventType.USER_UPDATED,
                    actor=principal.user.id,
                    subject=user_id,
                    details=details,
                )
            )
            if moved is not None:
                self._verify_anew(uow, principal, user, moved)
                if ADMIN_ROLE in changed.roles and not uow.access.keeps_an_administrator():
                    raise LastAdministrator
            uow.commit(changed)
        return changed

    def _administered(
        self,
        context: RequestContext,
        principal: Principal,
        user_id: UUID,
        precondition: Precondition,
    ) -> AbstractContextManager[tuple[UnitOfWork, User]]:
        return self.guard.administered(
            context,
            principal,
            Permission.USERS_WRITE,
            user_id=user_id,
            precondition=precondition,
        )

    def _move(self, columns: dict[str, object], user: User) -> EmailAddress | None:
        """Completes the columns of the address; the address, if it is another one than before."""
        if "email" not in columns:
            return None
        typed = columns["email"]
        if not isinstance(typed, str):
            raise InvalidInput.at("/email", "cannot be cleared")
        address = EmailAddress.parse(typed)
        columns |= {"email": address.value, "email_normalised": address.normalised}
        if address.normalised == EmailAddress.parse(user.email).normalised:
            return None
        columns["email_verified"] = False
        return address

    def _verify_anew(
        self, uow: UnitOfWork, principal: Principal, user: User, address: EmailAddress
    ) -> None:
        """What was mailed to the old address opens nothing any more; its owner is told."""
        uow.codes.revoke_for_user(user.id, tuple(CodePurpose), now=self.clock.now())
        if user.status is UserStatus.ACTIVE:
            charge_mail(uow, self.throttling, "change", address.normalised, now=self.clock.now())
            lifetime = self.settings.registration_lifetime
            code = self._code(uow, user, address, CodePurpose.VERIFY_EMAIL, lifetime)
            uow.outbox.enqueue_mail(MailTemplate.VERIFY_EMAIL, code_id=code.id)
        details: dict[str, object] = {"former_email": user.email, "new_email": address.value}
        event_id = uow.record(
            Event(
                type=EventType.EMAIL_CHANGED,
                actor=principal.user.id,
                subject=user.id,
                details=details,
            )
        )
        if user.email_verified:
            uow.outbox.enqueue_mail(MailTemplate.EMAIL_CHANGED, event_id=event_id)

    def _invite(self, uow: UnitOfWork, principal: Principal, user: User) -> None:
        now = self.clock.now()
        address = EmailAddress.parse(user.email)
        charge_mail(uow, self.throttling, "invite", address.normalised, now=now)
        uow.codes.revoke_for_user(user.id, {CodePurpose.INVITATION}, now=now)
        lifetime = self.settings.invitation_lifetime
        code = self._code(uow, user, address, CodePurpose.INVITATION, lifetime)
        uow.outbox.enqueue_mail(MailTemplate.INVITATION, code_id=code.id)
        uow.record(Event(type=EventType.USER_INVITED, actor=principal.user.id, subject=user.id))

    def _code(
        self,
        uow: UnitOfWork,
        user: User,
        address: EmailAddress,
        purpose: CodePurpose,
        lifetime: timedelta,
    ) -> OneTimeCode:
        now = self.clock.now()
        code = OneTimeCode(
            id=self.ids.new(),
            purpose=purpose,
            email_normalised=address.normalised,
            registration_id=None,
            user_id=user.id,
            created_at=now,
            expires_at=now + lifetime,
        )
        uow.codes.insert(code, digest=self.codes.digest(self.codes.derive(code.id, purpose)))
        return code


_OF_ADDRESS = frozenset({"email", "email_normalised", "email_verified"})
