"""One-time codes that stand in mails."""

from __future__ import annotations

import hmac
from uuid import UUID

from core.adapters.crypto import base64url
from core.domain.codes import CodePurpose


class HmacCodeSecrets:
    """Implements CodeSecrets by HMAC-SHA256; a first byte keeps derived and digested apart."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    def derive(self, code_id: UUID, purpose: CodePurpose) -> str:
        message = b"\x01" + code_id.bytes + purpose.value.encode()
        return base64url.encode(hmac.digest(self._key, message, "sha256"))

    def digest(self, code: str) -> bytes:
        message = b"\x02" + code.encode("utf-8", "surrogatepass")
        return hmac.digest(self._key, message, "sha256")
