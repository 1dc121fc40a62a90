"""Limits and caches: in Redis if there is one, else in this process."""

from __future__ import annotations

from dataclasses import dataclass

from core.adapters.memory.absent import NoAccelerator
from core.adapters.memory.cache import MemoryCache
from core.adapters.memory.limiter import MemoryRateLimiter
from core.config import Settings
from core.config.redis_address import RedisAddress
from core.ports.runtime import Accelerator, Cache, Metrics, RateLimiter
from core.ports.security import Pseudonyms, Sealer


@dataclass(frozen=True, kw_only=True)
class Accelerators:
    limiter: RateLimiter
    local_limiter: RateLimiter
    cache: Cache
    server: Accelerator


def accelerators_for(
    settings: Settings, *, pseudonyms: Pseudonyms, sealer: Sealer, metrics: Metrics
) -> Accelerators:
    """What REDIS_URL chooses; nothing is connected yet. Raises ConfigurationError."""
    limiter, cache = MemoryRateLimiter(), MemoryCache()
    if settings.redis_url is None:
        return Accelerators(
            limiter=limiter, local_limiter=limiter, cache=cache, server=NoAccelerator()
        )
    # Loading the driver takes a good part of a start that may not need it.
    from core.adapters.redis import server_at
    from core.adapters.redis.cache import RedisCache
    from core.adapters.redis.limiter import RedisRateLimiter
    from core.adapters.redis.server import KeyNames

    server = server_at(RedisAddress.parse(settings.redis_url), metrics=metrics)
    names = KeyNames(pseudonyms)
    return Accelerators(
        limiter=RedisRateLimiter(server, names=names, fallback=limiter),
        local_limiter=limiter,
        cache=RedisCache(server, names=names, sealer=sealer, fallback=cache, metrics=metrics),
        server=server,
    )
