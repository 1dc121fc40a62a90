"""Forgetting a password and choosing a new one by mail."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import psycopg2
import pytest

from core.adapters.crypto import base64url
from tests.support.clients import Client
from tests.support.mailbox import Mailbox
from tests.support.people import PASSWORD, People, random_email
from tests.support.row_locks import held
from tests.support.storage import query

NEW = "an entirely different sentence"


def forgot(client: Client, email: str, **headers: str) -> int:
    pairs = [(name.replace("_", "-"), value) for name, value in headers.items()]
    answer = client.request(
        "POST", "/v1/auth/password/forgot", json={"email": email}, headers=pairs
    )
    return answer.status


def test_the_link_sets_a_new_password_once(people: People, client: Client) -> None:
    person = people.verified()
    assert forgot(client, person.email) == 202
    body = {"token": people.mailbox.last(person.email).token, "password": NEW}
    assert client.request("POST", "/v1/auth/password/reset", json=body).status == 204
    again = client.request("POST", "/v1/auth/password/reset", json=body)
    assert (again.status, again.problem) == (400, "invalid-code")
    login = {"identifier": person.email, "password": NEW}
    assert client.request("POST", "/v1/auth/login", json=login).status == 200
    login = {"identifier": person.email, "password": PASSWORD}
    assert client.request("POST", "/v1/auth/login", json=login).status == 401


def test_known_and_unknown_get_the_same_answer(people: People, client: Client) -> None:
    known = client.request(
        "POST", "/v1/auth/password/forgot", json={"email": people.verified().email}
    )
    unknown = client.request("POST", "/v1/auth/password/forgot", json={"email": random_email()})
    assert known.status == unknown.status == 202
    assert known.body == unknown.body


def test_an_unknown_address_gets_no_mail(client: Client, mailbox: Mailbox) -> None:
    email = random_email()
    assert forgot(client, email) == 202
    assert mailbox.to(email) == []


def test_mails_to_one_address_are_limited(people: People, client: Client) -> None:
    """Nobody is flooded through us, and the answer does not tell."""
    person = people.verified()
    before = len(people.mailbox.to(person.email))
    assert {forgot(client, person.email) for _ in range(8)} == {202}
    assert len(people.mailbox.to(person.email)) == before + 5


def test_a_suspended_user_cannot_come_back_by_mail(
    people: People, client: Client, superuser_url: str
) -> None:
    """Regression of CVE-2024-47000: suspension is enforced on this way in, too."""
    person = people.verified()
    forgot(client, person.email)
    token = people.mailbox.last(person.email).token
    connection = psycopg2.connect(superuser_url)
    with connection, connection.cursor() as cursor:
        cursor.execute("UPDATE users SET status = 'suspended' WHERE id = %s", (person.user_id,))
    connection.close()
    body = {"token": token, "password": NEW}
    assert client.request("POST", "/v1/auth/password/reset", json=body).problem == "invalid-code"
    before = len(people.mailbox.to(person.email))
    forgot(client, person.email)
    assert len(people.mailbox.to(person.email)) == before


def test_a_newer_link_and_a_used_one_end_the_others(people: People, client: Client) -> None:
    """Of two reset mails, following one makes the other worthless."""
    person = people.verified()
    forgot(client, person.email)
    first = people.mailbox.last(person.email).token
    forgot(client, person.email)
    second = people.mailbox.last(person.email).token
    body = {"token": second, "password": NEW}
    assert client.request("POST", "/v1/auth/password/reset", json=body).status == 204
    body = {"token": first, "password": "and another one by a thief"}
    assert client.request("POST", "/v1/auth/password/reset", json=body).problem == "invalid-code"


def test_of_two_links_at_once_one_counts(
    people: People, client: Client, superuser_url: str
) -> None:
    """They take their locks in one order: neither waits until the database gives one up."""
    person = people.verified()
    tokens = []
    for _ in range(2):
        forgot(client, person.email)
        tokens.append(people.mailbox.last(person.email).token)

    def reset(token: str) -> int:
        body = {"token": token, "password": NEW}
        return client.request("POST", "/v1/auth/password/reset", json=body).status

    hold = "SELECT FROM users WHERE id = %(id)s FOR UPDATE"
    with ThreadPoolExecutor(2) as pool:
        # Both get as far as they can without the user's row, and then go on together. A Lambda
        # function does one thing at a time.
        with held(superuser_url, hold, of=person.user_id) as holding:
            answers = pool.map(reset, tokens)
            holding.until(2 if client.target == "asgi" else 1)
        assert sorted(answers) == [204, 400]


def test_a_link_of_an_old_address_sets_no_password(
    people: People, client: Client, superuser_url: str
) -> None:
    """Regression of CVE-2026-9087: the proof is bound to the account and the address together.

    It acts neither on the account at its new address nor on another one that has the old address.
    """
    person = people.verified()
    forgot(client, person.email)
    token = people.mailbox.last(person.email).token
    moved = random_email()
    connection = psycopg2.connect(superuser_url)
    with connection, connection.cursor() as cursor:
        cursor.execute(
            "UPDATE users SET email = %s, email_normalised = %s WHERE id = %s",
            (moved, moved, person.user_id),
        )
    connection.close()
    body = {"token": token, "password": NEW}
    assert client.request("POST", "/v1/auth/password/reset", json=body).problem == "invalid-code"
    heir = people.verified(person.email)
    assert client.request("POST", "/v1/auth/password/reset", json=body).problem == "invalid-code"
    people.log_in(heir)


def test_an_expired_link_sets_no_password(
    people: People, client: Client, superuser_url: str
) -> None:
    person = people.verified()
    forgot(client, person.email)
    token = people.mailbox.last(person.email).token
    connection = psycopg2.connect(superuser_url)
    with connection, connection.cursor() as cursor:
        cursor.execute(
            "UPDATE one_time_codes SET expires_at = now() WHERE email_normalised = %s",
            (person.email,),
        )
    connection.close()
    body = {"token": token, "password": NEW}
    assert client.request("POST", "/v1/auth/password/reset", json=body).problem == "invalid-code"


def test_a_refused_password_leaves_the_link_good(people: People, client: Client) -> None:
    person = people.verified()
    forgot(client, person.email)
    token = people.mailbox.last(person.email).token
    short = client.request(
        "POST", "/v1/auth/password/reset", json={"token": token, "password": "short"}
    )
    assert short.status == 422
    own = client.request(
        "POST", "/v1/auth/password/reset", json={"token": token, "password": person.email}
    )
    assert own.status == 422
    body = {"token": token, "password": NEW}
    assert client.request("POST", "/v1/auth/password/reset", json=body).status == 204


def test_the_database_never_holds_a_code(
    people: People, client: Client, superuser_url: str
) -> None:
    """A dump of codes and outbox opens no account: codes are derived and kept as digests."""
    person = people.verified()
    forgot(client, person.email)
    outbox = str(query(superuser_url, "SELECT o::text FROM outbox o"))
    codes = str(query(superuser_url, "SELECT c::text FROM one_time_codes c"))
    newest = "SELECT max(id::text) FROM one_time_codes WHERE email_normalised = %s"
    ((code_id,),) = query(superuser_url, newest, (person.email,))
    assert code_id in outbox, "the mail is not there yet, or no more"
    assert person.email in codes
    token = people.mailbox.last(person.email).token
    for written in (token, token.encode().hex(), base64url.decode(token).hex()):
        assert written not in outbox + codes
    assert person.email not in outbox


@pytest.mark.parametrize("header", ["host", "x-forwarded-host", "x-forwarded-proto", "forwarded"])
def test_links_come_from_configuration_only(people: People, client: Client, header: str) -> None:
    """Regressions of Zitadel CVE-2025-64101 and Supabase GHSA-3529-5m8x-rpv3."""
    person = people.verified()
    value = "host=evil.example" if header == "forwarded" else "evil.example"
    pairs = [(header, value)]
    before = len(people.mailbox.to(person.email))
    body = {"email": person.email}
    answer = client.request("POST", "/v1/auth/password/forgot", json=body, headers=pairs)
    mails = people.mailbox.to(person.email)[before:]
    assert answer.status == 202, answer.body
    (mail,) = mails
    assert mail.links
    assert "evil.example" not in mail.text + mail.html
    assert all(link.startswith("https://id.example.com/") for link in mail.links)
