"""Access tokens: JWTs by the profile of RFC 9068, signed with ES256."""

from __future__ import annotations

import hashlib
import threading
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from datetime import datetime

import orjson
from jwt.exceptions import InvalidTokenError

from core.adapters.crypto import base64url
from core.adapters.crypto.claims import ClaimRules, claims_of, payload_of
from core.adapters.crypto.keyring import KeyRing
from core.adapters.crypto.low_s import has_low_s, low_s_jws
from core.adapters.crypto.signing_keys import ALGORITHM
from core.adapters.crypto.strict_json import parse_object
from core.errors import Unauthenticated, Unavailable
from core.ports.runtime import Clock
from core.ports.security import AccessClaims

TOKEN_TYPE = "at+jwt"  # noqa: S105  the typ of RFC 9068 section 2.1
MAX_TOKEN_BYTES = 8 * 1024


class Es256AccessTokens:
    """Implements AccessTokens.

    A token has exactly one spelling and one reading here: canonical segments, a signature of low s,
    a header of alg, typ and kid and nothing else, so that no `jwk`, `jku`, `x5u` or `crit` gets a
    say, and no repeated members. Claims that were verified are remembered until they expire,
    because revocation is looked up with every request anyway; a token whose key has been retired is
    not.

    Args:
        keys: where the keys are.
        clock: what `exp` and `iat` are compared with.
        issuer: the one `iss`; fixed by configuration, never by a request (Supabase CVE-2026-31813).
        audience: the one `aud`.
        remembered: how many verified tokens are kept, of about 1.2 KB each.
        high_s_until: tokens issued before it may have the other spelling (decision 0022).
    """

    def __init__(
        self,
        *,
        keys: KeyRing,
        clock: Clock,
        issuer: str,
        audience: str,
        remembered: int = 10_000,
        high_s_until: datetime | None = None,
    ) -> None:
        self._keys = keys
        self._clock = clock
        self._rules = ClaimRules(issuer=issuer, audience=audience)
        self._jws = low_s_jws()
        self._high_s_until = high_s_until
        self._verified = _RecentClaims(remembered)

    def prepare(self) -> None:
        self._keys.prepare()

    def ready(self) -> bool:
        try:
            self._keys.prepare()
        except Unavailable:
            return False
        return True

    def issue(self, claims: AccessClaims) -> str:
        key = self._keys.active()
        return self._jws.encode(
            orjson.dumps(payload_of(claims, self._rules)),
            key.private,
            algorithm=ALGORITHM,
            headers={"typ": TOKEN_TYPE, "kid": key.kid},
        )

    def verify(self, token: str, *, may_read: bool = True) -> AccessClaims:
        if len(token) > MAX_TOKEN_BYTES or not token.isascii():
            raise Unauthenticated
        digest = hashlib.sha256(token.encode()).digest()
        known = self._verified.get(digest)
        try:
            kid, claims = known or self._verify_anew(token, may_read=may_read)
        except (ValueError, InvalidTokenError):
            raise Unauthenticated from None
        key = self._keys.get(kid, may_read=may_read)
        if key is None or not self._rules.in_time(claims, self._clock.now()):
            raise Unauthenticated(genuine=True)
        self._verified.put(digest, (kid, claims))
        return claims

    def jwks(self) -> Mapping[str, Sequence[Mapping[str, str]]]:
        return {"keys": [key.public_jwk for key in self._keys.published()]}

    def _verify_anew(self, token: str, *, may_read: bool) -> tuple[str, AccessClaims]:
        kid = _kid_of(token)
        key = self._keys.get(kid, may_read=may_read)
        if key is None:
            raise ValueError("unknown key")
        payload = self._jws.decode(token, key.public, algorithms=[ALGORITHM])
        claims = claims_of(parse_object(payload), self._rules)
        old = self._high_s_until is not None and claims.issued_at < self._high_s_until
        if not old and not has_low_s(token):
            raise ValueError("not the one spelling of its signature")
        return kid, claims


def _kid_of(token: str) -> str:
    """The key that the header names. Raises ValueError for any form that `issue` does not make."""
    # Unpacking raises the same error for fewer and for more segments.
    header_segment, _, _ = map(base64url.decode, token.split("."))
    header = parse_object(header_segment)
    kid = header.get("kid")
    if not isinstance(kid, str) or header != {"alg": ALGORITHM, "typ": TOKEN_TYPE, "kid": kid}:
        raise ValueError("not the header of an access token")
    return kid


class _RecentClaims:
    """The most recently used claims by digest of their token, at most `size` of them."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._lock = threading.Lock()
        self._entries: OrderedDict[bytes, tuple[str, AccessClaims]] = OrderedDict()

    def get(self, digest: bytes) -> tuple[str, AccessClaims] | None:
        with self._lock:
            return self._entries.get(digest)

    def put(self, digest: bytes, entry: tuple[str, AccessClaims]) -> None:
        with self._lock:
            self._entries[digest] = entry
            self._entries.move_to_end(digest)
            if len(self._entries) > self._size:
                self._entries.popitem(last=False)
