"""Rate limits that all processes share."""

from __future__ import annotations

from core.adapters.redis.node import Command, Unreachable
from core.adapters.redis.server import KeyNames, Server
from core.ports.runtime import LimitState, RateLimiter

# One round trip, and atomic: no hit is lost, and no window is left without its end. It is sent
# whole each time, since a server that was restarted or flushed knows no digest of it.
_SCRIPT = """
local hits = redis.call('INCR', KEYS[1])
local left = redis.call('PTTL', KEYS[1])
if left < 0 then
  redis.call('PEXPIRE', KEYS[1], ARGV[1])
  left = tonumber(ARGV[1])
end
return {hits, left}
"""


class RedisRateLimiter:
    """Implements RateLimiter as MemoryRateLimiter does; `fallback` answers while Redis fails."""

    def __init__(self, server: Server, *, names: KeyNames, fallback: RateLimiter) -> None:
        self._server = server
        self._names = names
        self._fallback = fallback

    def hit(self, key: str, *, limit: int, window: int) -> LimitState:
        if limit == 0:
            return self._fallback.hit(key, limit=limit, window=window)
        try:
            hits, left = self._server.call(_hit(self._names.of("limit", key), window))
        except Unreachable:
            return self._fallback.hit(key, limit=limit, window=window)
        return LimitState.after(hits, limit=limit, window=window, left=left)


def _hit(name: str, window: int) -> Command[tuple[int, float]]:
    """Hits so far, and the seconds until the window ends.

    A key lives on in the millisecond in which it ends, so it ends one earlier; who comes back after
    the wait that is named finds it gone.
    """
    words = ("EVAL", _SCRIPT, 1, name, window * 1000 - 1)
    return Command(operation="limit", key=name, words=words, read=_hits_and_left)


def _hits_and_left(reply: object) -> tuple[int, float]:
    match reply:
        case [int(hits), int(left)]:
            return hits, (left + 1) / 1000
        case _:
            raise ValueError("not the reply of the script")
