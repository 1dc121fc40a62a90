"""Whether requests should be sent here, found out within a second and a half."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Generic, TypeVar

from anyio import CapacityLimiter
from anyio.to_thread import run_sync

from core.ports.runtime import Accelerator
from core.ports.security import AccessTokens
from core.ports.storage import Readiness, Storage

SECONDS = 1.5
"""Probes give up after two or more; a database that is frozen is known before."""

T = TypeVar("T")

_NONE = Readiness(database=False, schema=False, standby=False)


class ReadinessProbe:
    """Asks the database and Redis, beside everything else that is at work.

    It has threads of its own and waits for no place. However many ask at once, one looks: the route
    is open to anybody.
    """

    def __init__(
        self, *, storage: Storage, access_tokens: AccessTokens, accelerator: Accelerator
    ) -> None:
        self._database = _Look(lambda: _database(storage, access_tokens), otherwise=(_NONE, False))
        self._redis = _Look[bool | None](accelerator.reachable, otherwise=False)

    async def __call__(self) -> tuple[Readiness, bool, bool | None]:
        """What the database says, whether there are keys, and whether Redis answers, if any."""
        (found, keys), redis = await asyncio.gather(self._database(), self._redis())
        return found, keys, redis


class _Look(Generic[T]):
    def __init__(self, ask: Callable[[], T], *, otherwise: T) -> None:
        self._ask = ask
        self._otherwise = otherwise
        self._under_way: asyncio.Task[T] | None = None

    async def __call__(self) -> T:
        task = self._under_way
        if task is None or task.done() or task.get_loop() is not asyncio.get_running_loop():
            task = self._under_way = asyncio.ensure_future(self._in_thread())
        await asyncio.wait({task}, timeout=SECONDS)
        return task.result() if task.done() else self._otherwise

    async def _in_thread(self) -> T:
        return await run_sync(self._ask, limiter=CapacityLimiter(1))


def _database(storage: Storage, access_tokens: AccessTokens) -> tuple[Readiness, bool]:
    found = storage.readiness()
    # Known for a minute, or for a second while there is none, so that probes stay cheap.
    return found, found.schema and access_tokens.ready()
