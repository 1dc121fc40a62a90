"""Counters of failures; each window opens with its first one."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import (
    ARRAY,
    Connection,
    LargeBinary,
    bindparam,
    case,
    column,
    delete,
    func,
    literal,
    select,
)
from sqlalchemy.dialects.postgresql import TIMESTAMP, insert

from core.adapters.postgres.tables import throttles
from core.ports.session_stores import Bucket, Exceeded

_charged = (
    func.unnest(
        bindparam("keys", type_=ARRAY(LargeBinary)),
        bindparam("ends", type_=ARRAY(TIMESTAMP(timezone=True))),
    )
    .table_valued(column("key", LargeBinary), column("expires_at", TIMESTAMP(timezone=True)))
    .render_derived()
)
_first = insert(throttles).from_select(
    ["key", "failures", "expires_at"],
    select(_charged.c.key, literal(1), _charged.c.expires_at),
)
_over = throttles.c.expires_at <= bindparam("now")
_CHARGE = _first.on_conflict_do_update(
    index_elements=[throttles.c.key],
    set_={
        "failures": case((_over, 1), else_=throttles.c.failures + 1),
        "expires_at": case((_over, _first.excluded.expires_at), else_=throttles.c.expires_at),
    },
).returning(throttles.c.key, throttles.c.failures, throttles.c.expires_at)
_CLEAR = delete(throttles).where(
    throttles.c.key == func.any(bindparam("keys", type_=ARRAY(LargeBinary)))
)


class PostgresThrottles:
    """Implements ThrottleStore."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def charge(self, buckets: Sequence[Bucket], *, now: datetime) -> Exceeded | None:
        # All transactions lock the rows in one order, so that two never wait for each other.
        ordered = sorted(buckets, key=lambda bucket: bucket.key)
        rows = self._connection.execute(
            _CHARGE,
            {
                "keys": [bucket.key for bucket in ordered],
                "ends": [now + timedelta(seconds=bucket.window) for bucket in ordered],
                "now": now,
            },
        )
        counted = {bytes(key): (failures, ends) for key, failures, ends in rows}
        for bucket in buckets:
            failures, ends = counted[bucket.key]
            if failures > bucket.limit:
                return Exceeded(bucket=bucket, ends=ends, first=failures == bucket.limit + 1)
        return None

    def clear(self, keys: Sequence[bytes]) -> None:
        self._connection.execute(_CLEAR, {"keys": sorted(keys)})
