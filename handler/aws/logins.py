"""The database's login as its secret has it now."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

from core.errors import ConfigurationError
from core.ports.logins import Login

logger = logging.getLogger(__name__)

REFRESH_SECONDS = 60.0
# Shortest time between two reads that refusals can cause.
RETRY_SECONDS = 2.0
# Longest wait for a read that another thread has begun: two tries of it.
_WAIT_SECONDS = 10.0


class SecretLogins:
    """Implements LoginSource: a minute old at most, or the last one known.

    The clock is the wall's, because the monotonic one stands still while Lambda freezes.
    """

    def __init__(
        self, *, read: Callable[[], Login], first: Login, clock: Callable[[], float] = time.time
    ) -> None:
        self._read = read
        self._login = first
        self._clock = clock
        self._tried_at = clock()
        self._refused_at: float | None = None
        self._reading = threading.Lock()

    def current(self) -> Login:
        # One thread reads; the others go on with what is known.
        if self._older(self._tried_at, REFRESH_SECONDS) and self._reading.acquire(blocking=False):
            try:
                self._renew()
            finally:
                self._reading.release()
        return self._login

    def after_refusal(self, refused: Login) -> Login | None:
        if not self._reading.acquire(timeout=_WAIT_SECONDS):
            return None
        try:
            if self._login == refused and self._older(self._refused_at, RETRY_SECONDS):
                self._renew()
                self._refused_at = self._clock()
            return None if self._login == refused else self._login
        finally:
            self._reading.release()

    def _renew(self) -> None:
        try:
            newer = self._read()
        except ConfigurationError as error:
            logger.warning("the database's login stays as it was: %s", error)
        else:
            if newer != self._login:
                logger.info("new connections to the database log in as %s", newer.username)
            self._login = newer
        finally:
            self._tried_at = self._clock()

    def _older(self, moment: float | None, seconds: float) -> bool:
        """A moment in the future counts as old: the clock was set back."""
        return moment is None or not 0 <= self._clock() - moment < seconds
