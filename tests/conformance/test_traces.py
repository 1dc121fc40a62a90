"""What strangers can see of an owner's success: nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import datetime
from typing import Any

import psycopg2
import pytest

from core.bootstrap import Core
from tests.support.clients import Client, random_address
from tests.support.people import PASSWORD, People, Person, random_email

WRONG = "this is not the password"
NEW = "an entirely different sentence"

Count = tuple[int, datetime] | None


@pytest.fixture
def database(superuser_url: str) -> Iterator[Any]:
    with closing(psycopg2.connect(superuser_url)) as connection:
        connection.autocommit = True
        with connection.cursor() as cursor:
            yield cursor


def strangers(database: Any, core: Core, account: str) -> Count:
    """The counter that all strangers share at an account, and the end of its window."""
    key = core.authentication.throttling.strangers(account).key
    database.execute("SELECT failures, expires_at FROM throttles WHERE key = %s", (key,))
    found: Count = database.fetchone()
    return found


def log_in(client: Client, identifier: str, password: str) -> int:
    body = {"identifier": identifier, "password": password}
    return client.request("POST", "/v1/auth/login", json=body).status


def logs_in(people: People, client: Client, person: Person) -> None:
    for _ in range(2):
        assert log_in(client.from_address(random_address()), person.email, PASSWORD) == 200


def changes_the_password(people: People, client: Client, person: Person) -> None:
    token = people.log_in(person).access
    body = {"current_password": PASSWORD, "new_password": NEW}
    elsewhere = client.from_address(random_address())
    answer = elsewhere.request("POST", "/v1/users/me/password", json=body, token=token)
    assert answer.status == 204


def resets_the_password(people: People, client: Client, person: Person) -> None:
    elsewhere = client.from_address(random_address())
    elsewhere.request("POST", "/v1/auth/password/forgot", json={"email": person.email})
    reset = {"token": people.mailbox.last(person.email).token, "password": NEW}
    assert elsewhere.request("POST", "/v1/auth/password/reset", json=reset).status == 204
    assert log_in(elsewhere, person.email, NEW) == 200


SUCCESSES = [logs_in, changes_the_password, resets_the_password]


@pytest.mark.parametrize("succeeds", SUCCESSES)
@pytest.mark.parametrize("guesses", [0, 3])
def test_a_success_changes_no_counter_of_strangers(
    people: People,
    client: Client,
    core: Core,
    database: Any,
    succeeds: Callable[[People, Client, Person], None],
    guesses: int,
) -> None:
    """Else the first refusal comes earlier, or its end, where there is an account."""
    person = people.verified()
    account = f"typed:{person.email}"
    for _ in range(guesses):
        assert log_in(client.from_address(random_address()), person.email, WRONG) == 401
    before = strangers(database, core, account)
    assert before is None if guesses == 0 else before is not None and before[0] == guesses
    succeeds(people, client, person)
    assert strangers(database, core, account) == before


@pytest.mark.parametrize("exists", [True, False])
def test_the_first_refusal_of_strangers_comes_at_the_same_guess(
    people: People, client: Client, core: Core, database: Any, exists: bool
) -> None:
    """The owner has logged in from two new addresses meanwhile. 98 guesses are put in its counter,
    because each takes two hashes."""
    person = people.verified() if exists else None
    email = person.email if person else random_email()
    assert log_in(client.from_address(random_address()), email, WRONG) == 401
    key = core.authentication.throttling.strangers(f"typed:{email}").key
    database.execute("UPDATE throttles SET failures = 98 WHERE key = %s", (key,))
    assert database.rowcount == 1
    if person:
        logs_in(people, client, person)
    told = [log_in(client.from_address(random_address()), email, WRONG) for _ in range(3)]
    assert told == [401, 401, 429]


def test_the_owner_can_be_refused_at_new_addresses_only(
    people: People, client: Client, core: Core, database: Any
) -> None:
    """Under an attack. What the owner used before stays open, and a reset opens one more."""
    person = people.verified()
    home = client.from_address(random_address())
    assert log_in(home, person.email, PASSWORD) == 200
    account = f"typed:{person.email}"
    assert log_in(client.from_address(random_address()), person.email, WRONG) == 401
    key = core.authentication.throttling.strangers(account).key
    database.execute("UPDATE throttles SET failures = 101 WHERE key = %s", (key,))
    assert log_in(client.from_address(random_address()), person.email, PASSWORD) == 429
    assert log_in(home, person.email, PASSWORD) == 200
    resets_the_password(people, client, person)
    assert log_in(client.from_address(random_address()), person.email, NEW) == 429
    assert strangers(database, core, account) is not None
