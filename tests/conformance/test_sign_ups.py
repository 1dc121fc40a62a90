"""A verification proves an address and never a password: whoever signs up with the address of
somebody else gets nothing by it, and learns nothing from it."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.support.clients import Answer, Client, random_address
from tests.support.people import PASSWORD, People, proof, random_email
from tests.support.server import ServerProcess
from tests.support.storage import query

PLANTED = "a stranger's own passphrase"
CHOSEN = "a sentence that was chosen now"
VERIFY = "/v1/auth/verify-email"
RESEND = "/v1/auth/verify-email/resend"


def verify(client: Client, body: object) -> Answer:
    return client.request("POST", VERIFY, json=body)


def log_in(client: Client, email: str, password: str) -> Answer:
    """From an address of its own, so that no counter of guesses stands in the way."""
    body = {"identifier": email, "password": password}
    somewhere = client.from_address(random_address())
    return somewhere.request("POST", "/v1/auth/login", json=body)


def faults(answer: Answer) -> list[str]:
    assert answer.status == 422, answer.body
    return [fault["pointer"] for fault in answer.json()["errors"]]


def me(client: Client, email: str, password: str) -> dict[str, Any]:
    login = log_in(client, email, password)
    assert login.status == 200, login.body
    token = login.json()["access_token"]
    body: dict[str, Any] = client.request("GET", "/v1/users/me", token=token).json()
    return body


def besieged(people: People, email: str, **fields: Any) -> None:
    """Somebody signs up with the address until it gets no more mails."""
    for _ in range(5):
        people.register(email, password=PLANTED, username="somebody", **fields)
    assert len(people.mailbox.to(email)) == 5


@pytest.mark.parametrize("link", range(5))
def test_a_strangers_link_opens_the_account_of_who_follows_it(
    people: People, client: Client, link: int
) -> None:
    """The attack: the mailbox holds nothing but a stranger's links, as the owner's own sign-up was
    sent none. Her password gives her her own name, and the stranger's gives nothing."""
    email = random_email()
    besieged(people, email, display_name="Mallory")
    people.register(email, display_name="Ada", locale="en-GB")
    mails = people.mailbox.to(email)
    assert len(mails) == 5
    assert verify(client, proof(mails[link].token)).status == 200
    shown = me(client, email, PASSWORD)
    assert (shown["display_name"], shown["locale"]) == ("Ada", "en-GB")
    assert (shown["username"], shown["email_verified"]) == (None, True)
    assert log_in(client, email, PLANTED).status == 403
    for mail in mails:
        for password in (PASSWORD, PLANTED):
            assert verify(client, proof(mail.token, password)).problem == "invalid-code"


def test_who_did_not_sign_up_chooses_a_password(people: People, client: Client) -> None:
    """The account has nothing then that a stranger has typed."""
    email = random_email()
    besieged(people, email, display_name="Mallory", locale="de", time_zone="Europe/Berlin")
    token = people.mailbox.to(email)[2].token
    assert verify(client, {"token": token, "new_password": CHOSEN}).status == 200
    shown = me(client, email, CHOSEN)
    typed = ("username", "display_name", "given_name", "family_name", "locale", "time_zone")
    assert {shown[name] for name in typed} == {None}
    assert shown["email"] == email
    assert log_in(client, email, PLANTED).status == 403


@pytest.mark.parametrize("owners", ["first", "last"])
@pytest.mark.parametrize("followed", ["owner", "stranger"])
def test_the_password_says_whose_sign_up_it_is(
    people: People, client: Client, owners: str, followed: str
) -> None:
    """Whichever came last, and whichever link is followed."""
    email, links = random_email(), {}
    order = ["owner", "stranger"] if owners == "first" else ["stranger", "owner"]
    for who in order:
        people.register(email, password=f"a passphrase of the {who}", display_name=who)
        links[who] = people.mailbox.last(email).token
    body = proof(links[followed], "a passphrase of the owner")
    assert verify(client, body).status == 200
    assert me(client, email, "a passphrase of the owner")["display_name"] == "owner"
    assert log_in(client, email, "a passphrase of the stranger").status == 403


def test_the_link_decides_where_two_sign_ups_have_one_password(
    people: People, client: Client
) -> None:
    email = random_email()
    people.register(email, display_name="first")
    token = people.mailbox.last(email).token
    people.register(email, display_name="second")
    assert verify(client, proof(token)).status == 200
    assert me(client, email, PASSWORD)["display_name"] == "first"


def test_a_password_is_needed_and_the_code_stays_good_without(
    people: People, client: Client
) -> None:
    """A client of 0.1.0 sends the code alone, and is told what is missing."""
    email, _ = people.register()
    token = people.mailbox.last(email).token
    assert faults(verify(client, {"token": token})) == ["/password"]
    assert faults(verify(client, {"token": token, "password": None})) == ["/password"]
    assert faults(verify(client, proof(token, "not the one of the sign-up"))) == ["/password"]
    assert faults(verify(client, proof(token, "x" * 1000))) == ["/password"]
    both = {"token": token, "password": PASSWORD, "new_password": CHOSEN}
    assert faults(verify(client, both)) == ["/new_password"]
    for refused in ("too short", email, "x" * 129):
        body = {"token": token, "new_password": refused}
        assert faults(verify(client, body)) == ["/new_password"]
    assert verify(client, proof(token)).status == 200


