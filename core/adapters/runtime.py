"""The clock of the machine, and ids that sort by it."""

from __future__ import annotations

import secrets
import threading
from datetime import UTC, datetime, timedelta
from uuid import UUID

from core.ports.runtime import Clock

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)
_TAIL_BITS = 74


class SystemClock:
    """Implements Clock."""

    def now(self) -> datetime:
        now = datetime.now(UTC)
        return now.replace(microsecond=now.microsecond // 1000 * 1000)


class UuidV7Ids:
    """Implements Ids (RFC 9562 section 5.7).

    The 74 bits behind the millisecond are one random number; within a millisecond, and while the
    clock stands or goes back, it rises by a random step (section 6.2, method 2), so that ids rise
    and still cannot be guessed.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._milliseconds = -1
        self._tail = 0

    def new(self) -> UUID:
        milliseconds, tail = self._next((self._clock.now() - _EPOCH) // _MILLISECOND)
        return UUID(
            int=milliseconds << 80
            | 0x7 << 76
            | tail >> 62 << 64
            | 0b10 << 62
            | tail & ((1 << 62) - 1)
        )

    def _next(self, now: int) -> tuple[int, int]:
        with self._lock:
            if now <= self._milliseconds:
                self._tail += 1 + secrets.randbits(32)
                if not self._tail >> _TAIL_BITS:
                    return self._milliseconds, self._tail
                now = self._milliseconds + 1
            self._milliseconds = now
            # The highest bit stays free for the steps.
            self._tail = secrets.randbits(_TAIL_BITS - 1)
            return self._milliseconds, self._tail
