"""What a new password, and the end of an account, do to counters and known addresses."""

from __future__ import annotations

import secrets
from collections.abc import Callable

import pytest

from core.bootstrap import Core
from core.services.refusals import ASKED_FIRST, typed
from tests.support.clients import Client, random_address
from tests.support.people import PASSWORD, People, Person
from tests.support.staff import Staff
from tests.support.storage import query

WRONG = "this is not the password"
NEW = "an entirely different sentence"


def log_in(client: Client, identifier: str, password: str) -> int:
    body = {"identifier": identifier, "password": password}
    return client.request("POST", "/v1/auth/login", json=body).status


def reset(people: People, client: Client, person: Person) -> None:
    client.request("POST", "/v1/auth/password/forgot", json={"email": person.email})
    body = {"token": people.mailbox.last(person.email).token, "password": NEW}
    assert client.request("POST", "/v1/auth/password/reset", json=body).status == 204


def test_a_reset_opens_the_address_that_was_refused(people: People, client: Client) -> None:
    """At once, and by each name: the refusals of each are remembered by themselves."""
    name = f"n{secrets.token_hex(6)}"
    person = people.verified(username=name)
    token = people.log_in(person).access
    change = {"current_password": WRONG, "new_password": "another different sentence"}

    def changed() -> int:
        return client.request("POST", "/v1/users/me/password", json=change, token=token).status

    assert [log_in(client, name, WRONG) for _ in range(10)] == [401] * 10
    for _ in range(ASKED_FIRST + 1):
        for identifier in (name, person.email):
            assert log_in(client, identifier, PASSWORD) == 429
        assert changed() == 429
    reset(people, client, person)
    for identifier in (person.email, name.upper()):
        assert log_in(client, identifier, NEW) == 200
    person = Person(person.user_id, person.email, NEW)
    token = people.log_in(person).access
    change["current_password"] = NEW
    assert changed() == 204


def test_a_reset_gives_guesses_back_to_its_own_address_only(people: People, client: Client) -> None:
    person = people.verified()
    thief = client.from_address(random_address())
    assert [log_in(thief, person.email, WRONG) for _ in range(11)] == [401] * 10 + [429]
    reset(people, client, person)
    assert log_in(thief, person.email, NEW) == 429
    assert log_in(client, person.email, NEW) == 200


def resets(people: People, client: Client, staff: Staff, person: Person) -> None:
    reset(people, client, person)


def is_told_to_reset(people: People, client: Client, staff: Staff, person: Person) -> None:
    path = f"/v1/users/{person.user_id}/force-password-reset"
    assert client.request("POST", path, token=staff.admin.token).status == 200
    sql = "SELECT count(*) FROM known_addresses WHERE user_id = %s"
    assert query(staff.superuser_url, sql, (person.user_id,)) == [(0,)]
    reset(people, client, person)


def _closed(action: str) -> Callable[[People, Client, Staff, Person], None]:
    def close(people: People, client: Client, staff: Staff, person: Person) -> None:
        for each in (action, "reactivate"):
            path = f"/v1/users/{person.user_id}/{each}"
            assert client.request("POST", path, token=staff.admin.token).status == 200

    close.__name__ = action
    return close


def leaves(people: People, client: Client, staff: Staff, person: Person) -> None:
    token = people.log_in(person).access
    assert client.request("DELETE", "/v1/users/me", token=token).status == 202
    path = f"/v1/users/{person.user_id}/reactivate"
    assert client.request("POST", path, token=staff.admin.token).status == 200


ENDS = [resets, is_told_to_reset, _closed("suspend"), _closed("deactivate"), leaves]


@pytest.mark.parametrize("ends", ENDS, ids=lambda ends: ends.__name__)
def test_known_addresses_end_with_a_reset_and_with_the_account(
    people: People,
    client: Client,
    staff: Staff,
    core: Core,
    superuser_url: str,
    ends: Callable[[People, Client, Staff, Person], None],
) -> None:
    """A thief's among them. Nobody is known from them any more where strangers have used up their
    guesses; from where the reset came, the owner is."""
    person = people.verified()
    elsewhere = client.from_address(random_address())
    assert log_in(elsewhere, person.email, PASSWORD) == 200
    ends(people, client, staff, person)
    password = NEW if ends in {resets, is_told_to_reset} else PASSWORD
    assert log_in(client.from_address(random_address()), person.email, WRONG) == 401
    key = core.authentication.throttling.strangers(typed(person.email)).key
    query(superuser_url, "UPDATE throttles SET failures = 100 WHERE key = %s", (key,))
    assert log_in(elsewhere, person.email, password) == 429
    assert log_in(client, person.email, password) == (200 if password == NEW else 429)
