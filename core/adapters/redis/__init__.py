"""Redis behind limits and caches, which work without it as well."""

from __future__ import annotations

import ssl
import time
from collections.abc import Callable

from core.adapters.redis.breaker import Breaker, OutageLog
from core.adapters.redis.cluster import Cluster
from core.adapters.redis.connection import Waits, pool_for
from core.adapters.redis.node import Node
from core.adapters.redis.server import Server
from core.config.redis_address import RedisAddress
from core.errors import ConfigurationError
from core.ports.runtime import Metrics


def server_at(
    address: RedisAddress,
    *,
    metrics: Metrics,
    waits: Waits = Waits(),  # noqa: B008  frozen
    seconds: Callable[[], float] = time.monotonic,
) -> Server:
    """The server or cluster at an address; nothing is connected yet.

    Raises:
        ConfigurationError: the certificates cannot be read.
    """
    tls = _trust(address)
    outages = OutageLog(seconds=seconds)

    def open_node(host: str, port: int) -> Node:
        return Node(
            pool_for(address, host=host, port=port, tls=tls, waits=waits),
            host=host,
            breaker=Breaker(pause=waits.pause, seconds=seconds),
            outages=outages,
            metrics=metrics,
        )

    if address.cluster:
        seed = (address.host, address.port)
        return Cluster(seed, open_node, pause=waits.pause, seconds=seconds)
    return open_node(address.host, address.port)


def _trust(address: RedisAddress) -> ssl.SSLContext | None:
    if not address.tls:
        return None
    try:
        return ssl.create_default_context(cafile=address.ca)
    except OSError:
        raise ConfigurationError("REDIS_URL names a ca that cannot be read") from None
