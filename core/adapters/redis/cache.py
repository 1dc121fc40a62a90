"""Short-lived answers that all processes share."""

from __future__ import annotations

from core.adapters.redis.node import Command, Unreachable
from core.adapters.redis.server import KeyNames, Server
from core.ports.runtime import Cache, Metrics
from core.ports.security import Sealer


class RedisCache:
    """Implements Cache; `fallback` answers while Redis fails.

    Values are sealed for their key: who reads Redis learns nothing, who writes it can make up
    nothing, and a reply that belongs to another key is not believed.
    """

    def __init__(
        self,
        server: Server,
        *,
        names: KeyNames,
        sealer: Sealer,
        fallback: Cache,
        metrics: Metrics,
    ) -> None:
        self._server = server
        self._names = names
        self._sealer = sealer
        self._fallback = fallback
        self._metrics = metrics

    def get(self, key: str) -> bytes | None:
        name = self._names.of("cache", key)
        try:
            sealed = self._server.call(_get(name))
        except Unreachable:
            return self._fallback.get(key)
        value = self._opened(sealed, name)
        self._metrics.redis_cache(hit=value is not None)
        return value

    def put(self, key: str, value: bytes, *, seconds: int) -> None:
        name = self._names.of("cache", key)
        sealed = self._sealer.seal(value, context=name)
        try:
            self._server.call(_set(name, sealed, seconds))
        except Unreachable:
            self._fallback.put(key, value, seconds=seconds)

    def _opened(self, sealed: bytes | None, name: str) -> bytes | None:
        if sealed is None:
            return None
        try:
            return self._sealer.open(sealed, context=name)
        except ValueError:
            return None


def _get(name: str) -> Command[bytes | None]:
    return Command(operation="get", key=name, words=("GET", name), read=_bytes_or_none)


def _set(name: str, sealed: bytes, seconds: int) -> Command[None]:
    # A key lives on in the millisecond in which it ends.
    words = ("SET", name, sealed, "PX", seconds * 1000 - 1)
    return Command(operation="set", key=name, words=words, read=_ok)


def _bytes_or_none(reply: object) -> bytes | None:
    if reply is None or isinstance(reply, bytes):
        return reply
    raise ValueError("not the reply to GET")


def _ok(reply: object) -> None:
    if reply != b"OK":
        raise ValueError("not the reply to SET")
