"""Signing up: from the form to an active account, on both targets."""

from __future__ import annotations

import secrets

import pytest

from tests.support.clients import Client
from tests.support.mailbox import Mailbox
from tests.support.people import PASSWORD, People, proof, random_email
from tests.support.storage import query


def test_the_link_in_the_mail_makes_an_active_account(people: People, client: Client) -> None:
    """Register, follow the link, log in, read oneself."""
    logged_in = people.logged_in(display_name="Ada", locale="en-GB")
    me = client.request("GET", "/v1/users/me", token=logged_in.access)
    assert me.status == 200
    body = me.json()
    assert body["id"] == logged_in.person.user_id
    assert body["email"] == logged_in.person.email
    assert (body["status"], body["email_verified"]) == ("active", True)
    assert (body["display_name"], body["locale"]) == ("Ada", "en-GB")


def test_known_and_unknown_addresses_get_the_same_answer(people: People) -> None:
    """Status, body and headers tell nobody whether an account exists."""
    known = people.verified().email
    _, taken = people.register(known)
    _, new = people.register()
    assert taken.status == new.status == 202
    assert taken.body == new.body
    varying = {"x-request-id", "traceparent", "date", "ratelimit"}
    taken_headers = {pair for pair in taken.headers if pair[0] not in varying}
    assert taken_headers == {pair for pair in new.headers if pair[0] not in varying}


def test_a_known_address_gets_a_notice_and_keeps_its_account(
    people: People, client: Client
) -> None:
    """Somebody who signs up with my address gets nothing, and I am told."""
    person = people.verified()
    _, answer = people.register(person.email, password="a stranger's own passphrase")
    assert answer.status == 202
    mail = people.mailbox.last(person.email)
    assert not any("#token=" in link for link in mail.links)
    people.log_in(person)
    stranger = {"identifier": person.email, "password": "a stranger's own passphrase"}
    assert client.request("POST", "/v1/auth/login", json=stranger).status == 403


def test_a_link_is_void_when_its_sign_up_has_expired(
    people: People, client: Client, superuser_url: str
) -> None:
    """A link that was sent again may be younger than what it is for."""
    email, _ = people.register()
    code = proof(people.mailbox.last(email).token)
    expire = "UPDATE pending_registrations SET expires_at = now() WHERE email_normalised = %s"
    query(superuser_url, expire, (email,))
    answer = client.request("POST", "/v1/auth/verify-email", json=code)
    assert (answer.status, answer.problem) == (400, "invalid-code")


def test_a_code_works_once(people: People, client: Client) -> None:
    email, _ = people.register()
    token = proof(people.mailbox.last(email).token)
    assert client.request("POST", "/v1/auth/verify-email", json=token).status == 200
    again = client.request("POST", "/v1/auth/verify-email", json=token)
    assert (again.status, again.problem) == (400, "invalid-code")


def test_a_code_for_one_purpose_is_no_code_for_another(people: People, client: Client) -> None:
    """A verification link cannot set a password, a reset link cannot verify."""
    email, _ = people.register()
    verify = people.mailbox.last(email).token
    reset = {"token": verify, "password": "another long enough one"}
    assert client.request("POST", "/v1/auth/password/reset", json=reset).problem == "invalid-code"
    person = people.verified()
    client.request("POST", "/v1/auth/password/forgot", json={"email": person.email})
    token = {"token": people.mailbox.last(person.email).token}
    assert client.request("POST", "/v1/auth/verify-email", json=token).problem == "invalid-code"


@pytest.mark.parametrize("token", ["", "x", "A" * 43, "\u0000", "ä" * 43, "A" * 5000])
def test_a_made_up_code_is_refused(client: Client, token: str) -> None:
    answer = client.request("POST", "/v1/auth/verify-email", json={"token": token})
    assert answer.status in {400, 422}


def test_a_link_that_is_sent_again_tells_how_long_its_sign_up_lasts(
    people: People, client: Client, superuser_url: str
) -> None:
    """Not how long a new one would."""
    email, _ = people.register()
    people.mailbox.deliver()
    shorten = (
        "UPDATE pending_registrations SET expires_at = now() + interval '20 minutes'"
        " WHERE email_normalised = %s"
    )
    query(superuser_url, shorten, (email,))
    client.request("POST", "/v1/auth/verify-email/resend", json={"email": email})
    assert "20 minutes" in people.mailbox.last(email).text


