"""Names that can be compared and not read."""

from __future__ import annotations

import hmac


class HmacPseudonyms:
    """Implements Pseudonyms by HMAC-SHA256 over length-prefixed parts.

    The prefixes keep ("ab", "c") and ("a", "bc") apart (Oathkeeper CVE-2026-33496). Lone
    surrogates, which JSON can carry, are hashed like any other text: whoever types them gets the
    usual refusal.
    """

    def __init__(self, key: bytes) -> None:
        self._key = key

    def of(self, *parts: str) -> bytes:
        encoded = [part.encode("utf-8", "surrogatepass") for part in parts]
        message = b"".join(len(part).to_bytes(4, "big") + part for part in encoded)
        return hmac.digest(self._key, message, "sha256")
