"""The container's face: one uvicorn process that answers, and drains before it ends."""

from __future__ import annotations

import contextlib
import gc
import math
import resource
import signal
import socket
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from types import FrameType

import uvicorn
from fastapi import APIRouter

from core.bootstrap import Core, build_core, configure_logging
from core.config import Settings
from core.ports.logins import LoginSource
from handler.http.app import create_app
from handler.http.protocol import BoundedHttpProtocol
from handler.listener import BACKLOG, listen, listen_beside
from handler.relays import open_relay
from handler.side_server import metrics_pages, side_server

STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

KEEP_ALIVE_SECONDS = 75
"""Longer than the load balancer's 60, or it would send requests into closing connections."""

_SWITCH_SECONDS = 0.0005
"""Longest that a thread waits for another's bytecode; Python's 5 ms, several times a request, are
longer than the request."""

_MOST_CONNECTIONS = 4096
_FILES_FOR_OTHERS = 128


class DrainingServer(uvicorn.Server):
    """At the first signal it is no longer ready, serves on for `drain_seconds`, and then closes.

    Load balancers need that time to notice. A SIGINT after that ends without waiting for answers.
    """

    def __init__(
        self, config: uvicorn.Config, *, drain_seconds: float, on_ready: Callable[[], None]
    ) -> None:
        super().__init__(config)
        self._drain_seconds = drain_seconds
        self._on_ready = on_ready
        self._closes_at: float | None = None

    @property
    def draining(self) -> bool:
        return self._closes_at is not None

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets=sockets)
        self._on_ready()

    async def on_tick(self, counter: int) -> bool:
        if self._closes_at is not None and time.monotonic() >= self._closes_at:
            self.should_exit = True
        return await super().on_tick(counter)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:  # noqa: ARG002
        # uvicorn would raise the signal again after the shutdown; the process ends by itself.
        if self._closes_at is None:
            self._closes_at = time.monotonic() + self._drain_seconds
        elif sig == signal.SIGINT:
            self.should_exit = self.force_exit = True

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """As uvicorn's, and for a closed terminal too, unless nohup said otherwise."""
        wanted = [each for each in STOP_SIGNALS if not _is_nohup(each)]
        before = {each: signal.signal(each, self.handle_exit) for each in wanted}
        try:
            yield
        finally:
            for each, handler in before.items():
                signal.signal(each, handler)


def serve(settings: Settings, *, logins: LoginSource | None = None) -> bool:
    """Serves until a signal; True when that was waited for, False when a second one cut it short.

    Raises:
        ConfigurationError: a port cannot be listened on.
    """
    with (
        listen(settings.host, settings.port) as listener,
        listen_beside(settings.host, settings.metrics_port, chosen_by="METRICS_PORT") as metrics,
    ):
        configure_logging(settings)
        core = build_core(settings, logins=logins, relay=open_relay)
        try:
            return run_server(core, listener, metrics=metrics)
        finally:
            core.close()


def run_server(
    core: Core,
    listener: socket.socket,
    *,
    metrics: socket.socket | None = None,
    routers: Sequence[APIRouter] = (),
    on_ready: Callable[[], None] = lambda: None,
) -> bool:
    """Serves `core` on an open socket, with `routers` beside the API; as `serve` otherwise.

    `metrics` is another one, for `/metrics` alone, which is answered until the last request is.
    `on_ready` runs at the first moment of service.
    """
    servers: list[DrainingServer] = []
    app = create_app(core, routers=routers, draining=lambda: any(each.draining for each in servers))
    settings = core.settings

    class Protocol(BoundedHttpProtocol):
        header_timeout = settings.header_timeout

    config = uvicorn.Config(
        app,
        loop="uvloop",
        http=Protocol,
        ws="none",
        lifespan="off",
        interface="asgi3",
        log_config=None,
        access_log=False,
        # The client's address is taken from the trusted hop by our own middleware.
        proxy_headers=False,
        server_header=False,
        backlog=BACKLOG,
        limit_concurrency=_connection_limit(),
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=math.ceil(settings.request_timeout) + 1,
    )
    server = DrainingServer(config, drain_seconds=settings.drain_seconds, on_ready=on_ready)
    servers.append(server)
    sys.setswitchinterval(_SWITCH_SECONDS)
    # What is there by now stays: looking through it in each full collection stops all requests.
    gc.collect()
    gc.freeze()
    with side_server(metrics, metrics_pages(core.metrics)):
        server.run(sockets=[listener])
    return not server.force_exit


def _connection_limit() -> int:
    """The connection that reaches it gets 503; files are left for database, Redis and logs."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _MOST_CONNECTIONS + _FILES_FOR_OTHERS
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return _MOST_CONNECTIONS
    # Shells give 1,024 for the sake of programs that use select(2), which this one does not.
    soft = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    return max(soft - _FILES_FOR_OTHERS, 1)


def _is_nohup(number: signal.Signals) -> bool:
    return number == signal.SIGHUP and signal.getsignal(number) is signal.SIG_IGN
