"""Users whom administrators create."""

from __future__ import annotations

import secrets
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.support.clients import Answer, Client
from tests.support.mailbox import Mailbox
from tests.support.people import PASSWORD, People, proof, random_email
from tests.support.staff import Staff
from tests.support.storage import query

USERS = "/v1/users"
PROFILE: dict[str, Any] = {
    "display_name": "Ada Lovelace",
    "given_name": "Ada",
    "family_name": "Lovelace",
    "phone": "+15550100000",
    "locale": "en-GB",
    "time_zone": "Europe/London",
    "picture": "https://example.com/ada.png",
    "attributes": {"team": {"name": "engines"}},
}


def create(client: Client, staff: Staff, key: str | None = None, **body: Any) -> Answer:
    headers = [] if key is None else [("idempotency-key", key)]
    return client.request("POST", USERS, json=body, token=staff.admin.token, headers=headers)


def count(superuser_url: str, email: str) -> int:
    ((found,),) = query(
        superuser_url, "SELECT count(*) FROM users WHERE email_normalised = %s", (email.lower(),)
    )
    return int(found)


def test_a_created_user_is_pending_and_unverified(
    client: Client, staff: Staff, mailbox: Mailbox
) -> None:
    email, username = random_email().replace("person", "Person"), f"u{secrets.token_hex(8)}"
    answer = create(client, staff, email=email, username=username, **PROFILE)
    assert answer.status == 201, answer.body
    user = answer.json()
    assert user | {"email": email, "username": username, **PROFILE} == user
    assert (user["status"], user["email_verified"], user["roles"]) == ("pending", False, [])
    assert (user["version"], user["last_login_at"]) == (1, None)
    assert answer.header("location") == f"{USERS}/{user['id']}"
    assert answer.header("etag") == '"1"'
    read = client.request("GET", answer.header("location") or "", token=staff.admin.token)
    assert read.json() == user
    assert mailbox.to(email) == []
    login = {"identifier": email, "password": PASSWORD}
    assert client.request("POST", "/v1/auth/login", json=login).problem == "invalid-credentials"


def test_the_address_alone_is_enough(client: Client, staff: Staff) -> None:
    answer = create(client, staff, email=random_email(), username=None, attributes=None)
    assert answer.status == 201, answer.body
    assert (answer.json()["username"], answer.json()["attributes"]) == (None, {})


def test_a_repeated_request_creates_one_user_and_gets_one_answer(
    client: Client, staff: Staff, superuser_url: str, mailbox: Mailbox
) -> None:
    key, email = secrets.token_hex(16), random_email()
    first = create(client, staff, key, email=email, invite=True)
    again = create(client, staff, key, email=email, invite=True)
    assert (first.status, again.status) == (201, 201)
    assert first.body == again.body
    for name in ("location", "etag", "content-type"):
        assert first.header(name) == again.header(name) is not None
    assert first.header("idempotency-replayed") is None
    assert again.header("idempotency-replayed") == "true"
    assert len(mailbox.to(email)) == count(superuser_url, email) == 1
    other = create(client, staff, key, email=random_email(), invite=True)
    assert (other.status, other.problem) == (422, "idempotency-key-reused")


def test_a_key_is_the_callers_own(client: Client, staff: Staff) -> None:
    """Two administrators with one key are two requests."""
    key, other = secrets.token_hex(16), staff.holding("users:write")
    assert create(client, staff, key, email=random_email()).status == 201
    headers = [("idempotency-key", key)]
    body = {"email": random_email()}
    answer = client.request("POST", USERS, json=body, token=other.token, headers=headers)
    assert answer.status == 201, answer.body
    assert answer.header("idempotency-replayed") is None


def test_a_refused_creation_may_be_tried_again_with_its_key(client: Client, staff: Staff) -> None:
    key, email = secrets.token_hex(16), random_email()
    assert create(client, staff, key, email=email, locale="nowhere").status == 422
    assert create(client, staff, key, email=email, locale="en").status == 201


@pytest.mark.parametrize("respell", [str.upper, str.lower, str.capitalize])
def test_an_address_belongs_to_one_user_in_any_case(
    client: Client, staff: Staff, superuser_url: str, respell: Any
) -> None:
    email = staff.person().email
    answer = create(client, staff, email=respell(email))
    assert (answer.status, answer.problem) == (409, "email-taken")
    assert email not in answer.body.decode()
    assert count(superuser_url, email) == 1


