"""Answers that were given under an Idempotency-Key, sealed, for a day."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import BigInteger, Connection, bindparam, func, select
from sqlalchemy.dialects.postgresql import insert

from core.adapters.postgres.tables import idempotency_records
from core.domain.requests import AnsweredBefore, Idempotency, StoredAnswer
from core.errors import IdempotencyKeyReused, RequestInProgress
from core.ports.security import Pseudonyms, Sealer

KEPT_FOR = timedelta(hours=24)

_LOCK = select(func.pg_try_advisory_xact_lock(bindparam("number", type_=BigInteger)))
_FIND = select(idempotency_records.c.fingerprint, idempotency_records.c.sealed_answer).where(
    idempotency_records.c.scope_hash == bindparam("scope"),
    idempotency_records.c.expires_at > bindparam("now"),
)
_answer = insert(idempotency_records)
_KEEP = _answer.on_conflict_do_update(
    index_elements=[idempotency_records.c.scope_hash],
    set_={
        "fingerprint": _answer.excluded.fingerprint,
        "sealed_answer": _answer.excluded.sealed_answer,
        "created_at": _answer.excluded.created_at,
        "expires_at": _answer.excluded.expires_at,
    },
    where=idempotency_records.c.expires_at <= _answer.excluded.created_at,
).returning(idempotency_records.c.scope_hash)


@dataclass(frozen=True, kw_only=True)
class PostgresIdempotency:
    """The claim of one transaction on one key."""

    connection: Connection
    idempotency: Idempotency
    sealer: Sealer
    pseudonyms: Pseudonyms

    @property
    def _scope(self) -> bytes:
        key = self.idempotency
        return self.pseudonyms.of("idempotency", key.principal, key.route, key.key)

    @property
    def _fingerprint(self) -> bytes:
        """Keyed: a bare digest of a sign-up would let a thief of the table guess its password
        at the speed of SHA-256."""
        return self.pseudonyms.of("idempotent request", self.idempotency.fingerprint.hex())

    def claim(self, *, now: datetime) -> None:
        """Holds the key until the transaction ends.

        Raises:
            AnsweredBefore, IdempotencyKeyReused, RequestInProgress
        """
        scope = self._scope
        number = int.from_bytes(scope[:8], "big", signed=True)
        if not self.connection.execute(_LOCK, {"number": number}).scalar_one():
            raise RequestInProgress
        # A statement of its own: the snapshot has to be taken with the lock held.
        found = self.connection.execute(_FIND, {"scope": scope, "now": now}).first()
        if found is None:
            return
        fingerprint, sealed = bytes(found[0]), bytes(found[1])
        if fingerprint != self._fingerprint:
            raise IdempotencyKeyReused
        plain = self.sealer.open(sealed, context=_context(scope))
        raise AnsweredBefore(StoredAnswer(int.from_bytes(plain[:2], "big"), plain[2:]))

    def keep(self, result: object, *, now: datetime) -> None:
        """Stores the rendered answer in this transaction."""
        scope = self._scope
        answer = self.idempotency.render(result)
        plain = answer.status.to_bytes(2, "big") + answer.body
        kept = self.connection.execute(
            _KEEP,
            {
                "scope_hash": scope,
                "fingerprint": self._fingerprint,
                "sealed_answer": self.sealer.seal(plain, context=_context(scope)),
                "created_at": now,
                "expires_at": now + KEPT_FOR,
            },
        )
        if kept.first() is None:
            raise RequestInProgress


def _context(scope: bytes) -> str:
    return f"idempotency:{scope.hex()}"
