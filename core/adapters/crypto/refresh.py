"""Refresh tokens that are derived, not stored."""

from __future__ import annotations

import hmac
from uuid import UUID

from core.adapters.crypto import base64url
from core.errors import InvalidRefreshToken

_PREFIX = "rt1."
_FAMILY_BYTES = 16
_GENERATION_BYTES = 4
_BODY_BYTES = _FAMILY_BYTES + _GENERATION_BYTES
# 4 for the prefix, and 70 for 52 bytes in base64url.
_TOKEN_CHARS = 74


class HmacRefreshTokens:
    """Implements RefreshTokens: `rt1.` and base64url of family, generation and HMAC-SHA256.

    They take 16, 4 and 32 bytes. The MAC covers the prefix too, so that a later format cannot be
    passed off as this one.
    """

    def __init__(self, key: bytes) -> None:
        self._key = key

    def encode(self, session_id: UUID, generation: int) -> str:
        body = session_id.bytes + generation.to_bytes(_GENERATION_BYTES, "big")
        return _PREFIX + base64url.encode(body + self._mac(body))

    def decode(self, token: str) -> tuple[UUID, int]:
        if len(token) != _TOKEN_CHARS or not token.startswith(_PREFIX):
            raise InvalidRefreshToken
        try:
            raw = base64url.decode(token[len(_PREFIX) :])
        except ValueError:
            raise InvalidRefreshToken from None
        body, mac = raw[:_BODY_BYTES], raw[_BODY_BYTES:]
        if not hmac.compare_digest(mac, self._mac(body)):
            raise InvalidRefreshToken
        return UUID(bytes=body[:_FAMILY_BYTES]), int.from_bytes(body[_FAMILY_BYTES:], "big")

    def _mac(self, body: bytes) -> bytes:
        return hmac.digest(self._key, _PREFIX.encode() + body, "sha256")
