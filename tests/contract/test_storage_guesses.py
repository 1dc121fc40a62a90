"""Guesses at passwords: counted as at work, and as failures once they are known to be wrong."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from datetime import timedelta

import psycopg2
import pytest

from core.adapters.postgres.storage import PostgresStorage
from core.ports.session_stores import Bucket, Busy, Exceeded
from tests.contract.test_storage_throttles import bucket, over
from tests.support.clock import START
from tests.support.storage import CONTEXT, RecordedMetrics, query

LOST_AFTER = 30


def admit(storage: PostgresStorage, *buckets: Bucket, after: float = 0) -> Exceeded | Busy | None:
    """Committed, unless it is busy, `after` seconds from START."""
    now = START + timedelta(seconds=after)
    with storage.write(CONTEXT) as uow:
        refused = uow.throttles.admit(buckets, now=now, until=now + timedelta(seconds=LOST_AFTER))
        if not isinstance(refused, Busy):
            uow.commit()
    return refused


def fail(storage: PostgresStorage, *buckets: Bucket, after: float = 0) -> None:
    with storage.read() as stores:
        stores.throttles.fail(buckets, now=START + timedelta(seconds=after))


def release(
    storage: PostgresStorage, *buckets: Bucket, cleared: tuple[Bucket, ...] = (), after: float = 0
) -> None:
    with storage.read() as stores:
        now = START + timedelta(seconds=after)
        stores.throttles.release(buckets, cleared=cleared, now=now)


def guess_wrong(storage: PostgresStorage, *buckets: Bucket, after: float = 0) -> None:
    assert admit(storage, *buckets, after=after) is None
    fail(storage, *buckets, after=after)


Row = tuple[object, ...] | None


@pytest.fixture
def rows(superuser_url: str) -> Callable[[Bucket], Row]:
    """(failures, pending) of a bucket, or None."""

    def read(one: Bucket) -> Row:
        found = query(
            superuser_url, "SELECT failures, pending FROM throttles WHERE key = %s", (one.key,)
        )
        return found[0] if found else None

    return read


def test_the_guess_behind_the_limits_failures_is_refused(storage: PostgresStorage) -> None:
    """Only the one that finds them is `first`; the window's end stays where it is."""
    one = bucket()
    for seconds in range(3):
        guess_wrong(storage, one, after=seconds)
    assert admit(storage, one, after=4) == over(one, ends=60, first=True)
    assert admit(storage, one, after=20.5) == over(one, ends=60)
    assert admit(storage, one, after=59.9) == over(one, ends=60)


def test_a_window_opens_with_its_first_failure(storage: PostgresStorage) -> None:
    """Not with a guess that was right, or at work before it."""
    one = bucket(limit=2, window=60)
    assert admit(storage, one) is None
    assert admit(storage, one, after=5) is None
    release(storage, one, after=6)
    fail(storage, one, after=10)
    guess_wrong(storage, one, after=69)
    assert admit(storage, one, after=69.5) == over(one, ends=70, first=True)
    guess_wrong(storage, one, after=70)
    guess_wrong(storage, one, after=71)
    assert admit(storage, one, after=72) == over(one, ends=130, first=True)


def test_what_ended_without_a_verdict_has_not_failed(
    storage: PostgresStorage, rows: Callable[[Bucket], Row]
) -> None:
    """However often; and nothing of it is left."""
    one, shared = bucket(limit=1), bucket(limit=1)
    for _ in range(5):
        assert admit(storage, one, shared) is None
        release(storage, one, shared)
    assert rows(one) is rows(shared) is None


def test_guesses_at_work_and_failures_together_stay_within_the_limit(
    storage: PostgresStorage,
) -> None:
    """Without a bound of their own: else who guesses with many hands had more guesses."""
    one = bucket(limit=3)
    guess_wrong(storage, one)
    assert admit(storage, one) is None
    assert admit(storage, one) is None
    for _ in range(3):
        assert admit(storage, one) == Busy(bucket=one)
    release(storage, one)
    assert admit(storage, one) is None
    fail(storage, one)
    fail(storage, one)
    assert admit(storage, one) == over(one, ends=60, first=True)


