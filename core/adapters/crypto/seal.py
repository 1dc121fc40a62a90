"""Authenticated encryption of what is stored."""

from __future__ import annotations

import hmac
import os

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

_VERSION = b"\x01"
_NONCE_BYTES = 12


class AesGcmSealer:
    """Implements Sealer: version byte, 96-bit random nonce, ciphertext and tag (NIST SP 800-38D).

    Each context has a key of its own, so that the 2^32 messages which section 8.3 allows a key with
    random nonces are counted per context and not over all that the service ever stores. Version and
    context are also the associated data.
    """

    def __init__(self, key: bytes) -> None:
        self._key = key

    def seal(self, plain: bytes, *, context: str) -> bytes:
        cipher, bound = self._bind(context)
        nonce = os.urandom(_NONCE_BYTES)
        return _VERSION + nonce + cipher.encrypt(nonce, plain, bound)

    def open(self, sealed: bytes, *, context: str) -> bytes:
        if sealed[:1] != _VERSION:
            raise ValueError("not a sealed value")
        cipher, bound = self._bind(context)
        nonce, encrypted = sealed[1 : 1 + _NONCE_BYTES], sealed[1 + _NONCE_BYTES :]
        try:
            return cipher.decrypt(nonce, encrypted, bound)
        except InvalidTag:
            raise ValueError("changed, or sealed for another context or key") from None

    def _bind(self, context: str) -> tuple[AESGCM, bytes]:
        name = context.encode()
        bound = _VERSION + len(name).to_bytes(4, "big") + name
        return AESGCM(hmac.digest(self._key, bound, "sha256")), bound
