"""Use cases of the core in this process: what needs a moment or settings that no client has."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace

import pytest

from core.bootstrap import Core, build_core
from core.domain.requests import RequestContext
from core.domain.session import Tokens
from core.domain.user import User
from core.errors import (
    InvalidCredentials,
    InvalidInput,
    TooManyRequests,
    Unauthenticated,
    VersionMismatch,
)
from tests.support.clients import random_address
from tests.support.hashers import Interrupted
from tests.support.mailbox import Mailbox
from tests.support.people import PASSWORD, random_email
from tests.support.row_locks import held
from tests.support.staff import Staff
from tests.support.storage import new_session, query

WRONG = "this is not the password"
NEW = "an entirely different sentence"


def anywhere() -> RequestContext:
    """A request from an address that nobody has used."""
    address = random_address()
    return RequestContext(request_id="use-case", address=address, address_bucket=address)


@pytest.fixture
def email(core: Core) -> str:
    """The address of an active user."""
    email = random_email()
    core.access.create_admin(anywhere(), email=email, username=None, password=PASSWORD)
    return email


@pytest.fixture(scope="module")
def strict(core: Core) -> Iterator[Core]:
    """Three guesses by all strangers together, and two by one address."""
    settings = replace(core.settings, limit_failures_per_account=3, limit_failures_per_address=2)
    with closing(build_core(settings)) as built:
        yield built


def log_in(core: Core, email: str, password: str, context: RequestContext | None = None) -> Tokens:
    return core.authentication.login(context or anywhere(), identifier=email, password=password)


def guess(core: Core, email: str, context: RequestContext | None = None) -> None:
    with pytest.raises(InvalidCredentials):
        log_in(core, email, WRONG, context)


def test_a_login_with_a_password_that_changes_meanwhile_is_refused(core: Core, email: str) -> None:
    """Else a thief's login could outlive the change that was to end all sessions."""
    owner = core.authentication.authenticate(log_in(core, email, PASSWORD).access_token)

    def change() -> None:
        core.passwords.change(anywhere(), owner, current=PASSWORD, new=NEW)

    hasher = Interrupted(core.authentication.hasher, change)
    slow = replace(core, authentication=replace(core.authentication, hasher=hasher))
    with pytest.raises(InvalidCredentials):
        log_in(slow, email, PASSWORD)
    assert list(core.sessions.page(owner, after=None, limit=10)) == []


def test_a_change_of_a_password_that_changes_meanwhile_is_refused(
    core: Core, email: str, mailbox: Mailbox
) -> None:
    """Else a thief who knows the old one could undo the owner's new one, set by mail meanwhile."""
    thief = core.authentication.authenticate(log_in(core, email, PASSWORD).access_token)

    def reset() -> None:
        core.passwords.forgot(anywhere(), email=email)
        core.passwords.reset(anywhere(), code=mailbox.last(email).token, password=NEW)

    hasher = Interrupted(core.passwords.hasher, reset)
    slow = replace(core.passwords, hasher=hasher)
    with pytest.raises(Unauthenticated):
        slow.change(anywhere(), thief, current=PASSWORD, new="a sentence of the thief's own")
    log_in(core, email, NEW)


def test_a_login_renews_a_hash_of_another_cost(core: Core, email: str, superuser_url: str) -> None:
    """After a change of the settings, for everybody who logs in; the password stays."""
    stored = (
        "SELECT password_hash FROM password_credentials JOIN users ON id = user_id"
        " WHERE email_normalised = %s"
    )
    before = query(superuser_url, stored, (email,))
    costlier = replace(core.settings, argon2_iterations=core.settings.argon2_iterations + 1)
    with closing(build_core(costlier)) as later:
        log_in(later, email, PASSWORD)
        renewed = query(superuser_url, stored, (email,))
        log_in(later, email, PASSWORD)
    assert renewed != before
    assert f",t={costlier.argon2_iterations}," in renewed[0][0]
    assert query(superuser_url, stored, (email,)) == renewed


def test_attributes_merge_into_the_newest_unless_a_version_is_expected(
    core: Core, email: str
) -> None:
    """Of two changes at once none is lost unseen."""
    principal = core.authentication.authenticate(log_in(core, email, PASSWORD).access_token)

    def change(name: str, expected: int | None) -> User:
        return core.accounts.change_profile(
            anywhere(), principal, changes={"attributes": {name: 1}}, expected_version=expected
        )

    change("one", None)
    assert change("two", None).attributes == {"one": 1, "two": 1}
    with pytest.raises(VersionMismatch):
        change("three", principal.user.version)


