"""A server that failed is asked again after a pause, by one."""

from __future__ import annotations

from core.adapters.redis.breaker import Breaker
from tests.support.redis_places import Stopwatch


def test_one_asks_after_the_pause_and_the_next_after_another() -> None:
    watch = Stopwatch()
    breaker = Breaker(pause=2.0, seconds=watch)
    assert breaker.admits()
    breaker.failed()
    watch.advance(1.5)
    assert not breaker.admits()
    watch.advance(0.5)
    assert [breaker.admits() for _ in range(3)] == [True, False, False]
    watch.advance(2)
    assert breaker.admits()
    assert breaker.succeeded()
    assert [breaker.admits(), breaker.admits(), breaker.succeeded()] == [True, True, False]
