"""The signing keys that this process knows, read from the database now and then."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from core.adapters.crypto.signing_keys import OpenedKey, open_signing_key
from core.errors import Unavailable
from core.ports.runtime import Clock
from core.ports.security import KeysUnread, Sealer
from core.ports.storage import SigningKey

logger = logging.getLogger(__name__)

REFRESH_EVERY = timedelta(seconds=60)
# Shortest time between two reads that an unknown kid or a failing database can cause, with keys and
# without any.
RETRY_EVERY = timedelta(seconds=5)
RETRY_WHEN_EMPTY = timedelta(seconds=1)
# Longest wait for a read that another thread has begun.
WAIT_SECONDS = 2.0


@dataclass(frozen=True, kw_only=True)
class _Snapshot:
    """What was read last, and when; replaced as a whole, so that readers need no lock."""

    keys: Mapping[str, OpenedKey] = field(default_factory=dict)
    read_at: datetime | None = None
    tried_at: datetime | None = None

    def worth_a_read(self, now: datetime) -> bool:
        return _older(self.tried_at, now, RETRY_EVERY if self.keys else RETRY_WHEN_EMPTY)


class KeyRing:
    """Keys by kid: a minute old at most, or the last ones known while the database is down.

    One thread reads at a time. The others go on with what they have; only where they have nothing
    to go on with, they wait for it.

    Args:
        load: published, active and not yet retired keys; may raise Unavailable.
        sealer: opens their private halves.
        clock: the wall clock, because the monotonic one stands still while Lambda freezes.
    """

    def __init__(
        self, *, load: Callable[[], Sequence[SigningKey]], sealer: Sealer, clock: Clock
    ) -> None:
        self._load = load
        self._sealer = sealer
        self._clock = clock
        self._reading = threading.Lock()
        self._snapshot = _Snapshot()

    def prepare(self) -> None:
        """Reads if it is time to, so that `active` need not. Raises Unavailable without a key."""
        if self._newest(self._current(self._clock.now())) is None:
            self.active()

    def active(self) -> OpenedKey:
        """The newest key whose time has come; reads only where there is none."""
        key = self._newest(self._snapshot) or self._newest(self._reread(self._clock.now()))
        if key is None:
            raise Unavailable
        return key

    def get(self, kid: str, *, may_read: bool = True) -> OpenedKey | None:
        """A key to verify with; None when it is unknown or retired.

        Raises:
            Unavailable: no key could be read yet, so it cannot be said what is unknown.
            KeysUnread: keys have to be read first, without `may_read`.
        """
        now = self._clock.now()
        if not may_read:
            if self._would_read(kid, now):
                raise KeysUnread
            return self._known(kid, now)
        key = self._current(now).keys.get(kid) or self._reread(now).keys.get(kid)
        return key if key is not None and _usable(key, now) else None

    def published(self) -> Sequence[OpenedKey]:
        """All keys that verifiers have to know, by kid."""
        now = self._clock.now()
        return [key for _, key in sorted(self._current(now).keys.items()) if _usable(key, now)]

    def _known(self, kid: str, now: datetime) -> OpenedKey | None:
        snapshot = self._snapshot
        if snapshot.read_at is None:
            raise Unavailable
        key = snapshot.keys.get(kid)
        return key if key is not None and _usable(key, now) else None

    def _would_read(self, kid: str, now: datetime) -> bool:
        snapshot = self._snapshot
        if not snapshot.worth_a_read(now):
            return False
        if kid not in snapshot.keys:
            return True
        # While another thread reads, this one goes on with what there is.
        return _older(snapshot.read_at, now, REFRESH_EVERY) and not self._reading.locked()

    def _current(self, now: datetime) -> _Snapshot:
        snapshot = self._snapshot
        if snapshot.read_at is None:
            return self._reread(now)
        if _older(snapshot.read_at, now, REFRESH_EVERY):
            self._read(now, wait=0)
        return self._snapshot

    def _reread(self, now: datetime) -> _Snapshot:
        """As fresh as RETRY_EVERY allows. Raises Unavailable when no read ever worked."""
        self._read(now, wait=WAIT_SECONDS)
        snapshot = self._snapshot
        if snapshot.read_at is None:
            raise Unavailable
        return snapshot

    def _read(self, now: datetime, *, wait: float) -> None:
        if not self._snapshot.worth_a_read(now):
            return
        if not self._reading.acquire(blocking=wait > 0, timeout=wait or -1):
            return
        try:
            # Asked again, because another thread may have read while this one waited.
            if self._snapshot.worth_a_read(self._clock.now()):
                self._snapshot = self._next()
        finally:
            self._reading.release()

    def _next(self) -> _Snapshot:
        try:
            keys = self._opened(self._load())
        except Unavailable as error:
            logger.warning("The signing keys could not be read", exc_info=error)
            return replace(self._snapshot, tried_at=self._clock.now())
        now = self._clock.now()
        return _Snapshot(keys=keys, read_at=now, tried_at=now)

    def _newest(self, snapshot: _Snapshot) -> OpenedKey | None:
        # Asked after the read: the very first key is made by it, and active from that moment.
        now = self._clock.now()
        active = (k for k in snapshot.keys.values() if k.active_from <= now and _usable(k, now))
        return max(active, key=lambda key: (key.active_from, key.kid), default=None)

    def _opened(self, rows: Sequence[SigningKey]) -> dict[str, OpenedKey]:
        keys: dict[str, OpenedKey] = {}
        for row in rows:
            try:
                keys[row.kid] = open_signing_key(row, self._sealer)
            except ValueError as error:
                logger.error("Signing key %r is not used: %s", row.kid, error)
        return keys


def _usable(key: OpenedKey, now: datetime) -> bool:
    return key.retired_at is None or now < key.retired_at


def _older(moment: datetime | None, now: datetime, age: timedelta) -> bool:
    """A moment in the future counts as old: the clock was set back, and nobody knows since when."""
    return moment is None or not timedelta(0) <= now - moment < age
