"""The metrics have the names, labels and types that dashboards and alerts are written for."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from prometheus_client.parser import text_string_to_metric_families

from core.adapters.telemetry.metrics import EVENT_COUNTERS, PrometheusMetrics
from core.domain.events import EventType
from core.ports.runtime import OutboxState

Series = dict[tuple[str, frozenset[tuple[str, str]]], float]


@pytest.fixture
def metrics() -> PrometheusMetrics:
    return PrometheusMetrics(version="1.2.3")


def page(metrics: PrometheusMetrics) -> str:
    return metrics.exposition()[1].decode()


def series(metrics: PrometheusMetrics) -> Series:
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(page(metrics))
        for sample in family.samples
    }


def value(metrics: PrometheusMetrics, name: str, **labels: str) -> float | None:
    return series(metrics).get((name, frozenset(labels.items())))


def exercise(metrics: PrometheusMetrics) -> None:
    metrics.request_started()
    metrics.request_finished(method="GET", path="/v1/users/me", status=200, seconds=0.003)
    metrics.query(operation="select", table="users", seconds=0.001)
    metrics.watch_pool(lambda: (3, 2))
    metrics.watch_line("others", lambda: 4)
    metrics.forged_token()
    metrics.delivery("sent")
    metrics.deleted("sessions", 2)
    metrics.outbox(OutboxState(pending=3, lag=1.5, parked=1))
    metrics.redis_operation("get")
    metrics.redis_error("limit")
    metrics.redis_cache(hit=True)
    metrics.redis_cache(hit=False)
    for event_type in EventType:
        metrics.event(event_type)


def test_names_types_and_labels_are_those_of_the_design(metrics: PrometheusMetrics) -> None:
    """What the source design names, each with its labels, and nothing under another name."""
    exercise(metrics)
    families = {
        family.name: (
            family.type,
            {label for sample in family.samples for label in sample.labels} - {"le"},
        )
        for family in text_string_to_metric_families(page(metrics))
        if not family.name.startswith("process_")
    }
    assert families == {
        # The parser drops the `_total` of counters.
        "http_requests": ("counter", {"method", "path", "status"}),
        "http_request_duration_seconds": ("histogram", {"method", "path"}),
        "http_requests_in_flight": ("gauge", set()),
        "users_created": ("counter", set()),
        "users_deleted": ("counter", set()),
        "authentication_attempts": ("counter", {"status"}),
        "access_denied": ("counter", set()),
        "password_hashes": ("counter", set()),
        "http_requests_waiting": ("gauge", {"share"}),
        "forged_tokens": ("counter", set()),
        "password_hashes_in_flight": ("gauge", set()),
        "searches_in_flight": ("gauge", set()),
        "searches_refused": ("counter", {"reason"}),
        "db_queries": ("counter", {"operation", "table"}),
        "db_query_duration_seconds": ("histogram", {"operation", "table"}),
        "db_connection_pool_active": ("gauge", set()),
        "db_connection_pool_idle": ("gauge", set()),
        "mails_throttled": ("counter", {"purpose"}),
        "housekeeping_deleted": ("counter", {"kind"}),
        "outbox_deliveries": ("counter", {"outcome"}),
        "outbox_pending_messages": ("gauge", set()),
        "outbox_lag_seconds": ("gauge", set()),
        "outbox_parked_messages": ("gauge", set()),
        "db_clock_offset_seconds": ("gauge", set()),
        "redis_cache_hits": ("counter", set()),
        "redis_cache_misses": ("counter", set()),
        "redis_operations": ("counter", {"operation"}),
        "redis_errors": ("counter", {"operation"}),
        "user_api_build_info": ("gauge", {"version"}),
    }


@pytest.mark.parametrize(
    ("name", "label", "values"),
    [
        ("searches_refused_total", "reason", {"caller", "process", "too_broad"}),
        ("mails_throttled_total", "purpose", {"register", "verify", "reset"}),
        ("redis_errors_total", "operation", {"get", "set", "limit", "ping", "slots"}),
    ],
)
def test_what_may_be_counted_is_there_from_the_start(
    metrics: PrometheusMetrics, name: str, label: str, values: set[str]
) -> None:
    """`increase()` misses the first count of a series that begins with it."""
    found = {
        dict(labels)[label]: count for (it, labels), count in series(metrics).items() if it == name
    }
    assert found == dict.fromkeys(values, 0.0)


def test_counters_end_in_total_once_and_have_no_timestamps(metrics: PrometheusMetrics) -> None:
    """No `_total_total`, and no `_created` series, which would double the page."""
    exercise(metrics)
    names = {name for name, _ in series(metrics)}
    counters = {
        "http_requests_total",
        "users_created_total",
        "users_deleted_total",
        "authentication_attempts_total",
        "db_queries_total",
    }
    assert counters <= names
    assert not [name for name in names if name.endswith(("_created", "_total_total"))]


def test_the_page_is_of_a_format_that_every_prometheus_reads(metrics: PrometheusMetrics) -> None:
    """Text format 0.0.4, in UTF-8, with a line end at the end."""
    kind, body = metrics.exposition()
    assert kind == "text/plain; version=0.0.4; charset=utf-8"
    assert body.endswith(b"\n")


def test_a_request_is_counted_and_timed(metrics: PrometheusMetrics) -> None:
    """By method, route and status; in flight while it lasts."""
    metrics.request_started()
    metrics.request_started()
    assert value(metrics, "http_requests_in_flight") == 2
    metrics.request_finished(method="POST", path="/v1/auth/login", status=401, seconds=0.3)
    assert value(metrics, "http_requests_in_flight") == 1
    labels = {"method": "POST", "path": "/v1/auth/login"}
    assert value(metrics, "http_requests_total", status="401", **labels) == 1
    assert value(metrics, "http_request_duration_seconds_sum", **labels) == 0.3
    assert value(metrics, "http_request_duration_seconds_bucket", le="0.3", **labels) == 1
    assert value(metrics, "http_request_duration_seconds_bucket", le="0.2", **labels) == 0


def test_slow_requests_are_told_apart(metrics: PrometheusMetrics) -> None:
    """The alert asks for a P95 over 1 s: there are buckets above it, up to the longest request."""
    metrics.request_started()
    metrics.request_finished(method="GET", path="/x", status=200, seconds=4)
    bounds = sorted(
        float(dict(labels)["le"])
        for name, labels in series(metrics)
        if name == "http_request_duration_seconds_bucket"
    )
    assert len([bound for bound in bounds if 1 < bound < float("inf")]) >= 4
    assert max(bound for bound in bounds if bound != float("inf")) >= 5
    labels = {"method": "GET", "path": "/x"}
    assert value(metrics, "http_request_duration_seconds_bucket", le="3.0", **labels) == 0
    assert value(metrics, "http_request_duration_seconds_bucket", le="5.0", **labels) == 1


@pytest.mark.parametrize("method", ["PROPFIND", "get", "", "X" * 1000, 'GET"\n'])
def test_made_up_methods_make_no_series(metrics: PrometheusMetrics, method: str) -> None:
    """A client cannot fill the memory of the monitoring by inventing methods."""
    metrics.request_started()
    metrics.request_finished(method=method, path="/x", status=405, seconds=0.1)
    assert value(metrics, "http_requests_total", method="OTHER", path="/x", status="405") == 1


def test_statements_are_counted_and_timed(metrics: PrometheusMetrics) -> None:
    """By operation and table; the pool by what is in use and what rests."""
    metrics.query(operation="select", table="users", seconds=0.002)
    metrics.query(operation="insert", table="users", seconds=0.5)
    metrics.watch_pool(lambda: (3, 7))
    assert value(metrics, "db_queries_total", operation="select", table="users") == 1
    labels = {"operation": "insert", "table": "users"}
    assert value(metrics, "db_query_duration_seconds_sum", **labels) == 0.5
    assert value(metrics, "db_connection_pool_active") == 3
    assert value(metrics, "db_connection_pool_idle") == 7


@pytest.mark.parametrize(
    ("event_type", "name", "labels"),
    [
        (EventType.USER_CREATED, "users_created_total", {}),
        (EventType.ERASURE_REQUESTED, "users_deleted_total", {}),
        (EventType.LOGIN_SUCCEEDED, "authentication_attempts_total", {"status": "success"}),
        (EventType.LOGIN_FAILED, "authentication_attempts_total", {"status": "failure"}),
        (EventType.LOGIN_THROTTLED, "authentication_attempts_total", {"status": "throttled"}),
    ],
)
def test_an_event_counts_once(
    metrics: PrometheusMetrics, event_type: EventType, name: str, labels: dict[str, str]
) -> None:
    """From 0, so that the first one shows as a rise, and in one metric only."""
    before = series(metrics)
    key = (name, frozenset(labels.items()))
    assert before[key] == 0
    metrics.event(event_type)
    after = series(metrics)
    risen = {k for k in after if after[k] != before[k] and not k[0].startswith("process_")}
    assert risen == {key}
    assert after[key] == 1


def test_deleting_an_account_counts_one_deletion(metrics: PrometheusMetrics) -> None:
    """Of the two events of a DELETE one counts; an admin who deactivates deletes nobody."""
    metrics.event(EventType.USER_DEACTIVATED)
    metrics.event(EventType.ERASURE_REQUESTED)
    assert value(metrics, "users_deleted_total") == 1


def test_events_without_a_metric_are_ignored(metrics: PrometheusMetrics) -> None:
    """Also those of a later version."""
    before = set(series(metrics))
    for event_type in [*EventType, "something.new"]:
        metrics.event(event_type)
    assert set(series(metrics)) == before
    assert set(EVENT_COUNTERS) <= set(EventType)


def test_the_outbox_is_told_where_somebody_looks(metrics: PrometheusMetrics) -> None:
    """A process that does not look at it has no 0 that could hide what a worker sees."""
    assert value(metrics, "outbox_pending_messages") is None
    metrics.outbox(OutboxState(pending=3, lag=1.5, parked=1))
    assert value(metrics, "outbox_pending_messages") == 3
    assert value(metrics, "outbox_lag_seconds") == 1.5
    assert value(metrics, "outbox_parked_messages") == 1
    metrics.outbox(OutboxState(pending=0, lag=0, parked=0))
    assert value(metrics, "outbox_pending_messages") == 0
    metrics.outbox(None)
    assert value(metrics, "outbox_lag_seconds") is None


def test_the_clock_is_told_once_it_was_compared(metrics: PrometheusMetrics) -> None:
    """A process that has not asked yet has no 0 that reads like a clock that is right."""
    assert value(metrics, "db_clock_offset_seconds") is None
    metrics.clock(timedelta(seconds=-2.5))
    assert value(metrics, "db_clock_offset_seconds") == -2.5


def test_what_runs_is_told(metrics: PrometheusMetrics) -> None:
    """The version as a label, and the process's memory, processor time and files."""
    assert value(metrics, "user_api_build_info", version="1.2.3") == 1
    assert (value(metrics, "process_resident_memory_bytes") or 0) > 1_000_000
    names = {name for name, _ in series(metrics)}
    assert {"process_cpu_seconds_total", "process_open_fds", "process_start_time_seconds"} <= names


def test_two_services_in_one_process_count_apart(metrics: PrometheusMetrics) -> None:
    """Each has a registry of its own."""
    metrics.event(EventType.USER_CREATED)
    assert value(PrometheusMetrics(version="1.2.3"), "users_created_total") == 0


def test_counting_is_exact_under_threads(metrics: PrometheusMetrics) -> None:
    """Nothing is lost when all endpoints count at once."""

    def work(_: int) -> None:
        for _ in range(500):
            metrics.request_started()
            metrics.request_finished(method="GET", path="/x", status=200, seconds=0.1)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, range(8)))
    assert value(metrics, "http_requests_total", method="GET", path="/x", status="200") == 4000
    assert value(metrics, "http_requests_in_flight") == 0
