"""What goes on beside a transaction that has locked a row: no lock is stronger than it has to be.

What has to wait ends with the statement timeout, and raises.
"""

from __future__ import annotations

from collections.abc import Callable
from uuid import UUID

import pytest

from core.adapters.postgres.storage import PostgresStorage
from core.domain.access import ADMIN_ROLE
from core.ports.storage import UnitOfWork
from tests.support.clock import START
from tests.support.storage import CONTEXT, insert_session, insert_user, new_session

Step = Callable[[UnitOfWork, UUID, UUID], object]
"""With a user and a session of it."""


def logged_in(uow: UnitOfWork, user: UUID, _: UUID) -> object:
    return uow.sessions.insert(new_session(user))


def granted(role: str) -> Step:
    return lambda uow, user, _: uow.access.grant(user, role, granted_by=None, now=START)


@pytest.mark.parametrize(
    ("first", "beside"),
    [
        (lambda uow, user, _: uow.users.locked(user), logged_in),
        (
            lambda uow, user, _: uow.access.locked_permissions(user),
            lambda uow, user, _: uow.access.locked_permissions(user),
        ),
        (
            lambda uow, _, session: uow.sessions.held(session),
            lambda uow, _, session: uow.sessions.held(session),
        ),
        (lambda uow, *_: uow.access.keeps_an_administrator(), granted(ADMIN_ROLE)),
        (granted("auditor"), lambda uow, *_: uow.access.locked_role("auditor")),
        (lambda uow, *_: uow.access.locked_role("auditor"), granted("auditor")),
    ],
    ids=[
        "a login beside a change of the user",
        "two writes of one caller",
        "two requests of one session",
        "a new administrator beside the count of them",
        "a change of a role beside its grant",
        "a grant of a role beside its change",
    ],
)
def test_they_do_not_wait_for_each_other(
    storage: PostgresStorage, first: Step, beside: Step
) -> None:
    user = insert_user(storage)
    session = insert_session(storage, user.id)
    with storage.write(CONTEXT) as holding:
        first(holding, user.id, session.id)
        with storage.write(CONTEXT) as going_on:
            beside(going_on, user.id, session.id)
            going_on.commit()
        holding.commit()


def test_two_people_are_granted_a_role_at_once(storage: PostgresStorage) -> None:
    first, second = insert_user(storage), insert_user(storage)
    with storage.write(CONTEXT) as one:
        one.access.grant(first.id, "auditor", granted_by=None, now=START)
        with storage.write(CONTEXT) as other:
            assert other.access.grant(second.id, "auditor", granted_by=None, now=START)
            other.commit()
        one.commit()
