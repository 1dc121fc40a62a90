"""The worker's own small HTTP server: probes and metrics, nothing else."""

from __future__ import annotations

import contextlib
import functools
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar

from core.bootstrap import Core
from core.errors import ConfigurationError
from handler.worker import Worker


@contextlib.contextmanager
def worker_health(core: Core, worker: Worker) -> Iterator[None]:
    """Serves `/health/live`, `/health/ready` and `/metrics` on the port WORKER_PORT; 0 is for none.

    Raises:
        ConfigurationError: the port cannot be listened on.
    """
    host, port = core.settings.host, core.settings.worker_port
    if port == 0:
        yield
        return
    try:
        server = ThreadingHTTPServer((host, port), functools.partial(_Handler, core, worker))
    except OSError as error:
        raise ConfigurationError(
            f"cannot listen on {host} port {port}: {error.strerror}"
        ) from error
    thread = threading.Thread(target=server.serve_forever, name="worker-health", daemon=True)
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()


class _Handler(BaseHTTPRequestHandler):
    timeout: ClassVar[float] = 5.0  # seconds for a read: a probe that says nothing is let go

    def __init__(self, core: Core, worker: Worker, *connection: Any) -> None:
        self._core = core
        self._worker = worker
        super().__init__(*connection)

    def do_GET(self) -> None:
        if self.path == "/health/live":
            self._report(alive=self._worker.alive)
        elif self.path == "/health/ready":
            found = self._core.storage.readiness()
            self._report(database=found.database, schema=found.schema)
        elif self.path == "/metrics":
            kind, body = self._core.metrics.exposition()
            self._send(200, kind, body)
        else:
            self._send(404, "text/plain", b"not found\n")

    def _report(self, **checks: bool) -> None:
        good = all(checks.values())
        body = {"status": "ok" if good else "unavailable", **checks}
        self._send(200 if good else 503, "application/json", json.dumps(body).encode())

    def _send(self, status: int, kind: str, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  named by http.server
        """Probes every few seconds would drown the log."""
