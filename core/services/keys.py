"""Signing keys: there is always one, and those of another SECRET_KEY can be discarded."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from core.domain.events import Event, EventType
from core.domain.requests import RequestContext
from core.errors import ConfigurationError
from core.ports.runtime import Clock
from core.ports.storage import SigningKey, Storage, Stores


@dataclass(frozen=True, kw_only=True)
class ListedKey:
    """`opens` with this SECRET_KEY."""

    key: SigningKey
    opens: bool


@dataclass(frozen=True, kw_only=True)
class Discard:
    """Kids of the keys that are retired, and of the one that is made, if none is left that
    opens."""

    retired: Sequence[str]
    made: str | None


@dataclass(frozen=True, kw_only=True)
class Keys:
    """`new_key` makes an ES256 key that is active at once, its private half sealed; `open_key`
    raises ValueError for a key of another SECRET_KEY."""

    storage: Storage
    new_key: Callable[[], SigningKey]
    open_key: Callable[[SigningKey], object]
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

    def listed(self) -> Sequence[ListedKey]:
        """Those that are not retired; makes none."""
        with self.storage.read() as stores:
            return self._listed(stores)

    def unreadable(self, *, force: bool) -> Sequence[str]:
        """Kids of the keys that `discard_unreadable` would retire.

        Raises:
            ConfigurationError: without `force`, where this SECRET_KEY may be the wrong one.
        """
        with self.storage.read() as stores:
            return self._unreadable(stores, force=force)

    def discard_unreadable(self, context: RequestContext, *, force: bool) -> Discard:
        """Retires every key that does not open, and makes a new one where none is left.

        Raises:
            ConfigurationError: without `force`, where this SECRET_KEY may be the wrong one.
        """
        with self.storage.write(context) as uow:
            kids = self._unreadable(uow, force=force)
            retired = uow.signing_keys.retire(kids, at=self.clock.now())
            new = self.new_key()
            made = new.kid if retired and uow.signing_keys.insert_first(new) else None
            if retired:
                details: dict[str, object] = {"retired": list(retired), "made": made}
                uow.record(
                    Event(
                        type=EventType.SIGNING_KEYS_DISCARDED,
                        actor=None,
                        subject=None,
                        details=details,
                    )
                )
            uow.commit()
        return Discard(retired=retired, made=made)

    def _unreadable(self, stores: Stores, *, force: bool) -> Sequence[str]:
        listed = self._listed(stores)
        opened = [each.key.kid for each in listed if each.opens]
        closed = [each.key.kid for each in listed if not each.opens]
        if closed and not force:
            if opened:
                raise ConfigurationError(
                    f"{', '.join(opened)} opens, so tokens can be signed; a process with another"
                    " SECRET_KEY may sign with the others: correct it, or add --force"
                )
            if stores.sessions.any_alive(now=self.clock.now()):
                raise ConfigurationError(
                    "somebody is logged in, by keys that do not open: SECRET_KEY is probably not"
                    " the one of this database; set that one, or add --force, which logs"
                    " everybody out"
                )
        return closed

    def _listed(self, stores: Stores) -> Sequence[ListedKey]:
        keys = stores.signing_keys.usable(now=self.clock.now())
        return [ListedKey(key=key, opens=self._opens(key)) for key in keys]

    def _opens(self, key: SigningKey) -> bool:
        try:
            self.open_key(key)
        except ValueError:
            return False
        return True
