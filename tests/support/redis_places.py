"""Redis as each kind of deployment has it, and what it has counted there."""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from core.adapters.crypto.pseudonyms import HmacPseudonyms
from core.adapters.crypto.seal import AesGcmSealer
from core.adapters.memory.cache import MemoryCache
from core.adapters.memory.limiter import MemoryRateLimiter
from core.adapters.redis import server_at
from core.adapters.redis.cache import RedisCache
from core.adapters.redis.connection import Waits
from core.adapters.redis.limiter import RedisRateLimiter
from core.adapters.redis.node import Command
from core.adapters.redis.server import KeyNames, Server
from core.adapters.telemetry.metrics import PrometheusMetrics
from core.config.redis_address import RedisAddress

PATIENT = Waits(answer=10, connect=10, pause=1)
"""For what is about the answers: a machine that does ten things at once is no failure."""


class Counted(PrometheusMetrics):
    """The real metrics, with the numbers at hand."""

    def __init__(self) -> None:
        super().__init__(version="test")
        self.sent: Counter[str] = Counter()
        self.failed: Counter[str] = Counter()
        self.cache: Counter[bool] = Counter()

    def redis_operation(self, operation: str) -> None:
        super().redis_operation(operation)
        self.sent[operation] += 1

    def redis_error(self, operation: str) -> None:
        super().redis_error(operation)
        self.failed[operation] += 1

    def redis_cache(self, *, hit: bool) -> None:
        super().redis_cache(hit=hit)
        self.cache[hit] += 1


class Stopwatch:
    """Seconds that pass when the test says so."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now

    def advance(self, seconds: float) -> None:
        self.now += seconds


@dataclass
class RedisPlace:
    """Limiter and cache on one server, under names that nobody else uses."""

    server: Server
    metrics: Counted
    secret: bytes = field(default_factory=lambda: os.urandom(32))

    @classmethod
    def at(
        cls,
        url: str,
        *,
        waits: Waits = PATIENT,
        seconds: Callable[[], float] = time.monotonic,
        secret: bytes | None = None,
    ) -> RedisPlace:
        metrics = Counted()
        address = RedisAddress.parse(url)
        server = server_at(address, metrics=metrics, waits=waits, seconds=seconds)
        return cls(server, metrics, secret or os.urandom(32))

    @property
    def names(self) -> KeyNames:
        return KeyNames(HmacPseudonyms(self.secret))

    def age(self, kind: str, key: str, seconds: float) -> None:
        """As if so many seconds had passed for it: no test has to be quicker than its end."""
        name = self.names.of(kind, key)

        def ask(*words: str | int) -> int:
            return self.server.call(Command(operation="get", key=name, words=words, read=_number))

        left = ask("PTTL", name)
        if left >= 0:
            assert ask("PEXPIRE", name, max(left - round(seconds * 1000), 0)) == 1

    def limiter(self, fallback: MemoryRateLimiter | None = None) -> RedisRateLimiter:
        return RedisRateLimiter(
            self.server, names=self.names, fallback=fallback or MemoryRateLimiter()
        )

    def cache(self, fallback: MemoryCache | None = None) -> RedisCache:
        return RedisCache(
            self.server,
            names=self.names,
            sealer=AesGcmSealer(self.secret),
            fallback=fallback or MemoryCache(),
            metrics=self.metrics,
        )


def _number(reply: object) -> int:
    assert isinstance(reply, int)
    return reply
