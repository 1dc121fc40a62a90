"""What a commit promised to do: leased by workers, deleted when done."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, bindparam, delete, insert, null, select, update

from core.adapters.postgres.lookups import Lookup
from core.adapters.postgres.tables import outbox
from core.domain.requests import RequestContext
from core.ports.messaging import MailTemplate
from core.ports.runtime import Clock, Ids
from core.ports.storage import OutboxKind, OutboxMessage


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
    .values(
        lease_owner=bindparam("owner"),
        due_at=bindparam("until"),
        attempts=outbox.c.attempts + 1,
    )
    .returning(
        outbox.c.id, outbox.c.kind, outbox.c.payload, outbox.c.attempts, outbox.c.created_at
    ),
    _message,
)
_mine = (outbox.c.id == bindparam("message_id"), outbox.c.lease_owner == bindparam("owner"))
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
        self, template: MailTemplate, *, code_id: UUID | None = None, user_id: UUID | None = None
    ) -> None:
        context = self._context
        references = {
            "template": template,
            "code_id": code_id and str(code_id),
            "user_id": user_id and str(user_id),
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

    def done(self, message_id: UUID, *, owner: str) -> None:
        self._connection.execute(_DONE, {"message_id": message_id, "owner": owner})

    def retry(self, message_id: UUID, *, owner: str, at: datetime, error: str) -> None:
        self._connection.execute(
            _RETRY, {"message_id": message_id, "owner": owner, "at": at, "error": error}
        )

    def park(self, message_id: UUID, *, owner: str, error: str, now: datetime) -> None:
        self._connection.execute(
            _PARK, {"message_id": message_id, "owner": owner, "error": error, "now": now}
        )

    def release(self, *, owner: str, now: datetime) -> int:
        return self._connection.execute(_RELEASE, {"owner": owner, "now": now}).rowcount
