"""Ids sort by the time they were made, and cannot be guessed."""

from __future__ import annotations

import secrets
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from itertools import pairwise
from types import SimpleNamespace
from uuid import RFC_4122, UUID

import pytest

import core.adapters.runtime
from core.adapters.runtime import SystemClock, UuidV7Ids
from tests.support.clock import FixedClock

MOMENT = datetime(2022, 2, 22, 19, 22, 22, tzinfo=UTC)


def made_at(identifier: UUID) -> int:
    return identifier.int >> 80


def test_the_layout_is_the_standards() -> None:
    """Version 7 and variant 10 around the milliseconds of RFC 9562 section 5.7 and appendix A.6."""
    identifier = UuidV7Ids(FixedClock(MOMENT)).new()
    assert identifier.version == 7
    assert identifier.variant == RFC_4122
    assert made_at(identifier) == 0x017F22E279B0
    assert str(identifier).startswith("017f22e2-79b0-7")


def test_ids_rise_even_within_a_millisecond() -> None:
    """10,000 of them at one moment are in order and all different."""
    ids = UuidV7Ids(FixedClock(MOMENT))
    made = [ids.new() for _ in range(10_000)]
    assert made == sorted(set(made))
    assert {made_at(identifier) for identifier in made} == {made_at(made[0])}
    assert all(i.version == 7 and i.variant == RFC_4122 for i in made)


def test_ids_rise_when_the_clock_goes_back() -> None:
    """A correction of the clock puts no new row before an old one."""
    clock = FixedClock(MOMENT)
    ids = UuidV7Ids(clock)
    before = ids.new()
    clock.advance(seconds=-3600)
    during = [ids.new() for _ in range(100)]
    clock.advance(seconds=3601)
    after = ids.new()
    assert [before, *during, after] == sorted([before, *during, after])
    assert made_at(after) == made_at(before) + 1000


def test_ids_rise_over_the_end_of_the_random_part() -> None:
    """When the random part is used up, the next millisecond is borrowed."""
    ids = UuidV7Ids(FixedClock(MOMENT))
    before = ids.new()
    ids._tail = (1 << 74) - 1
    after = ids.new()
    assert after > before
    assert made_at(after) == made_at(before) + 1
    assert after.version == 7
    assert after.variant == RFC_4122


def test_ids_cannot_be_guessed_from_their_neighbours() -> None:
    """The step to the next one is a random number of 32 bits, and a millisecond has 73."""
    ids = UuidV7Ids(FixedClock(MOMENT))
    made = [ids.new().int for _ in range(200)]
    steps = {b - a for a, b in pairwise(made)}
    assert len(steps) > 190
    assert sum(step > 2**24 for step in steps) > 150
    starts = {UuidV7Ids(FixedClock(MOMENT)).new().int & (1 << 62) - 1 for _ in range(50)}
    assert len(starts) == 50


def test_each_step_is_taken_with_the_lock_held(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without it two threads would seldom meet, and then share an id."""
    ids, held = UuidV7Ids(FixedClock(MOMENT)), list[bool]()

    def watched(bits: int) -> int:
        held.append(ids._lock.locked())
        return secrets.randbits(bits)

    monkeypatch.setattr(core.adapters.runtime, "secrets", SimpleNamespace(randbits=watched))
    assert ids.new() < ids.new()
    assert held == [True, True]


def test_threads_never_share_an_id() -> None:
    """Eight threads at once."""
    ids = UuidV7Ids(SystemClock())
    with ThreadPoolExecutor(8) as pool:
        batches = list(pool.map(lambda _: [ids.new() for _ in range(2000)], range(8)))
    assert len({identifier for batch in batches for identifier in batch}) == 16_000
    assert all(batch == sorted(batch) for batch in batches)
