"""What a limit in Redis tells the one who is over it."""

from __future__ import annotations

from typing import Any, cast

import pytest

from core.adapters.crypto.pseudonyms import HmacPseudonyms
from core.adapters.memory.limiter import MemoryRateLimiter
from core.adapters.redis.limiter import RedisRateLimiter
from core.adapters.redis.node import Command
from core.adapters.redis.server import KeyNames
from core.ports.runtime import Quota


class Script:
    """A server that answers the script so: hits and milliseconds left of each key."""

    def __init__(self, *reply: list[int]) -> None:
        self._reply = list(reply)

    def call(self, command: Command[Any]) -> Any:
        return command.read(self._reply)


@pytest.mark.parametrize(("left", "seconds"), [(58_999, 59), (59_000, 60), (59_998, 60)])
@pytest.mark.parametrize("wider", [False, True])
def test_after_the_wait_that_is_named_the_window_has_ended(
    left: int, seconds: int, wider: bool
) -> None:
    """The key lives on in the millisecond in which it ends."""
    over, under = [4, left], [1, 100_000]
    limiter = RedisRateLimiter(
        cast(Any, Script(under, over) if wider else Script(over)),
        names=KeyNames(HmacPseudonyms(b"k" * 32)),
        fallback=MemoryRateLimiter(),
    )
    quota = Quota(key="site", limit=3) if wider else None
    state = limiter.hit("address", limit=3, window=60, wider=quota)
    assert (state.allowed, state.wider, state.retry_after) == (False, wider, seconds)
