"""People with roles, made in the core: an administrator, a supporter, an auditor, and others."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from functools import cache
from typing import Any

from core.bootstrap import Core
from core.domain.access import ADMIN_ROLE
from core.domain.requests import RequestContext
from core.domain.user import NewUser, UserStatus
from core.lazy import lazy
from tests.support.people import PASSWORD, LoggedIn, Person, random_email
from tests.support.storage import new_user, query

CONTEXT = RequestContext(request_id="staff", address="192.0.2.9", address_bucket="192.0.2.9")


@dataclass(frozen=True)
class Member(LoggedIn):
    """Somebody with roles, logged in; the password is `people.PASSWORD`."""

    @property
    def id(self) -> str:
        return self.person.user_id

    @property
    def email(self) -> str:
        return self.person.email

    @property
    def token(self) -> str:
        return self.access


class Staff:
    """Each test has people of its own, made when they are first asked for.

    In the core and not through the API, so that a test of one route needs no other.
    """

    def __init__(self, core: Core, superuser_url: str) -> None:
        self._core = core
        self.superuser_url = superuser_url

    @lazy
    def admin(self) -> Member:
        return self.member(ADMIN_ROLE)

    @lazy
    def support(self) -> Member:
        return self.member("support")

    @lazy
    def auditor(self) -> Member:
        return self.member("auditor")

    def holding(self, *permissions: str) -> Member:
        """Somebody with a role of their own, which has these permissions."""
        role = f"custom-{secrets.token_hex(6)}"
        query(
            self.superuser_url,
            "WITH made AS (INSERT INTO roles (name, built_in) VALUES (%s, false) RETURNING name)"
            " INSERT INTO role_permissions (role, permission)"
            " SELECT name, unnest(%s::text[]) FROM made",
            (role, list(permissions)),
        )
        return self.member(role)

    def member(self, *roles: str, **fields: Any) -> Member:
        """Somebody new with these roles."""
        return self.log_in(self.person(*roles, **fields))

    def person(self, *roles: str, **fields: Any) -> Person:
        """As `member`, but not logged in: no `last_login_at`, no session. `fields` are those of
        NewUser."""
        email = str(fields.pop("email", None) or random_email())
        now = self._core.clock.now()
        user = new_user(email=email, email_normalised=email.lower(), created_at=now, **fields)
        self._insert(user, roles)
        return Person(str(user.id), email, PASSWORD)

    def pending(self, **fields: Any) -> Person:
        """Somebody without a password, as an administrator creates them."""
        return self.person(status=UserStatus.PENDING, email_verified=False, **fields)

    def log_in(self, person: Person) -> Member:
        """A new session."""
        tokens = self._core.authentication.login(
            CONTEXT, identifier=person.email, password=person.password
        )
        return Member(person, tokens.access_token, tokens.refresh_token, str(tokens.session_id))

    def alone(self, member: Member) -> None:
        """Takes the role admin from everybody else."""
        query(
            self.superuser_url,
            "DELETE FROM user_roles WHERE role = %s AND user_id <> %s",
            (ADMIN_ROLE, member.id),
        )

    def _insert(self, user: NewUser, roles: tuple[str, ...]) -> None:
        now = self._core.clock.now()
        with self._core.storage.write(CONTEXT) as uow:
            uow.users.insert(user)
            if user.status is not UserStatus.PENDING:
                uow.credentials.set_password(user.id, _password_hash(self._core), now=now)
            for role in roles:
                uow.access.grant(user.id, role, granted_by=None, now=now)
            uow.commit()


@cache
def _password_hash(core: Core) -> str:
    # One for all: it is what costs the time.
    return core.hasher.hash(PASSWORD).work()
