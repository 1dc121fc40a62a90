"""Rate limits that all processes share."""

from __future__ import annotations

from core.adapters.redis.node import Command, Unreachable
from core.adapters.redis.server import KeyNames, Server
from core.ports.runtime import LimitState, Quota, RateLimiter

# One round trip, and atomic: no hit is lost, and no window is left without its end. It is sent
# whole each time, since a server that was restarted or flushed knows no digest of it.
_SCRIPT = """
local counts = {}
for place, name in ipairs(KEYS) do
  local hits = redis.call('INCR', name)
  local left = redis.call('PTTL', name)
  if left < 0 then
    redis.call('PEXPIRE', name, ARGV[1])
    left = tonumber(ARGV[1])
  end
  counts[place] = {hits, left}
  if hits > tonumber(ARGV[2]) then break end
end
return counts
"""


class RedisRateLimiter:
    """Implements RateLimiter as MemoryRateLimiter does; `fallback` answers while Redis fails."""

    def __init__(self, server: Server, *, names: KeyNames, fallback: RateLimiter) -> None:
        self._server = server
        self._names = names
        self._fallback = fallback

    def hit(self, key: str, *, limit: int, window: int, wider: Quota | None = None) -> LimitState:
        if limit == 0:
            return self._fallback.hit(key, limit=limit, window=window)
        if wider is None:
            names = [self._names.of("limit", key)]
        else:
            names = [
                self._names.beside("limit", key, wider.key),
                self._names.of("limit", wider.key),
            ]
        try:
            counts = self._server.call(_hit(names, limit, window))
        except Unreachable:
            return self._fallback.hit(key, limit=limit, window=window, wider=wider)
        return LimitState.nearest(counts, limit=limit, window=window, wider=wider)


def _hit(names: list[str], limit: int, window: int) -> Command[list[tuple[int, float]]]:
    """Hits so far, and the seconds until the window ends, of each; `limit` is the first one's.

    A key lives on in the millisecond in which it ends, so it ends one earlier; who comes back after
    the wait that is named finds it gone.
    """
    words: tuple[str | int, ...] = ("EVAL", _SCRIPT, len(names), *names, window * 1000 - 1, limit)
    return Command(operation="limit", key=names[0], words=words, read=_counts)


def _counts(reply: object) -> list[tuple[int, float]]:
    match reply:
        case [[int(hits), int(left)]]:
            return [(hits, (left + 1) / 1000)]
        case [[int(hits), int(left)], [int(more), int(until)]]:
            return [(hits, (left + 1) / 1000), (more, (until + 1) / 1000)]
        case _:
            raise ValueError("not the reply of the script")
