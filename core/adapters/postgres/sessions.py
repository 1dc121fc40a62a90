"""Sessions: each a family of refresh tokens."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, bindparam, exists, func, insert, select, tuple_, update

from core.adapters.postgres.lookups import Lookup, array
from core.adapters.postgres.principals import covered_by_later_epoch
from core.adapters.postgres.tables import recovery_epochs, sessions, users
from core.domain.session import MOST_SESSIONS, RevokeReason, Session

_COLUMNS = (
    sessions.c.id,
    sessions.c.user_id,
    sessions.c.client_id,
    sessions.c.user_agent,
    sessions.c.address,
    sessions.c.amr,
    sessions.c.epoch,
    sessions.c.generation,
    sessions.c.rotated_at,
    sessions.c.authenticated_at,
    sessions.c.created_at,
    sessions.c.last_used_at,
    sessions.c.expires_at,
    sessions.c.absolute_expires_at,
    sessions.c.revoked_at,
)


def _session(row: Sequence[Any]) -> Session:
    return Session(
        id=row[0],
        user_id=row[1],
        client_id=row[2],
        user_agent=row[3],
        address=row[4],
        amr=tuple(row[5]),
        epoch=row[6],
        generation=row[7],
        rotated_at=row[8],
        authenticated_at=row[9],
        created_at=row[10],
        last_used_at=row[11],
        expires_at=row[12],
        absolute_expires_at=row[13],
        revoked_at=row[14],
    )


# Some at a time: an account may have far more from before there was a bound.
_SURPLUS_AT_ONCE = 100
_beyond = (
    select(sessions.c.id)
    .where(sessions.c.user_id == bindparam("owner"), sessions.c.revoked_at.is_(None))
    .order_by(sessions.c.created_at.desc(), sessions.c.id.desc())
    # The new one is not among them yet.
    .offset(MOST_SESSIONS - 1)
    .limit(_SURPLUS_AT_ONCE)
)
# Whoever has one locked may be ending them all: to wait for each other would be a deadlock.
_surplus = (
    select(sessions.c.id)
    .where(sessions.c.id.in_(_beyond))
    .with_for_update(skip_locked=True)
    .cte("surplus")
)
_ended = (
    update(sessions)
    .where(sessions.c.id == _surplus.c.id)
    .values(revoked_at=bindparam("now"), revoke_reason=RevokeReason.SURPLUS)
    .returning(sessions.c.id)
    .cte("ended")
)
_NEW = (
    "id",
    "user_id",
    "client_id",
    "user_agent",
    "address",
    "amr",
    "epoch",
    "generation",
    "authenticated_at",
    "created_at",
    "last_used_at",
    "expires_at",
    "absolute_expires_at",
)
# Parameters with names of columns would be set in the UPDATE as well.
_INSERT = (
    insert(sessions)
    .values({name: bindparam(f"new_{name}") for name in _NEW})
    .returning(array(select(_ended.c.id)))
)
_GET = Lookup(select(*_COLUMNS).where(sessions.c.id == bindparam("session_id")), _session)
# Shared, so that a caller's own requests do not wait for each other.
_HELD = (
    select(sessions.c.id)
    .where(sessions.c.id == bindparam("session_id"), sessions.c.revoked_at.is_(None))
    .with_for_update(read=True)
)
_ANY_ALIVE = select(
    exists().where(
        # The first one by its index.
        sessions.c.absolute_expires_at > bindparam("now"),
        sessions.c.expires_at > bindparam("now"),
        sessions.c.revoked_at.is_(None),
    )
)
# The successor belongs to the present epoch: it was made after whatever that epoch refuses.
_present_epoch = select(func.max(recovery_epochs.c.epoch)).scalar_subquery()
_newest_token_at = func.coalesce(sessions.c.rotated_at, sessions.c.created_at)
_ROTATE = Lookup(
    update(sessions)
    .where(
        sessions.c.id == bindparam("session_id"),
        sessions.c.generation == bindparam("presented"),
        sessions.c.revoked_at.is_(None),
        sessions.c.expires_at > bindparam("now"),
        sessions.c.user_id == users.c.id,
        users.c.status == "active",
        ~covered_by_later_epoch(sessions.c.epoch, _newest_token_at),
    )
    .values(
        generation=sessions.c.generation + 1,
        rotated_at=bindparam("now"),
        rotated_by=bindparam("client_key"),
        last_used_at=bindparam("now"),
        expires_at=func.least(bindparam("sliding_until"), sessions.c.absolute_expires_at),
        epoch=_present_epoch,
    )
    .returning(*_COLUMNS),
    _session,
)
_ROTATED_BY = select(sessions.c.rotated_by).where(sessions.c.id == bindparam("session_id"))
_alive_of_user = (
    sessions.c.user_id == bindparam("owner"),
    sessions.c.revoked_at.is_(None),
    sessions.c.expires_at > bindparam("now"),
)
_REVOKE_ALL = (
    update(sessions)
    .where(*_alive_of_user)
    .values(revoked_at=bindparam("now"), revoke_reason=bindparam("reason"))
    .returning(sessions.c.id)
)
_REVOKE = _REVOKE_ALL.where(sessions.c.id == bindparam("session_id"))
_position = tuple_(sessions.c.created_at, sessions.c.id)
_page = (
    select(*_COLUMNS)
    .where(*_alive_of_user)
    .order_by(sessions.c.created_at.desc(), sessions.c.id.desc())
    .limit(bindparam("limit"))
)
_FIRST_PAGE = Lookup(_page, _session)
_NEXT_PAGE = Lookup(
    _page.where(_position < tuple_(bindparam("after_time"), bindparam("after_id"))),
    _session,
)


class PostgresSessions:
    """Implements SessionStore."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def insert(self, session: Session) -> Sequence[UUID]:
        values = {f"new_{name}": getattr(session, name) for name in _NEW}
        ended: Sequence[UUID] = self._connection.execute(
            _INSERT,
            {
                **values,
                "new_amr": list(session.amr),
                "owner": session.user_id,
                "now": session.created_at,
            },
        ).scalar_one()
        return ended

    def get(self, session_id: UUID) -> Session | None:
        return _GET.one(self._connection, session_id=session_id)

    def held(self, session_id: UUID) -> bool:
        return self._connection.execute(_HELD, {"session_id": session_id}).first() is not None

    def any_alive(self, *, now: datetime) -> bool:
        return bool(self._connection.execute(_ANY_ALIVE, {"now": now}).scalar_one())

    def rotate(
        self,
        session_id: UUID,
        generation: int,
        *,
        client_key: bytes,
        sliding_until: datetime,
        now: datetime,
    ) -> Session | None:
        return _ROTATE.one(
            self._connection,
            session_id=session_id,
            presented=generation,
            client_key=client_key,
            sliding_until=sliding_until,
            now=now,
        )

    def rotated_by(self, session_id: UUID) -> bytes | None:
        return self._connection.execute(_ROTATED_BY, {"session_id": session_id}).scalar()

    def revoke(
        self, session_id: UUID, *, user_id: UUID, reason: RevokeReason, now: datetime
    ) -> bool:
        revoked = self._connection.execute(
            _REVOKE, {"session_id": session_id, "owner": user_id, "reason": reason, "now": now}
        )
        return revoked.first() is not None

    def revoke_all(self, user_id: UUID, *, reason: RevokeReason, now: datetime) -> Sequence[UUID]:
        revoked = self._connection.execute(
            _REVOKE_ALL, {"owner": user_id, "reason": reason, "now": now}
        )
        return sorted(revoked.scalars())

    def of_user(
        self, user_id: UUID, *, now: datetime, after: tuple[datetime, UUID] | None, limit: int
    ) -> Sequence[Session]:
        if after is None:
            return _FIRST_PAGE.all(self._connection, owner=user_id, now=now, limit=limit)
        return _NEXT_PAGE.all(
            self._connection,
            owner=user_id,
            now=now,
            limit=limit,
            after_time=after[0],
            after_id=after[1],
        )
