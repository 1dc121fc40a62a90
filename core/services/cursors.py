"""Cursors of lists: typed, bound to their query and sealed (Kratos CVE-2026-33503)."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Sequence
from dataclasses import dataclass

from core.errors import InvalidCursor
from core.ports.security import Sealer

_LONGEST = 1024


@dataclass(frozen=True)
class Cursors:
    """`query` names the list and everything that shapes it; a cursor of another query is
    refused.

    Sealed and not only signed: they stand in URLs, which proxies log, and may hold an address.
    """

    sealer: Sealer

    def encode(self, query: str, position: Sequence[str]) -> str:
        payload = json.dumps(list(position), separators=(",", ":")).encode()
        return _text(self.sealer.seal(payload, context=query))

    def decode(self, query: str, cursor: str) -> tuple[str, ...]:
        """Raises InvalidCursor."""
        if len(cursor) > _LONGEST or not cursor.isascii():
            raise InvalidCursor
        try:
            raw = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
        except (binascii.Error, ValueError):
            raise InvalidCursor from None
        # Python's decoder skips foreign characters: many texts would be one cursor.
        if _text(raw) != cursor:
            raise InvalidCursor
        try:
            payload = self.sealer.open(raw, context=query)
        except ValueError:
            raise InvalidCursor from None
        return tuple(json.loads(payload))


def _text(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")
