"""Cursors of lists: typed, bound to their query and authenticated (Kratos CVE-2026-33503)."""

from __future__ import annotations

import base64
import binascii
import hmac
import json
from collections.abc import Sequence
from dataclasses import dataclass

from core.errors import InvalidCursor
from core.ports.security import Pseudonyms

_MAC_BYTES = 16
_LONGEST = 1024


@dataclass(frozen=True)
class Cursors:
    """`query` names the list and everything that shapes it; a cursor of another query is
    refused."""

    pseudonyms: Pseudonyms

    def encode(self, query: str, position: Sequence[str]) -> str:
        payload = json.dumps(list(position), separators=(",", ":")).encode()
        return _text(self._mac(query, payload) + payload)

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
        mac, payload = raw[:_MAC_BYTES], raw[_MAC_BYTES:]
        if not hmac.compare_digest(mac, self._mac(query, payload)):
            raise InvalidCursor
        return tuple(json.loads(payload))

    def _mac(self, query: str, payload: bytes) -> bytes:
        return self.pseudonyms.of("cursor", query, payload.decode("latin-1"))[:_MAC_BYTES]


def _text(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")
