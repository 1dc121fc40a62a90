"""Addresses that no more mail goes to, by their keyed digest."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection, bindparam, delete, select
from sqlalchemy.dialects.postgresql import insert

from core.adapters.postgres.tables import mail_suppressions
from core.ports.messaging import SuppressionReason

_mine = mail_suppressions.c.address_key == bindparam("key")
_HOLDS = select(mail_suppressions.c.reason).where(_mine)
_ADD = insert(mail_suppressions).on_conflict_do_nothing().returning(mail_suppressions.c.reason)
_LIFT = delete(mail_suppressions).where(_mine)


class PostgresSuppressions:
    """Implements SuppressionStore."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def holds(self, key: bytes) -> bool:
        return self._connection.execute(_HOLDS, {"key": key}).first() is not None

    def add(self, key: bytes, reason: SuppressionReason, *, now: datetime) -> bool:
        row = {"address_key": key, "reason": reason, "since": now}
        return self._connection.execute(_ADD, row).first() is not None

    def lift(self, key: bytes) -> bool:
        return self._connection.execute(_LIFT, {"key": key}).rowcount == 1