def test_a_bound_of_their_own_is_no_matter_of_failures(storage: PostgresStorage) -> None:
    """An owner may log in many times at once, a failure or not; concurrent failures count up to
    the limit, so that one guess is the first to be refused."""
    one = bucket(limit=2)
    home = replace(one, at_once=4)
    guess_wrong(storage, home)
    for _ in range(4):
        assert admit(storage, home) is None
    assert admit(storage, home) == Busy(bucket=home)
    for _ in range(3):
        fail(storage, home)
    assert admit(storage, home) == over(home, ends=60, first=True)
    fail(storage, home)
    assert admit(storage, home) == over(home, ends=60)


def test_a_guess_that_is_busy_in_one_bucket_is_at_work_in_none(
    storage: PostgresStorage, rows: Callable[[Bucket], Row]
) -> None:
    one, other, shared = bucket(limit=1), bucket(limit=1), bucket(limit=1)
    assert admit(storage, one, shared) is None
    assert admit(storage, other, shared) == Busy(bucket=shared)
    assert rows(other) is None
    assert rows(shared) == (0, 1)


def test_a_guess_whose_end_nobody_told_is_at_work_for_a_while(
    storage: PostgresStorage, rows: Callable[[Bucket], Row]
) -> None:
    """Its process died. Who came later begins anew; a late end makes no room twice."""
    one = bucket(limit=2)
    assert admit(storage, one) is None
    assert admit(storage, one, after=10) is None
    assert admit(storage, one, after=39.9) == Busy(bucket=one)
    assert admit(storage, one, after=40) is None
    assert rows(one) == (0, 1)
    release(storage, one, after=41)
    release(storage, one, after=41)
    assert rows(one) is None


def test_what_is_refused_is_at_work_nowhere(
    storage: PostgresStorage, rows: Callable[[Bucket], Row]
) -> None:
    """It counts as a failure in front of the bucket that refused it: who goes on with what all
    strangers are refused is soon refused for itself, at less cost."""
    pair, shared = bucket(limit=2), bucket(limit=1)
    guess_wrong(storage, shared)
    assert admit(storage, pair, shared) == over(shared, ends=60, first=True)
    assert (rows(pair), rows(shared)) == ((1, 0), (2, 0))
    assert admit(storage, pair, shared) == over(shared, ends=60)
    assert (rows(pair), rows(shared)) == ((2, 0), (2, 0))
    assert admit(storage, pair, shared) == over(pair, ends=60, first=True)
    assert admit(storage, pair, shared) == over(pair, ends=60)
    assert (rows(pair), rows(shared)) == ((3, 0), (2, 0))


def test_what_a_pair_is_refused_is_not_counted_for_all_strangers(
    storage: PostgresStorage, rows: Callable[[Bucket], Row]
) -> None:
    """Else one address that goes on after its refusals would use up what all of them share."""
    pair, shared = bucket(limit=1), bucket(limit=3)
    guess_wrong(storage, pair, shared)
    assert admit(storage, pair, shared) == over(pair, ends=60, first=True)
    for _ in range(5):
        assert admit(storage, pair, shared) == over(pair, ends=60)
    assert rows(shared) == (1, 0)


def test_a_success_clears_the_pair_and_leaves_the_rest(
    storage: PostgresStorage, rows: Callable[[Bucket], Row]
) -> None:
    """Other guesses at work go on to be counted."""
    pair, shared = bucket(), bucket()
    guess_wrong(storage, pair, shared)
    for _ in range(2):
        assert admit(storage, pair, shared) is None
    release(storage, pair, shared, cleared=(pair,))
    assert (rows(pair), rows(shared)) == ((0, 1), (1, 1))
    fail(storage, pair, shared)
    assert (rows(pair), rows(shared)) == ((1, 0), (2, 0))


def test_several_guesses_end_in_one_statement(
    storage: PostgresStorage, metrics: RecordedMetrics, rows: Callable[[Bucket], Row]
) -> None:
    pair, shared = bucket(), bucket(limit=9)
    for _ in range(3):
        assert admit(storage, pair, shared) is None
    metrics.queries.clear()
    release(storage, pair, shared, shared)
    assert metrics.queries == [("update", "throttles")]
    assert (rows(pair), rows(shared)) == ((0, 2), (0, 1))


