"""What every Clock keeps: the machine's, and the one that tests move."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from core.adapters.runtime import SystemClock
from core.ports.runtime import Clock
from tests.support.clock import FixedClock


@pytest.fixture(params=[SystemClock, FixedClock])
def clock(request: pytest.FixtureRequest) -> Clock:
    made: Clock = request.param()
    return made


def test_times_are_aware_and_utc(clock: Clock) -> None:
    """No time of this service depends on where it runs."""
    assert clock.now().tzinfo is UTC


def test_times_have_whole_milliseconds(clock: Clock) -> None:
    """What the API shows is what is stored."""
    assert all(clock.now().microsecond % 1000 == 0 for _ in range(1000))


def test_a_moment_shown_is_the_moment_read(clock: Clock) -> None:
    """RFC 3339 with milliseconds loses nothing."""
    now = clock.now()
    assert datetime.fromisoformat(now.isoformat(timespec="milliseconds")) == now


def test_time_does_not_run_backwards(clock: Clock) -> None:
    """As far as the machine keeps it."""
    moments = [clock.now() for _ in range(100)]
    assert moments == sorted(moments)


def test_the_machines_clock_is_the_machines() -> None:
    """To the millisecond, and never ahead."""
    before = datetime.now(UTC)
    now = SystemClock().now()
    assert before - timedelta(milliseconds=1) <= now <= datetime.now(UTC)


def test_the_tests_clock_moves_as_told() -> None:
    """Forwards, backwards, and by less than a millisecond at a time."""
    clock = FixedClock()
    start = clock.now()
    assert clock.now() == start
    clock.advance(seconds=90.5)
    assert clock.now() - start == timedelta(seconds=90.5)
    clock.advance(seconds=-90.5)
    for _ in range(4):
        clock.advance(seconds=0.00025)
    assert clock.now() - start == timedelta(milliseconds=1)
