"""Signing up, proving an address, changing and leaving an account."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from core.config import Settings
from core.domain.access import ADMIN_ROLE, Principal
from core.domain.addresses import EmailAddress
from core.domain.codes import CodePurpose, OneTimeCode, PendingRegistration
from core.domain.credentials import check_new_password
from core.domain.events import Event, EventType
from core.domain.profile import check_profile, merge_patch
from core.domain.requests import RequestContext
from core.domain.session import RevokeReason
from core.domain.user import NewUser, User, UserStatus
from core.errors import (
    EmailTaken,
    InvalidCode,
    LastAdministrator,
    SignUpClosed,
    Unauthenticated,
    UsernameTaken,
    VersionMismatch,
)
from core.ports.messaging import MailTemplate
from core.ports.runtime import Clock, Ids, Metrics
from core.ports.security import CodeSecrets, PasswordHasher
from core.ports.storage import Storage, UnitOfWork
from core.services.stepwise import Steps, computed, stepwise
from core.services.throttling import Throttling


@dataclass(frozen=True, kw_only=True)
class Accounts:
    """Self-service of the people behind the accounts."""

    settings: Settings
    storage: Storage
    hasher: PasswordHasher
    codes: CodeSecrets
    throttling: Throttling
    metrics: Metrics
    clock: Clock
    ids: Ids

    @stepwise
    def register(
        self,
        context: RequestContext,
        *,
        email: str,
        password: str,
        username: str | None,
        profile: Mapping[str, object],
    ) -> Steps[None]:
        """Keeps a pending sign-up and has a mail sent.

        Known and unknown addresses run the same statements: whether the address gets a link or a
        notice is found out by the worker.

        Raises:
            SignUpClosed, InvalidInput
        """
        if not self.settings.sign_up_open:
            raise SignUpClosed
        address = EmailAddress.parse(email)
        check_profile({"username": username, **profile})
        password = check_new_password(
            password, min_length=self.settings.password_min_length, personal=(email, username)
        )
        password_hash = yield from computed(self.hasher.hash(password))
        now = self.clock.now()
        expires_at = now + self.settings.registration_lifetime
        registration = PendingRegistration(
            id=self.ids.new(),
            email=address.value,
            email_normalised=address.normalised,
            username=username,
            profile=dict(profile),
            password_hash=password_hash,
            created_at=now,
            expires_at=expires_at,
        )
        with self.storage.write(context) as uow:
            mails = self.throttling.mails("register", address.normalised)
            if uow.throttles.charge([mails], now=now) is None:
                uow.registrations.insert(registration)
                self._mail_code(uow, address.normalised, registration.id, now, expires_at)
                uow.record(
                    Event(
                        type=EventType.REGISTRATION_REQUESTED,
                        actor=None,
                        subject=None,
                        details={"registration_id": str(registration.id)},
                    )
                )
            else:
                # No event: anybody could fill the trail with them.
                self.metrics.mail_throttled("register")
            uow.commit()

    def resend_verification(self, context: RequestContext, *, email: str) -> None:
        """Has the verification mail sent again, if one is due; the caller learns nothing.

        Raises:
            InvalidInput
        """
        address = EmailAddress.parse(email)
        now = self.clock.now()
        with self.storage.write(context) as uow:
            mails = self.throttling.mails("verify", address.normalised)
            if uow.throttles.charge([mails], now=now) is None:
                expires_at = now + self.settings.registration_lifetime
                self._mail_code(uow, address.normalised, None, now, expires_at)
                uow.record(Event(type=EventType.VERIFICATION_REQUESTED, actor=None, subject=None))
            else:
                self.metrics.mail_throttled("verify")
            uow.commit()

    def _mail_code(
        self,
        uow: UnitOfWork,
        email_normalised: str,
        registration_id: UUID | None,
        now: datetime,
        expires_at: datetime,
    ) -> None:
        code = OneTimeCode(
            id=self.ids.new(),
            purpose=CodePurpose.VERIFY_EMAIL,
            email_normalised=email_normalised,
            registration_id=registration_id,
            user_id=None,
            created_at=now,
            expires_at=expires_at,
        )
        uow.codes.insert(code, digest=self.codes.digest(self.codes.derive(code.id, code.purpose)))
        uow.outbox.enqueue_mail(MailTemplate.VERIFY_EMAIL, code_id=code.id)

    def verify_email(self, context: RequestContext, *, code: str) -> UUID:
        """Activates the one sign-up, or confirms the one address, that the code was made for.

        Returns:
            The id of the user.

        Raises:
            InvalidCode
        """
        now = self.clock.now()
        digest = self.codes.digest(code)
        purposes = {CodePurpose.VERIFY_EMAIL}
        with self.storage.write(context) as uow:
            holder = uow.codes.holder(digest, purposes)
            if holder is not None:
                # The user before the code, as administrators do; else the two could deadlock.
                uow.users.locked(holder)
            redeemed = uow.codes.redeem(digest, purposes, now=now)
            if redeemed is None:
                raise InvalidCode
            if redeemed.registration_id is not None:
                user_id = self._activate(uow, redeemed.registration_id, now)
            else:
                user_id = self._confirm(uow, redeemed, now)
            uow.record(Event(type=EventType.EMAIL_VERIFIED, actor=user_id, subject=user_id))
            uow.commit(user_id)
        return user_id

    def _activate(self, uow: UnitOfWork, registration_id: UUID, now: datetime) -> UUID:
        # Not locked: of two links for one address that are followed at once, each would hold its
        # own sign-up and wait for the other's. The address is unique, and that decides.
        registration = uow.registrations.by_id(registration_id)
        if registration is None or registration.expires_at <= now:
            raise InvalidCode
        user_id = self.ids.new()
        try:
            uow.users.insert(_verified_user(user_id, registration, registration.username, now))
        except UsernameTaken:
            # Somebody was faster with the name; the account is worth more than the name.
            uow.users.insert(_verified_user(user_id, registration, None, now))
        except EmailTaken:
            raise InvalidCode from None
        uow.credentials.set_password(user_id, registration.password_hash, now=now)
        uow.registrations.discard(registration.email_normalised)
        uow.record(Event(type=EventType.USER_CREATED, actor=user_id, subject=user_id))
        return user_id

    def _confirm(self, uow: UnitOfWork, code: OneTimeCode, now: datetime) -> UUID:
        if code.user_id is None or not uow.users.mark_email_verified(
            code.user_id, email_normalised=code.email_normalised, now=now
        ):
            raise InvalidCode
        return code.user_id

    def change_profile(
        self,
        context: RequestContext,
        principal: Principal,
        *,
        changes: Mapping[str, object],
        expected_version: int | None,
    ) -> User:
        """Applies a merge patch (RFC 7396) to one's own profile; None clears a field.

        Raises:
            InvalidInput, UsernameTaken
            VersionMismatch: the account has another version than expected.
        """
        user = principal.user
        columns = dict(changes)
        with self.storage.write(context) as uow:
            if "attributes" in columns:
                # Merged into the newest ones; an expected version guards those that were read.
                latest = user if expected_version is not None else uow.users.locked(user.id)
                attributes = latest.attributes if latest is not None else {}
                columns["attributes"] = merge_patch(attributes, columns["attributes"])
            check_profile(columns)
            changed = uow.users.update(
                user.id, columns, expected_version=expected_version, now=self.clock.now()
            )
            if changed is None:
                raise VersionMismatch
            fields: dict[str, object] = {"fields": sorted(columns)}
            uow.record(
                Event(type=EventType.USER_UPDATED, actor=user.id, subject=user.id, details=fields)
            )
            uow.commit(changed)
        return changed

    def deactivate(
        self, context: RequestContext, principal: Principal, *, expected_version: int | None
    ) -> datetime:
        """Closes the account at once, ends its sessions and asks for its erasure.

        Returns:
            When the erasure is due.

        Raises:
            LastAdministrator
            VersionMismatch: the account has another version than expected.
            Unauthenticated: the session was ended at the same moment, perhaps by the same request.
        """
        user = principal.user
        now = self.clock.now()
        with self.storage.write(context) as uow:
            # Waits for a login in progress, whose session would outlive the account.
            uow.credentials.password_hash(user.id)
            # Locked by a statement of its own: what the next one reads, the roles too, is the last.
            uow.users.locked(user.id)
            closed = uow.users.update(
                user.id,
                {"status": UserStatus.DEACTIVATED},
                expected_version=expected_version,
                now=now,
            )
            if closed is None:
                raise VersionMismatch
            ended = uow.sessions.revoke_all(user.id, reason=RevokeReason.DEACTIVATED, now=now)
            if principal.session_id not in ended:
                raise Unauthenticated
            if ADMIN_ROLE in closed.roles and not uow.access.keeps_an_administrator():
                raise LastAdministrator
            due_at = uow.erasures.request(
                user.id, now=now, due_at=now + self.settings.erasure_grace
            )
            uow.record(Event(type=EventType.USER_DEACTIVATED, actor=user.id, subject=user.id))
            uow.record(Event(type=EventType.ERASURE_REQUESTED, actor=user.id, subject=user.id))
            uow.outbox.enqueue_mail(MailTemplate.ACCOUNT_DEACTIVATED, user_id=user.id)
            uow.commit(due_at)
        return due_at


def _verified_user(
    user_id: UUID, registration: PendingRegistration, username: str | None, now: datetime
) -> NewUser:
    return NewUser(
        id=user_id,
        email=registration.email,
        email_normalised=registration.email_normalised,
        email_verified=True,
        username=username,
        profile=registration.profile,
        status=UserStatus.ACTIVE,
        created_at=now,
    )
