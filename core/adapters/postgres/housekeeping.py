"""Deleting what has no use any more, in batches that hold no lock for long."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Column, Connection, Delete, Select, bindparam, delete, func, select
from sqlalchemy import literal_column as raw

from core.adapters.postgres.lookups import array
from core.adapters.postgres.tables import (
    idempotency_records,
    known_addresses,
    mail_suppressions,
    one_time_codes,
    outbox,
    pending_registrations,
    sessions,
    sign_up_passwords,
    throttles,
)
from core.adapters.postgres.trail import first_id
from core.ports.storage import Retention

# For whoever looks into what happened.
KEEP_REVOKED = timedelta(days=30)
# An address that a user has not logged in from for so long counts as unknown again.
FORGET_ADDRESS = timedelta(days=365)


def _oldest(column: Column[Any], *, shared: bool = False) -> Delete:
    """Deletes a batch of the rows whose `column` is at most `until`, found through its index.

    The condition stands twice: it is checked again on the row as it is when it is locked, so that
    a counter that was charged in between stays. With `shared`, rows that others hold are left for
    the next time: they lock several in another order, and the two could wait for each other.
    """
    expired = column <= bindparam("until")
    batch: Select[Any] = (
        select(raw("ctid"))
        .select_from(column.table)
        .where(expired)
        .order_by(column)
        .limit(bindparam("batch"))
    )
    if shared:
        batch = batch.with_for_update(skip_locked=True)
    return delete(column.table).where(raw("ctid") == func.any(array(batch)), expired)


_RULES: tuple[tuple[str, Delete, timedelta], ...] = (
    ("one_time_codes", _oldest(one_time_codes.c.expires_at), timedelta()),
    ("pending_registrations", _oldest(pending_registrations.c.expires_at), timedelta()),
    ("sign_up_passwords", _oldest(sign_up_passwords.c.expires_at), timedelta()),
    ("idempotency_records", _oldest(idempotency_records.c.expires_at), timedelta()),
    ("throttles", _oldest(throttles.c.expires_at, shared=True), timedelta()),
    ("known_addresses", _oldest(known_addresses.c.last_seen_at, shared=True), FORGET_ADDRESS),
    ("sessions", _oldest(sessions.c.absolute_expires_at), timedelta()),
    ("revoked_sessions", _oldest(sessions.c.revoked_at), KEEP_REVOKED),
)


_PARKED = _oldest(outbox.c.parked_at)
_SUPPRESSED = _oldest(mail_suppressions.c.since)
# What the service's role may not delete, functions of the owner do within their bounds.
_ANONYMOUS = select(
    func.erase_anonymous_payloads(bindparam("before"), bindparam("batch")).label("passed")
)
_EXPIRE_USERS = select(func.expire_pending_users(bindparam("before"), bindparam("batch")))


class PostgresHousekeeping:
    """Implements Housekeeping."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def delete_expired(self, *, now: datetime, batch: int, keep: Retention) -> Mapping[str, int]:
        rules = (
            *_RULES,
            ("parked_mails", _PARKED, keep.parked_mails),
            ("suppressions", _SUPPRESSED, keep.suppressions),
        )
        counts = {
            name: self._connection.execute(statement, {"until": now - age, "batch": batch}).rowcount
            for name, statement, age in rules
        }
        before = first_id(now - keep.anonymous_payloads)
        passed = self._connection.execute(_ANONYMOUS, {"before": before, "batch": batch})
        return counts | {"anonymous_payloads": int(passed.scalar_one())}

    def expire_users(self, *, before: datetime, batch: int) -> Sequence[UUID]:
        found = self._connection.execute(_EXPIRE_USERS, {"before": before, "batch": batch})
        return list(found.scalars())
