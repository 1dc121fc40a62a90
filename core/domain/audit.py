"""How an audit event is hashed, so that a changed row can be located.

The event row holds a salted hash of its payload and a hash of itself with that. The payload with
its salt can be deleted: what is left proves the same, and nobody can guess what it said.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from uuid import UUID

SALT_BYTES = 16
_LEAF = b"\x00"  # RFC 6962 section 2.1: a leaf is never taken for an inner node.


def canonical_json(value: object) -> bytes:
    """One form for equal values: sorted keys, no spaces, UTF-8.

    Raises:
        TypeError: a float, which PostgreSQL and Python write differently, or no JSON at all.
    """
    _refuse_floats(value)
    return json.dumps(
        value, ensure_ascii=False, allow_nan=False, sort_keys=True, separators=(",", ":")
    ).encode()


def _refuse_floats(value: object) -> None:
    if isinstance(value, float):
        raise TypeError("a float has no canonical form")
    if isinstance(value, Mapping):
        for child in value.values():
            _refuse_floats(child)
    elif isinstance(value, list | tuple):
        for child in value:
            _refuse_floats(child)


def payload_hash(salt: bytes, payload: Mapping[str, object]) -> bytes:
    """SHA-256 over the salt and the payload."""
    return hashlib.sha256(salt + canonical_json(payload)).digest()


def leaf_hash(
    *,
    id: UUID,  # noqa: A002  the names of the row's columns
    type: str,  # noqa: A002
    actor: UUID | None,
    subject: UUID | None,
    occurred_at: datetime,
    request_id: str,
    trace_id: str | None,
    payload_hash: bytes,
) -> bytes:
    """SHA-256 over the row; times in UTC with microseconds, as PostgreSQL keeps them."""
    row = {
        "id": str(id),
        "type": type,
        "actor": None if actor is None else str(actor),
        "subject": None if subject is None else str(subject),
        "occurred_at": occurred_at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
        "request_id": request_id,
        "trace_id": trace_id,
        "payload_hash": payload_hash.hex(),
    }
    return hashlib.sha256(_LEAF + canonical_json(row)).digest()
