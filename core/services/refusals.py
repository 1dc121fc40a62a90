"""Refusals that are remembered, so that a flood of guesses does not reach the database."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from core.domain.addresses import EmailAddress
from core.domain.requests import RequestContext
from core.domain.user import User
from core.errors import TooManyRequests
from core.ports.runtime import Cache
from core.ports.security import Pseudonyms
from core.ports.session_stores import Exceeded

PAIR = "account-and-address"
"""The policy of the one bucket whose refusals may be remembered."""

LONGEST = 60
"""Seconds until the database is asked again. A success in another process forgives there."""

ASKED_FIRST = 5
"""Refusals by the database in LONGEST until one is remembered: no flood yet, and a person whose new
password has forgiven the pair through another process gets in at once."""

_FORGIVEN = b""


@dataclass(frozen=True)
class Refusal:
    """A bucket that is over its limit until `ends`; `window` in seconds."""

    ends: datetime
    limit: int
    window: int
    policy: str

    @classmethod
    def of(cls, exceeded: Exceeded) -> Refusal:
        bucket = exceeded.bucket
        return cls(exceeded.ends, bucket.limit, bucket.window, bucket.policy)

    def error(self, *, now: datetime) -> TooManyRequests:
        """What the caller is told: when to come back, and which limit it was."""
        seconds = math.ceil((self.ends - now).total_seconds())
        return TooManyRequests(
            retry_after=min(max(1, seconds), self.window),
            limit=self.limit,
            window=self.window,
            policy=self.policy,
        )


@dataclass(frozen=True)
class _Kept:
    """A refusal, and how often the database has said so."""

    times: int
    refusal: Refusal

    def encoded(self) -> bytes:
        told = self.refusal
        milliseconds = round(told.ends.timestamp() * 1000)
        return f"{self.times} {milliseconds} {told.limit} {told.window} {told.policy}".encode()

    @classmethod
    def decoded(cls, value: bytes) -> _Kept | None:
        """None for what another version wrote, and for what was forgiven."""
        try:
            times, ends, limit, window, policy = value.decode("ascii").split(" ")
            moment = datetime.fromtimestamp(0, UTC) + timedelta(milliseconds=int(ends))
            return cls(int(times), Refusal(moment, int(limit), int(window), policy))
        except (ValueError, OverflowError):
            return None


def typed(name: str) -> str:
    """What was named, told apart from the id of an account: anybody may type one."""
    return f"typed:{name}"


@dataclass(frozen=True, kw_only=True)
class Refusals:
    """Which guesses were refused a moment ago, by what was typed and from where.

    Only the pair of account and address is remembered (decision 0014), never longer than its window
    lasts in the database. What is lost is found there again.
    """

    pseudonyms: Pseudonyms
    cache: Cache

    def find(self, typed: str, context: RequestContext, *, now: datetime) -> TooManyRequests | None:
        """The error that guesses at `typed` from this address get without being counted.

        `typed` is what the caller named, before anything was looked up: whether there is such an
        account makes no difference.
        """
        kept = self._kept(self._key(typed, context))
        if kept is None or kept.times < ASKED_FIRST or now >= kept.refusal.ends:
            return None
        return kept.refusal.error(now=now)

    def keep(
        self, typed: str, context: RequestContext, exceeded: Exceeded, *, now: datetime
    ) -> None:
        """Remembers it if it is this address's own doing, and not the first one.

        What strangers did together is asked of the database each time: it knows the addresses that
        they cannot close to the owner, and a password reset adds one at once.
        """
        told = Refusal.of(exceeded)
        if told.policy == PAIR:
            key = self._key(typed, context)
            before = self._kept(key)
            kept = _Kept(1 + (before.times if before else 0), told)
            seconds = min(told.error(now=now).retry_after, LONGEST)
            self.cache.put(key, kept.encoded(), seconds=seconds)

    def drop(self, typed: str, context: RequestContext) -> None:
        """Right after all. Concurrent tries may have been refused meanwhile."""
        key = self._key(typed, context)
        if self.cache.get(key):
            self.cache.put(key, _FORGIVEN, seconds=1)

    def drop_all(self, user: User, context: RequestContext) -> None:
        """The same for each name that may have been typed, or stood in the token."""
        self.drop(typed(EmailAddress.parse(user.email).normalised), context)
        if user.username is not None:
            self.drop(typed(user.username.lower()), context)
        self.drop(str(user.id), context)

    def _kept(self, key: str) -> _Kept | None:
        value = self.cache.get(key)
        return _Kept.decoded(value) if value else None

    def _key(self, typed: str, context: RequestContext) -> str:
        digest = self.pseudonyms.of("refused", typed, context.address_bucket or "unknown")
        return f"refused:{digest.hex()}"
