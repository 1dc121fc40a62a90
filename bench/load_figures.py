"""What was measured under a load, and what must hold of it."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from bench.line import BUSY, LOST

LIVE, READY, READS = "GET /health/live", "GET /health/ready", "reads of others"

LIVE_SECONDS = 0.1
TIMES_IDLE = 3.0
GOOD_SHARE = 0.99


def schedule(rate: float, seconds: float, *, offset: float = 0.0) -> list[float]:
    """When an open loop sends: `rate` a second for `seconds`, whatever became of those before."""
    return [offset + number / rate for number in range(round(rate * seconds))]


def percentile(values: Sequence[float], share: float) -> float:
    """The smallest value that `share` of the values do not exceed (nearest rank); NaN of none."""
    if not values:
        return math.nan
    return sorted(values)[max(0, math.ceil(share * len(values)) - 1)]


@dataclass
class Series:
    """The requests of one kind: how they were answered, and how long each took from the moment at
    which it was due."""

    statuses: Counter[str] = field(default_factory=Counter)
    seconds: list[float] = field(default_factory=list)

    def note(self, outcome: str, seconds: float) -> None:
        self.statuses[outcome] += 1
        self.seconds.append(seconds)

    @property
    def count(self) -> int:
        return self.statuses.total()

    @property
    def good(self) -> float:
        """The share of 2xx."""
        found = sum(n for status, n in self.statuses.items() if status.startswith("2"))
        return found / self.count if self.count else math.nan

    @property
    def p50(self) -> float:
        return percentile(self.seconds, 0.5)

    @property
    def p99(self) -> float:
        return percentile(self.seconds, 0.99)

    @property
    def longest(self) -> float:
        return max(self.seconds, default=math.nan)


@dataclass(frozen=True, kw_only=True)
class Pair:
    """One kind of caller: before the load, and during it."""

    idle: Series
    during: Series

    @property
    def p99_ratio(self) -> float:
        return self.during.p99 / self.idle.p99

    @property
    def p50_ratio(self) -> float:
        return self.during.p50 / self.idle.p50


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """A load: what it got in how many seconds, for which share of a core of its own, and what
    everybody else noticed; `at_once` is how many of its reads the database had at work together,
    where that was asked."""

    got: Series
    seconds: float
    own_share: float
    callers: Mapping[str, Pair]
    times_judged: bool = True
    at_once: int | None = None

    def broken(self) -> Iterator[str]:
        """What must never be, whatever the machine."""
        for status in sorted(self.got.statuses):
            # A load may be told to come back later.
            if status == LOST or (status.startswith("5") and status != BUSY):
                yield f"the load got {status} {self.got.statuses[status]} times"
        for kind, pair in self.callers.items():
            refused = {s: n for s, n in pair.during.statuses.items() if not s.startswith("2")}
            if kind == READY and refused:
                yield f"{kind} was answered {_told(refused)}"
            elif not pair.during.good >= GOOD_SHARE:
                yield f"{kind}: {pair.during.good:.1%} of {pair.during.count} were 2xx, and " + (
                    _told(refused)
                )
        if self.at_once is not None and self.at_once < 2:
            yield f"{self.at_once} read at a time was at work in the database"

    def slow(self) -> Iterator[str]:
        """Times beyond their goals."""
        if not self.times_judged:
            return
        for kind, pair in self.callers.items():
            if kind == LIVE and not pair.during.p99 < LIVE_SECONDS:
                yield f"{kind}: p99 is {_ms(pair.during.p99)}"
            elif kind not in {LIVE, READY} and not pair.p99_ratio <= TIMES_IDLE:
                yield f"{kind}: p99 is {pair.p99_ratio:.1f} times idle"


def table(outcomes: Mapping[str, Outcome]) -> list[str]:
    """A line a caller of each load, and what each load got."""
    lines = [
        "| load | caller | requests | 2xx | p50 idle, load | p99 idle, load | ratio | longest |",
        "|---|---|---:|---:|---:|---:|---:|---:|",
    ]
    for load, outcome in outcomes.items():
        for kind, pair in outcome.callers.items():
            lines.append(f"| {load} | {kind} | {_figures(pair)} |")
    lines += ["", "| load | requests a second | its own use of a core | answers |"]
    lines.append("|---|---:|---:|---|")
    for load, outcome in outcomes.items():
        rate = outcome.got.count / outcome.seconds
        told = _told(outcome.got.statuses)
        if outcome.at_once is not None:
            told += f"; at work in the database at once: {outcome.at_once}"
        lines.append(f"| {load} | {rate:.1f} | {outcome.own_share:.0%} | {told} |")
    return lines


def _figures(pair: Pair) -> str:
    idle, during = pair.idle, pair.during
    return " | ".join(
        [
            str(during.count),
            f"{during.good:.1%}",
            f"{_ms(idle.p50)}, {_ms(during.p50)}",
            f"{_ms(idle.p99)}, {_ms(during.p99)}",
            f"{pair.p99_ratio:.1f}",
            _ms(during.longest),
        ]
    )


def _ms(seconds: float) -> str:
    return f"{seconds * 1000:.1f} ms" if seconds < 0.01 else f"{seconds * 1000:.0f} ms"


def _told(statuses: Mapping[str, int]) -> str:
    return ", ".join(f"{status}: {number}" for status, number in sorted(statuses.items()))
