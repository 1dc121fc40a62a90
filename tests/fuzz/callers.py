"""The people that the fuzzer calls as, made anew whenever one has put an end to itself."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from uuid import UUID

from core.bootstrap import Core
from core.domain.access import ADMIN_ROLE
from core.domain.addresses import EmailAddress
from core.domain.requests import RequestContext
from core.domain.user import NewUser, UserStatus
from core.errors import DomainError

PASSWORD = "correct horse battery staple"
ROLES: dict[str, str | None] = {"user": None, "admin": ADMIN_ROLE}
"""By the name of the caller; nobody has no account."""

_CONTEXT = RequestContext(request_id="fuzz", address="192.0.2.2", address_bucket="192.0.2.2")


@dataclass
class Caller:
    """Logs out, changes its password and deletes its account in the course of a run."""

    core: Core
    role: str | None
    _token: str | None = None

    def token(self) -> str:
        """An access token that works now."""
        if self._token is None or not self._works(self._token):
            self._token = self._new()
        return self._token

    def _works(self, token: str) -> bool:
        try:
            return not self.core.authentication.authenticate(token).password_change_required
        except DomainError:
            return False

    def _new(self) -> str:
        email = f"fuzz-{secrets.token_hex(8)}@example.com"
        user_id = self._insert(email)
        tokens = self.core.authentication.login(_CONTEXT, identifier=email, password=PASSWORD)
        assert self.core.authentication.authenticate(tokens.access_token).user.id == user_id
        return tokens.access_token

    def _insert(self, email: str) -> UUID:
        core = self.core
        now, user_id = core.clock.now(), core.ids.new()
        address = EmailAddress.parse(email)
        password_hash = core.hasher.hash(PASSWORD).work()
        with core.storage.write(_CONTEXT) as uow:
            uow.users.insert(
                NewUser(
                    id=user_id,
                    email=address.value,
                    email_normalised=address.normalised,
                    email_verified=True,
                    username=None,
                    profile={},
                    status=UserStatus.ACTIVE,
                    created_at=now,
                )
            )
            uow.credentials.set_password(user_id, password_hash, now=now)
            if self.role is not None:
                uow.access.grant(user_id, self.role, granted_by=None, now=now)
            uow.commit()
        return user_id
