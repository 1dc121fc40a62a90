"""Forgetting, resetting and changing a password."""

from __future__ import annotations

from dataclasses import dataclass, replace

from core.config import Settings
from core.domain.access import Principal
from core.domain.addresses import EmailAddress
from core.domain.codes import CodePurpose, OneTimeCode
from core.domain.credentials import check_new_password, normalise_password
from core.domain.events import Event, EventType
from core.domain.requests import RequestContext
from core.domain.session import RevokeReason
from core.domain.user import User, UserStatus
from core.errors import InvalidCode, InvalidInput
from core.ports.account_stores import LoginCandidate
from core.ports.messaging import MailTemplate
from core.ports.runtime import Clock, Ids, Metrics
from core.ports.security import CodeSecrets, PasswordHasher
from core.ports.session_stores import Exceeded
from core.ports.storage import Storage, UnitOfWork
from core.services.guards import own
from core.services.refusals import typed
from core.services.stepwise import Steps, computed, stepwise
from core.services.throttling import Failure, Guess, Throttling, refusal

# What a user has to be who uses such a code: an invitation is no use to whoever accepted one.
_REPLACES_PASSWORD = {
    CodePurpose.RESET_PASSWORD: UserStatus.ACTIVE,
    CodePurpose.INVITATION: UserStatus.PENDING,
}


