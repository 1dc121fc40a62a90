"""Reading the audit trail."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Select, bindparam, select

from core.adapters.postgres.lookups import Lookup
from core.adapters.postgres.tables import audit_events, audit_payloads
from core.domain.trail import AuditEntry, AuditQuery

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)
# The id of an event is made a moment before or after its time is read.
_SLACK = timedelta(seconds=1)

_READ: Select[Any] = (
    select(
        audit_events.c.id,
        audit_events.c.type,
        audit_events.c.actor,
        audit_events.c.subject,
        audit_events.c.occurred_at,
        audit_events.c.request_id,
        audit_events.c.trace_id,
        audit_payloads.c.payload,
    )
    .select_from(
        audit_events.outerjoin(audit_payloads, audit_payloads.c.event_id == audit_events.c.id)
    )
    .order_by(audit_events.c.id.desc())
    .limit(bindparam("limit"))
)
# Ids rise with time, so the times bound the part of an index that is read.
_CONDITIONS = {
    "actor": (audit_events.c.actor == bindparam("by"),),
    "subject": (audit_events.c.subject == bindparam("about"),),
    "type": (audit_events.c.type == bindparam("of_type"),),
    "after": (
        audit_events.c.occurred_at >= bindparam("from_time"),
        audit_events.c.id >= bindparam("from_id"),
    ),
    "before": (
        audit_events.c.occurred_at < bindparam("to_time"),
        audit_events.c.id < bindparam("to_id"),
    ),
    "next": (audit_events.c.id < bindparam("last_id"),),
}
_PAYLOAD: Lookup[Mapping[str, object]] = Lookup(
    select(audit_payloads.c.payload).where(audit_payloads.c.event_id == bindparam("event")),
    lambda row: row[0],
)


def _entry(row: Sequence[Any]) -> AuditEntry:
    return AuditEntry(
        id=row[0],
        type=row[1],
        actor=row[2],
        subject=row[3],
        occurred_at=row[4],
        request_id=row[5],
        trace_id=row[6],
        payload=row[7],
    )


@lru_cache(maxsize=64)
def _lookup(conditions: tuple[str, ...]) -> Lookup[AuditEntry]:
    return Lookup(_READ.where(*(part for name in conditions for part in _CONDITIONS[name])), _entry)


class PostgresAudit:
    """Implements AuditStore."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def page(self, query: AuditQuery, *, after: UUID | None, limit: int) -> Sequence[AuditEntry]:
        given: dict[str, dict[str, object]] = {}
        if query.actor is not None:
            given["actor"] = {"by": query.actor}
        if query.subject is not None:
            given["subject"] = {"about": query.subject}
        if query.type is not None:
            given["type"] = {"of_type": query.type}
        if query.after is not None:
            given["after"] = {"from_time": query.after, "from_id": first_id(query.after, -_SLACK)}
        if query.before is not None:
            given["before"] = {"to_time": query.before, "to_id": first_id(query.before, _SLACK)}
        if after is not None:
            given["next"] = {"last_id": after}
        parameters = {name: value for each in given.values() for name, value in each.items()}
        return _lookup(tuple(given)).all(self._connection, **parameters, limit=limit)

    def payload(self, event_id: UUID) -> Mapping[str, object] | None:
        return _PAYLOAD.one(self._connection, event=event_id)


def first_id(moment: datetime, slack: timedelta = timedelta()) -> UUID:
    """Below every UUIDv7 of `moment` and `slack` together (RFC 9562 section 5.7)."""
    milliseconds = (moment - _EPOCH + slack) // _MILLISECOND
    # The last moment that Python knows has less than the 48 bits.
    return UUID(int=max(milliseconds, 0) << 80)
