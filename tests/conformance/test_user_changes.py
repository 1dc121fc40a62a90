"""Reading and changing somebody else's account."""

from __future__ import annotations

import secrets
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from core.domain.user import UserStatus
from tests.support.clients import Answer, Client
from tests.support.mailbox import Mailbox
from tests.support.people import PASSWORD, random_email
from tests.support.staff import Staff

NEW = "an entirely different sentence"


def path(user_id: str) -> str:
    return f"/v1/users/{user_id}"


def read(client: Client, staff: Staff, user_id: str, **sent: Any) -> Answer:
    return client.request("GET", path(user_id), token=staff.admin.token, **sent)


def change(client: Client, staff: Staff, user_id: str, **fields: Any) -> Answer:
    return client.request("PATCH", path(user_id), json=fields, token=staff.admin.token)


def log_in(client: Client, email: str, password: str = PASSWORD) -> Answer:
    body = {"identifier": email, "password": password}
    return client.request("POST", "/v1/auth/login", json=body)


def test_an_administrator_reads_what_the_user_reads(client: Client, staff: Staff) -> None:
    member = staff.member("support")
    own = client.request("GET", "/v1/users/me", token=member.token)
    answer = read(client, staff, member.id)
    assert (answer.status, answer.body) == (200, own.body)
    assert answer.header("etag") == own.header("etag")
    assert answer.header("cache-control") == "no-store"


def test_an_unchanged_user_is_not_sent_again(client: Client, staff: Staff) -> None:
    user_id = staff.person().user_id
    for known in ('"1"', 'W/"1"', '"9", "1"', "*"):
        answer = read(client, staff, user_id, headers=[("if-none-match", known)])
        assert (answer.status, answer.body, answer.header("etag")) == (304, b"", '"1"')
    assert change(client, staff, user_id, given_name="Ada").status == 200
    answer = read(client, staff, user_id, headers=[("if-none-match", '"1"')])
    assert (answer.status, answer.header("etag")) == (200, '"2"')


def test_a_merge_patch_changes_clears_and_merges(client: Client, staff: Staff) -> None:
    """RFC 7396: null clears, objects merge, what is not named stays."""
    name = f"u{secrets.token_hex(8)}"
    attributes = {"team": {"name": "engines", "size": 1}, "beta": True}
    profile = {"given_name": "Ada", "display_name": "Ada L.", "attributes": attributes}
    user_id = staff.person(username=name, profile=profile).user_id
    answer = change(
        client,
        staff,
        user_id,
        username=None,
        display_name=None,
        time_zone="Europe/London",
        attributes={"team": {"size": 2}, "beta": None},
    )
    assert answer.status == 200, answer.body
    user = answer.json()
    assert (user["username"], user["display_name"], user["given_name"]) == (None, None, "Ada")
    assert user["time_zone"] == "Europe/London"
    assert user["attributes"] == {"team": {"name": "engines", "size": 2}}
    assert (user["version"], answer.header("etag")) == (2, '"2"')
    assert read(client, staff, user_id).json() == user
    cleared = change(client, staff, user_id, attributes=None)
    assert cleared.json()["attributes"] == {}


def test_concurrent_merges_lose_nothing(client: Client, staff: Staff) -> None:
    """Without If-Match each merges into what the one before has left."""
    member, token = staff.member(), staff.admin.token

    def add(number: int) -> int:
        own = number % 2 == 0
        target = "/v1/users/me" if own else path(member.id)
        fields = {"attributes": {f"n{number}": number}}
        by = member.token if own else token
        return client.request("PATCH", target, json=fields, token=by).status

    with ThreadPoolExecutor(8 if client.target == "asgi" else 1) as pool:
        assert set(pool.map(add, range(12))) == {200}
    user = read(client, staff, member.id).json()
    assert user["attributes"] == {f"n{number}": number for number in range(12)}
    assert user["version"] == 13