def test_an_account_that_changed_meanwhile_is_not_closed(core: Core, email: str) -> None:
    """If-Match is judged in the statement that closes it."""
    principal = core.authentication.authenticate(log_in(core, email, PASSWORD).access_token)
    changes = {"display_name": "Ada"}
    core.accounts.change_profile(anywhere(), principal, changes=changes, expected_version=None)
    stale = principal.user.version
    with pytest.raises(VersionMismatch):
        core.accounts.deactivate(anywhere(), principal, expected_version=stale)
    log_in(core, email, PASSWORD)


def test_an_account_is_closed_once(core: Core, email: str, mailbox: Mailbox) -> None:
    """Whoever presses twice gets one mail, and counts once."""
    owner = core.authentication.authenticate(log_in(core, email, PASSWORD).access_token)
    core.accounts.deactivate(anywhere(), owner, expected_version=None)
    with pytest.raises(Unauthenticated):
        core.accounts.deactivate(anywhere(), owner, expected_version=None)
    assert len(mailbox.to(email)) == 1


def test_closing_an_account_ends_a_login_in_progress_too(
    core: Core, staff: Staff, superuser_url: str
) -> None:
    """Its session would be there again if the account were ever reopened."""
    owner = core.authentication.authenticate(staff.member().token)
    with ThreadPoolExecutor(1) as pool, held(superuser_url) as watching:
        with core.storage.write(anywhere()) as login:
            login.credentials.password_hash(owner.user.id)
            closing_it = pool.submit(
                core.accounts.deactivate, anywhere(), owner, expected_version=None
            )
            watching.until(1)
            login.sessions.insert(new_session(owner.user.id, started=core.clock.now()))
            login.commit()
        closing_it.result(timeout=60)
    alive = "SELECT count(*) FROM sessions WHERE user_id = %s AND revoked_at IS NULL"
    assert query(superuser_url, alive, (str(owner.user.id),)) == [(0,)]


def test_a_new_password_by_mail_ends_the_strangers_siege(
    strict: Core, email: str, mailbox: Mailbox
) -> None:
    """An owner without a known address is locked out by strangers only until the mail comes, and
    there only where they follow it: what strangers are told does not change."""
    for _ in range(3):
        guess(strict, email)
    with pytest.raises(TooManyRequests):
        log_in(strict, email, PASSWORD)
    here = anywhere()
    strict.passwords.forgot(here, email=email)
    strict.passwords.reset(here, code=mailbox.last(email).token, password=NEW)
    log_in(strict, email, NEW, here)
    with pytest.raises(TooManyRequests):
        log_in(strict, email, NEW)


def test_a_login_forgives_the_guesses_of_its_own_address_only(strict: Core, email: str) -> None:
    """Else every login of the owner would give the strangers their guesses back."""
    guess(strict, email)
    home = anywhere()
    guess(strict, email, home)
    log_in(strict, email, PASSWORD, home)
    for _ in range(2):
        guess(strict, email, home)
    # Two of three that strangers have are used: the login itself left none behind.
    guess(strict, email)
    with pytest.raises(TooManyRequests):
        log_in(strict, email, PASSWORD)


def test_a_changed_password_forgives_the_guesses_before_it(strict: Core, email: str) -> None:
    """Somebody who mistyped the old one can log in with the new one at once."""
    home = anywhere()
    owner = strict.authentication.authenticate(log_in(strict, email, PASSWORD, home).access_token)
    with pytest.raises(InvalidInput):
        strict.passwords.change(home, owner, current=WRONG, new=NEW)
    strict.passwords.change(home, owner, current=PASSWORD, new=NEW)
    log_in(strict, email, NEW, home)


def test_a_stolen_token_gives_no_more_guesses_than_no_token(strict: Core, email: str) -> None:
    """Strangers share their guesses, whether they log in or change the password."""
    home = anywhere()
    owner = strict.authentication.authenticate(log_in(strict, email, PASSWORD, home).access_token)
    for _ in range(3):
        with pytest.raises(InvalidInput):
            strict.passwords.change(anywhere(), owner, current=WRONG, new=NEW)
    with pytest.raises(TooManyRequests):
        strict.passwords.change(anywhere(), owner, current=PASSWORD, new=NEW)
    strict.passwords.change(home, owner, current=PASSWORD, new=NEW)
