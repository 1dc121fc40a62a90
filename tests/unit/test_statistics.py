"""The test that judges times can tell a difference, and no difference."""

from __future__ import annotations

import random

import pytest

from tests.support.statistics import mann_whitney


def test_a_published_example() -> None:
    """Tortoise and hare: complete separation of two samples of 20."""
    assert mann_whitney(list(range(20)), list(range(20, 40))) < 1e-6


def test_equal_samples_are_not_told_apart() -> None:
    source = random.Random(4)  # noqa: S311  a repeatable sample, no secret
    first, second = ([source.gauss(30, 3) for _ in range(500)] for _ in range(2))
    assert mann_whitney(first, second) > 0.01
    assert mann_whitney([1.0] * 30, [1.0] * 30) == 1.0


@pytest.mark.parametrize("shift", [1.0, 2.0])
def test_a_shift_of_a_third_of_the_spread_is_seen(shift: float) -> None:
    """500 samples see one millisecond in thirty."""
    source = random.Random(2)  # noqa: S311  a repeatable sample, no secret
    first = [source.gauss(30, 3) for _ in range(500)]
    second = [source.gauss(30 + shift, 3) for _ in range(500)]
    assert mann_whitney(first, second) < 0.001
