"""Proving an address with a code from a mail: of an account, or of a sign-up that becomes one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from core.config import Settings
from core.domain.codes import CodePurpose, OneTimeCode, PendingRegistration
from core.domain.credentials import PASSWORD_MAX_LENGTH, check_new_password, normalise_password
from core.domain.events import Event, EventType
from core.domain.requests import RequestContext
from core.domain.user import NewUser, UserStatus
from core.errors import EmailTaken, InvalidCode, InvalidInput, UsernameTaken
from core.ports.runtime import Clock, Ids
from core.ports.security import CodeSecrets, PasswordHasher
from core.ports.storage import Storage, UnitOfWork
from core.services.sign_up_passwords import SignUpPasswords
from core.services.stepwise import Steps, computed, stepwise
from core.services.throttling import Throttling

_PROVES = frozenset({CodePurpose.VERIFY_EMAIL})


@dataclass(frozen=True, kw_only=True)
class _Opening:
    """The account that a proven address gets. `sign_up_id` is the sign-up that lets it; the rest
    is of that sign-up only where its password was typed."""

    sign_up_id: UUID
    email: str
    email_normalised: str
    username: str | None
    profile: Mapping[str, object]
    password_hash: str
    password_digest: bytes


@dataclass(frozen=True, kw_only=True)
class Verification:
    """A code proves the address and never a password: a stranger may have signed up with it."""

    settings: Settings
    storage: Storage
    hasher: PasswordHasher
    passwords: SignUpPasswords
    codes: CodeSecrets
    throttling: Throttling
    clock: Clock
    ids: Ids

    @stepwise
    def verify_email(
        self,
        context: RequestContext,
        *,
        code: str,
        password: str | None = None,
        new_password: str | None = None,
    ) -> Steps[UUID]:
        """Confirms the address of an account, or opens one for an address that signed up.

        An account is opened with the password of one of its sign-ups, typed again, which has that
        sign-up's name and profile; or with a new password, and then has nothing that was typed at
        any sign-up, as strangers may have typed it. All sign-ups of the address end.

        Returns:
            The id of the user.

        Raises:
            InvalidCode
            InvalidInput: a password is missing, wrong or refused; the code stays good.
        """
        digest = self.codes.digest(code)
        proof, sign_up = self._proof(context, digest)
        if sign_up is None:
            for pointer, sent in (("/password", password), ("/new_password", new_password)):
                if sent is not None:
                    raise InvalidInput.at(pointer, "must not be sent with the code of an account")
            return self._confirm(context, digest, proof)
        if new_password is None:
            if password is None:
                raise InvalidInput.at("/password", "is required, or a new_password, to sign up")
            opening = yield from self._signed_up(proof, sign_up, password)
        elif password is None:
            opening = yield from self._newly_chosen(proof, sign_up, new_password)
        else:
            raise InvalidInput.at("/new_password", "must not be sent together with a password")
        return self._open(context, digest, opening)

    def _proof(
        self, context: RequestContext, digest: bytes
    ) -> tuple[OneTimeCode, PendingRegistration | None]:
        """The code, and the sign-up that it is for: of a link that was sent again, the newest of
        the address. Before hashing, as a code out of thin air must cost next to nothing."""
        now = self.clock.now()
        with self.storage.read() as stores:
            code = stores.codes.good(digest, _PROVES, now=now)
            if code is not None and code.user_id is not None:
                return code, None
            sign_up = None
            if code is not None and code.registration_id is not None:
                sign_up = stores.registrations.by_id(code.registration_id)
            elif code is not None:
                sign_up = stores.registrations.newest(code.email_normalised, now=now)
        if code is None or sign_up is None or sign_up.expires_at <= now:
            with self.storage.write(context):
                # An answer that was kept under an idempotency key outlives its code.
                raise InvalidCode
        return code, sign_up

    def _signed_up(
        self, code: OneTimeCode, sign_up: PendingRegistration, password: str
    ) -> Steps[_Opening]:
        # What is longer than any password could be is cut: it cannot match.
        typed = normalise_password(password)[: PASSWORD_MAX_LENGTH + 1]
        typed_hash = yield from self._hashed(code.email_normalised, typed)
        found = sign_up if sign_up.password_hash == typed_hash else None
        if found is None:
            with self.storage.read() as stores:
                found = stores.registrations.with_password(
                    code.email_normalised, typed_hash, now=self.clock.now()
                )
        if found is None:
            # Its hash may have a salt of its own: from a release before this one, or from under
            # another SECRET_KEY.
            check = yield from computed(self.hasher.verify(sign_up.password_hash, typed))
            if not check.matches:
                raise InvalidInput.at("/password", "is not that of a sign-up with this address")
            found = sign_up
        return _Opening(
            sign_up_id=found.id,
            email=found.email,
            email_normalised=found.email_normalised,
            username=found.username,
            profile=found.profile,
            password_hash=found.password_hash,
            password_digest=self.passwords.digest(found.email_normalised, typed_hash),
        )

    def _newly_chosen(
        self, code: OneTimeCode, sign_up: PendingRegistration, password: str
    ) -> Steps[_Opening]:
        address = code.email_normalised
        minimum = self.settings.password_min_length
        chosen = check_new_password(
            password, min_length=minimum, personal=(address,), pointer="/new_password"
        )
        password_hash = yield from self._hashed(address, chosen)
        return _Opening(
            sign_up_id=sign_up.id,
            email=address,
            email_normalised=address,
            username=None,
            profile={},
            password_hash=password_hash,
            password_digest=self.passwords.digest(address, password_hash),
        )

    def _hashed(self, email_normalised: str, password: str) -> Steps[str]:
        salt = self.passwords.salt(email_normalised)
        return (yield from computed(self.hasher.hash(password, salt=salt)))

    def _open(self, context: RequestContext, digest: bytes, opening: _Opening) -> UUID:
        now = self.clock.now()
        user_id = self.ids.new()
        with self.storage.write(context) as uow:
            redeemed = uow.codes.redeem(digest, _PROVES, now=now)
            # Not locked: of two links for one address that are followed at once, each would hold a
            # sign-up and wait for the other's. The address is unique, and that decides.
            sign_up = uow.registrations.by_id(opening.sign_up_id)
            if redeemed is None or sign_up is None or sign_up.expires_at <= now:
                raise InvalidCode
            _insert(uow, opening, user_id, now)
            uow.credentials.set_password(user_id, opening.password_hash, now=now)
            # Who reads the mailbox is the owner, who may go on from here whatever strangers
            # guessed before.
            uow.credentials.remember_address(user_id, self.throttling.address_key(context), now=now)
            uow.registrations.discard(opening.email_normalised)
            # It is a user's now. Those of others are told as before, or they would know of this.
            uow.registrations.forget_password(opening.password_digest)
            uow.record(Event(type=EventType.USER_CREATED, actor=user_id, subject=user_id))
            uow.record(Event(type=EventType.EMAIL_VERIFIED, actor=user_id, subject=user_id))
            uow.commit(user_id)
        return user_id

    def _confirm(self, context: RequestContext, digest: bytes, proof: OneTimeCode) -> UUID:
        now = self.clock.now()
        with self.storage.write(context) as uow:
            if proof.user_id is not None:
                # The user before the code, as administrators do; else the two could deadlock.
                uow.users.locked(proof.user_id)
            code = uow.codes.redeem(digest, _PROVES, now=now)
            if (
                code is None
                or code.user_id is None
                or not uow.users.mark_email_verified(
                    code.user_id, email_normalised=code.email_normalised, now=now
                )
            ):
                raise InvalidCode
            uow.record(
                Event(type=EventType.EMAIL_VERIFIED, actor=code.user_id, subject=code.user_id)
            )
            uow.commit(code.user_id)
        return code.user_id


def _insert(uow: UnitOfWork, opening: _Opening, user_id: UUID, now: datetime) -> None:
    try:
        try:
            uow.users.insert(_verified_user(user_id, opening, opening.username, now))
        except UsernameTaken:
            # Somebody was faster with the name; the account is worth more than the name.
            uow.users.insert(_verified_user(user_id, opening, None, now))
    except EmailTaken:
        raise InvalidCode from None


def _verified_user(
    user_id: UUID, opening: _Opening, username: str | None, now: datetime
) -> NewUser:
    return NewUser(
        id=user_id,
        email=opening.email,
        email_normalised=opening.email_normalised,
        email_verified=True,
        username=username,
        profile=opening.profile,
        status=UserStatus.ACTIVE,
        created_at=now,
    )
