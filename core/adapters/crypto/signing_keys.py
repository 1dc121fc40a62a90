"""Signing keys: made, sealed for the database, and opened again."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import (
    SECP256R1,
    EllipticCurvePrivateKey,
    EllipticCurvePublicKey,
    generate_private_key,
)
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_der_private_key,
)

from core.adapters.crypto import base64url
from core.ports.runtime import Clock
from core.ports.security import Sealer
from core.ports.storage import SigningKey

ALGORITHM = "ES256"
_COORDINATE_BYTES = 32


@dataclass(frozen=True, kw_only=True)
class OpenedKey:
    """A key that was made with this service's secret; `public_jwk` is what the JWKS shows."""

    kid: str
    private: EllipticCurvePrivateKey
    public: EllipticCurvePublicKey
    public_jwk: Mapping[str, str]
    active_from: datetime
    retired_at: datetime | None


def new_signing_key(
    *, clock: Clock, sealer: Sealer, active_from: datetime | None = None
) -> SigningKey:
    """A fresh P-256 key, named by its thumbprint; active from now unless told otherwise."""
    private = generate_private_key(SECP256R1())
    jwk = _public_jwk(private.public_key())
    der = private.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    now = clock.now()
    return SigningKey(
        kid=jwk["kid"],
        public_jwk=jwk,
        sealed_private=sealer.seal(der, context=_context(jwk["kid"])),
        created_at=now,
        active_from=active_from or now,
        retired_at=None,
    )


def open_signing_key(key: SigningKey, sealer: Sealer) -> OpenedKey:
    """The key of a row, believed only as far as its sealed part goes.

    The public half is computed from the private one: a row that somebody wrote without knowing the
    secret, to have tokens of their own accepted, does not open. The row's JWK has to say the same,
    `use`, `alg` and `key_ops` included (RFC 7517 sections 4.2 to 4.4), which PyJWT does not look
    at.

    Raises:
        ValueError: it does not open, or is no ES256 signature key.
    """
    der = sealer.open(key.sealed_private, context=_context(key.kid))
    try:
        private = load_der_private_key(der, password=None)
    except (TypeError, UnsupportedAlgorithm):
        raise ValueError("not a private key") from None
    if not isinstance(private, EllipticCurvePrivateKey) or not isinstance(private.curve, SECP256R1):
        raise ValueError("not a P-256 key")
    jwk = _public_jwk(private.public_key())
    if not _describes(key.public_jwk, jwk):
        raise ValueError("not the signature key that its JWK describes")
    return OpenedKey(
        kid=key.kid,
        private=private,
        public=private.public_key(),
        public_jwk=jwk,
        active_from=key.active_from,
        retired_at=key.retired_at,
    )


def thumbprint(members: Mapping[str, str]) -> str:
    """The JWK thumbprint (RFC 7638 section 3) of a key given by its required members alone."""
    canonical = json.dumps(dict(members), sort_keys=True, separators=(",", ":"))
    return base64url.encode(hashlib.sha256(canonical.encode()).digest())


def _public_jwk(public: EllipticCurvePublicKey) -> dict[str, str]:
    numbers = public.public_numbers()
    members = {
        "kty": "EC",
        "crv": "P-256",
        "x": base64url.encode(numbers.x.to_bytes(_COORDINATE_BYTES, "big")),
        "y": base64url.encode(numbers.y.to_bytes(_COORDINATE_BYTES, "big")),
    }
    return {**members, "kid": thumbprint(members), "use": "sig", "alg": ALGORITHM}


def _describes(stored: Mapping[str, str], computed: Mapping[str, str]) -> bool:
    """Members that a later version adds may stand beside the computed ones."""
    same = all(stored.get(name) == value for name, value in computed.items())
    return same and "verify" in stored.get("key_ops", "verify")


def _context(kid: str) -> str:
    return f"signing-key:{kid}"
