"""Roles that change, and who holds them."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from uuid import UUID

import pytest

from core.adapters.postgres.storage import PostgresStorage
from core.domain.access import ADMIN_ROLE, Role
from core.domain.user import UserStatus
from core.errors import NotFound, RoleInUse, RoleTaken
from core.ports.storage import UnitOfWork
from tests.support.clock import START
from tests.support.row_locks import held
from tests.support.storage import CONTEXT, IDS, insert_user, query

LATER = START + timedelta(hours=1)


def new_role(**changes: object) -> Role:
    role = Role(
        name=f"role-{IDS.new()}",
        description="Writes “letters”.",
        built_in=False,
        permissions=frozenset({"users:read", "roles:read"}),
        created_at=START,
        updated_at=START,
        version=1,
    )
    return replace(role, **changes)  # type: ignore[arg-type]


def insert_role(storage: PostgresStorage, **changes: object) -> Role:
    """A committed one."""
    role = new_role(**changes)
    with storage.write(CONTEXT) as uow:
        uow.access.insert_role(role)
        uow.commit()
    return role


Pair = Callable[[Callable[[UnitOfWork], object], Callable[[UnitOfWork], object]], None]


@pytest.fixture
def while_uncommitted(storage: PostgresStorage, superuser_url: str) -> Pair:
    """The second runs in a transaction of its own while the first is not committed yet, and
    waits."""

    def run(first: Callable[[UnitOfWork], object], second: Callable[[UnitOfWork], object]) -> None:
        def later() -> None:
            with storage.write(CONTEXT) as uow:
                second(uow)
                uow.commit()

        with ThreadPoolExecutor(1) as threads, held(superuser_url) as nothing:
            with storage.write(CONTEXT) as uow:
                first(uow)
                waiting = threads.submit(later)
                nothing.until(1)
                uow.commit()
            waiting.result(30)

    return run


@pytest.mark.parametrize("permissions", [frozenset(), frozenset({"users:read", "keys:read"})])
def test_a_role_is_read_back_as_written(
    storage: PostgresStorage, permissions: frozenset[str]
) -> None:
    """Without any permission too; unknown names are nothing."""
    role = insert_role(storage, permissions=permissions)
    with storage.read() as stores:
        assert stores.access.role(role.name) == role
        assert stores.access.role(role.name + "x") is None


def test_roles_are_listed_by_name(storage: PostgresStorage) -> None:
    """Each once, page behind page, the built-in ones among them."""
    for _ in range(3):
        insert_role(storage)
    names: list[str] = []
    with storage.read() as stores:
        while page := stores.access.role_page(after=names[-1] if names else None, limit=2):
            names += [role.name for role in page]
            assert [stores.access.role(role.name) for role in page] == page
    assert names == sorted(set(names))
    assert {"admin", "auditor", "support"} < set(names)


def test_a_name_belongs_to_one_role(storage: PostgresStorage) -> None:
    """Of eight that are made at once one is kept, and the transactions of the others go on."""
    role = new_role()

    def make(number: int) -> bool:
        with storage.write(CONTEXT) as uow:
            try:
                uow.access.insert_role(replace(role, description=str(number)))
            except RoleTaken:
                assert uow.access.role("admin")
                return False
            uow.commit()
            return True

    with ThreadPoolExecutor(8) as threads:
        assert sum(threads.map(make, range(8))) == 1


def test_a_change_replaces_description_and_permissions(storage: PostgresStorage) -> None:
    """And raises the version; the answer is the role as it is now."""
    role = insert_role(storage)
    changes: tuple[set[str], ...] = ({"roles:read", "keys:read"}, set(), {"users:write"})
    for version, permissions in enumerate(map(frozenset, changes), start=1):
        with storage.write(CONTEXT) as uow:
            changed = uow.access.update_role(
                role.name,
                description=f"Version {version}.",
                permissions=permissions,
                now=LATER,
            )
            uow.commit()
        assert changed is not None
        assert (changed.permissions, changed.description) == (permissions, f"Version {version}.")
        assert (changed.version, changed.created_at, changed.updated_at) == (
            version + 1,
            START,
            LATER,
        )
        with storage.read() as stores:
            assert stores.access.role(role.name) == changed


def test_changes_of_a_locked_role_follow_each_other(storage: PostgresStorage) -> None:
    """Each sees what the one before has left, permissions too, and none is lost."""
    role = insert_role(storage)

    def change(number: int) -> None:
        with storage.write(CONTEXT) as uow:
            latest = uow.access.locked_role(role.name)
            assert latest is not None
            uow.access.update_role(
                role.name,
                description=f"{latest.description}+",
                permissions=latest.permissions | {f"kept:{number}"},
                now=LATER,
            )
            uow.commit()

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(change, range(16)))
    with storage.read() as stores:
        found = stores.access.role(role.name)
    assert found is not None
    assert found.permissions == role.permissions | {f"kept:{number}" for number in range(16)}
    assert (found.version, found.description) == (17, role.description + 16 * "+")


def test_a_locked_role_that_was_deleted_meanwhile_is_missing(
    storage: PostgresStorage, while_uncommitted: Pair
) -> None:
    """Who waits for it learns that it is gone."""
    role = insert_role(storage)

    def look(uow: UnitOfWork) -> None:
        assert uow.access.locked_role(role.name) is None

    while_uncommitted(lambda uow: uow.access.delete_role(role.name), look)


def test_a_role_that_is_missing_is_neither_changed_nor_deleted(storage: PostgresStorage) -> None:
    """And no other one is."""
    role = insert_role(storage)
    missing = role.name + "x"
    with storage.write(CONTEXT) as uow:
        assert uow.access.locked_role(missing) is None
        assert not uow.access.delete_role(missing)
        assert not uow.access.update_role(
            missing, description="", permissions=frozenset(), now=LATER
        )
        uow.commit()
    with storage.read() as stores:
        assert stores.access.role(role.name) == role


def test_a_role_that_is_held_stays(storage: PostgresStorage) -> None:
    """Once it is revoked it can be deleted, in the same transaction too."""
    role, user = insert_role(storage), insert_user(storage)
    with storage.write(CONTEXT) as uow:
        assert uow.access.grant(user.id, role.name, granted_by=None, now=START)
        uow.commit()
    with storage.write(CONTEXT) as uow:
        with pytest.raises(RoleInUse):
            uow.access.delete_role(role.name)
        assert uow.access.revoke(user.id, role.name, now=LATER)
        assert uow.access.delete_role(role.name)
        uow.commit()
    with storage.read() as stores:
        assert stores.access.role(role.name) is None


def test_a_role_is_revoked_once(storage: PostgresStorage) -> None:
    """The user's version rises with it; of what was not held nothing changes."""
    user = insert_user(storage)
    with storage.write(CONTEXT) as uow:
        uow.access.grant(user.id, "support", granted_by=None, now=START)
        assert uow.access.revoke(user.id, "support", now=LATER)
        assert not uow.access.revoke(user.id, "support", now=LATER)
        assert not uow.access.revoke(IDS.new(), "support", now=LATER)
        uow.commit()
    with storage.read() as stores:
        found = stores.users.by_id(user.id)
    assert found is not None
    assert (found.roles, found.version, found.updated_at) == ((), 3, LATER)


