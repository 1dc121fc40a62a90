"""As many threads as there are database connections; shares bound who gets one (shares.py)."""

from __future__ import annotations

from asyncio import AbstractEventLoop, get_running_loop

from anyio.to_thread import current_default_thread_limiter
from starlette.types import ASGIApp, Receive, Scope, Send


class Threads:
    """Sets anyio's limit of threads, which belongs to an event loop, with its first request.

    The default of 40 threads on a pool of 10 connections only queues. Lambda runs no start-up hook.
    """

    def __init__(self, app: ASGIApp, *, limit: int) -> None:
        self._app = app
        self._limit = limit
        self._loop: AbstractEventLoop | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        loop = get_running_loop()
        if loop is not self._loop:
            current_default_thread_limiter().total_tokens = self._limit
            self._loop = loop
        await self._app(scope, receive, send)
