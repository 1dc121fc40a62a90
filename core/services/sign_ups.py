"""Signing up, and having the link sent again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from core.config import Settings
from core.domain.addresses import EmailAddress
from core.domain.codes import CodePurpose, OneTimeCode, PendingRegistration
from core.domain.credentials import check_new_password
from core.domain.events import Event, EventType
from core.domain.profile import check_profile
from core.domain.requests import RequestContext
from core.errors import SignUpClosed
from core.ports.messaging import MailTemplate
from core.ports.runtime import Clock, Ids, Metrics
from core.ports.security import CodeSecrets, PasswordHasher
from core.ports.storage import Storage, UnitOfWork
from core.services.sign_up_passwords import SignUpPasswords
from core.services.stepwise import Steps, computed, stepwise
from core.services.throttling import Throttling


@dataclass(frozen=True, kw_only=True)
class SignUps:
    """Until its address is proved a sign-up is nobody's: anybody may sign up with any address."""

    settings: Settings
    storage: Storage
    hasher: PasswordHasher
    passwords: SignUpPasswords
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
        """Keeps a pending sign-up and has a mail sent, unless the address got enough of them.

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
        salt = self.passwords.salt(address.normalised)
        password_hash = yield from computed(self.hasher.hash(password, salt=salt))
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
            exceeded = uow.throttles.charge([mails], now=now)
            # Kept all the same: any link that the mailbox has will do, and a login is told as ever.
            uow.registrations.insert(registration)
            digest = self.passwords.digest(address.normalised, password_hash)
            uow.registrations.keep_password(digest, until=expires_at)
            if exceeded is None:
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