def test_permissions_are_those_of_all_roles(storage: PostgresStorage) -> None:
    """Whatever the status of the user is."""
    user = insert_user(storage, status=UserStatus.SUSPENDED)
    role = insert_role(storage, permissions=frozenset({"users:read", "keys:read"}))
    with storage.write(CONTEXT) as uow:
        assert uow.access.permissions(user.id) == frozenset()
        for name in (role.name, "support"):
            uow.access.grant(user.id, name, granted_by=None, now=START)
        uow.commit()
    with storage.read() as stores:
        expected = {"users:read", "users:suspend", "roles:read", "keys:read"}
        assert stores.access.permissions(user.id) == expected


def test_a_role_is_not_deleted_from_under_a_grant(
    storage: PostgresStorage, while_uncommitted: Pair
) -> None:
    """The deletion waits for the grant, and then is refused."""
    role, user = insert_role(storage), insert_user(storage)

    def delete(uow: UnitOfWork) -> None:
        with pytest.raises(RoleInUse):
            uow.access.delete_role(role.name)

    while_uncommitted(
        lambda uow: uow.access.grant(user.id, role.name, granted_by=None, now=START),
        delete,
    )


def test_a_role_that_is_being_deleted_is_not_granted(
    storage: PostgresStorage, while_uncommitted: Pair
) -> None:
    """The grant waits for the deletion, finds no role, and its transaction goes on."""
    role, user = insert_role(storage), insert_user(storage)

    def grant(uow: UnitOfWork) -> None:
        with pytest.raises(NotFound):
            uow.access.grant(user.id, role.name, granted_by=None, now=START)
        assert uow.access.grant(user.id, "auditor", granted_by=None, now=START)

    while_uncommitted(lambda uow: uow.access.delete_role(role.name), grant)


