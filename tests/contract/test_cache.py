"""What every Cache keeps, whichever place it keeps it in."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial

import pytest

from core.adapters.memory.cache import MemoryCache
from core.ports.runtime import Cache
from tests.support.redis_kinds import KINDS
from tests.support.redis_places import RedisPlace, Stopwatch

ODD_KEYS = ("", "a", "a ", "A", "a:b", "a\x00b", "clé:\n*", "{a}", "\ud800", "k" * 500)


@dataclass
class Place:
    """A cache, and the way to let `seconds` pass for a key in it."""

    cache: Cache
    age: Callable[[str, float], None]


@pytest.fixture(params=KINDS)
def place(request: pytest.FixtureRequest, redis_urls: Callable[[str], str]) -> Iterator[Place]:
    """In memory, on each kind of Redis, and on one that is down."""
    watch = Stopwatch()
    memory = MemoryCache(seconds=watch)

    def advance(_: str, seconds: float) -> None:
        watch.advance(seconds)

    if request.param == "memory":
        yield Place(memory, advance)
        return
    redis = RedisPlace.at(redis_urls(request.param))
    up = redis.server.reachable()
    yield Place(redis.cache(memory), partial(redis.age, "cache") if up else advance)
    assert bool(redis.metrics.failed) == (request.param == "nobody")
    redis.server.close()


def test_what_is_put_is_there_and_nothing_else(place: Place) -> None:
    """Keys that look alike are kept apart, and bytes come back as they were."""
    for key in ODD_KEYS:
        assert place.cache.get(key) is None
    for n, key in enumerate(ODD_KEYS):
        place.cache.put(key, bytes([n, 0, 255]), seconds=60)
    for n, key in enumerate(ODD_KEYS):
        assert place.cache.get(key) == bytes([n, 0, 255])


def test_nothing_is_a_value_too(place: Place) -> None:
    """Remembering that there is nothing is not the same as not remembering."""
    place.cache.put("k", b"", seconds=60)
    assert place.cache.get("k") == b""


def test_the_last_value_counts(place: Place) -> None:
    """With its own time, not the first one's."""
    place.cache.put("k", b"first", seconds=30)
    place.cache.put("k", b"second", seconds=90)
    assert place.cache.get("k") == b"second"
    place.age("k", 31)
    assert place.cache.get("k") == b"second"


def test_a_value_lasts_as_long_as_was_said_and_no_longer(place: Place) -> None:
    """An answer that was right for a minute is not given in the next."""
    place.cache.put("k", b"value", seconds=60)
    place.age("k", 20)
    assert place.cache.get("k") == b"value"
    place.age("k", 40)
    assert place.cache.get("k") is None


def test_threads_get_their_own_values(place: Place) -> None:
    """Of 800 answers to eight threads not one is another key's."""

    def both(n: int) -> bool:
        place.cache.put(f"k{n % 40}", b"%d" % (n % 40), seconds=60)
        return place.cache.get(f"k{n % 40}") == b"%d" % (n % 40)

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(both, range(400)))


# --- in process only ------------------------------------------------------------------------------


def test_a_sweep_over_many_keys_takes_bounded_memory() -> None:
    """The first ones are forgotten, the last ones are kept, and a giant pushes nobody out."""
    cache = MemoryCache(max_bytes=100_000)
    for n in range(1000):
        cache.put(f"k{n}", b"v" * 500, seconds=60)
    assert len(cache._entries) < 100_000 / 500
    assert cache.get("k999") is not None
    assert cache.get("k0") is None
    cache.put("giant", b"v" * 100_000, seconds=60)
    assert cache.get("giant") is None
    assert cache.get("k999") is not None


def test_keys_take_room_too() -> None:
    """Four bytes a character, and 300 for the entry."""
    cache = MemoryCache(max_bytes=7000)
    for n in range(100):
        cache.put(f"{n:0100}", b"", seconds=60)
    kept = [n for n in range(100) if cache.get(f"{n:0100}") is not None]
    assert kept == list(range(90, 100))


def test_a_cache_has_sixteen_mebibytes_if_nothing_is_said() -> None:
    """A process has a limit of memory; without one of its own a cache would end it."""
    cache = MemoryCache()
    for n in range(17):
        cache.put(f"k{n}", b"v" * 2**20, seconds=60)
    assert [n for n in range(17) if cache.get(f"k{n}") is not None] == list(range(2, 17))


def test_what_is_gone_gives_its_room_back() -> None:
    """Overwritten and expired values do not count any more."""
    watch = Stopwatch()
    cache = MemoryCache(max_bytes=2000, seconds=watch)
    for _ in range(100):
        cache.put("same", b"v" * 500, seconds=60)
    cache.put("other", b"v" * 500, seconds=60)
    assert cache.get("same") is not None
    watch.advance(61)
    assert cache.get("same") is None
    assert cache.get("other") is None
    assert cache._bytes == 0
