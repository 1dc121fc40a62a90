"""What a commit promised to do: leased by workers, deleted when done."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import (
    Connection,
    ScalarSelect,
    Select,
    Update,
    UpdateBase,
    bindparam,
    delete,
    func,
    insert,
    null,
    select,
    update,
)

from core.adapters.postgres.lookups import Lookup
from core.adapters.postgres.tables import outbox
from core.domain.requests import RequestContext
from core.ports.messaging import MailTemplate
from core.ports.runtime import Clock, Ids
from core.ports.storage import OutboxCounts, OutboxKind, OutboxMessage, ParkedMessage

# What is pending is due within hours; the condition lets the index find it.
_HORIZON = timedelta(days=365)
_COUNTED = 100_000


def _message(row: Sequence[Any]) -> OutboxMessage:
    return OutboxMessage(
        id=row[0], kind=OutboxKind(row[1]), payload=row[2], attempts=row[3], created_at=row[4]
    )


_INSERT = insert(outbox)
# A CTE, so that the limit holds: as a subquery of IN it could be run again for each row.
_due = (
    select(outbox.c.id)
    .where(outbox.c.parked_at.is_(None), outbox.c.due_at <= bindparam("now"))
    .order_by(outbox.c.due_at, outbox.c.id)
    .limit(bindparam("limit"))
    .with_for_update(skip_locked=True)
    .cte("due")
)
_LEASE = Lookup(
    update(outbox)
    .where(outbox.c.id == _due.c.id)
    .values(lease_owner=bindparam("owner"), due_at=bindparam("until"))
    .returning(
        outbox.c.id, outbox.c.kind, outbox.c.payload, outbox.c.attempts, outbox.c.created_at
    ),
    _message,
)
_mine = (outbox.c.id == bindparam("message_id"), outbox.c.lease_owner == bindparam("owner"))
_BEGIN: Lookup[int] = Lookup(
    update(outbox)
    .where(*_mine)
    .values(attempts=outbox.c.attempts + 1, due_at=bindparam("until"))
    .returning(outbox.c.attempts),
    lambda row: int(row[0]),
)
_DONE = delete(outbox).where(*_mine)
_RETRY = (
    update(outbox)
    .where(*_mine)
    .values(lease_owner=null(), due_at=bindparam("at"), last_error=bindparam("error"))
)
_PARK = (
    update(outbox)
    .where(*_mine)
    .values(lease_owner=null(), parked_at=bindparam("now"), last_error=bindparam("error"))
)
_RELEASE = (
    update(outbox)
    .where(outbox.c.lease_owner == bindparam("owner"), outbox.c.parked_at.is_(None))
    .values(lease_owner=null(), due_at=bindparam("now"))
)


def _counted(rows: Select[Any]) -> ScalarSelect[int]:
    return select(func.count()).select_from(rows.limit(_COUNTED).subquery()).scalar_subquery()


_COUNTS = Lookup(
    select(
        _counted(
            select(outbox.c.due_at).where(
                outbox.c.parked_at.is_(None), outbox.c.due_at <= bindparam("horizon")
            )
        ),
        select(func.min(outbox.c.due_at))
        .where(outbox.c.parked_at.is_(None), outbox.c.due_at <= bindparam("now"))
        .scalar_subquery(),
        _counted(select(outbox.c.parked_at).where(outbox.c.parked_at <= bindparam("horizon"))),
    ),
    lambda row: OutboxCounts(pending=row[0], oldest_due_at=row[1], parked=row[2]),
)
_PARKED = Lookup(
    select(
        outbox.c.id,
        outbox.c.payload["template"].astext,
        outbox.c.attempts,
        outbox.c.created_at,
        outbox.c.parked_at,
        outbox.c.last_error,
    )
    .where(outbox.c.parked_at.is_not(None))
    .order_by(outbox.c.parked_at.desc(), outbox.c.id.desc())
    .limit(bindparam("limit")),
    lambda row: ParkedMessage(
        id=row[0],
        template=row[1] or "",
        attempts=row[2],
        created_at=row[3],
        parked_at=row[4],
        error=row[5] or "",
    ),
)
_REQUEUE_ALL: Update = (
    update(outbox)
    .where(outbox.c.parked_at.is_not(None))
    .values(parked_at=null(), attempts=0, due_at=bindparam("now"))
)
_REQUEUE = _REQUEUE_ALL.where(outbox.c.id == bindparam("message_id"))


class PostgresOutbox:
    """Implements OutboxStore."""

    def __init__(
        self, connection: Connection, *, context: RequestContext | None, clock: Clock, ids: Ids
    ) -> None:
        self._connection = connection
        self._context = context
        self._clock = clock
        self._ids = ids

    def enqueue_mail(
        self,
        template: MailTemplate,
        *,
        code_id: UUID | None = None,
        user_id: UUID | None = None,
        event_id: UUID | None = None,
    ) -> None:
        context = self._context
        references = {
            "template": template,
            "code_id": code_id and str(code_id),
            "user_id": user_id and str(user_id),
            "event_id": event_id and str(event_id),
            "request_id": context and context.request_id,
            "trace_id": context and context.trace_id,
        }
        now = self._clock.now()
        self._connection.execute(
            _INSERT,
            {
                "id": self._ids.new(),
                "kind": OutboxKind.MAIL,
                "payload": {name: value for name, value in references.items() if value},
                "created_at": now,
                "due_at": now,
            },
        )

    def lease(
        self, *, owner: str, limit: int, until: datetime, now: datetime
    ) -> Sequence[OutboxMessage]:
        leased = _LEASE.all(self._connection, owner=owner, limit=limit, until=until, now=now)
        return sorted(leased, key=lambda message: (message.created_at, message.id))

    def begin(self, message_id: UUID, *, owner: str, until: datetime) -> int | None:
        return _BEGIN.one(self._connection, message_id=message_id, owner=owner, until=until)

    def done(self, message_id: UUID, *, owner: str) -> bool:
        return self._changed(_DONE, message_id=message_id, owner=owner) == 1

    def retry(self, message_id: UUID, *, owner: str, at: datetime, error: str) -> bool:
        return self._changed(_RETRY, message_id=message_id, owner=owner, at=at, error=error) == 1

    def park(self, message_id: UUID, *, owner: str, error: str, now: datetime) -> bool:
        return self._changed(_PARK, message_id=message_id, owner=owner, error=error, now=now) == 1

    def release(self, *, owner: str, now: datetime) -> int:
        return self._changed(_RELEASE, owner=owner, now=now)

    def counts(self, *, now: datetime) -> OutboxCounts:
        (counts,) = _COUNTS.all(self._connection, now=now, horizon=now + _HORIZON)
        return counts

    def parked(self, *, limit: int) -> Sequence[ParkedMessage]:
        return _PARKED.all(self._connection, limit=limit)

    def requeue(self, message_id: UUID, *, now: datetime) -> bool:
        return self._changed(_REQUEUE, message_id=message_id, now=now) == 1

    def requeue_all(self, *, now: datetime) -> int:
        return self._changed(_REQUEUE_ALL, now=now)

    def _changed(self, statement: UpdateBase, **parameters: object) -> int:
        return self._connection.execute(statement, parameters).rowcount
