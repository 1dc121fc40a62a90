"""Counters of what may be done so many times."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import timedelta

import psycopg2

from core.adapters.postgres.storage import PostgresStorage
from core.ports.session_stores import Bucket, Exceeded
from tests.support.clock import START
from tests.support.storage import CONTEXT, IDS, RecordedMetrics


def bucket(*, limit: int = 3, window: int = 60) -> Bucket:
    return Bucket(key=IDS.new().bytes, limit=limit, window=window, policy="test")


def charge(storage: PostgresStorage, *buckets: Bucket, after: float = 0) -> Exceeded | None:
    """Committed, `after` seconds from START."""
    with storage.write(CONTEXT) as uow:
        exceeded = uow.throttles.charge(buckets, now=START + timedelta(seconds=after))
        uow.commit()
    return exceeded


def over(one: Bucket, *, ends: float, first: bool = False) -> Exceeded:
    return Exceeded(bucket=one, ends=START + timedelta(seconds=ends), first=first)


def test_the_charge_above_the_limit_is_refused(storage: PostgresStorage) -> None:
    """Only the one that crosses the limit is `first`; the window's end stays where it is."""
    one = bucket()
    for _ in range(3):
        assert charge(storage, one) is None
    assert charge(storage, one) == over(one, ends=60, first=True)
    assert charge(storage, one, after=20.5) == over(one, ends=60)
    assert charge(storage, one, after=59.9) == over(one, ends=60)


def test_a_window_starts_anew_when_it_is_over(storage: PostgresStorage) -> None:
    """From the first failure, not from the last."""
    one = bucket(limit=1)
    assert charge(storage, one) is None
    assert charge(storage, one, after=59) is not None
    assert charge(storage, one, after=60) is None
    assert charge(storage, one, after=61) == over(one, ends=120, first=True)


def test_every_bucket_is_charged_and_the_first_that_is_over_is_told(
    storage: PostgresStorage, metrics: RecordedMetrics
) -> None:
    """In the order of the caller, in one statement; each has its own window."""
    wide, narrow = bucket(limit=5, window=3600), bucket(limit=0)
    metrics.queries.clear()
    assert charge(storage, wide, narrow) == over(narrow, ends=60, first=True)
    assert metrics.queries == [("select", "throttles")]
    both = bucket(limit=0, window=7), bucket(limit=0, window=5)
    told = charge(storage, *both)
    assert told is not None
    assert told.bucket == both[0]
    assert charge(storage, *reversed(both)) == over(both[1], ends=5)


def test_concurrent_charges_are_all_counted(storage: PostgresStorage) -> None:
    """Forty guesses at once on two shared buckets, in both orders: ten are let through, one is the
    first too many, none deadlocks."""
    buckets = (bucket(limit=10), bucket(limit=1000))

    def attempt(number: int) -> Exceeded | None:
        return charge(storage, *(buckets if number % 2 else reversed(buckets)))

    with ThreadPoolExecutor(10) as threads:
        told = [exceeded for exceeded in threads.map(attempt, range(40)) if exceeded]
    assert len(told) == 30
    assert sum(exceeded.first for exceeded in told) == 1


def test_what_is_refused_is_not_charged_to_the_buckets_behind(storage: PostgresStorage) -> None:
    """Else one address that goes on after its refusals would use up what all strangers share; in
    front, it goes on to be counted."""
    pair, shared = bucket(limit=1), bucket(limit=3)
    assert [charge(storage, pair, shared) for _ in range(2)] == [
        None,
        over(pair, ends=60, first=True),
    ]
    for _ in range(5):
        assert charge(storage, pair, shared) == over(pair, ends=60)
    assert charge(storage, shared) is None
    assert charge(storage, shared) == over(shared, ends=60, first=True)
    other = bucket(limit=1)
    assert charge(storage, other, shared) == over(shared, ends=60)
    assert charge(storage, other, shared) == over(other, ends=60, first=True)


def test_nobody_waits_for_a_bucket_that_is_full(
    storage: PostgresStorage, superuser_url: str
) -> None:
    """All who guess at one account meet in it; each would wait for the commit of the one before."""
    full = bucket(limit=0)
    assert charge(storage, full) == over(full, ends=60, first=True)
    with closing(psycopg2.connect(superuser_url)) as other, other.cursor() as cursor:
        cursor.execute("SELECT FROM throttles WHERE key = %s FOR UPDATE", (full.key,))
        assert cursor.rowcount == 1
        assert charge(storage, full) == over(full, ends=60)


def test_a_charge_outside_of_a_transaction_counts_at_once(storage: PostgresStorage) -> None:
    """Whoever only reads charges in the same round trip."""
    one = bucket(limit=0)
    with storage.read() as stores:
        assert stores.throttles.charge([one], now=START)
    again = charge(storage, one)
    assert again is not None
    assert not again.first
