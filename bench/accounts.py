"""Accounts with sessions, hundreds a second: through the core, with one password hash for all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict

from core.bootstrap import Core
from core.domain.requests import RequestContext
from tests.support.people import PASSWORD, LoggedIn, Person, random_email
from tests.support.storage import new_session, new_user

_CONTEXT = RequestContext(request_id="bench")


def make_accounts(core: Core, number: int, *, role: str | None = None) -> list[LoggedIn]:
    """Active users, each logged in once; the password of all is `people.PASSWORD`."""
    core.keys.ensure_signing_key()
    core.authentication.issuer.access_tokens.prepare()
    password_hash = core.authentication.hasher.hash(PASSWORD).work()
    made = []
    now = core.clock.now()
    with core.storage.write(_CONTEXT) as uow:
        epoch = uow.principals.current_epoch()
        for _ in range(number):
            email = random_email()
            user = new_user(email=email, email_normalised=email, created_at=now)
            uow.users.insert(user)
            uow.credentials.set_password(user.id, password_hash, now=now)
            if role:
                uow.access.grant(user.id, role, granted_by=None, now=now)
            policy = core.authentication.policy
            session = new_session(
                user.id,
                started=now,
                epoch=epoch,
                expires_at=policy.expiry(now, now),
                absolute_expires_at=now + policy.absolute,
            )
            uow.sessions.insert(session)
            tokens = core.authentication.issuer.tokens(uow, session, now=now)
            if tokens is None:
                raise RuntimeError("a new session cannot be used")
            person = Person(str(user.id), email, PASSWORD)
            made.append(
                LoggedIn(person, tokens.access_token, tokens.refresh_token, str(session.id))
            )
        uow.commit()
    return made


def as_plain(people: Sequence[LoggedIn]) -> list[dict[str, object]]:
    """For JSON; `from_plain` is the way back."""
    return [asdict(each) for each in people]


def from_plain(people: list[dict[str, object]]) -> list[LoggedIn]:
    found = []
    for each in people:
        person = each["person"]
        if not isinstance(person, dict):
            raise TypeError("not a person")
        texts = {name: str(each[name]) for name in ("access", "refresh", "session_id")}
        found.append(LoggedIn(person=Person(**person), **texts))
    return found
