"""A clock that stands until a test moves it; tests/contract/test_clock.py holds it to the port."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

START = datetime(2030, 1, 2, 3, 4, 5, 678_000, tzinfo=UTC)


class FixedClock:
    """Implements Clock."""

    def __init__(self, now: datetime = START) -> None:
        self._now = now

    def now(self) -> datetime:
        return self._now.replace(microsecond=self._now.microsecond // 1000 * 1000)

    def advance(self, *, seconds: float) -> None:
        """Moves on, or back when negative."""
        self._now += timedelta(seconds=seconds)
