"""No request takes longer than its deadline, of which its body has half."""

from __future__ import annotations

import asyncio
import logging

from anyio import CancelScope
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from handler.http.exchange import exchange_of
from handler.http.problem_types import REQUEST_TIMEOUT, UNAVAILABLE
from handler.http.problems import problem_response

_log = logging.getLogger(__name__)


class Deadline:
    """408 when the body was too slow, 503 when we were.

    A thread cannot be cancelled: its endpoint runs on to the deadline of its statement, keeping
    its place among the threads, and what it answers is dropped. Who still waits for a thread gives
    up: nothing is done for nobody, and a database that comes back finds no queue.
    """

    def __init__(self, app: ASGIApp, *, seconds: float) -> None:
        self._app = app
        self._seconds = seconds
        self._abandoned: set[asyncio.Task[None]] = set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        gate = _Gate(send)
        patience = CancelScope()
        task = asyncio.ensure_future(self._answer(scope, receive, gate.send, patience))
        try:
            # The body has the first half: who sends it chooses no moment at which the rest ends.
            await asyncio.wait((task,), timeout=self._seconds / 2)
            if not exchange_of(scope).body_awaited or gate.started:
                await asyncio.wait((task,), timeout=self._seconds / 2)
            if not task.done() and gate.started:
                # The answer is on its way to a slow reader.
                await asyncio.wait((task,), timeout=self._seconds)
        except asyncio.CancelledError:
            task.cancel()
            raise
        if task.done():
            task.result()
        elif gate.started or exchange_of(scope).body_awaited:
            task.cancel()
        else:
            self._abandon(task)
            # anyio shields a thread at work from this, and not from `task.cancel()`.
            patience.cancel()
        if not task.done() and not gate.started:
            gate.closed = True
            await self._refuse(scope, receive, send)

    async def _answer(
        self, scope: Scope, receive: Receive, send: Send, patience: CancelScope
    ) -> None:
        with patience:
            await self._app(scope, receive, send)

    async def _refuse(self, scope: Scope, receive: Receive, send: Send) -> None:
        if exchange_of(scope).body_awaited:
            detail = "The body did not arrive in time."
            response = problem_response(scope, REQUEST_TIMEOUT, detail)
        else:
            detail = "The answer could not be found in time."
            response = problem_response(scope, UNAVAILABLE, detail, headers={"retry-after": "1"})
        await response(scope, receive, send)

    def _abandon(self, task: asyncio.Task[None]) -> None:
        self._abandoned.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._abandoned.discard(task)
        if not task.cancelled() and task.exception() is not None:
            _log.error("a request failed after its deadline", exc_info=task.exception())


class _Gate:
    """Lets one answer through: ours or the application's."""

    __slots__ = ("_send", "closed", "started")

    def __init__(self, send: Send) -> None:
        self._send = send
        self.started = False
        self.closed = False

    async def send(self, message: Message) -> None:
        if not self.closed:
            self.started = True
            await self._send(message)
