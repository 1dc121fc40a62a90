"""What a session hands out: a signed access token and the refresh token of its newest
generation."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from core.domain.access import Principal
from core.domain.session import Session, Tokens
from core.ports.runtime import Ids
from core.ports.security import AccessClaims, AccessTokens, RefreshTokens
from core.ports.storage import Stores

SINGLE_FACTOR = "aal1"  # NIST SP 800-63B-4 section 2.1


@dataclass(frozen=True, kw_only=True)
class TokenIssuer:
    access_tokens: AccessTokens
    refresh_tokens: RefreshTokens
    lifetime: timedelta
    ids: Ids

    def tokens(self, stores: Stores, session: Session, *, now: datetime) -> Tokens | None:
        """None when the session may not be used: revoked, expired, its user not active, its epoch
        passed."""
        issued_at = now.replace(microsecond=0)
        principal = stores.principals.principal(
            session.id, user_id=session.user_id, epoch=session.epoch, issued_at=issued_at, now=now
        )
        if principal is None:
            return None
        claims = AccessClaims(
            subject=session.user_id,
            session_id=session.id,
            client_id=session.client_id,
            token_id=self.ids.new(),
            issued_at=issued_at,
            expires_at=issued_at + self.lifetime,
            authenticated_at=session.authenticated_at.replace(microsecond=0),
            scope=" ".join(sorted(_usable(principal))),
            acr=SINGLE_FACTOR,
            amr=session.amr,
            epoch=session.epoch,
        )
        return Tokens(
            access_token=self.access_tokens.issue(claims),
            expires_in=int(self.lifetime.total_seconds()),
            refresh_token=self.refresh_tokens.encode(session.id, session.generation),
            session_id=session.id,
        )


def _usable(principal: Principal) -> frozenset[str]:
    """What a service that verifies the token offline may believe: the owner of a one-time password
    may change it, and nothing else."""
    return frozenset() if principal.password_change_required else principal.permissions
