"""What the worker's own small HTTP server answers: probes and metrics, nothing else."""

from __future__ import annotations

import json
from functools import partial

from core.bootstrap import Core
from handler.side_server import Page, Pages, metrics_pages
from handler.worker import Worker


def worker_pages(core: Core, worker: Worker) -> Pages:
    """`/health/live`, `/health/ready` and `/metrics`, for WORKER_PORT."""
    return {
        "/health/live": lambda: _report(alive=worker.alive),
        "/health/ready": partial(_readiness, core),
        **metrics_pages(core.metrics),
    }


def _readiness(core: Core) -> Page:
    found = core.storage.readiness()
    return _report(database=found.database, schema=found.schema)


def _report(**checks: bool) -> Page:
    good = all(checks.values())
    body = {"status": "ok" if good else "unavailable", **checks}
    return Page(200 if good else 503, "application/json", json.dumps(body).encode())
