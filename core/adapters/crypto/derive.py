"""One configured secret, and a key of its own for each use."""

from __future__ import annotations

from enum import StrEnum

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

SUBKEY_BYTES = 32


class KeyUse(StrEnum):
    """What a key is for. The value is part of the key: changing it voids what was made with it."""

    REFRESH_TOKENS = "refresh tokens"
    CODES = "one-time codes"
    SEALING = "sealing"
    PSEUDONYMS = "pseudonyms"
    CURSORS = "cursors"


def derive_key(secret_key: bytes, use: KeyUse) -> bytes:
    """32 bytes by HKDF-SHA256 (RFC 5869), with the use as its info.

    No salt: section 3.1 asks for one where the input is not uniformly random, and SECRET_KEY is.
    """
    info = f"user-api {use.value}".encode()
    return HKDF(algorithm=SHA256(), length=SUBKEY_BYTES, salt=None, info=info).derive(secret_key)