def test_a_password_is_the_same_composed_or_decomposed(people: People, client: Client) -> None:
    email, _ = people.register(password="caf\u00e9 caf\u00e9 caf\u00e9 caf\u00e9")
    token = people.mailbox.last(email).token
    assert verify(client, proof(token, "cafe\u0301 cafe\u0301 cafe\u0301 cafe\u0301")).status == 200


@pytest.mark.parametrize("others", [0, 1, 6])
def test_a_link_that_is_sent_again_does_for_every_sign_up(
    people: People, client: Client, others: int
) -> None:
    """Beside any number of strangers' too, and for one that was sent no mail."""
    email = random_email()
    for _ in range(others):
        people.register(email, password=PLANTED)
    people.register(email, display_name="Ada")
    before = people.mailbox.to(email)
    assert client.request("POST", RESEND, json={"email": email}).status == 202
    mails = people.mailbox.to(email)
    assert len(mails) == len(before) + 1
    assert verify(client, proof(mails[-1].token)).status == 200
    assert me(client, email, PASSWORD)["display_name"] == "Ada"


def test_a_sign_up_of_the_last_release_is_activated(
    people: People, client: Client, superuser_url: str
) -> None:
    """Its hash has a salt of its own."""
    email, _ = people.register(display_name="Ada")
    token = people.mailbox.last(email).token
    donor = people.verified()
    reset_salt = (
        "UPDATE pending_registrations SET password_hash = (SELECT password_hash"
        " FROM password_credentials WHERE user_id = %s) WHERE email_normalised = %s"
    )
    query(superuser_url, reset_salt, (donor.user_id, email))
    assert faults(verify(client, proof(token, PLANTED))) == ["/password"]
    assert verify(client, proof(token)).status == 200
    assert me(client, email, PASSWORD)["display_name"] == "Ada"


def test_links_followed_at_once_make_one_account(people: People, server: ServerProcess) -> None:
    """One wins, the others are void, and nobody waits in a circle, a sign-up meanwhile neither."""
    client = server.client()
    for _ in range(3):
        email, bodies = random_email(), []
        for password in ("a passphrase of the first", "a passphrase of the second"):
            people.register(email, password=password)
            token = people.mailbox.last(email).token
            bodies += [proof(token, password), {"token": token, "new_password": CHOSEN}]
        with ThreadPoolExecutor(5) as pool:
            registered = pool.submit(people.register, email)
            answers = list(pool.map(lambda body: verify(client, body), bodies))
        assert registered.result()[1].status == 202
        assert sorted(answer.status for answer in answers) == [200, 400, 400, 400]


def test_one_link_sent_twice_at_once_under_one_key_is_answered_once(
    people: People, server: ServerProcess
) -> None:
    client = server.client()
    email, _ = people.register()
    body, headers = proof(people.mailbox.last(email).token), [("idempotency-key", email)]
    with ThreadPoolExecutor(6) as pool:
        sent = [
            pool.submit(client.request, "POST", VERIFY, json=body, headers=headers)
            for _ in range(6)
        ]
        answers = [each.result() for each in sent]
    assert {answer.status for answer in answers} <= {200, 409}
    assert len({answer.body for answer in answers if answer.status == 200}) == 1


def test_a_sign_up_ends_with_the_account_that_its_address_gets(
    people: People, client: Client, superuser_url: str
) -> None:
    """For good: no link of it works when the account has another address, or none."""
    email = random_email()
    besieged(people, email)
    client.request("POST", RESEND, json={"email": email})
    tokens = [mail.token for mail in people.mailbox.to(email)]
    assert verify(client, {"token": tokens.pop(0), "new_password": CHOSEN}).status == 200
    moved = "UPDATE users SET email = %s, email_normalised = %s WHERE email_normalised = %s"
    query(superuser_url, moved, (elsewhere := random_email(), elsewhere, email))
    for token in tokens:
        for body in (proof(token, PLANTED), {"token": token, "new_password": CHOSEN}):
            assert verify(client, body).problem == "invalid-code"


def test_a_password_of_the_account_is_no_password_of_a_sign_up(
    people: People, client: Client
) -> None:
    """When it was changed, the old one is wrong, as every other."""
    person = people.verified()
    token = people.log_in(person).access
    change = {"current_password": PASSWORD, "new_password": CHOSEN}
    changed = client.request("POST", "/v1/users/me/password", json=change, token=token)
    assert changed.status == 204
    assert log_in(client, person.email, PASSWORD).status == 401
