"""Clock, ids, limits and metrics."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import datetime
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
class LimitState:
    """Where a limit stands after a hit (draft-ietf-httpapi-ratelimit-headers)."""

    allowed: bool
    limit: int
    window: int
    remaining: int
    retry_after: int

    @classmethod
    def after(cls, hits: int, *, limit: int, window: int, left: float) -> LimitState:
        """The state after `hits` in a window that ends in `left` seconds."""
        allowed = hits <= limit
        return cls(
            allowed=allowed,
            limit=limit,
            window=window,
            remaining=max(0, limit - hits),
            retry_after=0 if allowed else max(1, math.ceil(left)),
        )


class RateLimiter(Protocol):
    """Limits by client address: an accelerator that may forget, never the truth."""

    def hit(self, key: str, *, limit: int, window: int) -> LimitState:
        """Counts one hit of `key` against `limit` in `window` seconds; 0 is no limit. Never raises,
        and waits for an accelerator as decision 0013 says."""
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

    def delivery(self, outcome: str) -> None:
        """One message of the outbox was handled; outcomes are those of core/services/deliveries."""
        ...

    def outbox(self, state: OutboxState | None) -> None:
        """What was last seen of the outbox; None when nobody looks any more."""
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
        """Content type and body of `GET /metrics`."""
        ...


LOG_CONTEXT: ContextVar[Mapping[str, str]] = ContextVar("log_context", default=MappingProxyType({}))
"""Fields that every log line of the current request carries: request_id, trace_id, user_id."""
