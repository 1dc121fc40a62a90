"""Use cases that wait for password hashes, run for a request: no thread waits with them."""

from __future__ import annotations

import asyncio
from concurrent.futures import Future
from contextlib import suppress
from typing import Any, TypeVar

from core.ports.security import HashJob
from core.services.stepwise import Steps, advance
from handler.http.context import Call

R = TypeVar("R")


async def run(call: Call, steps: Steps[R]) -> R:
    """What the use case returns; each of its steps runs in a thread.

    Raises:
        Overloaded: a hash did not have its turn in time.
        Exception: what the use case raises.
    """
    hasher = call.core.hasher
    try:
        reached = await call.in_thread(advance, steps)
        while isinstance(reached, HashJob):
            future = hasher.submit(reached, caller=call.caller)
            await _done(future, hasher.patience)
            reached = await call.in_thread(advance, steps, future)
        return reached.result
    finally:
        # At work in a thread that cannot be cancelled, it goes on to the end of its step.
        with suppress(ValueError):
            steps.close()


async def _done(future: Future[Any], patience: float) -> None:
    """Waits until it is done, or cancels it when it has not begun in time."""
    loop = asyncio.get_running_loop()
    ended = asyncio.Event()

    def tell(_: Future[Any]) -> None:
        # The loop may be closed while the last hash is computed.
        with suppress(RuntimeError):
            loop.call_soon_threadsafe(ended.set)

    future.add_done_callback(tell)
    try:
        with suppress(TimeoutError):
            await asyncio.wait_for(ended.wait(), patience)
        if not future.done() and not future.cancel():
            # It has begun, and takes milliseconds.
            await ended.wait()
    except asyncio.CancelledError:
        future.cancel()
        raise
