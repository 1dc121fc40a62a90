"""The claims of an access token, written and read (RFC 9068 section 2.2)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TypeVar
from uuid import UUID

from core.ports.security import AccessClaims

# Only clocks of this service's own instances are compared, and those are kept by NTP to
# milliseconds; what is left is a machine that resumes and has not caught up yet. More would only
# lengthen the life of every token.
LEEWAY = timedelta(seconds=5)
MAX_LIFETIME = timedelta(minutes=15)

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class ClaimRules:
    """What every token has to say, and how long it may say it."""

    issuer: str
    audience: str

    def in_time(self, claims: AccessClaims, now: datetime) -> bool:
        """Whether it has begun and not ended (RFC 7519 sections 4.1.4 and 4.1.6)."""
        return claims.issued_at - LEEWAY <= now < claims.expires_at + LEEWAY


def payload_of(claims: AccessClaims, rules: ClaimRules) -> dict[str, object]:
    """The members of the token."""
    return {
        "iss": rules.issuer,
        "sub": str(claims.subject),
        "aud": rules.audience,
        "client_id": claims.client_id,
        "iat": int(claims.issued_at.timestamp()),
        "exp": int(claims.expires_at.timestamp()),
        "jti": str(claims.token_id),
        "sid": str(claims.session_id),
        "scope": claims.scope,
        "auth_time": int(claims.authenticated_at.timestamp()),
        "acr": claims.acr,
        "amr": list(claims.amr),
        "epoch": claims.epoch,
    }


def claims_of(payload: Mapping[str, object], rules: ClaimRules) -> AccessClaims:
    """The claims of a payload whose signature was verified.

    Members that a later version adds are ignored.

    Raises:
        ValueError: a claim is missing, of the wrong type, or not what the rules say.
    """
    if payload.get("iss") != rules.issuer or payload.get("aud") != rules.audience:
        raise ValueError("issued by or for somebody else")
    claims = AccessClaims(
        subject=_claim(payload, "sub", _uuid),
        session_id=_claim(payload, "sid", _uuid),
        client_id=_claim(payload, "client_id", _text),
        token_id=_claim(payload, "jti", _uuid),
        issued_at=_claim(payload, "iat", _time),
        expires_at=_claim(payload, "exp", _time),
        authenticated_at=_claim(payload, "auth_time", _time),
        scope=_claim(payload, "scope", _text),
        acr=_claim(payload, "acr", _text),
        amr=_claim(payload, "amr", _texts),
        epoch=_claim(payload, "epoch", _whole),
    )
    if not timedelta(0) < claims.expires_at - claims.issued_at <= MAX_LIFETIME + LEEWAY:
        raise ValueError("not a lifetime that is given here")
    # Not issued here; no later than `iat`, it is past whenever `iat` is.
    if "nbf" in payload and _time(payload["nbf"]) > claims.issued_at:
        raise ValueError("not valid when issued")
    return claims


def _claim(payload: Mapping[str, object], name: str, read: Callable[[object], T]) -> T:
    if name not in payload:
        raise ValueError(f"{name} is missing")
    return read(payload[name])


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise ValueError("not a string")
    return value


def _texts(value: object) -> tuple[str, ...]:
    if not isinstance(value, list):
        raise ValueError("not an array")
    return tuple(_text(item) for item in value)


def _whole(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise ValueError("not a whole number")
    return value


def _time(value: object) -> datetime:
    """NumericDate (RFC 7519 section 2), whole seconds."""
    try:
        return datetime.fromtimestamp(_whole(value), UTC)
    except (OverflowError, OSError):
        raise ValueError("not a time") from None


def _uuid(value: object) -> UUID:
    text = _text(value)
    if str(identifier := UUID(text)) != text:
        raise ValueError("not a canonical UUID")
    return identifier
