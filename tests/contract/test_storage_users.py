"""Users in PostgreSQL."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest

from core.adapters.postgres.storage import PostgresStorage
from core.domain.user import OPEN_STATUSES, NewUser, UserStatus
from core.errors import EmailTaken, UsernameTaken
from tests.support.clock import START
from tests.support.storage import CONTEXT, IDS, insert_user, new_user

LATER = START + timedelta(seconds=1)


def test_a_user_is_read_back_as_written(storage: PostgresStorage) -> None:
    """Profile, attributes, status and times survive the way through the database, in UTC."""
    profile = {
        "display_name": "Zoë 🦊",
        "time_zone": "Europe/Berlin",
        "attributes": {"plan": "pro", "tags": ["a", 1, None, {"deep": 1.5}]},
    }
    written = insert_user(storage, username="Zoe.Fox-1" + IDS.new().hex[-6:], profile=profile)
    with storage.read() as stores:
        user = stores.users.by_id(written.id)
        assert user == stores.users.by_email(written.email_normalised)
    assert user is not None
    assert (user.id, user.email, user.username) == (written.id, written.email, written.username)
    assert (user.display_name, user.time_zone) == ("Zoë 🦊", "Europe/Berlin")
    assert user.attributes == profile["attributes"]
    assert (user.status, user.email_verified, user.roles) == (UserStatus.ACTIVE, True, ())
    assert (user.created_at, user.updated_at, user.version) == (START, START, 1)
    assert user.created_at.utcoffset() == timedelta(0)
    assert user.last_login_at is None


def test_an_address_belongs_to_one_user(storage: PostgresStorage) -> None:
    """A second user with the same normalised address is refused, and the transaction goes on."""
    taken = insert_user(storage)
    with storage.write(CONTEXT) as uow:
        with pytest.raises(EmailTaken):
            uow.users.insert(new_user(email_normalised=taken.email_normalised))
        other = new_user()
        uow.users.insert(other)
        uow.commit()
    with storage.read() as stores:
        assert stores.users.by_id(other.id) is not None


def test_a_username_belongs_to_one_user_whatever_its_case(storage: PostgresStorage) -> None:
    """`Alice` and `aLICE` are the same name."""
    name = "Alice" + IDS.new().hex[-8:]
    insert_user(storage, username=name)
    with storage.write(CONTEXT) as uow:
        with pytest.raises(UsernameTaken):
            uow.users.insert(new_user(username=name.swapcase()))
        uow.users.insert(new_user())
        uow.commit()


def test_two_registrations_of_one_address_at_once_make_one_user(storage: PostgresStorage) -> None:
    """Of eight transactions that insert the same address, one wins; the others hear EmailTaken."""
    email = f"{IDS.new()}@example.com"

    def attempt(_: int) -> bool:
        with storage.write(CONTEXT) as uow:
            try:
                uow.users.insert(new_user(email_normalised=email))
            except EmailTaken:
                return False
            uow.commit()
            return True

    with ThreadPoolExecutor(8) as threads:
        assert sum(threads.map(attempt, range(8))) == 1


def test_a_change_raises_the_version(storage: PostgresStorage) -> None:
    """The answer is the user as it is now; None clears a field."""
    user = insert_user(storage, profile={"locale": "de", "given_name": "Ada"})
    with storage.write(CONTEXT) as uow:
        changed = uow.users.update(
            user.id, {"locale": None, "family_name": "L"}, expected_version=1, now=LATER
        )
        uow.commit()
    assert changed is not None
    assert (changed.locale, changed.given_name, changed.family_name) == (None, "Ada", "L")
    assert (changed.version, changed.updated_at) == (2, LATER)
    with storage.read() as stores:
        assert stores.users.by_id(user.id) == changed


def test_a_change_of_another_version_changes_nothing(storage: PostgresStorage) -> None:
    """A stale version and a missing user both give None."""
    user = insert_user(storage)
    with storage.write(CONTEXT) as uow:
        assert not uow.users.update(user.id, {"locale": "de"}, expected_version=7, now=LATER)
        assert not uow.users.update(IDS.new(), {"locale": "de"}, expected_version=None, now=LATER)
        uow.commit()
    with storage.read() as stores:
        found = stores.users.by_id(user.id)
    assert found is not None
    assert (found.locale, found.version) == (None, 1)


def test_of_two_changes_of_one_version_one_is_kept(storage: PostgresStorage) -> None:
    """Eight writers hold version 1; one of them gets version 2."""
    user = insert_user(storage)

    def change(number: int) -> bool:
        with storage.write(CONTEXT) as uow:
            name = {"display_name": str(number)}
            changed = uow.users.update(user.id, name, expected_version=1, now=LATER)
            uow.commit()
        return changed is not None

    with ThreadPoolExecutor(8) as threads:
        assert sum(threads.map(change, range(8))) == 1


def test_taking_a_name_that_is_taken_leaves_the_transaction_usable(
    storage: PostgresStorage,
) -> None:
    """UsernameTaken, and what else the transaction did is kept."""
    name = "Bob" + IDS.new().hex[-8:]
    insert_user(storage, username=name)
    user = insert_user(storage)
    with storage.write(CONTEXT) as uow:
        uow.users.update(user.id, {"locale": "fr"}, expected_version=None, now=LATER)
        with pytest.raises(UsernameTaken):
            uow.users.update(user.id, {"username": name.lower()}, expected_version=None, now=LATER)
        uow.commit()
    with storage.read() as stores:
        found = stores.users.by_id(user.id)
    assert found is not None
    assert (found.locale, found.username) == ("fr", None)


def test_an_address_changes_with_the_form_it_is_compared_in(storage: PostgresStorage) -> None:
    """One without the other is a defect of the caller; the new one finds the user."""
    user = insert_user(storage)
    email = f"Changed.{IDS.new()}@example.com"
    both = {"email": email, "email_normalised": email.lower(), "email_verified": False}
    with storage.write(CONTEXT) as uow:
        for name in ("email", "email_normalised"):
            with pytest.raises(KeyError):
                uow.users.update(user.id, {name: email}, expected_version=None, now=LATER)
        assert uow.users.update(user.id, both, expected_version=1, now=LATER)
        uow.commit()
    with storage.read() as stores:
        found = stores.users.by_email(email.lower())
    assert found is not None
    assert (found.id, found.email, found.email_verified, found.version) == (
        user.id,
        email,
        False,
        2,
    )


def test_taking_an_address_that_is_taken_leaves_the_transaction_usable(
    storage: PostgresStorage,
) -> None:
    """EmailTaken, and what else the transaction did is kept."""
    taken, user = insert_user(storage), insert_user(storage)
    address = {"email": taken.email, "email_normalised": taken.email_normalised}
    with storage.write(CONTEXT) as uow:
        uow.users.update(user.id, {"locale": "fr"}, expected_version=None, now=LATER)
        with pytest.raises(EmailTaken):
            uow.users.update(
                user.id, address | {"username": None}, expected_version=None, now=LATER
            )
        uow.commit()
    with storage.read() as stores:
        found = stores.users.by_id(user.id)
    assert found is not None
    assert (found.locale, found.email) == ("fr", user.email)


def test_only_profile_columns_can_be_changed(storage: PostgresStorage) -> None:
    """An unknown name is a defect of the caller and writes nothing (mass assignment)."""
    user = insert_user(storage)
    with storage.write(CONTEXT) as uow, pytest.raises(KeyError):
        uow.users.update(user.id, {"version": 9}, expected_version=None, now=LATER)


@pytest.mark.parametrize("verified", [False, True])
def test_verifying_counts_only_for_the_present_address(
    storage: PostgresStorage, verified: bool
) -> None:
    """A proof of a former address is refused; a second proof changes no version."""
    user: NewUser = insert_user(storage, email_verified=verified)
    with storage.write(CONTEXT) as uow:
        former, present = "former@example.com", user.email_normalised
        assert not uow.users.mark_email_verified(user.id, email_normalised=former, now=LATER)
        assert uow.users.mark_email_verified(user.id, email_normalised=present, now=LATER)
        uow.commit()
    with storage.read() as stores:
        found = stores.users.by_id(user.id)
    assert found is not None
    assert found.email_verified
    assert (found.version, found.updated_at) == ((1, START) if verified else (2, LATER))


@pytest.mark.parametrize("status", UserStatus)
def test_verifying_counts_only_for_an_open_account(
    storage: PostgresStorage, status: UserStatus
) -> None:
    user = insert_user(storage, email_verified=False, status=status)
    with storage.write(CONTEXT) as uow:
        marked = uow.users.mark_email_verified(
            user.id, email_normalised=user.email_normalised, now=LATER
        )
        found = uow.users.by_id(user.id)
    assert found is not None
    assert marked == found.email_verified == (status in OPEN_STATUSES)


def test_a_login_changes_no_version(storage: PostgresStorage) -> None:
    """`last_login_at` lives apart, so that an ETag outlives a login."""
    user = insert_user(storage)
    with storage.write(CONTEXT) as uow:
        for moment in (START, LATER):
            uow.users.record_login(user.id, now=moment)
        uow.commit()
    with storage.read() as stores:
        found = stores.users.by_id(user.id)
    assert found is not None
    assert (found.last_login_at, found.version) == (LATER, 1)