def test_what_is_forgiven_begins_anew_and_who_is_at_work_stays(
    storage: PostgresStorage, rows: Callable[[Bucket], Row]
) -> None:
    """By a password reset; where nothing is there, nothing is made."""
    one = bucket(limit=1)
    guess_wrong(storage, one)
    assert admit(storage, one) == over(one, ends=60, first=True)
    with storage.read() as stores:
        stores.throttles.forgive(one, now=START)
        stores.throttles.forgive(bucket(), now=START)
    assert rows(one) is None
    assert admit(storage, one) is None
    with storage.read() as stores:
        stores.throttles.forgive(one, now=START)
    assert rows(one) == (0, 1)


def test_concurrent_guesses_never_exceed_the_limit(storage: PostgresStorage) -> None:
    """Forty with ten hands, in both orders of the buckets, on rows that are not there yet: ten are
    let through, one is the first too many, none deadlocks."""
    buckets = (bucket(limit=10), bucket(limit=1000))

    def attempt(number: int) -> Exceeded | Busy | None:
        order = buckets if number % 2 else tuple(reversed(buckets))
        refused = admit(storage, *order)
        if refused is None:
            fail(storage, *order)
        return refused

    with ThreadPoolExecutor(10) as threads:
        told = list(threads.map(attempt, range(40)))
    let_in = told.count(None)
    while admit(storage, *buckets) is None:
        fail(storage, *buckets)
        let_in += 1
    assert let_in == 10
    again = [admit(storage, *buckets), *told]
    assert sum(isinstance(each, Exceeded) and each.first for each in again) <= 1


def test_one_guess_is_the_first_of_all_that_are_refused(storage: PostgresStorage) -> None:
    """Of many at the same moment: one row in the audit trail a window."""
    one = bucket(limit=1)
    guess_wrong(storage, one)
    with ThreadPoolExecutor(8) as threads:
        told = list(threads.map(lambda _: admit(storage, one), range(16)))
    assert sum(isinstance(each, Exceeded) and each.first for each in told) == 1
    assert all(isinstance(each, Exceeded) for each in told)


def test_nobody_waits_for_a_bucket_that_is_full(
    storage: PostgresStorage, superuser_url: str
) -> None:
    """All who guess at one account meet in it; each would wait for the commit of the one before."""
    full = bucket(limit=1)
    guess_wrong(storage, full)
    assert admit(storage, full) == over(full, ends=60, first=True)
    with closing(psycopg2.connect(superuser_url)) as other, other.cursor() as cursor:
        cursor.execute("SELECT FROM throttles WHERE key = %s FOR UPDATE", (full.key,))
        assert cursor.rowcount == 1
        assert admit(storage, full) == over(full, ends=60)


def test_guesses_that_begin_and_end_at_once_lock_each_other_out_never(
    storage: PostgresStorage, rows: Callable[[Bucket], Row]
) -> None:
    """All take the rows in one order: many logins at once to one account end."""
    own, shared = sorted((bucket(), bucket()), key=lambda each: each.key, reverse=True)
    own, shared = (replace(each, limit=10_000) for each in (own, shared))

    def log_in(number: int) -> None:
        assert admit(storage, own, shared) is None
        if number % 3:
            release(storage, own, shared, cleared=(own,))
        else:
            fail(storage, own, shared)

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(log_in, range(99)))
    assert rows(shared) == (33, 0)


class TestBesideTheVersionBefore:
    """It charges before it knows, as mails are charged, and takes a row away, or one off."""

    def test_both_count_the_failures_of_both(self, storage: PostgresStorage) -> None:
        one = bucket(limit=3)
        guess_wrong(storage, one)
        with storage.read() as stores:
            assert stores.throttles.charge([one], now=START) is None
        guess_wrong(storage, one)
        assert admit(storage, one) == over(one, ends=60, first=True)
        with storage.read() as stores:
            assert stores.throttles.charge([one], now=START) == over(one, ends=60)

    def test_a_row_that_it_took_away_is_missed_by_nobody(
        self, storage: PostgresStorage, superuser_url: str, rows: Callable[[Bucket], Row]
    ) -> None:
        for end in (fail, release):
            one = bucket()
            assert admit(storage, one) is None
            query(superuser_url, "DELETE FROM throttles WHERE key = %s", (one.key,))
            end(storage, one)
            assert rows(one) == ((1, 0) if end is fail else None)

    def test_it_leaves_guesses_at_work_alone(
        self, storage: PostgresStorage, rows: Callable[[Bucket], Row]
    ) -> None:
        one = bucket()
        assert admit(storage, one) is None
        with storage.read() as stores:
            stores.throttles.charge([one], now=START)
        assert rows(one) == (1, 1)