def test_a_username_belongs_to_one_user_in_any_case(
    client: Client, staff: Staff, superuser_url: str
) -> None:
    name, email = f"u{secrets.token_hex(8)}", random_email()
    staff.person(username=name)
    answer = create(client, staff, email=email, username=name.upper())
    assert (answer.status, answer.problem) == (409, "username-taken")
    assert count(superuser_url, email) == 0


def test_ten_at_once_create_one_user(client: Client, staff: Staff, superuser_url: str) -> None:
    email, token = random_email(), staff.admin.token

    def one(_: int) -> int:
        body = {"email": email}
        return client.request("POST", USERS, json=body, token=token).status

    with ThreadPoolExecutor(10 if client.target == "asgi" else 1) as pool:
        assert sorted(pool.map(one, range(10))) == [201] + [409] * 9
    assert count(superuser_url, email) == 1


REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"password": PASSWORD}, "/password"),
    ({"status": "active"}, "/status"),
    ({"email_verified": True}, "/email_verified"),
    ({"roles": ["admin"]}, "/roles"),
    ({"mfa_enabled": True}, "/mfa_enabled"),
    ({"id": "0190b2c2-0000-7000-8000-000000000000"}, "/id"),
    ({"version": 7}, "/version"),
    ({"created_at": "2020-01-01T00:00:00Z"}, "/created_at"),
    ({"temporary": True}, "/temporary"),
    ({"email": "nobody"}, "/email"),
    ({"email": "a@b@example.com"}, "/email"),
    ({"email": None}, "/email"),
    ({"email": ["a@example.com"]}, "/email"),
    ({"username": "x"}, "/username"),
    ({"username": "-not-so-"}, "/username"),
    ({"display_name": " "}, "/display_name"),
    ({"display_name": "a\u0007b"}, "/display_name"),
    ({"given_name": "x" * 201}, "/given_name"),
    ({"phone": "12345"}, "/phone"),
    ({"locale": "not a locale"}, "/locale"),
    ({"time_zone": "Mars/Olympus"}, "/time_zone"),
    ({"picture": "javascript:alert(1)"}, "/picture"),
    ({"attributes": ["a"]}, "/attributes"),
    ({"attributes": {"a": "x" * 20000}}, "/attributes"),
    ({"invite": "yes"}, "/invite"),
    ({"invite": 1}, "/invite"),
]


def test_what_may_not_be_chosen_is_refused_and_nobody_created(
    client: Client, staff: Staff, superuser_url: str
) -> None:
    """Nobody chooses somebody else's password, roles, status, or declares an address verified
    (Zitadel CVE-2026-27946)."""
    email = random_email()
    for body, pointer in REFUSED:
        answer = create(client, staff, **{"email": email, **body})
        assert (answer.status, answer.problem) == (422, "invalid-input"), body
        assert [error["pointer"] for error in answer.json()["errors"]] == [pointer], body
    assert create(client, staff, username="somebody").json()["errors"][0]["pointer"] == "/email"
    assert count(superuser_url, email) == 0


def test_it_takes_the_permission_to_write_users(
    client: Client, staff: Staff, superuser_url: str
) -> None:
    email = random_email()
    for member in (
        staff.support,
        staff.auditor,
        staff.member(),
        staff.holding("users:read", "users:suspend", "users:delete", "roles:grant"),
    ):
        answer = client.request("POST", USERS, json={"email": email}, token=member.token)
        assert (answer.status, answer.problem) == (403, "permission-denied")
    assert count(superuser_url, email) == 0
    writer = staff.holding("users:write")
    assert client.request("POST", USERS, json={"email": email}, token=writer.token).status == 201


def test_an_open_sign_up_does_not_survive_the_account(
    client: Client, staff: Staff, people: People
) -> None:
    """Whoever signed up first with the address of a user gets no way into that account."""
    email, answer = people.register()
    assert answer.status == 202
    link = people.mailbox.last(email).token
    assert create(client, staff, email=email).status == 201
    stale = client.request("POST", "/v1/auth/verify-email", json=proof(link))
    assert (stale.status, stale.problem) == (400, "invalid-code")
    login = {"identifier": email, "password": PASSWORD}
    assert client.request("POST", "/v1/auth/login", json=login).status in {401, 403}
