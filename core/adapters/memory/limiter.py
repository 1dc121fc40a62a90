"""Rate limits inside one process."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from core.ports.runtime import LimitState, Quota


@dataclass(slots=True)
class _Window:
    ends: float
    hits: int


class MemoryRateLimiter:
    """Implements RateLimiter: a fixed window a key, which begins with the key's first hit.

    It holds at most `max_keys` windows, the oldest give way, so that a sweep over many addresses
    costs bounded memory. A client that times its hits well gets twice the limit around the end of a
    window; the guesses of passwords are counted in the database, not here.
    """

    def __init__(
        self, *, max_keys: int = 65_536, seconds: Callable[[], float] = time.monotonic
    ) -> None:
        self._max_keys = max_keys
        self._seconds = seconds
        self._lock = threading.Lock()
        self._windows: OrderedDict[str, _Window] = OrderedDict()

    def hit(self, key: str, *, limit: int, window: int, wider: Quota | None = None) -> LimitState:
        if limit == 0:
            return LimitState(allowed=True, limit=0, window=window, remaining=0, retry_after=0)
        now = self._seconds()
        with self._lock:
            counts = [self._count(key, now, window)]
            if wider is not None and counts[0][0] <= limit:
                counts.append(self._count(wider.key, now, window))
        return LimitState.nearest(counts, limit=limit, window=window, wider=wider)

    def _count(self, key: str, now: float, window: int) -> tuple[int, float]:
        """Hits so far, and the seconds until the window ends."""
        current = self._window(key, now, window)
        current.hits += 1
        return current.hits, current.ends - now

    def _window(self, key: str, now: float, window: int) -> _Window:
        current = self._windows.get(key)
        if current is not None and now < current.ends:
            return current
        self._windows.pop(key, None)
        self._forget(now)
        current = self._windows[key] = _Window(ends=now + window, hits=0)
        return current

    def _forget(self, now: float) -> None:
        """Makes room for one more; two windows that are over go for each one that begins."""
        for _ in range(2):
            oldest = next(iter(self._windows.values()), None)
            full = len(self._windows) >= self._max_keys
            if oldest is None or (now < oldest.ends and not full):
                return
            self._windows.popitem(last=False)
