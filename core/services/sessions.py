"""Refreshing, listing and ending sessions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from core.domain.access import Principal
from core.domain.events import Event, EventType
from core.domain.requests import RequestContext
from core.domain.session import (
    RefreshOutcome,
    RevokeReason,
    Session,
    SessionPolicy,
    Tokens,
    judge_lost_rotation,
)
from core.errors import InvalidRefreshToken, NotFound
from core.ports.runtime import Clock
from core.ports.security import Pseudonyms, RefreshTokens
from core.ports.storage import Storage, UnitOfWork
from core.services.guards import own
from core.services.tokens import TokenIssuer


@dataclass(frozen=True, kw_only=True)
class Sessions:
    storage: Storage
    refresh_tokens: RefreshTokens
    issuer: TokenIssuer
    pseudonyms: Pseudonyms
    policy: SessionPolicy
    clock: Clock

    def refresh(self, context: RequestContext, *, refresh_token: str) -> Tokens:
        """Trades a refresh token for its one successor (RFC 9700 section 4.14.2).

        A retry within the grace period by the same user agent gets the same successor; any other
        use of an old token ends the session and is audited.

        Raises:
            InvalidRefreshToken
        """
        session_id, generation = self.refresh_tokens.decode(refresh_token)
        client_key = self.pseudonyms.of("client", context.user_agent or "")
        self.issuer.access_tokens.prepare()
        now = self.clock.now()
        with self.storage.write(context) as uow:
            session = uow.sessions.rotate(
                session_id,
                generation,
                client_key=client_key,
                sliding_until=now + self.policy.sliding,
                now=now,
            )
            if session is None:
                session = self._same_successor(uow, session_id, generation, client_key, now)
            tokens = self.issuer.tokens(uow, session, now=now) if session else None
            uow.commit()
        if tokens is None:
            raise InvalidRefreshToken
        return tokens

    def _same_successor(
        self, uow: UnitOfWork, session_id: UUID, generation: int, client_key: bytes, now: datetime
    ) -> Session | None:
        session = uow.sessions.get(session_id)
        outcome = judge_lost_rotation(
            session,
            generation=generation,
            same_client=uow.sessions.rotated_by(session_id) == client_key,
            now=now,
            policy=self.policy,
        )
        if session is not None and outcome is RefreshOutcome.REUSED:
            uow.sessions.revoke(
                session_id, user_id=session.user_id, reason=RevokeReason.REUSE_DETECTED, now=now
            )
            details: dict[str, object] = {
                "session_id": str(session_id),
                "generation": generation,
                "newest": session.generation,
            }
            uow.record(
                Event(
                    type=EventType.SESSION_REUSE_DETECTED,
                    actor=None,
                    subject=session.user_id,
                    details=details,
                )
            )
        return session if outcome is RefreshOutcome.SAME_SUCCESSOR else None

    def logout(self, context: RequestContext, principal: Principal) -> None:
        """Ends the session that asks. Raises Unauthenticated: it ended meanwhile."""
        self._end(context, principal, principal.session_id, RevokeReason.LOGOUT)

    def revoke(self, context: RequestContext, principal: Principal, *, session_id: UUID) -> None:
        """Ends one of one's own sessions.

        Raises:
            NotFound: somebody else's too.
            Unauthenticated: the session that asks ended meanwhile.
        """
        if not self._end(context, principal, session_id, RevokeReason.USER_REVOKED):
            raise NotFound

    def _end(
        self, context: RequestContext, principal: Principal, session_id: UUID, reason: RevokeReason
    ) -> bool:
        user_id = principal.user.id
        with own(self.storage, context, principal) as (uow, _):
            ended = uow.sessions.revoke(
                session_id, user_id=user_id, reason=reason, now=self.clock.now()
            )
            if ended:
                _record_revocation(uow, user_id, [session_id], reason)
                uow.commit()
        return ended

    def logout_all(self, context: RequestContext, principal: Principal) -> None:
        """Ends every session of the caller. Raises Unauthenticated: the asking one ended
        meanwhile."""
        user_id = principal.user.id
        reason = RevokeReason.LOGOUT_ALL
        with own(self.storage, context, principal) as (uow, _):
            ended = uow.sessions.revoke_all(user_id, reason=reason, now=self.clock.now())
            _record_revocation(uow, user_id, ended, reason)
            uow.commit()

    def page(
        self, principal: Principal, *, after: tuple[datetime, UUID] | None, limit: int
    ) -> Sequence[Session]:
        """One's own living sessions, newest first, behind `after`."""
        with self.storage.read() as stores:
            return stores.sessions.of_user(
                principal.user.id, now=self.clock.now(), after=after, limit=limit
            )


def _record_revocation(
    uow: UnitOfWork, user_id: UUID, session_ids: Sequence[UUID], reason: RevokeReason
) -> None:
    details: dict[str, object] = {
        "session_ids": [str(session_id) for session_id in session_ids],
        "reason": reason.value,
    }
    uow.record(
        Event(type=EventType.SESSION_REVOKED, actor=user_id, subject=user_id, details=details)
    )