def test_a_new_address_has_to_be_verified(client: Client, staff: Staff, mailbox: Mailbox) -> None:
    """CVE-2023-0105: nobody is logged in with an address that nobody has shown to be theirs."""
    person, email = staff.person(), random_email().replace("person", "Person")
    answer = change(client, staff, person.user_id, email=email)
    assert answer.status == 200, answer.body
    assert (answer.json()["email"], answer.json()["email_verified"]) == (email, False)
    assert log_in(client, email).problem == "email-not-verified"
    assert log_in(client, person.email).problem == "invalid-credentials"
    notice = mailbox.last(person.email)
    assert "was changed" in notice.subject
    assert email.lower() not in notice.text.lower()
    token = mailbox.last(email).token
    verified = client.request("POST", "/v1/auth/verify-email", json={"token": token})
    assert verified.json()["user_id"] == person.user_id
    assert log_in(client, email).status == 200


def test_links_to_the_old_address_are_dead(client: Client, staff: Staff, mailbox: Mailbox) -> None:
    """CVE-2026-9087: whoever still reads the old mailbox gets no way in, nor when it is put
    back."""
    person = staff.person()
    client.request("POST", "/v1/auth/password/forgot", json={"email": person.email})
    old = mailbox.last(person.email).token
    body = {"token": old, "password": NEW}
    for email in (random_email(), person.email):
        assert change(client, staff, person.user_id, email=email).status == 200
        answer = client.request("POST", "/v1/auth/password/reset", json=body)
        assert (answer.status, answer.problem) == (400, "invalid-code")


def test_a_link_that_still_waits_goes_to_nobody(
    client: Client, staff: Staff, mailbox: Mailbox
) -> None:
    """Asked for with the old address, sent after the change."""
    person, email = staff.person(), random_email()
    client.request("POST", "/v1/auth/password/forgot", json={"email": person.email})
    assert change(client, staff, person.user_id, email=email).status == 200
    assert [mail.links for mail in mailbox.to(person.email)] == [[]]
    assert len(mailbox.to(email)) == 1


def test_a_verification_link_is_good_for_its_own_address(
    client: Client, staff: Staff, mailbox: Mailbox
) -> None:
    person, first, second = staff.person(), random_email(), random_email()
    assert change(client, staff, person.user_id, email=first).status == 200
    token = mailbox.last(first).token
    assert change(client, staff, person.user_id, email=second).status == 200
    answer = client.request("POST", "/v1/auth/verify-email", json={"token": token})
    assert (answer.status, answer.problem) == (400, "invalid-code")
    assert read(client, staff, person.user_id).json()["email_verified"] is False


def test_the_same_address_in_other_letters_stays_verified(
    client: Client, staff: Staff, mailbox: Mailbox
) -> None:
    person = staff.person()
    respelt = person.email.replace("person", "Person")
    answer = change(client, staff, person.user_id, email=respelt)
    assert (answer.json()["email"], answer.json()["email_verified"]) == (respelt, True)
    assert mailbox.to(person.email) == []
    assert log_in(client, person.email).status == 200


@pytest.mark.parametrize("status", [UserStatus.SUSPENDED, UserStatus.DEACTIVATED])
def test_whoever_is_shut_out_gets_no_mail(
    client: Client, staff: Staff, mailbox: Mailbox, status: UserStatus
) -> None:
    person, email = staff.person(status=status), random_email()
    answer = change(client, staff, person.user_id, email=email)
    assert (answer.status, answer.json()["email_verified"]) == (200, False)
    assert mailbox.to(email) == []


def test_mails_to_a_new_address_are_limited(client: Client, staff: Staff, mailbox: Mailbox) -> None:
    """A change back and forth floods nobody; what is refused changes nothing."""
    person, email = staff.person(), random_email()
    answers = [
        change(client, staff, person.user_id, email=each).status
        for _ in range(6)
        for each in (email, random_email())
    ]
    assert answers == [200] * 10 + [429, 200]
    assert len(mailbox.to(email)) <= 5


