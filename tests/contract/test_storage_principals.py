"""The one statement behind every authenticated request."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta

import pytest

from core.adapters.postgres.storage import PostgresStorage
from core.domain.access import BUILT_IN_ROLES, Principal
from core.domain.session import RevokeReason, Session
from core.domain.user import UserStatus
from tests.support.clock import START
from tests.support.storage import CONTEXT, IDS, RecordedMetrics, insert_session, insert_user, query

SECOND, MICROSECOND = timedelta(seconds=1), timedelta(microseconds=1)
WHOLE = START.replace(microsecond=0)


@pytest.fixture
def session(storage: PostgresStorage) -> Session:
    return insert_session(storage, insert_user(storage).id)


def ask(
    storage: PostgresStorage,
    session: Session,
    *,
    epoch: int = 1,
    issued_at: datetime = START,
    now: datetime = START,
) -> Principal | None:
    with storage.read() as stores:
        return stores.principals.principal(
            session.id, user_id=session.user_id, epoch=epoch, issued_at=issued_at, now=now
        )


@contextmanager
def raised(owner_url: str, epoch: int, mode: str, since: datetime | None) -> Iterator[None]:
    """A recovery epoch, taken back at the end."""
    row = (epoch, mode, since, START)
    query(owner_url, "INSERT INTO recovery_epochs VALUES (%s, %s, %s, %s)", row)
    try:
        yield
    finally:
        query(owner_url, "DELETE FROM recovery_epochs WHERE epoch = %s", (epoch,))


def test_a_principal_is_the_user_with_roles_and_permissions(
    storage: PostgresStorage, session: Session
) -> None:
    """Roles are sorted; permissions are those of all roles together."""
    with storage.write(CONTEXT) as uow:
        for role in ("support", "auditor"):
            uow.access.grant(session.user_id, role, granted_by=None, now=START)
        uow.users.record_login(session.user_id, now=START)
        uow.commit()
    principal = ask(storage, session)
    assert principal is not None
    assert principal.session_id == session.id
    with storage.read() as stores:
        assert principal.user == stores.users.by_id(session.user_id)
    assert principal.user.roles == ("auditor", "support")
    granted = BUILT_IN_ROLES["support"] + BUILT_IN_ROLES["auditor"]
    assert principal.permissions == frozenset(granted)
    assert principal.user.last_login_at == START


def test_a_user_without_roles_has_no_permissions(
    storage: PostgresStorage, session: Session
) -> None:
    """Empty, not missing."""
    principal = ask(storage, session)
    assert principal is not None
    assert (principal.user.roles, principal.permissions) == ((), frozenset())


def test_a_principal_costs_one_statement(
    storage: PostgresStorage, metrics: RecordedMetrics, session: Session
) -> None:
    """Session, user, roles, permissions, password state and epoch in one round trip."""
    metrics.queries.clear()
    assert ask(storage, session) is not None
    assert metrics.queries == [("select", "sessions")]


def test_a_session_of_somebody_else_is_nobody(storage: PostgresStorage, session: Session) -> None:
    """The ids of a token have to belong together."""
    with storage.read() as stores:
        other = stores.principals.principal(
            session.id, user_id=IDS.new(), epoch=1, issued_at=START, now=START
        )
    assert other is None


def test_a_session_ends_with_revocation_and_expiry(
    storage: PostgresStorage, session: Session
) -> None:
    """At its very end it is over; a revocation counts at once."""
    assert ask(storage, session, now=session.expires_at - SECOND) is not None
    assert ask(storage, session, now=session.expires_at) is None
    with storage.write(CONTEXT) as uow:
        reason = RevokeReason.LOGOUT
        uow.sessions.revoke(session.id, user_id=session.user_id, reason=reason, now=START)
        uow.commit()
    assert ask(storage, session) is None


@pytest.mark.parametrize("status", [each for each in UserStatus if each is not UserStatus.ACTIVE])
def test_only_active_users_are_principals(
    storage: PostgresStorage, session: Session, status: UserStatus
) -> None:
    """Any other status shuts every session out at once."""
    with storage.write(CONTEXT) as uow:
        change = {"status": status}
        uow.users.update(session.user_id, change, expected_version=None, now=START)
        uow.commit()
    assert ask(storage, session) is None


def test_a_temporary_password_has_to_be_changed(storage: PostgresStorage, session: Session) -> None:
    """Until another one is set."""
    for temporary in (True, False):
        with storage.write(CONTEXT) as uow:
            uow.credentials.set_password(session.user_id, "hash", now=START, temporary=temporary)
            uow.commit()
        principal = ask(storage, session)
        assert principal is not None
        assert principal.password_change_required is temporary


@pytest.mark.parametrize(
    ("mode", "since", "epoch", "issued_at", "allowed"),
    [
        ("all", None, 1, START, False),
        ("all", None, 2, START, True),
        ("window", START, 1, START - SECOND, True),
        ("window", START, 1, START, False),
        ("window", START, 1, START + SECOND, False),
        ("window", START, 2, START + SECOND, True),
        # A token issued in the window's first second says that it is of the second's beginning.
        ("window", START, 1, WHOLE, False),
        ("window", WHOLE + SECOND - MICROSECOND, 1, WHOLE, False),
        ("window", WHOLE, 1, WHOLE, False),
        ("window", WHOLE, 1, WHOLE - MICROSECOND, True),
        ("window", WHOLE + SECOND, 1, WHOLE, True),
    ],
)
def test_a_recovery_epoch_refuses_what_it_covers(
    storage: PostgresStorage,
    owner_url: str,
    session: Session,
    mode: str,
    since: datetime | None,
    epoch: int,
    issued_at: datetime,
    allowed: bool,
) -> None:
    """`all` refuses every token of an earlier epoch, `window` those issued since it began."""
    with raised(owner_url, 2, mode, since):
        assert (ask(storage, session, epoch=epoch, issued_at=issued_at) is not None) is allowed
        with storage.read() as stores:
            assert stores.principals.current_epoch() == 2
    with storage.read() as stores:
        assert stores.principals.current_epoch() == 1


def test_each_epoch_after_the_token_is_looked_at(
    storage: PostgresStorage, owner_url: str, session: Session
) -> None:
    """A token that the last epoch lets pass is still refused by one in between."""
    with raised(owner_url, 2, "all", None), raised(owner_url, 3, "window", START + SECOND):
        assert ask(storage, session, epoch=1, issued_at=START) is None
        assert ask(storage, session, epoch=2, issued_at=START) is not None
