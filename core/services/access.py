"""Who may do what: creating the first administrator."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from uuid import UUID

from core.config import Settings
from core.domain.access import ADMIN_ROLE
from core.domain.addresses import EmailAddress
from core.domain.credentials import check_new_password
from core.domain.events import Event, EventType
from core.domain.profile import check_profile
from core.domain.requests import RequestContext
from core.domain.user import NewUser, UserStatus
from core.ports.runtime import Clock, Ids
from core.ports.security import PasswordHasher
from core.ports.storage import Storage
from core.services.stepwise import Steps, computed, stepwise


@dataclass(frozen=True, kw_only=True)
class Access:
    settings: Settings
    storage: Storage
    hasher: PasswordHasher
    clock: Clock
    ids: Ids

    @stepwise
    def create_admin(
        self, context: RequestContext, *, email: str, username: str | None, password: str | None
    ) -> Steps[tuple[UUID, str | None]]:
        """Creates a verified, active user with the role admin.

        Returns:
            The id, and the temporary password if none was given: the first login has to change it.

        Raises:
            InvalidInput, EmailTaken, UsernameTaken
        """
        address = EmailAddress.parse(email)
        check_profile({"username": username})
        temporary = None if password else secrets.token_urlsafe(18)
        chosen = check_new_password(
            password or temporary or "",
            min_length=self.settings.password_min_length,
            personal=(email, username),
        )
        password_hash = yield from computed(self.hasher.hash(chosen))
        now = self.clock.now()
        user_id = self.ids.new()
        with self.storage.write(context) as uow:
            uow.users.insert(
                NewUser(
                    id=user_id,
                    email=address.value,
                    email_normalised=address.normalised,
                    email_verified=True,
                    username=username,
                    profile={},
                    status=UserStatus.ACTIVE,
                    created_at=now,
                )
            )
            uow.credentials.set_password(
                user_id, password_hash, now=now, temporary=temporary is not None
            )
            uow.access.grant(user_id, ADMIN_ROLE, granted_by=None, now=now)
            uow.record(Event(type=EventType.USER_CREATED, actor=None, subject=user_id))
            role: dict[str, object] = {"role": ADMIN_ROLE}
            uow.record(
                Event(type=EventType.ROLE_GRANTED, actor=None, subject=user_id, details=role)
            )
            uow.commit()
        return user_id, temporary
