"""Counters of failures; each window opens with its first one."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

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
    select,
    union_all,
    update,
)
from sqlalchemy.dialects.postgresql import TIMESTAMP, insert

from core.adapters.postgres.tables import throttles
from core.ports.session_stores import Bucket, Exceeded

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
# commits. That it is full stays true until its window ends, or one that is charged succeeds.
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
_one_less = and_(
    throttles.c.key == func.any(bindparam("returned", type_=ARRAY(LargeBinary))),
    throttles.c.failures > 1,
)
# Locked in the order in which they are charged.
_forgiven = (
    select(throttles.c.key, _one_less.label("stays"))
    .where(throttles.c.key == func.any(bindparam("keys", type_=ARRAY(LargeBinary))))
    .order_by(throttles.c.key)
    .with_for_update()
    .cte("forgiven")
)
_gone = (
    delete(throttles)
    .where(throttles.c.key == _forgiven.c.key, ~_forgiven.c.stays)
    .returning(throttles.c.key)
    .cte("gone")
)
_FORGIVE = (
    update(throttles)
    .values(failures=throttles.c.failures - 1)
    .where(throttles.c.key == _forgiven.c.key, _forgiven.c.stays)
    .add_cte(_gone)
)


class PostgresThrottles:
    """Implements ThrottleStore."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def charge(self, buckets: Sequence[Bucket], *, now: datetime) -> Exceeded | None:
        rows = self._connection.execute(
            _CHARGE,
            {
                "keys": [bucket.key for bucket in buckets],
                "limits": [bucket.limit for bucket in buckets],
                "ends": [now + timedelta(seconds=bucket.window) for bucket in buckets],
                "places": list(range(len(buckets))),
                "now": now,
            },
        )
        counted = {bytes(key): (failures, ends, charged) for key, failures, ends, charged in rows}
        for bucket in buckets:
            failures, ends, charged = counted[bucket.key]
            if failures > bucket.limit:
                first = charged and failures == bucket.limit + 1
                return Exceeded(bucket=bucket, ends=ends, first=first)
        return None

    def forgive(self, cleared: Bucket, *, returned: Sequence[Bucket] = ()) -> None:
        back = [bucket.key for bucket in returned]
        self._connection.execute(_FORGIVE, {"keys": [cleared.key, *back], "returned": back})
