"""Keys that sign access tokens; their private halves are sealed."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ARRAY, Connection, Text, bindparam, exists, func, insert, or_, select

from core.adapters.postgres.lookups import Lookup
from core.adapters.postgres.tables import signing_keys
from core.ports.storage import SigningKey

# Any number that is taken by nothing else; the other advisory locks are hashes of 64 bits.
FIRST_KEY_LOCK = 7_205_759_404


def _key(row: Sequence[Any]) -> SigningKey:
    return SigningKey(
        kid=row[0],
        public_jwk=row[1],
        sealed_private=bytes(row[2]),
        created_at=row[3],
        active_from=row[4],
        retired_at=row[5],
    )


_not_retired = or_(
    signing_keys.c.retired_at.is_(None), signing_keys.c.retired_at > bindparam("now")
)
_USABLE = Lookup(
    select(
        signing_keys.c.kid,
        signing_keys.c.public_jwk,
        signing_keys.c.sealed_private,
        signing_keys.c.created_at,
        signing_keys.c.active_from,
        signing_keys.c.retired_at,
    )
    .where(_not_retired)
    .order_by(signing_keys.c.active_from, signing_keys.c.kid),
    _key,
)
_LOCK = select(func.pg_advisory_xact_lock(FIRST_KEY_LOCK))
_ANY_USABLE = select(exists().where(_not_retired))
_INSERT = insert(signing_keys)
# The service's role may not change a key; a function of the owner ends one, and cannot bring it
# back.
_RETIRE = select(func.retire_signing_keys(bindparam("kids", type_=ARRAY(Text)), bindparam("at")))


class PostgresSigningKeys:
    """Implements SigningKeyStore."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def usable(self, *, now: datetime) -> Sequence[SigningKey]:
        return _USABLE.all(self._connection, now=now)

    def insert_first(self, key: SigningKey) -> bool:
        self._connection.execute(_LOCK)
        # A statement of its own: one that waited for the lock would not see what the holder wrote.
        if self._connection.execute(_ANY_USABLE, {"now": key.created_at}).scalar_one():
            return False
        self._connection.execute(
            _INSERT,
            {
                "kid": key.kid,
                "public_jwk": key.public_jwk,
                "sealed_private": key.sealed_private,
                "created_at": key.created_at,
                "active_from": key.active_from,
                "retired_at": key.retired_at,
            },
        )
        return True

    def retire(self, kids: Sequence[str], *, at: datetime) -> Sequence[str]:
        found = self._connection.execute(_RETIRE, {"kids": list(kids), "at": at})
        return sorted(found.scalars())
