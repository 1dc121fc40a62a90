"""Request id, trace, access log and metrics of every request."""

from __future__ import annotations

import logging
from time import perf_counter

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from core.ports.runtime import LOG_CONTEXT, Ids, RequestMetrics
from handler.http.exchange import EXCHANGE, Exchange, Head, Trace

UNMATCHED = "__unmatched__"

_METHODS = frozenset({"DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"})
_PROBES = frozenset({"/health", "/health/live", "/health/ready"})

_log = logging.getLogger(__name__)


class Observation:
    """Begins the exchange, and tells the log and the metrics how it ended.

    `path` is the route's template: bounded, and free of personal data.
    """

    def __init__(self, app: ASGIApp, *, metrics: RequestMetrics, ids: Ids) -> None:
        self._app = app
        self._metrics = metrics
        self._ids = ids

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = perf_counter()
        exchange = self._begin(scope)
        status = 0

        async def observe(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        token = LOG_CONTEXT.set(exchange.log)
        self._metrics.request_started()
        try:
            await self._app(scope, receive, observe)
        finally:
            # Status 0: the server gave the request up, and nobody was answered.
            self._finish(scope, status, perf_counter() - started)
            LOG_CONTEXT.reset(token)

    def _begin(self, scope: Scope) -> Exchange:
        head = Head.read(scope["headers"])
        trace = Trace.continued(head.traceparent)
        request_id = str(self._ids.new())
        log = {"request_id": request_id, "trace_id": trace.trace_id}
        if head.request_id is not None:
            log["client_request_id"] = head.request_id
        exchange = scope[EXCHANGE] = Exchange(
            head=head, request_id=request_id, trace=trace, log=log, body_pending=head.has_body
        )
        return exchange

    def _finish(self, scope: Scope, status: int, seconds: float) -> None:
        route = scope.get("route")
        path = UNMATCHED if route is None else route.path_format
        method = scope["method"] if scope["method"] in _METHODS else "OTHER"
        self._metrics.request_finished(method=method, path=path, status=status, seconds=seconds)
        level = logging.DEBUG if path in _PROBES and status < 400 else logging.INFO
        if _log.isEnabledFor(level):
            fields = {
                "method": method,
                "path": path,
                "status": status,
                "duration_ms": round(seconds * 1000, 3),
            }
            _log.log(level, "request", extra=fields)
