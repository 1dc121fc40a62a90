"""Which counters a request is charged to, before anything expensive or telling happens, and what a
guess at a password has come to."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

from core.config import Settings
from core.domain.events import Event
from core.domain.requests import RequestContext
from core.errors import StorageUnavailable, TooManyRequests
from core.ports.runtime import Clock
from core.ports.security import Pseudonyms
from core.ports.session_stores import Bucket, Busy, Exceeded
from core.ports.storage import Storage, UnitOfWork
from core.services.refusals import PAIR, Refusal, Refusals
from core.services.turns import Turns

FAILURE_WINDOW = 15 * 60
ACCOUNT_WINDOW = 60 * 60
MAIL_WINDOW = 60 * 60
DENIAL_WINDOW = 60 * 60

DENIALS = 10
"""Events of one kind of refusal that a caller can leave in the trail in a window."""

STRANGERS_AT_ONCE = 2
"""Guesses at one account at work in a process, from addresses that never logged in to it."""

OWNERS_AT_ONCE = 32
"""Guesses at one account at work everywhere, from one address that has logged in to it: programs of
the owner may well log in many times at once."""

LOST_AFTER = 25
"""Seconds behind its request's deadline until a guess is at work no more, although nobody has told
its end: statements that were under way then have ended, and hosts' clocks differ by less."""

_MOST_UNTOLD = 4096


@dataclass(frozen=True)
class Failure:
    """What is written down of a guess that is known to be wrong, and who made it."""

    context: RequestContext
    event: Event


@dataclass
class Guess:
    """A guess at a password at work: counted in `buckets` as such, until `until`.

    `failure` is set as soon as it is known to be wrong, whatever else its request still waits for;
    `told` once a transaction has written what it came to.
    """

    buckets: tuple[Bucket, ...]
    until: datetime
    failure: Failure | None = None
    told: bool = False


@dataclass(frozen=True, kw_only=True)
class Throttling:
    """Names and sizes of the buckets; keys are pseudonyms, so that the table tells nobody's
    address."""

    settings: Settings
    pseudonyms: Pseudonyms
    refusals: Refusals
    turns: Turns
    untold: deque[Guess] = field(default_factory=lambda: deque(maxlen=_MOST_UNTOLD), compare=False)
    """Guesses whose end could not be written when it came; those that give way run out."""

    def address_key(self, context: RequestContext) -> bytes:
        return self.pseudonyms.of("address", context.address_bucket or "unknown")

    def guesses(
        self, account: str, context: RequestContext, *, known_address: bool
    ) -> tuple[Bucket, ...]:
        """Guessing the password of `account`, a name of `typed`.

        One bucket for the pair of account and address. Addresses from which nobody has logged in to
        this account share one more, so that many addresses gain nothing, and the owner's own
        address is never locked by it.
        """
        here = Bucket(
            key=self.pseudonyms.of("guesses", account, context.address_bucket or "unknown"),
            limit=self.settings.limit_failures_per_address,
            window=FAILURE_WINDOW,
            policy=PAIR,
            at_once=OWNERS_AT_ONCE if known_address else None,
        )
        return (here,) if known_address else (here, self.strangers(account))

    def admit(
        self, uow: UnitOfWork, buckets: tuple[Bucket, ...], *, now: datetime
    ) -> Guess | Exceeded:
        """Counts a guess as at work, before its password is hashed: concurrent ones count too.

        Raises:
            TooManyRequests: there are many at once, for a moment; nothing may be committed.
        """
        until = now + timedelta(seconds=self.settings.request_timeout + LOST_AFTER)
        refused = uow.throttles.admit(buckets, now=now, until=until)
        if isinstance(refused, Busy):
            raise at_once(refused.bucket.at_once or refused.bucket.limit)
        return refused or Guess(buckets, until)

    @contextmanager
    def under_way(self, storage: Storage, clock: Clock, guess: Guess) -> Iterator[None]:
        """For the work of a guess. What ends it before it was told says nothing of the password: it
        is at work no more, and has failed only where it was known to be wrong. Else who times their
        requests so that they end behind the comparison would guess without end."""
        try:
            yield
        except GeneratorExit:
            # Perhaps in an event loop, which may not wait for a statement: the next guess will.
            if not guess.told:
                self.untold.append(guess)
            raise
        except Exception:
            if not guess.told:
                self.untold.append(guess)
                with suppress(StorageUnavailable):
                    self.tell(storage, clock)
            raise

    def tell(self, storage: Storage, clock: Clock) -> None:
        """Ends the guesses whose end nobody has told. Raises StorageUnavailable, and then they are
        left for the next time."""
        guesses = list[Guess]()
        with suppress(IndexError):
            while True:
                guesses.append(self.untold.popleft())
        now = clock.now()
        left = [guess for guess in guesses if guess.failure or guess.until > now]
        try:
            for guess in [guess for guess in left if guess.failure]:
                self._fail(storage, guess, now)
                left.remove(guess)
            if left:
                with storage.read() as stores:
                    buckets = [bucket for guess in left for bucket in guess.buckets]
                    stores.throttles.release(buckets, now=now)
        except StorageUnavailable:
            self.untold.extend(left)
            raise

    def _fail(self, storage: Storage, guess: Guess, now: datetime) -> None:
        if guess.failure:
            with storage.write(guess.failure.context) as uow:
                uow.record(guess.failure.event)
                uow.throttles.fail(guess.buckets, now=now)
                uow.commit()

    def strangers(self, account: str) -> Bucket:
        """What all addresses together may guess that the owner never used."""
        return Bucket(
            key=self.pseudonyms.of("guesses of strangers", account),
            limit=self.settings.limit_failures_per_account,
            window=ACCOUNT_WINDOW,
            policy="account",
        )

    def mails(self, purpose: str, email_normalised: str) -> Bucket:
        """Mails to one address, so that nobody is flooded through us."""
        return Bucket(
            key=self.pseudonyms.of("mails", purpose, email_normalised),
            limit=self.settings.limit_mails_per_address,
            window=MAIL_WINDOW,
            policy="mails",
        )

    def denials(self, caller: UUID, problem: str, permission: str) -> Bucket:
        """Refusals of one kind that are written down; with a count for each kind, nobody hides one
        behind many of another."""
        return Bucket(
            key=self.pseudonyms.of("denials", str(caller), problem, permission),
            limit=DENIALS,
            window=DENIAL_WINDOW,
            policy="denials",
        )


def at_once(limit: int) -> TooManyRequests:
    """The error for one guess too many at the same moment."""
    return TooManyRequests(retry_after=1, limit=limit, window=1, policy="at-once")


def refusal(exceeded: Exceeded, *, now: datetime) -> TooManyRequests:
    """The error for a bucket that is over its limit."""
    return Refusal.of(exceeded).error(now=now)


def charge_mail(
    uow: UnitOfWork, throttling: Throttling, purpose: str, email_normalised: str, *, now: datetime
) -> None:
    """Counts a mail that an administrator has sent. Raises TooManyRequests."""
    exceeded = uow.throttles.charge([throttling.mails(purpose, email_normalised)], now=now)
    if exceeded:
        raise refusal(exceeded, now=now)
