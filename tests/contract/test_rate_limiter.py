"""What every RateLimiter keeps, whichever place it counts in."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import pytest

from core.adapters.memory.limiter import MemoryRateLimiter
from core.ports.runtime import LimitState, RateLimiter
from tests.support.redis_kinds import KINDS
from tests.support.redis_places import RedisPlace, Stopwatch

WINDOW = 2


@dataclass
class Place:
    """A limiter, and the way to let `seconds` pass for it."""

    limiter: RateLimiter
    wait: Callable[[float], None]

    def hit(self, key: str = "203.0.113.7", *, limit: int = 3, window: int = WINDOW) -> LimitState:
        return self.limiter.hit(key, limit=limit, window=window)


@pytest.fixture(params=KINDS)
def place(request: pytest.FixtureRequest, redis_urls: Callable[[str], str]) -> Iterator[Place]:
    """In memory, on each kind of Redis, and on one that is down."""
    watch = Stopwatch()
    memory = MemoryRateLimiter(seconds=watch)
    if request.param == "memory":
        yield Place(memory, watch.advance)
        return
    redis = RedisPlace.at(redis_urls(request.param))
    up = redis.server.reachable()
    yield Place(redis.limiter(memory), time.sleep if up else watch.advance)
    assert bool(redis.metrics.failed) == (request.param == "nobody")
    redis.server.close()


def test_the_limit_is_let_through_and_no_more(place: Place) -> None:
    """Three of three, and the fourth is refused, with what is left each time."""
    states = [place.hit() for _ in range(5)]
    assert [state.allowed for state in states] == [True, True, True, False, False]
    assert [state.remaining for state in states] == [2, 1, 0, 0, 0]
    assert {(state.limit, state.window) for state in states} == {(3, WINDOW)}


def test_the_wait_that_is_named_is_enough(place: Place) -> None:
    """Who comes back after Retry-After is let in, and it is never longer than the window."""
    for _ in range(3):
        assert place.hit().retry_after == 0
    refused = place.hit()
    assert 1 <= refused.retry_after <= WINDOW
    place.wait(refused.retry_after)
    assert place.hit().allowed


def test_the_window_ends_although_hits_go_on(place: Place) -> None:
    """A client that keeps trying is not locked out for good."""
    for _ in range(3):
        place.hit()
    for _ in range(3):
        assert not place.hit().allowed
        place.wait(WINDOW / 4)
    place.wait(WINDOW / 4 + 0.1)
    assert [place.hit().allowed for _ in range(4)] == [True, True, True, False]


def test_the_limit_holds_to_the_end_of_the_window(place: Place) -> None:
    """Not a moment less: hits right before the end are still counted together."""
    for _ in range(3):
        place.hit()
    place.wait(WINDOW * 0.8)
    assert not place.hit().allowed


def test_keys_are_counted_apart(place: Place) -> None:
    """One address does not use up another's limit, however alike they look."""
    for _ in range(4):
        place.hit("203.0.113.7")
    for other in (
        "203.0.113.8",
        "203.0.113.70",
        "203.0.113.7 ",
        "",
        "clé:\n*",
        "\ud800",
        "k" * 500,
    ):
        assert place.hit(other).remaining == 2


def test_no_limit_is_no_limit(place: Place) -> None:
    """0 switches a limit off."""
    states = [place.hit(limit=0) for _ in range(100)]
    assert all(state.allowed and state.retry_after == 0 for state in states)


def test_concurrent_hits_are_all_counted(place: Place) -> None:
    """Of 400 hits by eight threads exactly the limit gets through."""
    with ThreadPoolExecutor(8) as pool:
        states = list(pool.map(lambda _: place.hit(limit=50, window=60), range(400)))
    assert sum(state.allowed for state in states) == 50


# --- in process only ------------------------------------------------------------------------------


def test_a_sweep_over_many_addresses_takes_bounded_memory() -> None:
    """The oldest windows are forgotten, the newest are kept."""
    limiter = MemoryRateLimiter(max_keys=100)
    for n in range(1000):
        limiter.hit(f"k{n}", limit=3, window=60)
    assert len(limiter._windows) == 100
    assert limiter.hit("k999", limit=3, window=60).remaining == 1
    assert limiter.hit("k899", limit=3, window=60).remaining == 2


def test_windows_that_are_over_give_their_memory_back() -> None:
    """After a sweep, ordinary traffic clears what it left behind."""
    watch = Stopwatch()
    limiter = MemoryRateLimiter(seconds=watch)
    for n in range(1000):
        limiter.hit(f"k{n}", limit=3, window=60)
    watch.advance(61)
    for n in range(600):
        limiter.hit(f"n{n}", limit=3, window=60)
    assert len(limiter._windows) == 600
