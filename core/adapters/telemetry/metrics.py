"""Prometheus metrics by the names of the source design."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import timedelta
from functools import lru_cache
from types import MappingProxyType

from prometheus_client import (
    CONTENT_TYPE_PLAIN_0_0_4,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    Info,
    ProcessCollector,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from core.domain.events import EventType
from core.ports.runtime import OutboxState

# The alert on slow answers lies at 1 s, and a top bucket at its threshold would never let it fire:
# they go on to the longest request that the deadlines allow.
REQUEST_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.3, 0.5, 0.75, 1, 1.5, 2, 3, 5, 10)
QUERY_BUCKETS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2, 5)

METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})

SEARCH_REFUSALS = ("caller", "process", "too_broad")
MAIL_PURPOSES = ("register", "verify", "reset")
REDIS_OPERATIONS = ("get", "set", "limit", "ping", "slots")

# How many children of labelled metrics are kept at hand; far more than routes x methods x statuses.
_CHILDREN = 4096

EVENT_COUNTERS: Mapping[str, tuple[str, Mapping[str, str]]] = MappingProxyType(
    {
        EventType.USER_CREATED: ("users_created_total", {}),
        # What people see as the deletion: their own DELETE. The erasure itself comes weeks later,
        # is not theirs to notice, and would count each of them a second time.
        EventType.ERASURE_REQUESTED: ("users_deleted_total", {}),
        EventType.LOGIN_SUCCEEDED: ("authentication_attempts_total", {"status": "success"}),
        EventType.LOGIN_FAILED: ("authentication_attempts_total", {"status": "failure"}),
        EventType.LOGIN_THROTTLED: ("authentication_attempts_total", {"status": "throttled"}),
        EventType.ACCESS_DENIED: ("access_denied_total", {}),
    }
)
"""Business metrics: event type -> counter and labels. Events that are not listed count nowhere."""


class PrometheusMetrics:
    """Implements Metrics on a registry of its own, so that several can live in one process.

    Children of labelled metrics are looked up once; `Counter.labels` takes a lock and builds
    strings each time.
    """

    def __init__(self, *, version: str) -> None:
        # A timestamp a series, which doubles the page and is read by nobody here. Only a global
        # switch exists.
        disable_created_metrics()  # type: ignore[no-untyped-call]
        registry = self._registry = CollectorRegistry(auto_describe=True)
        self._in_flight = Gauge(
            "http_requests_in_flight", "Requests being answered.", registry=registry
        )
        self._active = Gauge("db_connection_pool_active", "Connections in use.", registry=registry)
        self._idle = Gauge("db_connection_pool_idle", "Connections at rest.", registry=registry)
        self._waiting = Gauge(
            "http_requests_waiting",
            "Requests that wait for a place among those at work.",
            ["share"],
            registry=registry,
        )
        self._forged = Counter(
            "forged_tokens_total", "Tokens refused that are none of ours.", registry=registry
        )
        throttled = Counter(
            "mails_throttled_total",
            "Mails asked for without a token that an address had enough of.",
            ["purpose"],
            registry=registry,
        )
        self._mails_throttled = {purpose: throttled.labels(purpose) for purpose in MAIL_PURPOSES}
        self._deliveries = Counter(
            "outbox_deliveries_total",
            "Messages of the outbox that were handled.",
            ["outcome"],
            registry=registry,
        )
        self._deleted = Counter(
            "housekeeping_deleted_total",
            "Rows deleted because their time was over.",
            ["kind"],
            registry=registry,
        )
        self._outbox = _OutboxCollector()
        registry.register(self._outbox)
        self._clock = _ClockCollector()
        registry.register(self._clock)
        self._hashing = Gauge(
            "password_hashes_in_flight",
            "Password hashes being computed or waiting for their turn.",
            registry=registry,
        )
        self._hashes = Counter(
            "password_hashes_total",
            "Password hashes computed, of new passwords and of guesses.",
            registry=registry,
        )
        self._searching = Gauge(
            "searches_in_flight",
            "Searches, and lists that no index holds, at work.",
            registry=registry,
        )
        refused = Counter(
            "searches_refused_total", "Searches that were refused.", ["reason"], registry=registry
        )
        self._searches_refused = {reason: refused.labels(reason) for reason in SEARCH_REFUSALS}
        self._redis = _RedisCounters(registry)
        self._requests = _request_children(registry)
        self._queries = _query_children(registry)
        self._events = _event_counters(registry)
        Info("user_api_build", "What is running.", registry=registry).info({"version": version})
        ProcessCollector(registry=registry)

    def request_started(self) -> None:
        self._in_flight.inc()

    def request_finished(self, *, method: str, path: str, status: int, seconds: float) -> None:
        self._in_flight.dec()
        count, duration = self._requests(method if method in METHODS else "OTHER", path, status)
        count.inc()
        duration.observe(seconds)

    def search_started(self) -> None:
        self._searching.inc()

    def search_finished(self) -> None:
        self._searching.dec()

    def search_refused(self, reason: str) -> None:
        self._searches_refused[reason].inc()

    def query(self, *, operation: str, table: str, seconds: float) -> None:
        count, duration = self._queries(operation, table)
        count.inc()
        duration.observe(seconds)

    def watch_pool(self, state: Callable[[], tuple[int, int]]) -> None:
        self._active.set_function(lambda: state()[0])
        self._idle.set_function(lambda: state()[1])

    def watch_line(self, share: str, waiting: Callable[[], int]) -> None:
        self._waiting.labels(share).set_function(waiting)

    def forged_token(self) -> None:
        self._forged.inc()

    def mail_throttled(self, purpose: str) -> None:
        self._mails_throttled[purpose].inc()

    def delivery(self, outcome: str) -> None:
        self._deliveries.labels(outcome).inc()

    def deleted(self, kind: str, count: int) -> None:
        self._deleted.labels(kind).inc(count)

    def outbox(self, state: OutboxState | None) -> None:
        self._outbox.state = state

    def clock(self, ahead: timedelta) -> None:
        self._clock.ahead = ahead

    def redis_operation(self, operation: str) -> None:
        self._redis.operations[operation].inc()

    def redis_error(self, operation: str) -> None:
        self._redis.errors[operation].inc()

    def redis_cache(self, *, hit: bool) -> None:
        (self._redis.hits if hit else self._redis.misses).inc()

    def event(self, event_type: str) -> None:
        counter = self._events.get(event_type)
        if counter is not None:
            counter.inc()

    def hashing_started(self) -> None:
        self._hashing.inc()

    def hashing_finished(self, *, computed: bool) -> None:
        self._hashing.dec()
        if computed:
            self._hashes.inc()

    def exposition(self) -> tuple[str, bytes]:
        return CONTENT_TYPE_PLAIN_0_0_4, generate_latest(self._registry)


class _OutboxCollector(Collector):
    """Without samples where nobody looks: a 0 of the API's would read like an empty outbox."""

    def __init__(self) -> None:
        self.state: OutboxState | None = None

    def collect(self) -> Iterator[Metric]:
        state = self.state
        pending = GaugeMetricFamily("outbox_pending_messages", "Messages that are not sent yet.")
        lag = GaugeMetricFamily("outbox_lag_seconds", "How long the one longest due waits.")
        parked = GaugeMetricFamily("outbox_parked_messages", "Messages that wait for a human.")
        if state is not None:
            pending.add_metric([], state.pending)
            lag.add_metric([], state.lag)
            parked.add_metric([], state.parked)
        yield from (pending, lag, parked)


