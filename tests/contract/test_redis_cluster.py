"""A cluster whose nodes fail and whose slots move."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from core.adapters.redis.connection import Waits
from tests.support.redis_places import PATIENT, RedisPlace, Stopwatch
from tests.support.redis_server import redis_cluster

BOUNDED = Waits(answer=2, connect=10, pause=1)
"""For a wait that is in vain, beside others that are not, on a busy machine too."""


def test_a_frozen_node_takes_only_its_slots_along(tmp_path: Path) -> None:
    """The other two thirds of the keys are still in Redis, and only the breaker's tries fail."""
    watch = Stopwatch()
    with redis_cluster(tmp_path) as servers:
        url = f"{servers[0].url}/?cluster=true"
        place = RedisPlace.at(url, waits=BOUNDED, seconds=watch)
        cache = place.cache()
        for n in range(60):
            cache.put(f"k{n}", b"v", seconds=600)
        assert not place.metrics.failed
        servers[2].freeze()
        found = [cache.get(f"k{n}") for n in range(60)]
        assert 20 < found.count(b"v") < 60
        assert sum(place.metrics.failed.values()) <= 2
        servers[2].thaw()
        ends = time.monotonic() + 30
        while missing := [n for n in range(60) if cache.get(f"k{n}") is None]:
            assert time.monotonic() < ends, missing
            watch.advance(1.1)
        place.server.close()


def test_slots_that_move_are_followed(tmp_path: Path) -> None:
    """A redirect is followed at once, and learned; what is on its way is answered by memory."""
    watch = Stopwatch()
    with redis_cluster(tmp_path) as servers:
        place = RedisPlace.at(f"{servers[0].url}/?cluster=true", waits=PATIENT, seconds=watch)
        limiter = place.limiter()
        name = place.names.of("limit", "moving")
        slot = servers[0].command("CLUSTER", "KEYSLOT", name)
        limiter.hit("moving", limit=9, window=600)
        source = servers[slot // (16384 // 3 + 1)]
        target = servers[0] if source is not servers[0] else servers[1]
        source_id, target_id = (
            node.command("CLUSTER", "MYID").decode() for node in (source, target)
        )
        target.command("CLUSTER", "SETSLOT", slot, "IMPORTING", source_id)
        source.command("CLUSTER", "SETSLOT", slot, "MIGRATING", target_id)
        source.command("DEL", name)
        assert limiter.hit("moving", limit=9, window=600).remaining == 8
        assert place.metrics.failed == {"limit": 1}
        for node in (target, source):
            node.command("CLUSTER", "SETSLOT", slot, "NODE", target_id)
        left = [limiter.hit("moving", limit=9, window=600).remaining for _ in range(3)]
        assert left == [8, 7, 6]
        watch.advance(1.1)
        assert limiter.hit("moving", limit=9, window=600).remaining == 5
        sent = place.metrics.sent["limit"]
        assert limiter.hit("moving", limit=9, window=600).remaining == 4
        assert place.metrics.sent["limit"] == sent + 1
        assert place.metrics.failed == {"limit": 1}
        place.server.close()


def test_slots_are_learned_from_whoever_answers(tmp_path: Path) -> None:
    """That the node of the URL is frozen does not keep the others from telling."""
    watch = Stopwatch()
    with redis_cluster(tmp_path) as servers:
        place = RedisPlace.at(f"{servers[0].url}/?cluster=true", waits=BOUNDED, seconds=watch)
        keys = {place.names.of("limit", f"k{n}"): f"k{n}" for n in range(200)}
        slots = {servers[0].command("CLUSTER", "KEYSLOT", name): key for name, key in keys.items()}
        moved = max(slots)
        place.limiter().hit(slots[moved], limit=9, window=600)
        target_id = servers[1].command("CLUSTER", "MYID").decode()
        servers[2].command("DEL", place.names.of("limit", slots[moved]))
        for node in servers[1:]:
            node.command("CLUSTER", "SETSLOT", moved, "NODE", target_id)
        servers[0].freeze()
        for _ in range(4):
            watch.advance(1.1)
            place.limiter().hit(slots[moved], limit=9, window=600)
        sent = place.metrics.sent["limit"]
        place.limiter().hit(slots[moved], limit=9, window=600)
        assert place.metrics.sent["limit"] == sent + 1
        servers[0].thaw()
        place.server.close()


@pytest.mark.parametrize("kind", ["hostname", "unknown-endpoint"])
def test_nodes_without_a_name_are_those_that_were_asked(tmp_path: Path, kind: str) -> None:
    """A server that knows no name for itself sends `?` or nothing where the host stands."""
    watch = Stopwatch()
    with redis_cluster(tmp_path) as servers:
        for server in servers:
            server.command("CONFIG", "SET", "cluster-preferred-endpoint-type", kind)
        place = RedisPlace.at(f"{servers[0].url}/?cluster=true", waits=PATIENT, seconds=watch)
        cache = place.cache()
        for n in range(30):
            cache.put(f"k{n}", b"v", seconds=600)
        assert [cache.get(f"k{n}") for n in range(30)] == [b"v"] * 30
        assert not place.metrics.failed
        place.server.close()


def test_a_slot_that_nobody_serves_is_told(tmp_path: Path) -> None:
    """Though every node answers: a part of the counters is in this process alone."""
    with redis_cluster(tmp_path) as servers:
        whole = RedisPlace.at(f"{servers[0].url}/?cluster=true", waits=PATIENT)
        assert whole.server.reachable() is True
        whole.server.close()
        for server in servers:
            server.command("CLUSTER", "DELSLOTS", 0)
        holed = RedisPlace.at(f"{servers[0].url}/?cluster=true", waits=PATIENT)
        assert holed.server.reachable() is False
        holed.server.close()
