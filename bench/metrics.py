"""What counting costs: the metrics' part of a request's processor time.

The application and its layers run in this process, without a network, so that both are measured on
the same thread. Run by `make bench-metrics`.
"""

from __future__ import annotations

import asyncio
import gc
import sys
import time
from collections.abc import Callable
from statistics import median
from typing import Any

from bench.machine import circumstances
from core.adapters.telemetry.metrics import PrometheusMetrics
from core.bootstrap import build_core
from core.config import DEVELOPMENT_SECRET_KEY, Settings
from core.ports.runtime import Metrics
from handler.http.app import create_app

ROUNDS = 7
REQUESTS = 2_000
SCRAPES = 50
PATH = "/.well-known/oauth-authorization-server"
STATEMENTS = 2
"""A request of the API runs about two (docs/statements.md)."""

_ENVIRONMENT = {
    "ENVIRONMENT": "development",
    "DATABASE_URL": "postgresql://nobody@127.0.0.1:9/nothing",
    "SECRET_KEY": DEVELOPMENT_SECRET_KEY,
    "MAIL_URL": "directory:///tmp",
    "LOG_LEVEL": "WARNING",
}


def microseconds(work: Callable[[], None], times: int) -> float:
    """Processor time of one, the median of the rounds."""
    rounds = []
    for _ in range(ROUNDS):
        gc.collect()
        began = time.process_time()
        work()
        rounds.append((time.process_time() - began) / times * 1e6)
    return median(rounds)


def counting() -> None:
    metrics = PrometheusMetrics(version="bench")
    for _ in range(REQUESTS):
        metrics.request_started()
        for _ in range(STATEMENTS):
            metrics.query(operation="select", table="users", seconds=0.001)
        metrics.request_finished(method="GET", path="/v1/users/me", status=200, seconds=0.003)


def scraping(metrics: Metrics) -> None:
    for _ in range(SCRAPES):
        metrics.exposition()


def answering(app: Any) -> None:
    asyncio.run(_answer_all(app))


async def _answer_all(app: Any) -> None:
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "GET",
        "scheme": "http",
        "path": PATH,
        "raw_path": PATH.encode(),
        "root_path": "",
        "query_string": b"",
        "headers": [(b"host", b"localhost")],
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 2),
    }
    statuses: set[int] = set()

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: dict[str, Any]) -> None:
        if message["type"] == "http.response.start":
            statuses.add(message["status"])

    for _ in range(REQUESTS):
        await app(dict(scope), receive, send)
    if statuses != {200}:
        raise RuntimeError(f"the answers were {statuses}")


def main() -> int:
    core = build_core(Settings.from_environ(_ENVIRONMENT))
    app = create_app(core)
    answering(app)
    request = microseconds(lambda: answering(app), REQUESTS)
    counted = microseconds(counting, REQUESTS)
    _, page = core.metrics.exposition()
    scrape = microseconds(lambda: scraping(core.metrics), SCRAPES)
    core.close()
    print(circumstances(postgres="none"))
    print(f"\n| measured | µs |\n|---|---:|\n| GET {PATH}, without a network | {request:.1f} |")
    print(f"| its metrics and those of {STATEMENTS} statements | {counted:.1f} |")
    print(f"| the page of {len(page) // 1024} KiB, once a scrape | {scrape:.0f} |")
    print(f"\nCounting takes {counted / request:.1%} of the processor time of that request.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