def test_what_is_locked_is_read_as_it_is_then(
    storage: PostgresStorage, while_uncommitted: Pair
) -> None:
    """A role that was granted while the lock was waited for shows in the user."""
    user = insert_user(storage)

    def lock(uow: UnitOfWork) -> None:
        found = uow.users.locked(user.id)
        assert found is not None
        assert (found.roles, found.version) == (("support",), 2)
        assert uow.users.locked(IDS.new()) is None

    while_uncommitted(
        lambda uow: uow.access.grant(user.id, "support", granted_by=None, now=START),
        lock,
    )


@pytest.fixture
def two_admins(storage: PostgresStorage, superuser_url: str) -> list[UUID]:
    """The only ones; suspended users do not count."""
    query(superuser_url, "DELETE FROM user_roles WHERE role = 'admin'")
    statuses = (UserStatus.ACTIVE, UserStatus.ACTIVE, UserStatus.SUSPENDED)
    admins = [insert_user(storage, status=status).id for status in statuses]
    with storage.write(CONTEXT) as uow:
        for admin in admins:
            uow.access.grant(admin, ADMIN_ROLE, granted_by=None, now=START)
        uow.commit()
    return admins[:2]


def test_only_active_users_administer(storage: PostgresStorage, two_admins: list[UUID]) -> None:
    """Neither the suspended nor the last one whose role goes."""
    one, other = two_admins
    with storage.write(CONTEXT) as uow:
        assert uow.access.keeps_an_administrator()
        suspended = {"status": UserStatus.SUSPENDED}
        assert uow.users.update(one, suspended, expected_version=None, now=LATER)
        assert uow.access.keeps_an_administrator()
        assert uow.access.revoke(other, ADMIN_ROLE, now=LATER)
        assert not uow.access.keeps_an_administrator()


@pytest.mark.parametrize("second_suspends", [False, True])
def test_two_admins_cannot_remove_each_other(
    while_uncommitted: Pair, two_admins: list[UUID], second_suspends: bool
) -> None:
    """Both transactions are under way at once; the later one sees that nobody would be left."""
    one, other = two_admins

    def first(uow: UnitOfWork) -> None:
        assert uow.access.revoke(other, ADMIN_ROLE, now=LATER)
        assert uow.access.keeps_an_administrator()

    def second(uow: UnitOfWork) -> None:
        if second_suspends:
            uow.users.update(
                one, {"status": UserStatus.SUSPENDED}, expected_version=None, now=LATER
            )
        else:
            uow.access.revoke(one, ADMIN_ROLE, now=LATER)
        assert not uow.access.keeps_an_administrator()

    while_uncommitted(first, second)
