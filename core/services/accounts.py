"""One's own account: changing and leaving it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from core.config import Settings
from core.domain.access import ADMIN_ROLE, Principal
from core.domain.events import Event, EventType
from core.domain.profile import check_profile, merge_patch
from core.domain.requests import RequestContext
from core.domain.session import RevokeReason
from core.domain.user import User, UserStatus
from core.errors import LastAdministrator, VersionMismatch
from core.ports.messaging import MailTemplate
from core.ports.runtime import Clock
from core.ports.storage import Storage
from core.services.guards import own


@dataclass(frozen=True, kw_only=True)
class Accounts:
    """Self-service of the people behind the accounts. Every method may raise Unauthenticated: the
    session ended, or the account was closed, while the request waited."""

    settings: Settings
    storage: Storage
    clock: Clock

    def change_profile(
        self,
        context: RequestContext,
        principal: Principal,
        *,
        changes: Mapping[str, object],
        expected_version: int | None,
    ) -> User:
        """Applies a merge patch (RFC 7396) to one's own profile; None clears a field.

        Raises:
            InvalidInput, UsernameTaken
            VersionMismatch: the account has another version than expected.
        """
        columns = dict(changes)
        with own(self.storage, context, principal) as (uow, user):
            if "attributes" in columns:
                columns["attributes"] = merge_patch(user.attributes, columns["attributes"])
            check_profile(columns)
            changed = uow.users.update(
                user.id, columns, expected_version=expected_version, now=self.clock.now()
            )
            if changed is None:
                raise VersionMismatch
            fields: dict[str, object] = {"fields": sorted(columns)}
            uow.record(
                Event(type=EventType.USER_UPDATED, actor=user.id, subject=user.id, details=fields)
            )
            uow.commit(changed)
        return changed

    def deactivate(
        self, context: RequestContext, principal: Principal, *, expected_version: int | None
    ) -> datetime:
        """Closes the account at once, ends its sessions and asks for its erasure.

        Returns:
            When the erasure is due.

        Raises:
            LastAdministrator
            VersionMismatch: the account has another version than expected.
        """
        now = self.clock.now()
        with own(self.storage, context, principal) as (uow, user):
            closed = uow.users.update(
                user.id,
                {"status": UserStatus.DEACTIVATED},
                expected_version=expected_version,
                now=now,
            )
            if closed is None:
                raise VersionMismatch
            uow.sessions.revoke_all(user.id, reason=RevokeReason.DEACTIVATED, now=now)
            uow.credentials.forget_addresses(user.id)
            if ADMIN_ROLE in closed.roles and not uow.access.keeps_an_administrator():
                raise LastAdministrator
            due_at = uow.erasures.request(
                user.id, now=now, due_at=now + self.settings.erasure_grace
            )
            uow.record(Event(type=EventType.USER_DEACTIVATED, actor=user.id, subject=user.id))
            uow.record(Event(type=EventType.ERASURE_REQUESTED, actor=user.id, subject=user.id))
            uow.outbox.enqueue_mail(MailTemplate.ACCOUNT_DEACTIVATED, user_id=user.id)
            uow.commit(due_at)
        return due_at
