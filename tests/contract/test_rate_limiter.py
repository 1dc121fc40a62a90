"""What every RateLimiter keeps, whichever place it counts in."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial

import pytest

from core.adapters.memory.limiter import MemoryRateLimiter
from core.ports.runtime import LimitState, Quota, RateLimiter
from tests.support.redis_kinds import KINDS
from tests.support.redis_places import RedisPlace, Stopwatch

WINDOW = 60
KEY = "203.0.113.7"


@dataclass
class Place:
    """A limiter, and the way to let `seconds` pass for a key in it."""

    limiter: RateLimiter
    age: Callable[[str, float], None]

    def wait(self, seconds: float) -> None:
        self.age(KEY, seconds)

    def hit(self, key: str = KEY, *, limit: int = 3, window: int = WINDOW) -> LimitState:
        return self.limiter.hit(key, limit=limit, window=window)


@pytest.fixture(params=KINDS)
def place(request: pytest.FixtureRequest, redis_urls: Callable[[str], str]) -> Iterator[Place]:
    """In memory, on each kind of Redis, and on one that is down."""
    watch = Stopwatch()
    memory = MemoryRateLimiter(seconds=watch)

    def advance(_: str, seconds: float) -> None:
        watch.advance(seconds)

    if request.param == "memory":
        yield Place(memory, advance)
        return
    redis = RedisPlace.at(redis_urls(request.param))
    up = redis.server.reachable()
    yield Place(redis.limiter(memory), partial(redis.age, "limit") if up else advance)
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


def wide_hit(place: Place, part: str, *, limit: int = 3, wide: int = 7) -> LimitState:
    """A hit of one part of a whole that has a limit as well."""
    wider = Quota(key="2001:db8:7::/48", limit=wide)
    return place.limiter.hit(f"2001:db8:7:{part}::/64", limit=limit, window=60, wider=wider)


def test_the_parts_share_the_limit_of_the_whole(place: Place) -> None:
    """Three each, and seven together; which of the two is nearer to its end is told."""
    states = [wide_hit(place, part) for part in "aaabbbcccd"]
    assert [state.allowed for state in states] == [True] * 7 + [False] * 3
    assert [state.remaining for state in states] == [2, 1, 0, 2, 1, 0, 0, 0, 0, 0]
    assert [state.wider for state in states] == [False] * 6 + [True] * 4
    assert {(state.limit, state.wider) for state in states} == {(3, False), (7, True)}
    assert all(1 <= state.retry_after <= 60 for state in states[7:])


def test_what_one_part_is_refused_uses_up_nothing_of_the_others(place: Place) -> None:
    """Else one neighbour who goes on without end would shut all of them out."""
    states = [wide_hit(place, "a") for _ in range(50)]
    assert [state.allowed for state in states] == [True] * 3 + [False] * 47
    assert not any(state.wider for state in states)
    assert [wide_hit(place, part).allowed for part in "bbbc"] == [True] * 4
    assert not wide_hit(place, "d").allowed


def test_a_part_alone_and_its_whole_are_counted_apart(place: Place) -> None:
    """A whole is no other key, and keys of other wholes are others."""
    wide_hit(place, "a")
    assert place.hit("2001:db8:7::/48", window=60).remaining == 1
    wider = Quota(key="2001:db8:8::/48", limit=7)
    other = place.limiter.hit("2001:db8:8:a::/64", limit=3, window=60, wider=wider)
    assert (other.remaining, other.wider) == (2, False)


def test_concurrent_hits_of_many_parts_are_all_counted(place: Place) -> None:
    """Of 400 hits from forty parts exactly the whole's limit gets through."""
    with ThreadPoolExecutor(8) as pool:
        states = list(
            pool.map(lambda n: wide_hit(place, f"{n % 40:x}", limit=5, wide=50), range(400))
        )
    assert sum(state.allowed for state in states) == 50


def test_both_counts_take_one_round_trip(redis_urls: Callable[[str], str]) -> None:
    """On a cluster too, where one command reaches one slot."""
    for kind in ("redis", "cluster"):
        place = RedisPlace.at(redis_urls(kind))
        limiter = place.limiter()
        limiter.hit("first", limit=3, window=60)
        sent = place.metrics.sent["limit"]
        wider = Quota(key="2001:db8:7::/48", limit=7)
        for part in range(9):
            limiter.hit(f"2001:db8:7:{part}::/64", limit=3, window=60, wider=wider)
        assert place.metrics.sent["limit"] == sent + 9
        assert not place.metrics.failed
        place.server.close()


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