class _ClockCollector(Collector):
    """Without a sample before somebody has looked: a 0 would read like a clock that is right."""

    def __init__(self) -> None:
        self.ahead: timedelta | None = None

    def collect(self) -> Iterator[Metric]:
        seconds = GaugeMetricFamily(
            "db_clock_offset_seconds", "How far this host's clock is ahead of the database's."
        )
        ahead = self.ahead
        if ahead is not None:
            seconds.add_metric([], ahead.total_seconds())
        yield seconds


class _RedisCounters:
    """All series from the start, so that an alert on their rate sees the first failure."""

    def __init__(self, registry: CollectorRegistry) -> None:
        label = ["operation"]
        self.hits = Counter("redis_cache_hits_total", "Answers found in Redis.", registry=registry)
        self.misses = Counter(
            "redis_cache_misses_total", "Answers that Redis did not have.", registry=registry
        )
        sent = Counter("redis_operations_total", "Commands sent.", label, registry=registry)
        failed = Counter(
            "redis_errors_total", "Commands that memory answered.", label, registry=registry
        )
        self.operations = {name: sent.labels(name) for name in REDIS_OPERATIONS}
        self.errors = {name: failed.labels(name) for name in REDIS_OPERATIONS}


def _request_children(
    registry: CollectorRegistry,
) -> Callable[[str, str, int], tuple[Counter, Histogram]]:
    count = Counter(
        "http_requests_total", "Requests answered.", ["method", "path", "status"], registry=registry
    )
    duration = Histogram(
        "http_request_duration_seconds",
        "Time from the first byte of a request to the last of its answer.",
        ["method", "path"],
        buckets=REQUEST_BUCKETS,
        registry=registry,
    )

    @lru_cache(_CHILDREN)
    def children(method: str, path: str, status: int) -> tuple[Counter, Histogram]:
        return count.labels(method, path, status), duration.labels(method, path)

    return children


def _query_children(registry: CollectorRegistry) -> Callable[[str, str], tuple[Counter, Histogram]]:
    labels = ["operation", "table"]
    count = Counter("db_queries_total", "Statements run.", labels, registry=registry)
    duration = Histogram(
        "db_query_duration_seconds",
        "Time of a statement, as the application sees it.",
        labels,
        buckets=QUERY_BUCKETS,
        registry=registry,
    )

    @lru_cache(_CHILDREN)
    def children(operation: str, table: str) -> tuple[Counter, Histogram]:
        return count.labels(operation, table), duration.labels(operation, table)

    return children


def _event_counters(registry: CollectorRegistry) -> dict[str, Counter]:
    counters = {
        "users_created_total": Counter(
            "users_created_total", "Accounts created.", registry=registry
        ),
        "users_deleted_total": Counter(
            "users_deleted_total", "Accounts that their deletion was asked for.", registry=registry
        ),
        "authentication_attempts_total": Counter(
            "authentication_attempts_total", "Logins tried.", ["status"], registry=registry
        ),
        "access_denied_total": Counter(
            "access_denied_total", "Requests without the permission for it.", registry=registry
        ),
    }
    return {
        event: counters[name].labels(**labels) if labels else counters[name]
        for event, (name, labels) in EVENT_COUNTERS.items()
    }
