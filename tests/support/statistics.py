"""Comparing two samples of times."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from statistics import NormalDist


def mann_whitney(first: Sequence[float], second: Sequence[float]) -> float:
    """The two-sided p that both samples come from one distribution.

    The normal approximation with tie correction, good from about 20 values a sample (Mann and
    Whitney, 1947).
    """
    pooled = sorted([*first, *second])
    ranks: dict[float, float] = {}
    position = 0
    counts = Counter(pooled)
    for value, count in sorted(counts.items()):
        ranks[value] = position + (count + 1) / 2
        position += count
    n, m = len(first), len(second)
    u = sum(ranks[value] for value in first) - n * (n + 1) / 2
    total = n + m
    ties = sum(count**3 - count for count in counts.values())
    variance = n * m / 12 * (total + 1 - ties / (total * (total - 1)))
    if variance == 0:
        return 1.0
    z = (abs(u - n * m / 2) - 0.5) / math.sqrt(variance)
    return 2 * (1 - NormalDist().cdf(z))