def test_an_address_or_name_in_use_is_refused(client: Client, staff: Staff) -> None:
    name = f"u{secrets.token_hex(8)}"
    other, person = staff.person(username=name), staff.person()
    found = read(client, staff, person.user_id).body
    for fields, problem in (
        ({"email": other.email.upper()}, "email-taken"),
        ({"username": name.upper()}, "username-taken"),
        ({"given_name": "Ada", "email": other.email}, "email-taken"),
    ):
        answer = change(client, staff, person.user_id, **fields)
        assert (answer.status, answer.problem) == (409, problem)
    assert read(client, staff, person.user_id).body == found


REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"email": None}, "/email"),
    ({"email": "nobody"}, "/email"),
    ({"email": 1}, "/email"),
    ({"email_verified": True}, "/email_verified"),
    ({"password": NEW}, "/password"),
    ({"status": "suspended"}, "/status"),
    ({"roles": ["admin"]}, "/roles"),
    ({"version": 9}, "/version"),
    ({"id": "0190b2c2-0000-7000-8000-000000000000"}, "/id"),
    ({"mfa_enabled": True}, "/mfa_enabled"),
    ({"last_login_at": None}, "/last_login_at"),
    ({"invite": True}, "/invite"),
    ({"username": "x"}, "/username"),
    ({"display_name": ""}, "/display_name"),
    ({"phone": "12345"}, "/phone"),
    ({"picture": "http://example.com/a.png"}, "/picture"),
    ({"picture": "https://example.com\\@evil.example/"}, "/picture"),
    ({"given_name": "\u2067Ada\u2069"}, "/given_name"),
    ({"family_name": "\u2800"}, "/family_name"),
    ({"attributes": "a"}, "/attributes"),
    ({"attributes": {"a": "x" * 9000}}, "/attributes"),
    ({"attributes": {"a": {"b": {"c": {"d": {"e": {"f": {"g": {"h": 1}}}}}}}}}, "/attributes"),
]


def test_what_may_not_be_set_is_refused_and_nothing_changes(client: Client, staff: Staff) -> None:
    """Flags, ids and passwords are not input (Zitadel CVE-2026-27946); what is merged counts as a
    whole."""
    user_id = staff.person(profile={"attributes": {"b": "x" * 9000}}).user_id
    found = read(client, staff, user_id).body
    for fields, pointer in REFUSED:
        answer = change(client, staff, user_id, **fields)
        assert (answer.status, answer.problem) == (422, "invalid-input"), fields
        assert answer.json()["errors"][0]["pointer"] == pointer, fields
    assert read(client, staff, user_id).body == found


@pytest.mark.parametrize(
    ("method", "body", "permission"),
    [
        ("GET", ..., "users:read"),
        ("PATCH", {"given_name": "Ada"}, "users:write"),
        ("DELETE", ..., "users:delete"),
        ("POST invite", ..., "users:write"),
        ("POST suspend", ..., "users:suspend"),
        ("POST reactivate", ..., "users:suspend"),
        ("POST deactivate", ..., "users:suspend"),
        ("POST force-password-reset", ..., "users:suspend"),
        ("POST revoke-sessions", ..., "users:suspend"),
    ],
)
def test_each_action_takes_its_own_permission(
    client: Client, staff: Staff, method: str, body: object, permission: str
) -> None:
    """And no other one: not all the others together, nor the account's own token."""
    every = {"users:read", "users:write", "users:suspend", "users:delete", "roles:grant"}
    subject = staff.member()
    name, _, action = method.partition(" ")
    target = path(subject.id) + (f"/{action}" if action else "")
    found = read(client, staff, subject.id).body
    for token in (staff.holding(*(every - {permission})).token, subject.token):
        answer = client.request(name, target, json=body, token=token)
        assert (answer.status, answer.problem) == (403, "permission-denied")
    assert client.request(name, target, json=body).status == 401
    assert read(client, staff, subject.id).body == found
    allowed = client.request(name, target, json=body, token=staff.holding(permission).token)
    assert allowed.status in {200, 202, 409}, allowed.body
