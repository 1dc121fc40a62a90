"""Roles, erasure requests and signing keys."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta

import pytest

from core.adapters.postgres.storage import PostgresStorage
from core.domain.access import BUILT_IN_ROLES
from core.domain.user import UserStatus
from core.errors import NotFound
from core.ports.storage import SigningKey
from handler.local.postgres import APPLICATION, SUPERUSER, LocalPostgres
from tests.support.clock import START
from tests.support.databases import migrated
from tests.support.row_locks import held
from tests.support.storage import CONTEXT, IDS, insert_user, opened, query

LATER = START + timedelta(hours=1)


def test_the_roles_of_the_database_are_the_built_in_ones(
    storage: PostgresStorage, superuser_url: str
) -> None:
    """The migration's literal rows say what core/domain/access.py says."""
    rows = query(
        superuser_url,
        "SELECT name, array_agg(permission) FROM roles JOIN role_permissions ON role = name"
        " WHERE built_in GROUP BY name",
    )
    found = {name: frozenset(permissions) for name, permissions in rows}
    assert found == {name: frozenset(each) for name, each in BUILT_IN_ROLES.items()}


def test_a_role_is_granted_once(storage: PostgresStorage) -> None:
    """The grant shows in the user and raises the version; a second one changes nothing."""
    user, by = insert_user(storage), insert_user(storage)
    with storage.write(CONTEXT) as uow:
        assert uow.access.grant(user.id, "admin", granted_by=by.id, now=LATER)
        assert not uow.access.grant(user.id, "admin", granted_by=None, now=LATER)
        uow.commit()
    with storage.read() as stores:
        found = stores.users.by_id(user.id)
    assert found is not None
    assert (found.roles, found.version, found.updated_at) == (("admin",), 2, LATER)


def test_a_role_that_does_not_exist_is_not_found(storage: PostgresStorage) -> None:
    """And the transaction goes on."""
    user = insert_user(storage)
    with storage.write(CONTEXT) as uow:
        with pytest.raises(NotFound):
            uow.access.grant(user.id, "emperor", granted_by=None, now=START)
        assert uow.access.grant(user.id, "auditor", granted_by=None, now=START)
        uow.commit()


def test_only_an_active_user_has_permissions_that_count(storage: PostgresStorage) -> None:
    """And nobody whom there is not; `permissions` tells of whoever holds roles."""
    active, closed = insert_user(storage), insert_user(storage, status=UserStatus.SUSPENDED)
    with storage.write(CONTEXT) as uow:
        for user in (active, closed):
            uow.access.grant(user.id, "auditor", granted_by=None, now=START)
            assert uow.access.permissions(user.id) == {"audit:read"}
        assert uow.access.locked_permissions(active.id) == {"audit:read"}
        assert uow.access.locked_permissions(closed.id) == frozenset()
        assert uow.access.locked_permissions(IDS.new()) == frozenset()
        uow.commit()


def test_locked_permissions_stay_until_the_end(
    storage: PostgresStorage, superuser_url: str
) -> None:
    """Others may lock them too; whoever takes a role away waits."""
    user = insert_user(storage)
    with storage.write(CONTEXT) as uow:
        uow.access.grant(user.id, "auditor", granted_by=None, now=START)
        uow.commit()

    def revoke() -> bool:
        with storage.write(CONTEXT) as uow:
            revoked = uow.access.revoke(user.id, "auditor", now=LATER)
            uow.commit()
        return revoked

    with ThreadPoolExecutor(1) as threads, held(superuser_url) as nothing:
        with storage.write(CONTEXT) as one, storage.write(CONTEXT) as other:
            for uow in (one, other):
                assert uow.access.locked_permissions(user.id) == {"audit:read"}
            revoking = threads.submit(revoke)
            nothing.until(1)
            assert one.access.permissions(user.id) == {"audit:read"}
        assert revoking.result(timeout=30)
    with storage.write(CONTEXT) as uow:
        assert uow.access.locked_permissions(user.id) == frozenset()


def test_the_first_erasure_request_sets_the_date(storage: PostgresStorage) -> None:
    """Asking again neither hastens nor delays it."""
    user = insert_user(storage)
    due_at = START + timedelta(days=30)
    with storage.write(CONTEXT) as uow:
        assert uow.erasures.request(user.id, now=START, due_at=due_at) == due_at
        later = due_at + timedelta(days=1)
        assert uow.erasures.request(user.id, now=LATER, due_at=later) == due_at
        uow.commit()


def test_an_erasure_request_can_be_taken_back(storage: PostgresStorage) -> None:
    """Of one user; taking back what was never asked for does nothing."""
    one, other = insert_user(storage), insert_user(storage)
    with storage.write(CONTEXT) as uow:
        for user in (one, other):
            assert not uow.erasures.pending(user.id)
            uow.erasures.request(user.id, now=START, due_at=LATER)
        for _ in range(2):
            uow.erasures.cancel(one.id)
        uow.commit()
    with storage.read() as stores:
        assert (stores.erasures.pending(one.id), stores.erasures.pending(other.id)) == (False, True)


@pytest.fixture(scope="module")
def keys_url(postgres: LocalPostgres) -> Iterator[str]:
    """Of a database of these tests' own: nothing could be signed with their keys."""
    with migrated(postgres, "signing"):
        yield postgres.url(role=APPLICATION, database="signing")


@pytest.fixture
def without_keys(postgres: LocalPostgres, keys_url: str) -> Iterator[PostgresStorage]:
    query(postgres.url(role=SUPERUSER, database="signing"), "DELETE FROM signing_keys")
    with opened(keys_url) as own:
        yield own.storage


def signing_key(**changes: object) -> SigningKey:
    key = SigningKey(
        kid=str(IDS.new()),
        public_jwk={"kty": "EC", "crv": "P-256", "x": "x", "y": "y"},
        sealed_private=b"sealed \x00 private",
        created_at=START,
        active_from=START,
        retired_at=None,
    )
    return replace(key, **changes)  # type: ignore[arg-type]


def test_eight_first_starts_make_one_key(without_keys: PostgresStorage) -> None:
    """Each of them then reads the same one back."""

    def start(_: int) -> bool:
        with without_keys.write(CONTEXT) as uow:
            made = uow.signing_keys.insert_first(signing_key())
            uow.commit()
        return made

    with ThreadPoolExecutor(8) as threads:
        assert sum(threads.map(start, range(8))) == 1
    with without_keys.read() as stores:
        (key,) = stores.signing_keys.usable(now=START)
    assert key == signing_key(kid=key.kid)


def test_a_retired_key_is_not_usable(without_keys: PostgresStorage) -> None:
    """It makes room for a new first one; at its very moment it is over."""
    with without_keys.write(CONTEXT) as uow:
        assert uow.signing_keys.insert_first(signing_key(retired_at=LATER))
        assert not uow.signing_keys.insert_first(signing_key())
        assert len(uow.signing_keys.usable(now=START)) == 1
        assert uow.signing_keys.usable(now=LATER) == []
        newer = signing_key(created_at=LATER, active_from=LATER)
        assert uow.signing_keys.insert_first(newer)
        assert uow.signing_keys.usable(now=LATER) == [newer]
