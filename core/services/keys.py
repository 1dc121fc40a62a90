"""Signing keys: there is always one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from core.domain.requests import RequestContext
from core.ports.runtime import Clock
from core.ports.storage import SigningKey, Storage


@dataclass(frozen=True, kw_only=True)
class Keys:
    """`new_key` makes an ES256 key that is active at once, its private half sealed."""

    storage: Storage
    new_key: Callable[[], SigningKey]
    clock: Clock

    def usable(self) -> Sequence[SigningKey]:
        """The keys to sign and verify with; the very first start makes one."""
        with self.storage.read() as stores:
            keys = stores.signing_keys.usable(now=self.clock.now())
        if keys:
            return keys
        self.ensure_signing_key()
        with self.storage.read() as stores:
            return stores.signing_keys.usable(now=self.clock.now())

    def ensure_signing_key(self) -> None:
        """Of several processes that start at once, one makes the key."""
        with self.storage.write(RequestContext(request_id="first-signing-key")) as uow:
            uow.signing_keys.insert_first(self.new_key())
            uow.commit()