@dataclass(frozen=True, kw_only=True)
class Passwords:
    settings: Settings
    storage: Storage
    hasher: PasswordHasher
    codes: CodeSecrets
    throttling: Throttling
    metrics: Metrics
    clock: Clock
    ids: Ids

    def forgot(self, context: RequestContext, *, email: str) -> None:
        """Has a reset mail sent if the address belongs to an active user; the caller learns
        nothing.

        Raises:
            InvalidInput
        """
        address = EmailAddress.parse(email)
        now = self.clock.now()
        code = OneTimeCode(
            id=self.ids.new(),
            purpose=CodePurpose.RESET_PASSWORD,
            email_normalised=address.normalised,
            registration_id=None,
            user_id=None,
            created_at=now,
            expires_at=now + self.settings.reset_lifetime,
        )
        digest = self.codes.digest(self.codes.derive(code.id, code.purpose))
        with self.storage.write(context) as uow:
            mails = self.throttling.mails("reset", address.normalised)
            if uow.throttles.charge([mails], now=now) is None:
                uow.codes.insert(code, digest=digest)
                uow.outbox.enqueue_mail(MailTemplate.RESET_PASSWORD, code_id=code.id)
                uow.record(Event(type=EventType.PASSWORD_RESET_REQUESTED, actor=None, subject=None))
            else:
                # No event: anybody could fill the trail with them.
                self.metrics.mail_throttled("reset")
            uow.commit()

    @stepwise
    def reset(self, context: RequestContext, *, code: str, password: str) -> Steps[None]:
        """Sets a new password with a code from a mail, which also proves the address, and ends
        every session. With the code of an invitation, the user becomes active.

        Raises:
            InvalidCode
            InvalidInput: the password was refused; the code stays good for another try.
        """
        minimum = self.settings.password_min_length
        password = check_new_password(password, min_length=minimum, personal=())
        digest = self.codes.digest(code)
        self._refuse_unknown(context, digest)
        password_hash = yield from computed(self.hasher.hash(password))
        now = self.clock.now()
        with self.storage.write(context) as uow:
            holder = uow.codes.holder(digest, _REPLACES_PASSWORD)
            if holder is not None:
                # Locked first, as a change does: two links at once would lock each other's code,
                # and an administrator who suspends the user has that row before the codes.
                uow.credentials.password_hash(holder)
                uow.users.locked(holder)
            redeemed = uow.codes.redeem(digest, _REPLACES_PASSWORD, now=now)
            user = uow.users.by_id(redeemed.user_id) if redeemed and redeemed.user_id else None
            if user is None or redeemed is None or not _may_reset(user, redeemed):
                raise InvalidCode
            check_new_password(password, min_length=minimum, personal=(user.email, user.username))
            uow.users.mark_email_verified(
                user.id, email_normalised=redeemed.email_normalised, now=now
            )
            if user.status is UserStatus.PENDING:
                uow.users.update(
                    user.id, {"status": UserStatus.ACTIVE}, expected_version=None, now=now
                )
            self._replace(uow, user, password_hash, RevokeReason.PASSWORD_RESET)
            # Who reads the mailbox is the owner, who may go on from here whatever was guessed, and
            # from here alone: a thief's address was known too. To forgive the strangers would tell
            # them that there is an account.
            uow.credentials.forget_addresses(user.id)
            uow.credentials.remember_address(user.id, self.throttling.address_key(context), now=now)
            account = typed(EmailAddress.parse(user.email).normalised)
            here, *_ = self.throttling.guesses(account, context, known_address=True)
            uow.throttles.forgive(here, now=now)
            details: dict[str, object] = {"purpose": redeemed.purpose}
            uow.record(
                Event(
                    type=EventType.PASSWORD_RESET, actor=user.id, subject=user.id, details=details
                )
            )
            uow.commit()
        self.throttling.refusals.drop_all(user, context)

    def _refuse_unknown(self, context: RequestContext, digest: bytes) -> None:
        """Before hashing: a code out of thin air must cost less than a guess at a password."""
        with self.storage.read() as stores:
            if stores.codes.holder(digest, _REPLACES_PASSWORD) is not None:
                return
        with self.storage.write(context):
            # An answer that was kept under an idempotency key outlives its code.
            raise InvalidCode

    @stepwise
    def change(
        self, context: RequestContext, principal: Principal, *, current: str, new: str
    ) -> Steps[None]:
        """Changes one's own password and ends every session, this one included.

        Raises:
            InvalidInput: at /current_password when wrong, at /new_password when refused.
            Unauthenticated: the session ended, or the account was closed, meanwhile.
            TooManyRequests
        """
        user = principal.user
        new = check_new_password(
            new,
            min_length=self.settings.password_min_length,
            personal=(user.email, user.username),
            pointer="/new_password",
        )
        refused = self.throttling.refusals.find(str(user.id), context, now=self.clock.now())
        if refused:
            raise refused
        candidate, guess = self._admit(context, user)
        stored = candidate.password_hash if candidate else None
        known = candidate is not None and candidate.known_address
        secret = normalise_password(current)
        with self.throttling.under_way(self.storage, self.clock, guess):
            check = yield from computed(self.hasher.verify(stored, secret), known=known)
            if candidate is None or not check.matches:
                guess.failure = Failure(context, _change_failed(user, "wrong"))
                raise self._failure(context, user, guess)
            if new == secret:
                # It tells who holds a stolen token that the password is right.
                self._record(context, _change_failed(user, "same"))
                raise InvalidInput.at("/new_password", "must differ from the current one")
            password_hash = yield from computed(self.hasher.hash(new), known=known)
            if not self._finish(context, principal, candidate, password_hash, guess):
                raise self._failure(context, user, guess)
        self.throttling.refusals.drop_all(user, context)

    def _finish(
        self,
        context: RequestContext,
        principal: Principal,
        candidate: LoginCandidate,
        password_hash: str,
        guess: Guess,
    ) -> bool:
        """False when another password was set meanwhile."""
        user = principal.user
        with own(self.storage, context, principal) as (uow, _):
            if uow.credentials.password_changed_at(user.id) != candidate.password_changed_at:
                return False
            self._replace(uow, user, password_hash, RevokeReason.PASSWORD_CHANGED)
            # As after a login.
            uow.throttles.release(guess.buckets, cleared=guess.buckets[:1], now=self.clock.now())
            uow.record(Event(type=EventType.PASSWORD_CHANGED, actor=user.id, subject=user.id))
            uow.commit()
        guess.told = True
        return True

    def _admit(self, context: RequestContext, user: User) -> tuple[LoginCandidate | None, Guess]:
        """The account, and the guess at it, as at a login: a stolen token must not give more
        guesses than no token."""
        self.throttling.tell(self.storage, self.clock)
        now = self.clock.now()
        email = EmailAddress.parse(user.email).normalised
        with self.storage.write(context) as uow:
            candidate = uow.credentials.login_candidate(
                email=email,
                username=None,
                address_key=self.throttling.address_key(context),
                one_time_before=now - self.settings.one_time_password_lifetime,
            )
            known_address = candidate is not None and candidate.known_address
            guesses = self.throttling.guesses(typed(email), context, known_address=known_address)
            admitted = self.throttling.admit(uow, guesses, now=now)
            uow.commit()
        if isinstance(admitted, Exceeded):
            self.throttling.refusals.keep(str(user.id), context, admitted, now=now)
            raise refusal(admitted, now=now)
        return candidate, admitted

    def _record(self, context: RequestContext, event: Event) -> None:
        with self.storage.write(replace(context, idempotency=None)) as uow:
            uow.record(event)
            uow.commit()

    def _failure(self, context: RequestContext, user: User, guess: Guess) -> InvalidInput:
        """The error for a wrong password, which is written down and counted."""
        with self.storage.write(context) as uow:
            uow.record(_change_failed(user, "wrong"))
            uow.throttles.fail(guess.buckets, now=self.clock.now())
            uow.commit()
        guess.told = True
        return InvalidInput.at("/current_password", "is wrong")

    def _replace(
        self, uow: UnitOfWork, user: User, password_hash: str, reason: RevokeReason
    ) -> None:
        """First the password, whose row a login in progress has locked, then all sessions, that
        login's too."""
        now = self.clock.now()
        uow.credentials.set_password(user.id, password_hash, now=now)
        uow.sessions.revoke_all(user.id, reason=reason, now=now)
        uow.codes.revoke_for_user(user.id, _REPLACES_PASSWORD, now=now)
        if user.status is UserStatus.ACTIVE:
            uow.outbox.enqueue_mail(MailTemplate.PASSWORD_CHANGED, user_id=user.id)


def _may_reset(user: User, code: OneTimeCode) -> bool:
    same_address = EmailAddress.parse(user.email).normalised == code.email_normalised
    return same_address and user.status is _REPLACES_PASSWORD[code.purpose]


def _change_failed(user: User, reason: str) -> Event:
    details: dict[str, object] = {"reason": reason}
    return Event(
        type=EventType.PASSWORD_CHANGE_FAILED, actor=user.id, subject=user.id, details=details
    )
