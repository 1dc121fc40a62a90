"""Deleting what has no use any more, in batches that hold no lock for long."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Column, Connection, Delete, Select, bindparam, delete, func, select
from sqlalchemy import literal_column as raw

from core.adapters.postgres.lookups import array
from core.adapters.postgres.tables import (
    idempotency_records,
    known_addresses,
    one_time_codes,
    pending_registrations,
    sessions,
    sign_up_passwords,
    throttles,
)

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


class PostgresHousekeeping:
    """Implements Housekeeping."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def delete_expired(self, *, now: datetime, batch: int) -> Mapping[str, int]:
        return {
            name: self._connection.execute(
                statement, {"until": now - keep, "batch": batch}
            ).rowcount
            for name, statement, keep in _RULES
        }
