"""Which counters a request is charged to, before anything expensive or telling happens."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from core.config import Settings
from core.domain.requests import RequestContext
from core.errors import TooManyRequests
from core.ports.security import Pseudonyms
from core.ports.session_stores import Bucket, Exceeded
from core.ports.storage import UnitOfWork
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


@dataclass(frozen=True, kw_only=True)
class Throttling:
    """Names and sizes of the buckets; keys are pseudonyms, so that the table tells nobody's
    address."""

    settings: Settings
    pseudonyms: Pseudonyms
    refusals: Refusals
    turns: Turns

    def address_key(self, context: RequestContext) -> bytes:
        return self.pseudonyms.of("address", context.address_bucket or "unknown")

    def guesses(
        self, account: str, context: RequestContext, *, known_address: bool
    ) -> tuple[Bucket, ...]:
        """Guessing the password of `account` (a user id, or what was typed when there is none).

        One bucket for the pair of account and address. Addresses from which nobody has logged in to
        this account share one more, so that many addresses gain nothing, and the owner's own
        address is never locked by it.
        """
        here = Bucket(
            key=self.pseudonyms.of("guess", account, context.address_bucket or "unknown"),
            limit=self.settings.limit_failures_per_address,
            window=FAILURE_WINDOW,
            policy=PAIR,
        )
        return (here,) if known_address else (here, self.strangers(account))

    def strangers(self, account: str) -> Bucket:
        """What all addresses together may guess that the owner never used."""
        return Bucket(
            key=self.pseudonyms.of("strangers", account),
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
