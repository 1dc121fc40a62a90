"""Access tokens for tests: the real thing, and anything that an attacker could put together."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from uuid import UUID

from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, EllipticCurvePrivateKey
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256

from core.adapters.crypto import base64url
from core.adapters.crypto.keyring import KeyRing
from core.adapters.crypto.seal import AesGcmSealer
from core.adapters.crypto.signing_keys import new_signing_key, open_signing_key
from core.adapters.crypto.tokens import Es256AccessTokens
from core.errors import StorageUnavailable, Unauthenticated
from core.ports.runtime import Clock
from core.ports.security import AccessClaims
from core.ports.storage import SigningKey
from tests.support.clock import FixedClock

ISSUER = "https://users.example"
AUDIENCE = "https://api.example"
# NIST SP 800-186 section 3.2.1.3.
P256_ORDER = 0xFFFFFFFF_00000000_FFFFFFFF_FFFFFFFF_BCE6FAAD_A7179E84_F3B9CAC2_FC632551
SEALER = AesGcmSealer(b"k" * 32)


@dataclass
class KeyRows:
    """What the database holds, and how often it was read."""

    rows: list[SigningKey] = field(default_factory=list)
    reads: int = 0
    down: bool = False

    def __call__(self) -> Sequence[SigningKey]:
        self.reads += 1
        if self.down:
            raise StorageUnavailable
        return list(self.rows)


@dataclass
class Issuer:
    """An instance of the service with a clock and keys of its own."""

    clock: FixedClock = field(default_factory=FixedClock)
    keys: KeyRows = field(default_factory=KeyRows)
    ring: KeyRing = field(init=False)
    tokens: Es256AccessTokens = field(init=False)

    def __post_init__(self) -> None:
        if not self.keys.rows:
            self.keys.rows.append(new_signing_key(clock=self.clock, sealer=SEALER))
        self.ring = KeyRing(load=self.keys, sealer=SEALER, clock=self.clock)
        self.tokens = Es256AccessTokens(
            keys=self.ring, clock=self.clock, issuer=ISSUER, audience=AUDIENCE
        )

    @property
    def key(self) -> SigningKey:
        return self.keys.rows[0]

    def claims(self) -> AccessClaims:
        return claims_now(self.clock)

    def issue(self) -> str:
        return self.tokens.issue(self.claims())

    def accepts(self, token: str) -> bool:
        """False when it is refused by the one message, which tells nothing."""
        try:
            self.tokens.verify(token)
        except Unauthenticated as error:
            if str(error) != Unauthenticated.message:
                raise
            return False
        return True

    def header(self, **changes: object) -> dict[str, object]:
        return {"alg": "ES256", "typ": "at+jwt", "kid": self.key.kid} | changes

    def payload(self, **changes: object) -> dict[str, object]:
        return payload_of(self.issue()) | changes

    def forge(
        self, header: Mapping[str, object] | bytes, payload: Mapping[str, object] | bytes
    ) -> str:
        """A token of any content with a good signature by the service's own key."""
        return signed(private_key(self.key), header, payload)


def claims_now(clock: Clock) -> AccessClaims:
    now = clock.now().replace(microsecond=0)
    return AccessClaims(
        subject=UUID("01890000-0000-7000-8000-000000000001"),
        session_id=UUID("01890000-0000-7000-8000-000000000002"),
        client_id="user-api",
        token_id=UUID("01890000-0000-7000-8000-000000000003"),
        issued_at=now,
        expires_at=now + timedelta(minutes=10),
        authenticated_at=now - timedelta(hours=1),
        scope="users:read users:write",
        acr="aal1",
        amr=("pwd",),
        epoch=0,
    )


def private_key(key: SigningKey) -> EllipticCurvePrivateKey:
    return open_signing_key(key, SEALER).private


def signed(
    key: EllipticCurvePrivateKey,
    header: Mapping[str, object] | bytes,
    payload: Mapping[str, object] | bytes,
) -> str:
    """JWS compact serialisation (RFC 7515 section 7.1) without the checks of a library."""
    signing_input = f"{segment(header)}.{segment(payload)}"
    r, s = decode_dss_signature(key.sign(signing_input.encode(), ECDSA(SHA256())))
    s = min(s, P256_ORDER - s)
    return f"{signing_input}.{base64url.encode(r.to_bytes(32, 'big') + s.to_bytes(32, 'big'))}"


def other_signature(token: str) -> str:
    """The same token with (r, n - s) for (r, s), which is as good to ECDSA."""
    signing_input, _, signature = token.rpartition(".")
    raw = base64url.decode(signature)
    s = P256_ORDER - int.from_bytes(raw[32:], "big")
    return f"{signing_input}.{base64url.encode(raw[:32] + s.to_bytes(32, 'big'))}"


def segment(value: Mapping[str, object] | bytes) -> str:
    data = value if isinstance(value, bytes) else json.dumps(value, separators=(",", ":")).encode()
    return base64url.encode(data)


def header_of(token: str) -> dict[str, object]:
    return _part(token, 0)


def payload_of(token: str) -> dict[str, object]:
    return _part(token, 1)


def _part(token: str, index: int) -> dict[str, object]:
    part: dict[str, object] = json.loads(base64url.decode(token.split(".")[index]))
    return part