def test_resending_for_an_unknown_address_sends_nothing(client: Client, mailbox: Mailbox) -> None:
    email = random_email()
    answer = client.request("POST", "/v1/auth/verify-email/resend", json={"email": email})
    assert answer.status == 202
    assert mailbox.to(email) == []


def test_mails_to_one_address_are_limited(people: People) -> None:
    """Nobody is flooded through us, and the answer does not tell."""
    email = random_email()
    answers = [people.register(email)[1] for _ in range(8)]
    assert {answer.status for answer in answers} == {202}
    assert len(people.mailbox.to(email)) == 5


def test_links_sent_again_are_limited(people: People, client: Client) -> None:
    """By a limit of their own: too many sign-ups by a stranger do not use it up."""
    email, _ = people.register()
    body = {"email": email}
    answers = [client.request("POST", "/v1/auth/verify-email/resend", json=body) for _ in range(8)]
    assert {answer.status for answer in answers} == {202}
    assert len(people.mailbox.to(email)) == 1 + 5


def test_nobody_is_called_by_their_password(client: Client) -> None:
    """Address and username are the first guesses (NIST SP 800-63B-4 section 3.1.1)."""
    email, username = random_email(), f"a.name-{secrets.token_hex(8)}"
    for password in (email, email.upper(), username):
        body = {"email": email, "username": username, "password": password}
        answer = client.request("POST", "/v1/auth/register", json=body)
        assert answer.status == 422
        assert [error["pointer"] for error in answer.json()["errors"]] == ["/password"]


def test_addresses_are_compared_without_case(people: People, client: Client) -> None:
    """One mailbox is one account, however it is typed."""
    email = f"Mixed.Case-{secrets.token_hex(6)}@Example.COM"
    person = people.verified(email)
    login = {"identifier": email.upper(), "password": PASSWORD}
    assert client.request("POST", "/v1/auth/login", json=login).status == 200
    people.register(person.email.lower())
    assert not any("#token=" in link for link in people.mailbox.last(person.email.lower()).links)


def test_a_username_that_is_taken_meanwhile_costs_the_name_not_the_account(
    people: People, client: Client
) -> None:
    name = f"n{secrets.token_hex(6)}"
    first, _ = people.register(username=name)
    second = people.verified(username=name)
    token = proof(people.mailbox.last(first).token)
    assert client.request("POST", "/v1/auth/verify-email", json=token).status == 200
    login = {"identifier": first, "password": PASSWORD}
    access = client.request("POST", "/v1/auth/login", json=login).json()["access_token"]
    assert client.request("GET", "/v1/users/me", token=access).json()["username"] is None
    by_name = {"identifier": name.upper(), "password": PASSWORD}
    assert client.request("POST", "/v1/auth/login", json=by_name).status == 200
    assert people.log_in(second).person.user_id == second.user_id


@pytest.mark.parametrize(
    ("field", "value", "pointer"),
    [
        ("email", "nobody", "/email"),
        ("email", "a@b@example.com", "/email"),
        ("email", '"a@b"@example.com', "/email"),
        ("email", "a@example", "/email"),
        ("email", "m\u0131ke@example.com", "/email"),
        ("email", "a@example.com\r\nBcc: b@example.com", "/email"),
        ("email", 7, "/email"),
        ("password", "too short", "/password"),
        ("password", "x" * 129, "/password"),
        ("password", "aaaaaaaaaaaaaaaaaaaa", "/password"),
        ("password", None, "/password"),
        ("username", "a", "/username"),
        ("username", "a@b.example", "/username"),
        ("display_name", "\u0007", "/display_name"),
        ("time_zone", "Mars/Olympus", "/time_zone"),
        ("status", "active", "/status"),
        ("email_verified", True, "/email_verified"),
        ("roles", ["admin"], "/roles"),
        ("id", "0190b2c2-0000-7000-8000-000000000000", "/id"),
    ],
)
def test_bad_input_names_the_field(client: Client, field: str, value: object, pointer: str) -> None:
    """What is wrong is said at its JSON pointer; fields that nobody may set are refused."""
    body = {"email": random_email(), "password": PASSWORD, field: value}
    answer = client.request("POST", "/v1/auth/register", json=body)
    assert answer.status == 422, answer.body
    assert pointer in [error["pointer"] for error in answer.json()["errors"]]
    assert PASSWORD not in answer.body.decode()
