"""Clock, ids, limits and metrics."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Protocol
from uuid import UUID


class Clock(Protocol):
    def now(self) -> datetime:
        """Aware UTC, with whole milliseconds: what the API shows is what is stored."""
        ...


class Ids(Protocol):
    def new(self) -> UUID:
        """A UUIDv7 (RFC 9562 section 5.7), rising within a process."""
        ...


@dataclass(frozen=True, kw_only=True)
class Quota:
    """Hits of `key` that are let through in a window."""

    key: str
    limit: int


@dataclass(frozen=True, kw_only=True)
class LimitState:
    """Where a limit stands after a hit (draft-ietf-httpapi-ratelimit-headers); `wider` says that
    it is the wider one of two."""

    allowed: bool
    limit: int
    window: int
    remaining: int
    retry_after: int
    wider: bool = False

    @classmethod
    def after(
        cls, hits: int, *, limit: int, window: int, left: float, wider: bool = False
    ) -> LimitState:
        """The state after `hits` in a window that ends in `left` seconds."""
        allowed = hits <= limit
        return cls(
            allowed=allowed,
            limit=limit,
            window=window,
            remaining=max(0, limit - hits),
            retry_after=0 if allowed else max(1, math.ceil(left)),
            wider=wider,
        )

    @classmethod
    def nearest(
        cls,
        counts: Sequence[tuple[int, float]],
        *,
        limit: int,
        window: int,
        wider: Quota | None,
    ) -> LimitState:
        """The state with less left; `counts` are hits and seconds of the narrow one and, if that
        was hit as well, of the wider one."""
        hits, left = counts[0]
        narrow = cls.after(hits, limit=limit, window=window, left=left)
        if wider is None or len(counts) == 1:
            return narrow
        hits, left = counts[1]
        wide = cls.after(hits, limit=wider.limit, window=window, left=left, wider=True)
        return narrow if wide.allowed and narrow.remaining <= wide.remaining else wide


class RateLimiter(Protocol):
    """Limits by client address: an accelerator that may forget, never the truth."""

    def hit(self, key: str, *, limit: int, window: int, wider: Quota | None = None) -> LimitState:
        """Counts one hit of `key` against `limit` in `window` seconds; 0 is no limit.

        One that is let through counts against `wider` as well, which `key` is a part of: what is
        refused does not, so that one part cannot use it up for the others. Returns the state of
        whichever has less left. Never raises, and waits for an accelerator as decision 0013 says,
        once for both.
        """
        ...


class Cache(Protocol):
    """Short-lived answers by key: an accelerator that may forget, never the truth."""

    def get(self, key: str) -> bytes | None:
        """What was put, while it lasts; None when it is gone, or nobody answers.

        While the accelerator fails or comes back, an older value of the key may be answered, as
        long as that one lasts. Never raises, and waits as decision 0013 says.
        """
        ...

    def put(self, key: str, value: bytes, *, seconds: int) -> None:
        """Keeps `value` for at most `seconds`, at least 1; never raises, and waits as decision
        0013 says."""
        ...


class Accelerator(Protocol):
    """The server behind limits and caches, if one is configured."""

    def reachable(self) -> bool | None:
        """Whether it answers now; None when none is configured. Never raises, and waits as
        decision 0013 says."""
        ...

    def close(self) -> None: ...


@dataclass(frozen=True, kw_only=True)
class OutboxState:
    """`pending` messages are due, leased or wait for another try; `lag` is in seconds, since when
    the one longest due waits for a worker; `parked` ones wait for a human."""

    pending: int
    lag: float
    parked: int


class RequestMetrics(Protocol):
    """What the HTTP layers count."""

    def request_started(self) -> None: ...

    def request_finished(self, *, method: str, path: str, status: int, seconds: float) -> None:
        """`path` is the route template, `__unmatched__` when there is none."""
        ...


class SearchMetrics(Protocol):
    """What is counted of searches, and of lists that no index holds."""

    def search_started(self) -> None:
        """One has its turn."""
        ...

    def search_finished(self) -> None: ...

    def search_refused(self, reason: str) -> None:
        """`caller` or `process`, whose turns were all taken, or `too_broad`."""
        ...


class Metrics(RequestMetrics, SearchMetrics, Protocol):
    """Counters by the names of the source design; label values are bounded by the callers."""

    def query(self, *, operation: str, table: str, seconds: float) -> None: ...

    def watch_pool(self, state: Callable[[], tuple[int, int]]) -> None:
        """`state` gives the connections in use and at rest; it is asked when somebody looks."""
        ...

    def watch_line(self, share: str, waiting: Callable[[], int]) -> None:
        """`waiting` gives how many requests wait for a place of the share; it is asked when
        somebody looks."""
        ...

    def forged_token(self) -> None:
        """A token that this service never made was refused."""
        ...

    def mail_throttled(self, purpose: str) -> None:
        """Somebody without a token asked for a mail to an address that had enough of them;
        `register`, `verify` or `reset`."""
        ...

    def delivery(self, outcome: str) -> None:
        """One message of the outbox was handled; outcomes are those of core/services/deliveries."""
        ...

    def deleted(self, kind: str, count: int) -> None:
        """Housekeeping deleted as many rows of a kind; kinds are those of its port."""
        ...

    def outbox(self, state: OutboxState | None) -> None:
        """What was last seen of the outbox; None when nobody looks any more."""
        ...

    def clock(self, ahead: timedelta) -> None:
        """How far this host's clock was seen to be ahead of the database's; negative behind it."""
        ...

    def redis_operation(self, operation: str) -> None:
        """A command is sent; operations are those of core/adapters/redis."""
        ...

    def redis_error(self, operation: str) -> None:
        """It failed, and memory answers."""
        ...

    def redis_cache(self, *, hit: bool) -> None:
        """Redis was asked for a remembered answer, and said."""
        ...

    def event(self, event_type: str) -> None:
        """Feeds the business metric of an event, if it has one; called after its commit."""
        ...

    def hashing_started(self) -> None:
        """A password is to be hashed or checked, and may have to wait for its turn."""
        ...

    def hashing_finished(self, *, computed: bool) -> None:
        """`computed` is False when its turn never came."""
        ...

    def exposition(self) -> tuple[str, bytes]:
        """Content type and body of the page that Prometheus reads."""
        ...


LOG_CONTEXT: ContextVar[Mapping[str, str]] = ContextVar("log_context", default=MappingProxyType({}))
"""Fields that every log line of the current request carries: request_id, client_request_id,
trace_id, user_id."""
