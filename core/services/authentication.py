"""Logging in, and knowing who asks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from uuid import UUID

from core.config import Settings
from core.domain.access import Principal
from core.domain.addresses import EmailAddress
from core.domain.credentials import PASSWORD_MAX_LENGTH, normalise_password
from core.domain.events import Event, EventType
from core.domain.requests import RequestContext
from core.domain.session import RevokeReason, Session, SessionPolicy, Tokens
from core.domain.user import UserStatus
from core.errors import (
    EmailNotVerified,
    InvalidCredentials,
    InvalidInput,
    TooManyRequests,
    Unauthenticated,
)
from core.ports.account_stores import LoginCandidate
from core.ports.runtime import Clock, Ids, Metrics
from core.ports.security import AccessClaims, AccessTokens, PasswordHasher
from core.ports.session_stores import Exceeded
from core.ports.storage import Storage, UnitOfWork
from core.services.refusals import typed
from core.services.sign_up_passwords import SignUpPasswords
from core.services.stepwise import Steps, computed, stepwise
from core.services.throttling import Failure, Guess, Throttling, at_once, refusal
from core.services.tokens import TokenIssuer


@dataclass(frozen=True, kw_only=True)
class Authentication:
    settings: Settings
    storage: Storage
    hasher: PasswordHasher
    access_tokens: AccessTokens
    issuer: TokenIssuer
    throttling: Throttling
    sign_up_passwords: SignUpPasswords
    policy: SessionPolicy
    metrics: Metrics
    clock: Clock
    ids: Ids

    def authenticate(self, access_token: str) -> Principal:
        """Whose token it is. Raises Unauthenticated."""
        return self.principal(self.claims(access_token))

    def claims(self, access_token: str, *, may_read: bool = True) -> AccessClaims:
        """Verifies the token, without a statement unless keys have to be read.

        Raises:
            Unauthenticated
            KeysUnread: they have to be read, without `may_read`.
        """
        return self.access_tokens.verify(access_token, may_read=may_read)

    def principal(self, claims: AccessClaims) -> Principal:
        """Reads session, user, permissions and recovery epoch in one statement.

        Raises:
            Unauthenticated: the session or the user is not there any more.
        """
        with self.storage.read() as stores:
            principal = stores.principals.principal(
                claims.session_id,
                user_id=claims.subject,
                epoch=claims.epoch,
                issued_at=claims.issued_at,
                now=self.clock.now(),
            )
        if principal is None:
            raise Unauthenticated(genuine=True)
        return principal

    @stepwise
    def login(self, context: RequestContext, *, identifier: str, password: str) -> Steps[Tokens]:
        """Password login by email or username: admitted, checked, finished. Only what is known to
        be wrong counts as a failure.

        Two commits: neither a connection nor a thread is held while the hash is computed.

        Raises:
            InvalidCredentials: unknown, wrong, suspended: not told apart, and equally slow.
            EmailNotVerified: only after the right password, be it of an unverified user or of a
                sign-up, whatever other sign-ups or accounts the address has had since.
            TooManyRequests, Overloaded
        """
        email, username = _identify(identifier)
        name = email or username or ""
        self._refuse_again(context, typed(name))
        candidate, guess = self._admit(context, email=email, username=username)
        with self.throttling.under_way(self.storage, self.clock, guess):
            with self.throttling.turns.taking() as take:
                self._take_turn(take, guess)
                known, new_hash = yield from self._check(context, candidate, name, password, guess)
            try:
                tokens = self._open_session(context, known, guess, new_hash)
            except InvalidCredentials:
                raise self._refused(context, known, guess) from None
        self.throttling.refusals.drop(typed(name), context)
        return tokens

    def _check(
        self,
        context: RequestContext,
        candidate: LoginCandidate | None,
        name: str,
        password: str,
        guess: Guess,
    ) -> Steps[tuple[LoginCandidate, str | None]]:
        """The candidate whose password it is, and the hash that has to replace an old one."""
        # What is longer than any password could be is cut: it cannot match, at the same cost.
        secret = normalise_password(password)[: PASSWORD_MAX_LENGTH + 1]
        known = candidate is not None and candidate.known_address
        stored = candidate.password_hash if candidate else None
        check = yield from computed(self.hasher.verify(stored, secret), known=known)
        if candidate is None or not check.matches or candidate.status is not UserStatus.ACTIVE:
            # Each refusal costs this second hash, or its time would tell who has signed up.
            guess.failure = Failure(context, _failed(candidate, "refused"))
            as_sign_up = self.hasher.hash(secret, salt=self.sign_up_passwords.salt(name))
            sign_up_hash = yield from computed(as_sign_up, known=known)
            digest = self.sign_up_passwords.digest(name, sign_up_hash)
            raise self._refused(context, candidate, guess, sign_up=digest)
        if not candidate.email_verified:
            raise self._refused(context, candidate, guess, unverified=True)
        if not check.rehash:
            return candidate, None
        return candidate, (yield from computed(self.hasher.hash(secret), known=known))

    def _refuse_again(self, context: RequestContext, typed_name: str) -> None:
        """Before any statement, as long as the last refusal holds."""
        refused = self.throttling.refusals.find(typed_name, context, now=self.clock.now())
        if refused:
            self.metrics.event(EventType.LOGIN_THROTTLED)
            raise refused

    def _admit(
        self, context: RequestContext, *, email: str | None, username: str | None
    ) -> tuple[LoginCandidate | None, Guess]:
        typed_name = typed(email or username or "")
        self.throttling.tell(self.storage, self.clock)
        now = self.clock.now()
        with self.storage.write(context) as uow:
            candidate = uow.credentials.login_candidate(
                email=email,
                username=username,
                address_key=self.throttling.address_key(context),
                one_time_before=now - self.settings.one_time_password_lifetime,
            )
            account = typed(candidate.email_normalised) if candidate else typed_name
            buckets = self.throttling.guesses(
                account, context, known_address=candidate is not None and candidate.known_address
            )
            try:
                admitted = self.throttling.admit(uow, buckets, now=now)
            except TooManyRequests:
                self.metrics.event(EventType.LOGIN_THROTTLED)
                raise
            if isinstance(admitted, Exceeded) and admitted.first:
                subject = candidate.id if candidate else None
                policy: dict[str, object] = {"policy": admitted.bucket.policy}
                uow.record(
                    Event(
                        type=EventType.LOGIN_THROTTLED, actor=None, subject=subject, details=policy
                    )
                )
            uow.commit()
        if isinstance(admitted, Exceeded):
            if not admitted.first:
                self.metrics.event(EventType.LOGIN_THROTTLED)
            self.throttling.refusals.keep(typed_name, context, admitted, now=now)
            raise refusal(admitted, now=now)
        return candidate, admitted

    def _take_turn(self, take: Callable[[bytes], bool], guess: Guess) -> None:
        """Few strangers at one account hash at once: a burst would keep every thread from the
        owner."""
        if len(guess.buckets) > 1 and not take(guess.buckets[1].key):
            self.metrics.event(EventType.LOGIN_THROTTLED)
            raise at_once(self.throttling.turns.at_once)

    def _refused(
        self,
        context: RequestContext,
        candidate: LoginCandidate | None,
        guess: Guess,
        *,
        unverified: bool = False,
        sign_up: bytes | None = None,
    ) -> EmailNotVerified | InvalidCredentials:
        """What to raise for a guess that has failed, which is written down and counted.

        Args:
            unverified: the password was that of a user whose address is not verified.
            sign_up: the digest of what was typed, which may be the password of a sign-up.
        """
        with self.storage.write(context) as uow:
            if sign_up is not None:
                unverified = uow.registrations.knows_password(sign_up, now=self.clock.now())
            uow.record(_failed(candidate, "unverified" if unverified else "refused"))
            # Last, as strangers share a row.
            uow.throttles.fail(guess.buckets, now=self.clock.now())
            uow.commit()
        guess.told = True
        return EmailNotVerified() if unverified else InvalidCredentials()

    def _open_session(
        self,
        context: RequestContext,
        candidate: LoginCandidate,
        guess: Guess,
        new_hash: str | None,
    ) -> Tokens:
        """Raises InvalidCredentials when the password, or the status, changed meanwhile."""
        self.issuer.access_tokens.prepare()
        now = self.clock.now()
        user_id = candidate.id
        with self.storage.write(context) as uow:
            if uow.credentials.password_changed_at(user_id) != candidate.password_changed_at:
                raise InvalidCredentials
            if new_hash and candidate.password_hash:
                uow.credentials.replace_password(
                    user_id, old_hash=candidate.password_hash, new_hash=new_hash
                )
            session = Session(
                id=self.ids.new(),
                user_id=user_id,
                client_id=self.settings.client_id,
                user_agent=context.user_agent,
                address=context.address,
                amr=("pwd",),
                epoch=uow.principals.current_epoch(),
                generation=0,
                rotated_at=None,
                authenticated_at=now,
                created_at=now,
                last_used_at=now,
                expires_at=self.policy.expiry(now, now),
                absolute_expires_at=now + self.policy.absolute,
                revoked_at=None,
            )
            self._note_surplus(uow, user_id, uow.sessions.insert(session))
            uow.users.record_login(user_id, now=now)
            uow.credentials.remember_address(user_id, self.throttling.address_key(context), now=now)
            # This address's failures are forgiven. Strangers go on being counted together, without
            # this login: one more or less of them would tell that there is an account.
            uow.throttles.release(guess.buckets, cleared=guess.buckets[:1], now=now)
            tokens = self.issuer.tokens(uow, session, now=now)
            if tokens is None:
                raise InvalidCredentials
            details: dict[str, object] = {"session_id": str(session.id)}
            uow.record(
                Event(
                    type=EventType.LOGIN_SUCCEEDED, actor=user_id, subject=user_id, details=details
                )
            )
            uow.commit()
        guess.told = True
        return tokens

    def _note_surplus(self, uow: UnitOfWork, user_id: UUID, ended: Sequence[UUID]) -> None:
        if ended:
            details: dict[str, object] = {
                "session_ids": [str(session_id) for session_id in ended],
                "reason": RevokeReason.SURPLUS.value,
            }
            uow.record(
                Event(
                    type=EventType.SESSION_REVOKED, actor=user_id, subject=user_id, details=details
                )
            )


def _failed(candidate: LoginCandidate | None, reason: str) -> Event:
    subject = candidate.id if candidate else None
    details: dict[str, object] = {"reason": reason}
    return Event(type=EventType.LOGIN_FAILED, actor=None, subject=subject, details=details)


def _identify(identifier: str) -> tuple[str | None, str | None]:
    """Either a normalised email or a lower-case username; what is neither matches nobody, at the
    same cost."""
    if "@" not in identifier:
        return None, identifier.lower()
    try:
        return EmailAddress.parse(identifier).normalised, None
    except InvalidInput:
        return None, identifier.lower()
