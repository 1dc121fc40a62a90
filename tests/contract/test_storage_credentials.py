"""Passwords, known addresses and what a typed identifier leads to."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta

import pytest

from core.adapters.postgres.registrations import MOST_SIGN_UPS
from core.adapters.postgres.storage import PostgresStorage
from core.domain.codes import PendingRegistration
from core.domain.user import NewUser, UserStatus
from core.ports.account_stores import LoginCandidate
from tests.support.clock import START
from tests.support.row_locks import held
from tests.support.storage import CONTEXT, IDS, RecordedMetrics, insert_user, query

HOME = b"home address"
WEEK = timedelta(days=7)


@pytest.fixture
def user(storage: PostgresStorage) -> NewUser:
    """Has the password hash `hash-1` and a name."""
    user = insert_user(storage, username="Name" + IDS.new().hex[-8:])
    with storage.write(CONTEXT) as uow:
        uow.credentials.set_password(user.id, "hash-1", now=START)
        uow.commit()
    return user


def pending(email: str, **changes: object) -> PendingRegistration:
    registration = PendingRegistration(
        id=IDS.new(),
        email=email,
        email_normalised=email,
        username=None,
        profile={},
        password_hash="hash of a sign-up",
        created_at=START,
        expires_at=START + timedelta(days=1),
    )
    return replace(registration, **changes)  # type: ignore[arg-type]


def by_email(storage: PostgresStorage, email: str) -> LoginCandidate | None:
    with storage.read() as stores:
        return stores.credentials.login_candidate(
            email=email, username=None, address_key=HOME, one_time_before=START - WEEK
        )


def test_email_and_username_lead_to_the_same_candidate(
    storage: PostgresStorage, metrics: RecordedMetrics, user: NewUser
) -> None:
    """With hash and status, in one statement."""
    metrics.queries.clear()
    found = by_email(storage, user.email_normalised)
    assert found == LoginCandidate(
        id=user.id,
        email_normalised=user.email_normalised,
        status=UserStatus.ACTIVE,
        email_verified=True,
        password_hash="hash-1",
        password_changed_at=START,
        known_address=False,
    )
    with storage.read() as stores:
        assert found == stores.credentials.login_candidate(
            email=None,
            username=str(user.username).lower(),
            address_key=HOME,
            one_time_before=START - WEEK,
        )
    assert metrics.queries == [("select", "users"), ("select", "users")]


def test_unknown_identifiers_lead_nowhere(storage: PostgresStorage) -> None:
    """At the same cost of one statement each."""
    assert by_email(storage, "nobody@example.com") is None
    with storage.read() as stores:
        assert not stores.credentials.login_candidate(
            email=None, username="nobody", address_key=HOME, one_time_before=START - WEEK
        )


def test_a_user_without_a_password_is_found_without_a_hash(storage: PostgresStorage) -> None:
    """The dummy hash is verified for such a user."""
    found = by_email(storage, insert_user(storage).email_normalised)
    assert found is not None
    assert found.password_hash is None


def test_a_one_time_password_ends(storage: PostgresStorage, user: NewUser) -> None:
    """By email and by name; one that its owner chose stays."""
    username = str(user.username).lower()

    def set_password(*, temporary: bool) -> None:
        with storage.write(CONTEXT) as uow:
            uow.credentials.set_password(user.id, "hash-1", now=START, temporary=temporary)
            uow.commit()

    def found(age: timedelta) -> set[str | None]:
        with storage.read() as stores:
            candidates = [
                stores.credentials.login_candidate(
                    email=email,
                    username=name,
                    address_key=HOME,
                    one_time_before=START + age - WEEK,
                )
                for email, name in ((user.email_normalised, None), (None, username))
            ]
        return {candidate.password_hash for candidate in candidates if candidate}

    a_moment = timedelta(seconds=1)
    set_password(temporary=True)
    assert found(WEEK - a_moment) == {"hash-1"}
    assert found(WEEK + a_moment) == {None}
    set_password(temporary=False)
    assert found(100 * WEEK) == {"hash-1"}


def test_an_address_is_known_to_the_user_who_logged_in_from_it(
    storage: PostgresStorage, user: NewUser
) -> None:
    """And to nobody else; remembering twice is no error."""
    with storage.write(CONTEXT) as uow:
        for moment in (START, START + timedelta(days=2)):
            uow.credentials.remember_address(user.id, HOME, now=moment)
        uow.commit()
    found = by_email(storage, user.email_normalised)
    assert found is not None
    assert found.known_address
    stranger = by_email(storage, insert_user(storage).email_normalised)
    assert stranger is not None
    assert not stranger.known_address


def test_a_password_is_replaced_only_where_it_is_the_one_that_was_read(
    storage: PostgresStorage, user: NewUser
) -> None:
    """A rehash never undoes a change that was made in between."""
    with storage.write(CONTEXT) as uow:
        assert uow.credentials.replace_password(user.id, old_hash="hash-1", new_hash="hash-2")
        assert not uow.credentials.replace_password(user.id, old_hash="hash-1", new_hash="hash-3")
        assert uow.credentials.password_hash(user.id) == "hash-2"
        uow.credentials.set_password(user.id, "hash-4", now=START)
        assert uow.credentials.password_hash(user.id) == "hash-4"
        assert uow.credentials.password_hash(IDS.new()) is None
        uow.commit()


def test_each_new_password_has_a_moment_of_its_own_and_a_rehash_none(
    storage: PostgresStorage, user: NewUser
) -> None:
    """So that a login under way knows whether it is still the password that it verified. Clocks
    may stand still, or be set back."""
    with storage.write(CONTEXT) as uow:
        moments = [uow.credentials.password_changed_at(user.id)]
        for days in (0, 1, -1):
            now = START + timedelta(days=days)
            uow.credentials.set_password(user.id, "hash-2", now=now)
            moments.append(uow.credentials.password_changed_at(user.id))
        assert uow.credentials.replace_password(user.id, old_hash="hash-2", new_hash="hash-3")
        assert uow.credentials.password_changed_at(user.id) == moments[-1]
        assert uow.credentials.password_changed_at(IDS.new()) is None
        uow.commit()
    tick = timedelta(microseconds=1)
    later = START + timedelta(days=1)
    assert moments == [START, START + tick, later, later + tick]
    found = by_email(storage, user.email_normalised)
    assert found is not None
    assert found.password_changed_at == moments[-1]


def test_forgotten_addresses_are_those_of_one_user(storage: PostgresStorage, user: NewUser) -> None:
    other = insert_user(storage)
    with storage.write(CONTEXT) as uow:
        for each in (user, other):
            uow.credentials.remember_address(each.id, HOME, now=START)
        uow.credentials.forget_addresses(user.id)
        uow.commit()
    found = [by_email(storage, each.email_normalised) for each in (user, other)]
    assert [each.known_address for each in found if each] == [False, True]


def test_a_login_in_progress_holds_up_a_password_change(
    storage: PostgresStorage, superuser_url: str, user: NewUser
) -> None:
    """Reading the hash in a transaction locks it until the commit."""

    def change() -> None:
        with storage.write(CONTEXT) as uow:
            uow.credentials.set_password(user.id, "hash-2", now=START)
            uow.commit()

    with ThreadPoolExecutor(1) as threads, held(superuser_url) as nothing:
        with storage.write(CONTEXT) as uow:
            assert uow.credentials.password_hash(user.id) == "hash-1"
            changed = threads.submit(change)
            nothing.until(1)
            uow.commit()
        changed.result(timeout=30)


def test_two_logins_that_both_rehash_do_not_block_each_other(
    storage: PostgresStorage, user: NewUser
) -> None:
    """The lock is exclusive, so that neither waits for the other's shared one: no deadlock."""

    def log_in(_: int) -> bool:
        with storage.write(CONTEXT) as uow:
            old = uow.credentials.password_hash(user.id)
            assert old is not None
            replaced = uow.credentials.replace_password(user.id, old_hash=old, new_hash=f"{old}+")
            uow.commit()
        return replaced

    with ThreadPoolExecutor(6) as threads:
        assert sum(threads.map(log_in, range(12))) == 12


def test_of_one_address_so_many_sign_ups_are_kept(
    storage: PostgresStorage, superuser_url: str
) -> None:
    """An account that is opened there ends them all at once; other addresses have their own."""
    email, other = (f"{IDS.new()}@example.com" for _ in range(2))
    with storage.write(CONTEXT) as uow:
        for _ in range(MOST_SIGN_UPS + 2):
            uow.registrations.insert(pending(email, id=IDS.new()))
        uow.registrations.insert(pending(other))
        uow.commit()
    kept = "SELECT count(*) FROM pending_registrations WHERE email_normalised = %s"
    assert query(superuser_url, kept, (email,)) == [(MOST_SIGN_UPS,)]
    assert query(superuser_url, kept, (other,)) == [(1,)]
