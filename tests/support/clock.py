"""Clocks that no machine moves, however busy it is."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from selectors import DefaultSelector, SelectorKey

START = datetime(2030, 1, 2, 3, 4, 5, 678_000, tzinfo=UTC)


class FixedClock:
    """Implements Clock: it stands until a test moves it; tests/contract/test_clock.py holds it to
    the port."""

    def __init__(self, now: datetime = START) -> None:
        self._now = now

    def now(self) -> datetime:
        return self._now.replace(microsecond=self._now.microsecond // 1000 * 1000)

    def advance(self, *, seconds: float) -> None:
        """Moves on, or back when negative."""
        self._now += timedelta(seconds=seconds)


class JumpingLoop(asyncio.SelectorEventLoop):
    """An event loop whose time stands while there is something to do, and then jumps to what is due
    next. For what has neither threads nor sockets."""

    def __init__(self) -> None:
        self._jumps = _Jumps()
        super().__init__(self._jumps)

    def time(self) -> float:
        return self._jumps.seconds


class _Jumps(DefaultSelector):
    seconds = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[SelectorKey, int]]:
        assert timeout is not None, "nothing is due any more"
        self.seconds += max(0.0, timeout)
        return super().select(0)
