"""When a server that failed is asked again."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

logger = logging.getLogger(__name__)

_QUIET_SECONDS = 60.0


class Breaker:
    """After a failure nobody asks for `pause` seconds; then one caller may, and the others go on
    without waiting for what it finds."""

    def __init__(self, *, pause: float, seconds: Callable[[], float]) -> None:
        self._pause = pause
        self._seconds = seconds
        self._lock = threading.Lock()
        self._failing = False
        self._next_try = 0.0

    def admits(self) -> bool:
        """Whether the caller may ask. Whoever may has to tell what came of it, or the next one is
        admitted after another pause."""
        if not self._failing:
            return True
        with self._lock:
            now = self._seconds()
            if now < self._next_try:
                return False
            self._next_try = now + self._pause
            return True

    def failed(self) -> None:
        with self._lock:
            self._failing = True
            self._next_try = self._seconds() + self._pause

    def succeeded(self) -> bool:
        """Whether it had failed before."""
        if not self._failing:
            return False
        with self._lock:
            recovered, self._failing = self._failing, False
        return recovered


class OutageLog:
    """Says that Redis fails, at most once a minute, and then once that it is back.

    Only the type of the error is named: messages of the driver quote addresses and commands.
    """

    def __init__(self, *, seconds: Callable[[], float]) -> None:
        self._seconds = seconds
        self._lock = threading.Lock()
        self._quiet_until: float | None = None
        self._told = False

    def failed(self, error: BaseException) -> None:
        with self._lock:
            now = self._seconds()
            if self._quiet_until is not None and now < self._quiet_until:
                return
            self._quiet_until = now + _QUIET_SECONDS
            self._told = True
        logger.warning(
            "redis fails (%s): limits and caches stay in this process", type(error).__name__
        )

    def recovered(self) -> None:
        with self._lock:
            told, self._told = self._told, False
        if told:
            logger.warning("redis answers again")
