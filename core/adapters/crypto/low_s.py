"""ES256 with one signature for what is signed: of (r, s) and (r, n - s) the one with the lower s.

ECDSA accepts both: anybody can write a signed token in a second way. FIPS 186-5 and RFC 7518
do not choose; Bitcoin's BIP 146 chose the lower, and called it low s. Any verifier takes it.
"""

from __future__ import annotations

from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePrivateKey
from cryptography.hazmat.primitives.hashes import SHA256
from jwt import PyJWS
from jwt.algorithms import ECAlgorithm

from core.adapters.crypto import base64url
from core.adapters.crypto.signing_keys import ALGORITHM

_ORDER = SECP256R1().group_order
_HALF_BYTES = 32


class _LowSEs256(ECAlgorithm):
    """Verifies as PyJWT does: both forms."""

    def sign(self, msg: bytes, key: EllipticCurvePrivateKey) -> bytes:
        signature = super().sign(msg, key)
        s = _s_of(signature)
        return signature[:_HALF_BYTES] + min(s, _ORDER - s).to_bytes(_HALF_BYTES, "big")


def low_s_jws() -> PyJWS:
    """Signs with low s; whether what it verified has one, `has_low_s` tells."""
    jws = PyJWS(algorithms=[ALGORITHM])
    jws.unregister_algorithm(ALGORITHM)
    jws.register_algorithm(ALGORITHM, _LowSEs256(SHA256, SECP256R1))
    return jws


def has_low_s(token: str) -> bool:
    """Whether a token that was verified is the one spelling that is made here."""
    return _s_of(base64url.decode(token.rpartition(".")[2])) <= _ORDER // 2


def _s_of(signature: bytes) -> int:
    return int.from_bytes(signature[_HALF_BYTES:], "big")
