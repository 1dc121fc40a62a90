"""What a bench makes of answers and times."""

from __future__ import annotations

import math
from collections import Counter

import pytest

from bench.line import BUSY, LOST, Answer, request
from bench.load_figures import (
    LIVE,
    READS,
    READY,
    Outcome,
    Pair,
    Series,
    percentile,
    schedule,
    table,
)

LOGIN = "POST /v1/auth/login"


def series(*seconds: float, status: str = "200") -> Series:
    return Series(Counter({status: len(seconds)}), list(seconds))


IDLE = series(0.01, 0.01, 0.02)


def outcome(
    kind: str, during: Series, *, got: Series = IDLE, at_once: int | None = None
) -> Outcome:
    pairs = {kind: Pair(idle=IDLE, during=during)}
    return Outcome(got=got, seconds=2.0, own_share=0.25, callers=pairs, at_once=at_once)


def test_an_open_loop_keeps_its_rate() -> None:
    assert schedule(10, 0.5) == [0, 0.1, 0.2, 0.3, 0.4]
    assert schedule(0.5, 4, offset=7) == [7, 9]
    assert schedule(0.5, 1) == []


@pytest.mark.parametrize(
    ("values", "share", "expected"),
    [
        ([3, 1, 2], 0.5, 2),
        ([3, 1, 2], 0.99, 3),
        (range(1, 101), 0.99, 99),
        (range(1, 101), 0.5, 50),
        (range(1, 201), 0.99, 198),
        ([5], 0.5, 5),
    ],
)
def test_a_percentile_is_a_value_that_was_measured(
    values: list[float], share: float, expected: float
) -> None:
    assert percentile(list(values), share) == expected


def test_nothing_has_no_percentile() -> None:
    assert math.isnan(percentile([], 0.99))
    assert math.isnan(Series().p99)
    assert math.isnan(Series().longest)
    assert math.isnan(Series().good)


def test_a_lost_answer_is_not_forgotten_in_the_times() -> None:
    found = series(0.1)
    found.note(LOST, 30.0)
    assert found.count == 2
    assert found.good == 0.5
    assert found.p99 == found.longest == 30.0


def test_good_figures_have_no_fault() -> None:
    for kind in (LIVE, READY, READS, LOGIN):
        found = outcome(kind, series(0.01, 0.02, 0.05))
        assert list(found.broken()) == []
        assert list(found.slow()) == []


@pytest.mark.parametrize("kind", [LIVE, READS, LOGIN])
def test_a_hundredth_of_honest_requests_may_fail(kind: str) -> None:
    for refused, broken in ((1, False), (2, True)):
        during = Series(Counter({"200": 100 - refused, "429 address": refused}), [0.01] * 100)
        assert bool(list(outcome(kind, during).broken())) is broken


@pytest.mark.parametrize("status", ["503", BUSY, LOST])
def test_readiness_answers_each_time(status: str) -> None:
    during = Series(Counter({"200": 999, status: 1}), [0.01] * 1000)
    assert list(outcome(READY, during).broken()) == [f"{READY} was answered {status}: 1"]


@pytest.mark.parametrize("status", ["500", "502", "503", LOST])
def test_no_load_gets_a_servers_error(status: str) -> None:
    got = series(0.1, status=status)
    assert list(outcome(LIVE, IDLE, got=got).broken()) == [f"the load got {status} 1 times"]


@pytest.mark.parametrize("status", ["401", "413", "422", "429 address", BUSY])
def test_a_load_may_be_refused(status: str) -> None:
    assert list(outcome(LIVE, IDLE, got=series(0.1, status=status)).broken()) == []


@pytest.mark.parametrize(
    ("kind", "seconds", "slow"),
    [
        (LIVE, 0.099, False),
        (LIVE, 0.1, True),
        (READY, 9.0, False),
        (READS, 0.06, False),
        (READS, 0.061, True),
        (LOGIN, 0.06, False),
        (LOGIN, 0.061, True),
    ],
)
def test_times_have_goals(kind: str, seconds: float, *, slow: bool) -> None:
    """A hundredth of a second for liveness, three times idle for callers."""
    assert bool(list(outcome(kind, series(seconds)).slow())) is slow


def test_callers_of_whom_nothing_is_known_are_at_fault() -> None:
    """A comparison with NaN is false."""
    found = outcome(READS, Series())
    assert list(found.broken())
    assert list(found.slow())


@pytest.mark.parametrize(("at_once", "broken"), [(None, False), (0, True), (1, True), (2, False)])
def test_more_than_one_read_is_at_work(at_once: int | None, *, broken: bool) -> None:
    assert bool(list(outcome(LIVE, IDLE, at_once=at_once).broken())) is broken


def test_the_table_tells_idle_load_and_ratio() -> None:
    lines = table({"junk": outcome(READS, series(0.04, 0.04), got=series(0.1, status="401"))})
    assert lines[2] == (
        "| junk | reads of others | 2 | 100.0% | 10 ms, 40 ms | 20 ms, 40 ms | 2.0 | 40 ms |"
    )
    assert lines[-1] == "| junk | 0.5 | 25% | 401: 1 |"


@pytest.mark.parametrize(
    ("status", "head", "expected"),
    [
        (200, b"HTTP/1.1 200 OK\r\n", "200"),
        (503, b"HTTP/1.1 503 x\r\nretry-after: 1\r\n", BUSY),
        (503, b"HTTP/1.1 503 x\r\n", "503"),
        (
            429,
            b'HTTP/1.1 429 x\r\nretry-after: 1\r\nratelimit: "address";r=0;t=9\r\n',
            "429 address",
        ),
    ],
)
def test_an_answer_is_counted_by_what_it_means(status: int, head: bytes, expected: str) -> None:
    assert Answer(status, head, b"").outcome == expected


def test_a_request_is_whole() -> None:
    sent = request("PATCH", "/v1/users/me", address="10.0.0.1", token="t", body={"a": 1})
    assert sent == (
        b"PATCH /v1/users/me HTTP/1.1\r\nhost: localhost\r\nx-forwarded-for: 10.0.0.1\r\n"
        b"authorization: Bearer t\r\ncontent-type: application/merge-patch+json\r\n"
        b'content-length: 8\r\n\r\n{"a": 1}'
    )
