"""A share of the process for reads that may be expensive, so that they starve nothing else.

Whoever waits for a turn waits in the event loop, with no thread and no connection. Callers whose
last read was quick go first and may take all turns; the others share one, and among them those come
last whose last read turned out to be costly.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from enum import IntEnum
from uuid import UUID

from core.errors import DomainError, Overloaded, SearchTooBroad, TooManyRequests
from core.ports.runtime import SearchMetrics

UNPROVEN = 1
"""Turns at once of all callers together whose last read is not known to have been quick."""

REMEMBERED_SECONDS = 60.0
"""How long it counts what a caller's last read was like."""

MOST_WAITING = 500
MOST_WAITING_EACH = 50
_RETRY_AFTER, _RETRY_COSTLY_AFTER = 1, 5


class _Lane(IntEnum):
    QUICK = 0
    UNKNOWN = 1
    COSTLY = 2


@dataclass(eq=False)
class Turn:
    """One read's turn."""

    who: UUID
    lane: _Lane
    turned_out: _Lane = _Lane.QUICK

    def costly(self) -> None:
        """For a read that turns out to be; any thread may call it."""
        self.turned_out = _Lane.COSTLY


@dataclass(eq=False)
class _Waiter:
    who: UUID
    loop: asyncio.AbstractEventLoop
    admitted: asyncio.Future[None]
    turn: Turn | None = None


class Bulkhead:
    """Safe for several event loops: AWS Lambda makes one for each invocation."""

    def __init__(
        self,
        *,
        at_once: int,
        wait: float,
        metrics: SearchMetrics,
        seconds: Callable[[], float] = time.monotonic,
    ) -> None:
        """`at_once` turns in the process, half of them, rounded up, for one caller; `wait` is in
        seconds."""
        self._at_once = at_once
        self._each = (at_once + 1) // 2
        self._wait = wait
        self._metrics = metrics
        self._seconds = seconds
        self._lock = threading.Lock()
        self._held: Counter[UUID] = Counter()
        self._unproven = 0
        # Each until when; those that end first stand first.
        self._remembered: dict[UUID, tuple[float, _Lane]] = {}
        self._waiting: list[_Waiter] = []

    @asynccontextmanager
    async def turn(self, who: UUID) -> AsyncIterator[Turn]:
        """A turn for the length of the block, after a wait if need be.

        Raises:
            TooManyRequests: the caller's own turns were all taken, and none came back in time.
            Overloaded: those of the process were.
        """
        turn = await self._admitted(who)
        self._metrics.search_started()
        try:
            yield turn
        except SearchTooBroad:
            self._metrics.search_refused("too_broad")
            raise
        finally:
            self._metrics.search_finished()
            self._give_back(turn)

    async def _admitted(self, who: UUID) -> Turn:
        loop = asyncio.get_running_loop()
        waiter = _Waiter(who, loop, loop.create_future())
        with self._lock:
            turn = self._take(who)
            if turn is not None:
                return turn
            own = sum(other.who == who for other in self._waiting)
            crowded = own >= MOST_WAITING_EACH or len(self._waiting) >= MOST_WAITING
            if not crowded:
                self._waiting.append(waiter)
        if not crowded:
            try:
                await asyncio.wait((waiter.admitted,), timeout=self._wait)
            except asyncio.CancelledError:
                if (turn := self._leave(waiter)) is not None:
                    self._give_back(turn)
                raise
        # One that has come at the last moment is taken.
        turn = self._leave(waiter)
        if turn is None:
            raise self._refusal(who)
        return turn

    def _leave(self, waiter: _Waiter) -> Turn | None:
        """The turn that the waiter got."""
        with self._lock:
            if waiter in self._waiting:
                self._waiting.remove(waiter)
            return waiter.turn

    def _take(self, who: UUID) -> Turn | None:
        """None when there is none. With the lock held."""
        lane = self._lane(who)
        if (
            self._held.total() >= self._at_once
            or self._held[who] >= self._each
            or (lane is not _Lane.QUICK and self._unproven >= UNPROVEN)
        ):
            return None
        self._held[who] += 1
        self._unproven += lane is not _Lane.QUICK
        return Turn(who, lane)

    def _lane(self, who: UUID) -> _Lane:
        until, lane = self._remembered.get(who, (0.0, _Lane.UNKNOWN))
        return lane if self._seconds() < until else _Lane.UNKNOWN

    def _remember(self, turn: Turn) -> None:
        now = self._seconds()
        self._remembered.pop(turn.who, None)
        self._remembered[turn.who] = (now + REMEMBERED_SECONDS, turn.turned_out)
        while self._remembered[first := next(iter(self._remembered))][0] <= now:
            del self._remembered[first]

    def _give_back(self, turn: Turn) -> None:
        with self._lock:
            self._remember(turn)
            self._held[turn.who] -= 1
            if not self._held[turn.who]:
                del self._held[turn.who]
            self._unproven -= turn.lane is not _Lane.QUICK
            for waiter in sorted(self._waiting, key=lambda each: self._lane(each.who)):
                waiter.turn = self._take(waiter.who)
                if waiter.turn is not None:
                    self._waiting.remove(waiter)
                    waiter.loop.call_soon_threadsafe(_wake, waiter.admitted)

    def _refusal(self, who: UUID) -> DomainError:
        with self._lock:
            lane = self._lane(who)
            share = self._each if lane is _Lane.QUICK else UNPROVEN
            own = self._held[who] >= share
        self._metrics.search_refused("caller" if own else "process")
        wait = _RETRY_COSTLY_AFTER if lane is _Lane.COSTLY else _RETRY_AFTER
        if not own:
            return Overloaded(retry_after=wait)
        return TooManyRequests(retry_after=wait, limit=share, window=wait, policy="searches")


def _wake(admitted: asyncio.Future[None]) -> None:
    if not admitted.done():
        admitted.set_result(None)
