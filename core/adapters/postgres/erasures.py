"""Who asked to be erased, and when it is due."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import Connection, bindparam, delete, exists, select
from sqlalchemy.dialects.postgresql import insert

from core.adapters.postgres.tables import erasure_requests

_first = insert(erasure_requests).values(
    user_id=bindparam("user"), requested_at=bindparam("now"), due_at=bindparam("due")
)
# Writes what stands there: DO NOTHING would return nothing.
_REQUEST = _first.on_conflict_do_update(
    index_elements=[erasure_requests.c.user_id], set_={"due_at": erasure_requests.c.due_at}
).returning(erasure_requests.c.due_at)
_PENDING = select(exists().where(erasure_requests.c.user_id == bindparam("user")))
_CANCEL = delete(erasure_requests).where(erasure_requests.c.user_id == bindparam("user"))


class PostgresErasures:
    """Implements ErasureStore."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def request(self, user_id: UUID, *, now: datetime, due_at: datetime) -> datetime:
        due: datetime = self._connection.execute(
            _REQUEST, {"user": user_id, "now": now, "due": due_at}
        ).scalar_one()
        return due

    def pending(self, user_id: UUID) -> bool:
        return bool(self._connection.execute(_PENDING, {"user": user_id}).scalar_one())

    def cancel(self, user_id: UUID) -> None:
        self._connection.execute(_CANCEL, {"user": user_id})
