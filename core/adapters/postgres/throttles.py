"""Counters of failures, and of guesses at work; each window opens with its first failure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from sqlalchemy import (
    ARRAY,
    Connection,
    Integer,
    LargeBinary,
    and_,
    bindparam,
    case,
    column,
    delete,
    exists,
    func,
    literal,
    literal_column,
    null,
    or_,
    select,
    union_all,
    update,
)
from sqlalchemy.dialects.postgresql import TIMESTAMP, insert

from core.adapters.postgres.tables import throttles
from core.ports.session_stores import Bucket, Busy, Exceeded

_NOW = bindparam("now", type_=TIMESTAMP(timezone=True))
_asked = (
    func.unnest(
        bindparam("keys", type_=ARRAY(LargeBinary)),
        bindparam("limits", type_=ARRAY(Integer)),
        bindparam("ends", type_=ARRAY(TIMESTAMP(timezone=True))),
        bindparam("places", type_=ARRAY(Integer)),
    )
    .table_valued(
        column("key", LargeBinary),
        column("limit", Integer),
        column("expires_at", TIMESTAMP(timezone=True)),
        column("place", Integer),
    )
    .render_derived(name="asked")
)
# Read and not locked: all who guess at one account meet in one row, and would wait for each other's
# commits. That it is full stays true until its window ends, or the owner is in.
_full = (
    select(throttles.c.key, throttles.c.failures, throttles.c.expires_at, _asked.c.place)
    .join(_asked, throttles.c.key == _asked.c.key)
    .where(throttles.c.failures > _asked.c.limit, throttles.c.expires_at > _NOW)
    .cte("full_buckets")
)
_first = insert(throttles).from_select(
    ["key", "failures", "expires_at"],
    select(_asked.c.key, literal(1), _asked.c.expires_at)
    .where(~exists().where(_full.c.place <= _asked.c.place))
    # All transactions lock the rows in one order, so that two never wait for each other.
    .order_by(_asked.c.key),
)
_over = throttles.c.expires_at <= _NOW
_charged = (
    _first.on_conflict_do_update(
        index_elements=[throttles.c.key],
        set_={
            "failures": case((_over, 1), else_=throttles.c.failures + 1),
            "expires_at": case((_over, _first.excluded.expires_at), else_=throttles.c.expires_at),
        },
    )
    .returning(throttles.c.key, throttles.c.failures, throttles.c.expires_at)
    .cte("charged")
)
_counts = union_all(
    select(_full.c.key, _full.c.failures, _full.c.expires_at, literal(False).label("charged")),
    select(_charged.c.key, _charged.c.failures, _charged.c.expires_at, literal(True)),
).subquery("counts")
_CHARGE = select(_counts.c.key, _counts.c.failures, _counts.c.expires_at, _counts.c.charged)
# A guess that is refused by a bucket behind counts as a failure at once, else as at work.
_refused_behind = exists().where(_full.c.place > _asked.c.place)
_entering = insert(throttles).from_select(
    ["key", "failures", "expires_at", "pending", "pending_until"],
    select(
        _asked.c.key,
        case((_refused_behind, 1), else_=0),
        _asked.c.expires_at,
        case((_refused_behind, 0), else_=1),
        case((_refused_behind, null()), else_=bindparam("until", type_=TIMESTAMP(timezone=True))),
    )
    .where(~exists().where(_full.c.place <= _asked.c.place))
    .order_by(_asked.c.key),
)
_limit = (
    select(_asked.c.limit)
    .where(_asked.c.key == literal_column("excluded.key", LargeBinary))
    .scalar_subquery()
)
_at_work = case((throttles.c.pending_until > _NOW, throttles.c.pending), else_=0)
_spent = and_(~_over, throttles.c.failures >= _limit)
_opens = or_(_over, and_(throttles.c.failures == 0, _entering.excluded.failures > 0))
_admitted = (
    _entering.on_conflict_do_update(
        index_elements=[throttles.c.key],
        set_={
            "failures": case(
                (_over, _entering.excluded.failures),
                (_spent, throttles.c.failures + 1),
                else_=throttles.c.failures + _entering.excluded.failures,
            ),
            "expires_at": case(
                (_opens, _entering.excluded.expires_at), else_=throttles.c.expires_at
            ),
            "pending": _at_work + case((_spent, 0), else_=_entering.excluded.pending),
            "pending_until": func.greatest(
                throttles.c.pending_until, _entering.excluded.pending_until
            ),
        },
    )
    .returning(throttles.c.key, throttles.c.failures, throttles.c.pending, throttles.c.expires_at)
    .cte("admitted")
)
_guesses = union_all(
    select(_full.c.key, _full.c.failures, literal(0), _full.c.expires_at, literal(False)),
    select(*_admitted.c, literal(True)),
).subquery("guesses")
_ADMIT = select(*_guesses.c)

_failing = insert(throttles).from_select(
    ["key", "failures", "expires_at", "pending"],
    select(_asked.c.key, literal(1), _asked.c.expires_at, literal(0)).order_by(_asked.c.key),
)
_first_failure = or_(_over, throttles.c.failures == 0)
_FAIL = _failing.on_conflict_do_update(
    index_elements=[throttles.c.key],
    set_={
        # Never beyond the limit: the one who is refused first has to find it.
        "failures": case(
            (_first_failure, 1),
            else_=func.greatest(throttles.c.failures, func.least(throttles.c.failures + 1, _limit)),
        ),
        "expires_at": case(
            (_first_failure, _failing.excluded.expires_at), else_=throttles.c.expires_at
        ),
        "pending": func.greatest(_at_work - 1, 0),
    },
)

_ended = (
    func.unnest(
        bindparam("keys", type_=ARRAY(LargeBinary)), bindparam("counts", type_=ARRAY(Integer))
    )
    .table_valued(column("key", LargeBinary), column("count", Integer))
    .render_derived(name="ended")
)
_cleared = throttles.c.key == func.any(bindparam("cleared", type_=ARRAY(LargeBinary)))
# Locked in the order in which they are charged.
_rest = (
    select(
        throttles.c.key,
        case((_cleared, 0), else_=throttles.c.failures).label("failures"),
        func.greatest(_at_work - _ended.c.count, 0).label("pending"),
    )
    .join(_ended, throttles.c.key == _ended.c.key)
    .order_by(throttles.c.key)
    .with_for_update(of=throttles)
    .cte("rest")
)
_empty = and_(_rest.c.failures == 0, _rest.c.pending == 0)
_gone = (
    delete(throttles)
    .where(throttles.c.key == _rest.c.key, _empty)
    .returning(throttles.c.key)
    .cte("gone")
)
_RELEASE = (
    update(throttles)
    .values(failures=_rest.c.failures, pending=_rest.c.pending)
    .where(throttles.c.key == _rest.c.key, ~_empty)
    .add_cte(_gone)
)


class PostgresThrottles:
    """Implements ThrottleStore."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def charge(self, buckets: Sequence[Bucket], *, now: datetime) -> Exceeded | None:
        rows = self._connection.execute(_CHARGE, _question(buckets, now))
        counted = {bytes(key): (failures, ends, charged) for key, failures, ends, charged in rows}
        for bucket in buckets:
            failures, ends, charged = counted[bucket.key]
            if failures > bucket.limit:
                first = charged and failures == bucket.limit + 1
                return Exceeded(bucket=bucket, ends=ends, first=first)
        return None

    def admit(
        self, buckets: Sequence[Bucket], *, now: datetime, until: datetime
    ) -> Exceeded | Busy | None:
        rows = self._connection.execute(_ADMIT, {**_question(buckets, now), "until": until})
        counted = {bytes(row[0]): _Count(*row[1:]) for row in rows}
        for place, bucket in enumerate(buckets):
            count = counted[bucket.key]
            if count.failures > bucket.limit:
                if count.charged:
                    self._take_back(buckets[:place], buckets[place + 1 :], counted, now=now)
                first = count.charged and count.failures == bucket.limit + 1
                return Exceeded(bucket=bucket, ends=count.ends, first=first)
            if count.pending > _most_at_work(bucket, count.failures):
                return Busy(bucket=bucket)
        return None

    def _take_back(
        self,
        front: Sequence[Bucket],
        behind: Sequence[Bucket],
        counted: Mapping[bytes, _Count],
        *,
        now: datetime,
    ) -> None:
        """The guess that was refused is at work nowhere."""
        if front:
            self.fail(front, now=now)
        at_work = [each for each in behind if counted[each.key].failures <= each.limit]
        if at_work:
            self.release(at_work, now=now)

    def fail(self, buckets: Sequence[Bucket], *, now: datetime) -> None:
        self._connection.execute(_FAIL, _question(buckets, now))

    def release(
        self, buckets: Sequence[Bucket], *, now: datetime, cleared: Sequence[Bucket] = ()
    ) -> None:
        self._settle(Counter(bucket.key for bucket in buckets), cleared, now)

    def forgive(self, bucket: Bucket, *, now: datetime) -> None:
        self._settle({bucket.key: 0}, [bucket], now)

    def _settle(self, ended: Mapping[bytes, int], cleared: Sequence[Bucket], now: datetime) -> None:
        self._connection.execute(
            _RELEASE,
            {
                "keys": list(ended),
                "counts": list(ended.values()),
                "cleared": [bucket.key for bucket in cleared],
                "now": now,
            },
        )


class _Count(NamedTuple):
    failures: int
    pending: int
    ends: datetime
    charged: bool


def _most_at_work(bucket: Bucket, failures: int) -> int:
    return bucket.limit - failures if bucket.at_once is None else bucket.at_once


def _question(buckets: Sequence[Bucket], now: datetime) -> dict[str, object]:
    """What `_asked` takes, and `now`."""
    return {
        "keys": [bucket.key for bucket in buckets],
        "limits": [bucket.limit for bucket in buckets],
        "ends": [now + timedelta(seconds=bucket.window) for bucket in buckets],
        "places": list(range(len(buckets))),
        "now": now,
    }
